//! The last state of each device in each segment it used.

use std::borrow::Cow;

use model::plmn::PlmnText;
use model::{CarrierBit, Country, DeviceNo, Heartbeat, Instant, Plmn};
use sqlx::PgConnection;

use crate::{Error, Result};

/// A device's newest heartbeat in one segment.
#[derive(Debug, Clone)]
pub struct LastHeardRow<'a> {
    /// The device.
    pub device_no: DeviceNo,
    /// Where it was.
    pub country: Country,
    /// The carrier's bit in that country.
    pub carrier_bit: CarrierBit,
    /// When it was heard.
    pub heard_at: Instant,
    /// The region it was in.
    pub region: Option<Cow<'a, str>>,
    /// What it said.
    pub heartbeat: Cow<'a, Heartbeat>,
}

fn texts<'a>(
    rows: &'a [LastHeardRow<'_>],
    pick: impl Fn(&'a LastHeardRow<'_>) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    rows.iter().map(pick).collect()
}

/// Writes the newest states, sorted by key; an older one never replaces a newer one, and two
/// within a minute write once. `moved` names the devices that were heard in another segment than
/// before: for those the `latest` mark moves.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    rows: &mut [LastHeardRow<'_>],
    moved: &mut Vec<DeviceNo>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| (row.device_no, row.country, row.carrier_bit));
    let plmns: Vec<_> = rows
        .iter()
        .map(|row| row.heartbeat.plmn().map(Plmn::text))
        .collect();
    let done = sqlx::query(
        "insert into last_heard as l (device_no, country, carrier_bit, latest, heard_at,
             interval_secs, battery_mv, rsrp_dbm, plmn, region, rat, tac, cell, fw, model)
         select device_no, country, carrier_bit, true, heard_at,
             interval_secs, battery_mv, rsrp_dbm, plmn, region, rat, tac, cell, fw, model
         from unnest($1::int[], $2::text[], $3::smallint[], $4::timestamptz[], $5::int[],
             $6::int[], $7::smallint[], $8::text[], $9::text[], $10::text[], $11::text[],
             $12::text[], $13::text[], $14::text[])
             as n (device_no, country, carrier_bit, heard_at, interval_secs, battery_mv, rsrp_dbm,
                   plmn, region, rat, tac, cell, fw, model)
         on conflict (device_no, country, carrier_bit) do update
         set heard_at = excluded.heard_at,
             interval_secs = coalesce(excluded.interval_secs, l.interval_secs),
             battery_mv = coalesce(excluded.battery_mv, l.battery_mv),
             rsrp_dbm = coalesce(excluded.rsrp_dbm, l.rsrp_dbm),
             plmn = coalesce(excluded.plmn, l.plmn),
             region = coalesce(excluded.region, l.region),
             rat = coalesce(excluded.rat, l.rat),
             tac = coalesce(excluded.tac, l.tac),
             cell = coalesce(excluded.cell, l.cell),
             fw = coalesce(excluded.fw, l.fw),
             model = coalesce(excluded.model, l.model)
         where l.heard_at < date_bin('1 minute', excluded.heard_at, timestamptz 'epoch')",
    )
    .bind(rows.iter().map(|row| row.device_no.0).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| row.country.to_string())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.carrier_bit.index())
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| row.heard_at).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| row.heartbeat.interval_secs)
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.heartbeat.battery_mv)
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.heartbeat.rsrp_dbm)
            .collect::<Vec<_>>(),
    )
    .bind(
        plmns
            .iter()
            .map(|plmn| plmn.as_ref().map(PlmnText::as_str))
            .collect::<Vec<_>>(),
    )
    .bind(texts(rows, |row| row.region.as_deref()))
    .bind(texts(rows, |row| row.heartbeat.rat.as_deref()))
    .bind(texts(rows, |row| row.heartbeat.tac.as_deref()))
    .bind(texts(rows, |row| row.heartbeat.cell.as_deref()))
    .bind(texts(rows, |row| row.heartbeat.fw.as_deref()))
    .bind(texts(rows, |row| row.heartbeat.model.as_deref()))
    .execute(&mut *connection)
    .await;
    Error::at("write last_heard", done)?;
    if moved.is_empty() {
        return Ok(());
    }
    moved.sort_unstable();
    moved.dedup();
    let done = sqlx::query(
        "update last_heard l set latest = r.latest
         from (select device_no, country, carrier_bit,
                      row_number() over (partition by device_no, country
                                         order by heard_at desc, carrier_bit) = 1 as latest
               from last_heard where device_no = any($1)) r
         where l.device_no = r.device_no and l.country = r.country
           and l.carrier_bit = r.carrier_bit and l.latest <> r.latest",
    )
    .bind(moved.iter().map(|device| device.0).collect::<Vec<_>>())
    .execute(connection)
    .await;
    Error::at("move latest marks", done).map(drop)
}

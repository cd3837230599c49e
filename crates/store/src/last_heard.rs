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
    /// Whether there is a row already, as far as the caller knows. If so, writing is half the work.
    pub is_known: bool,
}

fn texts<'a>(
    rows: &'a [LastHeardRow<'_>],
    pick: impl Fn(&'a LastHeardRow<'_>) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    rows.iter().map(pick).collect()
}

/// The rows, in the order in which [`run`] binds their columns.
macro_rules! given_rows {
    () => {
        " from unnest($1::int[], $2::text[], $3::smallint[], $4::timestamptz[], $5::int[],
              $6::int[], $7::smallint[], $8::text[], $9::text[], $10::text[], $11::text[],
              $12::text[], $13::text[], $14::text[])
              as n (device_no, country, carrier_bit, heard_at, interval_secs, battery_mv, rsrp_dbm,
                    plmn, region, rat, tac, cell, fw, model) "
    };
}

const UPDATE: &str = concat!(
    "update last_heard l
     set heard_at = n.heard_at,
         interval_secs = coalesce(n.interval_secs, l.interval_secs),
         battery_mv = coalesce(n.battery_mv, l.battery_mv),
         rsrp_dbm = coalesce(n.rsrp_dbm, l.rsrp_dbm),
         plmn = coalesce(n.plmn, l.plmn),
         region = coalesce(n.region, l.region),
         rat = coalesce(n.rat, l.rat),
         tac = coalesce(n.tac, l.tac),
         cell = coalesce(n.cell, l.cell),
         fw = coalesce(n.fw, l.fw),
         model = coalesce(n.model, l.model)",
    given_rows!(),
    "where l.device_no = n.device_no and l.country = n.country and l.carrier_bit = n.carrier_bit
       and l.heard_at < date_bin('1 minute', n.heard_at, timestamptz 'epoch')"
);

const UPSERT: &str = concat!(
    "insert into last_heard as l (device_no, country, carrier_bit, latest, heard_at,
         interval_secs, battery_mv, rsrp_dbm, plmn, region, rat, tac, cell, fw, model)
     select device_no, country, carrier_bit, true, heard_at,
         interval_secs, battery_mv, rsrp_dbm, plmn, region, rat, tac, cell, fw, model",
    given_rows!(),
    "on conflict (device_no, country, carrier_bit) do update
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
     where l.heard_at < date_bin('1 minute', excluded.heard_at, timestamptz 'epoch')"
);

/// Runs one of the statements above with these rows; returns how many it changed.
async fn run(
    connection: &mut PgConnection,
    statement: &'static str,
    rows: &[LastHeardRow<'_>],
) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let plmns: Vec<_> = rows
        .iter()
        .map(|row| row.heartbeat.plmn().map(Plmn::text))
        .collect();
    let done = sqlx::query(statement)
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
        .execute(connection)
        .await;
    Ok(Error::at("write last_heard", done)?.rows_affected())
}

/// Writes the newest states, those that are known first, each kind sorted by key; an older one never replaces a newer one, and two
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
    rows.sort_unstable_by_key(|row| (!row.is_known, row.device_no, row.country, row.carrier_bit));
    let (known, fresh) = rows.split_at(rows.partition_point(|row| row.is_known));
    // Where fewer rows changed than should have, one is missing after all or has been overtaken.
    let changed = run(connection, UPDATE, known).await?;
    if changed < known.len() as u64 {
        run(connection, UPSERT, known).await?;
    }
    run(connection, UPSERT, fresh).await?;
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

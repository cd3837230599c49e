//! The last state of each device in each segment it used.

use std::borrow::Cow;

use model::plmn::PlmnText;
use model::{CarrierBit, Country, DeviceNo, Heartbeat, Instant, Plmn};
use sqlx::postgres::{PgArguments, PgBindIterExt as _};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

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
    /// What is there already.
    pub before: RowBefore,
}

/// What the caller knows of the row that a state is going to replace. The less is new, the less work
/// it is to write; what turns out to be wrong costs more work, and never a wrong row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowBefore {
    /// There is none, as far as is known.
    Absent,
    /// There is one.
    Present,
    /// There is one, of a heartbeat that was heard at this instant and said the same as this one but
    /// for signal and battery.
    Alike(Instant),
}

impl RowBefore {
    /// What is known of the row before both of two heartbeats, of which only the second is written.
    #[must_use]
    pub fn then(self, second: Self) -> Self {
        match (self, second) {
            (Self::Alike(heard_at), Self::Alike(_)) => Self::Alike(heard_at),
            (Self::Absent, _) | (_, Self::Absent) => Self::Absent,
            _ => Self::Present,
        }
    }

    /// Its place among the three kinds, which are written one after the other.
    fn kind(self) -> u8 {
        match self {
            Self::Alike(_) => 0,
            Self::Present => 1,
            Self::Absent => 2,
        }
    }
}

/// The rows, in the order in which [`run`] binds their columns. Arrays that are unpacked side by side
/// in a select list flow through; those of a function in `from` would be stored as a whole before.
macro_rules! given_rows {
    () => {
        " from (select unnest($1::int[]) as device_no, unnest($2::text[]) as country,
                  unnest($3::smallint[]) as carrier_bit, unnest($4::timestamptz[]) as heard_at,
                  unnest($5::int[]) as battery_mv, unnest($6::smallint[]) as rsrp_dbm,
                  unnest($7::int[]) as interval_secs, unnest($8::text[]) as plmn,
                  unnest($9::text[]) as region, unnest($10::text[]) as rat,
                  unnest($11::text[]) as tac, unnest($12::text[]) as cell,
                  unnest($13::text[]) as fw, unnest($14::text[]) as model) n "
    };
}

/// For rows whose texts are there already. That the row was heard when we think it was proves that it
/// is the one we think of: nobody else has written it since. That it has the `latest` mark proves that
/// nobody else has heard the device in another segment since.
const UPDATE_ALIKE: &str = "update last_heard l
     set heard_at = n.heard_at,
         battery_mv = coalesce(n.battery_mv, l.battery_mv),
         rsrp_dbm = coalesce(n.rsrp_dbm, l.rsrp_dbm)
     from (select unnest($1::int[]) as device_no, unnest($2::text[]) as country,
                  unnest($3::smallint[]) as carrier_bit, unnest($4::timestamptz[]) as heard_at,
                  unnest($5::int[]) as battery_mv, unnest($6::smallint[]) as rsrp_dbm,
                  unnest($7::timestamptz[]) as before) n
     where l.device_no = n.device_no and l.country = n.country and l.carrier_bit = n.carrier_bit
       and l.heard_at = n.before and l.latest";

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
       and l.heard_at < date_bin('1 minute', n.heard_at, timestamptz 'epoch') and l.latest"
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
     where l.heard_at < date_bin('1 minute', excluded.heard_at, timestamptz 'epoch')
        or (not l.latest and l.heard_at < excluded.heard_at)"
);

/// Binds the columns that are written with every heartbeat.
fn bind_changing(
    statement: &'static str,
    rows: &[LastHeardRow<'_>],
) -> Query<'static, Postgres, PgArguments> {
    let heartbeats = || rows.iter().map(|row| &*row.heartbeat);
    sqlx::query(statement)
        .bind(rows.iter().map(|row| row.device_no.0).bind_iter())
        .bind(rows.iter().map(|row| row.country.as_str()).bind_iter())
        .bind(rows.iter().map(|row| row.carrier_bit.index()).bind_iter())
        .bind(rows.iter().map(|row| row.heard_at).bind_iter())
        .bind(heartbeats().map(|beat| beat.battery_mv).bind_iter())
        .bind(heartbeats().map(|beat| beat.rsrp_dbm).bind_iter())
}

/// Writes rows of which all but a few columns are there already; returns how many it changed.
async fn update_alike(connection: &mut PgConnection, rows: &[LastHeardRow<'_>]) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let before = rows.iter().map(|row| match row.before {
        RowBefore::Alike(heard_at) => Some(heard_at),
        RowBefore::Present | RowBefore::Absent => None,
    });
    let done = bind_changing(UPDATE_ALIKE, rows)
        .bind(before.bind_iter())
        .execute(connection)
        .await;
    Ok(Error::at("write last_heard", done)?.rows_affected())
}

/// Runs [`UPDATE`] or [`UPSERT`] with these rows; returns how many it changed.
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
    let plmns = plmns.iter().map(|plmn| plmn.as_ref().map(PlmnText::as_str));
    let heartbeats = || rows.iter().map(|row| &*row.heartbeat);
    let done = bind_changing(statement, rows)
        .bind(heartbeats().map(|beat| beat.interval_secs).bind_iter())
        .bind(plmns.bind_iter())
        .bind(rows.iter().map(|row| row.region.as_deref()).bind_iter())
        .bind(heartbeats().map(|beat| beat.rat.as_deref()).bind_iter())
        .bind(heartbeats().map(|beat| beat.tac.as_deref()).bind_iter())
        .bind(heartbeats().map(|beat| beat.cell.as_deref()).bind_iter())
        .bind(heartbeats().map(|beat| beat.fw.as_deref()).bind_iter())
        .bind(heartbeats().map(|beat| beat.model.as_deref()).bind_iter())
        .execute(connection)
        .await;
    Ok(Error::at("write last_heard", done)?.rows_affected())
}

/// Writes the newest states, those of which most is known first, each kind sorted by key; an older
/// one never replaces a newer one, and two within a minute write once, but for a device that is back in a
/// segment within it. `moved` names the devices that were heard in another segment than before: for those
/// the `latest` mark moves. It is also looked at for all of which less was there than the caller knew of.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    rows: &mut [LastHeardRow<'_>],
    moved: &mut Vec<DeviceNo>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| {
        let kind = row.before.kind();
        (kind, row.device_no, row.country, row.carrier_bit)
    });
    let of_kind = |kind| rows.partition_point(|row| row.before.kind() < kind);
    let (known, absent) = rows.split_at(of_kind(RowBefore::Absent.kind()));
    let (alike, present) = known.split_at(of_kind(RowBefore::Present.kind()));
    // Where fewer rows changed than should have, one is missing after all, is of somebody else or
    // has been overtaken: those that are as they should be are not changed a second time.
    if update_alike(connection, alike).await? < alike.len() as u64 {
        run(connection, UPSERT, alike).await?;
        moved.extend(alike.iter().map(|row| row.device_no));
    }
    if run(connection, UPDATE, present).await? < present.len() as u64 {
        run(connection, UPSERT, present).await?;
        moved.extend(present.iter().map(|row| row.device_no));
    }
    run(connection, UPSERT, absent).await?;
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

//! A past that was not listened to: what the demo puts before its first live minute.
//!
//! It is written as if ingest and exporter had been there all along: presence, the hours counted
//! from it, the minutely counts, the newest states, and a slot that has heard up to its end. What
//! counts is still presence; the hours are counted from it here as they are elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Carrier, Country, Hour, Instant};
use sqlx::PgConnection;

use crate::copy::Rows;
use crate::presence::{self, Counts, PresenceRow};
use crate::{Error, Result, Store, carriers};

/// What a row of presence takes in a COPY stream, for the size of the buffer.
const PRESENCE_ROW_BYTES: usize = 40;

/// The same for a row of minutely counts.
const MINUTE_ROW_BYTES: usize = 120;

/// Counting and loading weeks in one statement may take longer than a request to the API.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// One minute of one country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteRow {
    /// The minute.
    pub minute: Instant,
    /// The country.
    pub country: Country,
    /// Who was reachable then.
    pub counts: Counts,
}

impl Store {
    /// Until when the slots have heard: where a past that is to be added begins. `None` while no
    /// slot has heard anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn heard_until(&self) -> Result<Option<Instant>> {
        Error::at(
            "heard_until",
            sqlx::query_scalar("select min(watermark) from ingest_slots where retired_at is null")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// Forgets everything that was heard and counted; the registry stays. For a past that was not
    /// added to its end.
    ///
    /// # Errors
    /// When the database is away; nothing is forgotten then.
    pub async fn forget_past(&self) -> Result<()> {
        let done = sqlx::raw_sql(
            "truncate presence, last_heard, hourly_counts, now_counts, late_hours, heartbeats,
                      gaps, ingest_slots, emissions, legacy_emissions",
        )
        .execute(&self.pool)
        .await;
        Error::at("forget the past", done).map(drop)
    }

    /// Takes all leases away from whoever has them. Only for somebody who knows that nobody else
    /// is running: an owner that was killed would be waited for otherwise.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn free_leases(&self) -> Result<()> {
        let done = sqlx::raw_sql(
            "update ingest_slots set owner = null, lease_until = '-infinity';
             update leases set lease_until = '-infinity'",
        )
        .execute(&self.pool)
        .await;
        Error::at("free leases", done).map(drop)
    }

    /// Adds presence. With `is_new`, none of the devices was ever heard in these hours: then it is
    /// copied in, several times faster.
    ///
    /// # Errors
    /// When the database is away, or holds one of the rows although they are new; nothing of this
    /// call is written then.
    pub async fn add_presence(&self, rows: &mut [PresenceRow], is_new: bool) -> Result<()> {
        let starts = || rows.iter().map(|row| row.hour.start);
        let (Some(from), Some(to)) = (starts().min(), starts().max()) else {
            return Ok(());
        };
        self.make_presence_partitions(from, to).await?;
        let mut transaction = Error::at("add presence", self.pool.begin().await)?;
        take_time(&mut transaction).await?;
        if is_new {
            rows.sort_unstable_by_key(|row| (row.hour.start, row.country, row.device_no));
            let stream = presence_stream(rows);
            copy(
                &mut transaction,
                "copy presence (hour, country, device_no, carriers) from stdin
                 with (format binary)",
                &stream,
            )
            .await?;
        } else {
            presence::upsert(&mut transaction, rows, None).await?;
        }
        Error::at("add presence", transaction.commit().await)
    }

    /// Adds minutely counts. Minutes that are there already are replaced.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn add_minutes(&self, rows: &[MinuteRow]) -> Result<()> {
        let minutes = || rows.iter().map(|row| row.minute);
        let (Some(from), Some(to)) = (minutes().min(), minutes().max()) else {
            return Ok(());
        };
        let mut transaction = Error::at("add minutes", self.pool.begin().await)?;
        take_time(&mut transaction).await?;
        let replaced = sqlx::query("delete from now_counts where minute between $1 and $2")
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await;
        Error::at("add minutes", replaced)?;
        copy(
            &mut transaction,
            "copy now_counts (minute, country, devices, carriers) from stdin with (format binary)",
            &minute_stream(rows),
        )
        .await?;
        Error::at("add minutes", transaction.commit().await)
    }

    /// Counts hours from presence and writes them as complete. An hour in which nobody was heard
    /// counts 0, and so does a carrier in an hour in which only others were.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn count_hours(&self, hours: &[(Country, Hour)], now: Instant) -> Result<()> {
        let starts = || hours.iter().map(|(_, hour)| hour.start);
        let (Some(from), Some(to)) = (starts().min(), starts().max()) else {
            return Ok(());
        };
        let mut transaction = Error::at("count hours", self.pool.begin().await)?;
        take_time(&mut transaction).await?;
        let bits = carriers::all(&mut transaction).await?;
        let mut counts = presence::count_all(&mut transaction, &bits, from, to).await?;
        let mut in_use: BTreeMap<Country, BTreeSet<Carrier>> = BTreeMap::new();
        for ((country, _), counts) in &counts {
            let carriers = counts.carriers.keys().cloned();
            in_use.entry(*country).or_default().extend(carriers);
        }
        let rows: Vec<_> = hours
            .iter()
            .map(|(country, hour)| {
                let mut counts = counts.remove(&(*country, hour.start)).unwrap_or_default();
                for carrier in in_use.get(country).into_iter().flatten() {
                    counts.carriers.entry(carrier.clone()).or_insert(0);
                }
                (country.to_string(), *hour, counts)
            })
            .collect();
        let written = sqlx::query(
            "insert into hourly_counts as h (country, hour, hour_end, devices, carriers, complete,
                                             revision, closed_at)
             select country, hour, hour_end, devices, carriers, true, 1, $6
             from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::jsonb[])
                 as n (country, hour, hour_end, devices, carriers)
             on conflict (country, hour) do update
             set devices = excluded.devices, carriers = excluded.carriers, complete = true,
                 gap_secs = 0, causes = '{}', closed_at = excluded.closed_at,
                 revision = h.revision + (h.devices <> excluded.devices
                     or h.carriers <> excluded.carriers or not h.complete)::int",
        )
        .bind(rows.iter().map(|(country, ..)| country).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|(_, hour, _)| hour.start)
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|(_, hour, _)| hour.end).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|(_, _, counts)| i32::try_from(counts.devices).unwrap_or(i32::MAX))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|(_, _, counts)| serde_json::json!(counts.carriers))
                .collect::<Vec<_>>(),
        )
        .bind(now)
        .execute(&mut *transaction)
        .await;
        Error::at("count hours", written)?;
        Error::at("count hours", transaction.commit().await)
    }

    /// Makes a slot stand as if it had listened from `started_at` and had heard everything until
    /// `until`, so that no gap lasts any more. A slot that has heard more keeps what it has.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_heard_slot(
        &self,
        slot: &str,
        client_id: &str,
        topic_filter: &str,
        started_at: Instant,
        until: Instant,
    ) -> Result<()> {
        let mut transaction = Error::at("add slot", self.pool.begin().await)?;
        // What lasted reaches beyond the watermark, and is in the past that was added.
        let closed = sqlx::query("delete from gaps where slot = $1 and to_at is null")
            .bind(slot)
            .execute(&mut *transaction)
            .await;
        Error::at("add slot", closed)?;
        let done = sqlx::query(
            "insert into ingest_slots as s (slot, client_id, topic_filter, started_at, watermark)
             values ($1, $2, $3, $4, $5)
             on conflict (slot) do update
             set started_at = least(s.started_at, excluded.started_at),
                 watermark = greatest(s.watermark, excluded.watermark)",
        )
        .bind(slot)
        .bind(client_id)
        .bind(topic_filter)
        .bind(started_at)
        .bind(until)
        .execute(&mut *transaction)
        .await;
        Error::at("add slot", done)?;
        Error::at("add slot", transaction.commit().await)
    }
}

/// Allows the rest of a transaction more time than a request to the API gets.
async fn take_time(connection: &mut PgConnection) -> Result<()> {
    let set = sqlx::query("select set_config('statement_timeout', $1, true)")
        .bind(format!("{}s", STATEMENT_TIMEOUT.as_secs()))
        .execute(connection)
        .await;
    Error::at("set the statement timeout", set).map(drop)
}

async fn copy(connection: &mut PgConnection, statement: &str, stream: &[u8]) -> Result<()> {
    let mut copying = Error::at("copy", connection.copy_in_raw(statement).await)?;
    Error::at("copy", copying.send(stream).await.map(drop))?;
    Error::at("copy", copying.finish().await).map(drop)
}

fn presence_stream(rows: &[PresenceRow]) -> Vec<u8> {
    let mut out = Rows::new(4, rows.len() * PRESENCE_ROW_BYTES);
    for row in rows {
        out.start_row();
        out.timestamp(Some(row.hour.start));
        out.text(Some(row.country.as_str()));
        out.integer(Some(row.device_no.0));
        out.bigint(Some(row.carriers.to_i64()));
    }
    out.finish()
}

fn minute_stream(rows: &[MinuteRow]) -> Vec<u8> {
    let mut out = Rows::new(4, rows.len() * MINUTE_ROW_BYTES);
    for row in rows {
        out.start_row();
        out.timestamp(Some(row.minute));
        out.text(Some(row.country.as_str()));
        out.integer(Some(i32::try_from(row.counts.devices).unwrap_or(i32::MAX)));
        out.json(&serde_json::json!(row.counts.carriers));
    }
    out.finish()
}

//! Daily partitions: made ahead of time, dropped when they are old.
//!
//! They are made for days around the present, or for the days of a file that a person imports;
//! never for a time that a device claims.

use std::collections::HashSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use model::Instant;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{Error, Result, Store};

/// How many days ahead partitions exist.
const DAYS_AHEAD: u64 = 7;
/// How many days back presence may come: a heartbeat that waited in the broker counts when it was
/// sent, up to three days ago, and an hour may have begun on the day before.
const PRESENCE_DAYS_BACK: u64 = 4;
/// The same for what goes by the time of arrival, which is now.
const ARRIVAL_DAYS_BACK: u64 = 1;
/// Days for which minutely counts and quarantine counts are kept: a quarter of a year, so that a
/// season can be compared with the last.
const MINUTES_KEPT_DAYS: u64 = 92;
/// Days for which it is kept what was sent to the Agent. The plan of an hour takes 55 minutes.
const EMISSIONS_KEPT_DAYS: u64 = 7;
/// Days for which it is kept what jobs did: as long as the minutes that they counted.
const JOB_RUNS_KEPT_DAYS: u64 = 92;
/// Days for which it is kept who looked at single devices and who changed what: a year, and a month
/// to look back on it.
const AUDIT_KEPT_DAYS: u64 = 396;
/// Held while partitions are made or dropped, so that two processes do not collide.
const PARTITION_LOCK: i64 = 0x6865_6164; // "head"

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Days of raw heartbeats.
    pub heartbeats_days: u32,
    /// At most this many bytes of raw heartbeats; the oldest days go first.
    pub heartbeats_max_bytes: u64,
    /// Days of presence. Hourly counts stay for good.
    pub presence_days: u32,
    /// Days of quarantined messages.
    pub quarantine_days: u32,
}

impl Store {
    /// Makes the partitions that will be needed, drops those that are too old, and indexes days
    /// of raw heartbeats that are over. Run at the start and every hour; cheap when there is
    /// nothing to do.
    ///
    /// # Errors
    /// When the database is away. Nothing is half done: the next run completes it.
    pub async fn maintain(&self, now: Instant, retention: Retention) -> Result<()> {
        let today = now.date_naive();
        let before = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        let to = today
            .checked_add_days(Days::new(DAYS_AHEAD))
            .unwrap_or(today);
        for (table, days_back, kept_days) in [
            ("heartbeats", ARRIVAL_DAYS_BACK, retention.heartbeats_days),
            ("presence", PRESENCE_DAYS_BACK, retention.presence_days),
            ("quarantine", ARRIVAL_DAYS_BACK, retention.quarantine_days),
        ] {
            self.make_partitions(table, before(days_back), to).await?;
            let mut connection = Error::at("maintain", self.pool.acquire().await)?;
            let oldest = before(kept_days.into());
            for (day, name) in partitions(&mut connection, table).await? {
                if day < oldest {
                    drop_partition(&mut connection, &name).await?;
                }
            }
        }
        let mut connection = Error::at("maintain", self.pool.acquire().await)?;
        for (statement, days) in [
            (
                "delete from now_counts where minute < $1",
                MINUTES_KEPT_DAYS,
            ),
            (
                "delete from quarantine_counts where minute < $1",
                MINUTES_KEPT_DAYS,
            ),
            ("delete from audit where noted_at < $1", AUDIT_KEPT_DAYS),
            (
                "delete from emissions where sent_at < $1",
                EMISSIONS_KEPT_DAYS,
            ),
            (
                "delete from legacy_emissions where sent_at < $1",
                EMISSIONS_KEPT_DAYS,
            ),
            (
                "delete from job_runs where started_at < $1",
                JOB_RUNS_KEPT_DAYS,
            ),
        ] {
            let deleted = sqlx::query(statement)
                .bind(midnight(before(days)))
                .execute(&mut *connection)
                .await;
            Error::at("drop old counts", deleted)?;
        }
        keep_within(&mut connection, retention.heartbeats_max_bytes, today).await
    }

    /// Builds the index by device on the evidence of days that are over, where it is missing. Takes
    /// as long as it takes, minutes for a large fleet: nothing may wait for it.
    ///
    /// # Errors
    /// When the database is away; what was built stays.
    pub async fn index_past_days(&self, now: Instant) -> Result<()> {
        let options = self.options.clone().options([("statement_timeout", "0")]);
        let mut connection = Error::at("connect", crate::connect(&options).await)?;
        index_past_days(&mut connection, now.date_naive()).await
    }

    /// From when on presence is kept: the first moment of its oldest day. `None` while there is
    /// none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn presence_kept_from(&self) -> Result<Option<Instant>> {
        let mut connection = Error::at("presence_kept_from", self.pool.acquire().await)?;
        let days = days(&mut connection, "presence").await?;
        Ok(days.into_iter().min().map(midnight))
    }

    /// Makes presence partitions for the days of an import.
    pub(crate) async fn make_presence_partitions(&self, from: Instant, to: Instant) -> Result<()> {
        self.make_partitions("presence", from.date_naive(), to.date_naive())
            .await
    }

    async fn make_partitions(&self, table: &str, from: NaiveDate, to: NaiveDate) -> Result<()> {
        let mut connection = Error::at("make_partitions", self.pool.acquire().await)?;
        let have = days(&mut connection, table).await?;
        for day in from.iter_days().take_while(|day| *day <= to) {
            if !have.contains(&day) {
                make_partition(&mut connection, table, day).await?;
            }
        }
        Ok(())
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// The days for which a table has a partition.
pub(crate) async fn days(connection: &mut PgConnection, table: &str) -> Result<HashSet<NaiveDate>> {
    let partitions = partitions(connection, table).await?;
    Ok(partitions.into_iter().map(|(day, _)| day).collect())
}

/// The partitions of a table, oldest first, by the day in their name.
async fn partitions(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Vec<(NaiveDate, String)>> {
    let names: Vec<String> = Error::at(
        "list partitions",
        sqlx::query_scalar(
            "select relname from pg_class
             where oid in (select inhrelid from pg_inherits where inhparent = to_regclass($1))
             order by relname",
        )
        .bind(table)
        .fetch_all(&mut *connection)
        .await,
    )?;
    Ok(names
        .into_iter()
        .filter_map(|name| {
            let day = NaiveDate::parse_from_str(name.rsplit('_').next()?, "%Y%m%d").ok()?;
            Some((day, name))
        })
        .collect())
}

/// Makes one partition beside the table and attaches it: CREATE … PARTITION OF would lock out
/// every writer while it waits for its turn.
async fn make_partition(connection: &mut PgConnection, table: &str, day: NaiveDate) -> Result<()> {
    let name = format!("{table}_{}", day.format("%Y%m%d"));
    let (from, to) = (midnight(day), midnight(day) + TimeDelta::days(1));
    let statement = format!(
        "create table {name} (like {table} including all);
         alter table {table} attach partition {name}
             for values from ('{from}') to ('{to}')",
        from = from.to_rfc3339(),
        to = to.to_rfc3339(),
    );
    let mut transaction = Error::at("make partition", connection.begin().await)?;
    lock_partitions(&mut transaction).await?;
    if !exists(&mut transaction, &name).await? {
        // The table and the day are ours, not input.
        let made = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *transaction)
            .await;
        Error::at("make partition", made)?;
    }
    Error::at("make partition", transaction.commit().await)
}

async fn exists(connection: &mut PgConnection, relation: &str) -> Result<bool> {
    Error::at(
        "look for a relation",
        sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(relation)
            .fetch_one(connection)
            .await,
    )
}

async fn lock_partitions(connection: &mut PgConnection) -> Result<()> {
    let locked = sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(PARTITION_LOCK)
        .execute(connection)
        .await;
    Error::at("lock partitions", locked).map(drop)
}

async fn drop_partition(connection: &mut PgConnection, name: &str) -> Result<()> {
    tracing::info!(
        partition = name,
        "dropping a partition that is past its retention"
    );
    let statement = AssertSqlSafe(format!("drop table if exists {name}"));
    Error::at(
        "drop partition",
        sqlx::raw_sql(statement).execute(connection).await,
    )
    .map(drop)
}

/// Drops the oldest days of raw heartbeats until the rest fits; never today's.
async fn keep_within(
    connection: &mut PgConnection,
    max_bytes: u64,
    today: NaiveDate,
) -> Result<()> {
    let mut sizes = Vec::new();
    for (day, name) in partitions(connection, "heartbeats").await? {
        let bytes: i64 = Error::at(
            "measure partition",
            sqlx::query_scalar("select pg_total_relation_size(to_regclass($1))")
                .bind(&name)
                .fetch_one(&mut *connection)
                .await,
        )?;
        sizes.push((day, name, u64::try_from(bytes).unwrap_or(0)));
    }
    let mut total: u64 = sizes.iter().map(|(_, _, bytes)| bytes).sum();
    for (day, name, bytes) in sizes {
        if total <= max_bytes || day >= today {
            break;
        }
        drop_partition(connection, &name).await?;
        total -= bytes;
    }
    Ok(())
}

/// Builds the index by device on days that are over.
async fn index_past_days(connection: &mut PgConnection, today: NaiveDate) -> Result<()> {
    for (day, name) in partitions(connection, "heartbeats").await? {
        // Rows go by when they were received, so a day that is over gets no more of them.
        let index = format!("{name}_by_device");
        if day >= today || exists(&mut *connection, &index).await? {
            continue;
        }
        let statement = format!("create index {index} on {name} (device_no, received_at)");
        let built = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await;
        Error::at("index partition", built)?;
    }
    Ok(())
}

//! Closing hours: one snapshot in which watermarks, gaps and presence belong together.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use model::{Carrier, Completeness, Country, Gap, Hour, Instant};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::carriers::CarrierBits;
use crate::countries::{CountryRow, read_country};
use crate::hours::{HourlyCount, HourlyRow};
use crate::job_runs::{self, RunNo};
use crate::leases::{Lease, seconds};
use crate::now::ALIVE_DAYS;
use crate::presence::Counts;
use crate::slots::{SLOTS, SlotState, fenced};
use crate::{Error, Result, Store, carriers, countries, gaps, presence};

/// A snapshot in which hours are counted and written, all or none.
///
/// It is one REPEATABLE READ transaction: a watermark seen in it vouches for all presence seen in
/// it. What ingest commits meanwhile is not seen, and marks its hour as late.
#[derive(Debug)]
pub struct Closing {
    transaction: Transaction<'static, Postgres>,
    bits: CarrierBits,
}

/// An hour that was counted once and has received presence since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateHour {
    /// The country.
    pub country: Country,
    /// The hour.
    pub hour: Hour,
    /// When presence last came for it.
    pub marked_at: Instant,
    /// When it was last counted; `None` if never.
    pub closed_at: Option<Instant>,
}

impl Store {
    /// Opens a snapshot for closing hours.
    ///
    /// Must not be cancelled: a transaction that is abandoned while it begins would poison the
    /// pool. Call it outside of `select!` and `timeout`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin_closing(&self) -> Result<Closing> {
        let mut transaction = Error::at(
            "begin closing",
            self.pool
                .begin_with("begin isolation level repeatable read")
                .await,
        )?;
        let bits = carriers::all(&mut transaction).await?;
        Ok(Closing { transaction, bits })
    }
}

impl Closing {
    /// The slots and their watermarks.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn slots(&mut self) -> Result<Vec<SlotState>> {
        Error::at(
            "slots",
            sqlx::query_as(SLOTS)
                .fetch_all(&mut *self.transaction)
                .await,
        )
    }

    /// The gaps that reach beyond `since`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn gaps_since(&mut self, since: Instant) -> Result<Vec<Gap>> {
        let records = gaps::since(&mut self.transaction, since).await?;
        Ok(records.into_iter().map(|record| record.gap).collect())
    }

    /// The countries in use.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn countries(&mut self) -> Result<Vec<CountryRow>> {
        countries::all(&mut self.transaction).await
    }

    /// The end of the last hour that was closed for each country, imports left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn closed_until(&mut self) -> Result<BTreeMap<Country, Instant>> {
        closed_until(&mut self.transaction).await
    }

    /// Hours that have ended and received presence since they were counted, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn late_hours(&mut self, limit: i64) -> Result<Vec<LateHour>> {
        let rows: Vec<(String, Instant, Instant, Instant, Option<Instant>)> = Error::at(
            "late_hours",
            sqlx::query_as(
                "select l.country, l.hour, l.hour_end, l.marked_at, h.closed_at
                 from late_hours l left join hourly_counts h using (country, hour)
                 order by l.hour, l.country limit $1",
            )
            .bind(limit)
            .fetch_all(&mut *self.transaction)
            .await,
        )?;
        rows.into_iter()
            .map(|(country, start, end, marked_at, closed_at)| {
                let country = read_country(&country)?;
                Ok(LateHour {
                    country,
                    hour: Hour { start, end },
                    marked_at,
                    closed_at,
                })
            })
            .collect()
    }

    /// The hours that were counted at or after `since`, imports left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn counted_since(&mut self, since: Instant) -> Result<Vec<HourlyCount>> {
        let rows: Vec<HourlyRow> = Error::at(
            "counted_since",
            sqlx::query_as(
                "select country, hour, hour_end, devices, carriers, complete, gap_secs, causes,
                        revision, imported, closed_at
                 from hourly_counts where closed_at >= $1 and not imported
                 order by hour, country",
            )
            .bind(since)
            .fetch_all(&mut *self.transaction)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Counts an hour. Carriers that were heard in the last seven days and not in this hour are
    /// there with 0; a country that was silent all that time has no carriers at all.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn count(&mut self, country: Country, hour: Hour) -> Result<Counts> {
        let alive: Vec<String> = Error::at(
            "alive carriers",
            sqlx::query_scalar(
                "select distinct key from hourly_counts, jsonb_each_text(carriers)
                 where country = $1 and hour >= $2 and hour < $3 and value::int > 0",
            )
            .bind(country.as_str())
            .bind(hour.start - TimeDelta::days(ALIVE_DAYS.into()))
            .bind(hour.start)
            .fetch_all(&mut *self.transaction)
            .await,
        )?;
        let mut counts =
            presence::count_hour(&mut self.transaction, &self.bits, country, hour.start).await?;
        for carrier in &alive {
            counts.carriers.entry(Carrier::slug(carrier)).or_insert(0);
        }
        Ok(counts)
    }

    /// Writes the count of an hour and removes its late marker. The revision grows when the
    /// counts or the completeness changed, or when `force` asks for it; returns the revision that
    /// now stands. An imported number is replaced only by presence. Presence is only ever added, so
    /// a lower count means that its retention has passed and the count cannot be told any more:
    /// then what was counted stands, and the answer is `None`.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when presence came for this hour at this very moment: do it again.
    pub async fn write(
        &mut self,
        country: Country,
        hour: Hour,
        counts: &Counts,
        completeness: &Completeness,
        force: bool,
        now: Instant,
    ) -> Result<Option<i32>> {
        let (gap_secs, causes) = match completeness {
            Completeness::Complete => (0, Vec::new()),
            Completeness::Incomplete { gap_secs, causes } => (
                i32::try_from(*gap_secs).unwrap_or(i32::MAX),
                causes.iter().map(|cause| cause.as_str()).collect(),
            ),
        };
        let revision: Option<i32> = Error::at(
            "write hour",
            sqlx::query_scalar(
                "insert into hourly_counts as h (country, hour, hour_end, devices, carriers,
                     complete, gap_secs, causes, revision, imported, closed_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, 1, false, $9)
                 on conflict (country, hour) do update
                 set hour_end = excluded.hour_end, devices = excluded.devices,
                     carriers = excluded.carriers, complete = excluded.complete,
                     gap_secs = excluded.gap_secs, causes = excluded.causes, imported = false,
                     closed_at = excluded.closed_at,
                     revision = h.revision + ($10 or h.devices <> excluded.devices
                         or h.carriers <> excluded.carriers
                         or h.complete <> excluded.complete)::int
                 where h.imported or excluded.devices >= h.devices
                 returning revision",
            )
            .bind(country.as_str())
            .bind(hour.start)
            .bind(hour.end)
            .bind(i32::try_from(counts.devices).unwrap_or(i32::MAX))
            .bind(serde_json::json!(counts.carriers))
            .bind(completeness.is_complete())
            .bind(gap_secs)
            .bind(causes)
            .bind(now)
            .bind(force)
            .fetch_optional(&mut *self.transaction)
            .await,
        )?;
        let unmarked = sqlx::query("delete from late_hours where country = $1 and hour = $2")
            .bind(country.as_str())
            .bind(hour.start)
            .execute(&mut *self.transaction)
            .await;
        Error::at("unmark late hour", unmarked)?;
        Ok(revision)
    }

    /// Commits, if the lease is still ours, renews it, and with that ends the run that wrote these
    /// hours. The run must have begun before this snapshot.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when it is not, [`Error::is_conflict`] when presence came for one of
    /// the hours at this very moment: nothing was written, do it again.
    pub async fn commit(
        mut self,
        lease: &Lease,
        lasts: Duration,
        run: RunNo,
        hours: usize,
        now: Instant,
    ) -> Result<()> {
        let renewed = sqlx::query(
            "update leases set lease_until = clock_timestamp() + make_interval(secs => $3)
             where name = $1 and term = $2",
        )
        .bind(&lease.name)
        .bind(lease.term)
        .bind(seconds(lasts))
        .execute(&mut *self.transaction)
        .await;
        fenced(
            Error::at("renew lease", renewed)?.rows_affected(),
            &lease.name,
        )?;
        job_runs::finish(&mut self.transaction, run, hours, now).await?;
        Error::at("commit closing", self.transaction.commit().await)
    }

    /// Commits what a person asked for, whoever holds the lease: a row is written in one go, and
    /// the owner of the lease reads it like any other.
    ///
    /// # Errors
    /// [`Error::is_conflict`] as for [`Self::commit`].
    pub async fn commit_by_hand(
        mut self,
        hours: usize,
        started_at: Instant,
        now: Instant,
    ) -> Result<()> {
        job_runs::note_by_hand(&mut self.transaction, hours, started_at, now).await?;
        Error::at("commit closing", self.transaction.commit().await)
    }
}

/// The end of the last hour that was closed for each country, imports left out.
pub(crate) async fn closed_until(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Country, Instant>> {
    let rows: Vec<(String, Instant)> = Error::at(
        "closed_until",
        sqlx::query_as(
            "select c.country, h.hour_end
             from countries c cross join lateral (
                 select hour_end from hourly_counts
                 where country = c.country and not imported order by hour desc limit 1
             ) h",
        )
        .fetch_all(connection)
        .await,
    )?;
    rows.into_iter()
        .map(|(country, end)| Ok((read_country(&country)?, end)))
        .collect()
}

//! Closed hours, and what was sent of them.

use std::collections::{BTreeMap, HashSet};

use model::{Carrier, Cause, Country, Hour, Instant, Segment};

use crate::countries::read_country;
use crate::leases::Lease;
use crate::presence::Counts;
use crate::slots::fenced;
use crate::{Error, Result, Store};

/// One closed hour of one country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyCount {
    /// The country.
    pub country: Country,
    /// The hour.
    pub hour: Hour,
    /// Distinct devices, in the country and per carrier.
    pub counts: Counts,
    /// Whether the counts are exact, or a lower bound.
    pub complete: bool,
    /// How much of the hour gaps hid, in seconds.
    pub gap_secs: i32,
    /// Why.
    pub causes: Vec<Cause>,
    /// Grows with every recount that changed something.
    pub revision: i32,
    /// Whether the number was imported rather than counted here.
    pub imported: bool,
    /// When it was closed or last counted again.
    pub closed_at: Instant,
}

#[derive(sqlx::FromRow)]
pub(crate) struct HourlyRow {
    country: String,
    hour: Instant,
    hour_end: Instant,
    devices: i32,
    carriers: sqlx::types::Json<BTreeMap<Carrier, i64>>,
    complete: bool,
    gap_secs: i32,
    causes: Vec<String>,
    revision: i32,
    imported: bool,
    closed_at: Instant,
}

impl TryFrom<HourlyRow> for HourlyCount {
    type Error = Error;
    fn try_from(row: HourlyRow) -> Result<Self> {
        Ok(Self {
            country: read_country(&row.country)?,
            hour: Hour {
                start: row.hour,
                end: row.hour_end,
            },
            counts: Counts {
                devices: row.devices.into(),
                carriers: row.carriers.0,
            },
            complete: row.complete,
            gap_secs: row.gap_secs,
            causes: row
                .causes
                .iter()
                .filter_map(|cause| Cause::parse(cause))
                .collect(),
            revision: row.revision,
            imported: row.imported,
            closed_at: row.closed_at,
        })
    }
}

/// A line that was sent for an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emission {
    /// The country.
    pub country: Country,
    /// The start of the hour.
    pub hour: Instant,
    /// The revision sent.
    pub revision: i32,
    /// The step of the plan, in minutes after the hour's end; 0 is the first.
    pub step: i16,
}

impl Store {
    /// The closed hours of a country that start in `[from, to)`, in order.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn hourly_counts(
        &self,
        country: Country,
        from: Instant,
        to: Instant,
    ) -> Result<Vec<HourlyCount>> {
        let rows: Vec<HourlyRow> = Error::at(
            "hourly_counts",
            sqlx::query_as(
                "select country, hour, hour_end, devices, carriers, complete, gap_secs, causes,
                        revision, imported, closed_at
                 from hourly_counts where country = $1 and hour >= $2 and hour < $3 order by hour",
            )
            .bind(country.as_str())
            .bind(from)
            .bind(to)
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The closed hours of all countries that ended after `since`, in order of their end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hours_ended_since(&self, since: Instant) -> Result<Vec<HourlyCount>> {
        let rows: Vec<HourlyRow> = Error::at(
            "hours_ended_since",
            sqlx::query_as(
                "select country, hour, hour_end, devices, carriers, complete, gap_secs, causes,
                        revision, imported, closed_at
                 from hourly_counts where hour_end > $1 order by hour_end, country",
            )
            .bind(since)
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Complete hours of all countries that were counted here since `since` and had ended before it,
    /// in order of their end: what was imported, or came after a long absence.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hours_counted_late(&self, since: Instant) -> Result<Vec<HourlyCount>> {
        let rows: Vec<HourlyRow> = Error::at(
            "hours_counted_late",
            sqlx::query_as(
                "select country, hour, hour_end, devices, carriers, complete, gap_secs, causes,
                        revision, imported, closed_at
                 from hourly_counts
                 where closed_at > $1 and not imported and complete and hour_end <= $1
                 order by hour_end, country",
            )
            .bind(since)
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The hours that were closed or counted again after `since`, in that order. Imports are left
    /// out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hours_closed_since(&self, since: Instant, limit: u32) -> Result<Vec<HourlyCount>> {
        let rows: Vec<HourlyRow> = Error::at(
            "hours_closed_since",
            sqlx::query_as(
                "select country, hour, hour_end, devices, carriers, complete, gap_secs, causes,
                        revision, imported, closed_at
                 from hourly_counts where closed_at > $1 and not imported
                 order by closed_at, hour, country limit $2",
            )
            .bind(since)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The segments of which at least `devices` were counted in one of the hours that ended after
    /// `since`, whether the count was exact or a lower bound.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn segments_of_size(&self, devices: u32, since: Instant) -> Result<HashSet<Segment>> {
        let rows: Vec<(String, String)> = Error::at(
            "segments_of_size",
            sqlx::query_as(
                "select distinct country, key from hourly_counts, jsonb_each_text(carriers)
                 where hour_end > $1 and value::bigint >= $2",
            )
            .bind(since)
            .bind(i64::from(devices))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|(country, carrier)| {
                Ok(Segment {
                    country: read_country(&country)?,
                    carrier: Carrier::slug(&carrier),
                })
            })
            .collect()
    }

    /// When the last hour was closed, over all countries.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_close(&self) -> Result<Option<Instant>> {
        Error::at(
            "last_close",
            sqlx::query_scalar("select max(closed_at) from hourly_counts where not imported")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// What was sent for the hours that start at or after `since`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn emissions_since(&self, since: Instant) -> Result<Vec<Emission>> {
        let rows: Vec<(String, Instant, i32, i16)> = Error::at(
            "emissions_since",
            sqlx::query_as("select country, hour, revision, step from emissions where hour >= $1")
                .bind(since)
                .fetch_all(&self.pool)
                .await,
        )?;
        rows.into_iter()
            .map(|(country, hour, revision, step)| {
                Ok(Emission {
                    country: read_country(&country)?,
                    hour,
                    revision,
                    step,
                })
            })
            .collect()
    }

    /// When a line was last sent to Datadog's Agent, over all countries.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_emission(&self) -> Result<Option<Instant>> {
        Error::at(
            "last_emission",
            sqlx::query_scalar("select max(sent_at) from emissions")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// How many hours received presence after they had ended and wait to be counted again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn late_hours_pending(&self) -> Result<i64> {
        Error::at(
            "late_hours_pending",
            sqlx::query_scalar("select count(*) from late_hours")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// Notes that a step of the plan was carried out.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is not ours any more; otherwise the database is away.
    pub async fn note_emission(
        &self,
        lease: &Lease,
        emission: Emission,
        now: Instant,
    ) -> Result<()> {
        let done = sqlx::query(
            "with held as (select from leases where name = $6 and term = $7 for share)
             insert into emissions (country, hour, revision, step, sent_at)
             select $1, $2, $3, $4, $5 from held
             on conflict (country, hour, revision, step) do update set sent_at = excluded.sent_at",
        )
        .bind(emission.country.as_str())
        .bind(emission.hour)
        .bind(emission.revision)
        .bind(emission.step)
        .bind(now)
        .bind(&lease.name)
        .bind(lease.term)
        .execute(&self.pool)
        .await;
        fenced(
            Error::at("note_emission", done)?.rows_affected(),
            &lease.name,
        )
    }

    /// Claims the right to send the legacy distribution of an hour, once for ever: two values
    /// would add up in a distribution. Returns whether it is ours to send.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is not ours any more; otherwise the database is away.
    pub async fn claim_legacy_emission(
        &self,
        lease: &Lease,
        country: Country,
        hour: Instant,
        now: Instant,
    ) -> Result<bool> {
        let (held, claimed): (i64, i64) = Error::at(
            "claim_legacy_emission",
            sqlx::query_as(
                "with held as (select from leases where name = $4 and term = $5 for share),
                 claimed as (
                     insert into legacy_emissions (country, hour, sent_at)
                     select $1, $2, $3 from held
                     on conflict do nothing returning country
                 )
                 select (select count(*) from held), (select count(*) from claimed)",
            )
            .bind(country.as_str())
            .bind(hour)
            .bind(now)
            .bind(&lease.name)
            .bind(lease.term)
            .fetch_one(&self.pool)
            .await,
        )?;
        fenced(held.unsigned_abs(), &lease.name)?;
        Ok(claimed == 1)
    }

    /// Gives the right back that [`Self::claim_legacy_emission`] gave: the line was not sent.
    ///
    /// # Errors
    /// When the database is away; then the line is never sent.
    pub async fn give_back_legacy_emission(&self, country: Country, hour: Instant) -> Result<()> {
        let done = sqlx::query("delete from legacy_emissions where country = $1 and hour = $2")
            .bind(country.as_str())
            .bind(hour)
            .execute(&self.pool)
            .await;
        Error::at("give_back_legacy_emission", done).map(drop)
    }
}

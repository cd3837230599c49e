//! Reachable now: distinct devices heard within the reach window.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::{Carrier, CarrierBit, Country, Instant};

use crate::countries::read_country;
use crate::leases::Lease;
use crate::presence::Counts;
use crate::slots::fenced;
use crate::{Error, Result, Store, carriers};

/// How long a segment that fell silent is still counted, as 0.
pub const ALIVE_DAYS: i32 = 7;

/// What is reachable in one country.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reachable {
    /// Distinct devices heard within the reach window.
    pub counts: Counts,
    /// When a device was last heard through each carrier, to the minute of the device.
    pub last_heard_at: BTreeMap<Carrier, Instant>,
}

/// The count of one step of the minutely series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NowStep {
    /// When the step starts.
    pub start: Instant,
    /// The counts of its lowest minute.
    pub counts: Counts,
}

#[derive(sqlx::FromRow)]
struct Row {
    country: String,
    carrier_bit: i16,
    devices: i64,
    latest_devices: i64,
    last_heard_at: Instant,
}

#[derive(sqlx::FromRow)]
struct MinuteRow {
    country: String,
    devices: i32,
    carriers: sqlx::types::Json<BTreeMap<Carrier, i64>>,
}

#[derive(sqlx::FromRow)]
struct StepRow {
    start: Instant,
    devices: i32,
    carriers: sqlx::types::Json<BTreeMap<Carrier, i64>>,
}

impl Store {
    /// Counts the devices heard since `as_of` minus their country's reach window, in one scan.
    /// Segments alive in the last seven days that have none are there with 0.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn count_now(&self, as_of: Instant) -> Result<BTreeMap<Country, Reachable>> {
        let rows: Vec<Row> = Error::at(
            "count_now",
            sqlx::query_as(
                "select l.country, l.carrier_bit,
                        count(*) filter (where l.heard_at >= w.since) as devices,
                        count(*) filter (where l.heard_at >= w.since and l.latest)
                            as latest_devices,
                        max(l.heard_at) as last_heard_at
                 from last_heard l
                 join (select country, $1 - make_interval(secs => reach_window_secs) as since
                       from countries) w using (country)
                 where l.heard_at >= $1 - make_interval(days => $2)
                 group by l.country, l.carrier_bit",
            )
            .bind(as_of)
            .bind(ALIVE_DAYS)
            .fetch_all(&self.pool)
            .await,
        )?;
        let mut connection = Error::at("count_now", self.pool.acquire().await)?;
        let bits = carriers::all(&mut connection).await?;
        let mut reachable: BTreeMap<Country, Reachable> = BTreeMap::new();
        for row in rows {
            let country = read_country(&row.country)?;
            let carrier = CarrierBit::new(row.carrier_bit)
                .map_or_else(Carrier::unknown, |bit| bits.carrier(country, bit));
            let entry = reachable.entry(country).or_default();
            entry.counts.devices += row.latest_devices;
            *entry.counts.carriers.entry(carrier.clone()).or_default() += row.devices;
            let last_heard_at = entry
                .last_heard_at
                .entry(carrier)
                .or_insert(row.last_heard_at);
            *last_heard_at = row.last_heard_at.max(*last_heard_at);
        }
        Ok(reachable)
    }

    /// Keeps the counts of one minute. Counting a minute again replaces them.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is not ours any more; otherwise the database is away.
    pub async fn keep_now(
        &self,
        lease: &Lease,
        minute: Instant,
        counts: &BTreeMap<Country, Counts>,
    ) -> Result<()> {
        let countries: Vec<_> = counts.keys().map(ToString::to_string).collect();
        let devices: Vec<_> = counts
            .values()
            .map(|c| i32::try_from(c.devices).unwrap_or(i32::MAX))
            .collect();
        let carriers: Vec<_> = counts
            .values()
            .map(|c| serde_json::json!(c.carriers))
            .collect();
        let held: i64 = Error::at(
            "keep_now",
            sqlx::query_scalar(
                "with held as (select from leases where name = $5 and term = $6 for share),
                 kept as (
                     insert into now_counts (minute, country, devices, carriers)
                     select $1, n.*
                     from held, unnest($2::text[], $3::int[], $4::jsonb[]) as n
                     on conflict (minute, country) do update
                     set devices = excluded.devices, carriers = excluded.carriers
                 )
                 select count(*) from held",
            )
            .bind(minute)
            .bind(countries)
            .bind(devices)
            .bind(carriers)
            .bind(&lease.name)
            .bind(lease.term)
            .fetch_one(&self.pool)
            .await,
        )?;
        fenced(held.unsigned_abs(), &lease.name)
    }

    /// The counts kept of one minute. A country that is not there could not be counted then.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn now_at(&self, minute: Instant) -> Result<BTreeMap<Country, Counts>> {
        let rows: Vec<MinuteRow> = Error::at(
            "now_at",
            sqlx::query_as("select country, devices, carriers from now_counts where minute = $1")
                .bind(minute)
                .fetch_all(&self.pool)
                .await,
        )?;
        rows.into_iter()
            .map(|row| {
                let country = read_country(&row.country)?;
                Ok((country, counts(row.devices, row.carriers)))
            })
            .collect()
    }

    /// The minutes kept of a country in `[from, to)`, by steps that start at `from`: each with its
    /// lowest minute, by the count of `carrier` where one is given. Steps of which no minute could
    /// be counted are left out.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn now_series(
        &self,
        country: Country,
        from: Instant,
        to: Instant,
        step: TimeDelta,
        carrier: Option<&Carrier>,
    ) -> Result<Vec<NowStep>> {
        let rows: Vec<StepRow> = Error::at(
            "now_series",
            sqlx::query_as(
                "select distinct on (start) start, devices, carriers
                 from (select date_bin(make_interval(secs => $4), minute, $2) as start,
                              minute, devices, carriers
                       from now_counts where country = $1 and minute >= $2 and minute < $3) m
                 order by start,
                          case when $5::text is null then devices
                               else coalesce((carriers ->> $5)::int, 0) end,
                          minute",
            )
            .bind(country.as_str())
            .bind(from)
            .bind(to)
            .bind(step.as_seconds_f64())
            .bind(carrier.map(Carrier::as_str))
            .fetch_all(&self.pool)
            .await,
        )?;
        Ok(rows
            .into_iter()
            .map(|row| NowStep {
                start: row.start,
                counts: counts(row.devices, row.carriers),
            })
            .collect())
    }
}

fn counts(devices: i32, carriers: sqlx::types::Json<BTreeMap<Carrier, i64>>) -> Counts {
    Counts {
        devices: devices.into(),
        carriers: carriers.0,
    }
}

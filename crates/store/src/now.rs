//! Reachable now: distinct devices heard within the reach window.

use std::collections::BTreeMap;

use model::{Carrier, CarrierBit, Country, Instant};

use crate::countries::read_country;
use crate::presence::Counts;
use crate::{Error, Result, Store, carriers};

/// How long a segment that fell silent is still counted, as 0.
pub const ALIVE_DAYS: i32 = 7;

#[derive(sqlx::FromRow)]
struct Row {
    country: String,
    carrier_bit: i16,
    devices: i64,
    latest_devices: i64,
}

#[derive(sqlx::FromRow)]
struct NowRow {
    country: String,
    minute: Instant,
    devices: i32,
    carriers: sqlx::types::Json<BTreeMap<Carrier, i64>>,
}

impl Store {
    /// Counts the devices heard since `as_of` minus their country's reach window, in one scan.
    /// Segments alive in the last seven days that have none are there with 0.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn count_now(&self, as_of: Instant) -> Result<BTreeMap<Country, Counts>> {
        let rows: Vec<Row> = Error::at(
            "count_now",
            sqlx::query_as(
                "select l.country, l.carrier_bit,
                        count(*) filter (where l.heard_at >= w.since) as devices,
                        count(*) filter (where l.heard_at >= w.since and l.latest)
                            as latest_devices
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
        let mut counts: BTreeMap<Country, Counts> = BTreeMap::new();
        for row in rows {
            let country = read_country(&row.country)?;
            let carrier = CarrierBit::new(row.carrier_bit)
                .map_or_else(Carrier::unknown, |bit| bits.carrier(country, bit));
            let entry = counts.entry(country).or_default();
            entry.devices += row.latest_devices;
            *entry.carriers.entry(carrier).or_default() += row.devices;
        }
        Ok(counts)
    }

    /// Keeps the counts of one minute. Counting a minute again replaces them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keep_now(
        &self,
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
        let done = sqlx::query(
            "insert into now_counts (minute, country, devices, carriers)
             select $1, * from unnest($2::text[], $3::int[], $4::jsonb[])
             on conflict (minute, country) do update
             set devices = excluded.devices, carriers = excluded.carriers",
        )
        .bind(minute)
        .bind(countries)
        .bind(devices)
        .bind(carriers)
        .execute(&self.pool)
        .await;
        Error::at("keep_now", done).map(drop)
    }

    /// The newest minute kept for each country, if it is not older than `since`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn latest_now(&self, since: Instant) -> Result<BTreeMap<Country, (Instant, Counts)>> {
        let rows: Vec<NowRow> = Error::at(
            "latest_now",
            sqlx::query_as(
                "select distinct on (country) country, minute, devices, carriers
                 from now_counts where minute >= $1 order by country, minute desc",
            )
            .bind(since)
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|row| {
                let counts = Counts {
                    devices: row.devices.into(),
                    carriers: row.carriers.0,
                };
                Ok((read_country(&row.country)?, (row.minute, counts)))
            })
            .collect()
    }
}

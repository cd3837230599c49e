//! Presence: which devices were heard in which hour, and how many that makes.

use std::collections::BTreeMap;

use model::{Carrier, CarrierSet, Country, DeviceNo, Hour, Instant};
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt as _;

use crate::{Error, Result, Store, carriers, countries};

/// A device was heard in an hour of a country, through these carriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceRow {
    /// The hour.
    pub hour: Hour,
    /// The country whose hour it is.
    pub country: Country,
    /// The device.
    pub device_no: DeviceNo,
    /// Through whom.
    pub carriers: CarrierSet,
}

/// Distinct devices, in the country and per carrier. A device that used two carriers counts once
/// in each and once in the country, so the carriers may add up to more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Distinct devices in the country.
    pub devices: i64,
    /// Distinct devices per carrier; without an entry: none.
    pub carriers: BTreeMap<Carrier, i64>,
}

/// An hour in which a device was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardHour {
    /// The start of the hour.
    pub hour: Instant,
    /// The country whose hour it is.
    pub country: Country,
    /// Through whom.
    pub carriers: Vec<Carrier>,
}

/// Writes presence rows, sorted by key so that writers cannot block each other in a circle.
/// Rows that change nothing write nothing. With `ended`, every hour that does change is marked
/// as late, to be counted again.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    rows: &mut [PresenceRow],
    ended: Option<Instant>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| (row.hour, row.country, row.device_no));
    let statement = if ended.is_some() { UPSERT_LATE } else { UPSERT };
    let mut query = sqlx::query(statement)
        .bind(rows.iter().map(|row| row.hour.start).bind_iter())
        .bind(rows.iter().map(|row| row.country.as_str()).bind_iter())
        .bind(rows.iter().map(|row| row.device_no.0).bind_iter())
        .bind(rows.iter().map(|row| row.carriers.to_i64()).bind_iter());
    if let Some(now) = ended {
        let ends = rows.iter().map(|row| row.hour.end);
        query = query.bind(ends.bind_iter()).bind(now);
    }
    Error::at("write presence", query.execute(connection).await).map(drop)
}

const UPSERT: &str = "insert into presence as p (hour, country, device_no, carriers)
     select unnest($1::timestamptz[]), unnest($2::text[]), unnest($3::int[]), unnest($4::bigint[])
     on conflict (hour, country, device_no) do update
     set carriers = p.carriers | excluded.carriers
     where p.carriers | excluded.carriers <> p.carriers";

// The marker is updated even where it exists: a closer that is just deleting it then sees that it
// moved, and counts once more.
const UPSERT_LATE: &str = "with changed as (
         insert into presence as p (hour, country, device_no, carriers)
         select * from unnest($1::timestamptz[], $2::text[], $3::int[], $4::bigint[])
         on conflict (hour, country, device_no) do update
         set carriers = p.carriers | excluded.carriers
         where p.carriers | excluded.carriers <> p.carriers
         returning hour, country
     ), ends as (
         select distinct hour, hour_end from unnest($1::timestamptz[], $5::timestamptz[])
             as e (hour, hour_end)
     )
     insert into late_hours (country, hour, hour_end, marked_at)
     select distinct country, hour, hour_end, $6::timestamptz
     from changed join ends using (hour)
     order by country, hour
     on conflict (country, hour) do update set marked_at = excluded.marked_at";

/// Marks hours that have ended as late, to be counted and judged again.
pub(crate) async fn mark_late(
    connection: &mut PgConnection,
    hours: &[(Country, Hour)],
    now: Instant,
) -> Result<()> {
    if hours.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "insert into late_hours (country, hour, hour_end, marked_at)
         select distinct country, hour, hour_end, $4::timestamptz
         from unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
             as n (country, hour, hour_end)
         order by country, hour
         on conflict (country, hour) do update set marked_at = excluded.marked_at",
    )
    .bind(
        hours
            .iter()
            .map(|(country, _)| country.to_string())
            .collect::<Vec<_>>(),
    )
    .bind(hours.iter().map(|(_, hour)| hour.start).collect::<Vec<_>>())
    .bind(hours.iter().map(|(_, hour)| hour.end).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await;
    Error::at("mark late hours", done).map(drop)
}

/// Counts one hour: an index-only scan of one range, grouped by carrier set.
pub(crate) async fn count_hour(
    connection: &mut PgConnection,
    bits: &carriers::CarrierBits,
    country: Country,
    hour: Instant,
) -> Result<Counts> {
    let rows: Vec<(i64, i64)> = Error::at(
        "count hour",
        sqlx::query_as(
            "select carriers, count(*) from presence
             where hour = $1 and country = $2 group by carriers",
        )
        .bind(hour)
        .bind(country.as_str())
        .fetch_all(connection)
        .await,
    )?;
    Ok(spread(bits, country, rows))
}

/// Counts all hours of all countries that start in `[from, to]` and have any presence.
pub(crate) async fn count_all(
    connection: &mut PgConnection,
    bits: &carriers::CarrierBits,
    from: Instant,
    to: Instant,
) -> Result<BTreeMap<(Country, Instant), Counts>> {
    let rows: Vec<(String, Instant, i64, i64)> = Error::at(
        "count hours",
        sqlx::query_as(
            "select country, hour, carriers, count(*) from presence
             where hour between $1 and $2 group by country, hour, carriers",
        )
        .bind(from)
        .bind(to)
        .fetch_all(connection)
        .await,
    )?;
    let mut by_hour: BTreeMap<(Country, Instant), Vec<(i64, i64)>> = BTreeMap::new();
    for (country, hour, set, devices) in rows {
        let key = (countries::read_country(&country)?, hour);
        by_hour.entry(key).or_default().push((set, devices));
    }
    Ok(by_hour
        .into_iter()
        .map(|((country, hour), rows)| ((country, hour), spread(bits, country, rows)))
        .collect())
}

fn spread(bits: &carriers::CarrierBits, country: Country, rows: Vec<(i64, i64)>) -> Counts {
    let devices = rows.iter().map(|(_, devices)| devices).sum();
    let sets = rows
        .into_iter()
        .map(|(set, devices)| (CarrierSet::from_i64(set), devices));
    Counts {
        devices,
        carriers: bits.spread(country, sets),
    }
}

fn spread_by_hour(
    bits: &carriers::CarrierBits,
    country: Country,
    rows: Vec<(Instant, i64, i64)>,
) -> BTreeMap<Instant, Counts> {
    let mut by_hour: BTreeMap<Instant, Vec<(i64, i64)>> = BTreeMap::new();
    for (hour, set, devices) in rows {
        by_hour.entry(hour).or_default().push((set, devices));
    }
    by_hour
        .into_iter()
        .map(|(hour, rows)| (hour, spread(bits, country, rows)))
        .collect()
}

impl Store {
    /// Exact distinct devices in `[from, to)`, which should lie on boundaries of hours: an hour
    /// counts where it starts.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn distinct(&self, country: Country, from: Instant, to: Instant) -> Result<Counts> {
        let rows: Vec<(i64, i64)> = Error::at(
            "distinct",
            sqlx::query_as(
                "select carriers, count(*) from (
                     select bit_or(carriers) as carriers from presence
                     where country = $1 and hour >= $2 and hour < $3 group by device_no
                 ) devices group by carriers",
            )
            .bind(country.as_str())
            .bind(from)
            .bind(to)
            .fetch_all(&self.pool)
            .await,
        )?;
        Ok(spread(&self.carrier_bits().await?, country, rows))
    }

    /// Distinct devices of every hour in `[from, to)` that has any, straight from presence.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn distinct_by_hour(
        &self,
        country: Country,
        from: Instant,
        to: Instant,
    ) -> Result<BTreeMap<Instant, Counts>> {
        let rows: Vec<(Instant, i64, i64)> = Error::at(
            "distinct_by_hour",
            sqlx::query_as(
                "select hour, carriers, count(*) from presence
                 where country = $1 and hour >= $2 and hour < $3
                 group by hour, carriers order by hour",
            )
            .bind(country.as_str())
            .bind(from)
            .bind(to)
            .fetch_all(&self.pool)
            .await,
        )?;
        Ok(spread_by_hour(&self.carrier_bits().await?, country, rows))
    }

    /// Distinct devices of each of the hours given that has any, straight from presence. Cheaper
    /// than [`Self::distinct_by_hour`] where only a few hours of a long range are wanted.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn distinct_in_hours(
        &self,
        country: Country,
        hours: &[Instant],
    ) -> Result<BTreeMap<Instant, Counts>> {
        let rows: Vec<(Instant, i64, i64)> = Error::at(
            "distinct_in_hours",
            sqlx::query_as(
                "select hour, carriers, count(*) from presence
                 where country = $1 and hour = any($2)
                 group by hour, carriers order by hour",
            )
            .bind(country.as_str())
            .bind(hours)
            .fetch_all(&self.pool)
            .await,
        )?;
        Ok(spread_by_hour(&self.carrier_bits().await?, country, rows))
    }

    /// In which of these hours a device was heard in these countries, and through whom; in order.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn presence_of(
        &self,
        id: &model::DeviceId,
        countries: &[Country],
        hours: &[Instant],
    ) -> Result<Vec<HeardHour>> {
        let rows: Vec<(Instant, String, i64)> = Error::at(
            "presence_of",
            sqlx::query_as(
                "select p.hour, p.country, p.carriers from presence p
                 where p.hour = any($1) and p.country = any($2)
                   and p.device_no = (select device_no from devices where device_id = $3)
                 order by p.hour, p.country",
            )
            .bind(hours)
            .bind(countries.iter().map(Country::as_str).collect::<Vec<_>>())
            .bind(id.as_str())
            .fetch_all(&self.pool)
            .await,
        )?;
        let bits = self.carrier_bits().await?;
        rows.into_iter()
            .map(|(hour, country, set)| {
                let country = countries::read_country(&country)?;
                let carriers = CarrierSet::from_i64(set).bits();
                Ok(HeardHour {
                    hour,
                    country,
                    carriers: carriers.map(|bit| bits.carrier(country, bit)).collect(),
                })
            })
            .collect()
    }
}

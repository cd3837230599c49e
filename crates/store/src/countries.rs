//! Countries in use: their reporting zones and reach windows.

use std::collections::HashMap;
use std::time::Duration;

use chrono_tz::Tz;
use model::{Country, Instant, ZoneHistory};

use crate::{Error, Result, Store};

/// A country in use.
#[derive(Debug, Clone)]
pub struct CountryRow {
    /// Its code.
    pub country: Country,
    /// The zones its hours were and are cut by.
    pub zones: ZoneHistory,
    /// How long after its last heartbeat a device counts as reachable.
    pub reach_window: Duration,
    /// When it came into use. Nothing was listened to before.
    pub first_seen_at: Instant,
}

/// What configuration and catalogue say about a country.
#[derive(Debug, Clone, Copy)]
pub struct CountrySettings {
    /// Its reporting zone.
    pub time_zone: Tz,
    /// How long after its last heartbeat a device counts as reachable.
    pub reach_window: Duration,
}

#[derive(sqlx::FromRow)]
struct Row {
    country: String,
    time_zone: String,
    reach_window_secs: i32,
    first_seen_at: Instant,
    changed_at: Vec<Instant>,
    changed_to: Vec<String>,
}

impl Store {
    /// The countries in use, by code.
    ///
    /// # Errors
    /// When the database is away, or holds a zone that this binary does not know.
    pub async fn countries(&self) -> Result<HashMap<Country, CountryRow>> {
        let rows: Vec<Row> = Error::at(
            "countries",
            sqlx::query_as(COUNTRIES).fetch_all(&self.pool).await,
        )?;
        rows.iter()
            .map(|row| read(row).map(|row| (row.country, row)))
            .collect()
    }

    /// Notes a country as in use. What is known about it already stays.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_country(
        &self,
        country: Country,
        settings: CountrySettings,
        now: Instant,
    ) -> Result<()> {
        let done = sqlx::query(
            "insert into countries (country, time_zone, reach_window_secs, first_seen_at)
             values ($1, $2, $3, $4) on conflict (country) do nothing",
        )
        .bind(country.as_str())
        .bind(settings.time_zone.name())
        .bind(window_secs(settings.reach_window))
        .bind(now)
        .execute(&self.pool)
        .await;
        Error::at("add_country", done).map(drop)
    }

    /// Brings a country in use in line with its settings: a new reach window at once, a new zone
    /// at the next boundary that both clocks share. Returns that instant if the zone changes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn update_country(
        &self,
        row: &CountryRow,
        settings: CountrySettings,
        now: Instant,
    ) -> Result<Option<Instant>> {
        let done = sqlx::query(
            "update countries set reach_window_secs = $2
             where country = $1 and reach_window_secs <> $2",
        )
        .bind(row.country.as_str())
        .bind(window_secs(settings.reach_window))
        .execute(&self.pool)
        .await;
        Error::at("update_country", done)?;
        let far_ahead = now + chrono::TimeDelta::days(365);
        if row.zones.zone_at(far_ahead) == settings.time_zone {
            return Ok(None);
        }
        let effective_from = row.zones.change_takes_effect(settings.time_zone, now);
        let done = sqlx::query(
            "insert into country_zone_changes (country, effective_from, time_zone)
             values ($1, $2, $3)
             on conflict (country, effective_from) do update set time_zone = excluded.time_zone",
        )
        .bind(row.country.as_str())
        .bind(effective_from)
        .bind(settings.time_zone.name())
        .execute(&self.pool)
        .await;
        Error::at("update_country", done)?;
        Ok(Some(effective_from))
    }
}

pub(crate) const COUNTRIES: &str =
    "select c.country, c.time_zone, c.reach_window_secs, c.first_seen_at,
        coalesce(array_agg(z.effective_from order by z.effective_from)
                 filter (where z.country is not null), '{}') as changed_at,
        coalesce(array_agg(z.time_zone order by z.effective_from)
                 filter (where z.country is not null), '{}') as changed_to
     from countries c left join country_zone_changes z using (country)
     group by c.country order by c.country";

pub(crate) async fn all(connection: &mut sqlx::PgConnection) -> Result<Vec<CountryRow>> {
    let rows: Vec<Row> = Error::at(
        "countries",
        sqlx::query_as(COUNTRIES).fetch_all(connection).await,
    )?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<CountryRow> {
    let zone = |name: &str| {
        name.parse::<Tz>().map_err(|_| Error::Corrupt {
            what: "time zone",
            value: name.to_owned(),
        })
    };
    let changes = row
        .changed_at
        .iter()
        .zip(&row.changed_to)
        .map(|(from, name)| Ok((*from, zone(name)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(CountryRow {
        country: read_country(&row.country)?,
        zones: ZoneHistory::with_changes(zone(&row.time_zone)?, changes),
        reach_window: Duration::from_secs(u64::try_from(row.reach_window_secs).unwrap_or(0)),
        first_seen_at: row.first_seen_at,
    })
}

pub(crate) fn read_country(text: &str) -> Result<Country> {
    Country::parse(text).map_err(|_| Error::Corrupt {
        what: "country",
        value: text.to_owned(),
    })
}

fn window_secs(window: Duration) -> i32 {
    i32::try_from(window.as_secs()).unwrap_or(i32::MAX)
}

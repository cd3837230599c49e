//! Who was counted in an hour, for whoever compares our counts with another system's.

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;
use model::{Country, Hour, Instant};
use sqlx::PgConnection;

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// How long after an hour its heartbeats may still come: nothing older than 72 hours is trusted.
const LATEST_ARRIVAL: TimeDelta = TimeDelta::hours(72);

/// The length of an hour that overlaps with another.
const OVERLAP: TimeDelta = TimeDelta::hours(1);

/// A device was heard in an hour of a country.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeardIn {
    /// The device.
    pub device_id: String,
    /// The country.
    pub country: Country,
    /// The start of its hour.
    pub hour: Instant,
}

/// The database without a limit to how long a question may take: days of evidence are read.
pub struct Comparison {
    connection: PgConnection,
}

impl Store {
    /// Opens a connection for comparing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin_comparison(&self) -> Result<Comparison> {
        let options = self.options.clone().options([("statement_timeout", "0")]);
        let connection = Error::at("connect", crate::connect(&options).await)?;
        Ok(Comparison { connection })
    }
}

impl Comparison {
    /// The devices heard in an hour of a country.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn devices_in(&mut self, country: Country, hour: Hour) -> Result<HashSet<String>> {
        let ids: Vec<String> = Error::at(
            "devices_in",
            sqlx::query_scalar(
                "select d.device_id from presence p join devices d using (device_no)
                 where p.hour = $1 and p.country = $2",
            )
            .bind(hour.start)
            .bind(country.as_str())
            .fetch_all(&mut self.connection)
            .await,
        )?;
        Ok(ids.into_iter().collect())
    }

    /// Where these devices were heard in the hours that start in `[from, to)`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn where_heard(
        &mut self,
        device_ids: &[&str],
        from: Instant,
        to: Instant,
    ) -> Result<Vec<HeardIn>> {
        let rows: Vec<(String, String, Instant)> = Error::at(
            "where_heard",
            sqlx::query_as(
                "select d.device_id, p.country, p.hour
                 from devices d join presence p using (device_no)
                 where d.device_id = any($1) and p.hour >= $2 and p.hour < $3
                 order by 1, 2, 3",
            )
            .bind(device_ids)
            .bind(from)
            .bind(to)
            .fetch_all(&mut self.connection)
            .await,
        )?;
        rows.into_iter()
            .map(|(device_id, country, hour)| {
                Ok(HeardIn {
                    device_id,
                    country: read_country(&country)?,
                    hour,
                })
            })
            .collect()
    }

    /// The devices of an hour of which nothing had reached us when the hour ended, as far as the raw
    /// evidence of it is still there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn late_in(&mut self, country: Country, hour: Hour) -> Result<BTreeSet<String>> {
        let ids: Vec<String> = Error::at(
            "late_in",
            sqlx::query_scalar(
                "select d.device_id
                 from (select device_no from heartbeats
                       where country = $1 and heard_at >= $2 and heard_at < $3
                         and received_at >= $2 and received_at < $4
                       group by device_no having min(received_at) >= $3) late
                 join devices d using (device_no)",
            )
            .bind(country.as_str())
            .bind(hour.start)
            .bind(hour.end)
            .bind(hour.end + LATEST_ARRIVAL)
            .fetch_all(&mut self.connection)
            .await,
        )?;
        Ok(ids.into_iter().collect())
    }

    /// How many devices of an hour were heard in another country at about the same time, too.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn roamers_in(&mut self, country: Country, hour: Hour) -> Result<i64> {
        Error::at(
            "roamers_in",
            sqlx::query_scalar(
                "select count(distinct p.device_no) from presence p
                 join presence o using (device_no)
                 where p.hour = $1 and p.country = $2
                   and o.hour > $3 and o.hour < $4 and o.country <> $2",
            )
            .bind(hour.start)
            .bind(country.as_str())
            .bind(hour.start - OVERLAP)
            .bind(hour.end)
            .fetch_one(&mut self.connection)
            .await,
        )
    }
}

//! Series: what Datadog has been sent.

use std::collections::BTreeSet;

use model::{Carrier, Country, Instant};

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// A series of counts: a country, or a carrier in it.
pub type Series = (Country, Option<Carrier>);

impl Store {
    /// The countries whose hours were sent since an instant, and their carriers of at least
    /// `devices` devices in one of these hours.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn sent_series(&self, devices: u32, since: Instant) -> Result<BTreeSet<Series>> {
        let rows: Vec<(String, Option<String>)> = Error::at(
            "sent_series",
            sqlx::query_as(
                "with sent as (select distinct country, hour from emissions where sent_at >= $1)
                 select country, null as carrier from sent
                 union
                 select h.country, c.key
                 from sent join hourly_counts h using (country, hour),
                      jsonb_each_text(h.carriers) c
                 where c.value::bigint >= $2",
            )
            .bind(since)
            .bind(i64::from(devices))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|(country, carrier)| {
                let carrier = carrier.as_deref().map(Carrier::slug);
                Ok((read_country(&country)?, carrier))
            })
            .collect()
    }

    /// How many devices were heard since an instant, in whichever country.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn devices_heard_since(&self, since: Instant) -> Result<i64> {
        Error::at(
            "devices_heard_since",
            sqlx::query_scalar(
                "select count(distinct device_no) from last_heard where heard_at >= $1",
            )
            .bind(since)
            .fetch_one(&self.pool)
            .await,
        )
    }
}

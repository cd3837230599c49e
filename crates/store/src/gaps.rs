//! Gaps: stretches of time in which heartbeats could not reach us, or were lost on our side.

use model::{Cause, Country, Gap, Instant};
use sqlx::PgConnection;

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// A change to the gaps of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapChange {
    /// A gap begins, or is known to have begun; it lasts.
    Open {
        /// Why.
        cause: Cause,
        /// From when on.
        from: Instant,
        /// In words, for `/status`.
        detail: String,
    },
    /// All gaps that last are over.
    CloseAll {
        /// Until when they lasted.
        to: Instant,
    },
    /// A gap that is over already.
    Over {
        /// The country concerned; `None` for all.
        country: Option<Country>,
        /// Why.
        cause: Cause,
        /// From when on.
        from: Instant,
        /// Until when.
        to: Instant,
        /// In words, for `/status`.
        detail: String,
    },
}

pub(crate) async fn apply(
    connection: &mut PgConnection,
    slot: &str,
    change: &GapChange,
) -> Result<()> {
    const RECORD: &str = "insert into gaps (slot, country, cause, from_at, to_at, detail)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (slot, cause, from_at, coalesce(country, '')) do update
         set to_at = greatest(gaps.to_at, excluded.to_at)";
    // One gap at a time is open per slot: a connection that fails again prolongs it.
    const OPEN: &str = "insert into gaps (slot, country, cause, from_at, to_at, detail)
         select $1, $2, $3, $4, $5, $6
         where not exists (select from gaps where slot = $1 and to_at is null)
         on conflict (slot, cause, from_at, coalesce(country, '')) do update set to_at = null";
    // What a broker says of itself does not come in order, and a slot may be taken into use again after
    // hours were closed without it. Hours that were closed before this was known are judged again.
    const RECLOSE: &str = "insert into late_hours (country, hour, hour_end, marked_at)
         select country, hour, hour_end, $2 from hourly_counts
         where hour < $2 and hour_end > $1 and not imported and ($3::text is null or country = $3)
         on conflict (country, hour) do update set marked_at = excluded.marked_at";
    if let GapChange::Over {
        cause: Cause::BrokerDropped | Cause::BrokerAway | Cause::SessionLost,
        country,
        from,
        to,
        ..
    } = change
    {
        let marked = sqlx::query(RECLOSE)
            .bind(*from)
            .bind(*to)
            .bind(country.map(|country| country.to_string()))
            .execute(&mut *connection)
            .await;
        Error::at("mark hours", marked)?;
    }
    let done =
        match change {
            GapChange::Open {
                cause,
                from,
                detail,
            } => {
                sqlx::query(OPEN)
                    .bind(slot)
                    .bind(None::<String>)
                    .bind(cause.as_str())
                    .bind(*from)
                    .bind(None::<Instant>)
                    .bind(detail)
                    .execute(connection)
                    .await
            }
            GapChange::CloseAll { to } => sqlx::query(
                "update gaps set to_at = greatest(from_at, $2) where slot = $1 and to_at is null",
            )
            .bind(slot)
            .bind(*to)
            .execute(connection)
            .await,
            GapChange::Over {
                country,
                cause,
                from,
                to,
                detail,
            } => {
                sqlx::query(RECORD)
                    .bind(slot)
                    .bind(country.map(|country| country.to_string()))
                    .bind(cause.as_str())
                    .bind(*from)
                    .bind(*to)
                    .bind(detail)
                    .execute(connection)
                    .await
            }
        };
    Error::at("record gap", done).map(drop)
}

#[derive(sqlx::FromRow)]
struct Row {
    slot: String,
    country: Option<String>,
    cause: String,
    from_at: Instant,
    to_at: Option<Instant>,
    detail: Option<String>,
}

/// A gap with where it comes from, for people.
#[derive(Debug, Clone)]
pub struct GapRecord {
    /// The slot that saw it.
    pub slot: String,
    /// The gap.
    pub gap: Gap,
    /// In words.
    pub detail: Option<String>,
}

/// The gaps that reach beyond `since`, oldest first.
pub(crate) async fn since(connection: &mut PgConnection, since: Instant) -> Result<Vec<GapRecord>> {
    let rows: Vec<Row> = Error::at(
        "gaps",
        sqlx::query_as(
            "select slot, country, cause, from_at, to_at, detail from gaps
             where coalesce(to_at, 'infinity') > $1 order by from_at",
        )
        .bind(since)
        .fetch_all(connection)
        .await,
    )?;
    rows.into_iter()
        .map(|row| {
            let cause = Cause::parse(&row.cause).ok_or_else(|| Error::Corrupt {
                what: "gap cause",
                value: row.cause.clone(),
            })?;
            let country = row.country.as_deref().map(read_country).transpose()?;
            let gap = Gap {
                country,
                cause,
                from: row.from_at,
                to: row.to_at,
            };
            Ok(GapRecord {
                slot: row.slot,
                gap,
                detail: row.detail,
            })
        })
        .collect()
}

impl Store {
    /// The gaps that reach beyond `since`, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn gaps_since(&self, since: Instant) -> Result<Vec<GapRecord>> {
        let mut connection = Error::at("gaps", self.pool.acquire().await)?;
        self::since(&mut connection, since).await
    }
}

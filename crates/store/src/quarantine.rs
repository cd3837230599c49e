//! Messages and payloads set aside, with the reason.

use std::collections::BTreeMap;

use model::{Instant, Reason};
use sqlx::PgConnection;

use crate::{Error, Result, Store};

/// As much of a payload as is kept.
pub const MAX_KEPT_BYTES: usize = 16 * 1024;

/// One message or payload set aside.
#[derive(Debug, Clone)]
pub struct QuarantineRow {
    /// When it arrived.
    pub received_at: Instant,
    /// The watermark that stood then, for an honest replay.
    pub watermark: Instant,
    /// Why.
    pub reason: Reason,
    /// The topic, as far as it is text.
    pub topic: String,
    /// The payload, or its first [`MAX_KEPT_BYTES`].
    pub payload: Vec<u8>,
    /// The payload's whole length.
    pub payload_bytes: usize,
    /// What else is known.
    pub detail: Option<String>,
}

/// How many messages were set aside per minute and reason, kept or not.
pub type QuarantineCounts = BTreeMap<(Instant, Reason), i64>;

pub(crate) async fn write(
    connection: &mut PgConnection,
    slot: &str,
    rows: &[QuarantineRow],
    counts: &QuarantineCounts,
) -> Result<()> {
    if !rows.is_empty() {
        let done = sqlx::query(
            "insert into quarantine (received_at, watermark, slot, reason, topic, payload,
                                     payload_bytes, detail)
             select received_at, watermark, $1, reason, topic, payload, payload_bytes, detail
             from unnest($2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[],
                         $6::bytea[], $7::int[], $8::text[])
                 as q (received_at, watermark, reason, topic, payload, payload_bytes, detail)",
        )
        .bind(slot)
        .bind(rows.iter().map(|row| row.received_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.watermark).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.reason.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.topic.replace('\0', "\u{fffd}"))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.payload.as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| i32::try_from(row.payload_bytes).unwrap_or(i32::MAX))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.detail.clone())
                .collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await;
        Error::at("write quarantine", done)?;
    }
    if counts.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "insert into quarantine_counts as c (minute, slot, reason, messages)
         select minute, $1, reason, messages
         from unnest($2::timestamptz[], $3::text[], $4::bigint[]) as n (minute, reason, messages)
         order by minute, reason
         on conflict (minute, slot, reason) do update
         set messages = c.messages + excluded.messages",
    )
    .bind(slot)
    .bind(counts.keys().map(|(minute, _)| *minute).collect::<Vec<_>>())
    .bind(
        counts
            .keys()
            .map(|(_, reason)| reason.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(counts.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await;
    Error::at("count quarantine", done).map(drop)
}

impl Store {
    /// How many messages were set aside since an instant, by reason.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn quarantined_since(&self, since: Instant) -> Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> = Error::at(
            "quarantined_since",
            sqlx::query_as(
                "select reason, sum(messages)::bigint from quarantine_counts
                 where minute >= $1 group by reason",
            )
            .bind(since)
            .fetch_all(&self.pool)
            .await,
        )?;
        Ok(rows.into_iter().collect())
    }
}

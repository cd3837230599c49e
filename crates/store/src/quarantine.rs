//! Messages and payloads set aside, with the reason.

use std::collections::BTreeMap;

use model::{Country, Hour, Instant, Reason};
use sqlx::PgConnection;

use crate::batch::Batch;
use crate::{Error, Result, Store, gaps, heartbeats, last_heard, partitions, presence};

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

/// A message or payload that was set aside and kept.
#[derive(Debug, Clone)]
pub struct KeptMessage {
    /// Its number, by which people name it.
    pub number: i64,
    /// The slot it came through.
    pub slot: String,
    /// When it was counted again, if it was.
    pub replayed_at: Option<Instant>,
    /// What is known of it. The watermark is the time of arrival where none was noted.
    pub row: QuarantineRow,
}

/// Which of the messages kept are meant; with nothing said, all of them.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Those with one of these reasons, if any is named.
    pub reasons: Vec<Reason>,
    /// Those that arrived since then.
    pub since: Option<Instant>,
    /// Those with one of these numbers, if any is named.
    pub numbers: Vec<i64>,
}

/// What was set aside within a minute for one reason, over all slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineMinute {
    /// The minute.
    pub minute: Instant,
    /// Why.
    pub reason: Reason,
    /// How many messages, kept or not.
    pub messages: i64,
    /// How many of them were counted again.
    pub replayed: i64,
    /// The numbers of those that are kept, in the order in which they came.
    pub numbers: Vec<i64>,
}

/// Messages that were set aside and are to be counted after all.
#[derive(Debug, Default)]
pub struct Replay<'a> {
    /// The slot they came through.
    pub slot: &'a str,
    /// Their numbers.
    pub numbers: Vec<i64>,
    /// What counting them makes true.
    pub batch: Batch<'a>,
    /// Hours that have ended and whose completeness they may change.
    pub touched: Vec<(Country, Hour)>,
}

#[derive(sqlx::FromRow)]
struct Kept {
    quarantine_no: i64,
    received_at: Instant,
    watermark: Option<Instant>,
    slot: String,
    reason: String,
    topic: String,
    payload: Vec<u8>,
    payload_bytes: i32,
    detail: Option<String>,
    replayed_at: Option<Instant>,
}

impl TryFrom<Kept> for KeptMessage {
    type Error = Error;

    fn try_from(kept: Kept) -> Result<Self> {
        Ok(Self {
            number: kept.quarantine_no,
            slot: kept.slot,
            replayed_at: kept.replayed_at,
            row: QuarantineRow {
                received_at: kept.received_at,
                watermark: kept.watermark.unwrap_or(kept.received_at),
                reason: read_reason(&kept.reason)?,
                topic: kept.topic,
                payload: kept.payload,
                payload_bytes: usize::try_from(kept.payload_bytes).unwrap_or(0),
                detail: kept.detail,
            },
        })
    }
}

fn read_reason(text: &str) -> Result<Reason> {
    Reason::parse(text).ok_or_else(|| Error::Corrupt {
        what: "quarantine reason",
        value: text.to_owned(),
    })
}

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

    /// What was set aside since an instant, by minute and reason, newest first; at most `limit`
    /// rows.
    ///
    /// # Errors
    /// When the database is away, or holds a reason that this binary does not know.
    pub async fn quarantine_minutes(
        &self,
        since: Instant,
        reasons: &[Reason],
        limit: u32,
    ) -> Result<Vec<QuarantineMinute>> {
        let rows: Vec<(Instant, String, i64, i64, Vec<i64>)> = Error::at(
            "quarantine_minutes",
            sqlx::query_as(
                "with totals as (
                     select minute, reason, sum(messages)::bigint as messages
                     from quarantine_counts
                     where minute >= date_trunc('minute', $1, 'UTC')
                       and (cardinality($2::text[]) = 0 or reason = any($2))
                     group by minute, reason
                     order by minute desc, reason limit $3
                 )
                 select t.minute, t.reason, t.messages, count(q.replayed_at),
                        coalesce(array_agg(q.quarantine_no order by q.received_at, q.quarantine_no)
                                 filter (where q.quarantine_no is not null), '{}')
                 from totals t
                 left join quarantine q
                     on q.received_at >= t.minute
                    and q.received_at < t.minute + interval '1 minute'
                    and q.reason = t.reason
                 group by t.minute, t.reason, t.messages
                 order by t.minute desc, t.reason",
            )
            .bind(since)
            .bind(words(reasons))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|(minute, reason, messages, replayed, numbers)| {
                Ok(QuarantineMinute {
                    minute,
                    reason: read_reason(&reason)?,
                    messages,
                    replayed,
                    numbers,
                })
            })
            .collect()
    }

    /// A message that was set aside and kept, by its number; `None` if there is none, or none any
    /// more.
    ///
    /// # Errors
    /// When the database is away, or holds a reason that this binary does not know.
    pub async fn quarantined_message(&self, number: i64) -> Result<Option<KeptMessage>> {
        let row: Option<Kept> = Error::at(
            "quarantined_message",
            sqlx::query_as("select * from quarantine where quarantine_no = $1")
                .bind(number)
                .fetch_optional(&self.pool)
                .await,
        )?;
        row.map(KeptMessage::try_from).transpose()
    }

    /// The number of the message that was set aside last; 0 when there is none. Later ones have
    /// higher numbers.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_quarantined(&self) -> Result<i64> {
        Error::at(
            "newest_quarantined",
            sqlx::query_scalar("select coalesce(max(quarantine_no), 0) from quarantine")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// The selected messages that were not counted again yet, in the order of their arrival: at
    /// most `limit` of those that come behind `after` (arrival and number) and whose number is not
    /// beyond `newest`.
    ///
    /// # Errors
    /// When the database is away, or holds a reason that this binary does not know.
    pub async fn set_aside(
        &self,
        selection: &Selection,
        after: Option<(Instant, i64)>,
        newest: i64,
        limit: u32,
    ) -> Result<Vec<KeptMessage>> {
        let (after_at, after_no) = after.unwrap_or((Instant::UNIX_EPOCH, 0));
        let rows: Vec<Kept> = Error::at(
            "set_aside",
            sqlx::query_as(
                "select * from quarantine
                 where replayed_at is null and received_at >= $1 and quarantine_no <= $2
                   and (received_at, quarantine_no) > ($3, $4)
                   and (cardinality($5::text[]) = 0 or reason = any($5))
                   and (cardinality($6::bigint[]) = 0 or quarantine_no = any($6))
                 order by received_at, quarantine_no limit $7",
            )
            .bind(selection.since.unwrap_or(Instant::UNIX_EPOCH).max(after_at))
            .bind(newest)
            .bind(after_at)
            .bind(after_no)
            .bind(words(&selection.reasons))
            .bind(&selection.numbers)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(KeptMessage::try_from).collect()
    }

    /// Counts messages that were set aside and marks them as replayed, or changes nothing. Raw
    /// evidence of days past their retention is left out. Returns false, with nothing changed,
    /// when one of the messages was replayed meanwhile by somebody else.
    ///
    /// No lease is needed: presence takes a row twice without harm, and the mark keeps the rest
    /// from being written twice.
    ///
    /// # Errors
    /// [`Error::is_content`] when a row is to blame, [`Error::is_conflict`] when another
    /// transaction got in the way; otherwise the database is away.
    pub async fn replay(&self, replay: &mut Replay<'_>, now: Instant) -> Result<bool> {
        let Replay {
            slot,
            numbers,
            batch,
            touched,
        } = replay;
        let rows = batch.presence.iter().chain(&batch.late_presence);
        let starts = || rows.clone().map(|row| row.hour.start);
        if let (Some(from), Some(to)) = (starts().min(), starts().max()) {
            self.make_presence_partitions(from, to).await?;
        }
        let mut transaction = Error::at("replay", self.pool.begin().await)?;
        let days = partitions::days(&mut transaction, "heartbeats").await?;
        batch
            .heartbeats
            .retain(|row| days.contains(&row.received_at.date_naive()));
        heartbeats::copy_in(&mut transaction, slot, &batch.heartbeats).await?;
        let marked = sqlx::query(
            "update quarantine set replayed_at = $2
             where quarantine_no = any($1) and replayed_at is null",
        )
        .bind(&*numbers)
        .bind(now)
        .execute(&mut *transaction)
        .await;
        let marked = Error::at("mark as replayed", marked)?.rows_affected();
        if usize::try_from(marked) != Ok(numbers.len()) {
            Error::at("replay", transaction.rollback().await)?;
            return Ok(false);
        }
        presence::upsert(&mut transaction, &mut batch.presence, None).await?;
        presence::upsert(&mut transaction, &mut batch.late_presence, Some(now)).await?;
        presence::mark_late(&mut transaction, touched, now).await?;
        last_heard::upsert(&mut transaction, &mut batch.last_heard, &mut batch.moved).await?;
        write(
            &mut transaction,
            slot,
            &batch.quarantine,
            &batch.quarantine_counts,
        )
        .await?;
        for change in &batch.gaps {
            gaps::apply(&mut transaction, slot, change).await?;
        }
        Error::at("replay", transaction.commit().await)?;
        Ok(true)
    }
}

fn words(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.as_str()).collect()
}

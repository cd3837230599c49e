//! Ingest slots: one broker session each, its lease and its watermark.

use std::time::Duration;

use model::filter::overlap;
use model::{Cause, Instant};
use sqlx::PgConnection;

use crate::gaps::{self, GapChange};
use crate::leases::seconds;
use crate::{Error, Result, Store};

/// Held while a slot is taken, so that of two slots with overlapping filters one sees the other.
const SLOTS_LOCK: i64 = 0x736c_6f74; // "slot"

/// What a process gets with the lease of a slot.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SlotLease {
    /// The slot's name.
    pub slot: String,
    /// The fence: writes with another term are refused.
    pub term: i64,
    /// The first SUBACK ever, if there was one.
    pub started_at: Option<Instant>,
    /// Everything that reached the broker before is committed, or lies in a gap.
    pub watermark: Option<Instant>,
    /// Since then lie the rows that the broker may send a second time.
    pub tail_from: Option<Instant>,
    /// How many messages the broker said it had dropped, when that was last known.
    pub broker_dropped: Option<i64>,
    /// The topic filter of the session that the last owner left.
    pub topic_filter: String,
    /// The client id of that session.
    pub client_id: String,
    /// Whether the last owner began to connect and did not tell what it found: then the broker may
    /// have forgotten the session, and said so to nobody else.
    pub session_in_doubt: bool,
}

/// A session that the broker keeps for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session<'a> {
    /// Its client id.
    pub client_id: &'a str,
    /// The topic filter it is subscribed to.
    pub topic_filter: &'a str,
}

/// What becomes known about the session of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange<'a> {
    /// A connection is about to be made, which may find that there is none any more.
    InDoubt,
    /// It is the one of before.
    Kept,
    /// This one stands, and what was found is committed with this.
    Stands(Session<'a>),
}

/// The state of a slot in use as others see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SlotState {
    /// The slot's name.
    pub slot: String,
    /// The topic filter it listens to.
    pub topic_filter: String,
    /// The first SUBACK ever, of this slot or of one that is retired now, if there was one.
    pub started_at: Option<Instant>,
    /// Everything that reached the broker before is committed, or lies in a gap.
    pub watermark: Option<Instant>,
    /// Whoever holds the lease, if it is valid.
    pub owner: Option<String>,
}

/// Everything about a slot, for operators.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SlotDetail {
    /// The slot's name.
    pub slot: String,
    /// The topic filter of its session.
    pub topic_filter: String,
    /// The client id of its session.
    pub client_id: String,
    /// Whoever holds the lease, if it is valid.
    pub owner: Option<String>,
    /// How often the lease has changed hands.
    pub term: i64,
    /// How long the lease is still valid, in seconds; `None` while nobody holds it.
    pub lease_left_secs: Option<f64>,
    /// The first SUBACK ever, if there was one.
    pub started_at: Option<Instant>,
    /// Everything that reached the broker before is committed, or lies in a gap.
    pub watermark: Option<Instant>,
    /// When it was retired, if it is.
    pub retired_at: Option<Instant>,
    /// Since when the broker is away from it, if it is.
    pub away_since: Option<Instant>,
}

/// Why a slot was not retired.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// There is no slot of that name.
    #[error("there is no slot `{0}`; `headcount slots list` names them all")]
    Unknown(String),
    /// Somebody runs it.
    #[error("the slot `{slot}` is held by {owner}: end that ingest first")]
    Held {
        /// The slot.
        slot: String,
        /// Who holds it.
        owner: String,
    },
    /// It is retired.
    #[error("the slot `{0}` is retired already")]
    Already(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A slot as it is when somebody takes it.
#[derive(sqlx::FromRow)]
struct Taken {
    #[sqlx(flatten)]
    lease: SlotLease,
    retired_at: Option<Instant>,
}

impl Store {
    /// Tries to take the lease of a slot. `None` while somebody else holds it. A slot that was
    /// retired is in use again, with a gap from its watermark until `now`.
    ///
    /// # Errors
    /// [`Error::FilterOverlap`] when another slot in use hears some of the same topics; otherwise
    /// the database is away.
    pub async fn acquire_slot(
        &self,
        slot: &str,
        owner: &str,
        client_id: &str,
        topic_filter: &str,
        lasts: Duration,
        now: Instant,
    ) -> Result<Option<SlotLease>> {
        let mut transaction = Error::at("acquire_slot", self.pool.begin().await)?;
        let locked = sqlx::query("select pg_advisory_xact_lock($1)")
            .bind(SLOTS_LOCK)
            .execute(&mut *transaction)
            .await;
        Error::at("acquire_slot", locked)?;
        if let Some(other) = overlapping(&mut transaction, slot, topic_filter).await? {
            return Err(Error::FilterOverlap {
                slot: slot.to_owned(),
                filter: topic_filter.to_owned(),
                other: other.slot,
                other_filter: other.topic_filter,
            });
        }
        let fresh = sqlx::query(
            "insert into ingest_slots (slot, client_id, topic_filter) values ($1, $2, $3)
             on conflict (slot) do nothing",
        )
        .bind(slot)
        .bind(client_id)
        .bind(topic_filter)
        .execute(&mut *transaction)
        .await;
        Error::at("acquire_slot", fresh)?;
        let taken: Option<Taken> = Error::at(
            "acquire_slot",
            sqlx::query_as(
                "with before as (
                     select slot, retired_at, session_in_doubt from ingest_slots
                     where slot = $1 for update
                 )
                 update ingest_slots s
                 set owner = $2, term = term + 1, retired_at = null,
                     lease_until = clock_timestamp() + make_interval(secs => $3)
                 from before
                 where s.slot = before.slot
                   and (owner is null or owner = $2 or lease_until < clock_timestamp())
                 returning s.slot, term, started_at, watermark, tail_from, broker_dropped,
                           topic_filter, client_id, before.retired_at, before.session_in_doubt",
            )
            .bind(slot)
            .bind(owner)
            .bind(seconds(lasts))
            .fetch_optional(&mut *transaction)
            .await,
        )?;
        if let Some(Taken { lease, retired_at }) = &taken
            && let (Some(_), Some(watermark)) = (retired_at, lease.watermark)
        {
            let gap = GapChange::Over {
                country: None,
                cause: Cause::SessionLost,
                from: watermark,
                to: now.max(watermark),
                detail: "the slot was retired, and is in use again".to_owned(),
            };
            gaps::apply(&mut transaction, slot, &gap).await?;
        }
        Error::at("acquire_slot", transaction.commit().await)?;
        Ok(taken.map(|taken| taken.lease))
    }

    /// Retires a slot that nobody runs any more, so that nothing waits for its watermark. The time
    /// from its watermark until `now` becomes a gap, unless `drained`: then whoever calls knows
    /// that nothing waited for it in the broker, and its watermark moves to `now`.
    ///
    /// # Errors
    /// [`RetireError`] says why not; nothing is changed then.
    pub async fn retire_slot(
        &self,
        slot: &str,
        drained: bool,
        now: Instant,
    ) -> std::result::Result<(), RetireError> {
        let mut transaction = Error::at("retire slot", self.pool.begin().await)?;
        let found = sqlx::query_as::<_, SlotDetail>(SLOT_LOCKED)
            .bind(slot)
            .fetch_optional(&mut *transaction)
            .await;
        let found = Error::at("retire slot", found)?
            .ok_or_else(|| RetireError::Unknown(slot.to_owned()))?;
        if let Some(owner) = found.owner {
            let slot = found.slot;
            return Err(RetireError::Held { slot, owner });
        }
        if found.retired_at.is_some() {
            return Err(RetireError::Already(found.slot));
        }
        gaps::apply(&mut transaction, slot, &GapChange::CloseAll { to: now }).await?;
        if let (Some(watermark), false) = (found.watermark, drained) {
            let gap = GapChange::Over {
                country: None,
                cause: Cause::SessionLost,
                from: watermark,
                to: now.max(watermark),
                detail: "the slot was retired".to_owned(),
            };
            gaps::apply(&mut transaction, slot, &gap).await?;
        }
        // The new term stops an owner that was paused and wakes up.
        let done = sqlx::query(
            "update ingest_slots
             set retired_at = $2, owner = null, lease_until = '-infinity', term = term + 1,
                 watermark = case when $3 then greatest(watermark, $2) else watermark end
             where slot = $1",
        )
        .bind(slot)
        .bind(now)
        .bind(drained && found.watermark.is_some())
        .execute(&mut *transaction)
        .await;
        Error::at("retire slot", done)?;
        Error::at("retire slot", transaction.commit().await)?;
        Ok(())
    }

    /// The first slot in use, other than `slot`, that hears some of the topics of a filter.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn overlapping_slot(
        &self,
        slot: &str,
        topic_filter: &str,
    ) -> Result<Option<SlotState>> {
        let mut connection = Error::at("slots", self.pool.acquire().await)?;
        overlapping(&mut connection, slot, topic_filter).await
    }

    /// All slots, retired ones too, with everything known about them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn slot_details(&self) -> Result<Vec<SlotDetail>> {
        Error::at(
            "slots",
            sqlx::query_as(SLOT_DETAILS).fetch_all(&self.pool).await,
        )
    }

    /// Gives the lease back, so that a standby need not wait for its end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release_slot(&self, lease: &SlotLease) -> Result<()> {
        let done = sqlx::query(
            "update ingest_slots set owner = null, lease_until = '-infinity'
             where slot = $1 and term = $2",
        )
        .bind(&lease.slot)
        .bind(lease.term)
        .execute(&self.pool)
        .await;
        Error::at("release_slot", done).map(drop)
    }

    /// Within how many milliseconds 99 of 100 recent commits were made, in the slot in which it
    /// took longest; `None` while no ingest runs.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn commit_p99_ms(&self) -> Result<Option<i64>> {
        Error::at(
            "commit_p99_ms",
            sqlx::query_scalar(
                "select max(commit_p99_ms)::bigint from ingest_slots
                 where retired_at is null and lease_until >= clock_timestamp()",
            )
            .fetch_one(&self.pool)
            .await,
        )
    }

    /// The slots in use.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn slots(&self) -> Result<Vec<SlotState>> {
        Error::at("slots", sqlx::query_as(SLOTS).fetch_all(&self.pool).await)
    }
}

/// Slots in use. What a retired slot heard before is part of the past: what was counted then was
/// listened to.
pub(crate) const SLOTS: &str = "select slot, topic_filter,
        least(started_at, (select min(started_at) from ingest_slots where retired_at is not null))
            as started_at,
        watermark,
        case when lease_until >= clock_timestamp() then owner end as owner
     from ingest_slots where retired_at is null order by slot";

const SLOT_DETAILS: &str = "select slot, topic_filter, client_id, term, started_at, watermark,
        retired_at,
        case when lease_until >= clock_timestamp() then owner end as owner,
        case when lease_until >= clock_timestamp() and owner is not null
             then extract(epoch from lease_until - clock_timestamp())::float8 end
            as lease_left_secs,
        (select min(from_at) from gaps g where g.slot = s.slot and g.to_at is null) as away_since
     from ingest_slots s order by slot";

const SLOT_LOCKED: &str = "select slot, topic_filter, client_id, term, started_at, watermark,
        retired_at,
        case when lease_until >= clock_timestamp() then owner end as owner,
        null::float8 as lease_left_secs, null::timestamptz as away_since
     from ingest_slots where slot = $1 for update";

async fn overlapping(
    connection: &mut PgConnection,
    slot: &str,
    topic_filter: &str,
) -> Result<Option<SlotState>> {
    let slots: Vec<SlotState> = Error::at(
        "slots",
        sqlx::query_as(SLOTS).fetch_all(&mut *connection).await,
    )?;
    Ok(slots
        .into_iter()
        .find(|other| other.slot != slot && overlap(&other.topic_filter, topic_filter)))
}

/// Notes what becomes of the session of a slot, so that a later owner with another filter gives this
/// one up, and does not trust a session of which nobody knows.
pub(crate) async fn note_session(
    connection: &mut PgConnection,
    lease: &SlotLease,
    change: SessionChange<'_>,
) -> Result<()> {
    let session = match change {
        SessionChange::InDoubt | SessionChange::Kept => None,
        SessionChange::Stands(session) => Some(session),
    };
    let done = sqlx::query(
        "update ingest_slots
         set client_id = coalesce($3, client_id), topic_filter = coalesce($4, topic_filter),
             session_in_doubt = $5
         where slot = $1 and term = $2",
    )
    .bind(&lease.slot)
    .bind(lease.term)
    .bind(session.map(|session| session.client_id))
    .bind(session.map(|session| session.topic_filter))
    .bind(change == SessionChange::InDoubt)
    .execute(connection)
    .await;
    fenced(
        Error::at("note session", done)?.rows_affected(),
        &lease.slot,
    )
}

pub(crate) fn fenced(rows: u64, name: &str) -> Result<()> {
    if rows == 0 {
        Err(Error::LeaseLost(name.to_owned()))
    } else {
        Ok(())
    }
}

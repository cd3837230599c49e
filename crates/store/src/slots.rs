//! Ingest slots: one broker session each, its lease and its watermark.

use std::time::Duration;

use model::Instant;

use crate::leases::seconds;
use crate::{Error, Result, Store};

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
    /// The topic filter of the session that the last owner left.
    pub topic_filter: String,
    /// The client id of that session.
    pub client_id: String,
}

/// The state of a slot as others see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SlotState {
    /// The slot's name.
    pub slot: String,
    /// The topic filter it listens to.
    pub topic_filter: String,
    /// The first SUBACK ever, if there was one.
    pub started_at: Option<Instant>,
    /// Everything that reached the broker before is committed, or lies in a gap.
    pub watermark: Option<Instant>,
    /// Whoever holds the lease, if it is valid.
    pub owner: Option<String>,
}

impl Store {
    /// Tries to take the lease of a slot. `None` while somebody else holds it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acquire_slot(
        &self,
        slot: &str,
        owner: &str,
        client_id: &str,
        topic_filter: &str,
        lasts: Duration,
    ) -> Result<Option<SlotLease>> {
        let fresh = sqlx::query(
            "insert into ingest_slots (slot, client_id, topic_filter) values ($1, $2, $3)
             on conflict (slot) do nothing",
        )
        .bind(slot)
        .bind(client_id)
        .bind(topic_filter)
        .execute(&self.pool)
        .await;
        Error::at("acquire_slot", fresh)?;
        Error::at(
            "acquire_slot",
            sqlx::query_as(
                "update ingest_slots
                 set owner = $2, term = term + 1,
                     lease_until = clock_timestamp() + make_interval(secs => $3)
                 where slot = $1 and (owner is null or owner = $2 or lease_until < clock_timestamp())
                 returning slot, term, started_at, watermark, tail_from, topic_filter, client_id",
            )
            .bind(slot)
            .bind(owner)
            .bind(seconds(lasts))
            .fetch_optional(&self.pool)
            .await,
        )
    }

    /// Notes which session now belongs to the slot.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the term has moved on.
    pub async fn set_slot_session(
        &self,
        lease: &SlotLease,
        client_id: &str,
        topic_filter: &str,
    ) -> Result<()> {
        let done = Error::at(
            "set_slot_session",
            sqlx::query(
                "update ingest_slots set client_id = $3, topic_filter = $4
                 where slot = $1 and term = $2",
            )
            .bind(&lease.slot)
            .bind(lease.term)
            .bind(client_id)
            .bind(topic_filter)
            .execute(&self.pool)
            .await,
        )?;
        fenced(done.rows_affected(), &lease.slot)
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

    /// All slots.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn slots(&self) -> Result<Vec<SlotState>> {
        Error::at("slots", sqlx::query_as(SLOTS).fetch_all(&self.pool).await)
    }
}

pub(crate) const SLOTS: &str = "select slot, topic_filter, started_at, watermark,
        case when lease_until >= clock_timestamp() then owner end as owner
     from ingest_slots order by slot";

pub(crate) fn fenced(rows: u64, name: &str) -> Result<()> {
    if rows == 0 {
        Err(Error::LeaseLost(name.to_owned()))
    } else {
        Ok(())
    }
}

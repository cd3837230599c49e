//! The transaction of ingest.
//!
//! One batch, one transaction, in an order with reasons. A process that is paused *inside* COPY
//! keeps the row locks it has beyond any timeout, so COPY comes first, when there are none. Then
//! the rows that other processes may want, each sorted by key. Last the slot: that write carries
//! the fence, so a process whose lease was taken over rolls everything back, and it renews the
//! lease, so a busy slot needs no other renewal.

use std::collections::HashMap;
use std::time::Duration;

use model::{DeviceId, DeviceNo, Instant};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::carriers::CarrierBits;
use crate::devices::DeviceRecord;
use crate::gaps::GapChange;
use crate::heartbeats::HeartbeatRow;
use crate::last_heard::LastHeardRow;
use crate::leases::seconds;
use crate::presence::PresenceRow;
use crate::quarantine::{QuarantineCounts, QuarantineRow};
use crate::slots::{SessionChange, SlotLease, fenced, note_session};
use crate::{Error, Result, Store, devices, gaps, heartbeats, last_heard, presence, quarantine};

/// The writer gives up on a connection that says nothing for this long, and opens another.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything that one commit makes true.
#[derive(Debug, Clone, Default)]
pub struct Batch<'a> {
    /// Evidence.
    pub heartbeats: Vec<HeartbeatRow<'a>>,
    /// Presence in hours that run.
    pub presence: Vec<PresenceRow>,
    /// Presence in hours that have ended: what is new there is counted again.
    pub late_presence: Vec<PresenceRow>,
    /// Newest states.
    pub last_heard: Vec<LastHeardRow<'a>>,
    /// Devices heard in another segment than before.
    pub moved: Vec<DeviceNo>,
    /// Messages set aside.
    pub quarantine: Vec<QuarantineRow>,
    /// How many were, including those not kept.
    pub quarantine_counts: QuarantineCounts,
    /// What became known about the session that the broker keeps for the slot.
    pub session: Option<SessionChange<'a>>,
    /// What became known about gaps.
    pub gaps: Vec<GapChange>,
    /// The watermark that holds once this is committed, if it moves.
    pub watermark: Option<Instant>,
    /// The first SUBACK ever, if this is it.
    pub started_at: Option<Instant>,
    /// Since then lie the rows that the broker may send a second time.
    pub tail_from: Option<Instant>,
    /// How many messages the broker says it has dropped, if it said so.
    pub broker_dropped: Option<i64>,
    /// Within what time 99 of 100 recent commits were made, if there were any.
    pub commit_p99: Option<Duration>,
}

/// A connection of its own for the one task that commits, opened again when it fails.
#[derive(Debug)]
pub struct Writer {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Store {
    /// A writer for one slot.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer {
            options: self.options.clone(),
            connection: None,
        }
    }
}

impl Writer {
    /// Looks up devices by id; those unknown are missing from the answer.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_devices(
        &mut self,
        ids: &[&str],
        bits: &CarrierBits,
    ) -> Result<HashMap<DeviceId, DeviceRecord>> {
        self.with(async |connection| devices::find(connection, ids, bits).await)
            .await
    }

    /// Registers devices that [`Self::find_devices`] did not know.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn register_devices(&mut self, ids: &mut [&str], now: Instant) -> Result<()> {
        self.with(async |connection| devices::register(connection, ids, now).await)
            .await
    }

    /// The highest number that a device has: how many there are, within a few.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn highest_device_no(&mut self) -> Result<DeviceNo> {
        self.with(async |connection| devices::highest_no(connection).await)
            .await
    }

    /// Commits a batch and renews the lease, or changes nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the slot has another owner; an error of which
    /// [`Error::is_content`] says whether a row of the batch is to blame; otherwise the database
    /// is away or refuses for now.
    pub async fn commit(
        &mut self,
        lease: &SlotLease,
        lasts: Duration,
        now: Instant,
        batch: &mut Batch<'_>,
    ) -> Result<()> {
        self.with(async |connection| commit(connection, lease, lasts, now, batch).await)
            .await
    }

    /// Runs one operation on the connection. If it does not answer, or the connection is in doubt,
    /// the connection is dropped as a whole: a half-finished transaction dies with it.
    async fn with<T>(
        &mut self,
        operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        let options = &self.options;
        let held = self.connection.take();
        let work = async move {
            let mut connection = match held {
                Some(connection) => connection,
                None => Error::at("connect", crate::connect(options).await)?,
            };
            let outcome = operation(&mut connection).await;
            Ok((connection, outcome))
        };
        let (connection, outcome) = tokio::time::timeout(ANSWER_TIMEOUT, work)
            .await
            .map_err(|_| Error::Stalled(ANSWER_TIMEOUT.as_secs()))??;
        let in_doubt = matches!(&outcome, Err(error) if !error.is_content() && !matches!(error, Error::LeaseLost(_)));
        if !in_doubt {
            self.connection = Some(connection);
        }
        outcome
    }
}

async fn commit(
    connection: &mut PgConnection,
    lease: &SlotLease,
    lasts: Duration,
    now: Instant,
    batch: &mut Batch<'_>,
) -> Result<()> {
    let mut transaction = Error::at("begin", connection.begin().await)?;
    heartbeats::copy_in(&mut transaction, &lease.slot, &batch.heartbeats).await?;
    presence::upsert(&mut transaction, &mut batch.presence, None).await?;
    presence::upsert(&mut transaction, &mut batch.late_presence, Some(now)).await?;
    last_heard::upsert(&mut transaction, &mut batch.last_heard, &mut batch.moved).await?;
    quarantine::write(
        &mut transaction,
        &lease.slot,
        &batch.quarantine,
        &batch.quarantine_counts,
    )
    .await?;
    if let Some(change) = batch.session {
        note_session(&mut transaction, lease, change).await?;
    }
    for change in &batch.gaps {
        gaps::apply(&mut transaction, &lease.slot, change).await?;
    }
    let slot = sqlx::query(
        "update ingest_slots
         set watermark = greatest(watermark, $3),
             started_at = coalesce(started_at, $4),
             tail_from = coalesce($5, tail_from),
             broker_dropped = coalesce($6, broker_dropped),
             lease_until = clock_timestamp() + make_interval(secs => $7),
             commit_p99_ms = coalesce($8, commit_p99_ms)
         where slot = $1 and term = $2",
    )
    .bind(&lease.slot)
    .bind(lease.term)
    .bind(batch.watermark)
    .bind(batch.started_at)
    .bind(batch.tail_from)
    .bind(batch.broker_dropped)
    .bind(seconds(lasts))
    .bind(
        batch
            .commit_p99
            .map(|p99| i32::try_from(p99.as_millis()).unwrap_or(i32::MAX)),
    )
    .execute(&mut *transaction)
    .await;
    fenced(
        Error::at("move watermark", slot)?.rows_affected(),
        &lease.slot,
    )?;
    Error::at("commit", transaction.commit().await)
}

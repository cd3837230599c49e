//! From arrivals to committed batches, in order.
//!
//! The writer takes what the subscriber hands over in the order in which it happened. What it has
//! committed is therefore always a beginning of the story: a probe that is committed vouches for
//! everything before it. Only after a COMMIT does the broker get its acknowledgements.
//!
//! When the database refuses a row for what it holds, the batch is halved until the message stands
//! alone, and that one is set aside. When anything else is wrong, the writer holds what it has and
//! tries again; meanwhile the connection goes on pinging, and the broker's window fills up and
//! makes it wait.

use std::ops::Range;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use model::heard::LIVE_LAG;
use model::{Cause, Instant, Reason};
use store::batch::{Batch, Writer as StoreWriter};
use store::gaps::GapChange;
use store::slots::{Session, SessionChange, SlotLease};
use telemetry::{Counter, Gauge, RecentDurations};
use tokio::sync::oneshot;

use crate::assemble::{Placed, Verdict, assemble};
use crate::broker::Sender;
use crate::placer::{Placer, Taken};
use crate::present::Present;
use crate::quarantine::SetAside;
use crate::retry::Retry;
use crate::subscriber::{Content, Delivered, Item};
use crate::tail::Tail;
use crate::topic::TopicFilter;
use crate::waiting;
use crate::window::{Committed, Meter, TooMuch};
use crate::{Config, Context};

/// Partitions are looked after this often.
const MAINTAIN_INTERVAL: Duration = Duration::from_secs(3600);

/// … and this long after it has failed: not with every batch.
const MAINTAIN_RETRY: Duration = Duration::from_secs(60);

/// More refused messages than this, and more than one in a hundred of the batch, look like our
/// mistake rather than the devices': better hold than empty the fleet into quarantine.
const MAX_REFUSED: usize = 10;

/// A broker tells within this time what it has dropped; Mosquitto does so every ten seconds.
const DROPS_TOLD_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// How old a broker's own word may be for how long it has been running. A start so soon after what was
/// vouched for is not told from one before it; a gap as short as that spoils no hour.
const UPTIME_AGE: TimeDelta = TimeDelta::seconds(15);

/// When the lease was last renewed. Shared with the one who connects, who may do so only while
/// the slot is ours.
#[derive(Debug)]
pub struct LeaseAge(Mutex<std::time::Instant>);

impl LeaseAge {
    /// A lease that was asked for at this moment, and granted.
    #[must_use]
    pub fn of(asked_at: std::time::Instant) -> Self {
        Self(Mutex::new(asked_at))
    }

    fn renewed(&self, asked_at: std::time::Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
    }

    /// When it was last renewed, by this machine's steady clock.
    #[must_use]
    pub fn renewed_at(&self) -> std::time::Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot is no longer ours.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken the slot over")]
pub struct LeaseLost;

/// The writer of one slot, for as long as it holds the lease.
pub struct Writer<'a> {
    config: &'a Config,
    context: &'a Context,
    lease: &'a SlotLease,
    age: Arc<LeaseAge>,
    database: StoreWriter,
    placer: Placer<'a>,
    present: Present,
    tail: Tail,
    /// The watermark that will stand when all that was taken so far is committed.
    watermark: Option<Instant>,
    sender: Option<Sender>,
    /// The broker has forgotten our session, and we have not subscribed since.
    session_lost: bool,
    filter_changed: bool,
    /// The owner before us may have found the session lost, and told nobody.
    session_in_doubt: bool,
    /// When the present connection began to listen, and the watermark that stood then.
    returned: Option<(Instant, Option<Instant>)>,
    /// Until when the owner before us vouched for, as long as the broker has not said whether it has
    /// been running ever since.
    vouched_until: Option<Instant>,
    /// How many messages the broker says it has dropped since it started.
    broker_dropped: Option<i64>,
    /// When partitions are looked after next; at once if it is not known.
    maintain_at: Option<std::time::Instant>,
    meter: Meter,
    last_commit: Duration,
    recent_commits: RecentDurations,
}

/// What a batch of items comes to, besides its messages.
#[derive(Default)]
struct Effects {
    gaps: Vec<GapChange>,
    started_at: Option<Instant>,
    session: Option<SessionNews>,
    acks: Vec<(Sender, Vec<u16>)>,
    /// Room in the queue that is free again.
    bytes: usize,
    /// Who waits for the commit.
    waiting: Vec<oneshot::Sender<()>>,
}

/// What a batch makes known about the session.
#[derive(Clone, Copy)]
enum SessionNews {
    /// It may be lost when the next connection is made.
    InDoubt,
    /// The broker has kept it.
    Kept,
    /// It stands, under our filter.
    Stands,
}

impl<'a> Writer<'a> {
    /// A writer that goes on where the slot's last owner stopped.
    #[must_use]
    pub fn new(
        config: &'a Config,
        context: &'a Context,
        lease: &'a SlotLease,
        age: Arc<LeaseAge>,
    ) -> Self {
        Self {
            config,
            context,
            lease,
            age,
            database: context.store.writer(),
            placer: Placer::new(config, context),
            present: Present::default(),
            tail: Tail::default(),
            watermark: lease.watermark,
            sender: None,
            session_lost: false,
            returned: None,
            vouched_until: lease.watermark,
            broker_dropped: lease.broker_dropped,
            filter_changed: lease.topic_filter != config.topic_filter.subscription(),
            session_in_doubt: lease.session_in_doubt,
            maintain_at: None,
            meter: Meter::new(
                config.receive_maximum.into(),
                u32::try_from(config.batch_max_messages).unwrap_or(u32::MAX),
                config.batch_max_age,
                std::time::Instant::now(),
            ),
            last_commit: Duration::ZERO,
            recent_commits: RecentDurations::new(std::time::Instant::now()),
        }
    }

    /// Commits what comes until nothing more can.
    ///
    /// # Errors
    /// [`LeaseLost`] when the slot has another owner.
    pub async fn run(mut self, mut items: waiting::Receiver) -> Result<(), LeaseLost> {
        self.remember_tail().await;
        let mut batch = Vec::with_capacity(self.config.batch_max_messages);
        while self.gather(&mut items, &mut batch).await {
            Gauge::MessagesInFlight.set(i64::try_from(items.len() + batch.len()).unwrap_or(0));
            self.look_after().await;
            let (messages, came_within) = acknowledgeable(&batch);
            let bytes = self.process(std::mem::take(&mut batch)).await?;
            items.release(bytes);
            self.watch_window(messages, came_within);
            let now = self.context.clock.now();
            if let Some(watermark) = self.watermark {
                Gauge::WatermarkLagMillis.set((now - watermark).num_milliseconds());
            }
        }
        Ok(())
    }

    /// Gathers a batch: what is there, for as long as it is young and small. Returns an empty one
    /// in time to renew the lease, and false when nothing more will come.
    async fn gather(&self, items: &mut waiting::Receiver, batch: &mut Vec<Item>) -> bool {
        // A batch cannot be larger than the window: the broker would wait for acknowledgements
        // and we for messages.
        let limit = self
            .config
            .batch_max_messages
            .min(self.config.receive_maximum.into());
        let idle = self.config.lease / 3;
        match tokio::time::timeout(idle, items.take(batch, limit)).await {
            Err(_) => return true,
            Ok(0) => return false,
            Ok(_) => {}
        }
        let deadline = tokio::time::Instant::now() + self.config.batch_max_age;
        while batch.len() < limit && !batch.iter().any(is_waited_for) {
            let room = limit - batch.len();
            match tokio::time::timeout_at(deadline, items.take(batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    /// Sees whether the broker hands over enough messages per commit.
    fn watch_window(&mut self, messages: u32, came_within: Duration) {
        let batch = Committed {
            messages,
            came_within,
            commit: self.last_commit,
        };
        let too_much = self.meter.committed(batch, std::time::Instant::now());
        let pace = self.meter.pace();
        Gauge::WindowMessages.set(pace.window_messages.into());
        if !pace.commit.is_zero() {
            Gauge::WindowLimitPerSecond.set(pace.limit_per_second() as i64);
        }
        if let Some(TooMuch {
            arrivals_per_second,
        }) = too_much
        {
            tracing::warn!(
                slot = %self.config.slot, arrivals_per_second, window = pace.window_messages,
                commit = ?pace.commit, limit_per_second = pace.limit_per_second(),
                "messages come nearly as fast as they can be taken; unless a backlog is being \
                 emptied: {}",
                pace.advice(arrivals_per_second)
            );
        }
    }

    /// After a restart: reads back which deliveries may come a second time.
    async fn remember_tail(&mut self) {
        let Some(from) = self.lease.tail_from else {
            return;
        };
        let mut retry = Retry::new("the last deliveries cannot be read");
        loop {
            match self
                .context
                .store
                .deliveries_since(&self.lease.slot, from)
                .await
            {
                Ok(deliveries) => {
                    for delivery in deliveries {
                        self.tail.push(delivery, from);
                    }
                    return;
                }
                Err(error) => retry.wait(self.context, &error).await,
            }
        }
    }

    /// Refreshes what is remembered, and looks after partitions, when it is time.
    async fn look_after(&mut self) {
        self.placer.refresh().await;
        let now = self.context.clock.now();
        self.present.forget_before(now);
        if self
            .maintain_at
            .is_some_and(|at| std::time::Instant::now() < at)
        {
            return;
        }
        let maintained = self
            .context
            .store
            .maintain(now, self.config.retention)
            .await;
        let pause = match maintained {
            Ok(()) => MAINTAIN_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "partitions cannot be looked after now");
                MAINTAIN_RETRY
            }
        };
        self.maintain_at = Some(std::time::Instant::now() + pause);
    }

    /// Commits a batch and acknowledges it. Returns how much room it took.
    async fn process(&mut self, items: Vec<Item>) -> Result<usize, LeaseLost> {
        let mut effects = Effects::default();
        let mut taken = Vec::with_capacity(items.len());
        effects
            .acks
            .extend(self.sender.clone().map(|sender| (sender, Vec::new())));
        for item in items {
            effects.bytes += waiting::bytes_of(&item) as usize;
            match item {
                Item::Session {
                    sender,
                    session_present,
                } => {
                    // It stays lost until a subscription stands, whatever the next connection says.
                    self.session_lost |= !session_present;
                    effects.acks.push((sender.clone(), Vec::new()));
                    self.sender = Some(sender);
                    if !self.session_lost && !self.session_in_doubt {
                        effects.session = Some(SessionNews::Kept);
                    }
                }
                Item::Subscribed { asked_at, at } => {
                    self.returned = Some((at, self.watermark));
                    self.subscribed(asked_at, at, &mut effects);
                }
                Item::Away { from, detail } => {
                    effects.gaps.push(GapChange::Open {
                        cause: Cause::BrokerAway,
                        from,
                        detail,
                    });
                }
                Item::BrokerStarted { at } => self.note_start(at, &mut effects),
                Item::BrokerDropped { messages, at } => {
                    self.note_drops(messages, at, &mut effects);
                }
                Item::Connecting(done) => {
                    effects.session = Some(SessionNews::InDoubt);
                    effects.waiting.push(done);
                }
                Item::Drain(done) => effects.waiting.push(done),
                Item::Delivered(delivered) => {
                    if let (Some((_, ids)), Some(id)) =
                        (effects.acks.last_mut(), delivered.packet_id)
                    {
                        ids.push(id);
                    }
                    taken.extend(self.take(delivered));
                }
            }
        }
        let messages = self.placer.place_all(&mut self.database, taken).await;
        self.commit_all(messages, &mut effects).await?;
        for (sender, packet_ids) in effects.acks {
            sender.acknowledge(&packet_ids);
        }
        for done in effects.waiting {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
        Ok(effects.bytes)
    }

    /// From `at` on everything reaches us. What may have been missed before is a gap.
    fn subscribed(&mut self, asked_at: Instant, at: Instant, effects: &mut Effects) {
        effects.gaps.push(GapChange::CloseAll { to: at });
        effects.session = Some(SessionNews::Stands);
        let over = |cause, from, detail: &str| GapChange::Over {
            country: None,
            cause,
            from,
            to: at,
            detail: detail.to_owned(),
        };
        match self.watermark {
            None => {
                effects.started_at = Some(at);
                // A touch of the hour in which we began to listen is enough to spoil it.
                let just_before = at - TimeDelta::seconds(1);
                let gap = over(Cause::FirstStart, just_before, "nothing was heard before");
                effects.gaps.push(gap);
                self.watermark = Some(at);
            }
            Some(watermark) if self.session_lost && watermark < at => {
                tracing::warn!(
                    slot = %self.config.slot, %watermark,
                    "the broker has forgotten our session; what it kept for us is lost"
                );
                let detail = "the broker had forgotten our session";
                effects
                    .gaps
                    .push(over(Cause::SessionLost, watermark, detail));
                self.watermark = Some(watermark.max(asked_at));
            }
            Some(watermark) if self.filter_changed && watermark < at => {
                let detail = "the topic filter was changed";
                effects
                    .gaps
                    .push(over(Cause::SessionLost, watermark, detail));
            }
            // What it has kept of the session comes, and is judged by the watermark as it is.
            Some(watermark) if self.session_in_doubt && watermark < at => {
                let detail = "whether the broker had forgotten our session is not known";
                effects
                    .gaps
                    .push(over(Cause::SessionLost, watermark, detail));
            }
            Some(_) => {}
        }
        self.session_in_doubt = false;
        self.filter_changed = false;
        self.session_lost = false;
    }

    /// The broker has been running since `at`. If it was not when we were last told, nobody knows
    /// since when it was away, nor whether it still had all that it had taken before.
    fn note_start(&mut self, at: Instant, effects: &mut Effects) {
        let Some(vouched_until) = self.vouched_until.take() else {
            return;
        };
        if at - vouched_until <= UPTIME_AGE {
            return;
        }
        tracing::warn!(
            slot = %self.config.slot, from = %vouched_until, to = %at,
            "the broker was started while we were away; whether devices could reach it before is \
             not known"
        );
        effects.gaps.push(GapChange::Over {
            country: None,
            cause: Cause::BrokerAway,
            from: vouched_until,
            to: at,
            detail: "the broker was started while nobody listened".to_owned(),
        });
    }

    /// Messages that the broker has dropped since it was last asked: some of ours may be among
    /// them, and came after the watermark.
    fn note_drops(&mut self, messages: i64, at: Instant, effects: &mut Effects) {
        let known = self.broker_dropped.replace(messages);
        // Fewer than before: it has counted anew since a restart.
        let fresh = match known {
            None => 0,
            Some(known) if messages >= known => messages - known,
            Some(_) => messages,
        };
        if fresh == 0 {
            return;
        }
        Counter::BrokerDropped.add(u64::try_from(fresh).unwrap_or(0));
        let Some(watermark) = self.watermark else {
            return;
        };
        // What happened while we were away is told a while after our return.
        let from = match self.returned {
            Some((returned_at, watermark)) if at - returned_at <= DROPS_TOLD_WITHIN => watermark,
            _ => Some(watermark - DROPS_TOLD_WITHIN),
        };
        let from = from.unwrap_or(watermark).min(watermark);
        tracing::warn!(
            slot = %self.config.slot, messages = fresh,
            "the broker has dropped messages that it had taken, so hours may be incomplete; \
             let its queues be longer (max_queued_messages)"
        );
        effects.gaps.push(GapChange::Over {
            country: None,
            cause: Cause::BrokerDropped,
            from,
            to: at.max(from),
            detail: format!("the broker dropped {fresh} messages that it had taken"),
        });
    }

    /// Takes a message: moves the watermark for a probe, drops what is committed already.
    fn take(&mut self, delivered: Delivered) -> Option<Taken> {
        let Delivered {
            received_at,
            content,
            ..
        } = delivered;
        let watermark = self.watermark.unwrap_or(received_at);
        match &content {
            Content::Nothing => return None,
            Content::Probe { sent_at } => {
                // A time from the future is not one of ours. One that waited for us vouches for a
                // session that has no gap.
                let unbroken = !self.session_lost && !self.session_in_doubt && !self.filter_changed;
                if *sent_at <= received_at && unbroken {
                    if *sent_at - watermark > LIVE_LAG {
                        self.returned = Some((received_at, Some(watermark)));
                    }
                    self.watermark = Some(watermark.max(*sent_at));
                }
                return None;
            }
            Content::Heartbeat(arrival) => {
                if arrival.redelivered && self.tail.contains(arrival.delivery) {
                    Counter::MessagesRedelivered.add(1);
                    return None;
                }
                self.tail.push(arrival.delivery, received_at);
            }
            Content::Rejected(_) => {}
        }
        Some(Taken {
            received_at,
            watermark,
            content,
        })
    }

    /// Commits messages in order, the effects with the last of them.
    async fn commit_all(
        &mut self,
        messages: Vec<Placed>,
        effects: &mut Effects,
    ) -> Result<(), LeaseLost> {
        let mut messages = messages;
        let mut refused = 0;
        let whole: Range<usize> = 0..messages.len();
        let mut parts = vec![whole];
        let mut retry = Retry::new("the batch cannot be committed; holding it");
        while let Some(part) = parts.pop() {
            let mut batch = assemble(
                &messages[part.clone()],
                &self.present,
                self.context.clock.now(),
            );
            if parts.is_empty() {
                batch.gaps.append(&mut effects.gaps.clone());
                batch.session = effects.session.map(|news| match news {
                    SessionNews::InDoubt => SessionChange::InDoubt,
                    SessionNews::Kept => SessionChange::Kept,
                    SessionNews::Stands => SessionChange::Stands(Session {
                        client_id: &self.config.client_id,
                        topic_filter: self.config.topic_filter.subscription(),
                    }),
                });
                batch.started_at = effects.started_at;
                batch.watermark = self.watermark;
                batch.tail_from = self.tail.from();
                batch.broker_dropped = self.broker_dropped;
            }
            match self.commit(&mut batch).await {
                Ok(()) => {
                    self.present.committed(&batch.presence);
                    self.present.committed(&batch.late_presence);
                    retry.reset(self.context);
                }
                Err(store::Error::LeaseLost(_)) => return Err(LeaseLost),
                Err(error) if error.is_content() && part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(error) if error.is_content() && part.len() == 1 => {
                    let bearable = refused < MAX_REFUSED || refused * 100 < messages.len();
                    if bearable {
                        refused += 1;
                        let filter = &self.config.topic_filter;
                        refuse(&mut messages[part.start], &error, filter);
                    } else {
                        Gauge::Holding.set(1);
                        tracing::error!(
                            %error, refused,
                            "the database refuses too many messages of one batch; holding it \
                             rather than setting the fleet aside. Look at the schema"
                        );
                        retry.wait(self.context, &error).await;
                    }
                    parts.push(part);
                }
                Err(error) => {
                    if error.is_missing_partition() {
                        self.maintain_at = None;
                        self.look_after().await;
                    }
                    retry.wait(self.context, &error).await;
                    parts.push(part);
                }
            }
        }
        Gauge::Holding.set(0);
        Counter::MessagesCommitted.add(messages.len() as u64);
        Ok(())
    }

    async fn commit(&mut self, batch: &mut Batch<'_>) -> store::Result<()> {
        let asked_at = std::time::Instant::now();
        let now = self.context.clock.now();
        let lease = self.config.lease;
        batch.commit_p99 = self.recent_commits.percentile(99, asked_at);
        let outcome = self.database.commit(self.lease, lease, now, batch).await;
        match &outcome {
            Ok(()) => {
                self.age.renewed(asked_at);
                Counter::Commits.add(1);
                self.last_commit = asked_at.elapsed();
                let micros = self.last_commit.as_micros();
                Gauge::CommitMicros.set(i64::try_from(micros).unwrap_or(i64::MAX));
                let committed_at = std::time::Instant::now();
                self.recent_commits.add(self.last_commit, committed_at);
                if let Some(p99) = self.recent_commits.percentile(99, committed_at) {
                    let micros = i64::try_from(p99.as_micros()).unwrap_or(i64::MAX);
                    Gauge::CommitP99Micros.set(micros);
                }
            }
            Err(_) => Counter::CommitFailures.add(1),
        }
        outcome
    }
}

/// Whether somebody waits for the commit of an item.
fn is_waited_for(item: &Item) -> bool {
    matches!(item, Item::Connecting(_) | Item::Drain(_))
}

/// How many messages the broker waits to be acknowledged for, and within what time they came.
fn acknowledgeable(items: &[Item]) -> (u32, Duration) {
    let mut arrivals = items.iter().filter_map(|item| match item {
        Item::Delivered(delivered) if delivered.packet_id.is_some() => Some(delivered.received_at),
        _ => None,
    });
    let Some(first) = arrivals.next() else {
        return (0, Duration::ZERO);
    };
    let (others, last) = arrivals.fold((0, first), |(count, _), at| (count + 1, at));
    (others + 1, (last - first).to_std().unwrap_or_default())
}

/// Turns a message that the database refused into one that is set aside.
fn refuse(message: &mut Placed, error: &store::Error, filter: &TopicFilter) {
    Counter::MessagesQuarantined.add(1);
    tracing::warn!(%error, "the database refused a message; it is set aside");
    if let Verdict::Heartbeat(beat) = &message.verdict {
        let set_aside = SetAside::of(
            Reason::Refused,
            Some(error.to_string()),
            &beat.arrival,
            filter,
        );
        message.verdict = Verdict::Rejected(set_aside);
    } else {
        // What was set aside is itself refused: count it, keep nothing of it.
        message.verdict = Verdict::Rejected(SetAside {
            reason: Reason::Refused,
            evidence: None,
        });
    }
}

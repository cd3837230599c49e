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
use model::{Carrier, Cause, Heard, Instant, Reason, Segment};
use store::batch::{Batch, Writer as StoreWriter};
use store::gaps::GapChange;
use store::slots::SlotLease;
use telemetry::{Counter, Gauge};
use tokio::sync::{mpsc, oneshot};

use crate::assemble::{Beat, Placed, Verdict, assemble};
use crate::broker::Acks;
use crate::place::place;
use crate::present::Present;
use crate::quarantine::{Evidence, SetAside};
use crate::roster::{Atlas, Devices};
use crate::subscriber::{Arrival, Content, Delivered, Item};
use crate::tail::Tail;
use crate::{Config, Context, Registry};

/// Zones, carriers and the registry's revision are read anew this often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// Partitions are looked after this often.
const MAINTAIN_INTERVAL: Duration = Duration::from_secs(3600);

/// The pause before a failed transaction is tried again, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// More refused messages than this, and more than one in a hundred of the batch, look like our
/// mistake rather than the devices': better hold than empty the fleet into quarantine.
const MAX_REFUSED: usize = 10;

/// When the lease was last renewed. Shared with the one who connects, who may do so only while
/// the slot is ours.
#[derive(Debug)]
pub struct LeaseAge(Mutex<std::time::Instant>);

impl LeaseAge {
    /// A lease granted now.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Mutex::new(std::time::Instant::now()))
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
    devices: Devices,
    atlas: Atlas,
    present: Present,
    tail: Tail,
    /// The watermark that will stand when all that was taken so far is committed.
    watermark: Option<Instant>,
    acks: Option<Acks>,
    session_present: bool,
    filter_changed: bool,
    refreshed_at: Option<std::time::Instant>,
    maintained_at: Option<std::time::Instant>,
}

/// What a batch of items comes to, besides its messages.
#[derive(Default)]
struct Effects {
    gaps: Vec<GapChange>,
    started_at: Option<Instant>,
    acks: Vec<(Acks, u16)>,
    drained: Option<oneshot::Sender<()>>,
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
            devices: Devices::default(),
            atlas: Atlas::default(),
            present: Present::default(),
            tail: Tail::default(),
            watermark: lease.watermark,
            acks: None,
            session_present: false,
            filter_changed: lease.topic_filter != config.topic_filter.subscription(),
            refreshed_at: None,
            maintained_at: None,
        }
    }

    /// Commits what comes until nothing more can.
    ///
    /// # Errors
    /// [`LeaseLost`] when the slot has another owner.
    pub async fn run(mut self, mut items: mpsc::Receiver<Item>) -> Result<(), LeaseLost> {
        self.remember_tail().await;
        let mut batch = Vec::with_capacity(self.config.batch_max_messages);
        while self.gather(&mut items, &mut batch).await {
            Gauge::MessagesInFlight.set(i64::try_from(items.len() + batch.len()).unwrap_or(0));
            self.look_after().await;
            self.process(std::mem::take(&mut batch)).await?;
            let now = self.context.clock.now();
            if let Some(watermark) = self.watermark {
                Gauge::WatermarkLagMillis.set((now - watermark).num_milliseconds());
            }
        }
        Ok(())
    }

    /// Gathers a batch: what is there, for as long as it is young and small. Returns an empty one
    /// in time to renew the lease, and false when nothing more will come.
    async fn gather(&self, items: &mut mpsc::Receiver<Item>, batch: &mut Vec<Item>) -> bool {
        // A batch cannot be larger than the window: the broker would wait for acknowledgements
        // and we for messages.
        let limit = self
            .config
            .batch_max_messages
            .min(self.config.receive_maximum.into());
        let idle = self.config.lease / 3;
        match tokio::time::timeout(idle, items.recv_many(batch, limit)).await {
            Err(_) => return true,
            Ok(0) => return false,
            Ok(_) => {}
        }
        let deadline = tokio::time::Instant::now() + self.config.batch_max_age;
        while batch.len() < limit && !batch.iter().any(|item| matches!(item, Item::Drain(_))) {
            let room = limit - batch.len();
            match tokio::time::timeout_at(deadline, items.recv_many(batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
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
        let due = |last: Option<std::time::Instant>, interval| {
            last.is_none_or(|last| last.elapsed() >= interval)
        };
        if due(self.refreshed_at, REFRESH_INTERVAL) {
            match self.atlas.refresh(&self.context.store).await {
                Ok(registry_changed) => {
                    if registry_changed {
                        self.devices.clear();
                    }
                    self.refreshed_at = Some(std::time::Instant::now());
                }
                Err(error) => tracing::debug!(%error, "the registry cannot be read now"),
            }
            self.present.forget_before(self.context.clock.now());
        }
        if due(self.maintained_at, MAINTAIN_INTERVAL) {
            let now = self.context.clock.now();
            match self
                .context
                .store
                .maintain(now, self.config.retention)
                .await
            {
                Ok(()) => self.maintained_at = Some(std::time::Instant::now()),
                Err(error) => tracing::warn!(%error, "partitions cannot be looked after now"),
            }
        }
    }

    async fn process(&mut self, items: Vec<Item>) -> Result<(), LeaseLost> {
        let mut effects = Effects::default();
        let mut taken = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Session {
                    acks,
                    session_present,
                } => {
                    self.acks = Some(acks);
                    self.session_present = session_present;
                }
                Item::Subscribed { at } => self.subscribed(at, &mut effects),
                Item::Away { from, detail } => {
                    effects.gaps.push(GapChange::Open {
                        cause: Cause::BrokerAway,
                        from,
                        detail,
                    });
                }
                Item::Drain(done) => effects.drained = Some(done),
                Item::Delivered(delivered) => {
                    if let (Some(acks), Some(packet_id)) = (&self.acks, delivered.packet_id) {
                        effects.acks.push((acks.clone(), packet_id));
                    }
                    taken.extend(self.take(delivered));
                }
            }
        }
        let messages = self.place_all(taken).await?;
        self.commit_all(messages, &mut effects).await?;
        for (acks, packet_id) in effects.acks {
            acks.acknowledge(packet_id).await;
        }
        if let Some(done) = effects.drained {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
        Ok(())
    }

    /// From `at` on everything reaches us. What may have been missed before is a gap.
    fn subscribed(&mut self, at: Instant, effects: &mut Effects) {
        effects.gaps.push(GapChange::CloseAll { to: at });
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
            Some(watermark) if !self.session_present && watermark < at => {
                tracing::warn!(
                    slot = %self.config.slot, %watermark,
                    "the broker has forgotten our session; what it kept for us is lost"
                );
                let detail = "the broker had forgotten our session";
                effects
                    .gaps
                    .push(over(Cause::SessionLost, watermark, detail));
                self.watermark = Some(at);
            }
            Some(watermark) if self.filter_changed && watermark < at => {
                let detail = "the topic filter was changed";
                effects
                    .gaps
                    .push(over(Cause::SessionLost, watermark, detail));
            }
            Some(_) => {}
        }
        self.filter_changed = false;
    }

    /// Takes a message: moves the watermark for a probe, drops what is committed already.
    fn take(&mut self, delivered: Delivered) -> Option<(Instant, Instant, Content)> {
        let Delivered {
            received_at,
            content,
            ..
        } = delivered;
        let watermark = self.watermark.unwrap_or(received_at);
        match &content {
            Content::Nothing => return None,
            Content::Probe { sent_at } => {
                // A time from the future is not one of ours.
                if *sent_at <= received_at {
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
        Some((received_at, watermark, content))
    }

    async fn place_all(
        &mut self,
        taken: Vec<(Instant, Instant, Content)>,
    ) -> Result<Vec<Placed>, LeaseLost> {
        self.meet_devices(&taken).await;
        let mut placed = Vec::with_capacity(taken.len());
        for (received_at, watermark, content) in taken {
            let verdict = match content {
                Content::Heartbeat(arrival) => {
                    self.place_one(received_at, watermark, *arrival).await
                }
                Content::Rejected(set_aside) => Verdict::Rejected(set_aside),
                Content::Probe { .. } | Content::Nothing => continue,
            };
            placed.push(Placed {
                received_at,
                watermark,
                verdict,
            });
        }
        Ok(placed)
    }

    /// Makes sure that every device of the batch is remembered, registering those nobody knew.
    async fn meet_devices(&mut self, taken: &[(Instant, Instant, Content)]) {
        let mut strangers: Vec<&str> = taken
            .iter()
            .filter_map(|(_, _, content)| match content {
                Content::Heartbeat(arrival) if !self.devices.contains(&arrival.device_id) => {
                    Some(arrival.device_id.as_str())
                }
                _ => None,
            })
            .collect();
        if strangers.is_empty() {
            return;
        }
        strangers.sort_unstable();
        strangers.dedup();
        let mut retry = Retry::new("devices cannot be looked up");
        while let Err(error) = self.introduce(&mut strangers).await {
            retry.wait(self.context, &error).await;
        }
    }

    async fn introduce(&mut self, strangers: &mut Vec<&str>) -> store::Result<()> {
        let found = self
            .database
            .find_devices(strangers, &self.atlas.bits)
            .await?;
        strangers.retain(|id| !found.contains_key(*id));
        self.devices.extend(found);
        let Registry::Open { max_devices } = self.config.registry else {
            return Ok(());
        };
        if strangers.is_empty() {
            return Ok(());
        }
        let highest = self.database.highest_device_no().await?.0;
        let room = usize::try_from(max_devices.saturating_sub(highest)).unwrap_or(0);
        let newcomers = strangers.len().min(room);
        let newcomers = &mut strangers[..newcomers];
        self.database
            .register_devices(newcomers, self.context.clock.now())
            .await?;
        let found = self
            .database
            .find_devices(newcomers, &self.atlas.bits)
            .await?;
        self.devices.extend(found);
        Ok(())
    }

    async fn place_one(
        &mut self,
        received_at: Instant,
        watermark: Instant,
        arrival: Arrival,
    ) -> Verdict {
        let Some(device) = self.devices.get_mut(&arrival.device_id) else {
            Counter::MessagesQuarantined.add(1);
            let reason = match self.config.registry {
                Registry::Closed => Reason::ClosedRegistry,
                Registry::Open { .. } => Reason::Cardinality,
            };
            return Verdict::Rejected(describe(reason, &arrival));
        };
        let mut segment = place(
            &arrival.heartbeat,
            device,
            &self.context.catalogue,
            received_at,
        );
        let mut retry = Retry::new("a new carrier cannot be taken into use");
        let carrier_bit = loop {
            if let Some(bit) = self.atlas.bit(&segment) {
                break bit;
            }
            let added = self
                .atlas
                .add(&segment, self.config, self.context, received_at)
                .await;
            if let Err(error) = added {
                retry.wait(self.context, &error).await;
            }
        };
        if carrier_bit == model::CarrierBit::OTHER {
            segment.carrier = Carrier::other();
        }
        let zones = self
            .atlas
            .country(segment.country)
            .map(|country| &country.zones);
        let same_hour = |a, b| zones.is_some_and(|zones| zones.same_hour(a, b));
        let heard =
            model::heard::heard(received_at, arrival.heartbeat.sent_at, watermark, same_hour);
        let hour = match heard {
            Heard::At(heard_at) => zones.map(|zones| zones.hour_at(heard_at)),
            Heard::SomeTimeSince(_) => {
                Counter::HeartbeatsOfUnknownTime.add(1);
                None
            }
        };
        let region = self
            .atlas
            .region(&arrival.heartbeat)
            .or_else(|| device.region.clone());
        let (newest, moved) = match heard {
            Heard::At(heard_at) => note_last(&mut device.last, &segment, heard_at),
            Heard::SomeTimeSince(_) => (false, false),
        };
        Verdict::Heartbeat(Box::new(Beat {
            device_no: device.device_no,
            country: segment.country,
            carrier_bit,
            region,
            heard,
            hour,
            newest,
            moved,
            arrival,
        }))
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
                batch.started_at = effects.started_at;
                batch.watermark = self.watermark;
                batch.tail_from = self.tail.from();
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
                        refuse(&mut messages[part.start], &error);
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
                        self.maintained_at = None;
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

    async fn commit(&mut self, batch: &mut Batch) -> store::Result<()> {
        let asked_at = std::time::Instant::now();
        let now = self.context.clock.now();
        let lease = self.config.lease;
        let outcome = self.database.commit(self.lease, lease, now, batch).await;
        match &outcome {
            Ok(()) => {
                self.age.renewed(asked_at);
                Counter::Commits.add(1);
                let micros = asked_at.elapsed().as_micros();
                Gauge::CommitMicros.set(i64::try_from(micros).unwrap_or(i64::MAX));
            }
            Err(_) => Counter::CommitFailures.add(1),
        }
        outcome
    }
}

/// Notes where and when a device was heard. Returns whether its last state needs writing, and
/// whether it was in another segment before.
fn note_last(
    last: &mut Option<(Segment, Instant)>,
    segment: &Segment,
    heard_at: Instant,
) -> (bool, bool) {
    let minute = model::hour::minute;
    let (newest, moved) = match last {
        None => (true, false),
        Some((before, at)) if before == segment => (minute(heard_at) > minute(*at), false),
        Some(_) => (true, true),
    };
    if last.as_ref().is_none_or(|(_, at)| *at <= heard_at) {
        *last = Some((segment.clone(), heard_at));
    }
    (newest, moved)
}

/// Turns a message that the database refused into one that is set aside.
fn refuse(message: &mut Placed, error: &store::Error) {
    Counter::MessagesQuarantined.add(1);
    tracing::warn!(%error, "the database refused a message; it is set aside");
    if let Verdict::Heartbeat(beat) = &message.verdict {
        message.verdict = Verdict::Rejected(describe(Reason::Refused, &beat.arrival));
    } else {
        // What was set aside is itself refused: count it, keep nothing of it.
        message.verdict = Verdict::Rejected(SetAside {
            reason: Reason::Refused,
            evidence: None,
        });
    }
}

/// What is kept of a message whose bytes are gone: what was read from it.
fn describe(reason: Reason, arrival: &Arrival) -> SetAside {
    let payload = format!("{:?}", arrival.heartbeat).into_bytes();
    SetAside {
        reason,
        evidence: Some(Evidence {
            topic: arrival.device_id.to_string(),
            payload_bytes: payload.len(),
            payload,
        }),
    }
}

/// Waits between attempts, longer each time, and says so once in a while.
struct Retry {
    doing: &'static str,
    attempts: u32,
}

impl Retry {
    fn new(doing: &'static str) -> Self {
        Self { doing, attempts: 0 }
    }

    async fn wait(&mut self, context: &Context, error: &store::Error) {
        if self.attempts == 0 {
            tracing::warn!(%error, "{}", self.doing);
        }
        context.health.not_ready("database", error.to_string());
        let pause = RETRY_MIN
            .saturating_mul(2_u32.saturating_pow(self.attempts))
            .min(RETRY_MAX);
        self.attempts += 1;
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }

    fn reset(&mut self, context: &Context) {
        if self.attempts > 0 {
            tracing::info!(attempts = self.attempts, "the database is back");
            self.attempts = 0;
        }
        context.health.ready("database");
    }
}

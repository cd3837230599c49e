//! Taking messages from the broker.
//!
//! What comes is decoded at once and its bytes are dropped, so that a full window of messages waiting
//! for the database stays small. When there is no room for more, reading waits, and the broker with
//! it; sending does not, so pings and acknowledgements go out all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use model::{Clock, DeviceId, Heartbeat, Instant, Reason};
use store::heartbeats::Delivery;
use telemetry::{Counter, Gauge};
use tokio::sync::oneshot;

use crate::broker::{BrokerError, BrokerEvent, Connection, Message, Protocol, Sender};
use crate::decode::decode_at;
use crate::probe::{self, Prober};
use crate::quarantine::{Limiter, SetAside};
use crate::tail::fingerprint;
use crate::tls;
use crate::topic::TopicFilter;
use crate::waiting::{self, WriterEnded};
use crate::{Config, Context};

/// Whoever did not read for longer may find old things.
const READ_LATE: Duration = Duration::from_secs(1);

/// How long a drain may take: the rest of what an orderly end is given.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// What happens at the broker, in the order in which it happens. The writer takes it in this
/// order, so whatever it has committed, it has committed all that came before.
pub enum Item {
    /// A connection is about to be made: say so when that, and all before, is committed.
    Connecting(oneshot::Sender<()>),
    /// A connection stands.
    Session {
        /// Acknowledges what comes over it.
        sender: Sender,
        /// Whether the broker kept the session.
        session_present: bool,
    },
    /// The subscription stands: everything that came after it reaches us.
    Subscribed {
        /// When it was asked for. What was lost may have been lost until we knew, but what has come
        /// since then must not count as old: we may read late.
        asked_at: Instant,
        /// When we knew.
        at: Instant,
    },
    /// A message.
    Delivered(Delivered),
    /// The connection is gone, or cannot be made.
    Away {
        /// Since when nothing came.
        from: Instant,
        /// In words.
        detail: String,
    },
    /// The broker says since when it has been running.
    BrokerStarted {
        /// Since when, or a few seconds before.
        at: Instant,
    },
    /// The broker says how many messages it has dropped since it started.
    BrokerDropped {
        /// How many.
        messages: i64,
        /// When it said so.
        at: Instant,
    },
    /// Nothing more will come: say so when all before is committed and acknowledged.
    Drain(oneshot::Sender<()>),
}

/// A message, read.
pub struct Delivered {
    /// When it arrived.
    pub received_at: Instant,
    /// What to acknowledge once it is committed; `None` for QoS 0.
    pub packet_id: Option<u16>,
    /// What it was.
    pub content: Content,
    /// How much memory it takes until it is committed, about.
    pub bytes: u32,
}

/// What a message was.
pub enum Content {
    /// A device could reach us.
    Heartbeat(Box<Arrival>),
    /// A message that counts for nothing.
    Rejected(SetAside),
    /// One of our probes is back.
    Probe {
        /// When it was sent.
        sent_at: Instant,
    },
    /// Nothing but an acknowledgement is needed.
    Nothing,
}

/// A heartbeat as it arrived.
pub struct Arrival {
    /// Who sent it.
    pub device_id: DeviceId,
    /// What it says; empty where the payload was set aside.
    pub heartbeat: Heartbeat,
    /// Older entries of a buffered flush.
    pub older: Vec<Heartbeat>,
    /// The payload, where it was set aside.
    pub set_aside: Option<SetAside>,
    /// What identifies a redelivery.
    pub delivery: Delivery,
    /// Whether the broker marked it as one.
    pub redelivered: bool,
}

/// Why listening ended.
#[derive(Debug)]
pub enum Ended {
    /// As asked, with everything acknowledged.
    Drained,
    /// Certificates have changed; the broker keeps what was not acknowledged.
    Renewed,
    /// The connection failed, after it stood (`subscribed`) or before.
    Failed {
        /// How.
        error: BrokerError,
        /// Whether the subscription stood.
        subscribed: bool,
        /// When the broker last gave a sign of life; `None` if it never did.
        last_sign_at: Option<Instant>,
    },
}

/// Listens on one connection until it fails, certificates change or the process is asked to end.
pub async fn listen(
    connection: Connection,
    config: &Config,
    context: &Context,
    previous_filter: Option<&TopicFilter>,
    certificates: &mut tls::Watch,
    items: &waiting::Sender,
) -> Ended {
    let clock = &*context.clock;
    let probe_topic = probe::topic(&config.slot);
    let Connection {
        mut incoming,
        mut outgoing,
        sender,
        session_present,
        receive_maximum,
    } = connection;
    let prober = Prober::new(
        clock,
        sender.clone(),
        &probe_topic,
        config.probe_interval,
        receive_maximum,
    );
    let draining = AtomicBool::new(false);
    let mut listener = Listener {
        config,
        previous_filter,
        clock,
        probe_topic: &probe_topic,
        items,
        limiter: Limiter::default(),
    };
    let mut subscribed = false;
    let mut probe_refusal_said = false;
    let mut behind_since: Option<Instant> = None;
    let mut last_sign_at = clock.now();

    let listening = async {
        Counter::BrokerConnects.add(1);
        tracing::info!(
            slot = %config.slot, broker = ?config.broker, session_present,
            mqtt = %sender.protocol(), "connected to the broker"
        );
        if config.protocol.is_none() && sender.protocol() == Protocol::V311 {
            tracing::warn!(
                slot = %config.slot,
                "the broker lacks MQTT 5, so its own configuration decides how many messages may \
                 be under way and how long it keeps them for us; see docs/brokers.md"
            );
        }
        if let Some(old) = previous_filter {
            sender.unsubscribe(old.subscription());
        }
        sender.subscribe(&[config.topic_filter.subscription(), &probe_topic]);
        let news = [&config.dropped_topic, &config.uptime_topic];
        let news = Vec::from_iter(news.into_iter().flatten().map(String::as_str));
        if !news.is_empty() {
            sender.subscribe_if_allowed(&news);
        }
        let asked_at = clock.now();
        let session = Item::Session {
            sender: sender.clone(),
            session_present,
        };
        items.send(session).await?;
        loop {
            let event = incoming.next().await?;
            // What was not read for a while lay in the network and is no sign of life, until
            // something has come back that we sent since.
            if let (Some(since), BrokerEvent::Message(message)) = (behind_since, &event)
                && message.topic == probe_topic
                && probe::decode(&message.payload).is_some_and(|sent_at| sent_at >= since)
            {
                behind_since = None;
            }
            if behind_since.is_none() {
                last_sign_at = clock.now();
            }
            let read_at = std::time::Instant::now();
            match event {
                BrokerEvent::Subscribed => {
                    subscribed = true;
                    let at = clock.now();
                    items.send(Item::Subscribed { asked_at, at }).await?;
                    context.health.ready("broker");
                    Gauge::BrokerConnected.set(1);
                    prober.send();
                }
                // A message that comes after the drain began is left unacknowledged; the next
                // owner of the session gets it again.
                BrokerEvent::Message(_) if draining.load(Ordering::Relaxed) => {}
                BrokerEvent::Message(message) => match listener.news(&message) {
                    Some(Some(item)) => items.send(item).await?,
                    Some(None) => {}
                    None => listener.take(&message).await?,
                },
                BrokerEvent::Published => {
                    prober.taken();
                    context.health.ready("probes");
                }
                BrokerEvent::PublicationRefused(reason) => {
                    prober.taken();
                    let why = format!(
                        "the broker refuses our probes ({reason}), and without them no hour can be \
                         closed: let our user, and nobody else, write headcount/#"
                    );
                    if !probe_refusal_said {
                        tracing::error!(slot = %config.slot, "{why}");
                        probe_refusal_said = true;
                    }
                    context.health.not_ready("probes", why);
                }
                BrokerEvent::Nothing => {}
            }
            if read_at.elapsed() > READ_LATE {
                behind_since = Some(clock.now());
            }
        }
    };
    let drain = async {
        context.shutdown.cancelled().await;
        draining.store(true, Ordering::Relaxed);
        let (done, is_done) = oneshot::channel();
        if items.send(Item::Drain(done)).await.is_ok() && is_done.await.is_ok() {
            sender.disconnect();
        }
        // The broker now closes the connection, which ends `listening`.
        std::future::pending::<()>().await;
    };
    let shutdown_overdue = async {
        context.shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    let result: Result<std::convert::Infallible, BrokerError> = tokio::select! {
        result = listening => result,
        error = outgoing.run() => Err(error),
        never = prober.run() => Ok(never),
        // What has been read is committed under the new connection; its acknowledgements, and what
        // has not been read, the broker sends again.
        () = certificates.changed() => {
            tracing::info!(slot = %config.slot, "certificates have changed; connecting anew");
            return Ended::Renewed;
        }
        () = drain => Err(BrokerError::Connection("drained".to_owned())),
        () = shutdown_overdue => {
            tracing::warn!(slot = %config.slot, "gave up waiting for the last commit; the broker keeps what was not acknowledged");
            Err(BrokerError::Connection("drain timed out".to_owned()))
        }
    };
    Gauge::BrokerConnected.set(0);
    match result {
        Err(_) if draining.load(Ordering::Relaxed) => Ended::Drained,
        Err(error) => Ended::Failed {
            error,
            subscribed,
            last_sign_at: Some(last_sign_at),
        },
        Ok(never) => match never {},
    }
}

struct Listener<'a> {
    config: &'a Config,
    previous_filter: Option<&'a TopicFilter>,
    clock: &'a dyn Clock,
    probe_topic: &'a str,
    items: &'a waiting::Sender,
    limiter: Limiter,
}

impl Listener<'_> {
    async fn take(&mut self, message: &Message) -> Result<(), WriterEnded> {
        let received_at = self.clock.now();
        let content = self.read(message, received_at);
        let delivered = Delivered {
            received_at,
            packet_id: message.packet_id,
            bytes: bytes_taken(message, &content),
            content,
        };
        self.items.send(Item::Delivered(delivered)).await
    }

    /// What the broker says of itself, where a message is about that; nothing in it where it cannot
    /// be read. It does not come in the order of the messages that wait, so what is made of it begins
    /// where these do: at the watermark.
    fn news(&self, message: &Message) -> Option<Option<Item>> {
        let Config {
            dropped_topic,
            uptime_topic,
            ..
        } = self.config;
        let is = |topic: &Option<String>| {
            let topic = topic.as_deref();
            topic.is_some_and(|topic| message.topic == topic)
        };
        let is_about_drops = is(dropped_topic);
        if !is_about_drops && !is(uptime_topic) {
            return None;
        }
        let now = self.clock.now();
        let text = std::str::from_utf8(&message.payload).unwrap_or_default();
        // Mosquitto adds the unit to its uptime.
        let number = text.split_whitespace().next();
        let number: Option<u32> = number.and_then(|number| number.parse().ok());
        Some(number.map(|number| {
            if is_about_drops {
                let messages = number.into();
                Item::BrokerDropped { messages, at: now }
            } else {
                let at = now - TimeDelta::seconds(number.into());
                Item::BrokerStarted { at }
            }
        }))
    }

    fn read(&mut self, message: &Message, received_at: Instant) -> Content {
        let Message { topic, payload, .. } = message;
        if topic == self.probe_topic.as_bytes() {
            return probe::decode(payload)
                .map_or(Content::Nothing, |sent_at| Content::Probe { sent_at });
        }
        Counter::MessagesReceived.add(1);
        if message.retained {
            Counter::MessagesRetained.add(1);
            return Content::Nothing;
        }
        let device_id = match self.device_id(topic) {
            Ok(id) => id,
            Err(reason) => {
                return Content::Rejected(self.set_aside(received_at, reason, topic, payload));
            }
        };
        let decoded = decode_at(&self.config.field_paths, &device_id, payload);
        Counter::FieldsDropped.add(decoded.dropped_fields.into());
        let set_aside = decoded
            .fault
            .map(|reason| self.set_aside(received_at, reason, topic, payload));
        match set_aside {
            Some(set_aside) if set_aside.reason.rejects_message() => Content::Rejected(set_aside),
            set_aside => Content::Heartbeat(Box::new(Arrival {
                device_id,
                heartbeat: decoded.heartbeat,
                older: decoded.older,
                set_aside,
                delivery: Delivery {
                    packet_id: message.packet_id.unwrap_or(0),
                    fingerprint: fingerprint(topic, payload),
                },
                redelivered: message.redelivered,
            })),
        }
    }

    /// After the filter was changed, messages that waited under the old one still come.
    fn device_id(&self, topic: &[u8]) -> Result<DeviceId, Reason> {
        let topic = std::str::from_utf8(topic).map_err(|_| Reason::Topic)?;
        let by_filter = self.config.topic_filter.device_id(topic);
        match (by_filter, self.previous_filter) {
            (Err(Reason::Topic), Some(previous)) => previous.device_id(topic),
            (by_filter, _) => by_filter,
        }
    }

    fn set_aside(
        &mut self,
        now: Instant,
        reason: Reason,
        topic: &[u8],
        payload: &[u8],
    ) -> SetAside {
        Counter::MessagesQuarantined.add(1);
        self.limiter.set_aside(now, reason, topic, payload)
    }
}

/// What a message takes in memory until it is committed: its parts in their boxes, and the texts of
/// its payload. A few bytes of a buffered flush may be many entries.
fn bytes_taken(message: &Message, content: &Content) -> u32 {
    let boxed = match content {
        Content::Heartbeat(arrival) => {
            size_of::<Arrival>() + arrival.older.len() * size_of::<Heartbeat>()
        }
        Content::Rejected(_) | Content::Probe { .. } | Content::Nothing => 0,
    };
    let bytes = size_of::<Item>() + boxed + message.topic.len() + message.payload.len();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl From<WriterEnded> for BrokerError {
    fn from(error: WriterEnded) -> Self {
        Self::Connection(error.to_string())
    }
}

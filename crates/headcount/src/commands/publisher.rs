//! Publishing at QoS 1 until the broker has acknowledged all.
//!
//! A connection that fails is dropped whole, with the library's idea of what is under way. What
//! the broker had not acknowledged is published again over the next one: a heartbeat that arrives
//! twice counts once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use ingest::broker::{BrokerError, BrokerUrl};
use ingest::tls::{self, TlsFiles, Watch};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// The most messages that are published and not yet acknowledged.
pub(super) const MAX_IN_FLIGHT: u16 = 1000;

/// How often to ping.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A broker from which nothing came for so long is given up.
const SILENCE: Duration = Duration::from_secs(75);

/// The first and the longest pause before another attempt to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long acknowledgements are waited for once the end was asked for.
const LAST_ACKS: Duration = Duration::from_secs(5);

/// How long leaving the broker may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Where.
    pub(super) topic: String,
    /// What.
    pub(super) payload: Vec<u8>,
}

/// What has become of the messages so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    acknowledged: AtomicU64,
    unheard: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    /// Taken by the broker.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Of those, the ones that nobody has subscribed to, as far as the broker says.
    pub(super) fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    /// Refused by the broker.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What to do while the broker cannot be reached for the first time. Once it was reached, it is
/// waited for in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Try again.
    Wait,
    /// Say so and end.
    GiveUp,
}

/// Publishes to one broker.
pub(super) struct Publisher {
    broker: BrokerUrl,
    tls: Watch,
    client_id: String,
    patience: Patience,
}

impl Publisher {
    /// A publisher for a broker. `purpose` becomes a part of its client id.
    ///
    /// # Errors
    /// When a file that TLS needs cannot be read.
    pub(super) fn new(
        broker: &BrokerUrl,
        tls: &TlsFiles,
        purpose: &str,
        patience: Patience,
    ) -> anyhow::Result<Self> {
        // Two clients with one id would push each other out for ever.
        let client_id = format!("headcount-{purpose}-{:016x}", fastrand::u64(..));
        Ok(Self {
            broker: broker.clone(),
            tls: Watch::start(broker, tls, tls::POLL_INTERVAL)?,
            client_id,
            patience,
        })
    }

    /// The options of the next connection, with the newest files for TLS.
    fn options(&mut self) -> MqttOptions {
        let tls = self.tls.config();
        let mut options = self.broker.options_with(&self.client_id, tls);
        options
            .set_clean_start(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_outgoing_inflight_upper_limit(MAX_IN_FLIGHT);
        options
    }

    /// Publishes what comes until the source ends and everything is acknowledged. Returns how
    /// many messages were not when the end was asked for.
    ///
    /// # Errors
    /// When the broker refuses the connection, or cannot be reached by one without
    /// [`Patience`].
    pub(super) async fn run(
        &mut self,
        mut source: mpsc::Receiver<Message>,
        tally: &Tally,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<usize> {
        let mut unsent = VecDeque::new();
        let mut was_connected = false;
        let mut pause = BACKOFF.0;
        loop {
            let (client, mut events) = AsyncClient::new(self.options(), usize::from(MAX_IN_FLIGHT));
            let flight = Flight::default();
            let mut is_connected = false;
            let broken = tokio::select! {
                () = flight.feed(&client, &mut unsent, &mut source) => None,
                error = flight.drive(&mut events, tally, &mut is_connected) => Some(error),
                () = last_acks(shutdown) => None,
            };
            was_connected |= is_connected;
            unsent = flight.into_unacknowledged(unsent);
            let Some(error) = broken else {
                farewell(&client, &mut events).await;
                return Ok(unsent.len());
            };
            self.judge(error, was_connected)?;
            if is_connected {
                pause = BACKOFF.0;
            }
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
                () = shutdown.cancelled() => return Ok(unsent.len()),
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// Whether another attempt makes sense.
    fn judge(&self, error: Broken, was_connected: bool) -> anyhow::Result<()> {
        let address = self.broker.address();
        match error {
            Broken::TooLarge(bytes) => {
                bail!("the broker at {address} takes messages of at most {bytes} bytes")
            }
            Broken::Broker(error @ BrokerError::Refused(_)) => {
                Err(error).with_context(|| format!("the broker at {address}"))
            }
            Broken::Broker(error) if !was_connected && self.patience == Patience::GiveUp => {
                Err(error).with_context(|| format!("the broker at {address} cannot be reached"))
            }
            Broken::Broker(error) => {
                tracing::warn!(broker = %address, %error, "the broker is away; trying again");
                Ok(())
            }
        }
    }
}

/// Why a connection ended.
enum Broken {
    /// A message has more bytes than the broker takes; sent again, it would end the next
    /// connection too.
    TooLarge(u32),
    /// Anything else.
    Broker(BrokerError),
}

/// Waits until the end was asked for, and then for acknowledgements.
async fn last_acks(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_ACKS).await;
}

/// Leaves the broker in order.
async fn farewell(client: &AsyncClient, events: &mut EventLoop) {
    let leave = async {
        if client.disconnect().await.is_ok() {
            while events.poll().await.is_ok() {}
        }
    };
    // All that mattered is acknowledged already.
    let _did_not_matter = tokio::time::timeout(FAREWELL, leave).await;
}

/// The messages under way over one connection.
struct Flight {
    messages: Mutex<Messages>,
    room: Semaphore,
    acknowledged: Notify,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            messages: Mutex::default(),
            room: Semaphore::new(usize::from(MAX_IN_FLIGHT)),
            acknowledged: Notify::new(),
        }
    }
}

#[derive(Default)]
struct Messages {
    /// Handed over to the library and not yet sent; it keeps their order.
    waiting: VecDeque<Message>,
    /// Sent, by packet id, with a number that says in which order.
    sent: HashMap<u16, (u64, Message)>,
    sent_in_all: u64,
}

impl Flight {
    fn messages(&self) -> std::sync::MutexGuard<'_, Messages> {
        // Nothing that holds the lock can panic half way through a change.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands messages over as there is room, and ends when the source does and all are
    /// acknowledged.
    async fn feed(
        &self,
        client: &AsyncClient,
        unsent: &mut VecDeque<Message>,
        source: &mut mpsc::Receiver<Message>,
    ) {
        loop {
            if let Ok(permit) = self.room.acquire().await {
                permit.forget();
            }
            let message = match unsent.pop_front() {
                Some(message) => message,
                None => match source.recv().await {
                    Some(message) => message,
                    None => break,
                },
            };
            self.messages().waiting.push_back(message.clone());
            let Message { topic, payload } = message;
            let handed_over = client
                .publish(topic, QoS::AtLeastOnce, false, payload)
                .await;
            if handed_over.is_err() {
                // The connection is gone; `drive` says why.
                return std::future::pending().await;
            }
        }
        while !self.messages().is_empty() {
            self.acknowledged.notified().await;
        }
    }

    /// Moves the connection on until it fails.
    async fn drive(
        &self,
        events: &mut EventLoop,
        tally: &Tally,
        is_connected: &mut bool,
    ) -> Broken {
        loop {
            let event = match tokio::time::timeout(SILENCE, events.poll()).await {
                Ok(Ok(event)) => event,
                Ok(Err(ConnectionError::MqttState(StateError::OutgoingPacketTooLarge {
                    max,
                    ..
                }))) => {
                    return Broken::TooLarge(max);
                }
                Ok(Err(error)) => return Broken::Broker(error.into()),
                Err(_) => return Broken::Broker(BrokerError::Silent(SILENCE.as_secs())),
            };
            match event {
                Event::Incoming(Packet::ConnAck(_)) => *is_connected = true,
                Event::Outgoing(Outgoing::Publish(packet_id)) => self.messages().sent(packet_id),
                Event::Incoming(Packet::PubAck(ack)) => {
                    let counter = match ack.reason {
                        PubAckReason::Success => &tally.acknowledged,
                        PubAckReason::NoMatchingSubscribers => {
                            tally.unheard.fetch_add(1, Ordering::Relaxed);
                            &tally.acknowledged
                        }
                        reason => {
                            if tally.refused() == 0 {
                                tracing::warn!(?reason, "the broker refuses messages");
                            }
                            &tally.refused
                        }
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    self.messages().sent.remove(&ack.pkid);
                    self.room.add_permits(1);
                    self.acknowledged.notify_one();
                }
                _ => {}
            }
        }
    }

    /// What was not acknowledged, in its order, and then what was not even handed over.
    fn into_unacknowledged(self, unsent: VecDeque<Message>) -> VecDeque<Message> {
        let messages = self
            .messages
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sent: Vec<_> = messages.sent.into_values().collect();
        sent.sort_unstable_by_key(|(number, _)| *number);
        let sent = sent.into_iter().map(|(_, message)| message);
        sent.chain(messages.waiting).chain(unsent).collect()
    }
}

impl Messages {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    fn sent(&mut self, packet_id: u16) {
        if let Some(message) = self.waiting.pop_front() {
            self.sent.insert(packet_id, (self.sent_in_all, message));
            self.sent_in_all += 1;
        }
    }
}

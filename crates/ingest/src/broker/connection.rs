//! One network connection to the broker.
//!
//! Two halves work side by side. [`Incoming`] is read by one task, as fast as that task takes what
//! comes; where it takes nothing, nothing is read, and the network makes the broker wait.
//! [`Outgoing`] goes on sending meanwhile: acknowledgements, many at a time, probes and pings.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::wire::{self, Protocol};
use super::{BrokerError, BrokerEvent, Login, SessionOptions, Target};
use crate::tls;

/// How long making a connection may take, from the name's address to the broker's answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much is read at once: some hundred heartbeats.
const READ_BYTES: usize = 64 * 1024;

/// So many ping intervals without a byte, though we were reading, and the broker is given up.
const SILENT_INTERVALS: f32 = 2.5;

/// Ids of our own messages run from 1 to this; few are ever under way.
const MAX_ID: u16 = 1024;

/// The id of a subscription that the broker may refuse.
const OPTIONAL_ID: u16 = MAX_ID + 1;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that stands.
pub struct Connection {
    /// What the broker sends.
    pub incoming: Incoming,
    /// What we send; does so only while it runs.
    pub outgoing: Outgoing,
    /// Puts messages on their way.
    pub sender: Sender,
    /// Whether the broker kept our session, and with it what it had for us.
    pub session_present: bool,
    /// Messages of ours that the broker takes before it has answered the first of them.
    pub receive_maximum: u16,
}

impl Connection {
    /// Connects and opens the session: in the version that is asked for, or else in MQTT 5, and in
    /// 3.1.1 where the broker says that it lacks 5.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub async fn open(
        target: &Target,
        protocol: Option<Protocol>,
        session: &SessionOptions,
    ) -> Result<Self, BrokerError> {
        let open = |protocol| async move {
            timeout(CONNECT_TIMEOUT, Self::open_in(target, protocol, session))
                .await
                .map_err(|_| BrokerError::Silent(CONNECT_TIMEOUT.as_secs()))?
        };
        match protocol {
            Some(protocol) => open(protocol).await,
            None => match open(Protocol::V5).await {
                Err(BrokerError::ProtocolVersion) => open(Protocol::V311).await,
                opened => opened,
            },
        }
    }

    async fn open_in(
        target: &Target,
        protocol: Protocol,
        session: &SessionOptions,
    ) -> Result<Self, BrokerError> {
        let (reading, mut writing) = tokio::io::split(reach(target).await?);
        let login: Option<&Login> = target.login.as_ref();
        writing.write_all(&protocol.connect(session, login)).await?;
        writing.flush().await?;
        let mut incoming = Incoming {
            protocol,
            reading,
            buffer: BytesMut::with_capacity(READ_BYTES),
            skip: 0,
            silence: CONNECT_TIMEOUT,
        };
        let wire::Incoming::Connected {
            session_present,
            keep_alive_secs,
            receive_maximum,
        } = incoming.packet().await?
        else {
            return Err(BrokerError::Malformed("no CONNACK".to_owned()));
        };
        // The broker may want to hear more from us. Whether it wants less is no matter.
        let asked = keep_alive_secs.filter(|secs| *secs > 0);
        let keep_alive = asked.map_or(session.keep_alive, |secs| {
            session.keep_alive.min(Duration::from_secs(secs.into()))
        });
        incoming.silence = keep_alive.mul_f32(SILENT_INTERVALS);
        let outbox = Arc::new(Outbox::default());
        Ok(Self {
            incoming,
            outgoing: Outgoing {
                writing,
                outbox: Arc::clone(&outbox),
                keep_alive,
            },
            sender: Sender { protocol, outbox },
            session_present,
            receive_maximum: receive_maximum.unwrap_or(u16::MAX).max(1),
        })
    }
}

async fn reach(target: &Target) -> Result<Box<dyn Stream>, BrokerError> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    // Acknowledgements are small and must not wait for company.
    stream.set_nodelay(true)?;
    let Some(tls) = &target.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| BrokerError::Refused("the host's name cannot be in a certificate".into()))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// What the broker sends, in order.
pub struct Incoming {
    protocol: Protocol,
    reading: tokio::io::ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
    /// Bytes still to come of a packet that is too large; nobody reads them.
    skip: usize,
    silence: Duration,
}

impl Incoming {
    /// Waits for what the broker says next.
    ///
    /// # Errors
    /// When the connection has ended; drop it then.
    pub async fn next(&mut self) -> Result<BrokerEvent, BrokerError> {
        Ok(match self.packet().await? {
            wire::Incoming::Message(message) => BrokerEvent::Message(message),
            wire::Incoming::Subscribed { id, refused } => match refused {
                Some(_) | None if id == OPTIONAL_ID => BrokerEvent::Nothing,
                Some(reason) => return Err(BrokerError::SubscriptionRefused(reason)),
                None => BrokerEvent::Subscribed,
            },
            wire::Incoming::Published { refused: None } => BrokerEvent::Published,
            wire::Incoming::Published {
                refused: Some(reason),
            } => BrokerEvent::PublicationRefused(reason),
            wire::Incoming::Connected { .. } | wire::Incoming::Other => BrokerEvent::Nothing,
        })
    }

    async fn packet(&mut self) -> Result<wire::Incoming, BrokerError> {
        loop {
            let skipped = self.skip.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skip -= skipped;
            if self.skip == 0
                && let Some(packet) = self.decode()?
            {
                return Ok(packet);
            }
            self.buffer.reserve(READ_BYTES);
            // Silence counts only while we listen: as long as nobody takes what has come, nothing
            // is read, and the broker cannot be blamed for that.
            let read = timeout(self.silence, self.reading.read_buf(&mut self.buffer)).await;
            if read.map_err(|_| BrokerError::Silent(self.silence.as_secs()))?? == 0 {
                return Err(BrokerError::Closed);
            }
        }
    }
}

impl Incoming {
    fn decode(&mut self) -> Result<Option<wire::Incoming>, BrokerError> {
        match self.protocol.decode(&mut self.buffer) {
            // Refused, it would come again on the next connection, and block what is behind it.
            Err(BrokerError::TooLarge) => {
                let Some((message, length)) = self.protocol.head_of_large(&self.buffer)? else {
                    return Ok(None);
                };
                self.skip = length;
                Ok(Some(wire::Incoming::Message(message)))
            }
            decoded => decoded,
        }
    }
}

/// Bytes on their way to the broker. Bounded by what is outstanding: four bytes for each message
/// that came, and a few probes.
#[derive(Default)]
struct Outbox {
    bytes: Mutex<BytesMut>,
    filled: Notify,
    last_packet_id: AtomicU16,
}

impl Outbox {
    fn put(&self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        self.filled.notify_one();
    }

    fn take(&self) -> BytesMut {
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ids of our own messages. Few are ever under way, so none is used twice at a time.
    fn packet_id(&self) -> u16 {
        let id = self.last_packet_id.fetch_add(1, Ordering::Relaxed);
        id % MAX_ID + 1
    }
}

/// What we send.
pub struct Outgoing {
    writing: tokio::io::WriteHalf<Box<dyn Stream>>,
    outbox: Arc<Outbox>,
    keep_alive: Duration,
}

impl Outgoing {
    /// Sends what is handed over, and pings, until the connection fails. Pings go out even while
    /// nothing is read, so the broker does not take us for dead.
    pub async fn run(&mut self) -> BrokerError {
        let mut ping_at = Instant::now() + self.keep_alive;
        loop {
            let mut bytes = self.outbox.take();
            if Instant::now() >= ping_at {
                ping_at = Instant::now() + self.keep_alive;
                wire::ping(&mut bytes);
            }
            if bytes.is_empty() {
                // Whichever comes first; both are looked at again above.
                let _ = tokio::time::timeout_at(ping_at, self.outbox.filled.notified()).await;
                continue;
            }
            if let Err(error) = self.write(&bytes).await {
                return error;
            }
        }
    }

    /// A socket that takes nothing for so long that the broker must have given us up is dead.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BrokerError> {
        let patience = self.keep_alive.mul_f32(SILENT_INTERVALS);
        let writing = async {
            self.writing.write_all(bytes).await?;
            self.writing.flush().await
        };
        timeout(patience, writing)
            .await
            .map_err(|_| BrokerError::Silent(patience.as_secs()))?
            .map_err(BrokerError::from)
    }
}

/// Puts messages on their way over one connection, and over no other: when that is gone, nothing
/// happens any more.
#[derive(Clone)]
pub struct Sender {
    protocol: Protocol,
    outbox: Arc<Outbox>,
}

impl Sender {
    /// The version of the protocol that is spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Tells the broker that messages are safe here, in the order in which they came.
    pub fn acknowledge(&self, packet_ids: &[u16]) {
        self.outbox.put(|bytes| {
            for id in packet_ids {
                wire::acknowledge(*id, bytes);
            }
        });
    }

    /// Asks for these topics at QoS 1.
    pub fn subscribe(&self, topics: &[&str]) {
        let id = self.outbox.packet_id();
        self.outbox
            .put(|bytes| self.protocol.subscribe(id, topics, bytes));
    }

    /// Asks for a topic at QoS 0, and what the broker has retained there: at QoS 1 it would keep
    /// more and more of it for us while we are away. Whether it lets us makes no difference.
    pub fn subscribe_if_allowed(&self, topics: &[&str]) {
        self.outbox.put(|bytes| {
            self.protocol.subscribe_to_news(OPTIONAL_ID, topics, bytes);
        });
    }

    /// Gives a topic up.
    pub fn unsubscribe(&self, topic: &str) {
        let id = self.outbox.packet_id();
        self.outbox
            .put(|bytes| self.protocol.unsubscribe(id, topic, bytes));
    }

    /// Publishes at QoS 1.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) {
        let id = self.outbox.packet_id();
        self.outbox
            .put(|bytes| self.protocol.publish(id, topic, payload, bytes));
    }

    /// Leaves the broker once everything handed over before has been sent. The broker keeps the
    /// session, and closes the connection.
    pub fn disconnect(&self) {
        self.outbox.put(|bytes| self.protocol.disconnect(bytes));
    }
}

impl From<io::Error> for BrokerError {
    fn from(error: io::Error) -> Self {
        tls::explain(&error).map_or_else(|| Self::Connection(error.to_string()), Self::Tls)
    }
}

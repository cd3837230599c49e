//! The connection to the broker. The only file that knows the MQTT library.
//!
//! One [`Connection`] is one network connection. After any error it is dropped whole and a new
//! one is made: the library would go on with events and acknowledgements of the old connection in
//! the new one, where the same packet ids mean other messages. An [`Acks`] belongs to its
//! connection too; acknowledging through one whose connection is gone does nothing, and the
//! broker sends the message again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, Filter, Packet, PubAck, Publish, RetainForwardRule,
    SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};

/// The largest packet we take. Payloads that are too large for a heartbeat still have to come in
/// to be set aside with a reason; the broker should refuse what is larger than this on its own.
const MAX_PACKET_BYTES: u32 = 1024 * 1024;

/// Our own messages on their way to the broker: subscriptions and probes.
const MAX_OUTGOING: u16 = 16;

/// The shortest ping interval that the library takes; it panics at less.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5);

/// How long making a connection may take.
const CONNECT_TIMEOUT_SECS: u64 = 10;

/// `mqtt://user:password@host:port`, or `mqtts://` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    host: String,
    port: u16,
    tls: bool,
    login: Option<(String, String)>,
}

/// Why a text is no broker URL. The text may hold a password and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker's URL looks like mqtt://user:password@host:1883, or mqtts:// for TLS")]
pub struct BrokerUrlError;

impl BrokerUrl {
    /// Reads a URL. `user` and `password` may be percent-encoded; the port may be left out.
    ///
    /// # Errors
    /// When the scheme is another one, the host is missing or the port is no number.
    pub fn parse(text: &str) -> Result<Self, BrokerUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(BrokerUrlError)?;
        let tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(BrokerUrlError),
        };
        let rest = rest.trim_end_matches('/');
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, rest),
        };
        let default_port = if tls { 8883 } else { 1883 };
        let (host, port) = match address.rsplit_once(':') {
            // An IPv6 address without a port ends in its bracket.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| BrokerUrlError)?)
            }
            _ => (address, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(BrokerUrlError);
        }
        let login = match login {
            Some(login) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                Some((percent_decode(user)?, percent_decode(password)?))
            }
            None => None,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            login,
        })
    }

    /// Host and port, for people.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The options of a connection that any client of this broker starts from.
    ///
    /// # Errors
    /// When the trusted authorities cannot be read.
    pub fn options(&self, client_id: &str, ca_file: Option<&Path>) -> anyhow::Result<MqttOptions> {
        let mut options = MqttOptions::new(client_id, &self.host, self.port);
        options.set_connection_timeout(CONNECT_TIMEOUT_SECS);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        if self.tls {
            let config = tls_config(ca_file)?;
            options.set_transport(Transport::tls_with_config(config.into()));
        }
        Ok(options)
    }
}

impl std::fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the login.
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

fn percent_decode(text: &str) -> Result<String, BrokerUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = tail.get(..2).ok_or(BrokerUrlError)?;
            let hex = std::str::from_utf8(hex).map_err(|_| BrokerUrlError)?;
            bytes.push(u8::from_str_radix(hex, 16).map_err(|_| BrokerUrlError)?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map_err(|_| BrokerUrlError)
}

fn tls_config(ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    use anyhow::Context as _;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let name = path.display();
            let certificates = CertificateDer::pem_file_iter(path)
                .with_context(|| format!("mqtt.ca_file: {name} cannot be read"))?;
            for certificate in certificates {
                let certificate = certificate
                    .with_context(|| format!("mqtt.ca_file: {name} holds no PEM certificates"))?;
                roots
                    .add(certificate)
                    .with_context(|| format!("mqtt.ca_file: {name}"))?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // A system may hold certificates too old for us; the others do.
                let _skipped = roots.add(certificate);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// How a session is opened.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Keeps the session apart from others at the broker.
    pub client_id: String,
    /// How long the broker keeps it while we are away.
    pub expiry: Duration,
    /// Unacknowledged messages the broker may have under way to us.
    pub receive_maximum: u16,
    /// Acknowledgements that may wait to be sent. Not fewer than the messages that may wait to be
    /// acknowledged: whoever acknowledges must never have to wait for the connection.
    pub max_waiting_acks: usize,
    /// How often to ping; not below 5 s.
    pub keep_alive: Duration,
}

/// What the broker said.
#[derive(Debug)]
pub enum BrokerEvent {
    /// The connection stands.
    Connected {
        /// Whether the broker kept our session, and with it what it had for us.
        session_present: bool,
    },
    /// The subscription stands.
    Subscribed,
    /// A message.
    Message(Message),
    /// A message of ours was taken.
    Published,
    /// Something that needs no action.
    Nothing,
}

/// A message as the broker delivered it.
#[derive(Debug)]
pub struct Message {
    /// Its topic.
    pub topic: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
    /// What to acknowledge; `None` for QoS 0.
    pub packet_id: Option<u16>,
    /// The broker sent it before and did not hear our acknowledgement.
    pub redelivered: bool,
    /// It was kept by the broker, and may be of any age.
    pub retained: bool,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another client took our session.
    #[error("another client took the session over")]
    TakenOver,
    /// The broker refused our login or our client id.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The broker refused a subscription.
    #[error("the broker refused the subscription: {0}")]
    SubscriptionRefused(String),
    /// The broker sends more than it may, and than we can hold.
    #[error("the broker sends more than the receive maximum allows; taking it in portions")]
    Overrun,
    /// Nothing came for too long, not even an answer to a ping.
    #[error("the broker has been silent for {0} s")]
    Silent(u64),
    /// Anything else on the way.
    #[error("{0}")]
    Connection(String),
}

impl From<ConnectionError> for BrokerError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => Self::TakenOver,
            ConnectionError::ConnectionRefused(code) => Self::Refused(match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    "user name or password is wrong (mqtt.url)".to_owned()
                }
                code => format!("{code:?}"),
            }),
            error => Self::Connection(error.to_string()),
        }
    }
}

/// One network connection to the broker.
pub struct Connection {
    client: AsyncClient,
    events: EventLoop,
    silence: Duration,
}

/// Acknowledges messages of one connection, and of no other.
#[derive(Clone)]
pub struct Acks {
    client: AsyncClient,
}

/// Sends over one connection.
#[derive(Clone)]
pub struct Sender {
    client: AsyncClient,
}

impl Connection {
    /// Prepares a connection; it is made by the first [`Self::next`].
    #[must_use]
    pub fn new(mut options: MqttOptions, session: &SessionOptions) -> Self {
        let expiry_secs = u32::try_from(session.expiry.as_secs()).unwrap_or(u32::MAX);
        options
            .set_client_id(session.client_id.clone())
            .set_clean_start(false)
            .set_session_expiry_interval(Some(expiry_secs))
            .set_receive_maximum(Some(session.receive_maximum))
            .set_max_packet_size(Some(MAX_PACKET_BYTES))
            .set_keep_alive(session.keep_alive.max(KEEP_ALIVE_MIN))
            .set_manual_acks(true)
            .set_outgoing_inflight_upper_limit(MAX_OUTGOING);
        let requests = session.max_waiting_acks + usize::from(MAX_OUTGOING);
        let (client, events) = AsyncClient::new(options, requests);
        // One and a half ping intervals without any event: the library itself would wait for ever
        // for a socket that takes no bytes.
        let silence = session.keep_alive.mul_f32(2.5);
        Self {
            client,
            events,
            silence,
        }
    }

    /// The acknowledgements of this connection.
    #[must_use]
    pub fn acks(&self) -> Acks {
        Acks {
            client: self.client.clone(),
        }
    }

    /// Sends over this connection.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender {
            client: self.client.clone(),
        }
    }

    /// Waits for what the broker says next. Must be called again and again, without pause: it is
    /// also what sends.
    ///
    /// # Errors
    /// When the connection cannot be made or has ended; drop it then.
    pub async fn next(&mut self) -> Result<BrokerEvent, BrokerError> {
        let event = tokio::time::timeout(self.silence, self.events.poll())
            .await
            .map_err(|_| BrokerError::Silent(self.silence.as_secs()))??;
        let Event::Incoming(packet) = event else {
            return Ok(BrokerEvent::Nothing);
        };
        Ok(match packet {
            Packet::ConnAck(ack) => BrokerEvent::Connected {
                session_present: ack.session_present,
            },
            Packet::SubAck(ack) => {
                let refused = ack
                    .return_codes
                    .iter()
                    .find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                if let Some(code) = refused {
                    return Err(BrokerError::SubscriptionRefused(format!("{code:?}")));
                }
                BrokerEvent::Subscribed
            }
            Packet::PubAck(PubAck { .. }) => BrokerEvent::Published,
            Packet::Publish(publish) => BrokerEvent::Message(Message {
                packet_id: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
                redelivered: publish.dup,
                retained: publish.retain,
                topic: publish.topic.into(),
                payload: publish.payload.into(),
            }),
            _ => BrokerEvent::Nothing,
        })
    }
}

impl Acks {
    /// Tells the broker that a message is safe here. Does nothing when the connection it came
    /// over is gone: the broker sends it again.
    pub async fn acknowledge(&self, packet_id: u16) {
        let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new(), None);
        publish.pkid = packet_id;
        let _connection_gone = self.client.ack(&publish).await;
    }
}

impl Sender {
    /// Asks for these topics at QoS 1, without what the broker has retained.
    pub fn subscribe(&self, topics: &[&str]) {
        let filters = topics.iter().map(|topic| {
            let mut filter = Filter::new(*topic, QoS::AtLeastOnce);
            filter.retain_forward_rule = RetainForwardRule::Never;
            filter
        });
        // The queue is empty after connecting; were the connection gone, the next one asks again.
        let _connection_gone = self.client.try_subscribe_many(filters);
    }

    /// Gives a topic up.
    pub fn unsubscribe(&self, topic: &str) {
        let _connection_gone = self.client.try_unsubscribe(topic);
    }

    /// Publishes at QoS 1. Returns whether there was room to.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> bool {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .is_ok()
    }

    /// Leaves the broker once everything handed over before has been sent. The broker keeps the
    /// session.
    pub async fn disconnect(&self) {
        let _connection_gone = self.client.disconnect().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_login_and_encryption() {
        let url = BrokerUrl::parse("mqtt://ingest:p%40ss:word@broker.example:2883/").unwrap();
        assert_eq!(url.address(), "broker.example:2883");
        assert_eq!(url.login, Some(("ingest".into(), "p@ss:word".into())));
        assert!(!url.is_tls());
        assert_eq!(
            format!("{url:?}"),
            "mqtt://broker.example:2883",
            "never the password"
        );
        assert_eq!(
            BrokerUrl::parse("mqtts://broker").unwrap().address(),
            "broker:8883"
        );
        assert_eq!(
            BrokerUrl::parse("mqtt://[::1]:1883").unwrap().address(),
            "::1:1883"
        );
        for bad in [
            "",
            "broker",
            "http://broker",
            "mqtt://",
            "mqtt://b:x",
            "mqtt://u:%zz@b",
        ] {
            assert_eq!(BrokerUrl::parse(bad), Err(BrokerUrlError), "{bad}");
        }
    }
}

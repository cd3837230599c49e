//! The broker: where it is, what it says, and why a connection to it ends.
//!
//! One [`Connection`] is one network connection. After any error it is dropped whole and a new
//! one is made: packet ids mean other messages there. A [`Sender`] belongs to its connection too;
//! acknowledging through one whose connection is gone does nothing, and the broker sends the
//! message again.

mod connection;
mod publishing;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::tls::{self, TlsFiles};

pub use connection::{Connection, Incoming, Outgoing, Sender};
pub use wire::Protocol;

/// `mqtt://user:password@host:port`, or `mqtts://` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    host: String,
    port: u16,
    tls: bool,
    login: Option<Login>,
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

/// Where to connect, and as whom.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
    login: Option<Login>,
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
                Some(Login {
                    user: percent_decode(user)?,
                    password: percent_decode(password)?,
                })
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

    /// Where to connect. Certificates are read anew each time.
    ///
    /// # Errors
    /// When a file that TLS needs cannot be read ([`tls::client_config`]).
    pub fn target(&self, files: &TlsFiles) -> anyhow::Result<Target> {
        let tls = self.tls.then(|| tls::client_config(files)).transpose()?;
        Ok(self.target_with(tls))
    }

    /// The same, with TLS where there is a configuration for it, as a [`tls::Watch`] holds it.
    #[must_use]
    pub fn target_with(&self, tls: Option<Arc<rustls::ClientConfig>>) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            tls,
            login: self.login.clone(),
        }
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

/// How a session is opened.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Keeps the session apart from others at the broker.
    pub client_id: String,
    /// How long the broker keeps it while we are away.
    pub expiry: Duration,
    /// Unacknowledged messages the broker may have under way to us.
    pub receive_maximum: u16,
    /// How often to ping.
    pub keep_alive: Duration,
}

/// What the broker said.
#[derive(Debug)]
pub enum BrokerEvent {
    /// The subscription stands.
    Subscribed,
    /// A message.
    Message(Message),
    /// A message of ours was taken.
    Published,
    /// A message of ours was refused, for this reason. Only MQTT 5 says so.
    PublicationRefused(String),
    /// Something that needs no action.
    Nothing,
}

/// A message as the broker delivered it.
#[derive(Debug)]
pub struct Message {
    /// Its topic.
    pub topic: Bytes,
    /// Its payload.
    pub payload: Bytes,
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
    /// Another client took our session. Only MQTT 5 says so.
    #[error("another client took the session over")]
    TakenOver,
    /// The broker refused our login or our client id.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The broker does not speak this version of the protocol.
    #[error("the broker does not speak this version of MQTT")]
    ProtocolVersion,
    /// The broker refused a subscription.
    #[error("the broker refused the subscription: {0}")]
    SubscriptionRefused(String),
    /// The broker sent us away.
    #[error("the broker ended the connection: {0}")]
    Dismissed(String),
    /// Nothing came for too long, not even an answer to a ping.
    #[error("the broker has been silent for {0} s")]
    Silent(u64),
    /// A packet above what we take that is no message.
    #[error("the broker sends a packet of more than 1 MiB that is no message")]
    TooLarge,
    /// Bytes that are no MQTT.
    #[error("the broker does not speak MQTT: {0}")]
    Malformed(String),
    /// The broker closed the connection without a word.
    #[error("the broker closed the connection")]
    Closed,
    /// No agreement about certificates, or no TLS at all.
    #[error("{0}")]
    Tls(String),
    /// Anything else on the way.
    #[error("{0}")]
    Connection(String),
}

impl BrokerError {
    fn wrong_login() -> Self {
        Self::Refused("user name or password is wrong (mqtt.url)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_login_and_encryption() {
        let url = BrokerUrl::parse("mqtt://ingest:p%40ss:word@broker.example:2883/").unwrap();
        assert_eq!(url.address(), "broker.example:2883");
        let login = url.login.as_ref().unwrap();
        assert_eq!((&*login.user, &*login.password), ("ingest", "p@ss:word"));
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

//! What goes to the Datadog Agent, and the way there.
//!
//! Lines are written ([`mod@line`]), packed into datagrams and handed to the socket (`socket`) in one
//! go and without waiting: an Agent that is slow or away must not hold up the counting of devices.
//! Nothing is kept in between, so nothing is lost at the end of the process. What the socket does
//! not take is sent again by the plan in [`crate::schedule`].

use std::fmt;
use std::path::PathBuf;

use telemetry::{Counter, Gauge};

pub mod line;
mod socket;

use line::{Line, Writer};
use socket::{Route, Udp, Unix, pack};

/// Over a Unix socket the Agent knows which container a line comes from, and would add that
/// container's tags, by which every deploy makes new series. This tag tells it not to, and is
/// removed by it.
const NO_ORIGIN: (&str, &str) = ("dd.internal.card", "none");

/// Where the Agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Udp(String),
    /// A datagram socket in the file system.
    Unix(PathBuf),
}

/// Why a text is no address of an Agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no DogStatsD address; it looks like udp://127.0.0.1:8125 or unix:///var/run/datadog/dsd.socket"
)]
pub struct AddressError(String);

impl Address {
    /// Reads `udp://host:port` or `unix:///path`.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(error)?;
        match scheme {
            "udp" => {
                let (host, port) = rest.rsplit_once(':').ok_or_else(error)?;
                let port: u16 = port.parse().map_err(|_| error())?;
                if host.is_empty() {
                    return Err(error());
                }
                Ok(Self::Udp(format!("{host}:{port}")))
            }
            "unix" | "unixgram" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// The way to the Agent.
pub struct Agent {
    address: Address,
    writer: Writer,
    route: Route,
    /// Whether it took what it was handed last; not known at first.
    takes: Option<bool>,
}

impl Agent {
    /// Prepares the way to an Agent, for metrics with this prefix.
    #[must_use]
    pub fn new(address: Address, prefix: &str) -> Self {
        let (route, origin) = match &address {
            Address::Udp(host_and_port) => (Route::Udp(Udp::new(host_and_port)), None),
            Address::Unix(path) => (Route::Unix(Unix::new(path.clone())), Some(NO_ORIGIN)),
        };
        Self {
            writer: Writer::new(prefix, origin),
            route,
            address,
            takes: None,
        }
    }

    /// Hands lines to the socket, several in a datagram. Returns whether it took all of them; for
    /// UDP to another machine that says nothing about the Agent.
    ///
    /// Must be called within a Tokio runtime if the address has a host's name.
    pub fn send(&mut self, lines: &[Line]) -> bool {
        if lines.is_empty() {
            return true;
        }
        let texts: Vec<_> = lines
            .iter()
            .filter_map(|line| match self.writer.write(line) {
                Ok(text) => Some(text),
                Err(error) => {
                    tracing::warn!(%error, ?line, "a line cannot be written");
                    None
                }
            })
            .collect();
        let datagrams = pack(&texts, self.route.most_bytes());
        let (sent, outcome) = self.route.send(&datagrams);
        let taken: u64 = datagrams[..sent]
            .iter()
            .map(|datagram| datagram.lines)
            .sum();
        Counter::LinesSent.add(taken);
        Counter::LinesFailed.add(texts.len() as u64 - taken);
        let takes = outcome.is_ok();
        if self.takes.replace(takes) != Some(takes) {
            match outcome {
                Ok(()) => tracing::info!(agent = %self.address, "the Agent's socket takes lines"),
                Err(error) => {
                    tracing::warn!(%error, agent = %self.address, "the Agent's socket takes no lines; trying again");
                }
            }
        }
        Gauge::AgentTakes.set(takes.into());
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_udp_or_unix() {
        assert_eq!(
            Address::parse("udp://agent:8125"),
            Ok(Address::Udp("agent:8125".into()))
        );
        assert_eq!(
            Address::parse("unix:///run/dsd.socket"),
            Ok(Address::Unix("/run/dsd.socket".into()))
        );
        for bad in [
            "",
            "agent:8125",
            "udp://agent",
            "udp://:8125",
            "tcp://agent:8125",
            "unix://x",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}

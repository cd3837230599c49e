//! The line format of the Datadog Agent, and the socket to it.
//!
//! One datagram per line, sent without waiting: an Agent that is slow or away must not hold up
//! the counting of devices. What the socket does not take is sent again by the plan in
//! [`crate::schedule`].

use std::fmt;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use cadence::prelude::*;
use cadence::{MetricBuilder, MetricError, StatsdClient, UdpMetricSink, UnixMetricSink};
use model::Instant;
use telemetry::Counter;

/// The longest tag value Datadog keeps.
const MAX_TAG_CHARS: usize = 200;

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

/// Makes any text safe as the value of a tag: lower case, without what separates tags.
#[must_use]
pub fn tag_value(text: &str) -> String {
    text.trim()
        .chars()
        .take(MAX_TAG_CHARS)
        .map(|c| match c {
            '|' | ',' | '#' | ':' => '_',
            c if c.is_control() => '_',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// One line for the Agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The metric's name without prefix.
    pub name: String,
    /// Its value.
    pub value: i64,
    /// What kind of metric.
    pub kind: Kind,
    /// Its tags, in order.
    pub tags: Vec<(&'static str, String)>,
}

/// What kind of metric a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A gauge at the time at which the Agent receives it.
    Gauge,
    /// A gauge at this instant, to the second: sending it again replaces it.
    GaugeAt(Instant),
    /// A distribution with a name of its own, outside of the prefix.
    Distribution,
}

/// The way to the Agent, opened when first needed.
pub struct Agent {
    address: Address,
    prefix: String,
    client: Option<StatsdClient>,
    unprefixed: Option<StatsdClient>,
}

impl Agent {
    /// Prepares the way to an Agent.
    #[must_use]
    pub fn new(address: Address, prefix: &str) -> Self {
        Self {
            address,
            prefix: prefix.to_owned(),
            client: None,
            unprefixed: None,
        }
    }

    /// Hands a line to the socket. Returns whether the socket took it; for UDP that says nothing
    /// about the Agent.
    pub fn send(&mut self, line: &Line) -> bool {
        let sent = self.try_send(line);
        match &sent {
            Ok(()) => Counter::LinesSent.add(1),
            Err(error) => {
                Counter::LinesFailed.add(1);
                tracing::debug!(%error, agent = %self.address, metric = line.name, "a line was not taken");
                // The host may have got another address, the socket another inode.
                self.client = None;
                self.unprefixed = None;
            }
        }
        sent.is_ok()
    }

    fn try_send(&mut self, line: &Line) -> Result<(), MetricError> {
        let (slot, prefix) = match line.kind {
            Kind::Distribution => (&mut self.unprefixed, ""),
            Kind::Gauge | Kind::GaugeAt(_) => (&mut self.client, self.prefix.as_str()),
        };
        let client = match slot {
            Some(client) => client,
            None => slot.insert(open(&self.address, prefix)?),
        };
        let value = u64::try_from(line.value).unwrap_or(0);
        match line.kind {
            Kind::Gauge => finish(client.gauge_with_tags(&line.name, value), &line.tags),
            Kind::GaugeAt(at) => {
                let secs = u64::try_from(at.timestamp()).unwrap_or(0);
                let builder = client
                    .gauge_with_tags(&line.name, value)
                    .with_timestamp(secs);
                finish(builder, &line.tags)
            }
            Kind::Distribution => {
                finish(client.distribution_with_tags(&line.name, value), &line.tags)
            }
        }
    }
}

fn finish<'a, T>(
    mut builder: MetricBuilder<'a, '_, T>,
    tags: &'a [(&'static str, String)],
) -> Result<(), MetricError>
where
    T: cadence::Metric + From<String>,
{
    for (key, value) in tags {
        builder = builder.with_tag(key, value);
    }
    builder.try_send().map(drop)
}

fn open(address: &Address, prefix: &str) -> Result<StatsdClient, MetricError> {
    Ok(match address {
        Address::Udp(address) => {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.set_nonblocking(true)?;
            StatsdClient::from_sink(prefix, UdpMetricSink::from(address.as_str(), socket)?)
        }
        Address::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            StatsdClient::from_sink(prefix, UnixMetricSink::from(path, socket))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn received(line: &Line) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let address = Address::parse(&format!("udp://{}", socket.local_addr().unwrap())).unwrap();
        assert!(Agent::new(address, "headcount").send(line));
        let mut bytes = [0; 2048];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn lines_read_as_the_agent_wants_them() {
        let tags = vec![
            ("env", "prod".to_owned()),
            ("country", "ph".to_owned()),
            ("host", String::new()),
        ];
        let at = "2026-11-21T02:59:59Z".parse().unwrap();
        let mut line = Line {
            name: "hour.devices".into(),
            value: 1203,
            kind: Kind::GaugeAt(at),
            tags,
        };
        assert_eq!(
            received(&line),
            "headcount.hour.devices:1203|g|#env:prod,country:ph,host:|T1795229999"
        );
        line.kind = Kind::Gauge;
        assert_eq!(
            received(&line),
            "headcount.hour.devices:1203|g|#env:prod,country:ph,host:"
        );
        line.kind = Kind::Distribution;
        line.name = "mccs.connection.hour.count".into();
        assert_eq!(
            received(&line),
            "mccs.connection.hour.count:1203|d|#env:prod,country:ph,host:"
        );
    }

    #[test]
    fn a_socket_that_is_not_there_is_no_trouble() {
        let address = Address::parse("unix:///nonexistent/dsd.socket").unwrap();
        let line = Line {
            name: "x".into(),
            value: 1,
            kind: Kind::Gauge,
            tags: Vec::new(),
        };
        assert!(!Agent::new(address, "headcount").send(&line));
    }

    #[test]
    fn tag_values_cannot_break_a_line() {
        assert_eq!(tag_value("a|b,c#d:e\nf"), "a_b_c_d_e_f");
        assert_eq!(tag_value(" Philippines "), "philippines");
        assert_eq!(tag_value(&"x".repeat(500)).len(), MAX_TAG_CHARS);
    }

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

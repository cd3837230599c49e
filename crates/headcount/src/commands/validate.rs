//! `headcount validate`: is everything there, and set up so that nothing is lost?

use std::io::Write as _;
use std::net::ToSocketAddrs as _;
use std::process::ExitCode;
use std::time::Duration;

use exporter::dogstatsd::Address;
use ingest::broker::{BrokerError, BrokerEvent, Connection, Protocol, SessionOptions, Target};

use crate::app::App;
use crate::clock::{LARGE_OFFSET, Measured};

mod window;

/// How long a conversation with the broker may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an Agent that is not there may take to say so.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(300);

/// What was found, line by line.
#[derive(Default)]
struct Report {
    problems: u32,
}

impl Report {
    fn line(&mut self, mark: &str, what: &str, text: &str) {
        // Nobody reads the output any more: there is nobody to tell.
        let _ = writeln!(std::io::stdout(), "{mark:<8} {what:<10} {text}");
    }

    fn fine(&mut self, what: &str, text: impl AsRef<str>) {
        self.line("ok", what, text.as_ref());
    }

    fn problem(&mut self, what: &str, text: impl AsRef<str>, fix: &str) {
        self.problems += 1;
        self.line("PROBLEM", what, text.as_ref());
        self.line("", "", &format!("→ {fix}"));
    }
}

/// Checks everything and names each problem with what to do about it.
pub(crate) async fn validate(app: &App) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    report.fine("config", "read and understood");
    database(app, &mut report).await;
    if broker(app, &mut report).await {
        window::check(app, &mut report).await;
    }
    agent(app, &mut report);
    api(app, &mut report);
    let problems = report.problems;
    if problems == 0 {
        report.line("", "", "everything is in order");
        return Ok(ExitCode::SUCCESS);
    }
    let plural = if problems == 1 { "problem" } else { "problems" };
    report.line("", "", &format!("{problems} {plural}"));
    Ok(ExitCode::FAILURE)
}

async fn database(app: &App, report: &mut Report) {
    let asked = async {
        app.store.reach().await?;
        app.store.server_settings().await
    };
    let settings = match asked.await {
        Ok(settings) => settings,
        Err(error) => {
            report.problem(
                "postgres",
                error.to_string(),
                "check database.url (DATABASE_URL), and that Postgres runs and lets us in",
            );
            return;
        }
    };
    report.fine("postgres", format!("version {}", settings.version));
    if settings.version_number < 140_000 {
        report.problem("postgres", "older than 14", "use PostgreSQL 14 or newer");
    }
    match app.store.check_schema().await {
        Ok(()) => {
            report.fine("schema", "up to date");
            slot(app, report).await;
        }
        Err(error) => report.problem(
            "schema",
            error.to_string(),
            "run `headcount migrate` (or start with `headcount run`)",
        ),
    }
    for (name, value) in &settings.durability {
        if value == "off" {
            report.problem(
                "postgres",
                format!("{name} is off: a crash of the server would lose acknowledged heartbeats"),
                &format!("set {name} = on in postgresql.conf, or for this role and database"),
            );
        }
    }
    match app.clock.anchor(&app.store).await {
        Ok(Some(Measured { from_local, .. })) if from_local.abs() > LARGE_OFFSET => report.problem(
            "clock",
            format!(
                "this machine is {} s off the database's clock",
                from_local.num_seconds()
            ),
            "let both follow a time server (chrony, systemd-timesyncd)",
        ),
        Ok(_) => report.fine("clock", "agrees with the database's"),
        Err(error) => report.problem("clock", error.to_string(), "see postgres"),
    }
}

/// Whether our slot hears what no other slot hears.
async fn slot(app: &App, report: &mut Report) {
    let slot = &app.config.file.ingest.slot;
    let filter = app.config.topic_filter.subscription();
    match app.store.overlapping_slot(slot, filter).await {
        Ok(None) => report.fine("slot", format!("`{slot}`: nobody else hears `{filter}`")),
        Ok(Some(other)) => report.problem(
            "slot",
            format!(
                "`{slot}`: `{filter}` overlaps with `{}` of the slot `{}`; messages would reach \
                 both, so ingest does not start",
                other.topic_filter, other.slot
            ),
            &format!(
                "give the slots filters without a common topic (mqtt.topic_filter), or, if `{0}` \
                 is not run any more, `headcount slots retire {0}`",
                other.slot
            ),
        ),
        Err(error) => report.problem("slot", error.to_string(), "see postgres"),
    }
}

/// Whether the broker does all that we need of it.
async fn broker(app: &App, report: &mut Report) -> bool {
    let address = app.config.broker.address();
    let target = match app.config.broker.target(&app.config.tls) {
        Ok(target) => target,
        Err(error) => {
            report.problem(
                "broker",
                format!("{error:#}"),
                "name PEM files that this user can read; without mqtt.ca_file the system's authorities are trusted",
            );
            return false;
        }
    };
    let slot = format!("validate-{:08x}", std::process::id());
    // A session of its own that ends with the connection: the real one is left alone.
    let session = SessionOptions {
        client_id: format!("headcount-{slot}"),
        expiry: Duration::ZERO,
        receive_maximum: app.config.file.mqtt.receive_maximum,
        keep_alive: Duration::from_secs(app.config.file.mqtt.keep_alive_secs),
    };
    let probe_topic = ingest::probe::topic(&slot);
    let filter = app.config.topic_filter.subscription();
    let talk = Talk {
        target: &target,
        protocol: app.config.file.mqtt.version.into(),
        session: &session,
        filter,
        probe_topic: &probe_topic,
        reached: Reached::Nothing,
    };
    let (reached, fault) = match talk.run().await {
        Ok(protocol) => {
            report.fine(
                "broker",
                format!("{address}: MQTT {protocol}, subscribed, our own probe came back"),
            );
            return true;
        }
        Err(at) => at,
    };
    let who = if app.config.tls.client_certificate_file.is_some() {
        "the name in our certificate"
    } else {
        "the user in mqtt.url"
    };
    let (what, fix) = explain(reached, &fault, filter, who);
    report.problem("broker", format!("{address}: {what}"), &fix);
    false
}

/// How far a conversation with the broker came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// Nothing was heard of it.
    Nothing,
    /// It let us in.
    Connected,
    /// It lets us read heartbeats.
    Filter,
    /// It lets us read our probes.
    Probes,
}

/// What kept a conversation from going on.
#[derive(Debug)]
enum Fault {
    /// The connection ended, or was not made.
    Broker(BrokerError),
    /// A message of ours was refused, for this reason.
    Refused(String),
    /// The broker said nothing for [`BROKER_TIMEOUT`].
    Silence,
}

/// What to say about a fault, and what to do about it.
fn explain(reached: Reached, fault: &Fault, filter: &str, who: &str) -> (String, String) {
    let what = match fault {
        Fault::Broker(error) => error.to_string(),
        Fault::Refused(reason) => format!("it refuses our probe: {reason}"),
        Fault::Silence if reached == Reached::Probes => {
            "our own probe did not come back".to_owned()
        }
        Fault::Silence => format!("no answer for {} s", BROKER_TIMEOUT.as_secs()),
    };
    let fix = match (reached, fault) {
        (_, Fault::Broker(BrokerError::Tls(_))) => {
            "mend what stands in brackets; mqtts:// is for TLS, mqtt:// for none".to_owned()
        }
        (_, Fault::Broker(BrokerError::Refused(_))) => {
            "check user and password in mqtt.url (HEADCOUNT_MQTT__URL), and that the broker lets this user \
             choose mqtt.client_id"
                .to_owned()
        }
        (Reached::Nothing, _) => {
            "check mqtt.url (HEADCOUNT_MQTT__URL), that the broker runs and speaks MQTT".to_owned()
        }
        (Reached::Connected, _) => format!("let {who} read {filter} (mqtt.topic_filter)"),
        (Reached::Filter, _) => format!("let {who} read headcount/#"),
        (Reached::Probes, Fault::Silence) => format!(
            "let {who}, and nobody else, read and write headcount/#: without probes no hour can be closed"
        ),
        (Reached::Probes, _) => format!(
            "let {who}, and nobody else, write headcount/#: without probes no hour can be closed"
        ),
    };
    (what, fix)
}

/// A conversation with the broker, step by step, so that a refusal tells what was refused.
struct Talk<'a> {
    target: &'a Target,
    protocol: Option<Protocol>,
    session: &'a SessionOptions,
    filter: &'a str,
    probe_topic: &'a str,
    reached: Reached,
}

impl Talk<'_> {
    /// Talks until our own probe is back.
    async fn run(mut self) -> Result<Protocol, (Reached, Fault)> {
        let talked = tokio::time::timeout(BROKER_TIMEOUT, self.converse()).await;
        talked
            .unwrap_or(Err(Fault::Silence))
            .map_err(|fault| (self.reached, fault))
    }

    async fn converse(&mut self) -> Result<Protocol, Fault> {
        let Connection {
            mut incoming,
            mut outgoing,
            sender,
            ..
        } = Connection::open(self.target, self.protocol, self.session)
            .await
            .map_err(Fault::Broker)?;
        self.reached = Reached::Connected;
        sender.subscribe(&[self.filter]);
        let talk = async {
            loop {
                match incoming.next().await.map_err(Fault::Broker)? {
                    BrokerEvent::Subscribed if self.reached == Reached::Connected => {
                        self.reached = Reached::Filter;
                        sender.subscribe(&[self.probe_topic]);
                    }
                    BrokerEvent::Subscribed => {
                        self.reached = Reached::Probes;
                        sender.publish(self.probe_topic, b"validate".to_vec());
                    }
                    BrokerEvent::Message(message) if message.topic == self.probe_topic => break,
                    BrokerEvent::PublicationRefused(reason) => return Err(Fault::Refused(reason)),
                    BrokerEvent::Message(_) | BrokerEvent::Published | BrokerEvent::Nothing => {}
                }
            }
            sender.disconnect();
            // The broker closes the connection when it has read that.
            while incoming.next().await.is_ok() {}
            Ok(sender.protocol())
        };
        tokio::select! {
            talked = talk => talked,
            error = outgoing.run() => Err(Fault::Broker(error)),
        }
    }
}

fn agent(app: &App, report: &mut Report) {
    let address = &app.config.agent;
    let fix = "start the Datadog Agent with DogStatsD on, or set datadog.url (DD_DOGSTATSD_URL, DD_AGENT_HOST)";
    match address {
        Address::Unix(path) => match std::os::unix::net::UnixDatagram::unbound()
            .and_then(|socket| socket.connect(path))
        {
            Ok(()) => report.fine("agent", format!("{address}: somebody listens")),
            Err(error) => report.problem("agent", format!("{address}: {error}"), fix),
        },
        Address::Udp(host_and_port) => match udp_refused(host_and_port) {
            Ok(false) => report.fine(
                "agent",
                format!("{address}: not refused (UDP tells no more)"),
            ),
            Ok(true) => report.problem("agent", format!("{address}: nobody listens"), fix),
            Err(error) => report.problem("agent", format!("{address}: {error}"), fix),
        },
    }
}

/// Whether a datagram is refused: on the same machine the system says so at the next call.
fn udp_refused(host_and_port: &str) -> std::io::Result<bool> {
    let target = host_and_port
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::other("the host has no address"))?;
    let local = if target.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = std::net::UdpSocket::bind(local)?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(REFUSAL_TIMEOUT))?;
    socket.send(b"")?;
    let answer = socket.recv(&mut [0]);
    Ok(answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused))
}

fn api(app: &App, report: &mut Report) {
    let listen = app.config.api.listen;
    let asks = app.config.api.access.asks();
    let open = app.config.api.insecure_open && !asks && !listen.ip().is_loopback();
    if open {
        report.problem(
            "api",
            format!("{listen} is open to everybody who can reach it"),
            "say who may ask (api.basic_auth, api.oidc, api.proxy), or listen on 127.0.0.1 (api.listen)",
        );
    } else if asks {
        report.fine(
            "api",
            format!(
                "http://{listen}, asks for {}",
                app.config.api.access.asks_for()
            ),
        );
    } else {
        report.fine("api", format!("http://{listen}"));
    }
    if asks && !listen.ip().is_loopback() {
        report.line(
            "note",
            "api",
            "passwords travel as they are: let a proxy speak TLS to whoever is on another machine",
        );
    }
    if app.config.file.api.public_url.is_none() {
        report.line(
            "note",
            "api",
            "api.public_url is not set: links will not carry a host",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_says_what_to_change() {
        let told = |reached, fault| {
            let (what, fix) = explain(
                reached,
                &fault,
                "devices/+/heartbeat",
                "the user in mqtt.url",
            );
            format!("{what} → {fix}")
        };
        let tls = Fault::Broker(BrokerError::Tls(
            "no such authority (mqtt.ca_file)".to_owned(),
        ));
        assert!(told(Reached::Nothing, tls).contains("mqtt.ca_file"));
        let login = Fault::Broker(BrokerError::Refused("wrong".to_owned()));
        assert!(told(Reached::Nothing, login).contains("user and password"));
        let away = Fault::Broker(BrokerError::Connection("refused".to_owned()));
        assert!(told(Reached::Nothing, away).contains("that the broker runs"));
        let refused =
            || Fault::Broker(BrokerError::SubscriptionRefused("NotAuthorized".to_owned()));
        assert!(told(Reached::Connected, refused()).contains("read devices/+/heartbeat"));
        assert!(told(Reached::Filter, refused()).contains("read headcount/#"));
        let probe = Fault::Refused("NotAuthorized".to_owned());
        assert!(told(Reached::Probes, probe).contains("write headcount/#"));
        assert!(told(Reached::Probes, Fault::Silence).contains("read and write headcount/#"));
    }
}

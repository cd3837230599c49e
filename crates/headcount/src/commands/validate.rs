//! `headcount validate`: is everything there, and set up so that nothing is lost?

use std::io::Write as _;
use std::net::ToSocketAddrs as _;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use exporter::dogstatsd::Address;
use ingest::broker::{BrokerError, BrokerEvent, Connection, SessionOptions};

use crate::app::App;

/// How long the broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an Agent that is not there may take to say so.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(300);

/// A clock further from the database's than this is worth mending, though it is corrected for.
const LARGE_OFFSET: TimeDelta = TimeDelta::seconds(5);

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
    broker(app, &mut report).await;
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
        Ok(()) => report.fine("schema", "up to date"),
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
        Ok(Some(offset)) if offset.abs() > LARGE_OFFSET => report.problem(
            "clock",
            format!(
                "this machine is {} s off the database's clock",
                offset.num_seconds()
            ),
            "let both follow a time server (chrony, systemd-timesyncd)",
        ),
        Ok(_) => report.fine("clock", "agrees with the database's"),
        Err(error) => report.problem("clock", error.to_string(), "see postgres"),
    }
}

async fn broker(app: &App, report: &mut Report) {
    let address = app.config.broker.address();
    let target = match app.config.broker.target(&app.config.tls) {
        Ok(target) => target,
        Err(error) => {
            report.problem(
                "broker",
                format!("{error:#}"),
                "name a readable PEM file, or none",
            );
            return;
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
    let filter = app.config.topic_filter.subscription();
    let probe_topic = ingest::probe::topic(&slot);
    let talk = async {
        let connection = Connection::open(&target, app.config.file.mqtt.version.into(), &session)
            .await
            .map_err(|error| (Reached::Nothing, error.to_string()))?;
        let protocol = connection.sender.protocol();
        converse(connection, filter, &probe_topic).await?;
        Ok(protocol)
    };
    let (reached, error) = match tokio::time::timeout(BROKER_TIMEOUT, talk).await {
        Ok(Ok(protocol)) => {
            report.fine(
                "broker",
                format!("{address}: MQTT {protocol}, subscribed, our own probe came back"),
            );
            return;
        }
        Ok(Err((reached, error))) => (reached, error),
        Err(_) => (
            Reached::Subscribed,
            "our own probe did not come back".to_owned(),
        ),
    };
    let fix = match reached {
        Reached::Nothing => {
            "check mqtt.url (HEADCOUNT_MQTT__URL), that the broker runs, speaks MQTT 5, and knows our login"
        }
        Reached::Connected => {
            "let our login read the topic filter (mqtt.topic_filter) and headcount/#"
        }
        Reached::Subscribed => {
            "let our login, and no other, write to headcount/#: without probes no hour can be closed"
        }
    };
    report.problem("broker", format!("{address}: {error}"), fix);
}

/// How far a conversation with the broker came.
#[derive(Clone, Copy)]
enum Reached {
    Nothing,
    Connected,
    Subscribed,
}

async fn converse(
    connection: Connection,
    filter: &str,
    probe_topic: &str,
) -> Result<(), (Reached, String)> {
    let Connection {
        mut incoming,
        mut outgoing,
        sender,
        ..
    } = connection;
    let mut reached = Reached::Connected;
    sender.subscribe(&[filter, probe_topic]);
    let talk = async {
        loop {
            match incoming.next().await? {
                BrokerEvent::Subscribed => {
                    reached = Reached::Subscribed;
                    sender.publish(probe_topic, b"validate".to_vec());
                }
                BrokerEvent::Message(message) if message.topic == probe_topic => break,
                BrokerEvent::Message(_)
                | BrokerEvent::Published
                | BrokerEvent::PublicationRefused(_)
                | BrokerEvent::Nothing => {}
            }
        }
        sender.disconnect();
        // The broker closes the connection when it has read that.
        while incoming.next().await.is_ok() {}
        Ok(())
    };
    let talked = tokio::select! {
        talked = talk => talked,
        error = outgoing.run() => Err(error),
    };
    talked.map_err(|error: BrokerError| (reached, error.to_string()))
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
            "set passwords (api.basic_auth), or listen on 127.0.0.1 (api.listen)",
        );
    } else if asks {
        report.fine(
            "api",
            format!("http://{listen}, with a name and a password"),
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

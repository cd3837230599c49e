//! One side of a comparison: a child process that subscribes. It is told by its standard input how
//! many messages to hear, and says by its standard output when it is ready and when it has.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::broker::{BrokerEvent, BrokerUrl, Connection, SessionOptions};
use ingest::decode::FieldPaths;
use ingest::tls::TlsFiles;
use ingest::topic::TopicFilter;
use model::{Catalogue, Clock};
use store::{Retention, Store};
use telemetry::{Counter, Health};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How the clock of the durable side goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paced {
    /// It stands.
    Frozen,
    /// A minute passes with so many messages.
    MinutePer(u64),
    /// An hour passes with so many messages.
    HourPer(u64),
}

/// The parent's view of a child.
pub(crate) struct Side {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Side {
    /// Decodes nothing and acknowledges at once.
    pub(crate) fn bare(url: &str, prefix: &str) -> Self {
        Self::start(&["bare", url, prefix])
    }

    /// Ingest, with everything it does.
    pub(crate) fn durable(url: &str, database: &str, name: &str, paced: Paced) -> Self {
        let mut side = Self::durable_in(url, database, name, paced);
        side.answer("ready");
        side
    }

    /// Ingest that begins to listen at the first [`Self::drain`].
    pub(crate) fn durable_and_waiting(url: &str, database: &str, name: &str) -> Self {
        Self::durable_in(url, database, name, Paced::Frozen)
    }

    fn durable_in(url: &str, database: &str, name: &str, paced: Paced) -> Self {
        let (kind, per) = match paced {
            Paced::Frozen => ("0", u64::MAX),
            Paced::MinutePer(messages) => ("60", messages),
            Paced::HourPer(messages) => ("3600", messages),
        };
        Self::start(&["durable", url, database, name, kind, &per.to_string()])
    }

    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut side = Self {
            child,
            orders,
            answers,
        };
        if arguments[0] == "bare" {
            side.answer("ready");
        }
        side
    }

    fn answer(&mut self, expected: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected, "the other side failed");
    }

    /// Messages a second, from the first one published to the last one safe.
    pub(crate) fn hear(&mut self, messages: u64, publish: impl FnOnce()) -> f64 {
        writeln!(self.orders, "{messages}").unwrap();
        let started = Instant::now();
        publish();
        self.answer("done");
        rate(messages, started)
    }

    /// Messages a second of those that wait.
    pub(crate) fn drain(&mut self, messages: u64) -> f64 {
        self.hear(messages, || ())
    }

    /// Resident memory.
    pub(crate) fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap() / 1024
    }

    pub(crate) fn end(self) {
        self.end_in();
    }

    /// Ends it, and says what a million messages cost.
    pub(crate) fn end_and_tell(self, messages: u64) {
        let (ours, backend) = self.end_in();
        let per_million = |millis: u64| millis as f64 / 1000.0 * 1e6 / messages as f64;
        println!(
            "processor seconds per million heartbeats: {:.2} in ingest, {:.2} in its Postgres backend",
            per_million(ours),
            per_million(backend)
        );
    }

    /// Processor time in milliseconds, of the process and of its Postgres backend.
    fn end_in(mut self) -> (u64, u64) {
        drop(self.orders);
        let mut line = String::new();
        let mut times = (0, 0);
        while self.answers.read_line(&mut line).unwrap() > 0 {
            if let Some((ours, backend)) = line
                .trim_end()
                .strip_prefix("millis ")
                .and_then(|rest| rest.split_once(' '))
            {
                times = (ours.parse().unwrap(), backend.parse().unwrap());
            }
            line.clear();
        }
        assert!(self.child.wait().unwrap().success());
        times
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(crate) fn rate(messages: u64, started: Instant) -> f64 {
    messages as f64 / started.elapsed().as_secs_f64()
}

/// The child's part; whether there is one of this name.
pub(crate) fn play(role: &str, arguments: &[String]) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match (role, arguments) {
        ("bare", [url, prefix]) => runtime.block_on(bare(url, prefix)),
        ("durable", [url, database, name, secs, per]) => {
            let clock = Arc::new(PacedClock {
                start: "2026-11-21T00:00:30Z".parse().unwrap(),
                secs: secs.parse().unwrap(),
                per: per.parse().unwrap(),
            });
            runtime.block_on(durable(url, database, name, clock));
        }
        _ => return false,
    }
    true
}

/// What the parent asks for, until it ends the conversation.
fn orders() -> mpsc::Receiver<u64> {
    let (orders, taken) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if orders
                .blocking_send(line.unwrap().parse().unwrap())
                .is_err()
            {
                return;
            }
        }
    });
    taken
}

async fn bare(url: &str, prefix: &str) {
    let target = BrokerUrl::parse(url)
        .unwrap()
        .target(&TlsFiles::default())
        .unwrap();
    let session = SessionOptions {
        client_id: format!("headcount-{prefix}"),
        expiry: Duration::from_secs(3600),
        receive_maximum: u16::MAX,
        keep_alive: Duration::from_secs(5),
    };
    let Connection {
        mut incoming,
        mut outgoing,
        sender,
        session_present,
        ..
    } = Connection::open(&target, None, &session).await.unwrap();
    let listening = async {
        if !session_present {
            sender.subscribe(&[&format!("{prefix}/+/heartbeat")]);
            while !matches!(incoming.next().await.unwrap(), BrokerEvent::Subscribed) {}
        }
        println!("ready");
        let mut orders = orders();
        while let Some(mut wanted) = orders.recv().await {
            while wanted > 0 {
                if let BrokerEvent::Message(message) = incoming.next().await.unwrap() {
                    sender.acknowledge(&[message.packet_id.unwrap()]);
                    wanted -= 1;
                }
            }
            println!("done");
        }
        sender.disconnect();
        while incoming.next().await.is_ok() {}
    };
    tokio::select! {
        () = listening => {}
        error = outgoing.run() => panic!("{error}"),
    }
}

/// A clock that goes by the messages that came.
struct PacedClock {
    start: model::Instant,
    secs: u64,
    per: u64,
}

impl Clock for PacedClock {
    fn now(&self) -> model::Instant {
        self.start + Duration::from_secs(Counter::MessagesReceived.value() / self.per * self.secs)
    }
}

async fn durable(url: &str, database: &str, name: &str, clock: Arc<PacedClock>) {
    let store = Store::new(&store::Settings {
        url: database.to_owned(),
        max_connections: 4,
        statement_timeout: Duration::from_secs(60),
        application_name: "bench".to_owned(),
    })
    .unwrap();
    store.migrate().await.unwrap();
    let first_start = store.slots().await.unwrap().is_empty();
    let mut orders = orders();
    // What waits in the broker is measured from the order on.
    let mut order = match first_start {
        true => None,
        false => orders.recv().await,
    };
    let shutdown = CancellationToken::new();
    let context = ingest::Context {
        store: store.clone(),
        clock: clock.clone(),
        catalogue: Arc::new(Catalogue::builtin()),
        health: Health::default(),
        shutdown: shutdown.clone(),
    };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(ingest::run(config(url, name), context));
    if first_start {
        while store
            .slots()
            .await
            .unwrap()
            .iter()
            .all(|slot| slot.watermark.is_none())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("ready");
        order = orders.recv().await;
    }
    let mut committed = 0;
    while let Some(wanted) = order {
        committed += wanted;
        while Counter::MessagesCommitted.value() < committed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("done");
        order = orders.recv().await;
    }
    let backend = backend_millis(database);
    shutdown.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
    println!("millis {} {backend}", processor_millis("self"));
}

/// Of the backend that works most for us: the writer's.
fn backend_millis(database: &str) -> u64 {
    let psql = devstack::find_program("psql").unwrap();
    let query = "select pid from pg_stat_activity where application_name = 'bench'";
    let output = Command::new(psql)
        .args(["-XAtqc", query, database])
        .output()
        .unwrap();
    let pids = String::from_utf8(output.stdout).unwrap();
    pids.lines().map(processor_millis).max().unwrap_or(0)
}

fn processor_millis(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything and ends in the last bracket: user and system time
    // are the 12th and 13th fields, in hundredths of a second.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |n: usize| {
        fields
            .split_whitespace()
            .nth(n)
            .and_then(|text| text.parse::<u64>().ok())
    };
    (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) * 10
}

fn config(broker_url: &str, name: &str) -> ingest::Config {
    ingest::Config {
        slot: name.to_owned(),
        broker: BrokerUrl::parse(broker_url).unwrap(),
        protocol: None,
        tls: TlsFiles::default(),
        client_id: format!("headcount-{name}"),
        topic_filter: TopicFilter::parse(&format!("{name}/+/heartbeat")).unwrap(),
        field_paths: FieldPaths::default(),
        dropped_topic: None,
        uptime_topic: None,
        session_expiry: Duration::from_secs(3600),
        receive_maximum: u16::MAX,
        batch_max_age: Duration::from_millis(50),
        batch_max_messages: 8192,
        probe_interval: Duration::from_secs(5),
        lease: Duration::from_secs(15),
        keep_alive: Duration::from_secs(5),
        registry: ingest::Registry::Open {
            max_devices: 5_000_000,
        },
        countries: std::collections::HashMap::new(),
        reach_window: Duration::from_secs(900),
        retention: Retention {
            heartbeats_days: 2,
            heartbeats_max_bytes: 20_000_000_000,
            presence_days: 35,
            quarantine_days: 7,
        },
    }
}

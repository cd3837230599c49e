//! How much of the broker's speed is left when every heartbeat is durable: ingest, with everything
//! it commits, against a subscriber that decodes nothing and acknowledges at once, and against the
//! ordinary alternative in Python. Same broker, same publishers, side by side in one run; each side
//! is a process of its own, so its memory and its processor time can be told.
//!
//! `cargo bench --package headcount-benches -- NAME…` runs the parts whose names are given, of
//! `live`, `steady`, `new`, `python`, `backlog`, `memory`; all without a name.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed, and printing is its purpose"
)]

mod fleet;
mod rival;
mod side;

use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use fleet::Fleet;
use side::{Paced, Side};

/// What can be measured. Names of other benches are none of ours.
const PARTS: [&str; 6] = ["live", "steady", "new", "python", "backlog", "memory"];
/// Messages of one measurement.
const MESSAGES: u64 = 300_000;
/// Each comparison is made so often, the sides taking turns.
const ROUNDS: usize = 3;
/// Heartbeats that wait in the broker before it is drained.
const BACKLOG: u64 = 1_000_000;
/// The registry of the large benches.
const REGISTRY: u64 = 1_000_000;
/// The largest window there is.
const WINDOW: u64 = 65_535;

/// The servers of one run.
struct Servers {
    folder: DataDir,
    postgres: Postgres,
    broker: Mosquitto,
    databases: u32,
}

impl Servers {
    fn start() -> Self {
        let folder = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
        let broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
        Self {
            folder,
            postgres,
            broker,
            databases: 0,
        }
    }

    /// A new database and a name for its topics and its slot.
    fn database(&mut self) -> (String, String) {
        self.databases += 1;
        let name = format!("bench{}", self.databases);
        self.postgres.create_database(&name).unwrap();
        (self.postgres.url(&name), name)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, rest @ ..] = &arguments[..]
        && side::play(role, rest)
    {
        return;
    }
    // cargo hands over a switch of its own.
    let parts: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if !PARTS.iter().any(|part| wanted(part)) {
        return;
    }
    println!("{}", headcount_benches::header());
    let mut servers = Servers::start();
    if wanted("live") {
        live(&mut servers);
    }
    if wanted("steady") {
        steady(&mut servers);
    }
    if wanted("new") {
        new_to_the_hour(&mut servers);
    }
    if wanted("python") {
        rival::compare(&mut servers);
    }
    if wanted("backlog") {
        backlog(&mut servers);
    }
    if wanted("memory") {
        memory(&mut servers);
    }
    drop(servers.folder);
}

fn say(part: &str, at_least: f64) {
    println!("\n{part}; ratio at least {at_least}");
    println!("{:>14} {:>14} {:>8}", "bare /s", "durable /s", "ratio");
}

fn compare(bare: f64, durable: f64) {
    println!("{bare:>14.0} {durable:>14.0} {:>8.2}", durable / bare);
}

/// Publishers and subscriber run at the same time.
fn against_bare(servers: &mut Servers, fleet: &Fleet, durable: &mut Side, topic: &str) {
    let url = servers.broker.url();
    let mut bare = Side::bare(&url, "bare");
    for _ in 0..ROUNDS {
        let rate = bare.hear(MESSAGES, || fleet.publish(&url, "bare", MESSAGES));
        let durable_rate = durable.hear(MESSAGES, || fleet.publish(&url, topic, MESSAGES));
        compare(rate, durable_rate);
    }
    bare.end();
}

fn live(servers: &mut Servers) {
    say(
        "several heartbeats per device and minute (20,000 devices)",
        0.90,
    );
    let (database, name) = servers.database();
    let url = servers.broker.url();
    let mut durable = Side::durable(&url, &database, &name, Paced::Frozen);
    against_bare(servers, &Fleet::of(20_000), &mut durable, &name);
    durable.end_and_tell(MESSAGES * ROUNDS as u64);
}

fn steady(servers: &mut Servers) {
    say(
        "steady state: each heartbeat a new minute of a device present this hour (20,000 devices)",
        0.75,
    );
    let (database, name) = servers.database();
    let url = servers.broker.url();
    let fleet = Fleet::of(20_000);
    let mut durable = Side::durable(&url, &database, &name, Paced::MinutePer(20_000));
    durable.hear(20_000, || fleet.publish(&url, &name, 20_000));
    against_bare(servers, &fleet, &mut durable, &name);
    durable.end_and_tell(MESSAGES * ROUNDS as u64 + 20_000);
}

fn new_to_the_hour(servers: &mut Servers) {
    say(
        "a registry of 1,000,000 devices, each heartbeat of a device new to the hour",
        0.65,
    );
    let (database, name) = servers.database();
    let url = servers.broker.url();
    let fleet = Fleet::of(REGISTRY);
    let mut durable = Side::durable(&url, &database, &name, Paced::HourPer(REGISTRY));
    // Everybody once: registered, placed, and with a row of their last state.
    let rate = durable.hear(REGISTRY, || fleet.publish(&url, &name, REGISTRY));
    println!(
        "{:>14} {rate:>14.0}          (never heard before: registered, too)",
        ""
    );
    against_bare(servers, &fleet, &mut durable, &name);
    durable.end_and_tell(MESSAGES * ROUNDS as u64 + REGISTRY);
}

/// What waited in the broker.
fn backlog(servers: &mut Servers) {
    say(
        "1,000,000 heartbeats wait in the broker (20,000 devices)",
        0.85,
    );
    let url = servers.broker.url();
    let fleet = Fleet::of(20_000);
    for _ in 0..ROUNDS {
        Side::bare(&url, "queue").end();
        fleet.publish(&url, "queue", BACKLOG);
        let mut bare = Side::bare(&url, "queue");
        let bare_rate = bare.drain(BACKLOG);
        bare.end();
        let (database, name) = servers.database();
        Side::durable(&url, &database, &name, Paced::Frozen).end();
        fleet.publish(&url, &name, BACKLOG);
        let mut durable = Side::durable_and_waiting(&url, &database, &name);
        let durable_rate = durable.drain(BACKLOG);
        durable.end();
        compare(bare_rate, durable_rate);
    }
}

/// A full window while the database does not answer.
fn memory(servers: &mut Servers) {
    println!("\nmemory of ingest; a full window at most 200 MB");
    let (database, name) = servers.database();
    let url = servers.broker.url();
    let fleet = Fleet::of(REGISTRY);
    let mut durable = Side::durable(&url, &database, &name, Paced::HourPer(REGISTRY));
    println!("{:>8} MB after the start", durable.resident_mb());
    durable.hear(REGISTRY, || fleet.publish(&url, &name, REGISTRY));
    println!("{:>8} MB with 1,000,000 devices", durable.resident_mb());
    servers.postgres.pause().unwrap();
    fleet.publish(&url, &name, 4 * WINDOW);
    let mb = durable.resident_mb();
    println!("{mb:>8} MB with a full window of 120 bytes each, and Postgres stopped");
    servers.postgres.resume().unwrap();
    durable.drain(4 * WINDOW);
    println!("{:>8} MB after that was committed", durable.resident_mb());
    durable.end();
}

//! What an hour of a million devices costs to close, and a minute to count.
//!
//! `cargo bench --package headcount-benches -- NAME…` runs the parts whose names are given, of
//! `close` and `now`; both without a name.
//!
//! - `close`: from the moment at which the watermark lets an hour be closed until its last line is at
//!   the Agent's socket (counts, ledger, lines), against `COUNT(DISTINCT)` over the raw heartbeats of
//!   the same hour, grouped by country and by carrier in one statement;
//! - `now`: devices reachable now, of all countries and carriers, from the last states.
//!
//! Tables are vacuumed and analyzed before, on both sides, as they are after some minutes of rest.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed, and printing is its purpose"
)]

use std::collections::HashMap;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use devstack::{DataDir, Postgres, PostgresOptions};
use model::{Catalogue, Clock, Instant, ManualClock};
use store::{Retention, Store};
use telemetry::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Devices.
const DEVICES: u32 = 1_000_000;
/// Countries, each with as many devices.
const COUNTRIES: [&str; 10] = ["ph", "id", "th", "vn", "my", "in", "jp", "ke", "mx", "br"];
/// Carriers of each.
const CARRIERS: u32 = 3;
/// Heartbeats of each device in an hour.
const HEARTBEATS: u32 = 12;
/// Hours that are closed, one after the other.
const HOURS: u32 = 3;
/// How often *now* is counted.
const ROUNDS: usize = 7;

const CLOSE_RATIO_AT_LEAST: f64 = 20.0;
const NOW_MILLIS_AT_MOST: f64 = 150.0;

/// When everything begins: the start of the first of the hours.
const BEGINS: &str = "2026-11-21T00:00:00Z";

/// A database full of devices.
struct Fleet {
    url: String,
    store: Store,
    begins: Instant,
}

fn main() {
    // cargo hands over a switch of its own.
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|one| one == part);
    if !wanted("close") && !wanted("now") {
        return;
    }
    println!("{}", headcount_benches::header());
    let folder = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
    postgres.create_database("bench").unwrap();
    let url = postgres.url("bench");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fleet = Fleet::new(url, wanted("close")).await;
        if wanted("close") {
            fleet.close().await;
        }
        if wanted("now") {
            fleet.now().await;
        }
        fleet.store.close().await;
    });
}

impl Fleet {
    async fn new(url: String, closes: bool) -> Self {
        let store = Store::new(&store::Settings {
            url: url.clone(),
            max_connections: 4,
            statement_timeout: Duration::from_secs(60),
            application_name: "bench".to_owned(),
        })
        .unwrap();
        store.migrate().await.unwrap();
        let begins: Instant = BEGINS.parse().unwrap();
        let retention = Retention {
            heartbeats_days: 7,
            heartbeats_max_bytes: 100_000_000_000,
            presence_days: 35,
            quarantine_days: 7,
        };
        store.maintain(begins, retention).await.unwrap();
        let fleet = Self { url, store, begins };
        fleet.fill();
        if closes {
            fleet.fill_hours();
        }
        fleet.sql("vacuum analyze");
        fleet
    }

    /// Runs statements by `psql`, and says how long they took.
    fn sql(&self, statements: &str) -> Duration {
        let started = Moment::now();
        let done = Command::new(devstack::find_program("psql").unwrap())
            .args([
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statements,
                &self.url,
            ])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        started.elapsed()
    }

    fn fill(&self) {
        let codes = COUNTRIES.join(",");
        let countries = COUNTRIES.len();
        self.sql(&format!(
            "insert into ingest_slots (slot, client_id, topic_filter, started_at, watermark)
             values ('main', 'bench', 'devices/+/heartbeat', '{BEGINS}', '{BEGINS}');
             insert into countries select code, 'UTC', 900, '{BEGINS}'
             from unnest(string_to_array('{codes}', ',')) code;
             insert into carriers select code, bit, 'carrier-' || bit, '{BEGINS}'
             from unnest(string_to_array('{codes}', ',')) code, generate_series(1, {CARRIERS}) bit;
             insert into devices (device_id, first_seen_at)
             select 'device-' || n, '{BEGINS}' from generate_series(1, {DEVICES}) n;
             insert into last_heard (device_no, country, carrier_bit, latest, heard_at)
             select n, (string_to_array('{codes}', ','))[1 + n % {countries}],
                    1 + (n / {countries}) % {CARRIERS}, true,
                    '{BEGINS}'::timestamptz + make_interval(secs => n % 1800)
             from generate_series(1, {DEVICES}) n"
        ));
    }

    /// Presence, and what it was made from.
    fn fill_hours(&self) {
        let codes = COUNTRIES.join(",");
        let countries = COUNTRIES.len();
        self.sql(&format!(
            "insert into presence
             select '{BEGINS}'::timestamptz + make_interval(hours => hour),
                    (string_to_array('{codes}', ','))[1 + n % {countries}], n,
                    1::bigint << (1 + (n / {countries}) % {CARRIERS})
             from generate_series(0, {HOURS} - 1) hour, generate_series(1, {DEVICES}) n;
             insert into heartbeats (received_at, heard_at, device_no, carrier_bit, older_entry,
                                     slot, country)
             select at, at, n, 1 + (n / {countries}) % {CARRIERS}, false, 'main',
                    (string_to_array('{codes}', ','))[1 + n % {countries}]
             from generate_series(0, {HEARTBEATS} - 1) beat,
                  lateral (select '{BEGINS}'::timestamptz
                               + make_interval(mins => beat * 60 / {HEARTBEATS}) as at) t,
                  generate_series(1, {DEVICES}) n"
        ));
    }

    /// Lets a real exporter close hour after hour.
    async fn close(&self) {
        println!(
            "\nclosing an hour of {DEVICES} devices in {} segments; at least {CLOSE_RATIO_AT_LEAST} \
             times as fast as COUNT(DISTINCT) over their {} heartbeats",
            COUNTRIES.len() * CARRIERS as usize,
            DEVICES * HEARTBEATS,
        );
        let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
        agent
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let clock = Arc::new(ManualClock::at(self.begins));
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(exporter::run(
            exporter_config(agent.local_addr().unwrap().port()),
            exporter::Context {
                store: self.store.clone(),
                clock: clock.clone(),
                catalogue: Arc::new(Catalogue::builtin()),
                health: Health::default(),
                shutdown: shutdown.clone(),
            },
        ));
        println!(
            "{:>16} {:>16} {:>8}",
            "headcount ms", "DISTINCT ms", "ratio"
        );
        for hour in 1..=HOURS {
            let raw = self.sql(&format!(
                "select country, carrier_bit, count(distinct device_no) from heartbeats
                 where heard_at >= '{BEGINS}'
                   and heard_at < '{BEGINS}'::timestamptz + interval '1 hour'
                 group by grouping sets ((country), (country, carrier_bit))"
            ));
            // Time passes, and everything until now has been heard.
            let mins = hour * 60 + 2;
            clock.set(self.begins + Duration::from_secs(u64::from(mins) * 60));
            let now = clock.now();
            self.sql(&format!("update ingest_slots set watermark = '{now}'"));
            let started = Moment::now();
            let lines = COUNTRIES.len() * (1 + CARRIERS as usize);
            let agent = agent.try_clone().unwrap();
            let sent = tokio::task::spawn_blocking(move || hour_lines(&agent, lines));
            let closed = sent.await.unwrap() - started;
            println!(
                "{:>16.0} {:>16.0} {:>8.1}",
                millis(closed),
                millis(raw),
                raw.as_secs_f64() / closed.as_secs_f64()
            );
        }
        shutdown.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    async fn now(&self) {
        println!(
            "\nreachable now of {DEVICES} devices, by country and carrier; at most \
             {NOW_MILLIS_AT_MOST} ms"
        );
        let as_of = self.begins + Duration::from_secs(1800);
        let in_window = (1..=DEVICES).filter(|n| n % 1800 >= 900).count();
        let in_window = i64::try_from(in_window).unwrap();
        let mut taken = Vec::new();
        for _ in 0..ROUNDS {
            let started = Moment::now();
            let reachable = self.store.count_now(as_of).await.unwrap();
            taken.push(millis(started.elapsed()));
            let devices: i64 = reachable.values().map(|one| one.counts.devices).sum();
            assert_eq!(devices, in_window, "those of the last 15 minutes");
        }
        taken.sort_by(f64::total_cmp);
        println!(
            "least {:.0} ms, median {:.0} ms, most {:.0} ms",
            taken[0],
            taken[ROUNDS / 2],
            taken[ROUNDS - 1]
        );
    }
}

/// Reads until so many lines with an hour's count have come, and gives the moment of the last.
fn hour_lines(agent: &UdpSocket, lines: usize) -> Moment {
    let mut datagram = [0; 65_536];
    let mut come = 0;
    while come < lines {
        let length = agent.recv(&mut datagram).unwrap();
        let text = String::from_utf8_lossy(&datagram[..length]);
        come += text.matches("headcount.hour.").count();
    }
    Moment::now()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn exporter_config(agent_port: u16) -> exporter::Config {
    let agent = format!("udp://127.0.0.1:{agent_port}");
    exporter::Config {
        agent: exporter::dogstatsd::Address::parse(&agent).unwrap(),
        prefix: "headcount".to_owned(),
        env: None,
        host: String::new(),
        service: None,
        version: None,
        carrier_now: false,
        min_carrier_devices: 20,
        max_series: 1000,
        historical_metrics: false,
        legacy: Some(exporter::Legacy {
            metric: "old".to_owned(),
            countries: HashMap::new(),
        }),
        dead_man: None,
        tick: Duration::from_millis(5),
        lease: Duration::from_secs(15),
    }
}

//! The count is right: clients that are not ours publish, a calculation that is not ours counts,
//! and all three ways out of headcount say the same.
//!
//! `mosquitto_pub` and a Python client publish 200,000 heartbeats of 20,000 devices through a real
//! broker, with everything that makes counting hard: duplicates, disorder, clocks that are off,
//! roamers, unknown networks, buffered flushes, garbage. A Python program that shares nothing with
//! headcount reads the list of what was published and counts again (`tests/independent`). Hours
//! pass by the clock that the roles are given, and earlier days come by backfill.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use devstack::{DataDir, Mosquitto, MosquittoOptions};
use headcount_tests::http::get;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};
use model::{Clock as _, Instant};
use serde_json::Value;

/// What everything is drawn from.
const SEED: &str = "independent";

/// The first UTC hour of the test, of which headcount misses the beginning.
const FIRST_HOUR: i64 = 6;
/// The last UTC hour in which something is published.
const LAST_HOUR: i64 = 12;
/// When rounds are published, in minutes of every UTC hour.
const ROUND_MINUTES: [i64; 4] = [10, 20, 40, 50];
/// Further rounds on both sides of a boundary: of most countries, of Nepal and of India.
const ROUNDS_AT_BOUNDARIES: [&str; 6] = [
    "07:59:59", "08:00:00", "09:14:59", "09:15:00", "10:29:59", "10:30:00",
];
/// Heartbeats of one round: 34 rounds make 200,000.
const HEARTBEATS_PER_ROUND: u32 = 5_700;

/// When the backfill is loaded; later hours know the carriers in it.
const IMPORTED_AT: &str = "09:22:00";
const BACKFILLED: usize = 20_000;
/// Where the three hours of each backfilled day begin. Fixed dates of the past: the roles follow
/// this test's clock, `headcount import` the database's.
const BACKFILL_DAYS: [&str; 2] = ["2026-03-07T03:00:00Z", "2026-03-08T10:00:00Z"];

/// Differences shown when there are many.
const SHOWN: usize = 12;

fn at(time: &str) -> Instant {
    format!("2026-03-10T{time}Z").parse().unwrap()
}

fn rfc3339(at: Instant) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// What is done when the clock gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A round is published.
    Publish,
    /// The backfill is loaded.
    Import,
    /// Hours have ended two and a half minutes ago.
    Close,
}

fn steps() -> Vec<(Instant, Step)> {
    let midnight = at("00:00:00");
    let minutes = |hour: i64, minutes: i64| midnight + TimeDelta::minutes(60 * hour + minutes);
    let mut steps: Vec<_> = (FIRST_HOUR..=LAST_HOUR)
        .flat_map(|hour| ROUND_MINUTES.map(|minute| (minutes(hour, minute), Step::Publish)))
        .collect();
    steps.extend(ROUNDS_AT_BOUNDARIES.map(|time| (at(time), Step::Publish)));
    steps.push((at(IMPORTED_AT), Step::Import));
    for hour in FIRST_HOUR + 1..=LAST_HOUR + 1 {
        for boundary in [0, 15, 30] {
            let settled = minutes(hour, boundary) + TimeDelta::seconds(150);
            steps.push((settled, Step::Close));
        }
    }
    steps.sort_unstable();
    steps
}

/// The Python side.
struct Fleet {
    python: PathBuf,
    script: PathBuf,
    mosquitto_pub: PathBuf,
    port: String,
    topic_prefix: String,
    published: PathBuf,
    backfill: PathBuf,
}

impl Fleet {
    fn new(folder: &Path, world: &World, port: u16) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = Command::new(tests.join("../scripts/python-with"))
            .arg("paho.mqtt.client")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success(), "{error}");
        let filter = world.filter();
        Self {
            python: String::from_utf8(found.stdout).unwrap().trim().into(),
            script: tests.join("independent/fleet.py"),
            mosquitto_pub: devstack::find_program("mosquitto_pub").unwrap(),
            port: port.to_string(),
            topic_prefix: filter.strip_suffix("/+/heartbeat").unwrap().to_owned(),
            published: folder.join("published.ndjson"),
            backfill: folder.join("backfill.csv"),
        }
    }

    async fn run(&self, prepare: impl FnOnce(&mut Command)) -> String {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(&self.script);
        prepare(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Publishes a round; everything is with the broker when this returns.
    async fn publish(&self, rounds: &[Instant], round: usize) {
        self.run(|command| {
            command
                .args(["publish", "--seed", SEED, "--port", &self.port])
                .args(["--topic-prefix", &self.topic_prefix])
                .args(["--heartbeats", &HEARTBEATS_PER_ROUND.to_string()])
                .args(["--rounds", &rounds.len().to_string()])
                .args(["--round", &round.to_string()])
                .args(["--at", &rfc3339(rounds[round])])
                .arg("--mosquitto-pub")
                .arg(&self.mosquitto_pub)
                .arg("--out")
                .arg(&self.published);
            if round > 0 {
                command.args(["--previous", &rfc3339(rounds[round - 1])]);
            }
        })
        .await;
    }

    async fn write_backfill(&self) {
        self.run(|command| {
            command
                .args(["backfill", "--seed", SEED])
                .args(["--rows", &BACKFILLED.to_string()])
                .args(BACKFILL_DAYS.map(|day| format!("--day={day}")))
                .arg("--out")
                .arg(&self.backfill);
        })
        .await;
    }

    async fn expect(&self, started_at: Instant, closed_until: Instant) -> Expected {
        let answer = self
            .run(|command| {
                command
                    .args(["expect", "--topic-prefix", &self.topic_prefix])
                    .args(["--started-at", &rfc3339(started_at)])
                    .args(["--imported-at", &rfc3339(at(IMPORTED_AT))])
                    .args(["--closed-until", &rfc3339(closed_until)])
                    .args([&self.published, &self.backfill]);
            })
            .await;
        Expected(serde_json::from_str(&answer).unwrap())
    }
}

/// A country's hour, by the instant at which it starts.
type Key = (String, Instant);

/// What is said about hours, in one way of writing it.
type Said = BTreeMap<Key, String>;

/// Devices of an hour and of each carrier in it.
#[derive(Default)]
struct Counts {
    devices: i64,
    carriers: BTreeMap<String, i64>,
}

impl Counts {
    fn of(hour: &Value) -> Self {
        let carriers = hour["carriers"].as_object();
        let carriers = carriers.into_iter().flatten();
        Self {
            devices: hour["devices"].as_i64().unwrap(),
            carriers: carriers
                .map(|(carrier, devices)| (carrier.clone(), devices.as_i64().unwrap()))
                .collect(),
        }
    }

    fn said(&self) -> String {
        format!("{} {:?}", self.devices, self.carriers)
    }
}

fn instant_of(value: &Value) -> Instant {
    let text = value.as_str().unwrap();
    let local: DateTime<FixedOffset> = text.parse().unwrap();
    local.with_timezone(&Utc)
}

/// The answer of the separate calculation.
struct Expected(Value);

impl Expected {
    fn countries(&self) -> BTreeSet<String> {
        let countries = self.0["countries"].as_object().unwrap();
        countries.keys().cloned().collect()
    }

    /// The hours, each with what it says.
    fn hours(&self) -> impl Iterator<Item = (Key, &Value)> {
        let countries = self.0["countries"].as_object().unwrap();
        countries.iter().flat_map(|(country, hours)| {
            let hours = hours.as_object().unwrap();
            hours
                .iter()
                .map(|(start, hour)| ((country.clone(), start.parse().unwrap()), hour))
        })
    }

    /// What `headcount count` has to say: hours and carriers with devices.
    fn heard(&self) -> Said {
        self.hours()
            .filter(|(_, hour)| hour["devices"] != 0)
            .map(|(key, hour)| (key, Counts::of(hour).said()))
            .collect()
    }

    fn with_silent(hour: &Value) -> Counts {
        let mut counts = Counts::of(hour);
        for carrier in hour["silent"].as_array().unwrap() {
            counts
                .carriers
                .insert(carrier.as_str().unwrap().to_owned(), 0);
        }
        counts
    }

    /// What the API has to say: all hours that are closed, silent ones too.
    fn closed(&self) -> Said {
        let said = |hour: &Value| {
            let counts = Self::with_silent(hour).said();
            let end: Instant = hour["end"].as_str().unwrap().parse().unwrap();
            let complete = hour["complete"].as_bool().unwrap();
            format!("{counts} until {} complete: {complete}", rfc3339(end))
        };
        self.hours().map(|(key, hour)| (key, said(hour))).collect()
    }

    /// What Datadog has to get: what is complete and was closed in time.
    fn sent(&self) -> Said {
        self.hours()
            .filter(|(_, hour)| hour["sent"] == true)
            .map(|((country, _), hour)| {
                let end: Instant = hour["end"].as_str().unwrap().parse().unwrap();
                let last_second = end - TimeDelta::seconds(1);
                ((country, last_second), Self::with_silent(hour).said())
            })
            .collect()
    }

    fn total(&self, of_what: &str) -> u64 {
        self.0["totals"][of_what].as_u64().unwrap()
    }
}

/// The days and hours asked about: more than anything was heard in.
fn range() -> (String, String) {
    ("2026-03-06T00:00:00Z".to_owned(), rfc3339(at("23:00:00")))
}

/// What `headcount count` says.
async fn counted(world: &World, countries: &BTreeSet<String>) -> Said {
    let (from, to) = range();
    let mut said = Said::new();
    for country in countries {
        let arguments = [
            "count",
            "--country",
            country,
            "--from",
            &from,
            "--to",
            &to,
            "--by",
            "carrier",
            "--format",
            "json",
        ];
        let answer = binary::stdout(world, &arguments).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["country"], **country);
        for item in answer["items"].as_array().unwrap() {
            let key = (country.clone(), instant_of(&item["start"]));
            let twice = said.insert(key, Counts::of(item).said());
            assert_eq!(twice, None, "an hour comes twice");
        }
    }
    said
}

/// The hours of a country, as the API has them.
async fn hours(api: SocketAddr, country: &str) -> Vec<Value> {
    let (from, to) = range();
    let path = format!("/api/v1/countries/{country}/hours?from={from}&to={to}");
    let answer = get(api, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().unwrap().clone()
}

async fn countries(api: SocketAddr) -> BTreeSet<String> {
    let answer = get(api, "/api/v1/countries").await.json();
    let items = answer["items"].as_array().unwrap();
    let code = |item: &Value| item["country"].as_str().unwrap().to_owned();
    items.iter().map(code).collect()
}

/// Whether an hour has ended long enough ago to be closed.
fn is_due(world: &World, item: &Value) -> bool {
    instant_of(&item["end"]) + TimeDelta::minutes(2) <= world.clock.now()
}

/// What the API says about closed hours. In those that run nothing was heard.
async fn answered(world: &World, api: SocketAddr) -> Said {
    let mut said = Said::new();
    for country in countries(api).await {
        for item in hours(api, &country).await {
            if !is_due(world, &item) {
                assert_eq!(item["devices"], 0, "{country}: {item}");
                continue;
            }
            assert_eq!(item["revision"], 1, "{country}: {item}");
            let key = (country.clone(), instant_of(&item["start"]));
            let (counts, end) = (Counts::of(&item).said(), instant_of(&item["end"]));
            let complete = &item["complete"];
            let text = format!("{counts} until {} complete: {complete}", rfc3339(end));
            assert_eq!(said.insert(key, text), None, "an hour comes twice");
        }
    }
    said
}

/// What Datadog got. Lines for the same series and second must agree: the plan sends each several
/// times.
fn sent(world: &World) -> Said {
    let mut values: BTreeMap<Key, (BTreeSet<i64>, BTreeMap<String, i64>)> = BTreeMap::new();
    for line in world.agent.metrics() {
        let is_carrier = match line.name.as_str() {
            "headcount.hour.devices" => false,
            "headcount.hour.carrier_devices" => true,
            _ => continue,
        };
        let mut tags = vec!["country", "env", "host"];
        tags.extend(is_carrier.then_some("carrier"));
        tags.sort_unstable();
        assert!(line.tags.keys().eq(tags.iter()), "{line:?}");
        assert_eq!((line.kind.as_str(), line.tag("env")), ("g", "test"));
        assert!(line.value.fract() == 0.0, "{line:?}");
        let value = line.value as i64;
        let at = DateTime::from_timestamp(line.timestamp.unwrap(), 0).unwrap();
        let key = (line.tag("country").to_owned(), at);
        let (devices, carriers) = values.entry(key).or_default();
        if is_carrier {
            let carrier = line.tag("carrier").to_owned();
            let before = carriers.insert(carrier, value);
            assert!(before.is_none_or(|before| before == value), "{line:?}");
        } else {
            devices.insert(value);
            assert_eq!(devices.len(), 1, "{line:?} and another value before");
        }
    }
    let said = |(key, (devices, carriers)): (Key, (BTreeSet<i64>, _))| {
        let devices = devices.first().copied().unwrap_or(-1);
        (key, Counts { devices, carriers }.said())
    };
    values.into_iter().map(said).collect()
}

/// Fails with the first differences, in both directions.
fn assert_same(who: &str, said: &Said, expected: &Said) {
    let nothing = "nothing".to_owned();
    let keys: BTreeSet<_> = said.keys().chain(expected.keys()).collect();
    let differences: Vec<_> = keys
        .into_iter()
        .filter(|key| said.get(*key) != expected.get(*key))
        .map(|key| {
            let (country, start) = key;
            let (said, expected) = (said.get(key), expected.get(key));
            format!(
                "{country} {}\n    {who} says {}\n    expected {}",
                rfc3339(*start),
                said.unwrap_or(&nothing),
                expected.unwrap_or(&nothing)
            )
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} hours differ:\n{}",
        differences.len(),
        expected.len(),
        differences[..differences.len().min(SHOWN)].join("\n")
    );
}

/// Waits until every hour that is due is closed and, if it was closed in time, sent: later its
/// lines would be too old.
async fn all_closed_and_sent(world: &World, api: SocketAddr) {
    let countries = countries(api).await;
    eventually("hours are closed and sent", async || {
        let arrived: BTreeSet<_> = world
            .agent
            .named("headcount.hour.devices")
            .into_iter()
            .map(|line| (line.tag("country").to_owned(), line.timestamp.unwrap()))
            .collect();
        for country in &countries {
            for item in hours(api, country).await {
                let end = instant_of(&item["end"]);
                let is_closed = item["revision"] != 0;
                let is_fresh = world.clock.now() - end < TimeDelta::minutes(50);
                let key = (country.clone(), end.timestamp() - 1);
                let is_sent = arrived.contains(&key);
                let wanted = is_closed && (is_sent || !is_fresh || item["complete"] == false);
                if is_due(world, &item) && !wanted {
                    return None;
                }
            }
        }
        Some(())
    })
    .await;
}

#[test]
#[should_panic(expected = "2 of 2 hours differ")]
fn a_missing_hour_and_one_too_many_are_differences() {
    let said = |key: (&str, &str)| Said::from([((key.0.to_owned(), at(key.1)), "1 {}".to_owned())]);
    let (mut one, mut other) = (said(("ph", "08:00:00")), said(("in", "08:30:00")));
    one.extend(said(("np", "08:15:00")));
    other.extend(said(("np", "08:15:00")));
    assert_same("somebody", &one, &other);
}

/// Every hour of every country and carrier, by `headcount count`, by the API and by DogStatsD.
///
/// The comparison is exhaustive in both directions. So it also says that the hour in which
/// headcount first started is incomplete and not sent, that nothing backfilled is sent, and that
/// zeros stand for carriers that were alive before and for no others.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_heartbeats_are_counted_as_a_separate_calculation_counts_them() {
    let broker = tokio::task::spawn_blocking(|| {
        let folder = DataDir::temporary().unwrap();
        Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
    })
    .await
    .unwrap();
    let files = tempfile::tempdir().unwrap();
    let started_at = at("06:05:00");
    let world = World::with_broker(&rfc3339(started_at), broker.url()).await;
    let fleet = Fleet::new(files.path(), &world, broker.port());
    fleet.write_backfill().await;
    let roles = world.run().await;
    let api = roles.api.unwrap();
    world.caught_up().await;

    let steps = steps();
    let rounds: Vec<_> = steps
        .iter()
        .filter(|(_, step)| *step == Step::Publish)
        .map(|(at, _)| *at)
        .collect();
    let backfill = fleet.backfill.to_str().unwrap().to_owned();
    let import = ["import", "heartbeats", &backfill];
    let mut round = 0;
    for (when, step) in &steps {
        world.go_to(&rfc3339(*when)).await;
        match step {
            Step::Publish => {
                fleet.publish(&rounds, round).await;
                world.caught_up().await;
                round += 1;
            }
            Step::Import => {
                let summary = binary::stdout(&world, &import).await;
                assert_eq!(
                    summary.trim_end(),
                    format!("loaded {BACKFILLED}, skipped 0")
                );
                all_closed_and_sent(&world, api).await;
            }
            Step::Close => all_closed_and_sent(&world, api).await,
        }
    }

    let closed_until = world.clock.now();
    let expected = fleet.expect(started_at, closed_until).await;
    assert!(expected.total("heartbeats") >= 200_000);
    assert_eq!(expected.total("devices"), 20_000);
    let stored = world
        .sql("select count(*) from heartbeats where heard_at is not null")
        .await;
    assert_eq!(
        stored,
        expected.total("heartbeats").to_string(),
        "every heartbeat is there, once"
    );

    let published_by = |client| expected.0["totals"]["clients"][client].as_u64().unwrap();
    let clients = ["mosquitto_pub", "paho-3.1.1", "paho-5"].map(published_by);
    assert!(
        clients.iter().all(|messages| *messages >= 5_000),
        "{clients:?}"
    );

    let (heard, closed) = (expected.heard(), expected.closed());
    let has_fallen_silent = |said: &String| said.starts_with("0 {\"");
    assert!(
        expected.sent().values().any(has_fallen_silent),
        "a country falls silent"
    );
    let incomplete = closed.values().filter(|said| said.ends_with("false"));
    assert!(incomplete.count() >= 8, "the first hour of every country");
    assert_eq!(countries(api).await, expected.countries());
    assert_same(
        "count",
        &counted(&world, &expected.countries()).await,
        &heard,
    );
    assert_same("the API", &answered(&world, api).await, &closed);
    assert_same("DogStatsD", &sent(&world), &expected.sent());

    // The same file again: nothing changes, no hour is counted anew and nothing is sent late.
    binary::stdout(&world, &import).await;
    assert_eq!(world.sql("select count(*) from late_hours").await, "0");
    world
        .go_to(&rfc3339(closed_until + TimeDelta::minutes(3)))
        .await;
    assert_same(
        "count",
        &counted(&world, &expected.countries()).await,
        &heard,
    );
    assert_same("the API", &answered(&world, api).await, &closed);
    assert_same("DogStatsD", &sent(&world), &expected.sent());
    roles.end().await;

    println!(
        "{} messages in {} rounds (mosquitto_pub {}, paho by MQTT 3.1.1 {} and by MQTT 5 {}): {} \
         heartbeats, {} that count for nothing; {} heartbeats backfilled; {} devices; {} \
         countries, {} hours, {} segments with devices: `count`, API and DogStatsD ({} hours sent) \
         agree with the separate calculation",
        expected.total("messages"),
        rounds.len(),
        clients[0],
        clients[1],
        clients[2],
        expected.total("heartbeats"),
        expected.total("rejected"),
        expected.total("backfilled"),
        expected.total("devices"),
        expected.countries().len(),
        expected.total("hours"),
        expected.total("segments"),
        expected.sent().len(),
    );
    drop(broker);
}

//! Several exporters through weeks of simulated hours: they are killed and paused, the Agent loses
//! what is sent while it restarts, heartbeats come late and gaps become known afterwards. What they
//! close and send is held against a model that shares no code with them.
//!
//! The clock is the test's. Only leases run in real time, because they are the database's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::{Duration, Instant as Moment};

use chrono::{NaiveDate, Offset as _, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use fastrand::Rng;
use model::{Clock as _, Instant};
use serde_json::Value;
use store::{Retention, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dogstatsd::Metric;
use crate::inspector::Inspector;
use crate::proxy::Proxy;
use crate::world::World;

/// How long something may take that must come. A transaction that was paused in its last moment is
/// ended by the database after ten seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a lease lasts, in real time: a takeover costs as much.
const LEASE: Duration = Duration::from_millis(400);

/// Exporters at work at the same time.
const EXPORTERS: usize = 3;

/// Shortly before the clock of Lord Howe Island moves by half an hour.
const BEGINS: &str = "2026-10-03T13:05:00Z";

/// Devices in each country.
const DEVICES: i64 = 12;

/// An hour closes this long after its end has been heard.
const SETTLE: TimeDelta = TimeDelta::minutes(2);

/// Nothing is sent when an hour ended this long ago.
const LAST_SEND: TimeDelta = TimeDelta::minutes(55);

/// Minutes after an hour's end at which it is sent, if it was closed by then.
const STEPS: [i64; 4] = [0, 10, 25, 45];

/// What the test itself sends to the Agent, to know that all before it has been read.
const MARK: &str = "test.mark:1|c";

/// Countries with their carriers, numbered from 1. One moves its clock by half an hour.
const PLACES: [(&str, Tz, &[&str]); 3] = [
    ("ph", Tz::Asia__Manila, &["globe", "smart"]),
    ("in", Tz::Asia__Kolkata, &["jio"]),
    ("au", Tz::Australia__Lord_Howe, &["telstra"]),
];

type Key = (&'static str, Instant);

/// What the run came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    /// Hours closed, over all countries.
    pub hours: usize,
    /// Of those, incomplete in the end.
    pub incomplete: usize,
    /// Revisions beyond the first.
    pub recounts: i64,
    /// Exporters killed.
    pub kills: usize,
    /// Exporters paused beyond their lease.
    pub pauses: usize,
    /// Times at which the lease changed hands.
    pub takeovers: i64,
    /// Restarts of the Agent.
    pub agent_restarts: usize,
    /// Lines with an hour's count.
    pub lines: usize,
    /// Of those, lost by the Agent.
    pub lost_lines: usize,
    /// Series and timestamps whose last value was checked.
    pub last_values: usize,
    /// Runs in the ledger of jobs that were abandoned.
    pub abandoned_runs: i64,
}

/// Lets exporters close and send so many hours.
///
/// # Errors
/// With what happened last, when they do something that the model does not.
pub async fn play(hours: i64, seed: u64) -> Result<Figures, String> {
    let mut player = Player::new(seed).await;
    let played = player.play(hours).await;
    played.map_err(|why| {
        format!(
            "{why}\nat {}, with the number {seed}",
            player.world.clock.now()
        )
    })
}

/// An exporter, with a way to the database of its own.
struct One {
    _tasks: JoinSet<anyhow::Result<()>>,
    to_postgres: Proxy,
    /// Steps for which it stays paused.
    paused: u32,
}

/// What is known of an hour.
#[derive(Default)]
struct Truth {
    end: Instant,
    devices: BTreeMap<i64, BTreeSet<usize>>,
}

/// One state in which the database held an hour.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    devices: i64,
    carriers: BTreeMap<String, i64>,
    complete: bool,
    revision: i64,
    closed_at: Instant,
}

/// A line with an hour's count, as the Agent got it.
struct Line {
    key: Key,
    carrier: Option<String>,
    value: f64,
    /// What the database had held by then.
    after_revision: i64,
    lost: bool,
}

struct Player {
    world: World,
    inspector: Inspector,
    random: Rng,
    exporters: Vec<One>,
    truths: BTreeMap<Key, Truth>,
    gaps: Vec<(Instant, Instant)>,
    watermark: Instant,
    begins: Instant,
    held: BTreeMap<Key, Vec<Held>>,
    lines: Vec<Line>,
    deaf: u32,
    maintained: NaiveDate,
    figures: Figures,
}

impl Player {
    async fn new(seed: u64) -> Self {
        let world = World::at(BEGINS).await;
        let begins = world.clock.now();
        let mut player = Self {
            inspector: Inspector::start(&world.inspected_url),
            world,
            random: Rng::with_seed(seed),
            exporters: Vec::new(),
            truths: BTreeMap::new(),
            gaps: Vec::new(),
            watermark: begins,
            begins,
            held: BTreeMap::new(),
            lines: Vec::new(),
            deaf: 0,
            maintained: NaiveDate::MIN,
            figures: Figures::default(),
        };
        player.write(&format!(
            "insert into ingest_slots (slot, client_id, topic_filter, started_at, watermark, owner,
                                       lease_until)
             values ('main', 'test', 'devices/+/heartbeat', '{begins}', '{begins}', 'test', 'infinity')"
        ));
        player.write(&format!(
            "insert into devices (device_id, first_seen_at)
             select 'device-' || n, '{begins}' from generate_series(1, {DEVICES}) n"
        ));
        for (country, zone, carriers) in PLACES {
            player.write(&format!(
                "insert into countries (country, time_zone, reach_window_secs, first_seen_at)
                 values ('{country}', '{zone}', 900, '{begins}')"
            ));
            for (index, carrier) in carriers.iter().enumerate() {
                let bit = index + 1;
                player.write(&format!(
                    "insert into carriers (country, bit, carrier, first_seen_at)
                     values ('{country}', {bit}, '{carrier}', '{begins}')"
                ));
            }
        }
        for _ in 0..EXPORTERS {
            player.start().await;
        }
        player
    }

    /// Runs a statement that changes something.
    fn write(&mut self, statement: &str) {
        self.inspector.ask(&format!(
            "with done as ({statement} returning 1) select count(*) from done"
        ));
    }

    fn now(&self) -> Instant {
        self.world.clock.now()
    }

    async fn play(&mut self, hours: i64) -> Result<Figures, String> {
        let ends = self.begins + TimeDelta::hours(hours);
        while self.now() < ends {
            let by = TimeDelta::seconds(self.random.i64(60..15 * 60));
            self.go_on(by).await;
            self.heartbeats();
            if self.random.u32(0..10) == 0 {
                self.late_burst();
            }
            if self.random.u32(0..25) == 0 {
                self.gap();
            }
            if self.random.u32(0..6) != 0 {
                self.hear();
            }
            self.trouble().await;
            self.settle().await?;
        }
        // Everything is well again, and the plan of the last hour runs to its end.
        self.listen_again().await;
        for one in &mut self.exporters {
            one.to_postgres.heal();
            one.paused = 0;
        }
        for _ in 0..14 {
            self.go_on(TimeDelta::minutes(5)).await;
            self.hear();
            self.settle().await?;
        }
        self.last_values()?;
        self.ledger()?;
        Ok(self.figures)
    }

    /// Moves the clock, and makes and drops partitions as ingest would.
    async fn go_on(&mut self, by: TimeDelta) {
        self.take_all_lines().await;
        let now = self.now() + by;
        if now.date_naive() != self.maintained {
            self.maintained = now.date_naive();
            let retention = Retention {
                heartbeats_days: 2,
                heartbeats_max_bytes: 1_000_000_000,
                presence_days: 35,
                quarantine_days: 7,
            };
            self.world.store.maintain(now, retention).await.unwrap();
        }
        self.world.clock.set(now);
    }

    /// Devices are heard in the hours that run.
    fn heartbeats(&mut self) {
        let now = self.now();
        for place in 0..PLACES.len() {
            // Now and then nobody at all.
            if self.random.u32(0..4) > 0 {
                let devices = self.random.usize(1..6);
                self.hear_of(place, now, devices);
            }
        }
    }

    /// Devices are heard of in an hour that may have ended.
    fn late_burst(&mut self) {
        let back = TimeDelta::minutes(self.random.i64(5..100));
        let at = (self.now() - back).max(self.begins);
        let (place, devices) = (self.random.usize(0..PLACES.len()), self.random.usize(1..8));
        self.hear_of(place, at, devices);
    }

    fn hear_of(&mut self, place: usize, at: Instant, devices: usize) {
        let (country, _, carriers) = PLACES[place];
        let (start, end) = hour_of(place, at);
        let now = self.now();
        let ended = end <= now;
        for _ in 0..devices {
            let device = self.random.i64(1..=DEVICES);
            let carrier = self.random.usize(0..carriers.len());
            let truth = self.truths.entry((country, start)).or_default();
            truth.end = end;
            if !truth.devices.entry(device).or_default().insert(carrier) {
                continue;
            }
            let set = 1_i64 << (carrier + 1);
            self.write(&format!(
                "insert into presence as p values ('{start}', '{country}', {device}, {set})
                 on conflict (hour, country, device_no) do update
                 set carriers = p.carriers | excluded.carriers"
            ));
            if ended {
                self.write(&format!(
                    "insert into late_hours values ('{country}', '{start}', '{end}', '{now}')
                     on conflict (country, hour) do update set marked_at = excluded.marked_at"
                ));
            }
        }
    }

    /// It becomes known that something was missed, until now.
    fn gap(&mut self) {
        let now = self.now();
        let from = now - TimeDelta::seconds(self.random.i64(30..1200));
        self.gaps.push((from, now));
        self.inspector.ask(&format!(
            "with gap as (
                 insert into gaps (slot, cause, from_at, to_at)
                 values ('main', 'broker_away', '{from}', '{now}')
                 on conflict do nothing
             ), marked as (
                 insert into late_hours (country, hour, hour_end, marked_at)
                 select country, hour, hour_end, '{now}' from hourly_counts
                 where hour < '{now}' and hour_end > '{from}'
                 on conflict (country, hour) do update set marked_at = excluded.marked_at
             ) select 1"
        ));
    }

    fn hear(&mut self) {
        self.watermark = self.now();
        let watermark = self.watermark;
        self.write(&format!(
            "update ingest_slots set watermark = '{watermark}'"
        ));
    }

    /// What happens to exporters and to the Agent. One exporter is always left alone.
    async fn trouble(&mut self) {
        self.deaf = match self.deaf {
            0 if self.random.u32(0..20) == 0 => {
                self.take_all_lines().await;
                self.figures.agent_restarts += 1;
                self.random.u32(1..3)
            }
            1 => {
                self.listen_again().await;
                0
            }
            deaf => deaf.saturating_sub(1),
        };
        for one in &mut self.exporters {
            one.paused = match one.paused {
                1 => {
                    one.to_postgres.heal();
                    0
                }
                paused => paused.saturating_sub(1),
            };
        }
        // Whatever comes, comes in the middle of their work.
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..25))).await;
        let at_work = self.exporters.iter().filter(|one| one.paused == 0).count();
        let victim = self.random.usize(0..self.exporters.len());
        match self.random.u32(0..12) {
            0 => {
                drop(self.exporters.swap_remove(victim));
                self.figures.kills += 1;
                self.start().await;
            }
            1 if at_work > 1 && self.exporters[victim].paused == 0 => {
                self.exporters[victim].to_postgres.stall();
                self.exporters[victim].paused = self.random.u32(1..6);
                self.figures.pauses += 1;
            }
            _ => {}
        }
    }

    async fn listen_again(&mut self) {
        self.take_all_lines().await;
        self.deaf = 0;
    }

    async fn start(&mut self) {
        let (front, port) = self.world.inspected_url.rsplit_once(':').unwrap();
        let (port, database) = port.split_once('/').unwrap();
        let to_postgres = Proxy::to(port.parse().unwrap()).await;
        let store = Store::new(&store::Settings {
            url: format!("{front}:{}/{database}", to_postgres.port()),
            max_connections: 4,
            statement_timeout: Duration::from_secs(20),
            application_name: "exporter".to_owned(),
        });
        let mut config = self.world.exporter_config();
        config.tick = Duration::from_millis(15);
        config.lease = LEASE;
        let context = exporter::Context {
            store: store.unwrap(),
            clock: self.world.clock.clone(),
            catalogue: self.world.catalogue.clone(),
            health: self.world.health.clone(),
            shutdown: CancellationToken::new(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(exporter::run(config, context));
        self.exporters.push(One {
            _tasks: tasks,
            to_postgres,
            paused: 0,
        });
    }

    /// Waits until everything that is due at this instant is closed and sent, and checks it.
    async fn settle(&mut self) -> Result<(), String> {
        let deadline = Moment::now() + PATIENCE;
        loop {
            let open = self.look()?;
            self.take_lines();
            let Some(open) = open else { return Ok(()) };
            if Moment::now() > deadline {
                return Err(format!("never came: {open}"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Looks at what the database holds, and says what is still to come.
    fn look(&mut self) -> Result<Option<String>, String> {
        let now = self.now();
        let since = now - TimeDelta::hours(5);
        let answer = self.inspector.ask(&format!(
            "select coalesce(json_agg(json_build_array(h.country, extract(epoch from hour)::bigint,
                    devices, h.carriers, complete, h.revision,
                    (extract(epoch from closed_at) * 1000000)::bigint,
                    (select max(step) from emissions e where e.country = h.country
                         and e.hour = h.hour and e.revision = h.revision),
                    exists (select from late_hours l where l.country = h.country
                         and l.hour = h.hour))), '[]')
             from hourly_counts h where hour_end > '{since}'"
        ));
        let mut seen = BTreeSet::new();
        let mut open = None;
        for row in answer.as_array().unwrap() {
            let place = place_of(row[0].as_str().unwrap());
            let start = Instant::from_timestamp(row[1].as_i64().unwrap(), 0).unwrap();
            let key = (PLACES[place].0, start);
            let (true_start, end) = hour_of(place, start);
            if true_start != start {
                return Err(format!("{key:?} is no hour"));
            }
            if end + SETTLE > self.watermark {
                return Err(format!(
                    "{key:?} is closed, and heard until {}",
                    self.watermark
                ));
            }
            seen.insert(key);
            let held = held(row);
            let states = self.held.entry(key).or_default();
            match states.last() {
                Some(last) if last.revision > held.revision => {
                    return Err(format!("{key:?} went back from {last:?} to {held:?}"));
                }
                Some(last) if last.revision == held.revision => {
                    let same = (last.devices, &last.carriers, last.complete)
                        == (held.devices, &held.carriers, held.complete);
                    if !same {
                        return Err(format!("{key:?} changed from {last:?} to {held:?}"));
                    }
                }
                _ => {
                    self.figures.recounts += i64::from(!states.is_empty());
                    states.push(held.clone());
                }
            }
            if row[8] == true {
                if now - held.closed_at >= TimeDelta::minutes(1) {
                    open = Some(format!("{key:?} is counted again"));
                }
                continue;
            }
            if held.complete && self.hidden_secs(start, end) > 300 {
                // The gap came while the hour was being closed; that is noticed next.
                open = Some(format!("{key:?} is judged again"));
                continue;
            }
            self.is_true(key, end, &held)?;
            let (step, due) = (row[7].as_i64(), due_step(end, now));
            if held.complete && !held.carriers.is_empty() && due.is_some() && step < due {
                open = Some(format!("{key:?} is sent, step {due:?} after {step:?}"));
            }
            if !held.complete && step.is_some() {
                return Err(format!("{key:?} is incomplete and was sent: {held:?}"));
            }
        }
        for (place, (country, ..)) in PLACES.iter().enumerate() {
            let (mut start, mut end) = hour_of(place, self.begins.max(since + TimeDelta::hours(3)));
            while end + SETTLE <= self.watermark {
                if !seen.contains(&(*country, start)) {
                    open = Some(format!("{country} {start} is closed"));
                }
                (start, end) = hour_of(place, end);
            }
        }
        Ok(open)
    }

    /// Holds an hour against the truth.
    fn is_true(&self, key: Key, end: Instant, held: &Held) -> Result<(), String> {
        let nothing = Truth::default();
        let truth = self.truths.get(&key).unwrap_or(&nothing);
        let names = PLACES[place_of(key.0)].2;
        let mut carriers: BTreeMap<String, i64> = BTreeMap::new();
        for set in truth.devices.values() {
            for carrier in set {
                *carriers.entry(names[*carrier].to_owned()).or_default() += 1;
            }
        }
        let mut found = held.carriers.clone();
        found.retain(|_, devices| *devices > 0);
        let complete = self.hidden_secs(key.1, end) <= 300;
        let devices = i64::try_from(truth.devices.len()).unwrap();
        if (devices, &carriers, complete) == (held.devices, &found, held.complete) {
            return Ok(());
        }
        Err(format!(
            "{key:?} is {held:?}, and in truth {devices} {carriers:?} complete: {complete}"
        ))
    }

    /// How many seconds of an hour gaps hide, one by one.
    fn hidden_secs(&self, start: Instant, end: Instant) -> usize {
        let gaps = self.gaps.iter();
        let gaps: Vec<_> = gaps
            .filter(|(from, to)| *from < end && *to > start)
            .collect();
        if gaps.is_empty() {
            return 0;
        }
        (start.timestamp()..end.timestamp())
            .filter(|secs| {
                let at = Instant::from_timestamp(*secs, 0).unwrap();
                gaps.iter().any(|(from, to)| *from <= at && at < *to)
            })
            .count()
    }

    /// Takes everything that was sent until now, however late the Agent gets to read it: it reads in
    /// order, so all of it comes before a mark that is sent now.
    async fn take_all_lines(&mut self) {
        let agent = self.world.agent.url().replace("udp://", "");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(MARK.as_bytes(), agent).unwrap();
        while !self.take_lines() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Takes what the Agent has read since the clock moved last, and checks each line by itself. Returns
    /// whether the mark was there.
    fn take_lines(&mut self) -> bool {
        let now = self.now();
        let mut marked = false;
        for metric in self.world.agent.take() {
            marked |= MARK.starts_with(&metric.name);
            if !metric.name.starts_with("headcount.hour.") {
                continue;
            }
            let line = self.line(&metric, now);
            self.figures.lines += 1;
            self.figures.lost_lines += usize::from(line.lost);
            self.lines.push(line);
        }
        marked
    }

    fn line(&self, metric: &Metric, now: Instant) -> Line {
        let last_second = Instant::from_timestamp(metric.timestamp.unwrap(), 0).unwrap();
        let end = last_second + TimeDelta::seconds(1);
        assert!(
            now < end + LAST_SEND,
            "{metric:?} is sent at {now}: too old"
        );
        let place = place_of(metric.tag("country"));
        let (start, true_end) = hour_of(place, last_second);
        assert_eq!(end, true_end, "{metric:?} is not at the end of an hour");
        let key = (PLACES[place].0, start);
        let states = self.held.get(&key).map_or(&[][..], Vec::as_slice);
        Line {
            key,
            carrier: metric.tags.get("carrier").cloned(),
            value: metric.value,
            after_revision: states.last().map_or(0, |held| held.revision),
            lost: self.deaf > 0,
        }
    }

    /// Checks that each line told what an hour was at some time while it was complete, and that the
    /// last one that the Agent has got is the last that the hour was.
    fn last_values(&mut self) -> Result<(), String> {
        let mut last: BTreeMap<(Key, Option<String>), &Line> = BTreeMap::new();
        for line in &self.lines {
            let told =
                |held: &&Held| held.complete && value(held, line.carrier.as_ref()) == line.value;
            let states = self.held.get(&line.key).map_or(&[][..], Vec::as_slice);
            if !states.iter().any(|held| told(&held)) {
                let (key, value) = (line.key, line.value);
                return Err(format!(
                    "{value} was sent for {key:?}, which was {states:?}"
                ));
            }
            if !line.lost {
                last.insert((line.key, line.carrier.clone()), line);
            }
        }
        for (key, states) in &self.held {
            let (_, end) = hour_of(place_of(key.0), key.1);
            self.figures.hours += 1;
            self.figures.incomplete +=
                usize::from(states.last().is_some_and(|held| !held.complete));
            let sendable = |held: &&Held| {
                held.complete && !held.carriers.is_empty() && held.closed_at < end + LAST_SEND
            };
            let Some(exact) = states.iter().rfind(sendable) else {
                continue;
            };
            let carriers = exact.carriers.keys().cloned().map(Some);
            for carrier in [None].into_iter().chain(carriers) {
                let Some(line) = last.get(&(*key, carrier.clone())) else {
                    continue;
                };
                // A revision of the last minutes is sent once, which the Agent may have missed.
                if line.after_revision < exact.revision
                    && line.value != value(exact, carrier.as_ref())
                    && self.was_lost(*key, exact.revision)
                {
                    continue;
                }
                self.figures.last_values += 1;
                if line.value != value(exact, carrier.as_ref()) {
                    return Err(format!(
                        "the last value of {key:?} {carrier:?} is {}, and it is {exact:?}",
                        line.value
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether all lines of a revision were lost by the Agent.
    fn was_lost(&self, key: Key, revision: i64) -> bool {
        let mut lines = self.lines.iter();
        !lines.any(|line| line.key == key && line.after_revision >= revision && !line.lost)
    }

    /// The ledger of jobs tells the truth about itself.
    fn ledger(&mut self) -> Result<(), String> {
        let runs = self.inspector.ask(
            "select json_build_object(
                'running', count(*) filter (where status = 'running'),
                'abandoned', count(*) filter (where status = 'abandoned'),
                'idle', count(*) filter (where status = 'ok' and rows_written = 0),
                'backwards', count(*) filter (where finished_at < started_at),
                'takeovers', (select term - 1 from leases where name = 'exporter'))
             from job_runs",
        );
        let number = |name: &str| runs[name].as_i64().unwrap();
        self.figures.abandoned_runs = number("abandoned");
        self.figures.takeovers = number("takeovers");
        if number("running") > 0 || number("idle") > 0 || number("backwards") > 0 {
            return Err(format!("the ledger of jobs says {runs}"));
        }
        Ok(())
    }
}

fn value(held: &Held, carrier: Option<&String>) -> f64 {
    let devices = match carrier {
        None => held.devices,
        Some(carrier) => held.carriers.get(carrier).copied().unwrap_or(-1),
    };
    devices as f64
}

fn held(row: &Value) -> Held {
    let carriers = row[3].as_object().unwrap().iter();
    Held {
        devices: row[2].as_i64().unwrap(),
        carriers: carriers
            .map(|(carrier, devices)| (carrier.clone(), devices.as_i64().unwrap()))
            .collect(),
        complete: row[4] == true,
        revision: row[5].as_i64().unwrap(),
        closed_at: Instant::from_timestamp_micros(row[6].as_i64().unwrap()).unwrap(),
    }
}

fn place_of(country: &str) -> usize {
    let mut places = PLACES.iter();
    places.position(|(code, ..)| *code == country).unwrap()
}

/// The step that must have been carried out by now, if anything is sent at all.
fn due_step(end: Instant, now: Instant) -> Option<i64> {
    let mins = (now - end).num_minutes();
    let reached = STEPS.into_iter().filter(|step| *step <= mins).max();
    reached.filter(|_| now < end + LAST_SEND)
}

/// The hour of a place's clock that holds an instant: from one minute at which the clock reads a full
/// hour to the next.
fn hour_of(place: usize, at: Instant) -> (Instant, Instant) {
    let zone = PLACES[place].1;
    let full = |at: &Instant| {
        let ahead = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        at.with_timezone(&ahead).minute() == 0
    };
    let minute = at.with_second(0).unwrap().with_nanosecond(0).unwrap();
    let mut back = (0..).map(|mins| minute - TimeDelta::minutes(mins));
    let mut on = (1..).map(|mins| minute + TimeDelta::minutes(mins));
    (back.find(full).unwrap(), on.find(full).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_beside_a_shift_by_half_an_hour_is_longer() {
        let hour = |at: &str| hour_of(2, at.parse().unwrap());
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let long = (at("2026-10-03T14:30:00Z"), at("2026-10-03T16:00:00Z"));
        assert_eq!(hour("2026-10-03T14:30:00Z"), long);
        assert_eq!(hour("2026-10-03T15:59:59Z"), long);
        assert_eq!(hour("2026-10-03T16:00:00Z").0, long.1);
    }
}

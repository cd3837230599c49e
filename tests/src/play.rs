//! Plays a schedule on a real broker and a real database, and holds what headcount makes of it
//! against the truth.
//!
//! The clock stands still while something happens in real time, so it is known exactly at which
//! instant each thing happened. The one thing that stays open is what became of a message that came
//! at the very moment at which a process or the broker ended; there the model allows both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::{Duration, Instant as Moment};

use chrono::TimeDelta;
use devstack::{DataDir, Mosquitto, MosquittoOptions};
use fastrand::Rng;
use ingest::topic::TopicFilter;
use model::{Country, Instant};
use serde_json::{Value, json};

use crate::inspector::Inspector;
use crate::publisher::Publisher;
use crate::schedule::{End, Move, Schedule, Step};
use crate::stage::Server;
use crate::truth::{Beat, ClosedHour, Gap, PLACES, SETTLE, Stored, Truth, united};
use crate::world::{Roles, World};

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(90);

/// Names the number of one schedule, to play it again.
const SEED: &str = "HEADCOUNT_MODEL_SEED";

/// Devices in each country.
const DEVICES: usize = 4;

/// How long the slot is ours after a commit: an abrupt end costs as much in real time.
const LEASE: Duration = Duration::from_secs(1);

/// What a schedule came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    /// Schedules.
    pub schedules: usize,
    /// Things that happened.
    pub steps: usize,
    /// Heartbeats that the broker took.
    pub taken: usize,
    /// Of those, stored.
    pub stored: usize,
    /// Of those, of unknown time.
    pub of_unknown_time: usize,
    /// Lost by the broker or for want of a subscription, in recorded gaps.
    pub lost: usize,
    /// Hours that were closed.
    pub hours: usize,
    /// Of those, incomplete.
    pub incomplete: usize,
}

impl Figures {
    /// Adds those of another schedule.
    pub fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.taken += other.taken;
        self.stored += other.stored;
        self.of_unknown_time += other.of_unknown_time;
        self.lost += other.lost;
        self.hours += other.hours;
        self.incomplete += other.incomplete;
    }
}

/// The numbers of the schedules to play: these, unless one was asked for.
///
/// # Panics
/// When what was asked for is no number.
#[must_use]
pub fn seeds(these: impl IntoIterator<Item = u64>) -> Vec<u64> {
    match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => these.into_iter().collect(),
    }
}

/// Plays the schedule of a number.
///
/// # Errors
/// With everything that happened, when headcount makes something else of it than the model.
pub async fn play(seed: u64, steps: usize) -> Result<Figures, String> {
    let mut player = Player::new(seed).await;
    let played = player.play(seed, steps).await;
    played.map_err(|why| {
        let log = player.log.join("\n  ");
        format!("{why}\nplay it again with {SEED}={seed}, {steps} steps:\n  {log}")
    })
}

struct Player {
    world: World,
    broker: Server<Mosquitto>,
    broker_runs: bool,
    ingest: Option<Roles>,
    exporter: Option<Roles>,
    inspector: Inspector,
    truth: Truth,
    random: Rng,
    /// The number of the topic filter.
    filter: u32,
    /// The one before it.
    filter_before: u32,
    /// The highest so far.
    last_filter: u32,
    /// Whether an owner ended between beginning to connect and telling what it found.
    in_doubt: bool,
    last_seq: i64,
    /// Countries that were heard of for certain, and since when.
    heard_of: BTreeMap<usize, Instant>,
    last_watermark: Option<Instant>,
    log: Vec<String>,
}

/// What the database holds, at one moment.
#[derive(Debug)]
struct Look {
    watermark: Option<Instant>,
    stored: BTreeSet<i64>,
    away: bool,
    owned: bool,
    in_doubt: bool,
    hours: usize,
    late_hours: usize,
}

impl Player {
    async fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_add(1));
        let start = || {
            let folder = DataDir::temporary().unwrap();
            Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
        };
        let broker = tokio::task::spawn_blocking(start).await.unwrap();
        let begins: Instant = "2026-11-21T00:00:00Z".parse().unwrap();
        let begins = begins + TimeDelta::seconds(random.i64(0..6 * 3600));
        let world = World::with_broker(&begins.to_rfc3339(), broker.url()).await;
        Self {
            inspector: Inspector::start(&world.inspected_url),
            world,
            broker: Server::new(broker),
            broker_runs: true,
            ingest: None,
            exporter: None,
            truth: Truth::default(),
            random,
            filter: 0,
            filter_before: 0,
            last_filter: 0,
            in_doubt: false,
            last_seq: 0,
            heard_of: BTreeMap::new(),
            last_watermark: None,
            log: Vec::new(),
        }
    }

    async fn play(&mut self, seed: u64, steps: usize) -> Result<Figures, String> {
        let mut schedule = Schedule::new(seed);
        // Hours are closed as they pass, or all at the end.
        if self.random.bool() {
            self.start_exporter().await;
        }
        for _ in 0..steps {
            self.step(schedule.step()).await?;
        }
        for step in schedule.last_steps() {
            self.step(step).await?;
        }
        // All that was touched is closed, with some hours after it.
        for _ in 0..2 {
            let hours = TimeDelta::minutes(self.random.i64(90..200));
            self.step(Step::Clock(Move::By(hours))).await?;
            self.step(Step::Beats(2)).await?;
        }
        if self.exporter.is_none() {
            self.start_exporter().await;
        }
        let mut figures = self.compare().await?;
        figures.steps = self.log.len();
        for roles in [self.ingest.take(), self.exporter.take()] {
            roles.unwrap().end().await;
        }
        Ok(figures)
    }

    fn now(&self) -> Instant {
        use model::Clock as _;
        self.world.clock.now()
    }

    fn listens(&self) -> bool {
        self.ingest.is_some() && self.broker_runs
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        self.log
            .push(format!("{} {step:?}", self.now().format("%d %H:%M:%S%.3f")));
        match step {
            Step::Beats(count) => {
                let beats = self.beats(count, false);
                self.publish(beats.clone()).await;
                self.reach(beats, false);
                self.settle().await
            }
            Step::Clock(to) => {
                self.world.clock.set(self.destination(to));
                self.settle().await
            }
            Step::ClockBack(secs) => self.clock_back(secs).await,
            Step::EndIngest(end, beats) => {
                self.beats_at_the_end(beats).await;
                let ingest = self.ingest.take().unwrap();
                self.truth.leaves();
                self.end(ingest, end).await;
                Ok(())
            }
            Step::StartIngest(end_before) => self.start_ingest(end_before).await,
            Step::StopBroker(beats) => {
                self.beats_at_the_end(beats).await;
                self.broker.does(Mosquitto::stop).await;
                self.broker_runs = false;
                self.settle().await
            }
            Step::StartBroker(forgets) => self.start_broker(forgets).await,
            Step::ChangeFilter(back) => {
                self.change_filter(back);
                self.a_moment_later();
                Ok(())
            }
        }
    }

    /// Goes back to a filter only where the one of now was listened to: two changes of which ingest
    /// never hears are none.
    fn change_filter(&mut self, back: bool) {
        let now = self.filter;
        if back && self.truth.filter() == Some(now) {
            self.filter = self.filter_before;
        } else {
            self.last_filter += 1;
            self.filter = self.last_filter;
        }
        self.filter_before = now;
    }

    fn destination(&self, to: Move) -> Instant {
        let now = self.now();
        match to {
            Move::By(by) => now + by,
            Move::NearHour { place, off } => {
                let mut full = PLACES[place].hour_of(now) + TimeDelta::hours(1);
                while full + off <= now {
                    full += TimeDelta::hours(1);
                }
                full + off
            }
        }
    }

    /// So that what follows does not happen at the same instant.
    fn a_moment_later(&self) {
        self.world.clock.advance(Duration::from_millis(1));
    }

    /// Clocks are set right, also backwards. What comes meanwhile counts when it comes.
    async fn clock_back(&mut self, secs: i64) -> Result<(), String> {
        let right = self.now();
        self.world.clock.set(right - TimeDelta::seconds(secs));
        let mut beats = self.beats(2, true);
        // An hour before the first of a country is not closed for a clock that was wrong.
        let now = self.now();
        beats.retain(|beat| PLACES[beat.place].hour_of(self.heard_of[&beat.place]) <= now);
        for beat in &mut beats {
            beat.at_most_once = false;
        }
        self.publish(beats.clone()).await;
        let seqs: BTreeSet<_> = beats.iter().map(|beat| beat.seq).collect();
        self.until("the heartbeats are stored", |_, look| {
            look.stored.is_superset(&seqs)
        })
        .await?;
        self.reach(beats, false);
        self.world.clock.set(right);
        self.a_moment_later();
        self.settle().await
    }

    /// Heartbeats after which something ends before anybody knows what became of them.
    async fn beats_at_the_end(&mut self, count: usize) {
        let beats = self.beats(count, true);
        self.publish(beats.clone()).await;
        self.reach(beats, true);
    }

    async fn start_ingest(&mut self, end_before: Option<End>) -> Result<(), String> {
        if self.truth.watermark() == Some(self.now()) {
            // Otherwise nothing would show that it listens.
            self.a_moment_later();
        }
        if let Some(end) = end_before {
            let goal = self.now();
            self.note_doubt().await?;
            let roles = self.run_ingest().await;
            match self.random.u32(0..3) {
                0 => {}
                1 => {
                    self.until("the slot is taken", |_, look| look.owned)
                        .await?;
                }
                _ if self.broker_runs => {
                    // What had waited may be stored in part by now.
                    self.until("something is heard", |_, look| {
                        look.watermark.is_some_and(|watermark| watermark >= goal)
                    })
                    .await?;
                }
                _ => {
                    self.until("the gap is open", |_, look| look.away).await?;
                }
            }
            self.end(roles, end).await;
        }
        self.note_doubt().await?;
        self.ingest = Some(self.run_ingest().await);
        if self.broker_runs {
            self.listens_again();
        }
        self.settle().await
    }

    async fn start_broker(&mut self, forgets: bool) -> Result<(), String> {
        if forgets {
            self.truth.forgets();
            self.a_moment_later();
            let restart = Mosquitto::restart_without_persistence;
            self.broker.does(restart).await;
        } else {
            self.broker.does(Mosquitto::restart).await;
        }
        self.broker_runs = true;
        if self.ingest.is_some() {
            self.listens_again();
        }
        self.settle().await
    }

    /// Whether an owner that ended had begun to connect is a matter of real time. Only headcount knows;
    /// what must follow from it is known here. Once nobody owns the slot, nothing is under way any
    /// more.
    async fn note_doubt(&mut self) -> Result<(), String> {
        self.until("nobody owns the slot", |_, look| !look.owned)
            .await?;
        self.in_doubt |= self.look()?.in_doubt;
        Ok(())
    }

    fn listens_again(&mut self) {
        let in_doubt = std::mem::take(&mut self.in_doubt);
        self.truth.listens(self.filter, in_doubt, self.now());
    }

    async fn end(&self, roles: Roles, end: End) {
        match end {
            End::InOrder => roles.end().await,
            End::Abruptly => roles.kill().await,
        }
    }

    fn topic(&self, device: &str) -> String {
        self.filter().replace('+', device)
    }

    fn filter(&self) -> String {
        format!("test{}-{}/+/heartbeat", self.world.number, self.filter)
    }

    async fn run_ingest(&self) -> Roles {
        let mut config = self.world.ingest_config();
        config.topic_filter = TopicFilter::parse(&self.filter()).unwrap();
        config.lease = LEASE;
        config.probe_interval = Duration::from_millis(40);
        config.batch_max_age = Duration::from_millis(5);
        for place in &PLACES {
            let settings = ingest::CountryOverride {
                time_zone: None,
                reach_window: Some(place.reach_window.to_std().unwrap()),
            };
            let country = Country::parse(place.country).unwrap();
            config.countries.insert(country, settings);
        }
        self.world.run_with(Some(config), None).await
    }

    async fn start_exporter(&mut self) {
        let mut config = self.world.exporter_config();
        config.tick = Duration::from_millis(150);
        self.exporter = Some(self.world.run_with(None, Some(config)).await);
    }

    /// Draws heartbeats. Whether the first of a country is stored must not stay open: its hours
    /// begin with it.
    fn beats(&mut self, count: usize, heard_of_only: bool) -> Vec<Beat> {
        let mut beats: Vec<Beat> = Vec::new();
        for _ in 0..count {
            let place = self.random.usize(0..PLACES.len());
            if heard_of_only && !self.heard_of.contains_key(&place) {
                continue;
            }
            self.last_seq += 1;
            let device = self.random.usize(0..DEVICES);
            beats.push(Beat {
                seq: self.last_seq,
                device: format!("{}-{device}", PLACES[place].country),
                place,
                sent_at: self.sent_at(),
                at_most_once: self.random.u32(0..8) == 0,
            });
        }
        // What comes at QoS 1 shows that what came before it is here too.
        beats.sort_by_key(|beat| !beat.at_most_once);
        if let Some(last) = beats.last_mut() {
            last.at_most_once = false;
        }
        beats
    }

    /// What a device says: nothing, the truth, something it had kept, or the time of a wrong clock.
    fn sent_at(&mut self) -> Option<Instant> {
        let now = self.now();
        let random = &mut self.random;
        match random.u32(0..10) {
            0..3 => None,
            3..7 => Some(now),
            7 => Some(now - TimeDelta::seconds(random.i64(1..4 * 3600))),
            8 => Some(now + TimeDelta::seconds(random.i64(1..2 * 3600))),
            _ => {
                let touch = TimeDelta::milliseconds(random.i64(-1..=1));
                self.truth.watermark().map(|watermark| watermark + touch)
            }
        }
    }

    async fn publish(&mut self, beats: Vec<Beat>) {
        if beats.is_empty() {
            return;
        }
        let payload = |beat: &Beat| {
            let (mcc, mnc) = PLACES[beat.place].network;
            let mut entry = json!({ "seq": beat.seq, "mcc": mcc, "mnc": mnc });
            let Some(sent_at) = beat.sent_at else {
                return entry;
            };
            entry["sent_at"] = json!(sent_at);
            if beat.seq % 5 == 0 {
                // A device that sends what it had kept, all at once.
                let kept =
                    [2, 1].map(|hours| json!({ "sent_at": sent_at - TimeDelta::hours(hours) }));
                return json!([kept[0], entry, kept[1]]);
            }
            entry
        };
        let mut publisher = Publisher::new(&self.world.broker_url);
        let message = |beat: &Beat| {
            (
                self.topic(&beat.device),
                payload(beat).to_string().into_bytes(),
            )
        };
        let (at_most_once, promised): (Vec<_>, Vec<_>) =
            beats.iter().partition(|beat| beat.at_most_once);
        publisher.publish_at_most_once(at_most_once.into_iter().map(message));
        publisher.publish(promised.into_iter().map(message)).await;
    }

    fn reach(&mut self, beats: Vec<Beat>, at_the_end: bool) {
        for beat in beats {
            if !at_the_end && !beat.at_most_once && self.listens() {
                let now = self.now();
                self.heard_of.entry(beat.place).or_insert(now);
            }
            self.log.push(format!("    {beat:?}"));
            self.truth
                .reaches(beat, self.filter, self.now(), at_the_end);
        }
    }

    /// Waits until ingest, if it runs, has noticed everything so far, before the clock moves on.
    async fn settle(&mut self) -> Result<(), String> {
        if self.ingest.is_none() {
            return self.look().map(drop);
        }
        if !self.broker_runs {
            self.truth.misses_the_broker(self.now());
            return self.until("the gap is open", |_, look| look.away).await;
        }
        let now = self.now();
        self.until("all is heard", |truth, look| {
            let promised = truth.stored_before(Instant::MAX_UTC);
            !look.away
                && look.watermark.is_some_and(|watermark| watermark >= now)
                && promised.into_iter().all(|seq| look.stored.contains(&seq))
        })
        .await?;
        self.truth.heard_until(now);
        Ok(())
    }

    async fn until(
        &mut self,
        what: &str,
        condition: impl Fn(&Truth, &Look) -> bool,
    ) -> Result<(), String> {
        let deadline = Moment::now() + PATIENCE;
        loop {
            let look = self.look()?;
            if condition(&self.truth, &look) {
                return Ok(());
            }
            if Moment::now() > deadline {
                let troubles = self.world.health.troubles();
                return Err(format!(
                    "never came: {what}\nlast seen: {look:?}\nin trouble: {troubles:?}"
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Looks at the database, all at one moment, and checks what must hold at every moment.
    fn look(&mut self) -> Result<Look, String> {
        let answer = self.inspector.ask(LOOK);
        let look = Look {
            watermark: instant(&answer["watermark"]),
            stored: answer["stored"]
                .as_array()
                .unwrap()
                .iter()
                .map(|seq| seq.as_i64().unwrap())
                .collect(),
            away: answer["away"] == true,
            owned: answer["owned"] == true,
            in_doubt: answer["in_doubt"] == true,
            hours: count(&answer["hours"]),
            late_hours: count(&answer["late_hours"]),
        };
        if look.stored.len() < answer["stored"].as_array().unwrap().len() {
            return Err(format!("stored twice: {}", answer["stored"]));
        }
        if look.watermark < self.last_watermark {
            let (before, now) = (self.last_watermark, look.watermark);
            return Err(format!(
                "the watermark went back from {before:?} to {now:?}"
            ));
        }
        self.last_watermark = look.watermark;
        if let Some(watermark) = look.watermark {
            let missing = self
                .truth
                .stored_before(watermark)
                .find(|seq| !look.stored.contains(seq));
            if let Some(seq) = missing {
                return Err(format!(
                    "the watermark is {watermark}, and {seq} is not stored"
                ));
            }
            if let Some(closed_until) = instant(&answer["closed_until"])
                && closed_until + SETTLE > watermark
            {
                return Err(format!(
                    "closed until {closed_until}, while the watermark is {watermark}"
                ));
            }
        }
        Ok(look)
    }

    /// Holds everything in the database against the model.
    async fn compare(&mut self) -> Result<Figures, String> {
        let stored: BTreeMap<i64, Stored> = rows(&self.inspector.ask(STORED))
            .map(|row| {
                let received_at = instant(&row[1]).unwrap();
                (row[0].as_i64().unwrap(), (received_at, instant(&row[2])))
            })
            .collect();
        let expected = self.truth.expected(&stored)?;
        let hours = expected.hours.len();
        let closed = self.until("all hours are closed", |_, look| {
            look.hours >= hours && look.late_hours == 0
        });
        let closed = closed.await;

        let found: BTreeMap<_, _> = rows(&self.inspector.ask(HOURS))
            .map(|row| {
                let causes = row[5].as_array().unwrap().iter();
                let hour = ClosedHour {
                    devices: row[2].as_i64().unwrap(),
                    complete: row[3] == true,
                    gap_secs: row[4].as_i64().unwrap(),
                    causes: causes.map(text).collect(),
                };
                let revision = row[6].as_i64().unwrap();
                ((text(&row[0]), instant(&row[1]).unwrap()), (hour, revision))
            })
            .collect();
        let found_hours: BTreeMap<_, _> = found
            .iter()
            .map(|(key, (hour, _))| (key.clone(), hour.clone()))
            .collect();
        let gaps = rows(&self.inspector.ask(GAPS)).map(|row| Gap {
            cause: CAUSES
                .into_iter()
                .find(|cause| row[0] == *cause)
                .unwrap_or("another"),
            country: PLACES
                .iter()
                .map(|place| place.country)
                .find(|country| row[1] == *country),
            from: instant(&row[2]).unwrap(),
            to: instant(&row[3]).unwrap_or(Instant::MAX_UTC),
        });
        same("gaps", united(gaps.collect()), expected.gaps)?;
        let presence: BTreeSet<_> = rows(&self.inspector.ask(PRESENCE))
            .map(|row| (text(&row[0]), instant(&row[1]).unwrap(), text(&row[2])))
            .collect();
        same("presence", presence, expected.presence)?;
        same("hours", found_hours.clone(), expected.hours.clone())?;
        closed?;
        // All was known when an hour was closed, so it is never counted anew.
        if let Some(again) = found.iter().find(|(_, (_, revision))| *revision != 1) {
            return Err(format!("counted more than once: {again:?}"));
        }
        self.only_complete_hours_are_sent(&found_hours)?;
        Ok(Figures {
            schedules: 1,
            steps: 0,
            taken: usize::try_from(self.last_seq).unwrap(),
            stored: stored.len(),
            of_unknown_time: stored.values().filter(|(_, heard)| heard.is_none()).count(),
            lost: expected.lost,
            hours,
            incomplete: expected
                .hours
                .values()
                .filter(|hour| !hour.complete)
                .count(),
        })
    }

    fn only_complete_hours_are_sent(
        &self,
        hours: &BTreeMap<(String, Instant), ClosedHour>,
    ) -> Result<(), String> {
        for line in self.world.agent.named("headcount.hour.devices") {
            let country = line.tags["country"].clone();
            let last_second = line.timestamp.and_then(|at| Instant::from_timestamp(at, 0));
            let start = last_second.unwrap() + TimeDelta::seconds(1) - TimeDelta::hours(1);
            let hour = hours.get(&(country, start));
            let right = hour.is_some_and(|hour| hour.complete && hour.devices as f64 == line.value);
            if !right {
                return Err(format!("sent {line:?}, and the hour is {hour:?}"));
            }
        }
        Ok(())
    }
}

const CAUSES: [&str; 4] = ["broker_away", "session_lost", "unknown_time", "first_start"];

/// Instants as microseconds.
macro_rules! micros {
    ($column:literal) => {
        concat!("(extract(epoch from ", $column, ") * 1000000)::bigint")
    };
}

const LOOK: &str = concat!(
    "select json_build_object(
        'watermark', (select ",
    micros!("watermark"),
    " from ingest_slots),
        'owned', (select exists (select from ingest_slots where lease_until >= clock_timestamp())),
        'in_doubt', (select session_in_doubt from ingest_slots),
        'stored', (select coalesce(json_agg(seq), '[]') from heartbeats where not older_entry),
        'away', (select exists (select from gaps where to_at is null)),
        'hours', (select count(*) from hourly_counts),
        'closed_until', (select ",
    micros!("max(hour_end)"),
    " from hourly_counts),
        'late_hours', (select count(*) from late_hours))"
);

const STORED: &str = concat!(
    "select coalesce(json_agg(json_build_array(seq, ",
    micros!("received_at"),
    ", ",
    micros!("heard_at"),
    ")), '[]') from heartbeats where not older_entry"
);

const HOURS: &str = concat!(
    "select coalesce(json_agg(json_build_array(country, ",
    micros!("hour"),
    ", devices, complete, gap_secs, causes, revision)), '[]') from hourly_counts"
);

const GAPS: &str = concat!(
    "select coalesce(json_agg(json_build_array(cause, country, ",
    micros!("from_at"),
    ", ",
    micros!("to_at"),
    ")), '[]') from gaps"
);

const PRESENCE: &str = concat!(
    "select coalesce(json_agg(json_build_array(country, ",
    micros!("hour"),
    ", device_id)), '[]') from v_presence"
);

fn rows(answer: &Value) -> std::vec::IntoIter<Value> {
    answer.as_array().unwrap().clone().into_iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn instant(micros: &Value) -> Option<Instant> {
    Instant::from_timestamp_micros(micros.as_i64()?)
}

/// Compares two collections, and names what is in one of them only.
fn same<T: Debug + PartialEq>(
    what: &str,
    found: impl IntoIterator<Item = T>,
    expected: impl IntoIterator<Item = T>,
) -> Result<(), String> {
    let (found, expected) = (Vec::from_iter(found), Vec::from_iter(expected));
    if found == expected {
        return Ok(());
    }
    let only_in = |one: &[T], other: &[T]| {
        one.iter()
            .filter(|item| !other.contains(item))
            .map(|item| format!("\n    {item:?}"))
            .collect::<String>()
    };
    let unexpected = only_in(&found, &expected);
    let absent = only_in(&expected, &found);
    Err(format!(
        "{what} differ\n  found, and not by the model:{unexpected}\n  by the model, and not found:{absent}"
    ))
}

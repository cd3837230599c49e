//! Random interleavings of everything that closing and sending react to, held against a model.
//!
//! The decisions are the real ones of [`crate::schedule`]. Around them stands a database of a few
//! maps, with the rules of `store` in a line each; those rules have their own tests against a real
//! Postgres. The model shares no code with either: it walks clocks minute by minute, gaps in steps of
//! half a minute, and keeps its own books on what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{Offset as _, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use model::{Carrier, Cause, Country, Gap, Horizon, Hour, Instant, ZoneHistory};
use proptest::prelude::*;
use store::closing::LateHour;
use store::countries::CountryRow;
use store::hours::{Emission, HourlyCount};
use store::presence::Counts;

use crate::schedule::{JUDGED_AGAIN, Known, due_hours, due_lines, judge};

/// Clocks whose hours begin at four different times, and three that are moved: by an hour, by half an
/// hour, and at half past.
const ZONES: [Tz; 5] = [
    Tz::Asia__Manila,
    Tz::Asia__Kathmandu,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
    Tz::Europe__London,
];

/// The countries' codes, by the index of their zone.
const CODES: [&str; 5] = ["ph", "np", "au", "ca", "gb"];

/// Nights in which one of those clocks is moved, and one in which none is.
const BEGINNINGS: [&str; 5] = [
    "2026-10-03T12:00:00Z",
    "2026-10-24T22:30:00Z",
    "2026-11-01T02:00:00Z",
    "2027-03-14T03:00:00Z",
    "2026-11-21T00:00:00Z",
];

/// The longest that the model looks back: an hour is closed and sent within less.
const LOOK_BACK: TimeDelta = TimeDelta::hours(5);

/// Where an exporter ends in the middle of its work.
#[derive(Debug, Clone, Copy)]
enum Crash {
    BeforeCommit,
    AfterCommit,
    AfterLines(usize),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Advance(i64),
    /// A device is heard so many seconds ago; late if that was in an hour that has ended.
    Beat {
        place: usize,
        device: u8,
        secs_ago: i64,
    },
    /// The watermark follows the clock, so many seconds behind.
    Hear(i64),
    OpenGap,
    CloseGap,
    /// It becomes known that heartbeats were missed: from so many half minutes ago, for so many.
    Missed {
        place: Option<usize>,
        unknown_time: bool,
        ago: i64,
        lasts: i64,
    },
    /// The exporter works. Whoever takes over works like whoever was there before: nothing is kept
    /// outside of the database.
    Tick,
    Crash(Crash),
    /// A gap is committed while hours are being closed; another tick follows a second later.
    TickWhileMissed {
        ago: i64,
        lasts: i64,
    },
    /// The Agent restarts, or is there again.
    Deaf(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..2400).prop_map(Step::Advance),
        1 => prop::sample::select(vec![1_i64, 59, 60, 61, 118, 119, 120, 121, 600]).prop_map(Step::Advance),
        4 => (0..ZONES.len(), 0_u8..6, prop_oneof![3 => Just(0_i64), 1 => 0_i64..9000])
            .prop_map(|(place, device, secs_ago)| Step::Beat { place, device, secs_ago }),
        5 => prop_oneof![3 => Just(0_i64), 1 => 0_i64..4000].prop_map(Step::Hear),
        1 => Just(Step::OpenGap),
        1 => Just(Step::CloseGap),
        1 => (prop::option::of(0..ZONES.len()), any::<bool>(), 1_i64..240, 1_i64..30).prop_map(
            |(place, unknown_time, ago, lasts)| Step::Missed { place, unknown_time, ago, lasts }
        ),
        6 => Just(Step::Tick),
        1 => prop_oneof![
            Just(Crash::BeforeCommit),
            Just(Crash::AfterCommit),
            (0_usize..6).prop_map(Crash::AfterLines),
        ].prop_map(Step::Crash),
        1 => (1_i64..200, 11_i64..30)
            .prop_map(|(ago, lasts)| Step::TickWhileMissed { ago, lasts }),
        1 => any::<bool>().prop_map(Step::Deaf),
    ]
}

type Key = (usize, Instant);

/// A line as it was sent.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    key: Key,
    devices: i64,
    step: i16,
    heard: bool,
}

/// What the database holds, and around it the world.
struct World {
    now: Instant,
    rows: Vec<CountryRow>,
    horizon: Horizon,
    presence: BTreeMap<Key, BTreeSet<u8>>,
    late: BTreeMap<Key, (Hour, Instant)>,
    hours: BTreeMap<Key, HourlyCount>,
    gaps: Vec<Gap>,
    emissions: Vec<Emission>,
    deaf: bool,
    // The model's own books.
    beats: Vec<(usize, u8, Instant)>,
    lines: Vec<Line>,
    /// The step noted last for each state of an hour.
    noted: BTreeMap<Key, (i32, i16)>,
}

impl World {
    fn begin(beginning: &str) -> Self {
        let now: Instant = beginning.parse().unwrap();
        let rows = ZONES.iter().zip(CODES).enumerate();
        let rows = rows.map(|(index, (zone, code))| CountryRow {
            country: Country::parse(code).unwrap(),
            zones: ZoneHistory::always(*zone),
            // In one of them devices send rarely.
            reach_window: Duration::from_secs(if index == 1 { 3 * 3600 } else { 900 }),
            first_seen_at: now,
        });
        Self {
            now,
            rows: rows.collect(),
            horizon: Horizon {
                started_at: now,
                watermark: now,
            },
            presence: BTreeMap::new(),
            late: BTreeMap::new(),
            hours: BTreeMap::new(),
            gaps: Vec::new(),
            emissions: Vec::new(),
            deaf: false,
            beats: Vec::new(),
            lines: Vec::new(),
            noted: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Advance(secs) => self.now += TimeDelta::seconds(secs),
            Step::Beat {
                place,
                device,
                secs_ago,
            } => self.beat(place, device, secs_ago),
            Step::Hear(behind) => {
                // While a gap lasts nobody listens.
                if self.gaps.iter().all(|gap| gap.to.is_some()) {
                    let to = self.now - TimeDelta::seconds(behind);
                    self.horizon.watermark = self.horizon.watermark.max(to);
                }
            }
            Step::OpenGap => {
                if self.gaps.iter().all(|gap| gap.to.is_some()) {
                    let from = half_minute(self.horizon.watermark) + TimeDelta::seconds(30);
                    self.gaps.push(gap(None, Cause::BrokerAway, from, None));
                }
            }
            Step::CloseGap => {
                let now = half_minute(self.now);
                for gap in &mut self.gaps {
                    gap.to = gap.to.or(Some(now.max(gap.from)));
                }
            }
            Step::Missed {
                place,
                unknown_time,
                ago,
                lasts,
            } => {
                let cause = if unknown_time {
                    Cause::UnknownTime
                } else {
                    Cause::BrokerDropped
                };
                self.missed(place, cause, ago, lasts);
            }
            Step::Tick => self.tick(None, None),
            Step::Crash(crash) => self.tick(Some(crash), None),
            Step::TickWhileMissed { ago, lasts } => {
                self.tick(None, Some((ago, lasts)));
                self.now += TimeDelta::seconds(1);
                self.tick(None, None);
            }
            Step::Deaf(deaf) => self.deaf = deaf,
        }
    }

    fn beat(&mut self, place: usize, device: u8, secs_ago: i64) {
        let heard_at = (self.now - TimeDelta::seconds(secs_ago)).max(self.horizon.started_at);
        let hour = self.rows[place].zones.hour_at(heard_at);
        self.beats.push((place, device, heard_at));
        let key = (place, hour.start);
        if self.presence.entry(key).or_default().insert(device) && hour.end <= self.now {
            self.late.insert(key, (hour, self.now));
        }
    }

    fn missed(&mut self, place: Option<usize>, cause: Cause, ago: i64, lasts: i64) {
        let from = half_minute(self.now) - TimeDelta::seconds(30 * ago);
        let to = from + TimeDelta::seconds(30 * lasts.min(ago));
        let country = place.map(|place| self.rows[place].country);
        self.gaps.push(gap(country, cause, from, Some(to)));
        for (key, closed) in &self.hours {
            let here = place.is_none_or(|place| place == key.0);
            if here && closed.hour.start < to && closed.hour.end > from {
                self.late.insert(*key, (closed.hour, self.now));
            }
        }
    }

    fn place(&self, country: Country) -> usize {
        self.rows
            .iter()
            .position(|row| row.country == country)
            .unwrap()
    }

    /// What the exporter does in one tick: closing, then sending.
    fn tick(&mut self, crash: Option<Crash>, missed_meanwhile: Option<(i64, i64)>) {
        let before = self.hours.clone();
        let written = self.count();
        if matches!(crash, Some(Crash::BeforeCommit)) {
            return;
        }
        if let Some((ago, lasts)) = missed_meanwhile {
            self.missed(None, Cause::BrokerDropped, ago, lasts);
        }
        for (key, hour) in written {
            self.late.remove(&key);
            self.hours.insert(key, hour);
        }
        if missed_meanwhile.is_none() {
            self.hours_are_true();
        }
        self.revisions_are_true(&before);
        match crash {
            Some(Crash::AfterCommit) => {}
            Some(Crash::AfterLines(lines)) => self.send(Some(lines)),
            _ => self.send(None),
        }
    }

    /// Counts what is due, in one snapshot.
    fn count(&self) -> Vec<(Key, HourlyCount)> {
        let mut closed_until: BTreeMap<Country, Instant> = BTreeMap::new();
        for hour in self.hours.values() {
            let until = closed_until.entry(hour.country).or_insert(hour.hour.end);
            *until = hour.hour.end.max(*until);
        }
        let late: Vec<LateHour> = self
            .late
            .iter()
            .map(|(key, (hour, marked_at))| LateHour {
                country: self.rows[key.0].country,
                hour: *hour,
                marked_at: *marked_at,
                closed_at: self.hours.get(key).map(|hour| hour.closed_at),
            })
            .collect();
        let since = self.now - JUDGED_AGAIN;
        let recent = self.hours.values().filter(|hour| hour.closed_at >= since);
        let recent: Vec<HourlyCount> = recent.cloned().collect();
        let due = due_hours(&Known {
            countries: &self.rows,
            closed_until: &closed_until,
            horizon: Some(self.horizon),
            late: &late,
            recent: &recent,
            gaps: &self.gaps,
            now: self.now,
        });
        due.into_iter()
            .map(|due| {
                let key = (self.place(due.row.country), due.hour.start);
                let devices = self.presence.get(&key).map_or(0, BTreeSet::len);
                let devices = i64::try_from(devices).unwrap();
                let complete = judge(due.row, due.hour, &self.gaps).is_complete();
                let last = self.hours.get(&key);
                let changed = last.is_some_and(|last| {
                    (last.counts.devices, last.complete) != (devices, complete)
                });
                let hour = HourlyCount {
                    country: due.row.country,
                    hour: due.hour,
                    counts: Counts {
                        devices,
                        carriers: BTreeMap::from([(Carrier::slug("one"), devices)]),
                    },
                    complete,
                    gap_secs: 0,
                    causes: Vec::new(),
                    revision: last.map_or(1, |last| last.revision + i32::from(changed)),
                    imported: false,
                    closed_at: self.now,
                };
                (key, hour)
            })
            .collect()
    }

    /// Sends what is due; with a crash, only so many lines, of which the last is not noted.
    fn send(&mut self, crash_after: Option<usize>) {
        let mut expected = self.expected_lines();
        let since = self.now - crate::schedule::LAST_SEND;
        let mut hours: Vec<_> = self.hours.values().cloned().collect();
        hours.retain(|hour| hour.hour.end > since);
        hours.sort_by_key(|hour| (hour.hour.end, hour.country));
        let due = due_lines(&hours, &self.emissions, false, self.now);
        let whole = crash_after.is_none();
        for (index, (hour, step)) in due.into_iter().enumerate() {
            let key = (self.place(hour.country), hour.hour.start);
            let line = Line {
                key,
                devices: hour.counts.devices,
                step,
                heard: !self.deaf,
            };
            let wanted = expected.remove(&key);
            assert_eq!(
                wanted,
                Some((line.devices, line.step)),
                "{line:?} at {}",
                self.now
            );
            self.lines.push(line);
            if crash_after == Some(index) {
                return;
            }
            self.emissions.push(Emission {
                country: hour.country,
                hour: hour.hour.start,
                revision: hour.revision,
                step,
            });
            self.noted.insert(key, (hour.revision, step));
        }
        if whole {
            assert!(
                expected.is_empty(),
                "not sent at {}: {expected:?}",
                self.now
            );
        }
    }

    /// What the model sends now: the count, and the step.
    fn expected_lines(&self) -> BTreeMap<Key, (i64, i16)> {
        let mut expected = BTreeMap::new();
        for (key, hour) in &self.hours {
            let age_secs = (self.now - hour.hour.end).num_seconds();
            let step = match age_secs {
                ..600 => 0,
                600..1500 => 10,
                1500..2700 => 25,
                2700..3300 => 45,
                _ => continue,
            };
            let noted = self.noted.get(key);
            let done = noted.is_some_and(|noted| *noted >= (hour.revision, step));
            if hour.complete && !done {
                expected.insert(*key, (hour.counts.devices, step));
            }
        }
        expected
    }

    /// Holds every hour of the last time against the model.
    fn hours_are_true(&self) {
        let from = self.horizon.started_at.max(self.now - LOOK_BACK);
        for (place, zone) in ZONES.into_iter().enumerate() {
            for (start, end) in tiles(zone, from, self.now) {
                let key = (place, start);
                let heard = end + TimeDelta::minutes(2) <= self.horizon.watermark;
                let Some(closed) = self.hours.get(&key) else {
                    assert!(!heard, "{key:?} is not closed at {}", self.now);
                    continue;
                };
                assert!(heard, "{key:?} is closed too early, at {}", self.now);
                assert_eq!(closed.hour.end, end, "{key:?}");
                if self.late.contains_key(&key) {
                    let waits = self.now - closed.closed_at < TimeDelta::minutes(1);
                    assert!(waits, "{key:?} is not counted again at {}", self.now);
                    continue;
                }
                let devices: BTreeSet<_> = self
                    .beats
                    .iter()
                    .filter(|(at, _, heard_at)| *at == place && (start..end).contains(heard_at))
                    .map(|(_, device, _)| device)
                    .collect();
                let complete = self.can_be_believed(place, start, end);
                assert_eq!(
                    (closed.counts.devices, closed.complete),
                    (i64::try_from(devices.len()).unwrap(), complete),
                    "{key:?} at {}, gaps {:?}",
                    self.now,
                    self.gaps
                );
            }
        }
    }

    fn can_be_believed(&self, place: usize, start: Instant, end: Instant) -> bool {
        let country = self.rows[place].country;
        let (mut hidden_secs, mut spoiled) = (0, false);
        let mut at = start;
        while at < end {
            let mut hidden = false;
            for gap in &self.gaps {
                let here = gap.country.is_none_or(|one| one == country);
                if here && gap.from <= at && gap.to.is_none_or(|to| at < to) {
                    hidden = true;
                    spoiled |= gap.cause == Cause::UnknownTime;
                }
            }
            hidden_secs += if hidden { 30 } else { 0 };
            at += TimeDelta::seconds(30);
        }
        !spoiled && hidden_secs <= if place == 1 { 30 } else { 300 }
    }

    /// A revision grows by one when something changed, and stands when nothing did.
    fn revisions_are_true(&self, before: &BTreeMap<Key, HourlyCount>) {
        for (key, hour) in &self.hours {
            let grown = match before.get(key) {
                None => hour.revision,
                Some(last) => hour.revision - last.revision,
            };
            let changed = before.get(key).is_none_or(|last| {
                (last.counts.devices, last.complete) != (hour.counts.devices, hour.complete)
            });
            assert_eq!(grown, i32::from(changed), "{key:?}");
        }
    }

    /// After the plan has run with an Agent that listens: the last value that it got for each hour is
    /// the last exact count, and nothing is left to be sent.
    fn the_last_value_is_the_exact_count(&self, well_since: Instant) {
        for (key, hour) in &self.hours {
            let last = self
                .lines
                .iter()
                .rfind(|line| line.key == *key && line.heard);
            let in_time = hour.closed_at < hour.hour.end + TimeDelta::minutes(55);
            if hour.complete && in_time && hour.hour.end + TimeDelta::minutes(45) > well_since {
                assert_eq!(
                    last.map(|line| line.devices),
                    Some(hour.counts.devices),
                    "{key:?}"
                );
            }
        }
    }
}

/// The hours of a clock that begin in a stretch of time: from each minute at which it reads a full
/// hour to the next.
fn tiles(zone: Tz, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
    let full = |at: &Instant| {
        let ahead = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        at.with_timezone(&ahead).minute() == 0
    };
    let begin = from.with_second(0).unwrap();
    let minutes = (0..).map(|minutes| begin + TimeDelta::minutes(minutes));
    let last = to + TimeDelta::hours(2);
    let full: Vec<Instant> = minutes.take_while(|at| *at < last).filter(full).collect();
    let tiles = full.windows(2).map(|pair| (pair[0], pair[1]));
    tiles.filter(|(start, _)| *start < to).collect()
}

fn half_minute(at: Instant) -> Instant {
    Instant::from_timestamp(at.timestamp().div_euclid(30) * 30, 0).unwrap()
}

fn gap(country: Option<Country>, cause: Cause, from: Instant, to: Option<Instant>) -> Gap {
    Gap {
        country,
        cause,
        from,
        to,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every closed hour and every line are those of the model, whatever happens in which order.
    #[test]
    fn closing_and_sending_do_what_the_model_does(
        beginning in prop::sample::select(&BEGINNINGS[..]),
        steps in prop::collection::vec(step(), 20..120),
    ) {
        let mut world = World::begin(beginning);
        for step in steps {
            world.take(step);
        }
        world.take(Step::CloseGap);
        world.take(Step::Deaf(false));
        let well_since = world.now;
        for _ in 0..14 {
            world.take(Step::Advance(300));
            world.take(Step::Hear(0));
            world.take(Step::Tick);
        }
        world.the_last_value_is_the_exact_count(well_since);
    }
}

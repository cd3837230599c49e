//! A device's history, told in a few words.

use model::Instant;

use crate::beats::ceiling;
use crate::firmware::Firmware;
use crate::fleet::Device;
use crate::life::{Day, Spell};
use crate::place::Place;
use crate::report::{RAT, Readings, Report};
use crate::scenario::Outage;
use crate::timetable::{Micros, Timetable, instant};

/// A run of heartbeats of one device at one place, as long as can be, one in every interval; or
/// a single one, of a device that sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'f> {
    /// Who sends them.
    pub device: &'f Device,
    /// Where from, and through whom.
    pub place: Place,
    /// When the first is sent.
    pub first: Instant,
    /// When the last is sent.
    pub last: Instant,
    /// How many there are.
    pub heartbeats: u64,
    timetable: Timetable,
    last_slot: u64,
}

impl Stretch<'_> {
    /// What the last heartbeat says.
    #[must_use]
    pub fn last_report(&self) -> Report {
        let (device, slot) = (self.device, self.last_slot);
        let at = self.timetable.micros(device.seed, slot);
        let readings = Readings::of(device, slot, at);
        let mut spell = Spell::NONE;
        let next = device
            .life
            .planned_slot(&self.timetable, &mut None, &mut spell, slot + 1);
        Report {
            firmware: Firmware::at(device.seed, at),
            rat: RAT,
            rsrp_dbm: readings.rsrp_dbm,
            cell: device.cell(&self.place),
            battery_mv: readings.battery_mv,
            interval_secs: self.timetable.interval_secs * (next - slot),
        }
    }
}

/// The slots `[first, end)`, all in use, with nothing in the way.
#[derive(Debug, Clone, Copy)]
struct Run {
    place: Place,
    first: u64,
    end: u64,
}

/// The stretches of a device in the order of time; see
/// [`Fleet::stretches`](crate::Fleet::stretches).
#[derive(Debug)]
pub struct Stretches<'f> {
    device: &'f Device,
    timetable: Timetable,
    outages: &'f [Outage],
    to: Micros,
    /// From this slot on it is not known yet.
    slot: u64,
    day: Option<Day>,
    spell: Spell,
    /// What may go on in the next run.
    open: Option<Run>,
}

impl<'f> Stretches<'f> {
    pub(crate) fn new(
        device: &'f Device,
        timetable: Timetable,
        from: Instant,
        to: Instant,
        outages: &'f [Outage],
    ) -> Self {
        Self {
            device,
            timetable,
            outages,
            to: ceiling(to),
            slot: timetable.first_slot(device.seed, ceiling(from)),
            day: None,
            spell: Spell::NONE,
            open: None,
        }
    }

    fn stretch(&self, run: Run) -> Stretch<'f> {
        let last_slot = run.end - 1;
        Stretch {
            device: self.device,
            place: run.place,
            first: self.timetable.time(self.device.seed, run.first),
            last: self.timetable.time(self.device.seed, last_slot),
            heartbeats: run.end - run.first,
            timetable: self.timetable,
            last_slot,
        }
    }

    /// The next slots in use in which everything stays the same, unless an outage keeps them from
    /// being used; `Err` after the last.
    fn next_run(&mut self) -> Result<Option<Run>, AtEnd> {
        let (device, timetable) = (self.device, self.timetable);
        let first = device
            .life
            .used_slot(&timetable, &mut self.day, &mut self.spell, self.slot);
        let at = timetable.micros(device.seed, first);
        if at >= self.to {
            return Err(AtEnd);
        }
        let (place, place_until) = device.places.at(device.seed, at);
        let silenced_until = self.silenced(place, at);
        let end = if self.spell.awake {
            let until = [
                self.to,
                self.spell.until,
                place_until,
                silenced_until.1,
                device.life.battery_same_until(at),
            ];
            let until = until.into_iter().fold(Micros::MAX, Micros::min);
            timetable.first_slot(device.seed, until)
        } else {
            first + 1
        };
        self.slot = end;
        let run = Run { place, first, end };
        Ok((!silenced_until.0).then_some(run))
    }

    /// Whether an outage silences the device at an instant, in this place, and until when that
    /// stays so as long as it stays there.
    fn silenced(&self, place: Place, at: Micros) -> (bool, Micros) {
        if self.outages.is_empty() {
            return (false, Micros::MAX);
        }
        let (device, interval) = (self.device, self.timetable.interval);
        let firmware = Firmware::at(device.seed, at);
        let mut silenced = false;
        let mut until = firmware.until(device.seed);
        for outage in self.outages {
            silenced |= outage.silences(device, &place, firmware, instant(at), interval);
            let edges = [outage.from, outage.ends_for(device, interval)];
            let later = edges.map(ceiling).into_iter().filter(|edge| *edge > at);
            until = later.fold(until, Micros::min);
        }
        (silenced, until)
    }
}

/// There is nothing more.
struct AtEnd;

impl<'f> Iterator for Stretches<'f> {
    type Item = Stretch<'f>;

    fn next(&mut self) -> Option<Stretch<'f>> {
        loop {
            let run = match self.next_run() {
                Ok(Some(run)) => run,
                Ok(None) => continue,
                Err(AtEnd) => return self.open.take().map(|run| self.stretch(run)),
            };
            match &mut self.open {
                Some(open) if open.end == run.first && open.place == run.place => {
                    open.end = run.end;
                }
                open => {
                    if let Some(ended) = open.replace(run) {
                        return Some(self.stretch(ended));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use chrono::{TimeDelta, Timelike as _};
    use model::{Catalogue, Country};
    use proptest::prelude::*;

    use super::*;
    use crate::timetable::{HOUR, JITTER_PARTS, MINUTE};
    use crate::{Fleet, FleetOptions, Scenario};

    const COUNTRIES: [&str; 7] = ["ph", "id", "in", "kh", "th", "jp", "vn"];

    /// A Monday.
    const MONDAY: &str = "2026-11-02T00:00:00Z";

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn fleet(devices: u32, seed: u64, interval_secs: u64, countries: &[&str]) -> Fleet {
        let countries = countries.iter().map(|code| Country::parse(code).unwrap());
        let options = FleetOptions {
            devices,
            seed,
            interval: Duration::from_secs(interval_secs),
            countries: countries.collect(),
        };
        Fleet::new(&options).unwrap()
    }

    /// What beats and stretches both know of a heartbeat.
    type Told = (Instant, String, String);

    /// Holds stretches against beats. Returns how many stretches there were.
    fn agree(fleet: &Fleet, from: Instant, to: Instant, outages: &[Outage]) -> usize {
        let interval = TimeDelta::from_std(fleet.interval()).unwrap();
        let longest_gap = interval + interval / i32::try_from(JITTER_PARTS).unwrap();
        let mut beats: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for beat in fleet.beats(from, to, outages) {
            beats.entry(beat.device.id.as_str()).or_default().push(beat);
        }
        let mut count = 0;
        for device in fleet.devices() {
            let beats = beats.remove(device.id.as_str()).unwrap_or_default();
            let mut beats = beats.into_iter().peekable();
            let mut before: Option<Stretch<'_>> = None;
            for stretch in fleet.stretches(device, from, to, outages) {
                count += 1;
                assert!(stretch.first <= stretch.last);
                if let Some(before) = before {
                    assert!(before.last < stretch.first);
                }
                before = Some(stretch);
                // All that was sent in it, from its place, without a hole.
                let mut heartbeats = 0;
                let mut last_at = stretch.first;
                let mut last = None;
                while let Some(beat) = beats.next_if(|beat| beat.at <= stretch.last) {
                    assert!(beat.at >= stretch.first, "{} is in no stretch", beat.at);
                    assert!(heartbeats > 0 || beat.at == stretch.first);
                    assert!(beat.at - last_at <= longest_gap);
                    assert_eq!(beat.place, stretch.place);
                    (heartbeats, last_at) = (heartbeats + 1, beat.at);
                    last = Some(beat);
                }
                assert_eq!((heartbeats, last_at), (stretch.heartbeats, stretch.last));
                let (last, report) = (last.unwrap(), stretch.last_report());
                assert_eq!(report.firmware, last.firmware);
                assert_eq!(report.battery_mv, last.battery_mv);
                assert_eq!((report.rsrp_dbm, report.rat), (last.rsrp_dbm, last.rat));
                assert_eq!(report.interval_secs, last.interval_secs);
            }
            assert!(beats.next().is_none(), "a heartbeat is in no stretch");
        }
        count
    }

    #[test]
    fn stretches_agree_with_beats_through_trips_deaths_and_outages() {
        let fleet = fleet(250, 2, 1800, &[]);
        let (from, to) = (at(MONDAY), at(MONDAY) + TimeDelta::days(21));
        let stages = [
            (Scenario::CarrierOutage, 30, 3),
            (Scenario::RegionOutage, 100, 7),
            (Scenario::Firmware, 190, 30),
            (Scenario::RegionalOutage, 199, 9),
        ];
        let outages = stages.map(|(scenario, begins, hours)| {
            let begins = from + TimeDelta::hours(begins);
            fleet
                .stage(scenario, begins, Duration::from_secs(hours * 3600))
                .unwrap()
        });
        let stretches = agree(&fleet, from, to, &outages);
        let device_days = 250 * 21;
        assert!(
            (device_days..device_days * 8).contains(&stretches),
            "{stretches}"
        );
    }

    #[test]
    fn history_up_to_an_instant_and_beats_from_it_on_are_the_whole() {
        for interval_secs in [300, 3600] {
            let fleet = fleet(60, 4, interval_secs, &[]);
            let from = at(MONDAY);
            let (now, to) = (from + TimeDelta::hours(37), from + TimeDelta::hours(60));
            let whole: Vec<Told> = fleet.beats(from, to, &[]).map(|beat| told(&beat)).collect();
            let (before, after): (Vec<_>, Vec<_>) =
                whole.into_iter().partition(|(at, ..)| *at < now);
            let live: Vec<_> = fleet.beats(now, to, &[]).map(|beat| told(&beat)).collect();
            assert_eq!(live, after);
            let mut ends = BTreeSet::new();
            let mut heartbeats = 0;
            for device in fleet.devices() {
                for stretch in fleet.stretches(device, from, now, &[]) {
                    let segment = stretch.place.segment.to_string();
                    heartbeats += stretch.heartbeats;
                    ends.insert((stretch.first, device.id.clone(), segment.clone()));
                    ends.insert((stretch.last, device.id.clone(), segment));
                }
            }
            assert_eq!(usize::try_from(heartbeats).unwrap(), before.len());
            assert!(ends.is_subset(&before.into_iter().collect()));
        }
    }

    fn told(beat: &crate::Beat<'_>) -> Told {
        let segment = beat.place.segment.to_string();
        (beat.at, beat.device.id.clone(), segment)
    }

    /// How many devices were heard in each hour, and how often two carriers heard the same one.
    fn hourly(fleet: &Fleet, from: Instant, hours: usize) -> (Vec<u32>, u32) {
        let first_hour = from.timestamp_micros();
        let to = from + TimeDelta::hours(i64::try_from(hours).unwrap());
        let mut counts = vec![0; hours];
        let mut twice = 0;
        let hour_of = |at: Instant| usize::try_from((at.timestamp_micros() - first_hour) / HOUR);
        for device in fleet.devices() {
            let mut next = 0;
            let mut before: Option<Stretch<'_>> = None;
            for stretch in fleet.stretches(device, from, to, &[]) {
                let (first, last) = (
                    hour_of(stretch.first).unwrap(),
                    hour_of(stretch.last).unwrap(),
                );
                if let Some(before) = before.replace(stretch) {
                    let same_hour = hour_of(before.last).unwrap() == first;
                    let moved = before.place.segment != stretch.place.segment;
                    twice += u32::from(same_hour && moved);
                }
                for count in &mut counts[first.max(next)..=last] {
                    *count += 1;
                }
                next = last + 1;
            }
        }
        (counts, twice)
    }

    #[test]
    fn every_country_has_days_nights_and_weekends() {
        let catalogue = Catalogue::builtin();
        for code in COUNTRIES {
            let country = Country::parse(code).unwrap();
            let fleet = fleet(1200, 1, 300, &[code]);
            // Local midnight of a Monday: in whole hours, and half past in India.
            let zone = catalogue.country(country).unwrap().time_zone;
            let midnight = at(MONDAY).with_timezone(&zone);
            let from =
                at(MONDAY) - TimeDelta::seconds(i64::from(midnight.num_seconds_from_midnight()));
            let (counts, twice) = hourly(&fleet, from, 14 * 24);
            assert!(twice > 20, "{code}: carriers add up to more {twice} times");
            let days: Vec<&[u32]> = counts.chunks(24).collect();
            let peak = |day: usize| *days[day].iter().max().unwrap();
            let night = |day: usize| days[day][1..4].iter().sum::<u32>() / 3;
            let noon = |day: usize| days[day][9..16].iter().sum::<u32>() / 7;
            let mut peaks = BTreeSet::new();
            for week in [0, 7] {
                let mut weekdays = u32::MAX;
                for day in week..week + 5 {
                    let percent = night(day) * 100 / peak(day);
                    assert!(
                        (55..=70).contains(&percent),
                        "{code}: {percent} % on day {day}"
                    );
                    assert!(
                        peak(day) > 1200 * 78 / 100,
                        "{code}: {} on day {day}",
                        peak(day)
                    );
                    let steady = noon(day) * 100 / peak(day);
                    assert!(
                        (82..=98).contains(&steady),
                        "{code}: {steady} % on day {day}"
                    );
                    weekdays = weekdays.min(peak(day));
                    peaks.insert(peak(day));
                }
                let (saturday, sunday) = (peak(week + 5), peak(week + 6));
                assert!(
                    saturday * 100 < weekdays * 97,
                    "{code}: {saturday} of {weekdays}"
                );
                assert!(
                    sunday * 100 < saturday * 93,
                    "{code}: {sunday} of {saturday}"
                );
                assert!(sunday > night(week) * 110 / 100, "{code}: Sunday {sunday}");
            }
            assert!(peaks.len() >= 4, "{code}: {peaks:?}");
            let steepest = counts
                .windows(2)
                .map(|pair| pair[0].abs_diff(pair[1]))
                .max();
            assert!(
                steepest.unwrap() < 1200 * 18 / 100,
                "{code}: {steepest:?} in an hour"
            );
        }
    }

    #[test]
    fn by_day_a_tenth_less_is_more_than_minutes_differ() {
        let fleet = fleet(1500, 3, 60, &["ph"]);
        // 09:00 to 15:00 on a Tuesday in Manila.
        let (from, minutes) = (at("2026-11-03T01:00:00Z"), 360);
        let to = from + TimeDelta::minutes(i64::try_from(minutes).unwrap());
        let mut heard = vec![0_i64; minutes + 4];
        for device in fleet.devices() {
            for stretch in fleet.stretches(device, from, to, &[]) {
                let minute = |at: Instant| {
                    let since = at.timestamp_micros() - from.timestamp_micros();
                    usize::try_from(since / MINUTE).unwrap()
                };
                // Heard within the last three minutes.
                heard[minute(stretch.first)] += 1;
                heard[minute(stretch.last) + 3] -= 1;
            }
        }
        let mut level = 0;
        let levels: Vec<_> = heard
            .iter()
            .map(|change| {
                level += change;
                level
            })
            .collect();
        let levels = &levels[3..minutes];
        assert!(
            levels
                .iter()
                .all(|level| (1500 * 6 / 10..1500 * 9 / 10).contains(level))
        );
        let steepest = levels
            .windows(6)
            .map(|few| few[0].abs_diff(few[5]))
            .max()
            .unwrap();
        assert!(steepest < 1500 * 25 / 1000, "{steepest} in five minutes");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn stretches_agree_with_beats(
            seed in any::<u64>(),
            interval_secs in prop_oneof![10_u64..100, 100_u64..4000, 4000_u64..=86_400],
            start_secs in 0_i64..4_000_000_000,
            intervals in 1_i32..400,
            staged in prop::collection::vec(
                (prop::sample::select(Scenario::ALL.to_vec()), 0_i32..100, 0_i32..60), 0..4),
        ) {
            let fleet = fleet(12, seed, interval_secs, &[]);
            let from = Instant::from_timestamp(start_secs, 0).unwrap();
            let length = TimeDelta::from_std(fleet.interval()).unwrap() * intervals;
            let outage = |(scenario, begins, lasts): (Scenario, i32, i32)| {
                let lasts = (length * lasts / 100).to_std().unwrap();
                fleet.stage(scenario, from + length * begins / 100, lasts)
            };
            let outages: Vec<_> = staged.into_iter().filter_map(outage).collect();
            agree(&fleet, from, from + length, &outages);
        }
    }
}

//! A fleet's heartbeats, one by one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use model::Instant;

use crate::draw::mix;
use crate::firmware::Firmware;
use crate::fleet::Device;
use crate::life::Spell;
use crate::payload;
use crate::place::Place;
use crate::report::{RAT, Readings};
use crate::scenario::Outage;
use crate::timetable::{Micros, Timetable, instant};

/// The most heartbeats that a device keeps while it cannot send; with them a payload stays well
/// below 4 KiB.
const MAX_BUFFERED: usize = 12;

/// One heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat<'f> {
    /// When it is sent.
    pub at: Instant,
    /// Who sends it.
    pub device: &'f Device,
    /// Where from, and through whom.
    pub place: Place,
    /// The firmware that it runs.
    pub firmware: Firmware,
    /// Counts the messages of the device's run, those that it could not send included.
    pub seq: u64,
    /// The device's run.
    pub boot_id: String,
    /// Radio access technology.
    pub rat: &'static str,
    /// Signal power in dBm.
    pub rsrp_dbm: i16,
    /// Battery voltage in millivolts.
    pub battery_mv: i32,
    /// Until the device's next heartbeat, as it says itself; it does not foresee that its battery
    /// dies.
    pub interval_secs: u64,
    /// What it could not send before, oldest first.
    pub buffered: Vec<Buffered>,
}

/// A heartbeat that a device could not send when it was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffered {
    /// When it was due.
    pub at: Instant,
    /// Its number.
    pub seq: u64,
    /// Battery voltage in millivolts.
    pub battery_mv: i32,
}

impl Beat<'_> {
    /// The canonical JSON payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        payload::bytes(self)
    }
}

/// How far a device is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// How far it has counted.
    seq: u64,
    /// When its run began.
    booted_at: Micros,
    /// What it is doing.
    spell: Spell,
}

/// The heartbeats of a fleet in the order of time; see [`Fleet::beats`](crate::Fleet::beats).
#[derive(Debug)]
pub struct Beats<'f> {
    devices: &'f [Device],
    outages: Vec<Outage>,
    timetable: Timetable,
    to: Instant,
    /// The next slot of each device: when, who, and its number. Earliest first.
    due: BinaryHeap<Reverse<(Micros, usize, u64)>>,
    progress: Vec<Progress>,
    /// What devices could not send yet, by their place in the fleet.
    kept: BTreeMap<usize, VecDeque<Buffered>>,
}

impl<'f> Beats<'f> {
    pub(crate) fn new(
        devices: &'f [Device],
        timetable: Timetable,
        from: Instant,
        to: Instant,
        outages: Vec<Outage>,
    ) -> Self {
        let booted_at = from.timestamp_micros();
        let mut progress = Vec::with_capacity(devices.len());
        let first = |(index, device): (usize, &Device)| {
            let mut spell = Spell::NONE;
            let slot = timetable.first_slot(device.seed, ceiling(from));
            let slot = device
                .life
                .used_slot(&timetable, &mut None, &mut spell, slot);
            progress.push(Progress {
                seq: 0,
                booted_at,
                spell,
            });
            Reverse((timetable.micros(device.seed, slot), index, slot))
        };
        Self {
            devices,
            outages,
            timetable,
            to,
            due: devices.iter().enumerate().map(first).collect(),
            progress,
            kept: BTreeMap::new(),
        }
    }

    /// From now on, this goes wrong as well: heartbeats that are still to come are silenced, those
    /// handed out already are not called back. Devices count on as before.
    pub fn stage(&mut self, outage: Outage) {
        self.outages.push(outage);
    }
}

/// The first whole microsecond at or after an instant.
pub(crate) fn ceiling(at: Instant) -> Micros {
    let micros = at.timestamp_micros();
    micros.saturating_add(i64::from(instant(micros) < at))
}

impl<'f> Iterator for Beats<'f> {
    type Item = Beat<'f>;

    fn next(&mut self) -> Option<Beat<'f>> {
        loop {
            let Reverse((micros, index, slot)) = self.due.pop()?;
            let at = instant(micros);
            if at >= self.to {
                // All others are later still.
                self.due.clear();
                return None;
            }
            let timetable = self.timetable;
            let device = self.devices.get(index)?;
            let progress = self.progress.get_mut(index)?;
            let Progress { seq, booted_at, .. } = *progress;
            progress.seq += 1;

            let mut day = None;
            let spell = &mut progress.spell;
            let planned = device
                .life
                .planned_slot(&timetable, &mut day, spell, slot + 1);
            let mut next = planned;
            if let Some(alive_at) = device
                .life
                .dead_until(timetable.micros(device.seed, planned))
            {
                next = device.life.used_slot(&timetable, &mut day, spell, planned);
                progress.booted_at = alive_at;
                progress.seq = 0;
            }
            let next_at = timetable.micros(device.seed, next);
            self.due.push(Reverse((next_at, index, next)));

            let interval = timetable.interval;
            self.outages.retain(|outage| outage.ends(interval) > at);
            let (place, firmware) = (device.place_at(at), device.firmware_at(at));
            let readings = Readings::of(device, slot, micros);
            let silences =
                |outage: &&Outage| outage.silences(device, &place, firmware, at, interval);
            let mut silenced = self.outages.iter().filter(silences).peekable();
            if silenced.peek().is_some() {
                if device.buffers && silenced.any(|outage| outage.flushes) {
                    let kept = self.kept.entry(index).or_default();
                    if kept.len() == MAX_BUFFERED {
                        kept.pop_front();
                    }
                    kept.push_back(Buffered {
                        at,
                        seq,
                        battery_mv: readings.battery_mv,
                    });
                }
                if next != planned {
                    // A dead device forgets.
                    self.kept.remove(&index);
                }
                continue;
            }
            return Some(Beat {
                at,
                device,
                place,
                firmware,
                seq,
                boot_id: boot_id(device, booted_at),
                rat: RAT,
                rsrp_dbm: readings.rsrp_dbm,
                battery_mv: readings.battery_mv,
                interval_secs: timetable.interval_secs * (planned - slot),
                buffered: self.kept.remove(&index).unwrap_or_default().into(),
            });
        }
    }
}

/// The name of the device's run that began at an instant.
fn boot_id(device: &Device, booted_at: Micros) -> String {
    let run = mix(device.seed, booted_at.unsigned_abs());
    format!("{:08x}", run & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::timetable::JITTER_PARTS;
    use crate::{Fleet, FleetOptions, Scenario};

    /// A Friday; in Manila it is 08:00.
    const MORNING: &str = "2026-11-20T00:00:00Z";

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn fleet(devices: u32, seed: u64) -> Fleet {
        let options = FleetOptions {
            devices,
            seed,
            ..FleetOptions::default()
        };
        Fleet::new(&options).unwrap()
    }

    fn sent(
        fleet: &Fleet,
        from: Instant,
        to: Instant,
        outages: &[Outage],
    ) -> Vec<(Instant, String, Vec<u8>)> {
        fleet
            .beats(from, to, outages)
            .map(|beat| (beat.at, beat.device.id.clone(), beat.payload()))
            .collect()
    }

    #[test]
    fn the_same_seed_sends_the_same_bytes() {
        let (from, to) = (at(MORNING), at(MORNING) + TimeDelta::hours(2));
        let first = sent(&fleet(50, 3), from, to, &[]);
        assert_eq!(first, sent(&fleet(50, 3), from, to, &[]));
        assert_ne!(first, sent(&fleet(50, 4), from, to, &[]));
        assert!(first.len() > 50 * 15, "{} heartbeats", first.len());
    }

    #[test]
    fn every_payload_is_canonical_json_within_its_bounds() {
        let fleet = fleet(200, 1);
        let from = at(MORNING);
        let outage = fleet.stage(Scenario::CarrierOutage, from, Duration::from_secs(3 * 3600));
        let outages: Vec<_> = outage.into_iter().collect();
        let mut flushes = 0;
        for beat in fleet.beats(from, from + TimeDelta::hours(4), &outages) {
            let payload = beat.payload();
            assert!(payload.len() <= 4096, "{} bytes", payload.len());
            let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            let newest = match &value {
                serde_json::Value::Array(entries) => {
                    flushes += 1;
                    let times: Vec<_> = entries
                        .iter()
                        .map(|entry| entry["sent_at"].as_str().unwrap())
                        .collect();
                    assert!(times.is_sorted(), "{times:?}");
                    assert!(entries.len() <= MAX_BUFFERED + 1);
                    let seqs: Vec<_> = entries
                        .iter()
                        .map(|entry| entry["seq"].as_u64().unwrap())
                        .collect();
                    assert!(
                        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
                        "{seqs:?}"
                    );
                    entries.last().unwrap()
                }
                one => one,
            };
            let sent_at: Instant = newest["sent_at"].as_str().unwrap().parse().unwrap();
            assert!((beat.at - sent_at).abs() < TimeDelta::milliseconds(1));
            let plmn = format!(
                "{}-{}",
                newest["mcc"].as_str().unwrap(),
                newest["mnc"].as_str().unwrap()
            );
            assert_eq!(plmn, beat.place.plmn.to_string());
            assert_eq!(newest["tac"], beat.place.tac.to_string());
            assert!((-140..=-44).contains(&newest["rsrp"].as_i64().unwrap()));
            assert!((10_000..13_000).contains(&newest["battery_mv"].as_i64().unwrap()));
            assert_eq!(newest["fw"], beat.firmware.to_string());
            assert_eq!(newest["seq"], beat.seq);
            assert_eq!(newest["interval_secs"], beat.interval_secs);
        }
        assert!(flushes > 0);
    }

    #[test]
    fn a_device_keeps_the_interval_that_it_names_until_its_battery_dies() {
        let fleet = fleet(300, 1);
        let from = at(MORNING);
        let mut earlier: BTreeMap<&str, (Instant, u64, u64, String, i32)> = BTreeMap::new();
        let (mut asleep, mut dead) = (0, 0);
        for beat in fleet.beats(from, from + TimeDelta::days(4), &[]) {
            let id = beat.device.id.as_str();
            if let Some((at, interval_secs, seq, boot_id, battery_mv)) = earlier.get(id) {
                let gap = (beat.at - *at).num_seconds().unsigned_abs();
                if *boot_id == beat.boot_id {
                    assert!(gap.abs_diff(*interval_secs) <= 300 / JITTER_PARTS + 1);
                    assert_eq!(beat.seq, seq + 1);
                } else {
                    dead += 1;
                    assert!(gap > *interval_secs && gap >= 24 * 3600, "{gap} s");
                    assert_eq!(beat.seq, 0);
                    assert!(*battery_mv < beat.battery_mv - 500, "{battery_mv} mV");
                }
            }
            assert!(beat.interval_secs <= 6 * 3600);
            asleep += u64::from(beat.interval_secs > 300);
            let now = (
                beat.at,
                beat.interval_secs,
                beat.seq,
                beat.boot_id,
                beat.battery_mv,
            );
            earlier.insert(id, now);
        }
        assert!(earlier.len() >= 295, "{} were heard", earlier.len());
        assert!((300..6000).contains(&asleep), "{asleep}");
        assert!((1..12).contains(&dead), "{dead}");
    }

    #[test]
    fn an_outage_silences_exactly_whom_it_should() {
        let fleet = fleet(1000, 1);
        let start = at(MORNING);
        for scenario in [
            Scenario::CarrierOutage,
            Scenario::RegionOutage,
            Scenario::RegionalOutage,
            Scenario::Firmware,
        ] {
            let from = start + TimeDelta::minutes(10);
            let outage = fleet
                .stage(scenario, from, Duration::from_secs(1800))
                .unwrap();
            let hit: BTreeSet<_> = fleet
                .devices()
                .iter()
                .filter(|device| outage.affected.includes(device, from))
                .map(|device| device.id.as_str())
                .collect();
            assert!(
                (20..1000).contains(&hit.len()),
                "{scenario:?} hits {}",
                hit.len()
            );
            let (until, outages) = (outage.until, [outage]);
            let end = start + TimeDelta::hours(2);
            let with: Vec<_> = fleet.beats(start, end, &outages).collect();
            let without: Vec<_> = fleet.beats(start, end, &[]).collect();
            let sent: BTreeSet<_> = with.iter().map(|beat| (beat.at, &beat.device.id)).collect();
            let is_missing = |beat: &&Beat<'_>| !sent.contains(&(beat.at, &beat.device.id));
            let missing: Vec<_> = without.iter().filter(is_missing).collect();
            let is_hit = |beat: &Beat<'_>| outages[0].affected.includes(beat.device, beat.at);
            assert!(missing.iter().all(|beat| is_hit(beat)));
            assert!(missing.iter().all(|beat| beat.at >= from));
            let late = |beat: &&&Beat<'_>| beat.at >= until;
            let flushes = outages[0].flushes;
            assert_eq!(missing.iter().any(|beat| late(&beat)), flushes);
            assert!(
                !with
                    .iter()
                    .any(|beat| (from..until).contains(&beat.at) && is_hit(beat))
            );
            let heard_late = |beats: &[Beat<'_>]| -> BTreeSet<String> {
                let all_back = until + TimeDelta::minutes(11);
                let late = beats
                    .iter()
                    .filter(|beat| beat.at >= all_back && is_hit(beat));
                late.map(|beat| beat.device.id.clone()).collect()
            };
            let back = heard_late(&with);
            assert_eq!(back, heard_late(&without), "{scenario:?}: all come back");
            assert!(
                back.len() > hit.len() / 2,
                "{} of {}",
                back.len(),
                hit.len()
            );
            let flushed: Vec<_> = with
                .iter()
                .filter(|beat| !beat.buffered.is_empty())
                .collect();
            assert_eq!(!flushed.is_empty(), flushes);
            for beat in &flushed {
                assert!(beat.device.buffers && beat.at >= until);
                assert!(
                    beat.buffered
                        .iter()
                        .all(|old| old.at >= from && old.at < beat.at)
                );
                // All that the device could not send, and nothing twice.
                let lost: Vec<_> = missing
                    .iter()
                    .filter(|lost| lost.device.id == beat.device.id && lost.at < beat.at)
                    .map(|lost| (lost.at, lost.seq))
                    .collect();
                let kept: Vec<_> = beat.buffered.iter().map(|old| (old.at, old.seq)).collect();
                assert_eq!(kept, lost);
            }
        }
    }

    #[test]
    fn an_outage_staged_on_the_way_is_one_known_before_with_the_same_counts() {
        let fleet = fleet(200, 5);
        let from = at(MORNING);
        let (begins, to) = (from + TimeDelta::minutes(30), from + TimeDelta::hours(2));
        let outage = fleet.stage(Scenario::CarrierOutage, begins, Duration::from_secs(1800));
        let outage = outage.unwrap();
        let known: Vec<_> = fleet
            .beats(from, to, std::slice::from_ref(&outage))
            .collect();
        let mut beats = fleet.beats(from, to, &[]);
        let mut told = Vec::new();
        let mut staged = Some(outage);
        while let Some(beat) = beats.next() {
            if beat.at >= from + TimeDelta::minutes(20) {
                staged
                    .take()
                    .into_iter()
                    .for_each(|outage| beats.stage(outage));
            }
            told.push(beat);
        }
        assert!(known.iter().any(|beat| !beat.buffered.is_empty()));
        assert_eq!(known, told);
        assert!(beats.outages.is_empty(), "what is over is forgotten");
    }

    #[test]
    fn the_most_are_hit() {
        let fleet = fleet(1000, 1);
        let hit = |scenario, from| {
            let outage = fleet.stage(scenario, from, Duration::from_secs(1));
            outage.map(|outage| outage.affected.to_string())
        };
        let morning = at(MORNING);
        assert_eq!(hit(Scenario::Steady, morning), None);
        let carrier = hit(Scenario::CarrierOutage, morning).unwrap();
        assert_eq!(carrier, "carrier ph/globe");
        let regional = hit(Scenario::RegionalOutage, morning).unwrap();
        assert_eq!(regional, "carrier ph/globe in PH-00");
        assert_eq!(
            hit(Scenario::RegionOutage, morning).unwrap(),
            "region PH-00"
        );
        let firmware = |from| hit(Scenario::Firmware, from).unwrap();
        assert_eq!(firmware(morning), "firmware 2.5.0");
        // Hours after a release hardly anyone has it.
        assert_eq!(firmware(at("2026-11-09T06:00:00Z")), "firmware 2.4.2");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn beats_come_in_order_once_and_whatever_way_time_is_cut(
            seed in any::<u64>(),
            interval_secs in 1_u64..4000,
            start_secs in 0_i64..4_000_000_000,
            cut_percent in 0_i32..=100,
        ) {
            let interval = Duration::from_secs(interval_secs);
            let options = FleetOptions { devices: 12, seed, interval, ..FleetOptions::default() };
            let fleet = Fleet::new(&options).unwrap();
            let from = Instant::from_timestamp(start_secs, 0).unwrap();
            let length = TimeDelta::from_std(interval).unwrap() * 40;
            let (cut, to) = (from + length * cut_percent / 100, from + length);
            let times = |from, to| -> Vec<(Instant, String)> {
                fleet.beats(from, to, &[]).map(|beat| (beat.at, beat.device.id.clone())).collect()
            };
            let whole = times(from, to);
            prop_assert!(whole.iter().all(|(at, _)| (from..to).contains(at)));
            prop_assert!(whole.is_sorted_by_key(|(at, _)| *at));
            let distinct: BTreeSet<_> = whole.iter().collect();
            prop_assert_eq!(distinct.len(), whole.len());
            let mut parts = times(from, cut);
            parts.extend(times(cut, to));
            prop_assert_eq!(whole, parts);
        }
    }
}

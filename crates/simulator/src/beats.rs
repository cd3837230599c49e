//! When devices send.
//!
//! A device has a slot every interval, at its own phase, plus a little jitter that depends on the
//! slot alone. A parked device leaves most of its slots out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Weekday};
use model::Instant;

use crate::fleet::Device;
use crate::payload;
use crate::scenario::Outage;

/// Of an interval, a heartbeat is at most one part in this many late.
const JITTER_PARTS: u64 = 20;

/// A parked device uses one slot of so many.
const PARKED_SLOTS: u64 = 24;

/// Parked from this hour of the local clock …
const NIGHT_FROM_HOUR: u32 = 22;
/// … to this one.
const NIGHT_TO_HOUR: u32 = 5;

/// The most heartbeats that a device keeps while it cannot send; with them a payload stays well
/// below 4 KiB.
const MAX_BUFFERED: usize = 12;

/// A full battery, in millivolts.
const BATTERY_MV: i32 = 12_700;

/// One heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat<'f> {
    /// When it is sent.
    pub at: Instant,
    /// Who sends it.
    pub device: &'f Device,
    /// Counts the device's messages, those that it could not send included.
    pub seq: u64,
    /// The device's run.
    pub boot_id: String,
    /// Radio access technology.
    pub rat: &'static str,
    /// Signal power in dBm.
    pub rsrp_dbm: i16,
    /// Battery voltage in millivolts.
    pub battery_mv: i32,
    /// Until the device's next heartbeat, as it says itself.
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

/// The heartbeats of a fleet in the order of time; see [`Fleet::beats`](crate::Fleet::beats).
#[derive(Debug)]
pub struct Beats<'f> {
    devices: &'f [Device],
    outages: &'f [Outage],
    timetable: Timetable,
    from: Instant,
    to: Instant,
    /// The next slot of each device: when, who, and its number. Earliest first.
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    /// How far each device has counted.
    seqs: Vec<u64>,
}

impl<'f> Beats<'f> {
    pub(crate) fn new(
        devices: &'f [Device],
        interval: Duration,
        from: Instant,
        to: Instant,
        outages: &'f [Outage],
    ) -> Self {
        let timetable = Timetable::new(interval);
        let first = |(index, device): (usize, &Device)| {
            let slot = timetable.first_slot(device, from);
            Reverse((timetable.time(device, slot), index, slot))
        };
        Self {
            devices,
            outages,
            timetable,
            from,
            to,
            due: devices.iter().enumerate().map(first).collect(),
            seqs: vec![0; devices.len()],
        }
    }

    /// What the device could not send in the slots right before this one, with the number that
    /// the first of them had.
    fn buffered(&self, device: &Device, slot: u64, seq: u64) -> Vec<Buffered> {
        let mut kept = Vec::new();
        if !device.buffers || !self.outages.iter().any(|outage| outage.flushes) {
            return kept;
        }
        let mut earlier = slot;
        let mut seq = seq;
        while kept.len() < MAX_BUFFERED && earlier > 0 && seq > 0 {
            earlier -= 1;
            let at = self.timetable.time(device, earlier);
            if self.timetable.is_left_out(device, earlier) {
                continue;
            }
            let kept_from = |outage: &Outage| {
                outage.flushes && outage.silences(device, at, self.timetable.interval)
            };
            if at < self.from || !self.outages.iter().any(kept_from) {
                break;
            }
            seq -= 1;
            kept.push(Buffered {
                at,
                seq,
                battery_mv: Readings::of(device, earlier).battery_mv,
            });
        }
        kept.reverse();
        kept
    }
}

impl<'f> Iterator for Beats<'f> {
    type Item = Beat<'f>;

    fn next(&mut self) -> Option<Beat<'f>> {
        loop {
            let Reverse((at, index, slot)) = self.due.pop()?;
            if at >= self.to {
                // All others are later still.
                self.due.clear();
                return None;
            }
            let device = self.devices.get(index)?;
            let next = self.timetable.next_slot(device, slot);
            let next_at = self.timetable.time(device, next);
            self.due.push(Reverse((next_at, index, next)));
            let counted = self.seqs.get_mut(index)?;
            let seq = *counted;
            *counted += 1;
            let silenced = |outage: &Outage| outage.silences(device, at, self.timetable.interval);
            if self.outages.iter().any(silenced) {
                continue;
            }
            let readings = Readings::of(device, slot);
            return Some(Beat {
                at,
                device,
                seq,
                boot_id: boot_id(device, self.from),
                rat: "lte",
                rsrp_dbm: readings.rsrp_dbm,
                battery_mv: readings.battery_mv,
                interval_secs: self.timetable.interval_secs * (next - slot),
                buffered: self.buffered(device, slot, seq),
            });
        }
    }
}

/// The rules of who sends when.
#[derive(Debug, Clone, Copy)]
struct Timetable {
    interval: TimeDelta,
    interval_secs: u64,
    interval_micros: u64,
}

impl Timetable {
    fn new(interval: Duration) -> Self {
        Self {
            interval: TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
            interval_secs: interval.as_secs(),
            interval_micros: u64::try_from(interval.as_micros())
                .unwrap_or(u64::MAX)
                .max(1),
        }
    }

    /// When a slot is due: a whole number of intervals since 1970, the device's phase, and jitter.
    fn time(&self, device: &Device, slot: u64) -> Instant {
        let phase = device.seed % self.interval_micros;
        let jitter = mix(device.seed, slot) % (self.interval_micros / JITTER_PARTS + 1);
        let micros = slot
            .saturating_mul(self.interval_micros)
            .saturating_add(phase + jitter);
        DateTime::from_timestamp_micros(i64::try_from(micros).unwrap_or(i64::MAX))
            .unwrap_or(Instant::MAX_UTC)
    }

    /// The first slot in use that is due at or after an instant.
    fn first_slot(&self, device: &Device, from: Instant) -> u64 {
        let micros = u64::try_from(from.timestamp_micros()).unwrap_or(0);
        // Phase and jitter together are less than two intervals.
        let mut slot = (micros / self.interval_micros).saturating_sub(2);
        while self.time(device, slot) < from || self.is_left_out(device, slot) {
            slot += 1;
        }
        slot
    }

    /// The next slot in use.
    fn next_slot(&self, device: &Device, slot: u64) -> u64 {
        let mut next = slot + 1;
        while self.is_left_out(device, next) {
            next += 1;
        }
        next
    }

    /// Whether a device is parked and this slot is not the one of many that it uses.
    fn is_left_out(&self, device: &Device, slot: u64) -> bool {
        if !device.sleeps || slot % PARKED_SLOTS == device.seed % PARKED_SLOTS {
            return false;
        }
        let local = self.time(device, slot).with_timezone(&device.zone);
        let is_night = local.hour() >= NIGHT_FROM_HOUR || local.hour() < NIGHT_TO_HOUR;
        is_night || local.weekday() == Weekday::Sun
    }
}

/// What a device measures.
struct Readings {
    rsrp_dbm: i16,
    battery_mv: i32,
}

impl Readings {
    fn of(device: &Device, slot: u64) -> Self {
        let mut own = fastrand::Rng::with_seed(device.seed);
        let mut now = fastrand::Rng::with_seed(mix(device.seed, slot));
        Self {
            rsrp_dbm: -(own.i16(75..110) + now.i16(0..8)),
            battery_mv: BATTERY_MV - own.i32(0..500) - now.i32(0..60),
        }
    }
}

/// The name of a device's run since `from`.
fn boot_id(device: &Device, from: Instant) -> String {
    let run = mix(device.seed, from.timestamp_micros().unsigned_abs());
    format!("{:08x}", run & 0xffff_ffff)
}

/// One number of two, all bits of which depend on both.
fn mix(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).u64(..)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{Affected, Fleet, FleetOptions, Scenario};

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
            assert_eq!(plmn, beat.device.plmn.to_string());
            assert!((-140..=-44).contains(&newest["rsrp"].as_i64().unwrap()));
            assert!((11_000..13_000).contains(&newest["battery_mv"].as_i64().unwrap()));
            assert_eq!(newest["fw"], beat.device.fw);
            assert_eq!(newest["seq"], beat.seq);
            assert_eq!(newest["interval_secs"], beat.interval_secs);
        }
        assert!(flushes > 0);
    }

    #[test]
    fn a_device_keeps_the_interval_that_it_names() {
        let fleet = fleet(300, 1);
        let from = at(MORNING);
        let mut earlier: BTreeMap<&str, (Instant, u64, u64)> = BTreeMap::new();
        let mut parked = 0;
        for beat in fleet.beats(from, from + TimeDelta::days(3), &[]) {
            if let Some((at, interval_secs, seq)) = earlier.get(beat.device.id.as_str()) {
                let gap = (beat.at - *at).num_seconds().unsigned_abs();
                assert!(gap.abs_diff(*interval_secs) <= 300 / JITTER_PARTS + 1);
                assert_eq!(beat.seq, seq + 1);
            }
            parked += u64::from(beat.interval_secs > 300);
            let now = (beat.at, beat.interval_secs, beat.seq);
            earlier.insert(&beat.device.id, now);
        }
        assert_eq!(earlier.len(), 300);
        assert!(parked > 0);
    }

    #[test]
    fn fewer_devices_send_at_night_and_on_sundays() {
        let fleet = fleet(1000, 1);
        let philippine = |device: &Device| device.serving.country.as_str() == "ph";
        let heard = |from: Instant| {
            let beats = fleet.beats(from, from + TimeDelta::minutes(15), &[]);
            let ids: BTreeSet<_> = beats
                .filter(|beat| philippine(beat.device))
                .map(|beat| &beat.device.id)
                .collect();
            ids.len()
        };
        let all = fleet
            .devices()
            .iter()
            .filter(|device| philippine(device))
            .count();
        let (noon, night, sunday) = (
            heard(at("2026-11-20T04:00:00Z")),
            heard(at("2026-11-20T18:00:00Z")),
            heard(at("2026-11-22T04:00:00Z")),
        );
        assert_eq!(noon, all);
        for quiet in [night, sunday] {
            assert!(
                (all * 7 / 10..all * 9 / 10).contains(&quiet),
                "{quiet} of {all}"
            );
        }
    }

    #[test]
    fn an_outage_silences_exactly_whom_it_should() {
        let fleet = fleet(1000, 1);
        let start = at(MORNING);
        for scenario in [
            Scenario::CarrierOutage,
            Scenario::RegionOutage,
            Scenario::Firmware,
        ] {
            let from = start + TimeDelta::minutes(10);
            let outage = fleet
                .stage(scenario, from, Duration::from_secs(1800))
                .unwrap();
            let hit: BTreeSet<_> = fleet
                .devices()
                .iter()
                .filter(|device| outage.affected.includes(device))
                .map(|device| device.id.as_str())
                .collect();
            assert!(
                (20..500).contains(&hit.len()),
                "{scenario:?} hits {}",
                hit.len()
            );
            let (until, outages) = (outage.until, [outage]);
            let end = start + TimeDelta::hours(2);
            let with: Vec<_> = fleet.beats(start, end, &outages).collect();
            let without: Vec<_> = fleet.beats(start, end, &[]).collect();
            let is_missing = |beat: &&Beat<'_>| {
                !with
                    .iter()
                    .any(|other| other.at == beat.at && other.device.id == beat.device.id)
            };
            let missing: Vec<_> = without.iter().filter(is_missing).collect();
            assert!(
                missing
                    .iter()
                    .all(|beat| hit.contains(beat.device.id.as_str()))
            );
            assert!(missing.iter().all(|beat| beat.at >= from));
            let late = |beat: &&&Beat<'_>| beat.at >= until;
            let flushes = scenario == Scenario::CarrierOutage;
            assert_eq!(missing.iter().any(|beat| late(&beat)), flushes);
            let silent = |beat: &Beat<'_>| hit.contains(beat.device.id.as_str());
            assert!(
                !with
                    .iter()
                    .any(|beat| (from..until).contains(&beat.at) && silent(beat))
            );
            let back: BTreeSet<_> = with
                .iter()
                .filter(|beat| beat.at >= until && silent(beat))
                .map(|beat| beat.device.id.as_str())
                .collect();
            assert_eq!(back, hit, "{scenario:?}: all come back");
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
                    .filter(|lost| lost.device.id == beat.device.id)
                    .map(|lost| (lost.at, lost.seq))
                    .collect();
                let kept: Vec<_> = beat.buffered.iter().map(|old| (old.at, old.seq)).collect();
                assert_eq!(kept, lost);
            }
        }
    }

    #[test]
    fn the_largest_carrier_and_the_newest_firmware_are_hit() {
        let fleet = fleet(1000, 1);
        let hit = |scenario| {
            let outage = fleet.stage(scenario, at(MORNING), Duration::from_secs(1));
            outage.map(|outage| outage.affected.to_string())
        };
        assert_eq!(hit(Scenario::Steady), None);
        assert_eq!(hit(Scenario::CarrierOutage).unwrap(), "carrier ph/globe");
        assert_eq!(hit(Scenario::Firmware).unwrap(), "firmware 2.5.0");
        assert!(hit(Scenario::RegionOutage).unwrap().starts_with("region "));
        let elsewhere = Affected::Region("JP-47");
        assert!(
            !fleet
                .devices()
                .iter()
                .any(|device| elsewhere.includes(device))
        );
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

//! At which instants a device may send.
//!
//! A device has a slot every interval, at its own phase, plus a little jitter that depends on the
//! slot alone. Which of its slots it uses is up to its [life](crate::life).

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use model::Instant;

use crate::draw::mix;

/// Microseconds since 1970.
pub(crate) type Micros = i64;

pub(crate) const MINUTE: Micros = 60_000_000;
pub(crate) const HOUR: Micros = 60 * MINUTE;
pub(crate) const DAY: Micros = 24 * HOUR;

/// Of an interval, a heartbeat is at most one part in this many late.
pub(crate) const JITTER_PARTS: u64 = 20;

/// How often a sleeping device looks in. Once in six hours spends next to nothing of a parked
/// car's battery, still finds a dead device within the day, and in most hours leaves a sleeping
/// device out of the hourly count, so that nights show in it.
pub(crate) const CHECK_IN: Duration = Duration::from_secs(6 * 3600);

/// The rules of when slots are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timetable {
    pub(crate) interval: TimeDelta,
    pub(crate) interval_secs: u64,
    interval_micros: u64,
    /// A sleeping device uses one slot of so many.
    check_in_slots: u64,
}

impl Timetable {
    pub(crate) fn new(interval: Duration) -> Self {
        let interval_micros = u64::try_from(interval.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let check_in_micros = u64::try_from(CHECK_IN.as_micros()).unwrap_or(u64::MAX);
        Self {
            interval: TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
            interval_secs: interval.as_secs(),
            interval_micros,
            check_in_slots: (check_in_micros / interval_micros).max(1),
        }
    }

    /// When a slot of the device with this seed is due: a whole number of intervals since 1970,
    /// the device's phase, and jitter. Later slots are due later.
    pub(crate) fn micros(&self, seed: u64, slot: u64) -> Micros {
        let phase = seed % self.interval_micros;
        let jitter = mix(seed, slot) % (self.interval_micros / JITTER_PARTS + 1);
        let micros = slot
            .saturating_mul(self.interval_micros)
            .saturating_add(phase + jitter);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }

    /// The same as an instant.
    pub(crate) fn time(&self, seed: u64, slot: u64) -> Instant {
        instant(self.micros(seed, slot))
    }

    /// The first slot that is due at or after an instant.
    pub(crate) fn first_slot(&self, seed: u64, from: Micros) -> u64 {
        let micros = u64::try_from(from).unwrap_or(0);
        // Phase and jitter together are less than two intervals.
        let mut slot = (micros / self.interval_micros).saturating_sub(2);
        while self.micros(seed, slot) < from {
            slot += 1;
        }
        slot
    }

    /// The first slot, from this one on, in which a sleeping device looks in.
    pub(crate) fn check_in(&self, seed: u64, slot: u64) -> u64 {
        let own = seed % self.check_in_slots;
        let here = slot % self.check_in_slots;
        slot + (own + self.check_in_slots - here) % self.check_in_slots
    }
}

/// The instant so many microseconds after 1970.
pub(crate) fn instant(micros: Micros) -> Instant {
    DateTime::from_timestamp_micros(micros).unwrap_or(Instant::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_and_found_by_their_time() {
        for interval_secs in [1, 60, 300, 5000, 24 * 3600] {
            let timetable = Timetable::new(Duration::from_secs(interval_secs));
            for seed in [0, 7, u64::MAX / 3] {
                let start = timetable.first_slot(seed, 1_700_000_000_000_000);
                for slot in start..start + 50 {
                    let at = timetable.micros(seed, slot);
                    assert!(at < timetable.micros(seed, slot + 1));
                    assert_eq!(timetable.first_slot(seed, at), slot);
                    assert_eq!(timetable.first_slot(seed, at + 1), slot + 1);
                }
            }
        }
    }

    #[test]
    fn a_sleeping_device_looks_in_every_six_hours() {
        for (interval_secs, slots) in [(60, 360), (300, 72), (5 * 3600, 1), (24 * 3600, 1)] {
            let timetable = Timetable::new(Duration::from_secs(interval_secs));
            let first = timetable.check_in(11, 1_000_000);
            assert!((1_000_000..1_000_000 + slots).contains(&first));
            assert_eq!(timetable.check_in(11, first), first);
            assert_eq!(timetable.check_in(11, first + 1), first + slots);
        }
    }
}

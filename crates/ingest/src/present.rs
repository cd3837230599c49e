//! What presence already holds, so that most heartbeats need not be written again.

use chrono::TimeDelta;
use model::{CarrierSet, Country, DeviceNo, Hour, Instant, QuickMap, QuickSet};
use store::presence::PresenceRow;

/// Hours are remembered until this long after they ended.
const REMEMBERED_AFTER_END: TimeDelta = TimeDelta::hours(2);

/// Entries in all; beyond it everything is forgotten and written once more.
const MAX_ENTRIES: usize = 8_000_000;

/// The presence rows that are known to be committed.
#[derive(Debug, Default)]
pub(crate) struct Present {
    hours: QuickMap<(Instant, Country), Seen>,
    entries: usize,
}

#[derive(Debug)]
struct Seen {
    end: Instant,
    heard: QuickSet<Heard>,
}

/// A device and a carrier through which it was heard. Nearly every device has one carrier in an
/// hour, so five bytes for each take a third of the room that a carrier set with each device would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    device_no: [u8; 4],
    carrier_bit: u8,
}

impl Heard {
    fn through(device_no: DeviceNo, carriers: CarrierSet) -> impl Iterator<Item = Self> {
        carriers.bits().map(move |bit| Self {
            device_no: device_no.0.to_ne_bytes(),
            carrier_bit: u8::try_from(bit.index()).unwrap_or(u8::MAX),
        })
    }
}

impl std::hash::Hash for Heard {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let device_no = u32::from_ne_bytes(self.device_no);
        state.write_u64(u64::from(device_no) << 8 | u64::from(self.carrier_bit));
    }
}

impl Present {
    /// Whether a row would change nothing.
    pub(crate) fn holds(
        &self,
        hour: Hour,
        country: Country,
        device_no: DeviceNo,
        carriers: CarrierSet,
    ) -> bool {
        self.hours.get(&(hour.start, country)).is_some_and(|seen| {
            Heard::through(device_no, carriers).all(|one| seen.heard.contains(&one))
        })
    }

    /// Remembers rows. Call it only after their COMMIT: an entry for a row that was rolled back
    /// would lose the device for that hour.
    pub(crate) fn committed(&mut self, rows: &[PresenceRow]) {
        for row in rows {
            let seen = self
                .hours
                .entry((row.hour.start, row.country))
                .or_insert_with(|| Seen {
                    end: row.hour.end,
                    heard: QuickSet::default(),
                });
            for one in Heard::through(row.device_no, row.carriers) {
                self.entries += usize::from(seen.heard.insert(one));
            }
        }
        if self.entries > MAX_ENTRIES {
            self.hours.clear();
            self.entries = 0;
        }
    }

    /// Forgets hours that are over.
    pub(crate) fn forget_before(&mut self, now: Instant) {
        self.hours
            .retain(|_, seen| seen.end + REMEMBERED_AFTER_END > now);
        self.entries = self.hours.values().map(|seen| seen.heard.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::CarrierBit;

    #[test]
    fn what_is_committed_is_held_until_two_hours_after_its_end() {
        let start: Instant = "2026-11-21T05:00:00Z".parse().unwrap();
        let hour = Hour {
            start,
            end: start + TimeDelta::hours(1),
        };
        let (country, device_no) = (Country::UNPLACEABLE, DeviceNo(1_000_000));
        let set = |indexes: &[i16]| {
            let bits = indexes.iter().filter_map(|index| CarrierBit::new(*index));
            bits.fold(CarrierSet::default(), |set, bit| {
                set.union(CarrierSet::of(bit))
            })
        };
        let mut present = Present::default();
        let carriers = set(&[0, 63]);
        let row = PresenceRow {
            hour,
            country,
            device_no,
            carriers,
        };
        present.committed(&[row, row]);
        assert_eq!(present.entries, 2);
        for (carriers, held) in [(set(&[0]), true), (carriers, true), (set(&[0, 1]), false)] {
            let holds = present.holds(hour, country, device_no, carriers);
            assert_eq!(holds, held, "{carriers:?}");
        }
        assert!(!present.holds(hour, country, DeviceNo(1), set(&[0])));
        present.forget_before(hour.end + REMEMBERED_AFTER_END - TimeDelta::seconds(1));
        assert!(present.holds(hour, country, device_no, carriers));
        present.forget_before(hour.end + REMEMBERED_AFTER_END);
        assert!(!present.holds(hour, country, device_no, carriers));
        assert_eq!(present.entries, 0);
    }
}

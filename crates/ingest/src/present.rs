//! What presence already holds, so that most heartbeats need not be written again.

use chrono::TimeDelta;
use model::{CarrierSet, Country, DeviceNo, Hour, Instant, QuickMap};
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
    devices: QuickMap<DeviceNo, CarrierSet>,
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
        self.hours
            .get(&(hour.start, country))
            .and_then(|seen| seen.devices.get(&device_no))
            .is_some_and(|known| known.contains(carriers))
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
                    devices: QuickMap::default(),
                });
            let carriers = seen.devices.entry(row.device_no).or_insert_with(|| {
                self.entries += 1;
                CarrierSet::default()
            });
            *carriers = carriers.union(row.carriers);
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
        self.entries = self.hours.values().map(|seen| seen.devices.len()).sum();
    }
}

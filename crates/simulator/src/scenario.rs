//! What goes wrong.

use std::fmt;

use chrono::TimeDelta;
use model::{Instant, Segment};

use crate::Device;
use crate::firmware::Firmware;
use crate::place::Place;
use crate::world::Region;

/// A named story of things going wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing goes wrong.
    Steady,
    /// A carrier fails, and all of its devices in one country fall silent.
    CarrierOutage,
    /// The devices of one region fall silent, whatever their carrier.
    RegionOutage,
    /// A carrier fails in one region, and its devices there fall silent.
    RegionalOutage,
    /// The devices with one firmware version fall silent.
    Firmware,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Steady,
        Self::CarrierOutage,
        Self::RegionOutage,
        Self::RegionalOutage,
        Self::Firmware,
    ];

    /// How long the fleet is well before a scenario begins, so that there is something to compare.
    pub const STARTS_AFTER: std::time::Duration = std::time::Duration::from_secs(90);

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::CarrierOutage => "carrier-outage",
            Self::RegionOutage => "region-outage",
            Self::RegionalOutage => "regional-outage",
            Self::Firmware => "firmware",
        }
    }

    /// What happens in it, in half a sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Steady => "nothing goes wrong",
            Self::CarrierOutage => {
                "all devices of one carrier fall silent; some come back late and flush what they kept"
            }
            Self::RegionOutage => "all devices of one region fall silent, whatever their carrier",
            Self::RegionalOutage => {
                "one carrier fails in one region; some of its devices come back late and flush"
            }
            Self::Firmware => "all devices with the newest firmware fall silent",
        }
    }

    /// Reads the word that [`Self::name`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text)
    }
}

/// Who is hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affected {
    /// Everyone served by this carrier.
    Carrier(Segment),
    /// Everyone in this region.
    Region(&'static Region),
    /// Everyone in this region who is served by this carrier.
    CarrierInRegion {
        /// The carrier.
        carrier: Segment,
        /// The region.
        region: &'static Region,
    },
    /// Everyone with this firmware version.
    Firmware(Firmware),
}

impl Affected {
    /// Whether a device is hit, by where it is and what it runs at an instant.
    #[must_use]
    pub fn includes(&self, device: &Device, at: Instant) -> bool {
        self.hits(&device.place_at(at), device.firmware_at(at))
    }

    /// Whether a device in this place with this firmware is hit.
    pub(crate) fn hits(&self, place: &Place, firmware: Firmware) -> bool {
        match self {
            Self::Carrier(segment) => place.segment == segment,
            Self::Region(region) => place.region == *region,
            Self::CarrierInRegion { carrier, region } => {
                place.segment == carrier && place.region == *region
            }
            Self::Firmware(version) => firmware == *version,
        }
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carrier(segment) => write!(f, "carrier {segment}"),
            Self::Region(region) => write!(f, "region {}", region.code),
            Self::CarrierInRegion { carrier, region } => {
                write!(f, "carrier {carrier} in {}", region.code)
            }
            Self::Firmware(version) => write!(f, "firmware {version}"),
        }
    }
}

/// A time in which some devices can send nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Who is hit.
    pub affected: Affected,
    /// Its first instant.
    pub from: Instant,
    /// The first instant after it.
    pub until: Instant,
    /// Whether some of the hit devices come back later than the rest, with what they could not
    /// send.
    pub flushes: bool,
}

/// Whoever flushes comes back up to so much of an interval late: networks let those who come back
/// in bit by bit.
const LATE_PERCENT: u64 = 200;

impl Outage {
    /// When a device that is hit can send again.
    pub(crate) fn ends_for(&self, device: &Device, interval: TimeDelta) -> Instant {
        if !self.flushes || !device.buffers {
            return self.until;
        }
        let late_percent = i32::try_from(device.seed % LATE_PERCENT).unwrap_or(0);
        self.late(interval, late_percent)
    }

    /// When every device can send again.
    pub(crate) fn ends(&self, interval: TimeDelta) -> Instant {
        self.late(interval, i32::try_from(LATE_PERCENT).unwrap_or(i32::MAX))
    }

    fn late(&self, interval: TimeDelta, percent: i32) -> Instant {
        interval
            .checked_mul(percent)
            .and_then(|late| self.until.checked_add_signed(late / 100))
            .unwrap_or(self.until)
    }

    /// Whether it keeps a device from sending at an instant at which it is in this place and runs
    /// this firmware.
    pub(crate) fn silences(
        &self,
        device: &Device,
        place: &Place,
        firmware: Firmware,
        at: Instant,
        interval: TimeDelta,
    ) -> bool {
        at >= self.from
            && self.affected.hits(place, firmware)
            && at < self.ends_for(device, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_its_scenario() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::parse(scenario.name()), Some(scenario));
            assert!(!scenario.description().is_empty());
        }
        assert_eq!(Scenario::parse("flood"), None);
    }
}

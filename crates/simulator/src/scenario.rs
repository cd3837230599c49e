//! What goes wrong.

use std::fmt;

use chrono::TimeDelta;
use model::{Instant, Segment};

use crate::Device;

/// A named story of things going wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing goes wrong.
    Steady,
    /// A carrier fails, and all of its devices in one country fall silent.
    CarrierOutage,
    /// The devices of one region fall silent, whatever their carrier.
    RegionOutage,
    /// The devices with one firmware version fall silent.
    Firmware,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Steady,
        Self::CarrierOutage,
        Self::RegionOutage,
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
            Self::RegionOutage => "all devices of one region fall silent",
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
    Region(&'static str),
    /// Everyone with this firmware version.
    Firmware(&'static str),
}

impl Affected {
    /// Whether a device is hit.
    #[must_use]
    pub fn includes(&self, device: &Device) -> bool {
        match self {
            Self::Carrier(segment) => device.serving == *segment,
            Self::Region(region) => device.region == *region,
            Self::Firmware(version) => device.fw == *version,
        }
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carrier(segment) => write!(f, "carrier {segment}"),
            Self::Region(region) => write!(f, "region {region}"),
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

impl Outage {
    /// When a device that is hit can send again.
    pub(crate) fn ends_for(&self, device: &Device, interval: TimeDelta) -> Instant {
        if !self.flushes || !device.buffers {
            return self.until;
        }
        // Up to two intervals late: networks let those who come back in bit by bit.
        let late_percent = i32::try_from(device.seed % 200).unwrap_or(0);
        self.until + interval * late_percent / 100
    }

    /// Whether it keeps a device from sending at an instant.
    #[must_use]
    pub fn silences(&self, device: &Device, at: Instant, interval: TimeDelta) -> bool {
        at >= self.from && self.affected.includes(device) && at < self.ends_for(device, interval)
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

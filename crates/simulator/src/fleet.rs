//! Who is in the fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use model::{Carrier, Country, Instant, Plmn, Segment};

use crate::beats::Beats;
use crate::scenario::{Affected, Outage, Scenario};
use crate::world::{FIRMWARE, LANDS, Land, MODELS, pick};

/// The most devices of a fleet; each takes a few hundred bytes.
const MAX_DEVICES: u32 = 2_000_000;

/// The shortest and the longest interval.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// Of a hundred devices, so many are in another country than their home.
const ROAMERS_PERCENT: u32 = 2;

/// Of a hundred devices, so many are parked at night and on Sundays.
const SLEEPERS_PERCENT: u32 = 25;

/// Of a hundred devices, so many keep what they could not send and flush it later.
const BUFFERING_PERCENT: u32 = 30;

/// Serving cell areas of one network in one region.
const AREAS_PER_REGION: u32 = 3;

/// How a fleet is made.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// How many devices.
    pub devices: u32,
    /// The same seed makes the same fleet.
    pub seed: u64,
    /// Between two heartbeats of a device that is not parked.
    pub interval: Duration,
    /// Only devices whose home is in one of these; empty for all countries there are.
    pub countries: Vec<Country>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            devices: 1000,
            seed: 1,
            interval: Duration::from_secs(300),
            countries: Vec::new(),
        }
    }
}

/// Why there is no such fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// None, or more than fit into memory.
    #[error("a fleet has 1 to {MAX_DEVICES} devices, not {0}")]
    Devices(u32),
    /// Too short or too long.
    #[error("the interval is from 1 second to 24 hours")]
    Interval,
    /// The fleet has nothing to do with that country.
    #[error("there are simulated devices in {known}, not in `{country}`", known = countries())]
    Country {
        /// Which one.
        country: Country,
    },
}

fn countries() -> String {
    let codes: Vec<_> = LANDS.iter().map(|land| land.country).collect();
    codes.join(", ")
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id: its home country and a number, as in `ph-000123`.
    pub id: String,
    /// Where it is registered.
    pub home: Segment,
    /// Where it is: its home, unless it roams.
    pub serving: Segment,
    /// The network it is in.
    pub plmn: Plmn,
    /// The finance company whose car it is in.
    pub partner: &'static str,
    /// The region it is in, by ISO 3166-2.
    pub region: &'static str,
    /// The serving cell area it is in.
    pub tac: String,
    /// Its hardware model.
    pub model: &'static str,
    /// Its firmware version.
    pub fw: &'static str,
    /// By whose clock it sleeps.
    pub(crate) zone: Tz,
    /// Parked at night and on Sundays.
    pub(crate) sleeps: bool,
    /// Keeps what it could not send and flushes it later.
    pub(crate) buffers: bool,
    /// Makes everything that it does its own.
    pub(crate) seed: u64,
}

/// A serving cell area and the region it lies in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The network.
    pub plmn: Plmn,
    /// Its area code.
    pub tac: String,
    /// The region, by ISO 3166-2.
    pub region: &'static str,
}

/// A fleet of devices.
#[derive(Debug, Clone)]
pub struct Fleet {
    devices: Vec<Device>,
    interval: Duration,
}

impl Fleet {
    /// Makes a fleet.
    ///
    /// # Errors
    /// When there are no devices or too many, the interval is out of range, or a country is
    /// asked for in which the fleet has no devices.
    pub fn new(options: &FleetOptions) -> Result<Self, FleetError> {
        if options.devices == 0 || options.devices > MAX_DEVICES {
            return Err(FleetError::Devices(options.devices));
        }
        if !INTERVALS.contains(&options.interval) {
            return Err(FleetError::Interval);
        }
        let is_home = |land: &Land, country: &Country| land.country == country.as_str();
        for country in &options.countries {
            if !LANDS.iter().any(|land| is_home(land, country)) {
                return Err(FleetError::Country { country: *country });
            }
        }
        let homes: Vec<&Land> = LANDS
            .iter()
            .filter(|land| {
                options.countries.is_empty()
                    || options
                        .countries
                        .iter()
                        .any(|country| is_home(land, country))
            })
            .collect();
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let devices = (1..=options.devices)
            .filter_map(|number| device(&mut rng, &homes, number))
            .collect();
        Ok(Self {
            devices,
            interval: options.interval,
        })
    }

    /// The devices, in the order of their numbers.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Between two heartbeats of a device that is not parked.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The serving cell areas that the devices are in, sorted.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let cell = |device: &Device| Cell {
            plmn: device.plmn,
            tac: device.tac.clone(),
            region: device.region,
        };
        let mut cells: Vec<_> = self.devices.iter().map(cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The heartbeats of `[from, to)` in the order of time, without those that the outages keep
    /// from being sent.
    ///
    /// When a device sends depends on the seed alone: two calls for adjacent ranges give the same
    /// heartbeats as one for both. What it counts (`seq`, `boot_id`) starts anew at `from`, as if
    /// the whole fleet had been switched on then.
    pub fn beats<'f>(&'f self, from: Instant, to: Instant, outages: &'f [Outage]) -> Beats<'f> {
        Beats::new(&self.devices, self.interval, from, to, outages)
    }

    /// What goes wrong in a scenario: whom it hits, and from when until when. `None` where
    /// nothing does.
    ///
    /// The hit are the most that can be: the carrier, the region with the most devices; of the
    /// firmware versions, the newest, as after a roll-out that went wrong.
    #[must_use]
    pub fn stage(&self, scenario: Scenario, from: Instant, lasts: Duration) -> Option<Outage> {
        let affected = match scenario {
            Scenario::Steady => return None,
            Scenario::CarrierOutage => Affected::Carrier(
                most_common(self.devices.iter().map(|device| &device.serving))?.clone(),
            ),
            Scenario::RegionOutage => Affected::Region(most_common(
                self.devices.iter().map(|device| device.region),
            )?),
            Scenario::Firmware => Affected::Firmware(
                FIRMWARE
                    .iter()
                    .rev()
                    .map(|(version, _)| *version)
                    .find(|version| self.devices.iter().any(|device| device.fw == *version))?,
            ),
        };
        Some(Outage {
            affected,
            from,
            until: from + chrono::TimeDelta::from_std(lasts).unwrap_or(chrono::TimeDelta::MAX / 2),
            flushes: scenario == Scenario::CarrierOutage,
        })
    }
}

/// The value that comes most often; of several, the greatest.
fn most_common<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(value, _)| value)
}

/// Draws one device. Always the same number of draws from `rng`, so that what one device is does
/// not change all after it; `None` only where a table is empty.
fn device(rng: &mut fastrand::Rng, homes: &[&Land], number: u32) -> Option<Device> {
    let seed = rng.u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let home = pick(&mut rng, homes, |land| land.weight)?;
    let home_network = pick(&mut rng, home.networks, |network| network.weight)?;
    let partner = *pick(&mut rng, home.partners, |_| 1)?;
    let (model, _) = *pick(&mut rng, MODELS, |model| model.1)?;
    let (fw, _) = *pick(&mut rng, FIRMWARE, |version| version.1)?;
    let land = if rng.u32(0..100) < ROAMERS_PERCENT {
        let abroad = |land: &Land| u32::from(land.country != home.country) * land.weight;
        pick(&mut rng, LANDS, abroad)?
    } else {
        home
    };
    let network = if land.country == home.country {
        home_network
    } else {
        pick(&mut rng, land.networks, |network| network.weight)?
    };
    let (region, _) = *pick(&mut rng, land.regions, |region| region.1)?;
    let region_number = (0..)
        .zip(land.regions)
        .find_map(|(number, (code, _))| (*code == region).then_some(number))?;
    let area: u32 = 0x1A00 + region_number * 0x10 + rng.u32(0..AREAS_PER_REGION);
    let segment = |land: &Land, carrier: &str| {
        Some(Segment {
            country: Country::parse(land.country).ok()?,
            carrier: Carrier::slug(carrier),
        })
    };
    Some(Device {
        id: format!("{}-{number:06}", home.country),
        home: segment(home, home_network.carrier)?,
        serving: segment(land, network.carrier)?,
        plmn: Plmn::parse(network.plmn)?,
        partner,
        region,
        tac: format!("{area:04X}"),
        model,
        fw,
        zone: land.zone,
        sleeps: rng.u32(0..100) < SLEEPERS_PERCENT,
        buffers: rng.u32(0..100) < BUFFERING_PERCENT,
        seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn fleet(seed: u64) -> Fleet {
        let options = FleetOptions {
            seed,
            ..FleetOptions::default()
        };
        Fleet::new(&options).unwrap()
    }

    #[test]
    fn the_same_seed_makes_the_same_fleet() {
        assert_eq!(fleet(7).devices(), fleet(7).devices());
        assert_ne!(fleet(7).devices(), fleet(8).devices());
        // Written down, so that every machine and every later version must agree.
        let fleet = fleet(1);
        let devices = fleet.devices().iter().take(3);
        let written: Vec<_> = devices
            .map(|device| format!("{} {} {}", device.id, device.serving, device.fw))
            .collect();
        let expected = [
            "ph-000001 ph/globe 2.5.0",
            "ph-000002 ph/dito 2.4.1",
            "ph-000003 ph/smart 2.4.1",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_larger_fleet_begins_with_the_smaller_one() {
        let options = FleetOptions {
            devices: 10,
            ..FleetOptions::default()
        };
        let small = Fleet::new(&options).unwrap();
        assert_eq!(small.devices(), &fleet(1).devices()[..10]);
    }

    #[test]
    fn a_fleet_is_spread_over_countries_carriers_and_versions() {
        let fleet = fleet(1);
        let count = |pick: fn(&Device) -> String| {
            fleet
                .devices()
                .iter()
                .map(pick)
                .collect::<BTreeSet<_>>()
                .len()
        };
        assert_eq!(count(|device| device.id.clone()), 1000);
        assert_eq!(count(|device| device.home.country.to_string()), 7);
        assert!(count(|device| device.serving.to_string()) >= 14);
        assert_eq!(count(|device| device.fw.to_owned()), FIRMWARE.len());
        assert_eq!(count(|device| device.model.to_owned()), MODELS.len());
        assert!(count(|device| device.partner.to_owned()) > 7);
        let roamers = |device: &&Device| device.home.country != device.serving.country;
        let roaming = fleet.devices().iter().filter(roamers).count();
        assert!((5..50).contains(&roaming), "{roaming} of 1000 roam");
        let home = |device: &&Device| device.home == device.serving;
        assert_eq!(fleet.devices().iter().filter(home).count(), 1000 - roaming);
    }

    #[test]
    fn an_area_lies_in_one_region() {
        let cells = fleet(1).cells();
        let areas: BTreeSet<_> = cells.iter().map(|cell| (cell.plmn, &cell.tac)).collect();
        assert_eq!(areas.len(), cells.len());
    }

    #[test]
    fn only_countries_asked_for_are_home() {
        let japan = Country::parse("jp").unwrap();
        let options = FleetOptions {
            countries: vec![japan],
            ..FleetOptions::default()
        };
        let fleet = Fleet::new(&options).unwrap();
        assert!(
            fleet
                .devices()
                .iter()
                .all(|device| device.home.country == japan)
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let with = |change: fn(&mut FleetOptions)| {
            let mut options = FleetOptions::default();
            change(&mut options);
            Fleet::new(&options).unwrap_err().to_string()
        };
        assert_eq!(
            with(|o| o.devices = 0),
            "a fleet has 1 to 2000000 devices, not 0"
        );
        assert!(with(|o| o.interval = Duration::ZERO).contains("1 second"));
        let nowhere = with(|o| o.countries = vec![Country::parse("fr").unwrap()]);
        assert_eq!(
            nowhere,
            "there are simulated devices in ph, id, in, kh, th, jp, vn, not in `fr`"
        );
    }
}

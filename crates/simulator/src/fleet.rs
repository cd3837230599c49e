//! Who is in the fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Country, Instant, Segment};

use crate::beats::Beats;
use crate::draw::pick;
use crate::firmware::Firmware;
use crate::life::{Life, USES};
use crate::place::{Place, Places};
use crate::scenario::{Affected, Outage, Scenario};
use crate::stretches::Stretches;
use crate::timetable::Timetable;
use crate::world::{LANDS, Land, MODELS};

/// The most devices of a fleet; each takes a few hundred bytes.
const MAX_DEVICES: u32 = 2_000_000;

/// The shortest and the longest interval.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// Of a hundred devices, so many keep what they could not send and flush it later.
const BUFFERING_PERCENT: u32 = 30;

/// Of a hundred devices, at least so many run a firmware version before it is worth a scenario.
const FIRMWARE_HIT_PERCENT: usize = 8;

/// How a fleet is made.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// How many devices.
    pub devices: u32,
    /// The same seed makes the same fleet.
    pub seed: u64,
    /// Between two heartbeats of a device that is awake.
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
    let codes: Vec<_> = LANDS.iter().map(|land| land.code).collect();
    codes.join(", ")
}

/// One device: what it is, and by which rules it lives. What it does at an instant is asked for
/// with that instant, and depends on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id: its home country and a number, as in `ph-000123`.
    pub id: String,
    /// Where it is registered.
    pub home: &'static Segment,
    /// The finance company whose car it is in.
    pub partner: &'static str,
    /// Its hardware model.
    pub model: &'static str,
    pub(crate) places: Places,
    pub(crate) life: Life,
    /// Keeps what it could not send and flushes it later.
    pub(crate) buffers: bool,
    /// Makes everything that it does its own.
    pub(crate) seed: u64,
}

impl Device {
    /// Where it is: at home, through one of its carriers there, or on a trip abroad.
    #[must_use]
    pub fn place_at(&self, at: Instant) -> Place {
        self.places.at(self.seed, at.timestamp_micros()).0
    }

    /// Its firmware version.
    #[must_use]
    pub fn firmware_at(&self, at: Instant) -> Firmware {
        Firmware::at(self.seed, at.timestamp_micros())
    }

    /// The mast that it uses in a place, one of a few: the area above, the mast in it below.
    #[must_use]
    pub fn cell(&self, place: &Place) -> String {
        format!("{}{:04X}", place.tac, self.seed % 16)
    }
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
        let is_home = |land: &Land, country: &Country| land.code == country.as_str();
        for country in &options.countries {
            if !LANDS.iter().any(|land| is_home(land, country)) {
                return Err(FleetError::Country { country: *country });
            }
        }
        let homes: Vec<&'static Land> = LANDS
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

    /// Between two heartbeats of a device that is awake.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The heartbeats of `[from, to)` in the order of time, without those that the outages keep
    /// from being sent.
    ///
    /// When a device sends depends on the seed alone: two calls for adjacent ranges give the same
    /// heartbeats as one for both. What it counts (`seq`, `boot_id`) starts anew at `from`, as if
    /// the whole fleet had been switched on then.
    /// A device whose battery was dead has a new run with new counts, too. Further outages can be
    /// [staged](Beats::stage) on the way.
    #[must_use]
    pub fn beats(&self, from: Instant, to: Instant, outages: &[Outage]) -> Beats<'_> {
        let timetable = Timetable::new(self.interval);
        Beats::new(&self.devices, timetable, from, to, outages.to_vec())
    }

    /// The same heartbeats of one device as [`Self::beats`], told in stretches, in the order of
    /// time: the history of weeks costs as much as the few stretches of each day, however many
    /// heartbeats there are in them.
    #[must_use]
    pub fn stretches<'f>(
        &self,
        device: &'f Device,
        from: Instant,
        to: Instant,
        outages: &'f [Outage],
    ) -> Stretches<'f> {
        Stretches::new(device, Timetable::new(self.interval), from, to, outages)
    }

    /// What goes wrong in a scenario: whom it hits, and from when until when. `None` where
    /// nothing does.
    ///
    /// The hit are the most that can be, as everyone is placed at `from`: the carrier, the region,
    /// the carrier in one region with the most devices; of the firmware versions, the newest that
    /// is about, as after a roll-out that went wrong.
    #[must_use]
    pub fn stage(&self, scenario: Scenario, from: Instant, lasts: Duration) -> Option<Outage> {
        let places = || self.devices.iter().map(|device| device.place_at(from));
        let affected = match scenario {
            Scenario::Steady => return None,
            Scenario::CarrierOutage => {
                Affected::Carrier(most_common(places().map(|place| place.segment))?.clone())
            }
            Scenario::RegionOutage => {
                Affected::Region(most_common(places().map(|place| place.region))?)
            }
            Scenario::RegionalOutage => {
                let (carrier, region) =
                    most_common(places().map(|place| (place.segment, place.region)))?;
                Affected::CarrierInRegion {
                    carrier: carrier.clone(),
                    region,
                }
            }
            Scenario::Firmware => Affected::Firmware(self.newest_firmware(from)?),
        };
        let lasts = chrono::TimeDelta::from_std(lasts).unwrap_or(chrono::TimeDelta::MAX);
        Some(Outage {
            affected,
            from,
            until: from.checked_add_signed(lasts).unwrap_or(Instant::MAX_UTC),
            flushes: matches!(scenario, Scenario::CarrierOutage | Scenario::RegionalOutage),
        })
    }

    /// The newest version that more than a few devices run; in a tiny fleet, any.
    fn newest_firmware(&self, at: Instant) -> Option<Firmware> {
        let mut counts: BTreeMap<Firmware, usize> = BTreeMap::new();
        for device in &self.devices {
            *counts.entry(device.firmware_at(at)).or_default() += 1;
        }
        let enough = self.devices.len() * FIRMWARE_HIT_PERCENT / 100;
        counts
            .into_iter()
            .rev()
            .find_map(|(version, count)| (count >= enough).then_some(version))
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
fn device(rng: &mut fastrand::Rng, homes: &[&'static Land], number: u32) -> Option<Device> {
    let seed = rng.u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let home = *pick(&mut rng, homes, |land| land.weight)?;
    let places = Places::draw(&mut rng, home)?;
    let partner = *pick(&mut rng, home.partners, |_| 1)?;
    let (model, _) = *pick(&mut rng, MODELS, |model| model.1)?;
    let (used_for, _) = *pick(&mut rng, USES, |used_for| used_for.1)?;
    Some(Device {
        id: format!("{}-{number:06}", home.code),
        home: places.home.segment,
        partner,
        model,
        places,
        life: Life {
            seed,
            zone: home.zone,
            used_for,
        },
        buffers: rng.u32(0..100) < BUFFERING_PERCENT,
        seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A Friday noon in Manila.
    fn noon() -> Instant {
        "2026-11-20T04:00:00Z".parse().unwrap()
    }

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
            .map(|device| {
                let (place, fw) = (device.place_at(noon()), device.firmware_at(noon()));
                format!(
                    "{} {} {} {} {fw}",
                    device.id, place.segment, place.region.code, place.tac
                )
            })
            .collect();
        let expected = [
            "ph-000001 ph/globe PH-03 1A20 2.5.0",
            "ph-000002 ph/dito PH-11 1A41 2.5.0",
            "ph-000003 ph/smart PH-03 1A20 2.4.2",
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
        let serving = |device: &Device| device.place_at(noon()).segment.to_string();
        assert!(count(serving) >= 20);
        assert!(count(|device| device.firmware_at(noon()).to_string()) >= 2);
        assert_eq!(count(|device| device.model.to_owned()), MODELS.len());
        assert!(count(|device| device.partner.to_owned()) > 7);
        let abroad =
            |device: &&Device| device.place_at(noon()).segment.country != device.home.country;
        let roaming = fleet.devices().iter().filter(abroad).count();
        assert!((5..50).contains(&roaming), "{roaming} of 1000 roam");
        let home = |device: &&Device| device.home == device.place_at(noon()).segment;
        let at_home = fleet.devices().iter().filter(home).count();
        assert!(
            (930..1000).contains(&at_home),
            "{at_home} of 1000 as registered"
        );
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

//! Where a device is, and through whom it sends.

use std::fmt;

use model::{Plmn, Segment};

use crate::draw::{mix, pick};
use crate::life::Episodes;
use crate::timetable::{DAY, HOUR, Micros};
use crate::world::{AREAS_PER_REGION, LANDS, Land, Network, Region};

/// Of a hundred devices, so many travel: enough for about two in a hundred to be abroad at any
/// time.
const TRAVELLERS_PERCENT: u32 = 5;

/// Of a hundred devices, so many have a card for two carriers of their country.
const TWO_CARRIERS_PERCENT: u32 = 3;

/// The trips of those who travel: one in two weeks, of three to nine days.
const TRIPS: Episodes = Episodes {
    salt: 0x7219,
    every: 14 * DAY,
    permille: 1000,
    earliest: 0,
    latest: 5 * DAY,
    shortest: 3 * DAY,
    longest: 9 * DAY,
};

/// A device with two carriers looks this often which of them is the better one.
const CARRIER_KEPT_FOR: Micros = 5 * HOUR;

const CARRIER_SALT: u64 = 0x2_C422;

/// The code of a serving cell area; displays as in `1A02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tac(u16);

impl fmt::Display for Tac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// Where a device is, and the network it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The country and the carrier that serves it.
    pub segment: &'static Segment,
    /// The carrier's network.
    pub plmn: Plmn,
    /// The region.
    pub region: &'static Region,
    /// The serving cell area.
    pub tac: Tac,
}

impl Place {
    /// Somewhere in a country, in this network.
    fn draw(
        rng: &mut fastrand::Rng,
        land: &'static Land,
        network: &'static Network,
    ) -> Option<Self> {
        let region = pick(rng, land.regions, Region::weight)?;
        let number = (0..).zip(land.regions);
        let number = number
            .filter(|(_, other)| other.code == region.code)
            .map(|(number, _)| number)
            .next()?;
        Some(Self {
            segment: &network.segment,
            plmn: network.plmn,
            region,
            tac: Tac(Land::area_code(number, rng.u16(0..AREAS_PER_REGION))),
        })
    }

    /// Somewhere in another country than `home`; the large ones have more visitors.
    fn abroad(rng: &mut fastrand::Rng, home: &Segment) -> Option<Self> {
        let weight = |land: &Land| u32::from(land.code != home.country.as_str()) * land.weight;
        let land = pick(rng, LANDS, weight)?;
        let network = pick(rng, land.networks(), |network| network.weight)?;
        Self::draw(rng, land, network)
    }
}

/// A serving cell area and the region it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The network.
    pub plmn: Plmn,
    /// Its area code.
    pub tac: Tac,
    /// The region.
    pub region: &'static Region,
}

/// Every serving cell area that a device may ever be in, sorted.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for land in LANDS {
        for network in land.networks() {
            for (number, region) in (0..).zip(land.regions) {
                cells.extend((0..AREAS_PER_REGION).map(|area| Cell {
                    plmn: network.plmn,
                    tac: Tac(Land::area_code(number, area)),
                    region,
                }));
            }
        }
    }
    cells.sort_unstable();
    cells
}

/// The places of a device's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) home: Place,
    /// Through its other carrier, if it has one.
    second: Option<Place>,
    travels: bool,
}

impl Places {
    /// Draws the places of a device at home in a country; `None` only where a table is empty.
    pub(crate) fn draw(rng: &mut fastrand::Rng, land: &'static Land) -> Option<Self> {
        let network = pick(rng, land.networks(), |network| network.weight)?;
        let home = Place::draw(rng, land, network)?;
        let travels = rng.u32(0..100) < TRAVELLERS_PERCENT;
        let other = |other: &Network| u32::from(other != network) * other.weight;
        let second = pick(rng, land.networks(), other).map(|network| Place {
            segment: &network.segment,
            plmn: network.plmn,
            ..home
        });
        Some(Self {
            home,
            second: second.filter(|_| rng.u32(0..100) < TWO_CARRIERS_PERCENT),
            travels,
        })
    }

    /// Where the device with this seed is at an instant, and until when at least.
    pub(crate) fn at(&self, seed: u64, at: Micros) -> (Place, Micros) {
        let mut until = Micros::MAX;
        if self.travels {
            let cycle = TRIPS.at(seed, at);
            until = cycle.same_until(at);
            if let Some(trip) = cycle.episode.filter(|trip| trip.contains(at)) {
                let mut rng = fastrand::Rng::with_seed(trip.seed);
                if let Some(place) = Place::abroad(&mut rng, self.home.segment) {
                    return (place, until);
                }
            }
        }
        let Some(second) = self.second else {
            return (self.home, until);
        };
        let own = mix(seed, CARRIER_SALT);
        let shift = i64::try_from(own % CARRIER_KEPT_FOR.unsigned_abs()).unwrap_or(0);
        let number = at.saturating_add(shift).div_euclid(CARRIER_KEPT_FOR);
        let ends = (number + 1)
            .saturating_mul(CARRIER_KEPT_FOR)
            .saturating_sub(shift);
        let is_second = mix(own, number.unsigned_abs()) % 2 == 1;
        let place = if is_second { second } else { self.home };
        (place, until.min(ends))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_area_lies_in_one_region() {
        let cells = cells();
        let areas: BTreeSet<_> = cells.iter().map(|cell| (cell.plmn, cell.tac)).collect();
        assert_eq!(areas.len(), cells.len());
        let first = cells
            .iter()
            .find(|cell| cell.region.code == "PH-00")
            .unwrap();
        assert_eq!(first.region.name, "Metro Manila");
        assert_eq!(
            (
                first.plmn.to_string().as_str(),
                first.tac.to_string().as_str()
            ),
            ("515-02", "1A00")
        );
    }

    #[test]
    fn trips_are_short_and_lead_back_home() {
        let start = 1_760_000_000_000_000;
        let (mut abroad, mut trips, mut switches) = (0, 0, 0);
        let devices = 3000;
        for seed in 0..devices {
            let mut rng = fastrand::Rng::with_seed(seed);
            let places = Places::draw(&mut rng, &LANDS[0]).unwrap();
            let end = start + 56 * DAY;
            let mut at = start;
            while at < end {
                let (place, until) = places.at(seed, at);
                assert!(until > at);
                assert_eq!(places.at(seed, until.min(end) - 1).0, place);
                if place.segment.country != places.home.segment.country {
                    abroad += until.min(end) - at;
                    trips += 1;
                    assert!(until - at <= 9 * DAY);
                    assert!(at == start || until - at >= 3 * DAY);
                    assert!(cells().iter().any(|cell| {
                        (cell.plmn, cell.tac, cell.region) == (place.plmn, place.tac, place.region)
                    }));
                } else if place.segment != places.home.segment {
                    assert_eq!(
                        (place.region, place.tac),
                        (places.home.region, places.home.tac)
                    );
                    switches += 1;
                }
                at = until;
            }
        }
        let devices = i64::try_from(devices).unwrap();
        let abroad_permille = abroad * 1000 / (devices * 56 * DAY);
        assert!((15..=28).contains(&abroad_permille), "{abroad_permille}");
        assert!(
            (devices / 10..devices / 3).contains(&trips),
            "{trips} trips"
        );
        // Nearly three in a hundred, in half of 269 times five hours.
        let expected = devices * 3 / 100 * 134;
        assert!(
            (expected * 7 / 10..expected * 13 / 10).contains(&switches),
            "{switches}"
        );
    }
}

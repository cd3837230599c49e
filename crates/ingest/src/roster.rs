//! What ingest remembers of devices, countries and carriers, so that it need not ask the database
//! for every heartbeat.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::num::NonZero;

use hashbrown::HashTable;
use model::{
    CarrierBit, Country, DeviceId, DeviceNo, Heartbeat, Hour, Instant, Plmn, QuickMap, QuickState,
    Segment,
};
use store::Store;
use store::carriers::CarrierBits;
use store::countries::CountryRow;
use store::devices::DeviceRecord;

use crate::{Config, Context};

/// Devices remembered; beyond it all are forgotten and read again as they come.
const MAX_DEVICES: usize = 2_000_000;

/// What is remembered of a device. A fleet has a million of them, so each byte counts.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its number.
    pub device_no: DeviceNo,
    /// The last state of it that was written, or is about to be.
    pub last: Option<LastState>,
    home: u32,
    id_start: u32,
    id_len: u8,
}

/// Where and when a device was heard: its last state in the database, as far as this process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastState {
    /// Where.
    pub country: Country,
    /// Through whom.
    pub carrier_bit: CarrierBit,
    /// When.
    pub heard_at: Instant,
    /// What it said, if this process has heard it.
    pub said: Option<Said>,
}

/// A hash of what a heartbeat says that stays the same from one to the next: all of a last state but
/// signal and battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said(NonZero<u64>);

impl Said {
    /// What a heartbeat says of a device that was in this region. Hashes of different hashers are
    /// not to be compared.
    #[must_use]
    pub fn of(hasher: &QuickState, heartbeat: &Heartbeat, region: Option<&str>) -> Self {
        let Heartbeat {
            rat,
            tac,
            cell,
            fw,
            model,
            interval_secs,
            ..
        } = heartbeat;
        let radio = (heartbeat.plmn(), rat, tac, cell);
        let hash = hasher.hash_one((region, radio, fw, model, interval_secs));
        Self(NonZero::new(hash).unwrap_or(NonZero::<u64>::MAX))
    }
}

/// Where devices are registered. Many share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Home {
    /// Country and carrier.
    pub segment: Option<Segment>,
    /// The region.
    pub region: Option<Box<str>>,
}

/// A device that is remembered.
pub struct Found<'a> {
    /// What is remembered of it.
    pub known: &'a mut Known,
    /// Where it is registered.
    pub home: &'a Home,
    /// Makes the hashes of what devices say.
    pub hasher: &'a QuickState,
}

/// The devices, by id.
///
/// Their ids stand one behind the other in one text, and a table of 4 bytes an entry finds the
/// record of an id: a map would keep twice as much room for records as it has.
#[derive(Debug, Default)]
pub struct Devices {
    places: HashTable<u32>,
    known: Vec<Known>,
    ids: String,
    homes: Vec<Home>,
    home_numbers: QuickMap<Home, u32>,
    hasher: QuickState,
}

impl Devices {
    /// A device, if it is remembered.
    pub fn find(&mut self, id: &DeviceId) -> Option<Found<'_>> {
        let place = self.place(id)?;
        let known = self.known.get_mut(place)?;
        let home = self.homes.get(known.home as usize)?;
        Some(Found {
            known,
            home,
            hasher: &self.hasher,
        })
    }

    /// Whether a device is remembered.
    #[must_use]
    pub fn contains(&self, id: &DeviceId) -> bool {
        self.place(id).is_some()
    }

    fn place(&self, id: &DeviceId) -> Option<usize> {
        let is_it = |place: &u32| id_of(&self.known, &self.ids, *place) == id.as_str();
        let place = self.places.find(self.hasher.hash_one(id.as_str()), is_it);
        place.map(|place| *place as usize)
    }

    /// Makes room for so many devices more. Call it before asking which are remembered: those that
    /// are found then must stay.
    pub fn make_room(&mut self, more: usize) {
        if self.known.len() + more > MAX_DEVICES {
            self.clear();
        }
    }

    /// Remembers devices.
    pub fn extend(&mut self, found: HashMap<DeviceId, DeviceRecord>, bits: &CarrierBits) {
        for (id, record) in found {
            self.insert(&id, record, bits);
        }
    }

    fn insert(&mut self, id: &DeviceId, record: DeviceRecord, bits: &CarrierBits) {
        if self.contains(id) {
            return;
        }
        let DeviceRecord {
            device_no,
            home,
            region,
            last,
        } = record;
        let segment = home;
        let home = self.home_number(Home { segment, region });
        let last = last.and_then(|(segment, heard_at)| {
            Some(LastState {
                country: segment.country,
                carrier_bit: bits.bit(&segment)?,
                heard_at,
                said: None,
            })
        });
        // Neither 4 GiB of ids nor so many records are reached: see `MAX_DEVICES`.
        let (Ok(id_start), Ok(place), Ok(id_len)) = (
            u32::try_from(self.ids.len()),
            u32::try_from(self.known.len()),
            u8::try_from(id.as_str().len()),
        ) else {
            return;
        };
        self.ids.push_str(id.as_str());
        self.known.push(Known {
            device_no,
            last,
            home,
            id_start,
            id_len,
        });
        let Self {
            places,
            known,
            ids,
            hasher,
            ..
        } = self;
        let hash_of = |place: &u32| hasher.hash_one(id_of(known, ids, *place));
        places.insert_unique(hasher.hash_one(id.as_str()), place, hash_of);
    }

    fn home_number(&mut self, home: Home) -> u32 {
        if let Some(number) = self.home_numbers.get(&home) {
            return *number;
        }
        let number = u32::try_from(self.homes.len()).unwrap_or(u32::MAX);
        self.homes.push(home.clone());
        self.home_numbers.insert(home, number);
        number
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn id_of<'a>(known: &[Known], ids: &'a str, place: u32) -> &'a str {
    let known = known.get(place as usize);
    known
        .and_then(|known| {
            let start = known.id_start as usize;
            ids.get(start..start + usize::from(known.id_len))
        })
        .unwrap_or_default()
}

/// Countries, carriers and cells.
#[derive(Debug, Default)]
pub struct Atlas {
    countries: QuickMap<Country, CountryRow>,
    /// The hour that was asked for last, by country: heartbeats mostly lie in one.
    hours: QuickMap<Country, Hour>,
    /// The carriers' bits.
    pub bits: CarrierBits,
    /// Countries in which every bit is given away: their new carriers are `other`.
    full: HashSet<Country>,
    regions: QuickMap<Plmn, QuickMap<String, Box<str>>>,
    registry_revision: Option<i64>,
}

impl Atlas {
    /// Reads everything anew. Returns whether the registry has changed since the last time, so
    /// that what is remembered of devices is stale.
    ///
    /// # Errors
    /// When the database is away; what was known stays.
    pub async fn refresh(&mut self, store: &Store) -> store::Result<bool> {
        let countries = store.countries().await?;
        let bits = store.carrier_bits().await?;
        let revision = store.registry_revision().await?;
        let registry_changed = self.registry_revision != Some(revision);
        if registry_changed {
            let mut regions: QuickMap<Plmn, QuickMap<String, Box<str>>> = QuickMap::default();
            for ((plmn, tac), region) in store.cell_regions().await? {
                if let Some(plmn) = Plmn::parse(&plmn) {
                    regions.entry(plmn).or_default().insert(tac, region);
                }
            }
            self.regions = regions;
        }
        self.countries = countries.into_iter().collect();
        self.hours.clear();
        self.bits = bits;
        self.registry_revision = Some(revision);
        Ok(registry_changed)
    }

    /// A country in use.
    #[must_use]
    pub fn country(&self, country: Country) -> Option<&CountryRow> {
        self.countries.get(&country)
    }

    /// The hour of a country that holds an instant; `None` where the country is not in use.
    pub fn hour_at(&mut self, country: Country, instant: Instant) -> Option<Hour> {
        if let Some(hour) = self.hours.get(&country)
            && hour.contains(instant)
        {
            return Some(*hour);
        }
        let hour = self.countries.get(&country)?.zones.hour_at(instant);
        self.hours.insert(country, hour);
        Some(hour)
    }

    /// The bit of a segment, if country and carrier are known.
    #[must_use]
    pub fn bit(&self, segment: &Segment) -> Option<CarrierBit> {
        self.countries.get(&segment.country)?;
        let full = self.full.contains(&segment.country);
        self.bits.bit(segment).or(full.then_some(CarrierBit::OTHER))
    }

    /// Takes a segment into use that has not been heard before. Where another process took the bit
    /// that it was to get, it still has none afterwards, and needs to be added again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add(
        &mut self,
        segment: &Segment,
        config: &Config,
        context: &Context,
        now: Instant,
    ) -> store::Result<()> {
        let Context {
            store, catalogue, ..
        } = context;
        if !self.countries.contains_key(&segment.country) {
            let settings = config.country_settings(segment.country, catalogue);
            store.add_country(segment.country, settings, now).await?;
            self.countries = store.countries().await?.into_iter().collect();
        }
        self.bits = store.add_carrier(segment, now).await?;
        if self.bits.bit(segment).is_none() && self.bits.is_full(segment.country) {
            tracing::warn!(
                country = %segment.country, carrier = %segment.carrier,
                "the country has as many carriers as can be kept apart; new ones are `other`"
            );
            self.full.insert(segment.country);
        }
        Ok(())
    }

    /// The region of the serving cell, if the cells table knows it.
    #[must_use]
    pub fn region(&self, heartbeat: &Heartbeat) -> Option<&str> {
        let areas = self.regions.get(&heartbeat.plmn()?)?;
        areas.get(heartbeat.tac.as_deref()?).map(|region| &**region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Carrier;

    fn id(number: i32) -> DeviceId {
        DeviceId::parse(&format!("device-{number}")).unwrap()
    }

    fn record(number: i32) -> DeviceRecord {
        DeviceRecord {
            device_no: DeviceNo(number),
            home: (number % 3 == 0).then(|| Segment {
                country: Country::UNPLACEABLE,
                carrier: Carrier::slug(&format!("carrier {}", number % 2)),
            }),
            region: (number % 2 == 0).then(|| "north".into()),
            last: None,
        }
    }

    #[test]
    fn a_device_is_found_by_its_id_with_its_home() {
        let mut devices = Devices::default();
        let bits = CarrierBits::default();
        let all = (1..=10_000).map(|number| (id(number), record(number)));
        devices.extend(all.collect(), &bits);
        for number in 1..=10_000 {
            let found = devices.find(&id(number)).unwrap();
            assert_eq!(found.known.device_no, DeviceNo(number));
            let DeviceRecord { home, region, .. } = record(number);
            let segment = home;
            assert_eq!(*found.home, Home { segment, region });
        }
        for stranger in [0, 10_001] {
            assert!(devices.find(&id(stranger)).is_none());
            assert!(!devices.contains(&id(stranger)));
        }
        assert_eq!(devices.homes.len(), 4);
    }

    #[test]
    fn what_is_remembered_stays_until_there_is_no_room() {
        let mut devices = Devices::default();
        let bits = CarrierBits::default();
        devices.extend([(id(1), record(1))].into(), &bits);
        devices.find(&id(1)).unwrap().known.device_no = DeviceNo(7);
        // one that is remembered knows more than one that was read anew
        devices.extend([(id(1), record(1))].into(), &bits);
        assert_eq!(devices.find(&id(1)).unwrap().known.device_no, DeviceNo(7));
        devices.make_room(MAX_DEVICES - 1);
        assert!(devices.contains(&id(1)));
        devices.make_room(MAX_DEVICES);
        assert!(!devices.contains(&id(1)));
        devices.extend([(id(1), record(1))].into(), &bits);
        assert_eq!(devices.find(&id(1)).unwrap().known.device_no, DeviceNo(1));
    }

    #[test]
    fn a_device_takes_no_more_than_forty_bytes() {
        assert!(size_of::<Known>() <= 40, "{}", size_of::<Known>());
    }
}

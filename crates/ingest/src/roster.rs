//! What ingest remembers of devices, countries and carriers, so that it need not ask the database
//! for every heartbeat.

use std::collections::{HashMap, HashSet};

use model::{CarrierBit, Country, DeviceId, Heartbeat, Hour, Instant, Plmn, QuickMap, Segment};
use store::Store;
use store::carriers::CarrierBits;
use store::countries::CountryRow;
use store::devices::DeviceRecord;

use crate::{Config, Context};

/// Devices remembered; beyond it all are forgotten and read again as they come.
const MAX_DEVICES: usize = 2_000_000;

/// The devices, by id.
#[derive(Debug, Default)]
pub struct Devices {
    known: QuickMap<DeviceId, DeviceRecord>,
}

impl Devices {
    /// The record of a device, if it is remembered.
    pub fn get_mut(&mut self, id: &DeviceId) -> Option<&mut DeviceRecord> {
        self.known.get_mut(id)
    }

    /// Whether a device is remembered.
    #[must_use]
    pub fn contains(&self, id: &DeviceId) -> bool {
        self.known.contains_key(id)
    }

    /// Makes room for so many devices more. Call it before asking which are remembered: those that
    /// are found then must stay.
    pub fn make_room(&mut self, more: usize) {
        if self.known.len() + more > MAX_DEVICES {
            self.known.clear();
        }
    }

    /// Remembers devices.
    pub fn extend(&mut self, found: HashMap<DeviceId, DeviceRecord>) {
        self.known.extend(found);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.known.clear();
    }
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
    pub fn region(&self, heartbeat: &Heartbeat) -> Option<Box<str>> {
        self.regions
            .get(&heartbeat.plmn()?)?
            .get(heartbeat.tac.as_deref()?)
            .cloned()
    }
}

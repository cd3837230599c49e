//! Countries and carriers in use, and taking new ones into use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{CarrierBit, Country, Instant, Segment, ZoneHistory};
use store::Store;
use store::carriers::CarrierBits;
use store::countries::{CountryRow, CountrySettings};

use super::ImportContext;

/// How often a carrier is asked a place for: another process may take the one it was to get.
const ATTEMPTS: usize = 3;

/// Countries and carriers in use.
pub(super) struct Atlas {
    store: Store,
    settings: Arc<dyn Fn(Country) -> CountrySettings + Send + Sync>,
    countries: HashMap<Country, CountryRow>,
    pub(super) bits: CarrierBits,
    /// Countries in which every bit is given away.
    full: HashSet<Country>,
}

impl Atlas {
    /// Reads what is in use.
    pub(super) async fn read(context: &ImportContext) -> store::Result<Self> {
        Ok(Self {
            store: context.store.clone(),
            settings: Arc::clone(&context.settings),
            countries: context.store.countries().await?,
            bits: context.store.carrier_bits().await?,
            full: HashSet::new(),
        })
    }

    /// The zones of a country, which is taken into use.
    pub(super) async fn zones(
        &mut self,
        country: Country,
        now: Instant,
    ) -> store::Result<ZoneHistory> {
        if let Some(row) = self.countries.get(&country) {
            return Ok(row.zones.clone());
        }
        let settings = (self.settings)(country);
        self.store.add_country(country, settings, now).await?;
        // Another process may have taken it into use with another zone: that one holds.
        self.countries = self.store.countries().await?;
        let row = self.countries.get(&country);
        Ok(row.map_or_else(
            || ZoneHistory::always(settings.time_zone),
            |row| row.zones.clone(),
        ))
    }

    /// The zones and the bit of a segment, if it is in use.
    pub(super) fn known(&self, segment: &Segment) -> Option<(&ZoneHistory, CarrierBit)> {
        let row = self.countries.get(&segment.country)?;
        let is_full = self.full.contains(&segment.country);
        let bit = self
            .bits
            .bit(segment)
            .or(is_full.then_some(CarrierBit::OTHER))?;
        Some((&row.zones, bit))
    }

    /// Takes a segment into use.
    pub(super) async fn add(&mut self, segment: &Segment, now: Instant) -> store::Result<()> {
        self.zones(segment.country, now).await?;
        for _ in 0..ATTEMPTS {
            self.bits = self.store.add_carrier(segment, now).await?;
            if self.bits.bit(segment).is_some() {
                return Ok(());
            }
        }
        tracing::warn!(
            country = %segment.country, carrier = %segment.carrier,
            "the country has as many carriers as can be kept apart; new ones are `other`"
        );
        self.full.insert(segment.country);
        Ok(())
    }
}

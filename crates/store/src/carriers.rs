//! Carriers and their places in a country's bit set.

use model::QuickMap;
use model::{Carrier, CarrierBit, CarrierSet, Country, Instant, Segment};
use sqlx::PgConnection;

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// Which bit stands for which carrier, in every country in use.
#[derive(Debug, Clone, Default)]
pub struct CarrierBits {
    bits: QuickMap<Segment, CarrierBit>,
    carriers: QuickMap<(Country, CarrierBit), Carrier>,
}

impl CarrierBits {
    fn insert(&mut self, segment: Segment, bit: CarrierBit) {
        self.carriers
            .insert((segment.country, bit), segment.carrier.clone());
        self.bits.insert(segment, bit);
    }

    /// The bit of a segment, if it has been given one.
    #[must_use]
    pub fn bit(&self, segment: &Segment) -> Option<CarrierBit> {
        self.bits.get(segment).copied()
    }

    /// The carrier a bit stands for. Bits that nobody was given read as `other`.
    #[must_use]
    pub fn carrier(&self, country: Country, bit: CarrierBit) -> Carrier {
        self.carriers
            .get(&(country, bit))
            .cloned()
            .unwrap_or_else(Carrier::other)
    }

    /// Whether every bit of a country is given away, so that its new carriers are `other`.
    #[must_use]
    pub fn is_full(&self, country: Country) -> bool {
        CarrierSet::all()
            .bits()
            .all(|bit| self.carriers.contains_key(&(country, bit)))
    }

    /// The carriers that have a bit in a country, in the order of their slugs; `unknown` and
    /// `other` among them.
    #[must_use]
    pub fn carriers_of(&self, country: Country) -> Vec<Carrier> {
        let mut carriers: Vec<_> = self
            .bits
            .keys()
            .filter(|segment| segment.country == country)
            .map(|segment| segment.carrier.clone())
            .collect();
        carriers.sort_unstable();
        carriers
    }

    /// Spreads counts per carrier set over the carriers in it.
    pub(crate) fn spread(
        &self,
        country: Country,
        sets: impl IntoIterator<Item = (CarrierSet, i64)>,
    ) -> std::collections::BTreeMap<Carrier, i64> {
        let mut by_carrier = std::collections::BTreeMap::new();
        for (set, devices) in sets {
            for bit in set.bits() {
                *by_carrier.entry(self.carrier(country, bit)).or_insert(0) += devices;
            }
        }
        by_carrier
    }
}

pub(crate) async fn all(connection: &mut PgConnection) -> Result<CarrierBits> {
    let rows: Vec<(String, i16, String)> = Error::at(
        "carriers",
        sqlx::query_as("select country, bit, carrier from carriers")
            .fetch_all(connection)
            .await,
    )?;
    let mut bits = CarrierBits::default();
    for (country, bit, carrier) in rows {
        let bit = CarrierBit::new(bit).ok_or_else(|| Error::Corrupt {
            what: "carrier bit",
            value: bit.to_string(),
        })?;
        let segment = Segment {
            country: read_country(&country)?,
            carrier: Carrier::slug(&carrier),
        };
        bits.insert(segment, bit);
    }
    Ok(bits)
}

impl Store {
    /// All carriers known.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn carrier_bits(&self) -> Result<CarrierBits> {
        let mut connection = Error::at("carriers", self.pool.acquire().await)?;
        all(&mut connection).await
    }

    /// Gives a segment its bit: the lowest one free, or that of `other` when none is. The country
    /// must be in use already. Returns all carriers, this one included.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_carrier(&self, segment: &Segment, now: Instant) -> Result<CarrierBits> {
        // Two processes that add at once collide on the key and one of them finds nothing free at
        // that bit: it reads again below and takes the next one at the next heartbeat.
        let done = sqlx::query(
            "with country as (
                 select $1::text as country
             ), fixed (bit, carrier) as (
                 values (0::smallint, 'unknown'), (63::smallint, 'other')
             ), free as (
                 select min(n)::smallint as bit from generate_series(1, 62) n
                 where not exists (select from carriers c where c.country = $1 and c.bit = n)
             )
             insert into carriers (country, bit, carrier, first_seen_at)
             select country.country, f.bit, f.carrier, $3 from country, fixed f
             union all
             select country.country, free.bit, $2, $3 from country, free
             where free.bit is not null and $2 not in ('unknown', 'other')
               and not exists (select from carriers c where c.country = $1 and c.carrier = $2)
             on conflict do nothing",
        )
        .bind(segment.country.as_str())
        .bind(segment.carrier.as_str())
        .bind(now)
        .execute(&self.pool)
        .await;
        Error::at("add_carrier", done)?;
        self.carrier_bits().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_full_when_every_bit_is_given_away() {
        let (full, other) = ("ph", "jp");
        let country = |code: &str| Country::parse(code).unwrap();
        let mut bits = CarrierBits::default();
        for bit in CarrierSet::all().bits() {
            assert!(!bits.is_full(country(full)));
            let segment = Segment {
                country: country(full),
                carrier: Carrier::slug(&format!("carrier {}", bit.index())),
            };
            bits.insert(segment, bit);
        }
        assert!(bits.is_full(country(full)));
        assert!(!bits.is_full(country(other)));
        assert_eq!(bits.carriers_of(country(full)).len(), 64);
    }
}

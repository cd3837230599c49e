//! Countries, carriers, and the pair of both.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An ISO 3166-1 alpha-2 code in lower case, or [`Country::UNPLACEABLE`].
///
/// Any two letters make a `Country`; whether ISO has assigned them is known to
/// [`Catalogue::country`](crate::Catalogue::country).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A text is not a country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a country is two letters, as in ISO 3166-1 alpha-2: `ph`, `jp`")]
pub struct CountryError;

impl Country {
    /// `zz`: the heartbeat came from somewhere we could not tell.
    pub const UNPLACEABLE: Self = Self(*b"zz");

    /// Reads two letters of either case.
    ///
    /// # Errors
    /// When the text is not two ASCII letters.
    pub fn parse(text: &str) -> Result<Self, CountryError> {
        match text.as_bytes() {
            &[a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_lowercase(), b.to_ascii_lowercase()]))
            }
            _ => Err(CountryError),
        }
    }

    /// The code in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both bytes are ASCII letters by construction, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or("zz")
    }
}

impl TryFrom<String> for Country {
    type Error = CountryError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A carrier's name in its country as a slug: lower-case `a-z`, `0-9` and single `-`, at most
/// [`Carrier::MAX_LEN`] characters. Safe as a tag value, in a URL and in a CSV cell as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Carrier(Arc<str>);

impl Carrier {
    /// The most characters a slug may have.
    pub const MAX_LEN: usize = 40;

    /// `unknown`: the country is known, the carrier is not.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".into())
    }

    /// `other`: carriers beyond those a country can keep apart.
    #[must_use]
    pub fn other() -> Self {
        Self("other".into())
    }

    /// Makes a slug of any text: letters and digits are kept in lower case, everything between
    /// them becomes one `-`. Text with angle brackets, or without a letter or digit, is no name:
    /// `unknown`.
    #[must_use]
    pub fn slug(text: &str) -> Self {
        if text.contains(['<', '>']) {
            return Self::unknown();
        }
        let mut slug = String::with_capacity(text.len().min(Self::MAX_LEN));
        for c in text.chars() {
            if slug.len() == Self::MAX_LEN {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        if slug.is_empty() {
            Self::unknown()
        } else {
            Self(slug.into())
        }
    }

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Carrier {
    fn from(text: String) -> Self {
        Self::slug(&text)
    }
}

impl From<Carrier> for String {
    fn from(carrier: Carrier) -> Self {
        carrier.as_str().to_owned()
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One carrier in one country: the finest thing that is counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Segment {
    /// Where.
    pub country: Country,
    /// Through whom.
    pub carrier: Carrier,
}

impl Segment {
    /// `zz/unknown`: nothing could be told.
    #[must_use]
    pub fn unplaceable() -> Self {
        Self {
            country: Country::UNPLACEABLE,
            carrier: Carrier::unknown(),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.country, self.carrier)
    }
}

/// A carrier's place in its country's [`CarrierSet`]: 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierBit(u8);

impl CarrierBit {
    /// The place of `unknown` in every country.
    pub const UNKNOWN: Self = Self(0);
    /// The place of `other` in every country: all carriers beyond the 63 that have their own.
    pub const OTHER: Self = Self(63);

    /// The bit at `index`, if it is 0 to 63.
    #[must_use]
    pub fn new(index: i16) -> Option<Self> {
        u8::try_from(index).ok().filter(|bit| *bit < 64).map(Self)
    }

    /// The index, as the database keeps it.
    #[must_use]
    pub fn index(self) -> i16 {
        i16::from(self.0)
    }
}

/// The carriers through which one device was heard in one hour: one bit each.
///
/// The set is what makes a country's count and its carriers' counts both exact from one row per
/// device and hour: the country counts rows, a carrier counts rows with its bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CarrierSet(u64);

impl CarrierSet {
    /// The set of one carrier.
    #[must_use]
    pub fn of(bit: CarrierBit) -> Self {
        Self(1 << bit.0)
    }

    /// The set of every bit there is.
    #[must_use]
    pub fn all() -> Self {
        Self(u64::MAX)
    }

    /// The set that a `bigint` column holds.
    #[must_use]
    pub fn from_i64(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }

    /// The set as a `bigint` column holds it; bit 63 is the sign.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every carrier of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The carriers in the set, lowest bit first.
    pub fn bits(self) -> impl Iterator<Item = CarrierBit> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = u8::try_from(rest.trailing_zeros()).ok()?;
            rest &= rest.checked_sub(1)?;
            Some(CarrierBit(lowest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(Country::parse("PH").unwrap().as_str(), "ph");
        for bad in ["", "p", "phl", "p1", "日本", "🇵🇭"] {
            assert_eq!(Country::parse(bad), Err(CountryError), "{bad:?}");
        }
    }

    #[test]
    fn any_text_makes_a_harmless_slug() {
        let cases = [
            ("Globe", "globe"),
            ("Smart Axiata", "smart-axiata"),
            ("a|#b:c", "a-b-c"),
            ("line\nfeed", "line-feed"),
            ("AT&T  Mobility ", "at-t-mobility"),
            ("<script>alert(1)</script>", "unknown"),
            ("携帯", "unknown"),
            ("", "unknown"),
            ("---", "unknown"),
        ];
        for (text, slug) in cases {
            assert_eq!(Carrier::slug(text).as_str(), slug, "{text:?}");
        }
        assert!(Carrier::slug(&"x".repeat(4096)).as_str().len() <= Carrier::MAX_LEN);
    }

    #[test]
    fn a_set_survives_the_database_with_its_sign_bit() {
        let both = CarrierSet::of(CarrierBit::OTHER).union(CarrierSet::of(CarrierBit::UNKNOWN));
        assert!(both.to_i64() < 0);
        assert_eq!(CarrierSet::from_i64(both.to_i64()), both);
        let bits: Vec<_> = both.bits().map(CarrierBit::index).collect();
        assert_eq!(bits, [0, 63]);
    }
}

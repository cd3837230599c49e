//! Network codes: mobile country code (MCC) and mobile network code (MNC), ITU-T E.212.

use std::fmt;

/// A mobile country code: three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mcc(u16);

/// A mobile network code: two or three digits. `02` and `002` are different networks, so the
/// number of digits is part of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mnc {
    value: u16,
    digits: u8,
}

/// A network: MCC and MNC together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    /// The country part.
    pub mcc: Mcc,
    /// The network part.
    pub mnc: Mnc,
}

fn digits(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl Mcc {
    /// Reads three digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 3 {
            return None;
        }
        digits(text).map(Self)
    }

    /// MCC 901 is shared by satellites and global SIMs: it says nothing about a country.
    #[must_use]
    pub fn is_international(self) -> bool {
        self.0 == 901
    }
}

impl Mnc {
    /// Reads two or three digits; leading zeros count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit_count = match text.len() {
            2 => 2,
            3 => 3,
            _ => return None,
        };
        digits(text).map(|value| Self {
            value,
            digits: digit_count,
        })
    }
}

impl Plmn {
    /// Reads `515-02`, `51502` or `440010` (MCC first).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mcc, mnc) = match text.split_once('-') {
            Some(parts) => parts,
            None => text.split_at_checked(3)?,
        };
        Some(Self {
            mcc: Mcc::parse(mcc)?,
            mnc: Mnc::parse(mnc)?,
        })
    }
}

impl fmt::Display for Mcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

impl fmt::Display for Mnc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:0width$}",
            self.value,
            width = usize::from(self.digits)
        )
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mcc, self.mnc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_and_three_digit_codes_are_kept_apart() {
        let two = Plmn::parse("456-02").unwrap();
        let three = Plmn::parse("456-002").unwrap();
        assert_ne!(two, three);
        assert_eq!(two.to_string(), "456-02");
        assert_eq!(three.to_string(), "456-002");
        assert_eq!(Plmn::parse("45602"), Some(two));
    }

    #[test]
    fn anything_else_is_no_network() {
        for bad in [
            "",
            "515",
            "515-",
            "515-2",
            "51-502",
            "515-0002",
            "a15-02",
            "+15-02",
            "５１５-02",
        ] {
            assert_eq!(Plmn::parse(bad), None, "{bad:?}");
        }
    }
}

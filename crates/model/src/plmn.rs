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

/// A network's code as text, without memory of its own: every heartbeat carries one.
#[derive(Debug, Clone, Copy)]
pub struct PlmnText {
    bytes: [u8; PlmnText::MAX_LEN],
    len: usize,
}

impl PlmnText {
    /// `440-010`.
    const MAX_LEN: usize = 7;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits and a dash, so it always is text.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Plmn {
    /// The code as it is displayed, `515-02`.
    #[must_use]
    pub fn text(self) -> PlmnText {
        let digit = |value: u16, place: u16| b'0' + u8::try_from(value / place % 10).unwrap_or(0);
        let Self { mcc, mnc } = self;
        let mut bytes = [b'-'; PlmnText::MAX_LEN];
        bytes[0] = digit(mcc.0, 100);
        bytes[1] = digit(mcc.0, 10);
        bytes[2] = digit(mcc.0, 1);
        let mut len = 4;
        for place in [100, 10, 1].into_iter().skip(3 - usize::from(mnc.digits)) {
            bytes[len] = digit(mnc.value, place);
            len += 1;
        }
        PlmnText { bytes, len }
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
    fn the_text_is_what_is_displayed() {
        for code in [
            "515-02", "001-01", "440-010", "999-999", "302-000", "100-00",
        ] {
            let plmn = Plmn::parse(code).unwrap();
            assert_eq!(
                (plmn.text().as_str(), plmn.to_string().as_str()),
                (code, code)
            );
        }
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

//! Devices.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a device: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
///
/// The character set leaves out everything that means something to MQTT (`/`, `+`, `#`), to
/// DogStatsD (`|`, `,`) or to a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Box<str>);

/// Why a text is not a [`DeviceId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// It has no characters.
    #[error("a device id needs at least one character")]
    Empty,
    /// It has more than [`DeviceId::MAX_LEN`] characters.
    #[error("a device id has at most {} characters", DeviceId::MAX_LEN)]
    TooLong,
    /// It holds a character outside the allowed set.
    #[error("a device id has only the characters A-Z a-z 0-9 . _ : -")]
    Character,
}

impl DeviceId {
    /// The most characters an id may have.
    pub const MAX_LEN: usize = 64;

    /// Reads an id.
    ///
    /// # Errors
    /// When the text is empty, too long, or holds a character that is not allowed.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        if text.is_empty() {
            return Err(DeviceIdError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(DeviceIdError::TooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if !text.bytes().all(allowed) {
            return Err(DeviceIdError::Character);
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A map by device can be asked with the id's text: it hashes and compares like it.
impl std::borrow::Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceId {
    type Error = DeviceIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0.into_string()
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}

/// The number a device gets when it is first seen. Four bytes in every presence row instead of
/// an id of up to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNo(pub i32);

/// What the registry says about a device's life. Only an active device can be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum DeviceStatus {
    /// Built in and expected to send.
    #[default]
    Active,
    /// On a shelf.
    Stock,
    /// Taken out of service.
    Retired,
}

impl DeviceStatus {
    /// The word used in files, in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stock => "stock",
            Self::Retired => "retired",
        }
    }

    /// Reads the word that [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Stock, Self::Retired]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_ids_are_devices() {
        for good in ["a", "IMEI:356938035643809", "ph-0001.a_b", &"x".repeat(64)] {
            assert_eq!(DeviceId::parse(good).unwrap().as_str(), good);
        }
        let cases = [
            ("", DeviceIdError::Empty),
            (&*"x".repeat(65), DeviceIdError::TooLong),
            (&*"x".repeat(10_000), DeviceIdError::TooLong),
            ("a\0b", DeviceIdError::Character),
            ("'; drop table devices; --", DeviceIdError::Character),
            ("a/b", DeviceIdError::Character),
            ("端末", DeviceIdError::Character),
        ];
        for (bad, why) in cases {
            assert_eq!(DeviceId::parse(bad), Err(why), "{bad:?}");
        }
    }
}

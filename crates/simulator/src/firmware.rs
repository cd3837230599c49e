//! Which firmware a device runs, and when it updates.

use std::fmt;

use crate::draw::mix;
use crate::timetable::{DAY, HOUR, Micros};

/// When the first release was made: 2025-12-29, by UTC.
const FIRST_RELEASE: Micros = 1_766_966_400_000_000;

/// From one release to the next.
const RELEASED_EVERY: Micros = 21 * DAY;

/// Releases of one minor version: x.0, x.1 and x.2.
const PATCHES: u32 = 3;

/// A device updates within so long after a release; most do early on.
const UPDATES_WITHIN: Micros = 14 * DAY;

/// Of a hundred devices, so many are slow.
const LAGGARDS_PERCENT: u64 = 7;

/// A laggard updates no earlier after a release than this, and no later than that.
const LAGGARDS_UPDATE: (Micros, Micros) = (20 * DAY, 80 * DAY);

/// So many releases a device can be behind at most.
const BEHIND_AT_MOST: u32 = 5;

const SALT: u64 = 0xF1_3371;

/// A firmware version; newer ones are greater. Displays as in `2.5.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firmware(u32);

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2.{}.{}", self.0 / PATCHES, self.0 % PATCHES)
    }
}

impl Firmware {
    /// The newest that is released.
    fn newest(at: Micros) -> Self {
        let number = at.saturating_sub(FIRST_RELEASE) / RELEASED_EVERY;
        Self(u32::try_from(number).unwrap_or(0))
    }

    fn released_at(self) -> Micros {
        FIRST_RELEASE + i64::from(self.0) * RELEASED_EVERY
    }

    /// When the device with this seed has it, unless it has a newer one by then.
    fn installed_at(self, seed: u64) -> Micros {
        let own = mix(seed, SALT);
        let mut rng = fastrand::Rng::with_seed(mix(own, u64::from(self.0)));
        let after = if own % 100 < LAGGARDS_PERCENT {
            rng.i64(LAGGARDS_UPDATE.0..LAGGARDS_UPDATE.1)
        } else {
            // The lesser of two: half are done within three tenths of the time.
            HOUR + rng.i64(0..UPDATES_WITHIN).min(rng.i64(0..UPDATES_WITHIN))
        };
        self.released_at() + after
    }

    /// What the device with this seed runs.
    pub(crate) fn at(seed: u64, at: Micros) -> Self {
        let newest = Self::newest(at).0;
        let oldest = newest.saturating_sub(BEHIND_AT_MOST);
        (oldest + 1..=newest)
            .rev()
            .map(Self)
            .find(|version| version.installed_at(seed) <= at)
            .unwrap_or(Self(oldest))
    }

    /// Until when the device with this seed runs it, at `at`.
    pub(crate) fn until(self, seed: u64) -> Micros {
        let mut until = Micros::MAX;
        let mut next = Self(self.0 + 1);
        while next.released_at() < until {
            until = until.min(next.installed_at(seed));
            next = Self(next.0 + 1);
        }
        until
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use model::Instant;
    use proptest::prelude::*;

    fn micros(text: &str) -> Micros {
        text.parse::<Instant>().unwrap().timestamp_micros()
    }

    #[test]
    fn versions_come_in_waves() {
        let shares = |text: &str| {
            let mut shares: BTreeMap<String, u32> = BTreeMap::new();
            for seed in 0..1000 {
                let version = Firmware::at(mix(seed, 5), micros(text));
                *shares.entry(version.to_string()).or_default() += 1;
            }
            shares
        };
        // 2.5.0 was released on 9 November.
        let released = Firmware(15).released_at();
        assert_eq!(released, micros("2026-11-09T00:00:00Z"));
        let before = shares("2026-11-08T23:00:00Z");
        assert!(
            before["2.4.2"] > 850 && !before.contains_key("2.5.0"),
            "{before:?}"
        );
        let during = shares("2026-11-12T00:00:00Z");
        assert!((200..600).contains(&during["2.5.0"]), "{during:?}");
        let after = shares("2026-11-25T00:00:00Z");
        assert!(after["2.5.0"] > 900, "{after:?}");
        let laggards: u32 = after.values().sum::<u32>() - after["2.5.0"];
        assert!((30..120).contains(&laggards), "{after:?}");
        assert_eq!(
            shares("1990-01-01T00:00:00Z"),
            [("2.0.0".to_owned(), 1000)].into()
        );
    }

    proptest! {
        #[test]
        fn a_device_never_goes_back(seed in any::<u64>(), start_secs in 0_i64..4_000_000_000) {
            let mut at = start_secs * 1_000_000;
            let mut version = Firmware::at(seed, at);
            for _ in 0..5 {
                let until = version.until(seed);
                prop_assert!(until > at);
                prop_assert_eq!(Firmware::at(seed, at + (until - at) / 2), version);
                prop_assert_eq!(Firmware::at(seed, until - 1), version);
                let next = Firmware::at(seed, until);
                prop_assert!(next > version);
                prop_assert!(Firmware::newest(until).0 - next.0 <= BEHIND_AT_MOST);
                (at, version) = (until, next);
            }
        }
    }
}

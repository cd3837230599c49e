//! How far we have heard, and whether that is enough to tell what is reachable now.

use std::time::Duration;

use chrono::TimeDelta;

use crate::gap::{SETTLE, unseen};
use crate::{Cause, Country, Gap, Hour, Instant};

/// *Reachable now* is unknown when the watermark is older than this.
pub const NOW_MAX_LAG: TimeDelta = TimeDelta::seconds(60);

/// How far every slot has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The earliest of the slots' first starts.
    pub started_at: Instant,
    /// The least of the slots' watermarks.
    pub watermark: Instant,
}

impl Horizon {
    /// The horizon of some slots, each with its first start and its watermark; `None` while one of
    /// them has never heard anything, or there is none.
    pub fn of(slots: impl IntoIterator<Item = (Option<Instant>, Option<Instant>)>) -> Option<Self> {
        let mut horizon: Option<Self> = None;
        for (started_at, watermark) in slots {
            let (started_at, watermark) = (started_at?, watermark?);
            horizon = Some(match horizon {
                None => Self {
                    started_at,
                    watermark,
                },
                Some(so_far) => Self {
                    started_at: so_far.started_at.min(started_at),
                    watermark: so_far.watermark.min(watermark),
                },
            });
        }
        horizon
    }

    /// Whether everything of an hour has been heard.
    #[must_use]
    pub fn covers(&self, hour: Hour) -> bool {
        hour.end + SETTLE <= self.watermark
    }
}

/// Whether *reachable now* can be told at `as_of`: we are not behind, and gaps hide less than a
/// third of the window. The time before we began to listen is one of them.
#[must_use]
pub fn now_is_known(
    country: Country,
    reach_window: Duration,
    gaps: &[Gap],
    horizon: Option<Horizon>,
    as_of: Instant,
) -> bool {
    let Some(horizon) = horizon else { return false };
    let window = TimeDelta::from_std(reach_window).unwrap_or(TimeDelta::MAX);
    let Some(from) = as_of.checked_sub_signed(window) else {
        return false;
    };
    if as_of - horizon.watermark > NOW_MAX_LAG {
        return false;
    }
    let before_start = Gap {
        country: None,
        cause: Cause::FirstStart,
        from: from.min(horizon.started_at),
        to: Some(horizon.started_at),
    };
    let mut gaps = gaps.to_vec();
    gaps.push(before_start);
    unseen(from, as_of, country, &gaps).total * 3 < window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn horizon(started: &str, watermark: &str) -> Horizon {
        Horizon {
            started_at: at(started),
            watermark: at(watermark),
        }
    }

    #[test]
    fn the_slowest_slot_decides_and_one_that_never_started_holds_everything() {
        let both = [
            (Some(at("09:00:00")), Some(at("11:00:00"))),
            (Some(at("08:00:00")), Some(at("10:30:00"))),
        ];
        assert_eq!(Horizon::of(both), Some(horizon("08:00:00", "10:30:00")));
        assert_eq!(Horizon::of([both[0], (None, None)]), None);
        assert_eq!(Horizon::of([]), None);
    }

    #[test]
    fn now_is_unknown_when_we_are_behind_or_a_third_of_the_window_is_hidden() {
        let ph = Country::parse("ph").unwrap();
        let window = Duration::from_secs(15 * 60);
        let gap = |from, to: Option<&str>| Gap {
            country: None,
            cause: Cause::BrokerAway,
            from: at(from),
            to: to.map(at),
        };
        let known =
            |gaps: &[Gap], horizon| now_is_known(ph, window, gaps, Some(horizon), at("12:00:00"));
        let well = horizon("08:00:00", "11:59:56");
        assert!(known(&[], well));
        assert!(!now_is_known(ph, window, &[], None, at("12:00:00")));
        assert!(!known(&[], horizon("08:00:00", "11:58:59")));
        assert!(known(&[gap("11:50:00", Some("11:54:59"))], well));
        assert!(!known(&[gap("11:50:00", Some("11:55:00"))], well));
        assert!(!known(&[gap("11:54:00", None)], well));
        assert!(known(&[], horizon("11:49:59", "11:59:56")));
        assert!(!known(&[], horizon("11:50:00", "11:59:56")));
    }
}

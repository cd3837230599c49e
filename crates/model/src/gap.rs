//! What we could not see, and which hours that leaves untrue.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{Country, Hour, Instant};

/// Gaps up to this long in all leave an hour complete: a device that sends every few minutes was
/// heard before or after them.
pub const TOLERATED: TimeDelta = TimeDelta::minutes(5);

/// The same for devices that send fewer than two heartbeats an hour: there a short gap already
/// hides some.
pub const TOLERATED_SPARSE: TimeDelta = TimeDelta::seconds(30);

/// An hour closes when every watermark is this far beyond its end.
pub const SETTLE: TimeDelta = TimeDelta::minutes(2);

/// Why heartbeats could not reach us, or were lost on our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No connection to the broker: devices could not hand over heartbeats, or we cannot tell.
    BrokerAway,
    /// The broker had forgotten our session, and with it what it had kept for us.
    SessionLost,
    /// The broker dropped messages although it had taken them: a queue was full.
    BrokerDropped,
    /// Heartbeats came that could belong to either side of an hour's boundary.
    UnknownTime,
    /// Nothing was heard before: the hour in which headcount first started.
    FirstStart,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 5] = [
        Self::BrokerAway,
        Self::SessionLost,
        Self::BrokerDropped,
        Self::UnknownTime,
        Self::FirstStart,
    ];

    /// The word used in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokerAway => "broker_away",
            Self::SessionLost => "session_lost",
            Self::BrokerDropped => "broker_dropped",
            Self::UnknownTime => "unknown_time",
            Self::FirstStart => "first_start",
        }
    }

    /// Reads the word that [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// A short gap usually hides no device, because the device is heard again a few minutes
    /// later. That reasoning fails where a heartbeat *did* come and we do not know when, and for
    /// the hour in which we began to listen.
    fn spoils_any_hour_it_touches(self) -> bool {
        matches!(self, Self::UnknownTime | Self::FirstStart)
    }
}

/// A stretch of time in which our count may be too low.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The country concerned; `None` for all.
    pub country: Option<Country>,
    /// Why.
    pub cause: Cause,
    /// From when on.
    pub from: Instant,
    /// Until when; `None` while it lasts.
    pub to: Option<Instant>,
}

impl Gap {
    /// The part of the gap that lies in `[from, to)`, an open gap lasting for ever.
    fn within(&self, from: Instant, to: Instant) -> Option<(Instant, Instant)> {
        let start = self.from.max(from);
        let end = self.to.unwrap_or(to).min(to);
        (start < end).then_some((start, end))
    }

    fn concerns(&self, country: Country) -> bool {
        self.country.is_none_or(|c| c == country)
    }
}

/// Whether an hour's count can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// The count is exact.
    Complete,
    /// The count is a lower bound.
    Incomplete {
        /// How much of the hour we could not see, in seconds.
        gap_secs: i64,
        /// Why, without repetition.
        causes: Vec<Cause>,
    },
}

impl Completeness {
    /// Whether the count is exact.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Judges one hour of one country by the gaps known.
    ///
    /// `reach_window` is the country's: three heartbeat intervals, so it tells how often its
    /// devices usually send.
    #[must_use]
    pub fn of(hour: Hour, country: Country, gaps: &[Gap], reach_window: TimeDelta) -> Self {
        let sparse = reach_window > TimeDelta::minutes(90);
        let tolerated = if sparse { TOLERATED_SPARSE } else { TOLERATED };
        let hidden = unseen(hour.start, hour.end, country, gaps);
        let spoiled = hidden
            .causes
            .iter()
            .any(|cause| cause.spoils_any_hour_it_touches());
        if hidden.total <= tolerated && !spoiled {
            return Self::Complete;
        }
        Self::Incomplete {
            gap_secs: hidden.total.num_seconds(),
            causes: hidden.causes,
        }
    }
}

/// What gaps hide of a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// How much of it, overlaps counted once.
    pub total: TimeDelta,
    /// Why, without repetition.
    pub causes: Vec<Cause>,
}

/// Adds up what gaps hide of `[from, to)` in one country.
#[must_use]
pub fn unseen(from: Instant, to: Instant, country: Country, gaps: &[Gap]) -> Unseen {
    let mut causes = Vec::new();
    let mut parts = Vec::new();
    for gap in gaps.iter().filter(|gap| gap.concerns(country)) {
        if let Some(part) = gap.within(from, to) {
            parts.push(part);
            if !causes.contains(&gap.cause) {
                causes.push(gap.cause);
            }
        }
    }
    parts.sort_unstable();
    let mut total = TimeDelta::zero();
    let mut seen_until = from;
    for (start, end) in parts {
        let start = start.max(seen_until);
        if end > start {
            total += end - start;
            seen_until = end;
        }
    }
    Unseen { total, causes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn gap(cause: Cause, from: &str, to: Option<&str>) -> Gap {
        Gap {
            country: None,
            cause,
            from: at(from),
            to: to.map(at),
        }
    }

    fn judge(gaps: &[Gap], reach_window_mins: i64) -> Completeness {
        let hour = Hour {
            start: at("10:00:00"),
            end: at("11:00:00"),
        };
        let ph = Country::parse("ph").unwrap();
        Completeness::of(hour, ph, gaps, TimeDelta::minutes(reach_window_mins))
    }

    #[test]
    fn five_minutes_in_all_are_tolerated_and_overlaps_count_once() {
        let short = gap(Cause::BrokerAway, "10:10:00", Some("10:13:00"));
        let overlapping = gap(Cause::SessionLost, "10:12:00", Some("10:15:00"));
        assert!(judge(&[short.clone(), overlapping.clone()], 15).is_complete());
        let more = gap(Cause::BrokerAway, "10:59:59", Some("11:30:00"));
        assert_eq!(
            judge(&[short, overlapping, more], 15),
            Completeness::Incomplete {
                gap_secs: 301,
                causes: vec![Cause::BrokerAway, Cause::SessionLost]
            }
        );
    }

    #[test]
    fn a_gap_that_lasts_reaches_to_the_end_of_the_hour() {
        let open = gap(Cause::BrokerAway, "10:40:00", None);
        assert_eq!(
            judge(&[open], 15),
            Completeness::Incomplete {
                gap_secs: 1200,
                causes: vec![Cause::BrokerAway]
            }
        );
    }

    #[test]
    fn devices_that_send_rarely_leave_less_room() {
        let minute = gap(Cause::BrokerAway, "10:10:00", Some("10:11:00"));
        assert!(judge(std::slice::from_ref(&minute), 15).is_complete());
        assert!(judge(std::slice::from_ref(&minute), 90).is_complete());
        assert!(!judge(&[minute], 180).is_complete());
    }

    #[test]
    fn heartbeats_of_unknown_time_spoil_every_hour_they_may_belong_to() {
        let touch = gap(Cause::UnknownTime, "09:00:00", Some("10:00:01"));
        assert!(!judge(&[touch], 15).is_complete());
        let before = gap(Cause::UnknownTime, "09:00:00", Some("10:00:00"));
        assert!(judge(&[before], 15).is_complete());
        let mut elsewhere = gap(Cause::UnknownTime, "09:00:00", Some("10:30:00"));
        elsewhere.country = Country::parse("jp").ok();
        assert!(judge(&[elsewhere], 15).is_complete());
    }
}

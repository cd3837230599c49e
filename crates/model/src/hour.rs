//! Hours of a country's local clock.
//!
//! An hour begins at each instant at which the local clock reads xx:00:00. In India those lie at
//! half past by UTC, in Nepal at a quarter past. Where the clock is moved by half an hour (Lord
//! Howe) an hour next to the change lasts 90 minutes, because the clock passes no full hour in
//! between; that is still one hour of the local clock, and hours tile time without gap or overlap.

use chrono::{NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::Instant;

const SECS_PER_HOUR: i64 = 3600;

/// One hour of a local clock: `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour {
    /// The instant at which it starts; also its name.
    pub start: Instant,
    /// The instant at which the next one starts.
    pub end: Instant,
}

impl Hour {
    /// The hour of `zone`'s clock that holds `instant`.
    #[must_use]
    pub fn containing(zone: Tz, instant: Instant) -> Self {
        let start = boundary_at_or_before(zone, instant.timestamp());
        Self {
            start: from_secs(start),
            end: from_secs(boundary_after(zone, start)),
        }
    }

    /// Whether `instant` lies in this hour.
    #[must_use]
    pub fn contains(&self, instant: Instant) -> bool {
        (self.start..self.end).contains(&instant)
    }
}

fn from_secs(secs: i64) -> Instant {
    Instant::from_timestamp(secs, 0).unwrap_or_default()
}

/// Seconds east of UTC at an instant.
fn offset(zone: Tz, secs: i64) -> i64 {
    let utc = from_secs(secs).naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// The last instant, not after `secs`, at which the local clock read a full hour.
fn boundary_at_or_before(zone: Tz, secs: i64) -> i64 {
    let here = offset(zone, secs);
    let start = secs - (secs + here).rem_euclid(SECS_PER_HOUR);
    if offset(zone, start) == here {
        return start;
    }
    // The clock was moved between `start` and `secs`. Had it been moved *to* a full hour, that
    // instant would be `start`; so the hour in which it was moved is the one we are in.
    let (mut before, mut after) = (start, secs);
    while after - before > 1 {
        let middle = i64::midpoint(before, after);
        if offset(zone, middle) == here {
            after = middle;
        } else {
            before = middle;
        }
    }
    boundary_at_or_before(zone, before)
}

/// The first instant after the boundary `start` at which the local clock reads a full hour.
fn boundary_after(zone: Tz, start: i64) -> i64 {
    let mut candidate = start + SECS_PER_HOUR;
    loop {
        let boundary = boundary_at_or_before(zone, candidate);
        if boundary > start {
            return boundary;
        }
        // The clock was moved by a part of an hour: go on to where it next reads a full one.
        candidate +=
            SECS_PER_HOUR - (candidate + offset(zone, candidate)).rem_euclid(SECS_PER_HOUR);
    }
}

/// The zone in which a country is reported, now and before.
///
/// A changed zone takes effect at a boundary, and history keeps its hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneHistory {
    /// Oldest first; the first holds from the beginning of time.
    spans: Vec<(Instant, Tz)>,
}

impl ZoneHistory {
    /// One zone for all time.
    #[must_use]
    pub fn always(zone: Tz) -> Self {
        Self {
            spans: vec![(Instant::MIN_UTC, zone)],
        }
    }

    /// `first` until the earliest of `changes`, then each from its instant on.
    #[must_use]
    pub fn with_changes(first: Tz, changes: impl IntoIterator<Item = (Instant, Tz)>) -> Self {
        let mut history = Self::always(first);
        history.spans.extend(changes);
        history.spans.sort_by_key(|(from, _)| *from);
        history
    }

    fn span(&self, instant: Instant) -> (Instant, Tz, Instant) {
        let next = self.spans.partition_point(|(from, _)| *from <= instant);
        // The first span begins before any instant, so there is always one before `next`.
        let (from, zone) = self.spans[next.saturating_sub(1)];
        let until = self
            .spans
            .get(next)
            .map_or(Instant::MAX_UTC, |(from, _)| *from);
        (from, zone, until)
    }

    /// The zone in force at an instant.
    #[must_use]
    pub fn zone_at(&self, instant: Instant) -> Tz {
        self.span(instant).1
    }

    /// The hour that holds an instant. Where the zone changes between two full hours, the hour
    /// before the change ends at it.
    #[must_use]
    pub fn hour_at(&self, instant: Instant) -> Hour {
        let (from, zone, until) = self.span(instant);
        let hour = Hour::containing(zone, instant);
        Hour {
            start: hour.start.max(from),
            end: hour.end.min(until),
        }
    }

    /// Whether two instants lie in one hour.
    #[must_use]
    pub fn same_hour(&self, a: Instant, b: Instant) -> bool {
        self.hour_at(a).contains(b)
    }

    /// The hours that begin at or after `from` and before `to`, in order.
    pub fn hours(&self, from: Instant, to: Instant) -> impl Iterator<Item = Hour> {
        let first = self.hour_at(from);
        let first = if first.start < from {
            self.hour_at(first.end)
        } else {
            first
        };
        std::iter::successors(Some(first), |hour| Some(self.hour_at(hour.end)))
            .take_while(move |hour| hour.start < to)
    }

    /// When a change to `zone`, asked for at `now`, takes effect: the next instant at which both
    /// clocks read a full hour, or, where they never do, the end of the current hour.
    #[must_use]
    pub fn change_takes_effect(&self, zone: Tz, now: Instant) -> Instant {
        const LOOK_AHEAD_HOURS: usize = 48;
        let current = self.hour_at(now);
        self.hours(current.end, Instant::MAX_UTC)
            .take(LOOK_AHEAD_HOURS)
            .map(|hour| hour.start)
            .find(|start| Hour::containing(zone, *start).start == *start)
            .unwrap_or(current.end)
    }

    /// The instant at which the local clock reads `local`; the first one where it does so twice.
    /// `None` where the clock skips that time.
    #[must_use]
    pub fn instant_of(&self, local: NaiveDateTime) -> Option<Instant> {
        let guess = local.and_utc();
        self.zone_at(guess)
            .from_local_datetime(&local)
            .earliest()
            .map(|time| time.to_utc())
    }
}

/// The start of the minute that holds an instant.
#[must_use]
pub fn minute(instant: Instant) -> Instant {
    let secs = instant.timestamp();
    Instant::from_timestamp(secs - secs.rem_euclid(60), 0).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, TimeDelta, Timelike};
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn hours_start_where_the_local_clock_says_so() {
        let cases = [
            (
                Tz::Asia__Kolkata,
                "2026-11-21T10:10:00Z",
                "2026-11-21T09:30:00Z",
                60,
            ),
            (
                Tz::Asia__Kathmandu,
                "2026-11-21T10:10:00Z",
                "2026-11-21T09:15:00Z",
                60,
            ),
            (
                Tz::Asia__Manila,
                "2026-11-21T10:00:00Z",
                "2026-11-21T10:00:00Z",
                60,
            ),
            // Lord Howe goes from UTC+10:30 to +11 at 02:00 on the first Sunday of October, and
            // back at 02:00 on the first Sunday of April: no full hour in between.
            (
                Tz::Australia__Lord_Howe,
                "2026-10-03T15:40:00Z",
                "2026-10-03T14:30:00Z",
                90,
            ),
            (
                Tz::Australia__Lord_Howe,
                "2026-10-03T16:00:00Z",
                "2026-10-03T16:00:00Z",
                60,
            ),
            (
                Tz::Australia__Lord_Howe,
                "2026-04-04T15:10:00Z",
                "2026-04-04T14:00:00Z",
                90,
            ),
            // Apia skipped 30 December 2011 altogether: hours go on as if nothing had happened.
            (
                Tz::Pacific__Apia,
                "2011-12-30T09:59:00Z",
                "2011-12-30T09:00:00Z",
                60,
            ),
            (
                Tz::Pacific__Apia,
                "2011-12-30T10:00:00Z",
                "2011-12-30T10:00:00Z",
                60,
            ),
        ];
        for (zone, instant, start, minutes) in cases {
            let hour = Hour::containing(zone, at(instant));
            assert_eq!(hour.start, at(start), "{zone} {instant}");
            assert_eq!(
                (hour.end - hour.start).num_minutes(),
                minutes,
                "{zone} {instant}"
            );
        }
    }

    /// The promise of the module, for every zone there is: twenty years of hours follow each
    /// other without gap or overlap, each starts on a full hour of the local clock, and no full
    /// hour lies inside one.
    #[test]
    fn hours_tile_twenty_years_in_every_zone() {
        let (from, to) = (at("2010-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
        for zone in chrono_tz::TZ_VARIANTS {
            let mut hour = Hour::containing(zone, from);
            while hour.start < to {
                let local = hour.start.with_timezone(&zone);
                assert_eq!((local.minute(), local.second()), (0, 0), "{zone} {local}");
                let length = (hour.end - hour.start).num_minutes();
                let offset_after = |time: TimeDelta| offset(zone, (hour.start + time).timestamp());
                let here = offset_after(TimeDelta::zero());
                if here == offset_after(hour.end - hour.start) {
                    assert_eq!(length, 60, "{zone} {local}");
                } else {
                    assert!(
                        (30..=90).contains(&length),
                        "{zone} {local}: {length} minutes"
                    );
                    for minute in 1..length {
                        let inside = hour.start + TimeDelta::minutes(minute);
                        let local = inside.with_timezone(&zone);
                        assert!(local.minute() != 0, "{zone}: {local} lies inside an hour");
                        assert_eq!(Hour::containing(zone, inside), hour, "{zone} {local}");
                    }
                }
                // Where the clock is not moved for days, leap to shortly before it is.
                hour = if here == offset_after(TimeDelta::days(13)) {
                    Hour::containing(zone, hour.start + TimeDelta::days(12))
                } else {
                    let next = Hour::containing(zone, hour.end);
                    assert_eq!(next.start, hour.end, "{zone} {local}");
                    next
                };
            }
        }
    }

    fn any_zone() -> impl Strategy<Value = Tz> {
        const NAMED: &[Tz] = &[
            Tz::Asia__Kolkata,
            Tz::Asia__Kathmandu,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
        ];
        prop_oneof![
            proptest::sample::select(NAMED),
            proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        ]
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_exactly_one_hour(
            zone in any_zone(),
            secs in 1_262_304_000_i64..1_893_456_000, // 2010 to 2030
        ) {
            let instant = from_secs(secs);
            let hour = Hour::containing(zone, instant);
            prop_assert!(hour.contains(instant));
            prop_assert_eq!(Hour::containing(zone, hour.start), hour);
            prop_assert_eq!(Hour::containing(zone, hour.end).start, hour.end);
            let last = hour.end - TimeDelta::seconds(1);
            prop_assert_eq!(Hour::containing(zone, last), hour);
        }

        #[test]
        fn a_changed_zone_keeps_the_tiling(
            old in any_zone(),
            new in any_zone(),
            secs in 1_262_304_000_i64..1_893_456_000,
        ) {
            let now = from_secs(secs);
            let before = ZoneHistory::always(old);
            let change = before.change_takes_effect(new, now);
            prop_assert!(change > now);
            let history = ZoneHistory::with_changes(old, [(change, new)]);
            prop_assert_eq!(history.hour_at(now), before.hour_at(now), "history keeps its hours");
            let mut expected = history.hour_at(now).start;
            for hour in history.hours(expected, change + TimeDelta::hours(30)) {
                prop_assert_eq!(hour.start, expected);
                prop_assert!(hour.end > hour.start);
                expected = hour.end;
            }
        }
    }

    #[test]
    fn a_local_time_names_an_instant() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let instant = manila.instant_of(local("2026-11-21T10:00:00")).unwrap();
        assert_eq!(instant, at("2026-11-21T02:00:00Z"));
        assert_eq!((instant.year(), instant.month()), (2026, 11));
        let new_york = ZoneHistory::always(Tz::America__New_York);
        assert_eq!(new_york.instant_of(local("2026-03-08T02:30:00")), None);
    }
}

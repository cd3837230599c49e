//! Times as they go in and out: instants inside, the country's local clock outside.

use std::borrow::Cow;

use chrono::{
    DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta,
};
use chrono_tz::Tz;
use model::{Instant, ZoneHistory};

/// Years that can be asked for. Before there is nothing to find, and some zones' offsets then had
/// seconds, which RFC 3339 cannot write.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=9999;

/// With offset, beside RFC 3339 itself: without seconds.
const WITH_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%d %H:%M%:z"];

/// By the country's clock.
const LOCAL: [&str; 4] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
];

/// Days whose first minutes a clock skips begin at the first time it does not, found in these
/// steps.
const DAY_START_STEP: TimeDelta = TimeDelta::minutes(15);
const DAY_START_STEPS: i32 = 12;

/// A text does not name an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    /// It is no time at all, or in a notation that is not read here.
    #[error(
        "is no time: write RFC 3339 with the offset (`2026-11-21T10:00:00+08:00`), or without one \
         for the country's own clock (`2026-11-21T10:00`, `2026-11-21`)"
    )]
    Unreadable,
    /// The local clock is put forward over it.
    #[error("does not exist: the clock of {0} skips it. Write the time with its offset")]
    Skipped(Tz),
    /// It lies too far away.
    #[error("is not between the years {} and {}", YEARS.start(), YEARS.end())]
    OutOfRange,
}

/// Reads an instant: RFC 3339 with offset; or a date and time, or a date, by the clock of `zones`.
/// A date means the moment at which it begins.
pub(crate) fn parse(text: &str, zones: &ZoneHistory) -> Result<Instant, TimeError> {
    let text = restore_plus(text);
    let with_offset = DateTime::parse_from_rfc3339(&text).ok().or_else(|| {
        WITH_OFFSET
            .iter()
            .find_map(|format| DateTime::parse_from_str(&text, format).ok())
    });
    if let Some(time) = with_offset {
        return in_range(time.year()).map(|()| time.to_utc());
    }
    let local = LOCAL
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok());
    if let Some(local) = local {
        in_range(local.year())?;
        return zones.instant_of(local).ok_or_else(|| skipped(local, zones));
    }
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(|_| TimeError::Unreadable)?;
    in_range(date.year())?;
    let midnight = date.and_time(chrono::NaiveTime::MIN);
    (0..=DAY_START_STEPS)
        .find_map(|step| zones.instant_of(midnight + DAY_START_STEP * step))
        .ok_or_else(|| skipped(midnight, zones))
}

/// An instant by the clock of `zones` at that instant.
pub(crate) fn local(instant: Instant, zones: &ZoneHistory) -> DateTime<FixedOffset> {
    instant
        .with_timezone(&zones.zone_at(instant))
        .fixed_offset()
}

/// A local time as text, in the same notation as in JSON.
pub(crate) fn text(time: DateTime<FixedOffset>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A `+` that was not percent-encoded in a query arrives as a space: `…T10:00:00 08:00`.
fn restore_plus(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(':') => Cow::Owned(format!("{time}+{offset}")),
        _ => Cow::Borrowed(text),
    }
}

fn in_range(year: i32) -> Result<(), TimeError> {
    if YEARS.contains(&year) {
        Ok(())
    } else {
        Err(TimeError::OutOfRange)
    }
}

fn skipped(local: NaiveDateTime, zones: &ZoneHistory) -> TimeError {
    TimeError::Skipped(zones.zone_at(local.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_read_with_its_offset_or_by_the_countrys_clock() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        let ten = at("2026-11-21T02:00:00Z");
        for text in [
            "2026-11-21T10:00:00+08:00",
            "2026-11-21T10:00:00 08:00",
            "2026-11-21T10:00+08:00",
            "2026-11-21 10:00 08:00",
            "2026-11-21T02:00:00Z",
            "2026-11-20T21:00:00-05:00",
            "2026-11-21T10:00:00.000",
            "2026-11-21T10:00:00",
            "2026-11-21T10:00",
            "2026-11-21 10:00",
        ] {
            assert_eq!(parse(text, &manila), Ok(ten), "{text}");
        }
        assert_eq!(parse("2026-11-21", &manila), Ok(at("2026-11-20T16:00:00Z")));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        for text in [
            "",
            "yesterday",
            "1795226400",
            "2026-13-01",
            "2026-11-21T25:00",
            "2026-11-21T10:00 Asia/Nowhere",
            "2026-11-21T10:00:00 PST",
            "2026-11-21T10:00:00+99:99",
            "2026-11-21T10:00:00[Asia/Manila]",
            "21/11/2026",
            "2026-11-21T10:00:00+08:00; drop table presence",
        ] {
            assert_eq!(parse(text, &manila), Err(TimeError::Unreadable), "{text}");
        }
        for text in [
            "1999-12-31T23:59:59Z",
            "0001-01-01",
            "+262142-01-01",
            "-5-01-01T00:00",
        ] {
            assert_eq!(parse(text, &manila), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn a_clock_that_is_put_forward_skips_times_but_no_days() {
        let new_york = ZoneHistory::always(Tz::America__New_York);
        let error = parse("2026-03-08T02:30", &new_york).unwrap_err();
        assert_eq!(error, TimeError::Skipped(Tz::America__New_York));
        assert!(error.to_string().contains("America/New_York"));
        // Beirut goes from 00:00 to 01:00 on the last Sunday of March.
        let beirut = ZoneHistory::always(Tz::Asia__Beirut);
        assert_eq!(parse("2026-03-29", &beirut), Ok(at("2026-03-28T22:00:00Z")));
        // Apia had no 30 December 2011 at all.
        let apia = ZoneHistory::always(Tz::Pacific__Apia);
        assert_eq!(
            parse("2011-12-30", &apia),
            Err(TimeError::Skipped(Tz::Pacific__Apia))
        );
    }

    #[test]
    fn times_go_out_with_the_countrys_offset() {
        let india = ZoneHistory::always(Tz::Asia__Kolkata);
        assert_eq!(
            text(local(at("2026-11-21T02:30:00Z"), &india)),
            "2026-11-21T08:00:00+05:30"
        );
        let change = at("2026-11-21T03:00:00Z");
        let moved = ZoneHistory::with_changes(Tz::Asia__Manila, [(change, Tz::Asia__Tokyo)]);
        assert_eq!(
            text(local(at("2026-11-21T02:00:00Z"), &moved)),
            "2026-11-21T10:00:00+08:00"
        );
        assert_eq!(text(local(change, &moved)), "2026-11-21T12:00:00+09:00");
    }
}

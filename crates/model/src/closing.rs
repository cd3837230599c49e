//! Where closing goes on, and which hours should have been closed by now.

use chrono::TimeDelta;

use crate::{Horizon, Hour, Instant, ZoneHistory};

/// An hour that is not closed this long after its end is overdue: it closes two minutes after its
/// end when all is well, and from 55 minutes after its end on it does not get to Datadog any more.
pub const OVERDUE_AFTER: TimeDelta = TimeDelta::minutes(20);

/// Overdue hours counted in one country: a month of them. Beyond, the exact number tells nobody more.
pub const MAX_OVERDUE_COUNTED: usize = 31 * 24;

/// Where closing goes on in a country: after the last hour closed, but not before the hour in which
/// the country was first heard. What lies before that was imported, if it is there at all; hours
/// in between were not heard, and must not be closed as if they had been.
#[must_use]
pub fn closing_start(
    zones: &ZoneHistory,
    closed_until: Option<Instant>,
    first_seen_at: Instant,
    started_at: Instant,
) -> Instant {
    let first = zones.hour_at(first_seen_at.max(started_at)).start;
    closed_until.map_or(first, |until| until.max(first))
}

/// The hours from `start` that can be closed, in order and without a hole; at most `limit`.
#[must_use]
pub fn closable(zones: &ZoneHistory, start: Instant, horizon: Horizon, limit: usize) -> Vec<Hour> {
    zones
        .hours(start, horizon.watermark)
        .take_while(|hour| horizon.covers(*hour))
        .take(limit)
        .collect()
}

/// The hours of a country that are overdue at `now`, oldest first, where closing goes on at `start`;
/// at most [`MAX_OVERDUE_COUNTED`].
#[must_use]
pub fn overdue(zones: &ZoneHistory, start: Instant, now: Instant) -> Vec<Hour> {
    zones
        .hours(start, now)
        .take_while(|hour| hour.end + OVERDUE_AFTER <= now)
        .take(MAX_OVERDUE_COUNTED)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    #[test]
    fn an_hour_is_overdue_twenty_minutes_after_its_end() {
        let kolkata = ZoneHistory::always(Tz::Asia__Kolkata);
        let overdue = |closed_until: Option<&str>, now| {
            let start = closing_start(
                &kolkata,
                closed_until.map(at),
                at("08:00:00"),
                at("07:00:00"),
            );
            let hours = overdue(&kolkata, start, at(now));
            Vec::from_iter(
                hours
                    .iter()
                    .map(|hour| hour.start.format("%H:%M").to_string()),
            )
        };
        assert_eq!(overdue(None, "08:49:59"), Vec::<String>::new());
        assert_eq!(overdue(None, "08:50:00"), ["07:30"]);
        assert_eq!(overdue(Some("08:30:00"), "09:49:59"), Vec::<String>::new());
        assert_eq!(overdue(Some("08:30:00"), "10:50:00"), ["08:30", "09:30"]);
        // what was imported for the morning does not make the hours since overdue earlier
        assert_eq!(overdue(Some("03:30:00"), "08:49:59"), Vec::<String>::new());
    }

    #[test]
    fn a_long_absence_is_counted_up_to_a_bound() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        let hours = overdue(
            &manila,
            at("00:00:00"),
            at("00:00:00") + TimeDelta::days(400),
        );
        assert_eq!(hours.len(), MAX_OVERDUE_COUNTED);
    }
}

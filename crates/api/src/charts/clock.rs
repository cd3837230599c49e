//! The horizontal axis: instants by the clock of a zone.

use chrono::{
    DurationRound as _, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _,
    Timelike as _,
};
use chrono_tz::Tz;
use model::Instant;

/// The night, when few drive and numbers fall by themselves.
const NIGHT_FROM_HOUR: u32 = 22;
const NIGHT_TO_HOUR: u32 = 6;

/// Steps between ticks within a day, in minutes.
const STEPS_MINS: [u32; 9] = [5, 10, 15, 30, 60, 120, 180, 360, 720];

/// Steps between ticks that are days.
const STEPS_DAYS: [u32; 5] = [1, 2, 7, 14, 28];

/// The step of a horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Minutes of the clock.
    Minutes(u32),
    /// Midnights.
    Days(u32),
}

impl Step {
    /// The smallest step of which the range has at most `places` ticks.
    pub(super) fn fitting(length: TimeDelta, places: impl Fn(Self) -> u32) -> Self {
        let fits = |step: &Self| {
            length <= step.length() * i32::try_from(places(*step)).unwrap_or(i32::MAX)
        };
        let mins = STEPS_MINS.into_iter().map(Self::Minutes);
        mins.chain(STEPS_DAYS.into_iter().map(Self::Days))
            .find(fits)
            .unwrap_or(Self::Days(STEPS_DAYS[STEPS_DAYS.len() - 1]))
    }

    fn length(self) -> TimeDelta {
        match self {
            Self::Minutes(mins) => TimeDelta::minutes(mins.into()),
            Self::Days(days) => TimeDelta::days(days.into()),
        }
    }

    /// The ticks in `[from, to]`, by the clock of a zone.
    pub(super) fn ticks(self, zone: Tz, from: Instant, to: Instant) -> Vec<Instant> {
        match self {
            Self::Minutes(step) => {
                // Every offset in use is a multiple of a quarter of an hour.
                let walk = TimeDelta::minutes(step.min(15).into());
                let first = from.duration_round_up(walk).unwrap_or(from);
                std::iter::successors(Some(first), |at| Some(*at + walk))
                    .take_while(|at| *at <= to)
                    .filter(|at| {
                        let local = at.with_timezone(&zone);
                        (local.hour() * 60 + local.minute()).is_multiple_of(step)
                    })
                    .collect()
            }
            // Counted back from the end, where the newest is.
            Self::Days(step) => {
                let mut days: Vec<_> = midnights(zone, from, to);
                days.reverse();
                let mut ticks: Vec<_> = days
                    .into_iter()
                    .step_by(usize::try_from(step).unwrap_or(1))
                    .collect();
                ticks.reverse();
                ticks
            }
        }
    }
}

/// Whether an instant is a midnight of a zone.
pub(super) fn is_midnight(zone: Tz, at: Instant) -> bool {
    at.with_timezone(&zone).time() == NaiveTime::MIN
}

/// The same time by the clock of a zone, some days later.
pub(crate) fn days_later(zone: Tz, at: Instant, days: i64) -> Instant {
    let local = at.with_timezone(&zone).naive_local();
    instant_of(zone, local + TimeDelta::days(days))
}

/// The nights that touch `[from, to]`, cut to it.
pub(crate) fn nights(zone: Tz, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
    let time = |date: NaiveDate, hour| {
        let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        instant_of(zone, date.and_time(time))
    };
    // The night of the day before may reach into the first day.
    let first = from.with_timezone(&zone).date_naive() - TimeDelta::days(1);
    first
        .iter_days()
        .map(|date| {
            let dawn = time(date + TimeDelta::days(1), NIGHT_TO_HOUR);
            (time(date, NIGHT_FROM_HOUR), dawn)
        })
        .take_while(|(dusk, _)| *dusk < to)
        .filter(|(_, dawn)| *dawn > from)
        .map(|(dusk, dawn)| (dusk.max(from), dawn.min(to)))
        .collect()
}

fn midnights(zone: Tz, from: Instant, to: Instant) -> Vec<Instant> {
    let first = from.with_timezone(&zone).date_naive();
    first
        .iter_days()
        .map(|date| instant_of(zone, date.and_time(NaiveTime::MIN)))
        .take_while(|at| *at <= to)
        .filter(|at| *at >= from)
        .collect()
}

/// The instant at which a clock shows a time: where it shows it twice, the first; where it skips
/// it, as much later as the clock jumps.
fn instant_of(zone: Tz, local: NaiveDateTime) -> Instant {
    if let Some(found) = zone.from_local_datetime(&local).earliest() {
        return found.to_utc();
    }
    let day_before = (local - TimeDelta::days(1)).and_utc();
    let offset = day_before.with_timezone(&zone).offset().fix();
    local.and_utc() - TimeDelta::seconds(offset.local_minus_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn ticks(step: Step, zone: Tz, from: &str, to: &str) -> Vec<String> {
        step.ticks(zone, at(from), at(to))
            .iter()
            .map(|tick| tick.with_timezone(&zone).format("%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn ticks_are_round_by_the_clock() {
        let (from, to) = ("2026-11-21T02:20:00Z", "2026-11-21T05:20:00Z");
        assert_eq!(
            ticks(Step::Minutes(60), Tz::Asia__Kolkata, from, to),
            ["21 08:00", "21 09:00", "21 10:00"]
        );
        assert_eq!(
            ticks(Step::Minutes(60), Tz::Asia__Manila, from, to),
            ["21 11:00", "21 12:00", "21 13:00"]
        );
        // On 1 November the clock of New York shows 01:00 twice.
        let (from, to) = ("2026-10-31T04:00:00Z", "2026-11-03T05:00:00Z");
        assert_eq!(
            ticks(Step::Days(1), Tz::America__New_York, from, to),
            ["31 00:00", "01 00:00", "02 00:00", "03 00:00"]
        );
        assert_eq!(
            ticks(Step::Days(2), Tz::America__New_York, from, to),
            ["01 00:00", "03 00:00"]
        );
        // In Beirut the last Sunday of March begins at 01:00.
        let (from, to) = ("2026-03-28T20:00:00Z", "2026-03-29T20:00:00Z");
        assert_eq!(
            ticks(Step::Days(1), Tz::Asia__Beirut, from, to),
            ["29 01:00"]
        );
    }

    #[test]
    fn a_step_leaves_room_for_its_labels() {
        let fitting = |length, places| Step::fitting(length, |_| places);
        let cases = [
            (TimeDelta::hours(3), 6, Step::Minutes(30)),
            (TimeDelta::hours(3), 4, Step::Minutes(60)),
            (TimeDelta::minutes(20), 8, Step::Minutes(5)),
            (TimeDelta::days(1), 8, Step::Minutes(180)),
            (TimeDelta::days(7), 7, Step::Days(1)),
            (TimeDelta::days(7), 4, Step::Days(2)),
            (TimeDelta::days(92), 14, Step::Days(7)),
            (TimeDelta::days(92), 1, Step::Days(28)),
            (TimeDelta::zero(), 0, Step::Minutes(5)),
        ];
        for (length, places, step) in cases {
            assert_eq!(fitting(length, places), step, "{length}");
        }
    }

    #[test]
    fn nights_are_the_countrys_and_cut_to_the_range() {
        let nights = nights(
            Tz::Asia__Manila,
            at("2026-11-20T20:00:00Z"),
            at("2026-11-21T15:00:00Z"),
        );
        assert_eq!(
            nights,
            [
                (at("2026-11-20T20:00:00Z"), at("2026-11-20T22:00:00Z")),
                (at("2026-11-21T14:00:00Z"), at("2026-11-21T15:00:00Z")),
            ]
        );
    }

    #[test]
    fn a_week_later_the_clock_shows_the_same() {
        let new_york = Tz::America__New_York;
        let before = at("2026-10-28T13:00:00Z");
        assert_eq!(days_later(new_york, before, 7), at("2026-11-04T14:00:00Z"));
        assert_eq!(days_later(new_york, at("2026-11-04T14:00:00Z"), -7), before);
        // 02:30 is skipped on 8 March.
        assert_eq!(
            days_later(new_york, at("2026-03-01T07:30:00Z"), 7),
            at("2026-03-08T07:30:00Z")
        );
    }
}

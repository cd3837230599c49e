//! From counts to what a chart draws. Unknown stays unknown: a hole, never a 0.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;
use model::Instant;

use super::clock::days_later;

/// A drop against last week from which on it is bad, as a share: that of the page.
pub(crate) const DROP_TO_NOTE: f64 = -0.1;

/// Days after which numbers are compared.
pub(crate) const A_WEEK_DAYS: i64 = 7;

/// A gap or a few better steps do not begin the story of a drop anew.
const FORGIVEN_STEPS: u32 = 3;

/// At the end of a range a count may just not be there yet; from so many steps on it is missing.
const STEPS_TO_MISS: i32 = 3;

/// An instant and a number; `None` is a hole in the line.
pub(crate) type Point = (Instant, Option<i64>);

/// A stretch of time, from and to.
pub(crate) type Stretch = (Instant, Instant);

/// How much a number differs from the one a week before, as a share of that.
pub(crate) fn change(now: Option<i64>, week_ago: Option<i64>) -> Option<f64> {
    let (now, before) = (now?, week_ago.filter(|before| *before > 0)?);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a fleet has far fewer than 2^52 devices"
    )]
    Some((now - before) as f64 / before as f64)
}

/// What is known of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its count is exact, or will be in a moment.
    Whole,
    /// There were at least so many: we could not see all of it.
    AtLeast,
    /// It is running: so many until now.
    Running,
}

/// One hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) devices: i64,
    pub(crate) known: Known,
}

impl Hour {
    fn middle(&self) -> Instant {
        self.start + (self.end - self.start) / 2
    }
}

/// Whole hours at their middle; everything else is a hole.
pub(crate) fn hour_line(hours: &[Hour]) -> Vec<Point> {
    let mut line = Vec::new();
    let mut previous: Option<&Hour> = None;
    for hour in hours {
        if let Some(previous) = previous.filter(|previous| previous.end < hour.start) {
            line.push((previous.end, None));
        }
        let devices = (hour.known == Known::Whole).then_some(hour.devices);
        line.push((hour.middle(), devices));
        previous = Some(hour);
    }
    line
}

/// The stretches between hours of which there is nothing at all.
pub(crate) fn missing_hours(hours: &[Hour]) -> Vec<Stretch> {
    hours
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] if before.end < after.start => Some((before.end, after.start)),
            _ => None,
        })
        .collect()
}

/// The stretches of `[from, to]` of which no point is known.
pub(crate) fn unknown_stretches(
    points: &[Point],
    from: Instant,
    to: Instant,
    step: TimeDelta,
) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut seen = from - step;
    for (at, _) in points
        .iter()
        .filter(|(at, value)| value.is_some() && *at >= from && *at <= to)
    {
        if *at - seen > step * 3 / 2 {
            stretches.push((seen.max(from), *at));
        }
        seen = *at;
    }
    if to - seen >= step * STEPS_TO_MISS {
        stretches.push((seen.max(from), to));
    }
    stretches
}

/// Last week's points, moved to this week by the clock of a zone: a change of the clock keeps 9 at
/// 9.
pub(crate) fn a_week_later(zone: Tz, points: &[Point]) -> Vec<Point> {
    points
        .iter()
        .map(|(at, value)| (days_later(zone, *at, A_WEEK_DAYS), *value))
        .collect()
}

/// The points in `[from, to]`.
pub(crate) fn within(points: &[Point], from: Instant, to: Instant) -> Vec<Point> {
    points
        .iter()
        .filter(|(at, _)| *at >= from && *at <= to)
        .copied()
        .collect()
}

/// The newest number that is known.
pub(crate) fn newest(points: &[Point]) -> Option<(Instant, i64)> {
    points
        .iter()
        .rev()
        .find_map(|(at, value)| value.map(|value| (*at, value)))
}

/// The number at an instant, or the nearest within `reach` of it.
pub(crate) fn near(points: &[Point], at: Instant, reach: TimeDelta) -> Option<i64> {
    points
        .iter()
        .filter(|(other, _)| (*other - at).abs() <= reach)
        .min_by_key(|(other, _)| (*other - at).abs())
        .and_then(|(_, value)| *value)
}

/// Since when a number has been below last week's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) at: Instant,
    /// It was so already where the series begins.
    pub(crate) before: bool,
}

/// Since when a series has been at least a tenth below last week's without a break, seen from its
/// end; `None` when it is not so there. Points of which one side is unknown say nothing.
pub(crate) fn below_since(
    points: &[Point],
    last_week: &[Point],
    reach: TimeDelta,
) -> Option<Since> {
    let before: BTreeMap<Instant, Option<i64>> = last_week.iter().copied().collect();
    let week_ago = |at: Instant| match before.get(&at) {
        Some(value) => *value,
        None => before
            .range(at - reach..=at + reach)
            .min_by_key(|(other, _)| (**other - at).abs())
            .and_then(|(_, value)| *value),
    };
    let mut since = None;
    let mut better = 0;
    let mut reached_start = true;
    for (at, value) in points.iter().rev() {
        let Some(share) = change(*value, week_ago(*at)) else {
            continue;
        };
        if share <= DROP_TO_NOTE {
            since = Some(*at);
            better = 0;
            continue;
        }
        better += 1;
        if since.is_none() || better > FORGIVEN_STEPS {
            reached_start = false;
            break;
        }
    }
    since.map(|at| Since {
        at,
        before: reached_start && better == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mins: i64) -> Instant {
        "2026-11-21T00:00:00Z".parse::<Instant>().unwrap() + TimeDelta::minutes(mins)
    }

    fn points(values: &[i64]) -> Vec<Point> {
        let value = |value: i64| (value >= 0).then_some(value);
        (0..)
            .zip(values)
            .map(|(index, devices)| (at(index), value(*devices)))
            .collect()
    }

    fn hour(index: i64, devices: i64, known: Known) -> Hour {
        Hour {
            start: at(index * 60),
            end: at(index * 60 + 60),
            devices,
            known,
        }
    }

    #[test]
    fn only_whole_hours_are_in_the_line() {
        let hours = [
            hour(0, 10, Known::Whole),
            hour(1, 4, Known::AtLeast),
            hour(2, 9, Known::Whole),
            hour(5, 8, Known::Whole),
            hour(6, 2, Known::Running),
        ];
        assert_eq!(
            hour_line(&hours),
            [
                (at(30), Some(10)),
                (at(90), None),
                (at(150), Some(9)),
                (at(180), None),
                (at(330), Some(8)),
                (at(390), None),
            ]
        );
        assert_eq!(missing_hours(&hours), [(at(180), at(300))]);
    }

    #[test]
    fn what_is_not_known_is_a_stretch() {
        let minute = TimeDelta::minutes(1);
        let stretches =
            |values: &[i64], to| unknown_stretches(&points(values), at(0), at(to), minute);
        assert_eq!(stretches(&[1, 2, 3], 2), []);
        assert_eq!(stretches(&[1, -1, -1, 3], 3), [(at(0), at(3))]);
        assert_eq!(stretches(&[-1, -1, 3], 2), [(at(0), at(2))]);
        assert_eq!(stretches(&[1, 2, 3], 4), [], "it may just not be there yet");
        assert_eq!(stretches(&[1, 2, 3], 5), [(at(2), at(5))]);
        assert_eq!(stretches(&[0, 0], 1), [], "0 is a number");
        assert_eq!(stretches(&[], 60), [(at(0), at(60))]);
    }

    #[test]
    fn a_drop_has_a_beginning() {
        let minute = TimeDelta::minutes(1);
        let week = points(&[100; 10]);
        let since = |values: &[i64]| below_since(&points(values), &week, minute);
        let from = |mins, before| {
            Some(Since {
                at: at(mins),
                before,
            })
        };
        assert_eq!(since(&[100; 10]), None);
        assert_eq!(
            since(&[100, 100, 100, 100, 100, 90, 80, 80]),
            from(5, false)
        );
        assert_eq!(
            since(&[100, 100, 100, 100, 100, 90, 95, 80]),
            from(5, false),
            "forgiven"
        );
        assert_eq!(
            since(&[100, 50, -1, 100, 50, 50]),
            from(1, false),
            "one better minute"
        );
        assert_eq!(since(&[50, 50, 50]), from(0, true));
        assert_eq!(since(&[50, 100, 100, 100, 100]), None, "over");
        assert_eq!(since(&[-1, -1]), None);
        let unknown = points(&[-1; 3]);
        assert_eq!(below_since(&points(&[1, 1, 1]), &unknown, minute), None);
        // Last week's minutes may lie a little beside.
        let beside: Vec<_> = (0..5)
            .map(|mins| (at(mins) + TimeDelta::seconds(30), Some(100)))
            .collect();
        assert_eq!(
            below_since(&points(&[100, 50]), &beside, minute),
            from(1, false)
        );
    }

    #[test]
    fn a_change_needs_both_numbers() {
        assert_eq!(change(Some(90), Some(100)), Some(-0.1));
        assert_eq!(change(None, Some(100)), None);
        assert_eq!(change(Some(1), None), None);
        assert_eq!(change(Some(1), Some(0)), None);
        assert_eq!(newest(&points(&[3, 4, -1])), Some((at(1), 4)));
        assert_eq!(near(&points(&[3, 4, 5]), at(1), TimeDelta::zero()), Some(4));
        assert_eq!(near(&points(&[3]), at(5), TimeDelta::minutes(1)), None);
    }
}

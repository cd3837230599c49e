//! When an hour is closed and when a line is due. Pure: time and watermarks come in, decisions go
//! out.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::closing::{closable, closing_start};
use model::{Completeness, Country, Gap, Horizon, Hour, Instant};
use store::closing::LateHour;
use store::countries::CountryRow;
use store::hours::{Emission, HourlyCount};

/// The plan of sending an hour, in minutes after its end; 0 stands for the close itself. A
/// datagram may get lost or the Agent may restart, and a gauge with a fixed timestamp can be sent
/// as often as one likes: the last value stands.
pub const STEPS_MINS: [i16; 4] = [0, 10, 25, 45];

/// Datadog drops points that are older than an hour; nothing is sent later than this, unless the
/// account takes historical metrics.
pub const LAST_SEND: TimeDelta = TimeDelta::minutes(55);

/// An hour that keeps receiving presence is counted again at most this often.
const RECOUNT_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// For so long after an hour was counted it is looked whether a gap was committed while its snapshot
/// was open. Neither saw the other then, so nobody marked the hour. A snapshot lasts seconds.
pub const JUDGED_AGAIN: TimeDelta = TimeDelta::minutes(2);

/// Hours closed in one go and in one country; after a long absence the rest follows at the next
/// tick.
const MAX_HOURS: usize = 200;

/// Hours sent in one go; the rest follows at the next tick. An import of months would otherwise be
/// one burst of datagrams, of which the Agent's socket holds a few hundred.
pub const MAX_SENT_HOURS: usize = 50;

/// What is known when it is decided which hours are counted, all at one moment.
#[derive(Debug)]
pub struct Known<'a> {
    /// The countries in use.
    pub countries: &'a [CountryRow],
    /// The end of the last hour that was closed in each.
    pub closed_until: &'a BTreeMap<Country, Instant>,
    /// How far all slots have heard; `None` while one of them never has.
    pub horizon: Option<Horizon>,
    /// Hours that received presence after they had ended, or are to be judged again.
    pub late: &'a [LateHour],
    /// Hours counted within the last [`JUDGED_AGAIN`].
    pub recent: &'a [HourlyCount],
    /// The gaps that touch those.
    pub gaps: &'a [Gap],
    /// The time.
    pub now: Instant,
}

/// An hour to be counted.
#[derive(Debug, Clone, Copy)]
pub struct DueHour<'a> {
    /// Its country.
    pub row: &'a CountryRow,
    /// The hour.
    pub hour: Hour,
    /// Whether it follows the last hour closed; otherwise it is counted because something came for
    /// it later.
    pub in_turn: bool,
}

/// The hours to be counted now: those that have been heard to their end, in order and without a
/// hole, and those for which something came since.
#[must_use]
pub fn due_hours<'a>(known: &Known<'a>) -> Vec<DueHour<'a>> {
    let mut due = Vec::new();
    let start_of = |row: &CountryRow| {
        let until = known.closed_until.get(&row.country).copied();
        let started_at = known.horizon?.started_at;
        Some(closing_start(
            &row.zones,
            until,
            row.first_seen_at,
            started_at,
        ))
    };
    for row in known.countries {
        if let (Some(start), Some(horizon)) = (start_of(row), known.horizon) {
            let hours = closable(&row.zones, start, horizon, MAX_HOURS).into_iter();
            due.extend(hours.map(|hour| DueHour {
                row,
                hour,
                in_turn: true,
            }));
        }
    }
    for late in known.late {
        let row = known
            .countries
            .iter()
            .find(|row| row.country == late.country);
        if let Some(row) = row
            && recountable(late, start_of(row), known.horizon, known.now)
        {
            due.push(DueHour {
                row,
                hour: late.hour,
                in_turn: false,
            });
        }
    }
    for recent in known.recent {
        let row = known
            .countries
            .iter()
            .find(|row| row.country == recent.country);
        let marked = known
            .late
            .iter()
            .any(|late| late.country == recent.country && late.hour == recent.hour);
        if let (Some(row), true, false) = (row, recent.complete, marked)
            && !judge(row, recent.hour, known.gaps).is_complete()
        {
            due.push(DueHour {
                row,
                hour: recent.hour,
                in_turn: false,
            });
        }
    }
    due
}

/// Whether the count of an hour can be believed.
#[must_use]
pub fn judge(row: &CountryRow, hour: Hour, gaps: &[Gap]) -> Completeness {
    let window = TimeDelta::from_std(row.reach_window).unwrap_or(TimeDelta::MAX);
    Completeness::of(hour, row.country, gaps, window)
}

/// Whether an hour that has received presence after its end is to be counted now. `start` is where
/// closing goes on in its country: what lies beyond is closed in its turn. An hour that has not
/// been heard to its end waits too: while a backlog comes in, what says that the hour is incomplete
/// may still be under way.
fn recountable(
    late: &LateHour,
    start: Option<Instant>,
    horizon: Option<Horizon>,
    now: Instant,
) -> bool {
    late.hour.end <= now
        && start.is_none_or(|start| late.hour.end <= start)
        && horizon.is_none_or(|horizon| horizon.covers(late.hour))
        && late.closed_at.is_none_or(|at| now - at >= RECOUNT_INTERVAL)
}

/// The closed hours whose next step is due, each with it; at most [`MAX_SENT_HOURS`], oldest first
/// where they are given so. `emissions` are the steps carried out so far. `historical` says that
/// Datadog takes points of any age: then an hour that is too old for the plan is sent by one that
/// begins when it was counted.
#[must_use]
pub fn due_lines<'a>(
    hours: &'a [HourlyCount],
    emissions: &[Emission],
    historical: bool,
    now: Instant,
) -> Vec<(&'a HourlyCount, i16)> {
    let mut sent: BTreeMap<(Country, Instant, i32), Vec<i16>> = BTreeMap::new();
    for emission in emissions {
        sent.entry((emission.country, emission.hour, emission.revision))
            .or_default()
            .push(emission.step);
    }
    hours
        .iter()
        .filter(|hour| is_sent(hour))
        .filter_map(|hour| {
            let key = (hour.country, hour.hour.start, hour.revision);
            let done = sent.get(&key).map_or(&[][..], Vec::as_slice);
            let from = if historical && is_too_old(hour.hour, now) {
                hour.closed_at
            } else {
                hour.hour.end
            };
            Some((hour, step_due(from, done, now)?))
        })
        .take(MAX_SENT_HOURS)
        .collect()
}

/// Whether an hour is so old that Datadog drops what is sent for it.
#[must_use]
pub fn is_too_old(hour: Hour, now: Instant) -> bool {
    now >= hour.end + LAST_SEND
}

/// A lower bound is not a count, an imported number is not ours, and a country of which nothing
/// was heard for a week is no news.
#[must_use]
pub fn is_sent(hour: &HourlyCount) -> bool {
    hour.complete && !hour.imported && !hour.counts.carriers.is_empty()
}

/// The step of the plan that is due, if any, where the plan begins at `from`. `sent` are the steps
/// carried out for the hour's present revision. Steps that were missed are made up for by one line.
fn step_due(from: Instant, sent: &[i16], now: Instant) -> Option<i16> {
    if now >= from + LAST_SEND {
        return None;
    }
    let reached = |step: &i16| *step == 0 || now >= from + TimeDelta::minutes((*step).into());
    let latest = STEPS_MINS.into_iter().filter(reached).max()?;
    let done = sent.iter().max();
    done.is_none_or(|done| *done < latest).then_some(latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;
    use model::ZoneHistory;
    use model::gap::SETTLE;
    use proptest::prelude::*;

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
    fn an_hour_is_closed_two_minutes_after_its_end_has_been_heard() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        let hours = |closed_until: Option<&str>, watermark| {
            let horizon = horizon("09:40:00", watermark);
            let (first_seen_at, started_at) = (at("09:45:00"), horizon.started_at);
            let start = closing_start(&manila, closed_until.map(at), first_seen_at, started_at);
            closable(&manila, start, horizon, MAX_HOURS)
                .iter()
                .map(|hour| hour.start.format("%H:%M").to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(hours(None, "10:01:59"), Vec::<String>::new());
        assert_eq!(hours(None, "10:02:00"), ["09:00"]);
        assert_eq!(hours(None, "12:02:00"), ["09:00", "10:00", "11:00"]);
        assert_eq!(hours(Some("11:00:00"), "12:02:00"), ["11:00"]);
        assert_eq!(hours(Some("12:00:00"), "12:02:00"), Vec::<String>::new());
        // what was imported for the morning says nothing about the hours since
        assert_eq!(hours(Some("06:00:00"), "10:02:00"), ["09:00"]);
    }

    #[test]
    fn a_closed_hour_is_sent_four_times_and_never_after_fifty_five_minutes() {
        let cases: [(&str, &[i16], Option<i16>); 10] = [
            ("11:02:05", &[], Some(0)),
            ("11:02:10", &[0], None),
            ("11:09:59", &[0], None),
            ("11:10:00", &[0], Some(10)),
            ("11:26:00", &[0, 10], Some(25)),
            // the exporter was away: one line makes up for what was missed
            ("11:46:00", &[0], Some(45)),
            ("11:47:00", &[0, 45], None),
            // a new revision has sent nothing yet
            ("11:30:00", &[], Some(25)),
            ("11:54:59", &[], Some(45)),
            ("11:55:00", &[], None),
        ];
        for (now, sent, due) in cases {
            assert_eq!(
                step_due(at("11:00:00"), sent, at(now)),
                due,
                "{now} {sent:?}"
            );
        }
    }

    #[test]
    fn a_late_hour_is_counted_when_it_was_heard_to_its_end_and_at_most_once_a_minute() {
        let late = |closed_at: Option<&str>| LateHour {
            country: Country::parse("ph").unwrap(),
            hour: Hour {
                start: at("06:00:00"),
                end: at("07:00:00"),
            },
            marked_at: at("08:10:00"),
            closed_at: closed_at.map(at),
        };
        let heard = |watermark| Some(horizon("05:50:00", watermark));
        let start = Some(at("08:00:00"));
        let now = at("08:10:00");
        // a backlog comes in: the watermark still stands where we went away
        assert!(!recountable(&late(None), start, heard("05:50:00"), now));
        assert!(!recountable(&late(None), start, heard("07:01:59"), now));
        assert!(recountable(&late(None), start, heard("07:02:00"), now));
        assert!(recountable(&late(None), start, heard("08:10:00"), now));
        // nothing was ever heard here: it was imported
        assert!(recountable(&late(None), None, None, now));
        // closing has not come so far
        let start = Some(at("06:00:00"));
        assert!(!recountable(&late(None), start, heard("08:10:00"), now));
        let start = Some(at("07:00:00"));
        let again = |closed_at| recountable(&late(Some(closed_at)), start, heard("08:10:00"), now);
        assert!(again("08:09:00"));
        assert!(!again("08:09:01"));
    }

    proptest! {
        /// Closing never skips an hour, never closes one twice and never too early, however the
        /// watermark moves, and in which zone.
        #[test]
        fn closing_follows_the_watermark_hour_by_hour(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            start in 1_577_836_800_i64..1_893_456_000,
            steps in prop::collection::vec(1_i64..20_000, 1..20),
        ) {
            let zones = ZoneHistory::always(zone);
            let started_at = Instant::from_timestamp(start, 0).unwrap();
            let mut horizon = Horizon { started_at, watermark: started_at };
            let mut closed_until = None;
            let mut expected = zones.hour_at(started_at).start;
            for step in steps {
                horizon.watermark += TimeDelta::seconds(step);
                let start = closing_start(&zones, closed_until, started_at, started_at);
                for hour in closable(&zones, start, horizon, MAX_HOURS) {
                    prop_assert_eq!(hour.start, expected);
                    prop_assert!(hour.end + SETTLE <= horizon.watermark);
                    expected = hour.end;
                    closed_until = Some(hour.end);
                }
                let next = zones.hour_at(expected);
                prop_assert!(!horizon.covers(next), "an hour was left open: {:?}", next);
            }
        }
    }
}

//! When an hour is closed and when a line is due. Pure: time and watermarks come in, decisions go
//! out.

use chrono::TimeDelta;
use model::{Horizon, Hour, Instant, ZoneHistory};
use store::closing::LateHour;

/// The plan of sending an hour, in minutes after its end; 0 stands for the close itself. A
/// datagram may get lost or the Agent may restart, and a gauge with a fixed timestamp can be sent
/// as often as one likes: the last value stands.
pub const STEPS_MINS: [i16; 4] = [0, 10, 25, 45];

/// Datadog drops points that are older than an hour; nothing is sent later than this.
pub const LAST_SEND: TimeDelta = TimeDelta::minutes(55);

/// An hour that keeps receiving presence is counted again at most this often.
const RECOUNT_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// Hours closed in one go; after a long absence the rest follows at the next tick.
const MAX_HOURS: usize = 200;

/// Where closing goes on in a country: after the last hour closed, but not before the hour in which
/// the country was first heard. What lies before that was imported, if it is there at all; hours
/// in between were not heard, and must not be closed as if they had been.
#[must_use]
pub fn closing_start(
    zones: &ZoneHistory,
    closed_until: Option<Instant>,
    first_seen_at: Instant,
    horizon: Horizon,
) -> Instant {
    let first = zones.hour_at(first_seen_at.max(horizon.started_at)).start;
    closed_until.map_or(first, |until| until.max(first))
}

/// The hours from `start` that can be closed, in order and without a hole.
#[must_use]
pub fn closable(zones: &ZoneHistory, start: Instant, horizon: Horizon) -> Vec<Hour> {
    zones
        .hours(start, horizon.watermark)
        .take_while(|hour| horizon.covers(*hour))
        .take(MAX_HOURS)
        .collect()
}

/// Whether an hour that has received presence after its end is to be counted now. `start` is where
/// closing goes on in its country: what lies beyond is closed in its turn. An hour that has not
/// been heard to its end waits too: while a backlog comes in, what says that the hour is incomplete
/// may still be under way.
#[must_use]
pub fn recountable(
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

/// The step of the plan that is due for a closed hour, if any. `sent` are the steps carried out
/// for its present revision. Steps that were missed are made up for by one line.
#[must_use]
pub fn step_due(hour_end: Instant, sent: &[i16], now: Instant) -> Option<i16> {
    if now >= hour_end + LAST_SEND {
        return None;
    }
    let reached = |step: &i16| *step == 0 || now >= hour_end + TimeDelta::minutes((*step).into());
    let latest = STEPS_MINS.into_iter().filter(reached).max()?;
    let done = sent.iter().max();
    done.is_none_or(|done| *done < latest).then_some(latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;
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
            let start = closing_start(&manila, closed_until.map(at), at("09:45:00"), horizon);
            closable(&manila, start, horizon)
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
            country: model::Country::parse("ph").unwrap(),
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
                let start = closing_start(&zones, closed_until, started_at, horizon);
                for hour in closable(&zones, start, horizon) {
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

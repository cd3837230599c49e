//! When a heartbeat was heard: the instant at which its device could reach us.
//!
//! Two kinds of lateness look alike on arrival. A heartbeat that waited in the broker because
//! *we* were away did reach us then, and counts then. A heartbeat that a device kept because *it*
//! had no coverage did not, and counting its old timestamp would erase the very outage we exist to
//! show. The watermark tells the two apart: everything that reached the broker before it is
//! already committed, so whatever arrives now came to the broker after it.

use chrono::TimeDelta;

use crate::Instant;

/// Up to this lag behind the watermark a message counts as live.
pub const LIVE_LAG: TimeDelta = TimeDelta::seconds(30);

/// Live, no device timestamp older than this is believed.
pub const OLDEST_TRUSTED: TimeDelta = TimeDelta::hours(72);

/// The verdict on one heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It counts at this instant.
    At(Instant),
    /// It reached us at some time between the watermark and now, across a boundary of hours, and
    /// nothing says when. It is kept as evidence, and the hours touched become incomplete.
    SomeTimeSince(Instant),
}

/// Decides when a heartbeat was heard.
///
/// `watermark` is the one that stood when the message arrived; `same_hour` says whether two
/// instants lie in one hour of the device's country.
pub fn heard(
    received_at: Instant,
    sent_at: Option<Instant>,
    watermark: Instant,
    same_hour: impl FnOnce(Instant, Instant) -> bool,
) -> Heard {
    if received_at - watermark <= LIVE_LAG {
        return Heard::At(received_at);
    }
    let oldest = watermark.max(received_at - OLDEST_TRUSTED);
    match sent_at {
        Some(sent_at) if (oldest..=received_at).contains(&sent_at) => Heard::At(sent_at),
        _ if same_hour(watermark, received_at) => Heard::At(received_at),
        _ => Heard::SomeTimeSince(watermark),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn utc_hour(a: Instant, b: Instant) -> bool {
        a.timestamp() / 3600 == b.timestamp() / 3600
    }

    #[test]
    fn a_heartbeat_counts_when_it_could_reach_us() {
        let cases = [
            // live: what the device says about its clock does not matter
            ("10:00:05", None, "10:00:00", Heard::At(at("10:00:05"))),
            (
                "10:00:30",
                Some("08:00:00"),
                "10:00:00",
                Heard::At(at("10:00:30")),
            ),
            (
                "10:00:05",
                Some("23:00:00"),
                "10:00:00",
                Heard::At(at("10:00:05")),
            ),
            // a received time before the watermark is live too (clocks stepped back)
            ("09:59:58", None, "10:00:00", Heard::At(at("09:59:58"))),
            // it waited in the broker while we were away
            (
                "12:30:00",
                Some("11:15:00"),
                "10:50:00",
                Heard::At(at("11:15:00")),
            ),
            (
                "12:30:00",
                Some("10:50:00"),
                "10:50:00",
                Heard::At(at("10:50:00")),
            ),
            // the device had kept it from before: one hour, so no matter
            (
                "10:45:00",
                Some("08:00:00"),
                "10:20:00",
                Heard::At(at("10:45:00")),
            ),
            ("10:45:00", None, "10:20:00", Heard::At(at("10:45:00"))),
            // nothing says in which hour
            (
                "11:05:00",
                Some("08:00:00"),
                "10:20:00",
                Heard::SomeTimeSince(at("10:20:00")),
            ),
            (
                "11:05:00",
                Some("12:00:00"),
                "10:20:00",
                Heard::SomeTimeSince(at("10:20:00")),
            ),
            (
                "11:05:00",
                None,
                "10:20:00",
                Heard::SomeTimeSince(at("10:20:00")),
            ),
        ];
        for (received, sent, watermark, verdict) in cases {
            let got = heard(at(received), sent.map(at), at(watermark), utc_hour);
            assert_eq!(
                got, verdict,
                "received {received}, sent {sent:?}, watermark {watermark}"
            );
        }
    }

    #[test]
    fn after_four_days_away_only_the_last_three_are_trusted() {
        let received = at("12:00:00");
        let watermark = received - TimeDelta::days(4);
        let old = received - TimeDelta::hours(73);
        let recent = received - TimeDelta::hours(71);
        assert_eq!(
            heard(received, Some(old), watermark, utc_hour),
            Heard::SomeTimeSince(watermark)
        );
        assert_eq!(
            heard(received, Some(recent), watermark, utc_hour),
            Heard::At(recent)
        );
    }
}

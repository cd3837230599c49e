//! How headcount itself is, every minute: its metrics, and whether it can count at all.
//!
//! Everything here is read from Postgres, so it is about all processes together, and whoever holds
//! the lease tells it. [`health`] is pure.

use chrono::TimeDelta;
use model::horizon::NOW_MAX_LAG;
use model::{Country, Horizon, Instant, Reason};
use store::gaps::GapRecord;
use store::overdue::Overdue;
use store::slots::SlotState;
use telemetry::Pipeline;
use telemetry::metrics::PipelineValue;

use crate::Context;
use crate::dogstatsd::line::Status;

/// How far back incomplete hours are looked at, and reasons for setting messages aside.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);

/// Within this time messages set aside are counted.
const QUARANTINE_WINDOW: TimeDelta = TimeDelta::hours(1);

/// The most reasons said in a message.
const MAX_REASONS: usize = 5;

/// What is known about the present minute.
pub(crate) struct Present {
    /// The time.
    pub(crate) now: Instant,
    /// The slots in use.
    pub(crate) slots: Vec<SlotState>,
    /// The gaps that reach into the longest reach window.
    pub(crate) gaps: Vec<GapRecord>,
    /// What all slots have heard.
    pub(crate) horizon: Option<Horizon>,
    /// The countries that were counted.
    pub(crate) counted: Vec<Country>,
    /// Those of which *reachable now* is unknown.
    pub(crate) unknown: Vec<Country>,
    /// When the newest heartbeat was heard.
    pub(crate) newest_heard_at: Option<Instant>,
}

/// Reads what else is to be known, and says how the pipeline is: its metrics, its state, and why.
pub(crate) async fn look(
    context: &Context,
    present: &Present,
    overdue: &Overdue,
) -> store::Result<(Vec<PipelineValue>, Status, String)> {
    let (store, now) = (&context.store, present.now);
    let hours = store.hours_ended_since(now - LOOK_BACK).await?;
    let mut values: Vec<PipelineValue> = vec![blind(present)];
    let mut put = |metric, value| values.push((metric, None, value));
    let age_secs = |at: Instant| (now - at).num_seconds().max(0);
    if let Some(horizon) = present.horizon {
        put(Pipeline::WatermarkLag, age_secs(horizon.watermark));
    }
    if let Some(at) = present.newest_heard_at {
        put(Pipeline::NewestHeartbeatAge, age_secs(at));
    }
    put(Pipeline::BrokerConnected, connected(present).into());
    if let Some(millis) = store.commit_p99_ms().await? {
        put(Pipeline::CommitP99, millis);
    }
    if let Some(at) = store.last_close().await? {
        put(Pipeline::LastCloseAge, age_secs(at));
    }
    let incomplete = hours.iter().filter(|hour| !hour.complete).count();
    put(Pipeline::HoursOverdue, number(overdue.hours));
    put(Pipeline::HoursIncomplete, number(incomplete));
    put(Pipeline::HoursLate, store.late_hours_pending().await?);
    let of_late = store.quarantined_since(now - LOOK_BACK).await?;
    let last_hour = store.quarantined_since(now - QUARANTINE_WINDOW).await?;
    for reason in Reason::ALL.map(Reason::as_str) {
        if of_late.contains_key(reason) {
            let messages = last_hour.get(reason).copied().unwrap_or(0);
            values.push((Pipeline::Quarantined, Some(reason), messages));
        }
    }
    let (status, message) = health(present, overdue);
    Ok((values, status, message))
}

/// Whether what cannot be seen makes counts unknown.
pub(crate) fn blind(present: &Present) -> PipelineValue {
    let blind = !present.unknown.is_empty() || present.horizon.is_none();
    (Pipeline::Blind, None, blind.into())
}

pub(crate) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn connected(present: &Present) -> bool {
    let held = |slot: &SlotState| slot.owner.is_some() && open_gap(slot, &present.gaps).is_none();
    !present.slots.is_empty() && present.slots.iter().all(held)
}

fn open_gap<'a>(slot: &SlotState, gaps: &'a [GapRecord]) -> Option<&'a GapRecord> {
    gaps.iter()
        .find(|record| record.slot == slot.slot && record.gap.to.is_none())
}

/// Whether headcount can count, and in words why it is so.
fn health(present: &Present, overdue: &Overdue) -> (Status, String) {
    let mut reasons: Vec<(Status, String)> = Vec::new();
    if present.slots.is_empty() {
        let why = "no ingest slot is in use: none was ever started, or all are retired";
        reasons.push((Status::Unknown, why.to_owned()));
    }
    for slot in &present.slots {
        let name = &slot.slot;
        let mut say = |status, why: String| reasons.push((status, format!("slot `{name}`: {why}")));
        if slot.owner.is_none() {
            say(Status::Critical, "no ingest is running".to_owned());
        }
        match slot.watermark.map(|watermark| present.now - watermark) {
            None => say(Status::Unknown, "nothing was heard yet".to_owned()),
            Some(lag) if lag > NOW_MAX_LAG => {
                let secs = lag.num_seconds();
                say(Status::Critical, format!("the watermark is {secs} s old"));
            }
            Some(_) => {}
        }
        if let Some(record) = open_gap(slot, &present.gaps) {
            let (cause, since) = (record.gap.cause.as_str(), minute(record.gap.from));
            say(Status::Critical, format!("{cause} since {since}"));
        }
    }
    if let Some((country, hour)) = overdue.oldest {
        let (hours, end, why) = (overdue.hours, minute(hour.end), overdue.why());
        let why =
            format!("{hours} hours overdue, first that of {country} that ended at {end}: {why}");
        reasons.push((Status::Critical, why));
    }
    if reasons.is_empty() && !present.unknown.is_empty() {
        let countries: Vec<_> = present.unknown.iter().map(ToString::to_string).collect();
        let countries = countries.join(", ");
        let why = format!("reachable now is unknown in {countries}: a gap is too young");
        reasons.push((Status::Warning, why));
    }
    // The worst first; in a group as they came.
    reasons.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
    let Some((status, _)) = reasons.first() else {
        return (Status::Ok, "every country can be counted".to_owned());
    };
    let status = *status;
    let more = reasons.len().saturating_sub(MAX_REASONS);
    let mut texts: Vec<_> = reasons.into_iter().map(|(_, why)| why).collect();
    texts.truncate(MAX_REASONS);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    (status, texts.join("; "))
}

fn minute(at: Instant) -> impl std::fmt::Display {
    at.format("%Y-%m-%dT%H:%MZ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Cause, Gap, Hour};
    use store::overdue::Reason;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn slot(name: &str, owner: Option<&str>, watermark: Option<&str>) -> SlotState {
        SlotState {
            slot: name.to_owned(),
            topic_filter: format!("{name}/+/heartbeat"),
            started_at: watermark.map(|_| at("00:10:00")),
            watermark: watermark.map(at),
            owner: owner.map(str::to_owned),
        }
    }

    fn gap(slot: &str, to: Option<&str>) -> GapRecord {
        GapRecord {
            slot: slot.to_owned(),
            gap: Gap {
                country: None,
                cause: Cause::BrokerAway,
                from: at("05:01:00"),
                to: to.map(at),
            },
            detail: None,
        }
    }

    /// Ten past five by UTC.
    fn present(slots: Vec<SlotState>) -> Present {
        Present {
            now: at("05:10:00"),
            horizon: Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark))),
            slots,
            gaps: Vec::new(),
            counted: Vec::new(),
            unknown: Vec::new(),
            newest_heard_at: None,
        }
    }

    #[test]
    fn it_can_count_when_every_slot_is_held_near_and_without_a_gap() {
        let none = Overdue::default();
        let good = || slot("a", Some("x"), Some("05:09:58"));
        let mut well = present(vec![good()]);
        well.gaps = vec![gap("a", Some("05:02:00")), gap("retired", None)];
        assert_eq!(health(&well, &none).0, Status::Ok);
        assert!(connected(&well));
        for (slots, status, why) in [
            (vec![], Status::Unknown, "no ingest slot is in use"),
            (
                vec![slot("a", None, Some("05:09:58"))],
                Status::Critical,
                "slot `a`: no ingest is running",
            ),
            (
                vec![slot("a", Some("x"), None)],
                Status::Unknown,
                "slot `a`: nothing was heard yet",
            ),
            (
                vec![good(), slot("b", Some("x"), Some("05:08:59"))],
                Status::Critical,
                "slot `b`: the watermark is 61 s old",
            ),
        ] {
            let (told, message) = health(&present(slots), &none);
            assert_eq!(told, status, "{message}");
            assert!(message.starts_with(why), "{message}");
        }
        let mut away = present(vec![good()]);
        away.gaps = vec![gap("a", None)];
        let why = "slot `a`: broker_away since 2026-11-21T05:01Z".to_owned();
        assert_eq!(health(&away, &none), (Status::Critical, why));
        assert!(!connected(&away));
        let mut back = present(vec![good()]);
        back.unknown = vec![country("ph"), country("in")];
        let why = "reachable now is unknown in ph, in: a gap is too young".to_owned();
        assert_eq!(health(&back, &none), (Status::Warning, why));
    }

    #[test]
    fn the_worst_is_said_first_and_not_everything() {
        let mut slots: Vec<_> = (0..3).map(|n| slot(&format!("s{n}"), None, None)).collect();
        slots.push(slot("z", None, Some("05:09:58")));
        let (status, message) = health(&present(slots), &Overdue::default());
        assert_eq!(status, Status::Critical);
        assert_eq!(
            message,
            "slot `s0`: no ingest is running; slot `s1`: no ingest is running; \
             slot `s2`: no ingest is running; slot `z`: no ingest is running; \
             slot `s0`: nothing was heard yet; and 2 more"
        );
    }

    #[test]
    fn an_overdue_hour_is_said_with_what_stands_in_its_way() {
        let present = present(vec![slot("a", Some("x"), Some("05:09:58"))]);
        let hour = Hour {
            start: at("03:00:00"),
            end: at("04:00:00"),
        };
        let overdue = Overdue {
            hours: 2,
            oldest: Some((country("ph"), hour)),
            why: vec![Reason::RunFailed {
                error: "no space left".to_owned(),
            }],
        };
        let (status, message) = health(&present, &overdue);
        assert_eq!(status, Status::Critical);
        assert_eq!(
            message,
            "2 hours overdue, first that of ph that ended at 2026-11-21T04:00Z: closing failed: no \
             space left"
        );
    }
}

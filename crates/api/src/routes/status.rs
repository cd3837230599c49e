//! `/api/v1/status`: whether headcount itself can count, and if not, why.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use chrono::{DateTime, TimeDelta, Utc};
use model::Instant;
use model::horizon::NOW_MAX_LAG;
use serde::Serialize;
use store::gaps::GapRecord;
use store::job_runs::{CLOSE_HOURS, JobRun};
use store::overdue::Overdue;
use store::slots::SlotState;
use telemetry::health::Work;
use utoipa::ToSchema;

use crate::Context;
use crate::extract::{InQuery, NoParameters};
use crate::problem::{Problem, ProblemDetails};

/// How far back gaps, incomplete hours and quarantined messages are shown.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);

/// Why nothing can be told without a slot.
const NO_SLOT: &str = "no ingest slot is in use: none was ever started, or all are retired";

/// The most gaps shown; the newest.
const MAX_GAPS_SHOWN: usize = 200;

/// The state of the pipeline. Times are UTC.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    /// When this was answered.
    #[schema(example = "2026-11-21T02:20:41Z")]
    as_of: DateTime<Utc>,
    /// Whether what is reachable now can be told.
    #[schema(example = true)]
    can_count: bool,
    /// Why not; empty when it can.
    #[schema(example = json!([]))]
    why: Vec<String>,
    /// What the process is doing before it can answer anything else; null once it can.
    #[schema(example = json!(null))]
    preparing: Option<PreparingItem>,
    /// The sessions with the broker.
    #[schema(example = json!([{
        "slot": "default", "topic_filter": "devices/+/heartbeat",
        "watermark": "2026-11-21T02:20:39Z", "watermark_lag_secs": 2, "owner": "ingest-1",
        "connected": true
    }]))]
    ingest: Vec<SlotItem>,
    /// What could not be seen in the last 24 hours, newest first; at most 200.
    #[schema(example = json!([]))]
    gaps: Vec<GapItem>,
    /// How many older gaps of the last 24 hours are left out.
    #[schema(example = 0)]
    gaps_omitted: usize,
    /// When an hour was last closed; null if never.
    #[schema(example = "2026-11-21T02:02:03Z")]
    last_close: Option<DateTime<Utc>>,
    /// Hours that are not closed 20 minutes after their end, and why.
    overdue: OverdueItem,
    /// What the last run that closed hours came to; null if there was none. A run without anything
    /// to do is not one.
    last_run: Option<RunItem>,
    /// Hours closed within the last 24 whose count is only a lower bound, over all countries.
    #[schema(example = 0)]
    hours_incomplete_24h: usize,
    /// Messages and payloads set aside in the last 24 hours, by reason.
    #[schema(example = json!({"syntax": 3}))]
    quarantine_24h: BTreeMap<String, i64>,
    /// Hours that received heartbeats after they had ended and wait to be counted again.
    #[schema(example = 0)]
    late_hours: i64,
    /// The database.
    postgres: PostgresItem,
    /// Datadog's Agent.
    agent: AgentItem,
}

/// A piece of work to be done before counts can be answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreparingItem {
    /// What is being done, in words.
    #[schema(example = "loading 28 days of history")]
    what: String,
    /// How much of it is done, 0 to 100; null when that cannot be told.
    #[schema(example = 43)]
    percent: Option<u8>,
}

/// One session with the broker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlotItem {
    /// Its name.
    #[schema(example = "default")]
    slot: String,
    /// The topics it listens to.
    #[schema(example = "devices/+/heartbeat")]
    topic_filter: String,
    /// Every heartbeat that reached the broker before is committed, or lies in a gap; null before
    /// the first connection.
    #[schema(example = "2026-11-21T02:20:39Z")]
    watermark: Option<DateTime<Utc>>,
    /// Seconds from the watermark to now.
    #[schema(example = 2)]
    watermark_lag_secs: Option<i64>,
    /// The process that holds the slot; null when none does.
    #[schema(example = "ingest-1")]
    owner: Option<String>,
    /// Whether it is held and no gap is open.
    #[schema(example = true)]
    connected: bool,
}

/// A stretch of time in which heartbeats could not reach us.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GapItem {
    /// The slot that saw it.
    #[schema(example = "default")]
    slot: String,
    /// Why.
    #[schema(example = "broker_away")]
    cause: &'static str,
    /// The country concerned; null for all.
    #[schema(example = json!(null))]
    country: Option<String>,
    /// From when on.
    #[schema(example = "2026-11-20T18:00:00Z")]
    from: DateTime<Utc>,
    /// Until when; null while it lasts.
    #[schema(example = "2026-11-20T18:00:42Z")]
    to: Option<DateTime<Utc>>,
    /// How long it lasted, or has lasted so far.
    #[schema(example = 42)]
    seconds: i64,
    /// In words.
    #[schema(example = "connection refused")]
    detail: Option<String>,
}

/// Hours that should have been closed by now.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"hours": 0, "country": null, "oldest": null, "why": []}))]
pub(crate) struct OverdueItem {
    /// How many, over all countries; of each at most a month of them.
    #[schema(example = 0)]
    hours: usize,
    /// The country of the one that ended first; null if there is none.
    #[schema(example = json!(null))]
    country: Option<String>,
    /// When the one that ended first began; null if there is none.
    #[schema(example = json!(null))]
    oldest: Option<DateTime<Utc>>,
    /// What stands in its way; empty if there is none.
    #[schema(example = json!([]))]
    why: Vec<String>,
}

/// A run that closed hours, or was to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "started_at": "2026-11-21T02:02:02Z", "finished_at": "2026-11-21T02:02:03Z",
    "status": "ok", "attempts": 1, "hours": 3, "error": null
}))]
pub(crate) struct RunItem {
    /// When its first attempt began.
    #[schema(example = "2026-11-21T02:02:02Z")]
    started_at: DateTime<Utc>,
    /// When its last attempt ended; null while it runs.
    #[schema(example = "2026-11-21T02:02:03Z")]
    finished_at: Option<DateTime<Utc>>,
    /// `running`, `ok`, `failed` (and tried again) or `abandoned`.
    #[schema(example = "ok")]
    status: &'static str,
    /// How often it was tried.
    #[schema(example = 1)]
    attempts: i32,
    /// How many hours it wrote.
    #[schema(example = 3)]
    hours: i32,
    /// What the last attempt that failed said.
    #[schema(example = json!(null))]
    error: Option<String>,
}

/// The database.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"ok": true}))]
pub(crate) struct PostgresItem {
    /// Whether it answers. When it does not, everything else here that comes from it is empty.
    #[schema(example = true)]
    ok: bool,
}

/// Datadog's Agent.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"last_sent_at": "2026-11-21T02:12:00Z"}))]
pub(crate) struct AgentItem {
    /// When counts were last sent to it; null if never.
    #[schema(example = "2026-11-21T02:12:00Z")]
    last_sent_at: Option<DateTime<Utc>>,
}

/// The state of the pipeline
///
/// Answers also while the database is away: then `postgres.ok` and `can_count` are false.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "getStatus",
    tag = "pipeline",
    responses(
        (status = 200, description = "The state, good or bad.", body = StatusAnswer),
        (status = 400, description = "A parameter that is not known.", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long.", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn status(
    State(context): State<Context>,
    InQuery(NoParameters {}): InQuery<NoParameters>,
) -> Result<([(HeaderName, &'static str); 1], Json<StatusAnswer>), Problem> {
    let now = context.clock.now();
    let answer = match read(&context, now).await {
        Ok(answer) => answer,
        Err(error) if error.is_away() || error.is_pool_exhausted() => {
            tracing::warn!(%error, "the database does not answer");
            cannot_count(now, "the database does not answer")
        }
        Err(error) => return Err(error.into()),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}

/// The state while the process is getting ready and there is nothing to read yet.
pub(crate) fn preparing(now: Instant, work: Option<Work>) -> Json<StatusAnswer> {
    let work = work.unwrap_or_default();
    Json(StatusAnswer {
        preparing: Some(PreparingItem {
            what: work.what,
            percent: work.percent,
        }),
        ..cannot_count(now, "getting ready")
    })
}

fn cannot_count(now: Instant, why: &str) -> StatusAnswer {
    StatusAnswer {
        as_of: now,
        why: vec![why.to_owned()],
        ..StatusAnswer::default()
    }
}

async fn read(context: &Context, now: Instant) -> store::Result<StatusAnswer> {
    let store = &context.store;
    let since = now - LOOK_BACK;
    let slots = store.slots().await?;
    let gaps = store.gaps_since(since).await?;
    let hours = store.hours_ended_since(since).await?;
    let why = blind(&slots, &gaps, now);
    Ok(StatusAnswer {
        as_of: now,
        can_count: why.is_empty(),
        why,
        preparing: None,
        ingest: slots
            .into_iter()
            .map(|slot| slot_item(slot, &gaps, now))
            .collect(),
        gaps_omitted: gaps.len().saturating_sub(MAX_GAPS_SHOWN),
        gaps: gaps
            .into_iter()
            .rev()
            .take(MAX_GAPS_SHOWN)
            .map(|gap| gap_item(gap, now))
            .collect(),
        last_close: store.last_close().await?,
        overdue: overdue_item(&store.overdue(now).await?),
        last_run: store.last_run(CLOSE_HOURS).await?.map(run_item),
        hours_incomplete_24h: hours.iter().filter(|hour| !hour.complete).count(),
        quarantine_24h: store.quarantined_since(since).await?,
        late_hours: store.late_hours_pending().await?,
        postgres: PostgresItem { ok: true },
        agent: AgentItem {
            last_sent_at: store.last_emission().await?,
        },
    })
}

/// Why *reachable now* cannot be told; empty when it can.
fn blind(slots: &[SlotState], gaps: &[GapRecord], now: Instant) -> Vec<String> {
    if slots.is_empty() {
        return vec![NO_SLOT.to_owned()];
    }
    let mut why = Vec::new();
    for SlotState {
        slot,
        watermark,
        owner,
        ..
    } in slots
    {
        if owner.is_none() {
            why.push(format!("slot `{slot}`: no ingest is running"));
        }
        match watermark.map(|watermark| now - watermark) {
            None => why.push(format!("slot `{slot}`: not yet connected to the broker")),
            Some(lag) if lag > NOW_MAX_LAG => {
                why.push(format!(
                    "slot `{slot}`: the watermark is {} s behind",
                    lag.num_seconds()
                ));
            }
            Some(_) => {}
        }
        for gap in open_gaps(slot, gaps) {
            let since = gap.gap.from.format("%Y-%m-%dT%H:%M:%SZ");
            why.push(format!(
                "slot `{slot}`: {} since {since}",
                gap.gap.cause.as_str()
            ));
        }
    }
    why
}

fn open_gaps<'a>(slot: &'a str, gaps: &'a [GapRecord]) -> impl Iterator<Item = &'a GapRecord> {
    gaps.iter()
        .filter(move |gap| gap.slot == slot && gap.gap.to.is_none())
}

fn slot_item(slot: SlotState, gaps: &[GapRecord], now: Instant) -> SlotItem {
    let connected = slot.owner.is_some() && open_gaps(&slot.slot, gaps).next().is_none();
    SlotItem {
        connected,
        watermark: slot.watermark,
        watermark_lag_secs: slot
            .watermark
            .map(|watermark| (now - watermark).num_seconds()),
        slot: slot.slot,
        topic_filter: slot.topic_filter,
        owner: slot.owner,
    }
}

fn overdue_item(overdue: &Overdue) -> OverdueItem {
    OverdueItem {
        hours: overdue.hours,
        country: overdue.oldest.map(|(country, _)| country.to_string()),
        oldest: overdue.oldest.map(|(_, hour)| hour.start),
        why: overdue.why.iter().map(ToString::to_string).collect(),
    }
}

fn run_item(run: JobRun) -> RunItem {
    RunItem {
        started_at: run.started_at,
        finished_at: run.finished_at,
        status: run.status.as_str(),
        attempts: run.attempts,
        hours: run.rows_written,
        error: run.error,
    }
}

fn gap_item(record: GapRecord, now: Instant) -> GapItem {
    let GapRecord { slot, gap, detail } = record;
    GapItem {
        slot,
        cause: gap.cause.as_str(),
        country: gap.country.map(|country| country.to_string()),
        from: gap.from,
        to: gap.to,
        seconds: (gap.to.unwrap_or(now) - gap.from).num_seconds(),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Cause, Gap};

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn slot(owner: Option<&str>, watermark: Option<&str>) -> SlotState {
        SlotState {
            slot: "default".to_owned(),
            topic_filter: "devices/+/heartbeat".to_owned(),
            started_at: None,
            watermark: watermark.map(at),
            owner: owner.map(str::to_owned),
        }
    }

    fn gap(slot: &str, to: Option<&str>) -> GapRecord {
        let gap = Gap {
            country: None,
            cause: Cause::BrokerAway,
            from: at("02:00:00"),
            to: to.map(at),
        };
        GapRecord {
            slot: slot.to_owned(),
            gap,
            detail: None,
        }
    }

    #[test]
    fn it_can_count_when_every_slot_is_held_near_and_without_a_gap() {
        let now = at("02:20:00");
        let good = slot(Some("a"), Some("02:19:00"));
        let over = [gap("default", Some("02:01:00")), gap("another", None)];
        assert!(blind(std::slice::from_ref(&good), &over, now).is_empty());
        let cases = [
            (vec![], NO_SLOT),
            (
                vec![slot(None, Some("02:19:59"))],
                "slot `default`: no ingest is running",
            ),
            (
                vec![slot(Some("a"), None)],
                "slot `default`: not yet connected to the broker",
            ),
            (
                vec![slot(Some("a"), Some("02:18:59"))],
                "slot `default`: the watermark is 61 s behind",
            ),
        ];
        for (slots, why) in cases {
            assert_eq!(blind(&slots, &[], now), [why]);
        }
        assert_eq!(
            blind(&[good], &[gap("default", None)], now),
            ["slot `default`: broker_away since 2026-11-21T02:00:00Z"]
        );
    }
}

//! `/api/v1/countries/{cc}/now`: devices reachable in every minute.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, DurationRound as _, FixedOffset, TimeDelta};
use model::{Carrier, Instant};
use serde::{Deserialize, Serialize};
use store::countries::CountryRow;
use store::presence::Counts;
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use, json as json_answer, shown};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, Refusals};
use crate::range::{Lengths, Range};
use crate::{Context, time};

/// The range answered when none is asked for.
const DEFAULT_RANGE: TimeDelta = TimeDelta::hours(3);

/// The most steps of one answer: eight days of minutes.
const MAX_ITEMS: i32 = 8 * 24 * 60;

/// For how long minutely counts are kept.
const MAX_RANGE: TimeDelta = TimeDelta::days(92);

/// The longest step, in minutes.
const MAX_STEP_MINS: u16 = 60;

/// Steps of a picture, of which the shortest is taken that makes no more than so many points: about
/// two pixels each.
const DRAWN_STEPS_MINS: [u16; 6] = [1, 2, 5, 10, 30, MAX_STEP_MINS];
const MAX_DRAWN_POINTS: i32 = 500;

/// The count of a minute is made when the minute begins; one that is missing so soon after is not
/// unknown but under way.
const UNDER_WAY: TimeDelta = TimeDelta::minutes(2);

/// Which minutes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NowQuery {
    /// The first instant. RFC 3339 with offset, or a date or a date and time by the country's
    /// clock. Three hours before `to` when left out.
    #[param(example = "2026-11-21T07:00:00+08:00")]
    pub(super) from: Option<String>,
    /// The first instant beyond. Now when left out; at most 11,520 steps and 92 days after `from`.
    #[param(example = "2026-11-21T10:00:00+08:00")]
    pub(super) to: Option<String>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    pub(super) carrier: Option<String>,
    /// Minutes from one item to the next: 1 when left out, or another divisor of 60. Steps are
    /// counted from the full hour, UTC.
    #[param(example = 10, minimum = 1, maximum = 60)]
    pub(super) step: Option<u16>,
}

/// The series of *reachable now* of one country.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NowList {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone of the country now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// Seconds from one item to the next.
    #[schema(example = 600)]
    step_secs: i64,
    /// Every step of the range that has begun, oldest first.
    #[schema(example = json!([{
        "at": "2026-11-21T09:50:00+08:00", "devices": 1203,
        "carriers": {"globe": 702, "smart": 523}, "expected": null, "expected_low": null
    }]))]
    pub(super) items: Vec<NowItem>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NowItem {
    /// When it starts, by the country's clock.
    #[schema(example = "2026-11-21T09:50:00+08:00")]
    pub(super) at: DateTime<FixedOffset>,
    /// Distinct devices heard within the reach window, in the lowest minute of the step: a dip of
    /// a few minutes is not averaged away. Null where it is unknown: we could not see.
    #[schema(example = 1203)]
    pub(super) devices: Option<i64>,
    /// The same minute per carrier. A device that used two within the window counts in both.
    #[schema(example = json!({"globe": 702, "smart": 523}))]
    carriers: BTreeMap<String, i64>,
    /// How many should be reachable at this hour of this weekday; null while learning.
    #[schema(example = json!(null))]
    expected: Option<i64>,
    /// The fewest that would still be ordinary; null while learning.
    #[schema(example = json!(null))]
    expected_low: Option<i64>,
}

/// Reachable minute by minute
///
/// Exact distinct devices heard within the reach window, for every minute in `[from, to)` that
/// could be counted. With a longer `step` each item is the lowest minute of its step.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/now",
    operation_id = "listNow",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        NowQuery
    ),
    responses(
        (status = 200, description = "The series.", body = NowList, headers(
            ("ETag" = String, description = "Changes with the body; send it as `If-None-Match`."))),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn series(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<NowQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::read(&context, &code, &query).await?;
    json_answer(&headers, &question.answer(&context).await?)
}

/// What is asked, with every parameter understood.
pub(super) struct Question {
    pub(super) row: CountryRow,
    /// From the start of a step to that of another.
    pub(super) range: Range,
    pub(super) step: TimeDelta,
    pub(super) carrier: Option<Carrier>,
    pub(super) now: Instant,
}

impl Question {
    async fn read(context: &Context, code: &str, query: &NowQuery) -> Result<Self, Problem> {
        let step = step(query.step)?;
        Self::read_with(context, code, query, Some(step)).await
    }

    /// For a picture: where no step is asked for, the shortest of which one can be drawn.
    pub(super) async fn read_to_draw(
        context: &Context,
        code: &str,
        query: &NowQuery,
    ) -> Result<Self, Problem> {
        let asked = query.step.map(|asked| step(Some(asked))).transpose()?;
        Self::read_with(context, code, query, asked).await
    }

    async fn read_with(
        context: &Context,
        code: &str,
        query: &NowQuery,
        step: Option<TimeDelta>,
    ) -> Result<Self, Problem> {
        let now = context.clock.now();
        let row = in_use(context, code).await?;
        let lengths = Lengths {
            default: DEFAULT_RANGE,
            max: step.map_or(MAX_RANGE, |step| (step * MAX_ITEMS).min(MAX_RANGE)),
        };
        let NowQuery { from, to, .. } = query;
        let Range { from, to } =
            Range::read(from.as_deref(), to.as_deref(), lengths, &row.zones, now)?;
        let step = step.unwrap_or_else(|| drawn_step(to - from));
        let start = |instant: Instant| instant.duration_trunc(step).unwrap_or(instant);
        let end = |instant: Instant| instant.duration_round_up(step).unwrap_or(instant);
        let range = Range {
            from: start(from),
            to: end(to.min(now)),
        };
        let carrier = match &query.carrier {
            Some(slug) => Some(carrier_of(context, &row, slug).await?),
            None => None,
        };
        Ok(Self {
            row,
            range,
            step,
            carrier,
            now,
        })
    }

    pub(super) async fn answer(&self, context: &Context) -> Result<NowList, Problem> {
        let Self {
            row,
            range: Range { from, to },
            step,
            carrier,
            now,
        } = self;
        let counted: BTreeMap<Instant, Counts> = context
            .store
            .now_series(row.country, *from, *to, *step, carrier.as_ref())
            .await?
            .into_iter()
            .map(|step| (step.start, step.counts))
            .collect();
        let mut items = Vec::new();
        let mut start = *from;
        while start < *to {
            let counts = counted.get(&start);
            if counts.is_some() || start + *step + UNDER_WAY <= *now {
                items.push(self.item(start, counts));
            }
            start += *step;
        }
        Ok(NowList {
            country: row.country.to_string(),
            time_zone: row.zones.zone_at(*now).name().to_owned(),
            step_secs: step.num_seconds(),
            items,
            next: None,
        })
    }

    fn item(&self, start: Instant, counts: Option<&Counts>) -> NowItem {
        let (devices, carriers) = counts
            .map(|counts| shown(counts, self.carrier.as_ref()))
            .unzip();
        NowItem {
            at: time::local(start, &self.row.zones),
            devices,
            carriers: carriers.unwrap_or_default(),
            expected: None,
            expected_low: None,
        }
    }
}

fn step(asked: Option<u16>) -> Result<TimeDelta, Problem> {
    let mins = asked.unwrap_or(1);
    if mins > 0 && MAX_STEP_MINS.is_multiple_of(mins) {
        return Ok(TimeDelta::minutes(mins.into()));
    }
    Err(Problem::bad_parameter(
        "step",
        format!("`step` is {mins}; it is a number of minutes that divides {MAX_STEP_MINS}"),
    ))
}

fn drawn_step(length: TimeDelta) -> TimeDelta {
    let steps = DRAWN_STEPS_MINS.map(|mins| TimeDelta::minutes(mins.into()));
    let [.., longest] = steps;
    steps
        .into_iter()
        .find(|step| length <= *step * MAX_DRAWN_POINTS)
        .unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fit_into_an_hour() {
        assert_eq!(step(None).unwrap(), TimeDelta::minutes(1));
        assert_eq!(step(Some(60)).unwrap(), TimeDelta::hours(1));
        for wrong in [0, 7, 61, 120] {
            let problem = format!("{:?}", step(Some(wrong)).unwrap_err());
            assert!(problem.contains("divides 60"), "{problem}");
        }
    }
    #[test]
    fn a_picture_has_as_many_points_as_can_be_seen() {
        for (length, mins) in [
            (TimeDelta::zero(), 1),
            (TimeDelta::hours(3), 1),
            (TimeDelta::hours(24), 5),
            (TimeDelta::days(7), 30),
            (TimeDelta::days(92), 60),
        ] {
            assert_eq!(drawn_step(length), TimeDelta::minutes(mins), "{length}");
        }
    }
}

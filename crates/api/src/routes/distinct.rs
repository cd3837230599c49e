//! `/api/v1/countries/{cc}/distinct`: distinct devices over whole hours.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, FixedOffset, TimeDelta};
use model::{Carrier, Instant, ZoneHistory};
use serde::{Deserialize, Serialize};
use store::countries::CountryRow;
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use, json as json_answer, shown};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, Refusals};
use crate::range::{Lengths, Range};
use crate::{Context, time};

/// The window answered when none is asked for, and the longest there can be: presence may be kept
/// for longer than a year.
const LENGTHS: Lengths = Lengths {
    default: TimeDelta::hours(24),
    max: TimeDelta::days(400),
};

/// Which window.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DistinctQuery {
    /// The first instant: the start of an hour of the country's clock. RFC 3339 with offset, or a
    /// date or a date and time by that clock. 24 hours before `to` when left out.
    #[param(example = "2026-11-14T00:00:00+08:00")]
    from: Option<String>,
    /// The first instant beyond: the start of an hour as well. The start of the hour that runs when
    /// left out, and at most its end.
    #[param(example = "2026-11-21T00:00:00+08:00")]
    to: Option<String>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
}

/// Distinct devices of one window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DistinctAnswer {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone by which its hours are counted now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// When the window starts, by the country's clock.
    #[schema(example = "2026-11-14T00:00:00+08:00")]
    from: DateTime<FixedOffset>,
    /// When it ends.
    #[schema(example = "2026-11-21T00:00:00+08:00")]
    to: DateTime<FixedOffset>,
    /// Devices heard at least once in the window, each counted once; a lower bound where `complete`
    /// is false. Never the sum of its hours.
    #[schema(example = 1398)]
    devices: i64,
    /// The same per carrier. A device that used two counts in both. A carrier that is not there had
    /// none.
    #[schema(example = json!({"globe": 811, "smart": 640}))]
    carriers: BTreeMap<String, i64>,
    /// Whether the number is exact: every hour of the window is closed and complete, and was
    /// counted here rather than imported as a number.
    #[schema(example = true)]
    complete: bool,
    /// How many hours the window has.
    #[schema(example = 168)]
    hours: usize,
    /// How many of them are complete.
    #[schema(example = 168)]
    hours_complete: usize,
}

/// Distinct devices of any window
///
/// Exact distinct devices heard in a window of whole hours: a day, a week, a shift. Every device
/// counts once, however many of the hours it was heard in. Counted from what was heard, so a window
/// reaches back as far as that is kept (`retention.presence_days`); hourly counts are kept for good.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/distinct",
    operation_id = "countDistinct",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        DistinctQuery
    ),
    responses(
        (status = 200, description = "The count.", body = DistinctAnswer, headers(
            ("ETag" = String, description = "Changes with the body; send it as `If-None-Match`."))),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn distinct(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<DistinctQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = context.clock.now();
    let row = in_use(&context, &code).await?;
    let carrier = match &query.carrier {
        Some(slug) => Some(carrier_of(&context, &row, slug).await?),
        None => None,
    };
    let range = window(&query, &row.zones, now)?;
    refuse_what_is_gone(&context, &row, range).await?;
    json_answer(&headers, &count(&context, &row, range, carrier, now).await?)
}

/// The window asked for, if it is one of whole hours that have begun.
fn window(query: &DistinctQuery, zones: &ZoneHistory, now: Instant) -> Result<Range, Problem> {
    let running = zones.hour_at(now);
    let shown = |instant| time::text(time::local(instant, zones));
    let DistinctQuery { from, to, .. } = query;
    let mut range = Range::read(from.as_deref(), to.as_deref(), LENGTHS, zones, running.end)?;
    if to.is_none() {
        range.to = running.start;
        if from.is_none() {
            range.from = zones.hour_at(range.to - LENGTHS.default).start;
        }
    } else if from.is_none() {
        range.from = zones.hour_at(range.from).start;
    }
    for (name, instant) in [("from", range.from), ("to", range.to)] {
        let hour = zones.hour_at(instant);
        if hour.start != instant {
            let detail = format!(
                "`{name}` ({}) is not the start of an hour of the country's clock; the next to it \
                 are {} and {}",
                shown(instant),
                shown(hour.start),
                shown(hour.end)
            );
            return Err(Problem::bad_parameter(name, detail));
        }
    }
    if range.to > running.end {
        let detail = format!(
            "`to` ({}) lies ahead: the hour that runs ends at {}",
            shown(range.to),
            shown(running.end)
        );
        return Err(Problem::bad_parameter("to", detail));
    }
    if range.from >= range.to {
        let detail = format!(
            "the window from {} to {} is empty: it has one hour at least",
            shown(range.from),
            shown(range.to)
        );
        return Err(Problem::bad_parameter("from", detail));
    }
    Ok(range)
}

/// What is not kept any more cannot be counted, and 0 would be a lie.
async fn refuse_what_is_gone(
    context: &Context,
    row: &CountryRow,
    range: Range,
) -> Result<(), Problem> {
    let kept_from = context.store.presence_kept_from().await?;
    let Some(kept_from) = kept_from.filter(|kept_from| range.from < *kept_from) else {
        return Ok(());
    };
    let shown = |instant| time::text(time::local(instant, &row.zones));
    let first = row.zones.hour_at(kept_from);
    let first = if first.start < kept_from {
        first.end
    } else {
        first.start
    };
    let detail = format!(
        "`from` ({}) lies before what is kept (`retention.presence_days`): distinct devices can be \
         counted from {} on. For earlier hours, one by one, ask /api/v1/countries/{}/hours",
        shown(range.from),
        shown(first),
        row.country
    );
    Err(Problem::bad_parameter("from", detail))
}

async fn count(
    context: &Context,
    row: &CountryRow,
    Range { from, to }: Range,
    carrier: Option<Carrier>,
    now: Instant,
) -> Result<DistinctAnswer, Problem> {
    let store = &context.store;
    let _place = context.place_to_read().await?;
    let counts = store.distinct(row.country, from, to).await?;
    let closed = store.hourly_counts(row.country, from, to).await?;
    let hours = row.zones.hours(from, to).count();
    let hours_complete = closed
        .iter()
        .filter(|hour| hour.complete && !hour.imported)
        .count();
    let (devices, carriers) = shown(&counts, carrier.as_ref());
    Ok(DistinctAnswer {
        country: row.country.to_string(),
        time_zone: row.zones.zone_at(now).name().to_owned(),
        from: time::local(from, &row.zones),
        to: time::local(to, &row.zones),
        devices,
        carriers,
        complete: hours_complete == hours,
        hours,
        hours_complete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(from: Option<&str>, to: Option<&str>) -> Result<(String, String), String> {
        let zones = ZoneHistory::always(chrono_tz::Tz::Asia__Kolkata);
        let now = "2026-11-21T02:20:00Z".parse().unwrap();
        let query = DistinctQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            carrier: None,
        };
        let shown = |instant| time::text(time::local(instant, &zones));
        window(&query, &zones, now)
            .map(|range| (shown(range.from), shown(range.to)))
            .map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn a_window_is_made_of_whole_hours_that_have_begun() {
        // It is 07:50 in India.
        let last_day = ask(None, None).unwrap();
        assert_eq!(last_day.0, "2026-11-20T07:00:00+05:30");
        assert_eq!(last_day.1, "2026-11-21T07:00:00+05:30");
        let running = ask(Some("2026-11-21T07:00"), Some("2026-11-21T08:00")).unwrap();
        assert_eq!(running.1, "2026-11-21T08:00:00+05:30");
        let day = ask(None, Some("2026-11-21")).unwrap();
        assert_eq!(day.0, "2026-11-20T00:00:00+05:30");
        for (from, to, word) in [
            (
                Some("2026-11-20T00:00:00Z"),
                None,
                "`from` (2026-11-20T05:30:00+05:30) is not the start",
            ),
            (
                None,
                Some("2026-11-20T07:01"),
                "`to` (2026-11-20T07:01:00+05:30) is not",
            ),
            (None, Some("2026-11-21T09:00"), "lies ahead"),
            (
                Some("2026-11-21T07:00"),
                Some("2026-11-21T07:00"),
                "is empty",
            ),
            (Some("2026-11-21T07:00"), None, "is empty"),
            (Some("2016-11-21"), None, "400 days"),
        ] {
            let refusal = ask(from, to).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
    }
}

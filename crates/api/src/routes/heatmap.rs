//! `/api/v1/countries/{cc}/heatmap`: what is ordinary at an hour of a weekday.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{Datelike as _, TimeDelta, Timelike as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use, json as json_answer};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, Refusals};
use crate::{Context, time};

/// Weeks looked back when no number is asked for, and at most.
const DEFAULT_WEEKS: i64 = 4;
const MAX_WEEKS: i64 = 13;

/// How far back.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HeatQuery {
    /// How many weeks to look back: 4 when left out, at most 13.
    #[param(example = 4, minimum = 1, maximum = 13)]
    weeks: Option<i64>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
}

/// The hours of a week, and how many devices are connected in each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeatAnswer {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone of the country now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// How many weeks were looked back.
    #[schema(example = 4)]
    weeks: i64,
    /// The hours of the week that were complete at least once, from Monday 00:00 on.
    #[schema(example = json!([
        {"weekday": 1, "hour": 0, "devices": 1180, "lowest": 1171, "highest": 1192, "hours": 4}
    ]))]
    items: Vec<HeatItem>,
}

/// One hour of one weekday.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HeatItem {
    /// The weekday by the country's clock, 1 (Monday) to 7 (Sunday).
    #[schema(example = 1)]
    weekday: u32,
    /// The hour by the country's clock, 0 to 23.
    #[schema(example = 0)]
    hour: u32,
    /// The middle of its counts: as many were higher as were lower.
    #[schema(example = 1180)]
    devices: i64,
    /// The lowest of them.
    #[schema(example = 1171)]
    lowest: i64,
    /// The highest of them.
    #[schema(example = 1192)]
    highest: i64,
    /// How many complete hours that is made of.
    #[schema(example = 4)]
    hours: usize,
}

/// The week in hours
///
/// For every hour of every weekday, by the country's clock: how many devices were connected in it in
/// the last weeks. Made of complete hours only, so that what we could not see does not look like a
/// quiet hour.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/heatmap",
    operation_id = "getHeatmap",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        HeatQuery
    ),
    responses(
        (status = 200, description = "The week.", body = HeatAnswer),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn heatmap(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<HeatQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let weeks = query.weeks.unwrap_or(DEFAULT_WEEKS);
    if !(1..=MAX_WEEKS).contains(&weeks) {
        let detail = format!("`weeks` is {weeks}; it is a number from 1 to {MAX_WEEKS}");
        return Err(Problem::bad_parameter("weeks", detail));
    }
    let row = in_use(&context, &code).await?;
    let carrier = match &query.carrier {
        Some(slug) => Some(carrier_of(&context, &row, slug).await?),
        None => None,
    };
    let now = context.clock.now();
    let since = now - TimeDelta::weeks(weeks);
    let closed = context.store.hourly_counts(row.country, since, now).await?;
    let complete = closed.iter().filter(|count| count.complete);
    let counted = complete.filter_map(|count| {
        let start = time::local(count.hour.start, &row.zones);
        let devices = match &carrier {
            None => count.counts.devices,
            Some(carrier) => match count.counts.carriers.get(carrier) {
                Some(devices) => *devices,
                // An import may not have said; counted here, a carrier that is not there had none.
                None if count.imported => return None,
                None => 0,
            },
        };
        let place = (start.weekday().number_from_monday(), start.hour());
        Some((place, devices))
    });
    let answer = HeatAnswer {
        country: row.country.to_string(),
        time_zone: row.zones.zone_at(now).name().to_owned(),
        weeks,
        items: week(counted),
    };
    json_answer(&headers, &answer)
}

fn week(counted: impl Iterator<Item = ((u32, u32), i64)>) -> Vec<HeatItem> {
    let mut by_place: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
    for (place, devices) in counted {
        by_place.entry(place).or_default().push(devices);
    }
    by_place
        .into_iter()
        .filter_map(|((weekday, hour), mut counts)| {
            counts.sort_unstable();
            Some(HeatItem {
                weekday,
                hour,
                devices: *counts.get((counts.len() - 1) / 2)?,
                lowest: *counts.first()?,
                highest: *counts.last()?,
                hours: counts.len(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_a_weekday_is_the_middle_of_its_counts() {
        let counts = [
            ((7, 9), 4),
            ((1, 0), 5),
            ((7, 9), 90),
            ((7, 9), 5),
            ((7, 9), 6),
        ];
        let items = week(counts.into_iter());
        let shown: Vec<_> = items
            .iter()
            .map(|i| (i.weekday, i.hour, i.lowest, i.devices, i.highest, i.hours))
            .collect();
        assert_eq!(shown, [(1, 0, 5, 5, 5, 1), (7, 9, 4, 5, 90, 4)]);
    }
}

//! `/api/v1/countries/{cc}/hours`: distinct devices in every hour of the country's clock.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, FixedOffset, TimeDelta};
use model::{Carrier, Gap, Hour, Instant};
use serde::{Deserialize, Serialize};
use store::countries::CountryRow;
use store::hours::HourlyCount;
use store::presence::Counts;
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

use super::countries::{carrier_of, in_use, json as json_answer, shown};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, Refusals};
use crate::range::{Lengths, Range};
use crate::{Context, caching, table, time};

/// The range answered when none is asked for, and the longest answered at once.
const LENGTHS: Lengths = Lengths {
    default: TimeDelta::hours(24),
    max: TimeDelta::days(92),
};

/// Which hours.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoursQuery {
    /// The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
    /// date and time by the country's clock. 24 hours before `to` when left out.
    #[param(example = "2026-11-20T10:00:00+08:00")]
    pub(super) from: Option<String>,
    /// The first instant beyond: hours that start before it. Now when left out; at most 92 days
    /// after `from`.
    #[param(example = "2026-11-21T10:00:00+08:00")]
    pub(super) to: Option<String>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    pub(super) carrier: Option<String>,
    /// `version` of an answer for the same hours. While they are at it, the answer may be kept for
    /// good (`Cache-Control: immutable`); once one of them was counted again, it is as without.
    #[param(example = "5f1d0c2ab3e49876")]
    pub(super) version: Option<String>,
}

/// Hours of one country.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourList {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone by which its hours are counted now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// The hours that have begun, oldest first.
    #[schema(example = json!([{
        "start": "2026-11-21T09:00:00+08:00", "end": "2026-11-21T10:00:00+08:00",
        "devices": 1210, "carriers": {"globe": 705, "smart": 531}, "complete": true,
        "revision": 1, "open": false, "imported": false
    }]))]
    pub(super) items: Vec<HourItem>,
    /// Names this very answer, if all its hours are closed; null otherwise. A closed hour changes
    /// only with its revision, and this with it. Asked with it, the answer may be kept for good.
    #[schema(example = "5f1d0c2ab3e49876")]
    pub(super) version: Option<String>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourItem {
    /// When it starts, by the country's clock.
    #[schema(example = "2026-11-21T09:00:00+08:00")]
    pub(super) start: DateTime<FixedOffset>,
    /// When the next one starts.
    #[schema(example = "2026-11-21T10:00:00+08:00")]
    pub(super) end: DateTime<FixedOffset>,
    /// Distinct devices heard in it; a lower bound where `complete` is false.
    #[schema(example = 1210)]
    pub(super) devices: i64,
    /// Distinct devices per carrier. A device that used two counts in both, so they may add up to
    /// more than `devices`. A carrier that is not there had none.
    #[schema(example = json!({"globe": 705, "smart": 531}))]
    carriers: BTreeMap<String, i64>,
    /// Whether the count is exact: the hour is closed and nothing hid devices from us.
    #[schema(example = true)]
    pub(super) complete: bool,
    /// Grows with every recount that changed something; 0 until the hour is closed.
    #[schema(example = 1)]
    revision: i32,
    /// Whether the hour is still running.
    #[schema(example = false)]
    pub(super) open: bool,
    /// Whether the number came from an import rather than from heartbeats counted here.
    #[schema(example = false)]
    imported: bool,
    /// How much of the hour we could not see, in seconds; only where `complete` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 420)]
    pub(super) gap_secs: Option<i64>,
    /// Why we could not see it; only where `complete` is false. None while the hour is not closed
    /// and nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["broker_away"]))]
    pub(super) causes: Option<Vec<&'static str>>,
}

/// Hours of a country
///
/// Exact distinct devices in every hour of the country's clock that starts in `[from, to)` and has
/// begun. Hours that are not closed yet are counted on the spot. A closed hour never changes
/// within its revision: an answer that is made of closed hours has a `version`, and may be kept for
/// good when it is asked for with that.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/hours",
    operation_id = "listHours",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        HoursQuery
    ),
    responses(
        (status = 200, description = "The hours.", body = HourList, headers(
            ("ETag" = String, description = "Changes with the body; send it as `If-None-Match`."))),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn json(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<HoursQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::read(&context, &code, &query).await?;
    let hours = question.answer(&context).await?;
    // Without both ends the same address asks for other hours tomorrow.
    let is_fixed = query.from.is_some() && query.to.is_some();
    if is_fixed && query.version.is_some() && query.version == hours.version {
        let body = serde_json::to_vec(&hours).map_err(|error| Problem::internal(&error))?;
        return Ok(caching::immutable(&headers, "application/json", body));
    }
    json_answer(&headers, &hours)
}

/// Hours of a country as CSV
///
/// The same as `/api/v1/countries/{cc}/hours`, as a table for a spreadsheet: `start`, `end`,
/// `devices`, `complete`, `revision`, `open`, then one column per carrier. A cell of a carrier is
/// empty where an import gave no number for it.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/hours.csv",
    operation_id = "downloadHours",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        HoursQuery
    ),
    responses(
        (status = 200, description = "The table.", body = String, content_type = "text/csv",
            example = "start,end,devices,complete,revision,open,globe,smart\n\
                2026-11-21T09:00:00+08:00,2026-11-21T10:00:00+08:00,1210,true,1,false,705,531\n"),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn csv(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<HoursQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::read(&context, &code, &query).await?;
    let hours = question.answer(&context).await?;
    Ok(table::download(
        &headers,
        &question.file_name(),
        table::csv(rows(&hours.items))?,
    ))
}

/// What is asked, with every parameter understood.
pub(super) struct Question {
    pub(super) row: CountryRow,
    pub(super) range: Range,
    pub(super) carrier: Option<Carrier>,
    pub(super) now: Instant,
}

impl Question {
    async fn read(context: &Context, code: &str, query: &HoursQuery) -> Result<Self, Problem> {
        Self::read_with(context, code, query, LENGTHS.default).await
    }

    /// With a range of `default` length where none is asked for.
    pub(super) async fn read_with(
        context: &Context,
        code: &str,
        query: &HoursQuery,
        default: TimeDelta,
    ) -> Result<Self, Problem> {
        let now = context.clock.now();
        let row = in_use(context, code).await?;
        let HoursQuery { from, to, .. } = query;
        let lengths = Lengths { default, ..LENGTHS };
        let range = Range::read(from.as_deref(), to.as_deref(), lengths, &row.zones, now)?;
        let carrier = match &query.carrier {
            Some(slug) => Some(carrier_of(context, &row, slug).await?),
            None => None,
        };
        Ok(Self {
            row,
            range,
            carrier,
            now,
        })
    }

    pub(super) async fn answer(&self, context: &Context) -> Result<HourList, Problem> {
        let Self {
            row, range, now, ..
        } = self;
        let begun = |hour: &Hour| hour.start <= *now;
        let hours: Vec<_> = row
            .zones
            .hours(range.from, range.to)
            .take_while(begun)
            .collect();
        let closed = context
            .store
            .hourly_counts(row.country, range.from, range.to)
            .await?;
        let closed: BTreeMap<Instant, HourlyCount> = closed
            .into_iter()
            .map(|count| (count.hour.start, count))
            .collect();
        let running: Vec<_> = hours
            .iter()
            .map(|hour| hour.start)
            .filter(|start| !closed.contains_key(start))
            .collect();
        let mut live = Live::read(context, row, &running).await?;
        let items: Vec<_> = hours
            .into_iter()
            .filter_map(|hour| match closed.get(&hour.start) {
                // An import that gave no number for the carrier did not say that there was none.
                Some(count) if count.imported && self.is_unnamed_in(&count.counts) => None,
                Some(count) => Some(self.closed_item(hour, count)),
                None => self.live_item(hour, &mut live),
            })
            .collect();
        // A range that goes on beyond now, or has hours that can still be closed, has no end yet.
        let is_settled = running.is_empty() && range.to <= *now && !items.is_empty();
        let version = is_settled.then(|| version(&items)).transpose()?;
        Ok(HourList {
            version,
            country: row.country.to_string(),
            time_zone: row.zones.zone_at(*now).name().to_owned(),
            items,
            next: None,
        })
    }

    fn is_unnamed_in(&self, counts: &Counts) -> bool {
        let carrier = self.carrier.as_ref();
        carrier.is_some_and(|carrier| !counts.carriers.contains_key(carrier))
    }

    fn closed_item(&self, hour: Hour, count: &HourlyCount) -> HourItem {
        let gap = (!count.complete).then(|| {
            let causes = count.causes.iter().map(|cause| cause.as_str()).collect();
            (i64::from(count.gap_secs), causes)
        });
        HourItem {
            complete: count.complete,
            revision: count.revision,
            imported: count.imported,
            ..self.item(hour, &count.counts, gap)
        }
    }

    /// An hour that is not closed: what was heard in it so far. None where nobody listened yet.
    fn live_item(&self, hour: Hour, live: &mut Live) -> Option<HourItem> {
        let counts = live.counts.remove(&hour.start);
        if counts.is_none() && hour.end <= self.row.first_seen_at {
            return None;
        }
        let until = hour.end.min(self.now);
        let unseen = model::gap::unseen(hour.start, until, self.row.country, &live.gaps);
        let causes = unseen.causes.iter().map(|cause| cause.as_str()).collect();
        let gap = Some((unseen.total.num_seconds(), causes));
        Some(self.item(hour, &counts.unwrap_or_default(), gap))
    }

    fn item(&self, hour: Hour, counts: &Counts, gap: Option<(i64, Vec<&'static str>)>) -> HourItem {
        let (gap_secs, causes) = gap.unzip();
        let (devices, carriers) = shown(counts, self.carrier.as_ref());
        HourItem {
            start: time::local(hour.start, &self.row.zones),
            end: time::local(hour.end, &self.row.zones),
            devices,
            carriers,
            complete: false,
            revision: 0,
            open: hour.contains(self.now),
            imported: false,
            gap_secs,
            causes,
        }
    }

    /// `headcount-ph-globe-hours-20261120T1000-20261121T1000.csv`, by the country's clock.
    fn file_name(&self) -> String {
        let carrier = self.carrier.as_ref().map(|carrier| format!("-{carrier}"));
        let local = |instant| time::local(instant, &self.row.zones).format("%Y%m%dT%H%M");
        format!(
            "headcount-{}{}-hours-{}-{}.csv",
            self.row.country,
            carrier.unwrap_or_default(),
            local(self.range.from),
            local(self.range.to),
        )
    }
}

fn version(items: &[HourItem]) -> Result<String, Problem> {
    let bytes = serde_json::to_vec(items).map_err(|error| Problem::internal(&error))?;
    Ok(format!("{:016x}", xxh3_64(&bytes)))
}

/// What hours that are not closed are answered from.
struct Live {
    counts: BTreeMap<Instant, Counts>,
    gaps: Vec<Gap>,
}

impl Live {
    async fn read(context: &Context, row: &CountryRow, hours: &[Instant]) -> Result<Self, Problem> {
        let Some(first) = hours.first() else {
            return Ok(Self {
                counts: BTreeMap::new(),
                gaps: Vec::new(),
            });
        };
        let counts = context.store.distinct_in_hours(row.country, hours).await?;
        let gaps = context.store.gaps_since(*first).await?;
        Ok(Self {
            counts,
            gaps: gaps.into_iter().map(|record| record.gap).collect(),
        })
    }
}

/// The table: a row of names, then one row per hour.
fn rows(items: &[HourItem]) -> Vec<Vec<String>> {
    let carriers: BTreeSet<&String> = items.iter().flat_map(|item| item.carriers.keys()).collect();
    let names = ["start", "end", "devices", "complete", "revision", "open"];
    let names = names
        .into_iter()
        .chain(carriers.iter().map(|carrier| carrier.as_str()));
    let mut rows = vec![names.map(str::to_owned).collect()];
    for item in items {
        let mut row = vec![
            time::text(item.start),
            time::text(item.end),
            item.devices.to_string(),
            item.complete.to_string(),
            item.revision.to_string(),
            item.open.to_string(),
        ];
        row.extend(
            carriers
                .iter()
                .map(|carrier| match item.carriers.get(*carrier) {
                    Some(devices) => devices.to_string(),
                    // Counted here, a carrier that is not there had no device; an import did not say.
                    None if item.imported => String::new(),
                    None => "0".to_owned(),
                }),
        );
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_table_says_nothing_for_what_an_import_did_not_say() {
        let item = |imported, carriers: &[(&str, i64)]| HourItem {
            start: at("2026-11-21T01:00:00Z").fixed_offset(),
            end: at("2026-11-21T02:00:00Z").fixed_offset(),
            devices: 3,
            carriers: carriers
                .iter()
                .map(|(c, n)| ((*c).to_owned(), *n))
                .collect(),
            complete: true,
            revision: 1,
            open: false,
            imported,
            gap_secs: None,
            causes: None,
        };
        let rows = rows(&[
            item(true, &[]),
            item(false, &[("smart", 3)]),
            item(false, &[("dito", 1)]),
        ]);
        let carriers: Vec<_> = rows.iter().map(|row| row[6..].join(",")).collect();
        assert_eq!(carriers, ["dito,smart", ",", "0,3", "1,0"]);
    }
}

//! `/api/v1/countries/{cc}/splits`: one count, split by what devices have in common.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, DurationRound as _, FixedOffset, TimeDelta};
use model::Instant;
use serde::{Deserialize, Serialize};
use store::now::ALIVE_DAYS;
use store::splits::{Dimension, SIGNAL_BANDS_DBM, SplitRow};
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use, json as json_answer};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, Refusals};
use crate::{Context, time};

/// The most groups shown: firmware that makes versions up must not fill a page.
const MAX_GROUPS: usize = 200;

/// By what, and of when.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SplitQuery {
    /// What to split by.
    #[param(inline, example = "region")]
    by: By,
    /// `now`, reachable devices, when left out; `hour`, those heard in the last closed hour, where
    /// it can be told: by partner.
    #[param(inline, example = "now")]
    of: Option<Of>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
}

/// What to split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(example = "region")]
pub(crate) enum By {
    /// Where they were when they were heard last.
    Region,
    /// The finance company whose cars they are in.
    Partner,
    /// The firmware they said last.
    Firmware,
    /// The radio access technology they said last.
    Rat,
    /// How strong a signal they had when they were heard last, in bands.
    Signal,
}

impl From<By> for Dimension {
    fn from(by: By) -> Self {
        match by {
            By::Region => Self::Region,
            By::Partner => Self::Partner,
            By::Firmware => Self::Firmware,
            By::Rat => Self::Rat,
            By::Signal => Self::Signal,
        }
    }
}

/// Of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(example = "now")]
pub(crate) enum Of {
    /// Devices reachable now.
    Now,
    /// Devices heard in the last closed hour.
    Hour,
}

/// One count, split.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SplitAnswer {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone of the country now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// What it is split by.
    #[schema(example = "region")]
    by: By,
    /// What is split.
    #[schema(example = "now")]
    of: Of,
    /// From when on devices were heard, by the country's clock.
    #[schema(example = "2026-11-21T10:05:00+08:00")]
    from: DateTime<FixedOffset>,
    /// Until when.
    #[schema(example = "2026-11-21T10:20:41+08:00")]
    to: DateTime<FixedOffset>,
    /// Whether the count is exact. An hour that is not complete is a lower bound; what is reachable
    /// now is either exact or unknown.
    #[schema(example = true)]
    complete: bool,
    /// The groups, largest first. Every device is in one.
    #[schema(example = json!([
        {"value": "PH-00", "devices": 611, "last_7_days": 640, "from_dbm": null, "to_dbm": null},
        {"value": null, "devices": 592, "last_7_days": 603, "from_dbm": null, "to_dbm": null}
    ]))]
    items: Vec<SplitItem>,
    /// How many smaller groups are left out.
    #[schema(example = 0)]
    omitted: usize,
}

/// The devices that have one value in common.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SplitItem {
    /// The value; null where it is not known. Signal is `good`, `fair`, `weak` or `poor`.
    #[schema(example = "PH-00")]
    value: Option<String>,
    /// Distinct devices; null when unknown: we could not see.
    #[schema(example = 611)]
    devices: Option<i64>,
    /// Distinct devices with this value heard in the last seven days, the whole of which `devices`
    /// is a part; null with `of=hour`.
    #[schema(example = 640)]
    last_7_days: Option<i64>,
    /// The weakest signal of the band, in dBm; null for the weakest band and all else.
    #[schema(example = -105)]
    from_dbm: Option<i16>,
    /// The strongest signal of the band is below that, in dBm; null for the strongest and all else.
    #[schema(example = -90)]
    to_dbm: Option<i16>,
}

/// Names of the bands of signal, strongest first.
const SIGNAL_BANDS: [&str; SIGNAL_BANDS_DBM.len() + 1] = ["good", "fair", "weak", "poor"];

/// One count, split
///
/// Exactly which devices make up a country's count, by region, partner, firmware, radio access
/// technology or signal: an outage that is one region's or one firmware's shows here. Each device is
/// in one group, by what it said last.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/splits",
    operation_id = "splitCount",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        SplitQuery
    ),
    responses(
        (status = 200, description = "The groups.", body = SplitAnswer),
        (status = 304, description = "Nothing changed since the body with this `ETag`."),
        Refusals
    )
)]
pub(crate) async fn splits(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<SplitQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = in_use(&context, &code).await?;
    let carrier = match &query.carrier {
        Some(slug) => Some(carrier_of(&context, &row, slug).await?),
        None => None,
    };
    let store = &context.store;
    let now = context.clock.now();
    let of = query.of.unwrap_or(Of::Now);
    let _place = context.place_to_read().await?;
    let (from, to, is_known, complete, rows) = match of {
        Of::Now => {
            let reading = context.live().await?;
            let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
            let window = TimeDelta::from_std(row.reach_window).unwrap_or_default();
            let alive_since = minute - TimeDelta::days(ALIVE_DAYS.into());
            let since = minute - window;
            let rows = store
                .split_now(
                    row.country,
                    carrier.as_ref(),
                    query.by.into(),
                    since,
                    alive_since,
                )
                .await?;
            let is_known = reading.reachable(&row).is_some();
            (since, now, is_known, is_known, rows)
        }
        Of::Hour => {
            if query.by != By::Partner {
                let detail = "`of` is `hour`: what was heard in an hour is kept by device, so it \
                    can be split by `partner` only; ask `of=now` for the others";
                return Err(Problem::bad_parameter("of", detail));
            }
            let hour = last_closed(&context, row.country, now).await?;
            let rows = store
                .split_hour_by_partner(row.country, carrier.as_ref(), hour.hour.start)
                .await?;
            (hour.hour.start, hour.hour.end, true, hour.complete, rows)
        }
    };
    let omitted = rows.len().saturating_sub(MAX_GROUPS);
    let items = rows.into_iter().take(MAX_GROUPS);
    let answer = SplitAnswer {
        country: row.country.to_string(),
        time_zone: row.zones.zone_at(now).name().to_owned(),
        by: query.by,
        of,
        from: time::local(from, &row.zones),
        to: time::local(to, &row.zones),
        complete,
        items: items.map(|group| item(query.by, group, is_known)).collect(),
        omitted,
    };
    json_answer(&headers, &answer)
}

/// The last hour of a country that was closed and counted here.
async fn last_closed(
    context: &Context,
    country: model::Country,
    now: Instant,
) -> Result<store::hours::HourlyCount, Problem> {
    let since = now - TimeDelta::days(ALIVE_DAYS.into());
    let closed = context.store.hourly_counts(country, since, now).await?;
    let last = closed.into_iter().rfind(|hour| !hour.imported);
    last.ok_or_else(|| {
        let detail = "`of` is `hour`, and no hour of this country was closed in the last seven \
            days; ask `of=now`";
        Problem::bad_parameter("of", detail)
    })
}

fn item(by: By, group: SplitRow, is_known: bool) -> SplitItem {
    let (mut value, mut from_dbm, mut to_dbm) = (group.value, None, None);
    if by == By::Signal
        && let Some(band) = value.as_ref().and_then(|band| band.parse::<usize>().ok())
    {
        value = SIGNAL_BANDS.get(band).map(|&name| name.to_owned());
        from_dbm = SIGNAL_BANDS_DBM.get(band).copied();
        to_dbm = band
            .checked_sub(1)
            .and_then(|stronger| SIGNAL_BANDS_DBM.get(stronger).copied());
    }
    SplitItem {
        value,
        devices: is_known.then_some(group.devices),
        last_7_days: group.alive,
        from_dbm,
        to_dbm,
    }
}

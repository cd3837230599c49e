//! `/api/v1/devices/{id}`: one device.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use chrono::{DateTime, FixedOffset, TimeDelta};
use chrono_tz::Tz;
use model::{Country, DeviceId, Instant, ZoneHistory};
use serde::Serialize;
use std::collections::HashMap;
use store::countries::CountryRow;
use store::devices::HeardSegment;
use utoipa::ToSchema;

use crate::access::Operator;
use crate::extract::{InPath, InQuery, NoParameters};
use crate::problem::{Problem, ProblemDetails, quoted};
use crate::{Context, time};

/// How far back the hours go in which the device was heard.
const HOURS_HEARD_RANGE: TimeDelta = TimeDelta::hours(48);

/// What is known about single devices is not kept by anybody on the way.
const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// One device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceAnswer {
    /// Its id.
    #[schema(example = "IMEI:356938035643809")]
    id: String,
    /// What the registry says: `active`, `stock` or `retired`. Only an active one can be silent.
    #[schema(example = "active")]
    status: &'static str,
    /// The country and carrier it is registered in; null when neither was told.
    home: Option<Home>,
    /// The finance company whose car it is in.
    #[schema(example = "acme-finance")]
    partner: Option<String>,
    /// The region it is registered in.
    #[schema(example = "PH-00")]
    region: Option<String>,
    /// Its hardware model, as registered.
    #[schema(example = "mccs-4g")]
    model: Option<String>,
    /// A person's name for it.
    #[schema(example = "tricycle 42")]
    label: Option<String>,
    /// When it was first heard or registered, by the clock of the country it was heard in last;
    /// UTC if never.
    #[schema(example = "2026-03-01T08:15:00+08:00")]
    first_seen_at: DateTime<FixedOffset>,
    /// Where it was heard, most recent first.
    #[schema(example = json!([{
        "country": "ph", "carrier": "globe", "heard_at": "2026-11-21T10:17:00+08:00",
        "region": "PH-00", "plmn": "515-02", "rat": "lte", "rsrp_dbm": -98, "battery_mv": 12350,
        "fw": "2.4.1", "interval_secs": 300
    }]))]
    segments: Vec<SegmentItem>,
    /// The hours of the last 48 in which it was heard in its most recent country, oldest first,
    /// each named by its start.
    #[schema(example = json!(["2026-11-21T09:00:00+08:00", "2026-11-21T10:00:00+08:00"]))]
    hours_heard: Vec<DateTime<FixedOffset>>,
}

/// Where a device is registered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"country": "ph", "carrier": "globe"}))]
pub(crate) struct Home {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The carrier; `unknown` when none was told.
    #[schema(example = "globe")]
    carrier: String,
}

/// The last state of a device in one country and carrier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentItem {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The carrier.
    #[schema(example = "globe")]
    carrier: String,
    /// When it was last heard there, to the minute, by that country's clock.
    #[schema(example = "2026-11-21T10:17:00+08:00")]
    heard_at: DateTime<FixedOffset>,
    /// The region it was in.
    #[schema(example = "PH-00")]
    region: Option<String>,
    /// The serving network's code.
    #[schema(example = "515-02")]
    plmn: Option<String>,
    /// Radio access technology.
    #[schema(example = "lte")]
    rat: Option<String>,
    /// Reference signal received power, in dBm.
    #[schema(example = -98)]
    rsrp_dbm: Option<i16>,
    /// Battery voltage, in millivolts.
    #[schema(example = 12350)]
    battery_mv: Option<i32>,
    /// Firmware version.
    #[schema(example = "2.4.1")]
    fw: Option<String>,
    /// How often it says that it sends, in seconds.
    #[schema(example = 300)]
    interval_secs: Option<i32>,
}

/// One device
///
/// What is registered about a device, and where and when it was heard. For operators; each look is
/// logged with their name.
#[utoipa::path(
    get,
    path = "/api/v1/devices/{id}",
    operation_id = "getDevice",
    tag = "devices",
    params(("id" = String, Path, example = "IMEI:356938035643809",
        description = "The device id: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.")),
    responses(
        (status = 200, description = "The device.", body = DeviceAnswer),
        (status = 400, description = "Not a device id, or a parameter that is not known.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "Access control is on, and the request does not prove who \
            sends it.", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "The caller is no operator.", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 404, description = "No such device.", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "The database is away; ask again after `Retry-After`.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 504, description = "It took too long.", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(context): State<Context>,
    operator: Operator,
    InPath(id): InPath,
    InQuery(NoParameters {}): InQuery<NoParameters>,
) -> Result<([(HeaderName, &'static str); 1], Json<DeviceAnswer>), Problem> {
    let id = DeviceId::parse(&id).map_err(|error| {
        Problem::bad_parameter("id", format!("{} cannot be used: {error}", quoted(&id)))
    })?;
    tracing::info!(operator = operator.name(), device = %id, "an operator looks at a device");
    let device = context
        .store
        .device(&id)
        .await?
        .ok_or_else(|| Problem::unknown_device(&id))?;
    let countries = context.store.countries().await?;
    let latest = device.segments.first().map(|heard| heard.segment.country);
    let zones = latest.map_or_else(utc, |country| zones_of(&countries, country));
    let hours_heard = match latest {
        Some(country) => hours_heard(&context, &id, country, &zones).await?,
        None => Vec::new(),
    };
    let answer = DeviceAnswer {
        id: id.to_string(),
        status: device.status.as_str(),
        home: device.home.map(|home| Home {
            country: home.country.to_string(),
            carrier: home.carrier.to_string(),
        }),
        partner: device.partner,
        region: device.region,
        model: device.model,
        label: device.label,
        first_seen_at: time::local(device.first_seen_at, &zones),
        segments: device
            .segments
            .into_iter()
            .map(|heard| segment(heard, &countries))
            .collect(),
        hours_heard: hours_heard
            .iter()
            .map(|hour| time::local(*hour, &zones))
            .collect(),
    };
    Ok((NOT_KEPT, Json(answer)))
}

async fn hours_heard(
    context: &Context,
    id: &DeviceId,
    country: Country,
    zones: &ZoneHistory,
) -> Result<Vec<Instant>, Problem> {
    let now = context.clock.now();
    let hours: Vec<_> = zones
        .hours(now - HOURS_HEARD_RANGE, now)
        .map(|hour| hour.start)
        .collect();
    Ok(context.store.hours_heard(id, country, &hours).await?)
}

fn segment(heard: HeardSegment, countries: &HashMap<Country, CountryRow>) -> SegmentItem {
    let zones = zones_of(countries, heard.segment.country);
    SegmentItem {
        country: heard.segment.country.to_string(),
        carrier: heard.segment.carrier.to_string(),
        heard_at: time::local(heard.heard_at, &zones),
        region: heard.region,
        plmn: heard.plmn,
        rat: heard.rat,
        rsrp_dbm: heard.rsrp_dbm,
        battery_mv: heard.battery_mv,
        fw: heard.fw,
        interval_secs: heard.interval_secs,
    }
}

fn zones_of(countries: &HashMap<Country, CountryRow>, country: Country) -> ZoneHistory {
    countries
        .get(&country)
        .map_or_else(utc, |row| row.zones.clone())
}

fn utc() -> ZoneHistory {
    ZoneHistory::always(Tz::UTC)
}

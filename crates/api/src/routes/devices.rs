//! `/api/v1/devices/{id}`: one device.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use chrono::{DateTime, FixedOffset, SubsecRound as _, TimeDelta};
use chrono_tz::Tz;
use model::{Carrier, Country, DeviceId, Hour, Instant, ZoneHistory};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use store::countries::CountryRow;
use store::devices::{DeviceDetail, HeardSegment};
use store::heartbeats::KeptHeartbeat;
use store::presence::HeardHour;
use utoipa::ToSchema;

use crate::access::Operator;
use crate::extract::{InPath, InQuery};
use crate::problem::{OperatorRefusals, Problem, quoted};
use crate::range::{Lengths, Range};
use crate::{Context, time};

/// How far back the hours go in which the device was heard.
const HOURS_HEARD_RANGE: TimeDelta = TimeDelta::hours(48);

/// The stretch of hours shown when none is asked for, and the longest.
const LENGTHS: Lengths = Lengths {
    default: TimeDelta::days(7),
    max: TimeDelta::days(92),
};

/// The most heartbeats shown; the newest.
const MAX_HEARTBEATS: u32 = 50;

/// Heartbeats are looked for so long before and after the device was last heard. Evidence of the
/// day that runs has no index by device, and a whole day of a large fleet is long to read.
const HEARTBEATS_LOOKED_FOR: TimeDelta = TimeDelta::hours(1);

/// What is known about single devices is not kept by anybody on the way.
pub(super) const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Which hours of a device.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceQuery {
    /// The first instant of `presence`: hours that start at or after it. RFC 3339 with offset, or a
    /// date or a date and time by the clock of the country it was heard in last. Seven days before
    /// `to` when left out.
    #[param(example = "2026-11-14T10:00:00+08:00")]
    from: Option<String>,
    /// The first instant beyond. Now when left out; at most 92 days after `from`.
    #[param(example = "2026-11-21T10:00:00+08:00")]
    to: Option<String>,
}

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
    /// The hours between `from` and `to` in which it was heard, in every country it was ever heard
    /// in, oldest first. Hours in which it was not heard are not there; presence is kept for
    /// `retention.presence_days`.
    #[schema(example = json!([{
        "start": "2026-11-21T10:00:00+08:00", "end": "2026-11-21T11:00:00+08:00",
        "country": "ph", "carriers": ["globe"]
    }]))]
    presence: Vec<PresenceItem>,
    /// The heartbeats that arrived within an hour of when it was last heard, newest first, at most
    /// 50; empty once raw heartbeats of that time are dropped; null where finding them took too long.
    #[schema(example = json!([{
        "received_at": "2026-11-21T10:17:03.210+08:00", "heard_at": "2026-11-21T10:17:03.210+08:00",
        "sent_at": "2026-11-21T10:17:02+08:00", "country": "ph", "carrier": "globe",
        "counts": true, "older_entry": false, "slot": "main", "seq": 4711, "boot_id": "a1",
        "plmn": "515-02", "region": "PH-00", "tac": "1A2B", "cell": "0012F3A1", "rat": "lte",
        "rsrp_dbm": -98, "battery_mv": 12350, "fw": "2.4.1"
    }]))]
    heartbeats: Option<Vec<HeartbeatItem>>,
}

/// An hour in which a device was heard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceItem {
    /// When it starts, by its country's clock.
    #[schema(example = "2026-11-21T10:00:00+08:00")]
    start: DateTime<FixedOffset>,
    /// When the next one starts.
    #[schema(example = "2026-11-21T11:00:00+08:00")]
    end: DateTime<FixedOffset>,
    /// The country whose hour it is.
    #[schema(example = "ph")]
    country: String,
    /// The carriers it was heard through.
    #[schema(example = json!(["globe"]))]
    carriers: Vec<String>,
}

/// One heartbeat. Times are by the clock of the country it was placed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeartbeatItem {
    /// When it arrived here.
    #[schema(example = "2026-11-21T10:17:03.210+08:00")]
    received_at: DateTime<FixedOffset>,
    /// When it counts; null for evidence that counts for nothing.
    #[schema(example = "2026-11-21T10:17:03.210+08:00")]
    heard_at: Option<DateTime<FixedOffset>>,
    /// When the device says that it sent it.
    #[schema(example = "2026-11-21T10:17:02+08:00")]
    sent_at: Option<DateTime<FixedOffset>>,
    /// The country it was placed in.
    #[schema(example = "ph")]
    country: String,
    /// The carrier it was placed with.
    #[schema(example = "globe")]
    carrier: String,
    /// Whether it counts.
    #[schema(example = true)]
    counts: bool,
    /// Whether it is an older entry of a buffered flush, which never counts.
    #[schema(example = false)]
    older_entry: bool,
    /// The slot it came through.
    #[schema(example = "main")]
    slot: String,
    /// The device's own number for it.
    #[schema(example = 4711)]
    seq: Option<i64>,
    /// The device's name for its run since it was switched on.
    #[schema(example = "a1")]
    boot_id: Option<String>,
    /// The serving network's code.
    #[schema(example = "515-02")]
    plmn: Option<String>,
    /// The region it was in.
    #[schema(example = "PH-00")]
    region: Option<String>,
    /// The serving tracking area.
    #[schema(example = "1A2B")]
    tac: Option<String>,
    /// The serving cell.
    #[schema(example = "0012F3A1")]
    cell: Option<String>,
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
/// What is registered about a device, where and when it was heard, in which hours, and its last
/// heartbeats. For operators; each look is noted with their name.
#[utoipa::path(
    get,
    path = "/api/v1/devices/{id}",
    operation_id = "getDevice",
    tag = "devices",
    params(
        ("id" = String, Path, example = "IMEI:356938035643809",
            description = "The device id: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`."),
        DeviceQuery
    ),
    responses(
        (status = 200, description = "The device.", body = DeviceAnswer),
        OperatorRefusals
    )
)]
pub(crate) async fn one(
    State(context): State<Context>,
    operator: Operator,
    InPath(id): InPath,
    InQuery(query): InQuery<DeviceQuery>,
) -> Result<([(HeaderName, &'static str); 1], Json<DeviceAnswer>), Problem> {
    let id = DeviceId::parse(&id).map_err(|error| {
        Problem::bad_parameter("id", format!("{} cannot be used: {error}", quoted(&id)))
    })?;
    operator.note(&context, "device.look", id.as_str()).await?;
    tracing::info!(operator = operator.name(), device = %id, "an operator looks at a device");
    let device = context
        .store
        .device(&id)
        .await?
        .ok_or_else(|| Problem::unknown_device(&id))?;
    let countries = context.store.countries().await?;
    let latest = device.segments.first().map(|heard| heard.segment.country);
    let zones = latest.map_or_else(utc, |country| zones_of(&countries, country));
    let now = context.clock.now();
    let DeviceQuery { from, to } = &query;
    let range = Range::read(from.as_deref(), to.as_deref(), LENGTHS, &zones, now)?;
    let recent = Range {
        from: now - HOURS_HEARD_RANGE,
        to: now,
    };
    let latest: BTreeSet<_> = latest.into_iter().collect();
    let hours_heard = presence(&context, &device, &latest, &countries, recent).await?;
    let ever = device.segments.iter().map(|heard| heard.segment.country);
    let presence = presence(&context, &device, &ever.collect(), &countries, range).await?;
    let heartbeats = heartbeats(&context, &device, &countries).await?;
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
        hours_heard: hours_heard.into_iter().map(|hour| hour.start).collect(),
        presence,
        heartbeats,
    };
    Ok((NOT_KEPT, Json(answer)))
}

/// The hours in these countries in which a device was heard.
async fn presence(
    context: &Context,
    device: &DeviceDetail,
    countries: &BTreeSet<Country>,
    rows: &HashMap<Country, CountryRow>,
    Range { from, to }: Range,
) -> Result<Vec<PresenceItem>, Problem> {
    // Hours of countries beside each other may start at different minutes.
    let hours: BTreeSet<Instant> = countries
        .iter()
        .flat_map(|country| {
            let hours: Vec<_> = zones_of(rows, *country).hours(from, to).collect();
            hours.into_iter().map(|hour| hour.start)
        })
        .collect();
    let countries: Vec<_> = countries.iter().copied().collect();
    let hours: Vec<_> = hours.into_iter().collect();
    let heard = context
        .store
        .presence_of(&device.device_id, &countries, &hours)
        .await?;
    Ok(heard
        .into_iter()
        .map(|hour| presence_item(&hour, rows))
        .collect())
}

fn presence_item(heard: &HeardHour, countries: &HashMap<Country, CountryRow>) -> PresenceItem {
    let zones = zones_of(countries, heard.country);
    let Hour { start, end } = zones.hour_at(heard.hour);
    PresenceItem {
        start: time::local(start, &zones),
        end: time::local(end, &zones),
        country: heard.country.to_string(),
        carriers: heard.carriers.iter().map(Carrier::to_string).collect(),
    }
}

/// The last heartbeats of a device; `None` where finding them takes too long.
async fn heartbeats(
    context: &Context,
    device: &DeviceDetail,
    countries: &HashMap<Country, CountryRow>,
) -> Result<Option<Vec<HeartbeatItem>>, Problem> {
    let Some(last) = device.segments.first() else {
        return Ok(Some(Vec::new()));
    };
    let from = last.heard_at - HEARTBEATS_LOOKED_FOR;
    let to = last.heard_at + HEARTBEATS_LOOKED_FOR;
    let found = context
        .store
        .heartbeats_of(&device.device_id, from, to, MAX_HEARTBEATS);
    match found.await {
        Ok(found) => Ok(Some(
            found
                .into_iter()
                .map(|kept| heartbeat(kept, countries))
                .collect(),
        )),
        Err(error) if error.is_too_slow() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn heartbeat(kept: KeptHeartbeat, countries: &HashMap<Country, CountryRow>) -> HeartbeatItem {
    let zones = zones_of(countries, kept.segment.country);
    let local = |instant: Instant| time::local(instant.trunc_subsecs(3), &zones);
    HeartbeatItem {
        received_at: local(kept.received_at),
        heard_at: kept.heard_at.map(local),
        sent_at: kept.sent_at.map(local),
        country: kept.segment.country.to_string(),
        carrier: kept.segment.carrier.to_string(),
        counts: kept.heard_at.is_some(),
        older_entry: kept.older_entry,
        slot: kept.slot,
        seq: kept.seq,
        boot_id: kept.boot_id,
        plmn: kept.plmn,
        region: kept.region,
        tac: kept.tac,
        cell: kept.cell,
        rat: kept.rat,
        rsrp_dbm: kept.rsrp_dbm,
        battery_mv: kept.battery_mv,
        fw: kept.fw,
    }
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

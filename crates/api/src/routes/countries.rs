//! `/api/v1/countries`: how many devices are reachable now.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, FixedOffset, SubsecRound as _};
use model::{Carrier, Country, Instant, Segment};
use serde::Serialize;
use store::countries::CountryRow;
use store::presence::Counts;
use utoipa::ToSchema;

use crate::extract::{InPath, InQuery, NoParameters};
use crate::live::Reading;
use crate::problem::{Problem, Refusals, quoted};
use crate::{Context, caching, time};

/// The countries in use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountryList {
    /// Every country in use, in the order of the codes.
    #[schema(example = json!([{
        "country": "ph", "name": "Philippines", "name_ja": "フィリピン",
        "time_zone": "Asia/Manila", "now": 1203, "expected": null, "expected_low": null,
        "missing": null, "week_ago": 1190, "silent": 17, "status": "learning",
        "as_of": "2026-11-21T10:20:41+08:00", "last_heard_at": "2026-11-21T10:20:39+08:00"
    }]))]
    items: Vec<CountryItem>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One country at this moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountryItem {
    /// ISO 3166-1 alpha-2 in lower case; `zz` for devices that could not be placed.
    #[schema(example = "ph")]
    country: String,
    /// Its name in English.
    #[schema(example = "Philippines")]
    name: String,
    /// Its name in Japanese.
    #[schema(example = "フィリピン")]
    name_ja: String,
    /// The IANA time zone by which its hours are counted.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// Distinct devices heard within the reach window; null when unknown.
    #[schema(example = 1203)]
    now: Option<i64>,
    /// How many should be reachable at this hour of this weekday; null while learning.
    #[schema(example = json!(null))]
    expected: Option<i64>,
    /// The fewest that would still be ordinary; null while learning.
    #[schema(example = json!(null))]
    expected_low: Option<i64>,
    /// Expected minus reachable now, never below 0; null while learning.
    #[schema(example = json!(null))]
    missing: Option<i64>,
    /// How many were reachable at this minute a week ago; null when that could not be told.
    #[schema(example = 1190)]
    week_ago: Option<i64>,
    /// Active devices that were not heard for three of their intervals, and a day at least.
    #[schema(example = 17)]
    silent: i64,
    /// Whether what is reachable is what should be.
    #[schema(example = "learning")]
    status: CountryStatus,
    /// The moment for which `now` holds, by the country's clock; null when unknown.
    #[schema(example = "2026-11-21T10:20:41+08:00")]
    as_of: Option<DateTime<FixedOffset>>,
    /// When a device was last heard here, by the country's clock; null if none was in seven days.
    #[schema(example = "2026-11-21T10:20:39+08:00")]
    last_heard_at: Option<DateTime<FixedOffset>>,
}

/// The state of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(example = "learning")]
pub(crate) enum CountryStatus {
    /// It is not known yet what to expect.
    Learning,
    /// It is not known how many are reachable.
    Unknown,
}

/// One country with its carriers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountryDetail {
    #[serde(flatten)]
    #[schema(example = json!({}))]
    item: CountryItem,
    /// Its carriers, in the order of their slugs. A device that used two within the reach window
    /// counts in both, so they may add up to more than `now`.
    #[schema(example = json!([{"carrier": "globe", "name": "Globe", "now": 702, "week_ago": 690,
        "last_heard_at": "2026-11-21T10:20:39+08:00"}]))]
    carriers: Vec<CarrierItem>,
    /// How long after its last heartbeat a device counts as reachable, in seconds.
    #[schema(example = 900)]
    reach_window_secs: u64,
}

/// One carrier of a country.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CarrierItem {
    /// Its slug, unique in the country; `unknown` where none could be told, `other` beyond the 62
    /// that are told apart.
    #[schema(example = "globe")]
    carrier: String,
    /// Its name.
    #[schema(example = "Globe")]
    name: String,
    /// Distinct devices heard through it within the reach window; null when unknown.
    #[schema(example = 702)]
    now: Option<i64>,
    /// How many were at this minute a week ago; null when that could not be told.
    #[schema(example = 690)]
    week_ago: Option<i64>,
    /// When a device was last heard through it, by the country's clock; null if none was in seven
    /// days.
    #[schema(example = "2026-11-21T10:20:39+08:00")]
    last_heard_at: Option<DateTime<FixedOffset>>,
}

/// All countries
///
/// Every country in which a device was ever heard, with the devices reachable now.
#[utoipa::path(
    get,
    path = "/api/v1/countries",
    operation_id = "listCountries",
    tag = "counts",
    responses(
        (status = 200, description = "The countries in use.", body = CountryList),
        Refusals
    )
)]
pub(crate) async fn list(
    State(context): State<Context>,
    InQuery(NoParameters {}): InQuery<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let reading = context.live().await?;
    let items = reading
        .countries
        .values()
        .map(|row| country_item(&context, &reading, row))
        .collect();
    json(&headers, &CountryList { items, next: None })
}

/// One country
///
/// The devices reachable now in one country, with its carriers.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}",
    operation_id = "getCountry",
    tag = "counts",
    params(("cc" = String, Path, example = "ph",
        description = "The country: two letters, as in ISO 3166-1 alpha-2.")),
    responses(
        (status = 200, description = "The country.", body = CountryDetail),
        Refusals
    )
)]
pub(crate) async fn one(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(NoParameters {}): InQuery<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = in_use(&context, &code).await?;
    let reading = context.live().await?;
    let bits = context.store.carrier_bits().await?;
    let carriers = bits
        .carriers_of(row.country)
        .into_iter()
        .map(|carrier| carrier_item(&context, &reading, &row, carrier))
        .filter(|item| !is_placeholder(&item.carrier) || item.now.is_some_and(|now| now > 0))
        .collect();
    let detail = CountryDetail {
        item: country_item(&context, &reading, &row),
        carriers,
        reach_window_secs: row.reach_window.as_secs(),
    };
    json(&headers, &detail)
}

/// The country that a path names, if it is in use.
pub(crate) async fn in_use(context: &Context, code: &str) -> Result<CountryRow, Problem> {
    let country = Country::parse(code).map_err(|error| {
        Problem::bad_parameter("cc", format!("{} cannot be used: {error}", quoted(code)))
    })?;
    let mut rows = context.store.countries().await?;
    rows.remove(&country).ok_or_else(|| {
        let mut in_use: Vec<_> = rows.into_keys().collect();
        in_use.sort_unstable();
        Problem::unknown_country(country, &in_use)
    })
}

/// The carrier that a query names, if the country has it.
pub(crate) async fn carrier_of(
    context: &Context,
    row: &CountryRow,
    slug: &str,
) -> Result<Carrier, Problem> {
    let carriers = context.store.carrier_bits().await?.carriers_of(row.country);
    if let Some(carrier) = carriers.iter().find(|carrier| carrier.as_str() == slug) {
        return Ok(carrier.clone());
    }
    let known: Vec<_> = carriers.iter().map(Carrier::as_str).collect();
    let detail = if known.is_empty() {
        format!(
            "`carrier` {} cannot be used: `{}` has no carriers yet",
            quoted(slug),
            row.country
        )
    } else {
        format!(
            "`carrier` {} is not one of `{}`, which has: {}",
            quoted(slug),
            row.country,
            known.join(", ")
        )
    };
    Err(Problem::bad_parameter("carrier", detail))
}

/// Counts as an answer shows them: the country's with all its carriers, or those of the one carrier
/// asked for.
pub(crate) fn shown(counts: &Counts, carrier: Option<&Carrier>) -> (i64, BTreeMap<String, i64>) {
    match carrier {
        None => {
            let carriers = counts.carriers.iter();
            let carriers = carriers.map(|(carrier, n)| (carrier.to_string(), *n));
            (counts.devices, carriers.collect())
        }
        Some(carrier) => {
            let devices = counts.carriers.get(carrier).copied().unwrap_or(0);
            (devices, BTreeMap::from([(carrier.to_string(), devices)]))
        }
    }
}

pub(crate) fn country_item(context: &Context, reading: &Reading, row: &CountryRow) -> CountryItem {
    let counted = reading.reachable(row);
    let (name, name_ja) = names(context, row.country);
    let local = |instant: Instant| time::local(instant.trunc_subsecs(0), &row.zones);
    CountryItem {
        country: row.country.to_string(),
        name,
        name_ja,
        time_zone: row.zones.zone_at(reading.at).name().to_owned(),
        now: counted.as_ref().map(|counts| counts.devices),
        expected: None,
        expected_low: None,
        missing: None,
        week_ago: reading.week_ago(row.country).map(|counts| counts.devices),
        silent: reading.silent(row.country),
        status: match counted {
            Some(_) => CountryStatus::Learning,
            None => CountryStatus::Unknown,
        },
        as_of: counted.is_some().then(|| local(reading.at)),
        last_heard_at: reading
            .last_heard_at(row.country)
            .and_then(|by_carrier| by_carrier.values().max())
            .map(|instant| local(*instant)),
    }
}

/// A country's names in English and Japanese; of one that nobody named, its code.
pub(crate) fn names(context: &Context, country: Country) -> (String, String) {
    if country == Country::UNPLACEABLE {
        return ("Location unknown".to_owned(), "所在地不明".to_owned());
    }
    match context.catalogue.country(country) {
        Some(info) => (info.name_en.clone(), info.name_ja.clone()),
        None => {
            let code = country.as_str().to_ascii_uppercase();
            (code.clone(), code)
        }
    }
}

fn carrier_item(
    context: &Context,
    reading: &Reading,
    row: &CountryRow,
    carrier: Carrier,
) -> CarrierItem {
    let country = row.country;
    // A carrier that is not there had none.
    let of_carrier = |counts: &Counts| counts.carriers.get(&carrier).copied().unwrap_or(0);
    let now = reading.reachable(row).as_ref().map(of_carrier);
    let week_ago = reading.week_ago(country).map(of_carrier);
    let last_heard_at = reading
        .last_heard_at(country)
        .and_then(|by_carrier| by_carrier.get(&carrier))
        .map(|instant| time::local(instant.trunc_subsecs(0), &row.zones));
    let segment = Segment { country, carrier };
    let slug = segment.carrier.to_string();
    let (name, _) = carrier_names(context, &segment);
    CarrierItem {
        carrier: slug,
        name,
        now,
        week_ago,
        last_heard_at,
    }
}

/// A carrier's names in English and Japanese; of one that nobody named, its slug.
pub(crate) fn carrier_names(context: &Context, segment: &Segment) -> (String, String) {
    let same = |name: &str| (name.to_owned(), name.to_owned());
    match context.catalogue.carrier_name(segment) {
        Some(name) => same(name),
        None if segment.carrier == Carrier::unknown() => {
            ("Carrier unknown".to_owned(), "キャリア不明".to_owned())
        }
        None if segment.carrier == Carrier::other() => {
            ("Other carriers".to_owned(), "その他のキャリア".to_owned())
        }
        None => same(segment.carrier.as_str()),
    }
}

/// `unknown` and `other` have a place in every country and are shown where somebody is in them.
fn is_placeholder(slug: &str) -> bool {
    slug == Carrier::unknown().as_str() || slug == Carrier::other().as_str()
}

/// An answer as JSON that may be kept and asked about.
pub(crate) fn json(headers: &HeaderMap, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
    Ok(caching::answer(headers, "application/json", body))
}

//! `/api/v1/countries/{cc}/silent`: devices that fell silent, one by one.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, FixedOffset, SubsecRound as _};
use model::{Carrier, DeviceId, Instant};
use serde::{Deserialize, Serialize};
use store::countries::CountryRow;
use store::silent::{SilentDevice, SilentSelection};
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use};
use super::devices::NOT_KEPT;
use crate::access::Operator;
use crate::extract::{InPath, InQuery};
use crate::problem::{OperatorRefusals, Problem};
use crate::{Context, cursor, table, time};

/// Items of a page when no number is asked for, and at most.
const DEFAULT_ITEMS: u32 = 100;
const MAX_ITEMS: u32 = 1000;

/// Rows of a table when no number is asked for, and at most.
const MAX_ROWS: u32 = 50_000;

/// The longest name of a partner that is asked for.
const MAX_PARTNER_BYTES: usize = 200;

/// Which silent devices.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SilentQuery {
    /// Only those heard last through this carrier, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
    /// Only those in cars of this finance company, as registered.
    #[param(example = "acme-finance")]
    partner: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most: 100 when left out, up to 1,000; as a table 50,000.
    #[param(example = 100, minimum = 1)]
    limit: Option<i64>,
}

/// Silent devices of one country.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SilentList {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone of the country now.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// The moment for which this holds.
    #[schema(example = "2026-11-21T10:20:41+08:00")]
    as_of: DateTime<FixedOffset>,
    /// The devices, those that fell silent last first.
    #[schema(example = json!([{
        "device": "IMEI:356938035643809", "carrier": "globe",
        "heard_at": "2026-11-19T08:14:00+08:00", "since": "2026-11-19T08:14:00+08:00",
        "silent_secs": 180401, "interval_secs": 300, "partner": "acme-finance", "region": "PH-00",
        "model": "mccs-4g", "label": "tricycle 42", "battery_mv": 11320, "rsrp_dbm": -113,
        "fw": "2.4.1"
    }]))]
    items: Vec<SilentItem>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One silent device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SilentItem {
    /// Its id.
    #[schema(example = "IMEI:356938035643809")]
    device: String,
    /// The carrier it was heard through last.
    #[schema(example = "globe")]
    carrier: String,
    /// When it was heard last, to the minute, by the country's clock; null if it never was.
    #[schema(example = "2026-11-19T08:14:00+08:00")]
    heard_at: Option<DateTime<FixedOffset>>,
    /// Since when it has said nothing: when it was heard last, or first known.
    #[schema(example = "2026-11-19T08:14:00+08:00")]
    since: DateTime<FixedOffset>,
    /// Seconds since then.
    #[schema(example = 180_401)]
    silent_secs: i64,
    /// How often it says that it sends, in seconds.
    #[schema(example = 300)]
    interval_secs: Option<i64>,
    /// The finance company whose car it is in.
    #[schema(example = "acme-finance")]
    partner: Option<String>,
    /// The region it was in last, or is registered in.
    #[schema(example = "PH-00")]
    region: Option<String>,
    /// Its hardware model.
    #[schema(example = "mccs-4g")]
    model: Option<String>,
    /// A person's name for it.
    #[schema(example = "tricycle 42")]
    label: Option<String>,
    /// Battery voltage when it was heard last, in millivolts.
    #[schema(example = 11320)]
    battery_mv: Option<i32>,
    /// Reference signal received power when it was heard last, in dBm.
    #[schema(example = -113)]
    rsrp_dbm: Option<i16>,
    /// Firmware when it was heard last.
    #[schema(example = "2.4.1")]
    fw: Option<String>,
}

/// Silent devices
///
/// Active devices of a country that were not heard for three of their intervals, and a day at least;
/// those that fell silent last come first. For operators; each look is noted with their name.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/silent",
    operation_id = "listSilent",
    tag = "devices",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country they were heard in last: two letters, as in ISO 3166-1 \
                alpha-2."),
        SilentQuery
    ),
    responses(
        (status = 200, description = "The devices.", body = SilentList),
        OperatorRefusals
    )
)]
pub(crate) async fn json(
    State(context): State<Context>,
    operator: Operator,
    InPath(code): InPath,
    InQuery(query): InQuery<SilentQuery>,
) -> Result<Response, Problem> {
    let question = Question::read(&context, &code, query, DEFAULT_ITEMS, MAX_ITEMS).await?;
    let page = question.answer(&context, &operator).await?;
    Ok((NOT_KEPT, axum::Json(page)).into_response())
}

/// Silent devices as CSV
///
/// The same as `/api/v1/countries/{cc}/silent`, as a table for a spreadsheet: up to 50,000 rows.
/// Where there are more, a `Link` with `rel="next"` says where they are.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/silent.csv",
    operation_id = "downloadSilent",
    tag = "devices",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country they were heard in last: two letters, as in ISO 3166-1 \
                alpha-2."),
        SilentQuery
    ),
    responses(
        (status = 200, description = "The table.", body = String, content_type = "text/csv",
            example = "device,carrier,heard_at,since,silent_secs,interval_secs,partner,region,\
                model,label,battery_mv,rsrp_dbm,fw\nIMEI:356938035643809,globe,\
                2026-11-19T08:14:00+08:00,2026-11-19T08:14:00+08:00,180401,300,acme-finance,PH-00,\
                mccs-4g,tricycle 42,11320,'-113,2.4.1\n"),
        OperatorRefusals
    )
)]
pub(crate) async fn csv(
    State(context): State<Context>,
    operator: Operator,
    InPath(code): InPath,
    InQuery(query): InQuery<SilentQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::read(&context, &code, query, MAX_ROWS, MAX_ROWS).await?;
    let page = question.answer(&context, &operator).await?;
    let name = format!(
        "headcount-{}-silent-{}.csv",
        question.row.country,
        page.as_of.format("%Y%m%dT%H%M")
    );
    let mut response = table::download(&headers, &name, table::csv(rows(&page.items))?);
    for (name, value) in NOT_KEPT {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    if let Some(next) = &page.next
        && let Ok(link) = HeaderValue::from_str(&question.link(next))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// What is asked, with every parameter understood.
struct Question {
    row: CountryRow,
    carrier: Option<Carrier>,
    partner: Option<String>,
    after: Option<(Instant, DeviceId)>,
    limit: u32,
    now: Instant,
}

impl Question {
    async fn read(
        context: &Context,
        code: &str,
        query: SilentQuery,
        default: u32,
        max: u32,
    ) -> Result<Self, Problem> {
        let row = in_use(context, code).await?;
        let limit = cursor::limit(query.limit, default, max)?;
        let carrier = match &query.carrier {
            Some(slug) => Some(carrier_of(context, &row, slug).await?),
            None => None,
        };
        if query
            .partner
            .as_ref()
            .is_some_and(|partner| partner.len() > MAX_PARTNER_BYTES)
        {
            let detail = format!("`partner` has more than {MAX_PARTNER_BYTES} bytes");
            return Err(Problem::bad_parameter("partner", detail));
        }
        let mut question = Self {
            row,
            carrier,
            partner: query.partner,
            after: None,
            limit,
            now: context.clock.now(),
        };
        if let Some(text) = &query.cursor {
            question.after = Some(cursor::read(&question.list(), text)?);
        }
        Ok(question)
    }

    /// What cursors are bound to.
    fn list(&self) -> String {
        format!(
            "silent {} {:?} {:?}",
            self.row.country, self.carrier, self.partner
        )
    }

    async fn answer(&self, context: &Context, operator: &Operator) -> Result<SilentList, Problem> {
        let country = self.row.country;
        operator
            .note(context, "silent.look", country.as_str())
            .await?;
        let selection = SilentSelection {
            country,
            carrier: self.carrier.as_ref(),
            partner: self.partner.as_deref(),
            after: self.after.as_ref().map(|(since, id)| (*since, id)),
            // One more tells whether there is another page.
            limit: self.limit + 1,
        };
        let _place = context.place_to_read().await?;
        let mut devices = context.store.silent_page(self.now, selection).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = devices.len() > limit;
        devices.truncate(limit);
        let next = match devices.last().filter(|_| more) {
            Some(last) => Some(cursor::write(&self.list(), &(last.since, &last.device_id))?),
            None => None,
        };
        Ok(SilentList {
            country: country.to_string(),
            time_zone: self.row.zones.zone_at(self.now).name().to_owned(),
            as_of: self.local(self.now),
            items: devices
                .into_iter()
                .map(|device| self.item(device))
                .collect(),
            next,
        })
    }

    fn local(&self, instant: Instant) -> DateTime<FixedOffset> {
        time::local(instant.trunc_subsecs(0), &self.row.zones)
    }

    fn item(&self, device: SilentDevice) -> SilentItem {
        SilentItem {
            device: device.device_id.to_string(),
            carrier: device.segment.carrier.to_string(),
            heard_at: device.heard_at.map(|heard_at| self.local(heard_at)),
            since: self.local(device.since),
            silent_secs: (self.now - device.since).num_seconds(),
            interval_secs: device.interval.map(|interval| interval.num_seconds()),
            partner: device.partner,
            region: device.region,
            model: device.model,
            label: device.label,
            battery_mv: device.battery_mv,
            rsrp_dbm: device.rsrp_dbm,
            fw: device.fw,
        }
    }

    fn link(&self, next: &str) -> String {
        let carrier = self
            .carrier
            .as_ref()
            .map(|carrier| format!("&carrier={carrier}"));
        let partner = self.partner.as_ref().map(|partner| {
            let encoded: String = partner.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("&partner={encoded}")
        });
        format!(
            "</api/v1/countries/{}/silent.csv?cursor={next}&limit={}{}{}>; rel=\"next\"",
            self.row.country,
            self.limit,
            carrier.unwrap_or_default(),
            partner.unwrap_or_default(),
        )
    }
}

/// The table: a row of names, then one row per device.
fn rows(items: &[SilentItem]) -> Vec<Vec<String>> {
    fn cell(value: Option<&impl ToString>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let names = [
        "device",
        "carrier",
        "heard_at",
        "since",
        "silent_secs",
        "interval_secs",
        "partner",
        "region",
        "model",
        "label",
        "battery_mv",
        "rsrp_dbm",
        "fw",
    ];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|item| {
        vec![
            item.device.clone(),
            item.carrier.clone(),
            item.heard_at.map(time::text).unwrap_or_default(),
            time::text(item.since),
            item.silent_secs.to_string(),
            cell(item.interval_secs.as_ref()),
            cell(item.partner.as_ref()),
            cell(item.region.as_ref()),
            cell(item.model.as_ref()),
            cell(item.label.as_ref()),
            cell(item.battery_mv.as_ref()),
            cell(item.rsrp_dbm.as_ref()),
            cell(item.fw.as_ref()),
        ]
    }));
    rows
}

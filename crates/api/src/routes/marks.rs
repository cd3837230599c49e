//! `/api/v1/annotations` and `/api/v1/maintenance`: what people mark on the axis of time.
//!
//! Both are marks. An annotation explains a number (a deploy, a roll-out of firmware, a note) and
//! may be a moment; maintenance is planned and always has an end.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, FixedOffset, SubsecRound as _, TimeDelta};
use chrono_tz::Tz;
use model::{Carrier, Country, Instant, ZoneHistory};
use serde::{Deserialize, Serialize};
use store::countries::CountryRow;
use store::marks::{Mark, MarkKind, MarkSelection, NewMark};
use utoipa::ToSchema;

use super::countries::{carrier_of, in_use, json as json_answer};
use crate::access::Operator;
use crate::body::InBody;
use crate::extract::{InPath, InQuery, NoParameters};
use crate::problem::{ChangeRefusals, Problem, Refusals, quoted};
use crate::range::{Lengths, Range};
use crate::{Context, cursor, time};

/// Kinds that are annotations.
const ANNOTATIONS: [MarkKind; 3] = [MarkKind::Deploy, MarkKind::Firmware, MarkKind::Note];

/// Kinds that are maintenance.
const MAINTENANCE: [MarkKind; 1] = [MarkKind::Maintenance];

/// The stretch answered when none is asked for: behind now, and ahead of it for what is planned.
const DEFAULT_BEHIND: TimeDelta = TimeDelta::days(28);
const DEFAULT_AHEAD: TimeDelta = TimeDelta::days(28);

/// The longest stretch asked for.
const MAX_RANGE: TimeDelta = TimeDelta::days(400);

/// The longest a mark lasts: one that lasts longer is a mistake in the year.
const MAX_DURATION: TimeDelta = TimeDelta::days(92);

/// Items of a page when no number is asked for, and at most.
const DEFAULT_ITEMS: u32 = 200;
const MAX_ITEMS: u32 = 1000;

/// The longest title, and the longest link.
const MAX_TITLE_CHARS: usize = 200;
const MAX_LINK_BYTES: usize = 1000;

/// Which marks.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MarkQuery {
    /// Only those that concern this country: its own, and those of all countries.
    #[param(example = "ph")]
    country: Option<String>,
    /// The first instant: those that touch the time from then on. RFC 3339 with offset; with
    /// `country` also by its clock. 56 days before `to` when left out.
    #[param(example = "2026-11-01T00:00:00+08:00")]
    from: Option<String>,
    /// The first instant beyond. 28 days after now when left out; at most 400 days after `from`.
    #[param(example = "2026-12-01T00:00:00+08:00")]
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most: 200 when left out, up to 1,000.
    #[param(example = 200, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// Marks, by their start.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MarkList {
    /// The marks.
    #[schema(example = json!([{
        "id": 17, "kind": "firmware", "country": "ph", "carrier": null,
        "from": "2026-11-20T13:00:00+08:00", "to": "2026-11-21T09:00:00+08:00",
        "time_zone": "Asia/Manila", "title": "2.4.1 to every tenth device",
        "link": "https://deploys.example.com/2.4.1", "created_by": "ops",
        "created_at": "2026-11-20T12:58:11+08:00"
    }]))]
    items: Vec<MarkItem>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One mark. Times are by its country's clock; UTC where it concerns all countries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MarkItem {
    /// Its number.
    #[schema(example = 17)]
    id: i64,
    /// `deploy`, `firmware`, `note` or `maintenance`.
    #[schema(example = "firmware")]
    kind: &'static str,
    /// The country concerned; null for all.
    #[schema(example = "ph")]
    country: Option<String>,
    /// The carrier concerned; null for all.
    #[schema(example = json!(null))]
    carrier: Option<String>,
    /// When it begins.
    #[schema(example = "2026-11-20T13:00:00+08:00")]
    from: DateTime<FixedOffset>,
    /// When it ends; null for a moment.
    #[schema(example = "2026-11-21T09:00:00+08:00")]
    to: Option<DateTime<FixedOffset>>,
    /// The IANA time zone of these times.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// What it says.
    #[schema(example = "2.4.1 to every tenth device")]
    title: String,
    /// Where to read on.
    #[schema(example = "https://deploys.example.com/2.4.1")]
    link: Option<String>,
    /// Who made it: the name of an account.
    #[schema(example = "ops")]
    created_by: String,
    /// When.
    #[schema(example = "2026-11-20T12:58:11+08:00")]
    created_at: DateTime<FixedOffset>,
}

/// An annotation to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnnotation {
    /// `deploy`, `firmware` or `note`, which it is when left out.
    #[schema(example = "firmware")]
    kind: Option<String>,
    /// The country concerned; all when left out.
    #[schema(example = "ph")]
    country: Option<String>,
    /// The carrier concerned, by its slug; all when left out.
    #[schema(example = "globe")]
    carrier: Option<String>,
    /// When it begins: RFC 3339 with offset; with `country` also by its clock. Now when left out.
    #[schema(example = "2026-11-20T13:00")]
    from: Option<String>,
    /// When it ends; a moment when left out.
    #[schema(example = "2026-11-21T09:00")]
    to: Option<String>,
    /// What it says, up to 200 characters.
    #[schema(example = "2.4.1 to every tenth device")]
    title: String,
    /// Where to read on: an address that begins with `https://` or `http://`.
    #[schema(example = "https://deploys.example.com/2.4.1")]
    link: Option<String>,
}

/// Maintenance to be planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMaintenance {
    /// The country concerned; all when left out.
    #[schema(example = "ph")]
    country: Option<String>,
    /// The carrier concerned, by its slug; all when left out.
    #[schema(example = "globe")]
    carrier: Option<String>,
    /// When it begins: RFC 3339 with offset; with `country` also by its clock. Now when left out.
    #[schema(example = "2026-11-22T01:00")]
    from: Option<String>,
    /// When it ends, at most 92 days later.
    #[schema(example = "2026-11-22T05:00")]
    to: String,
    /// What is done, up to 200 characters.
    #[schema(example = "Globe works on its core network in Luzon")]
    title: String,
    /// Where to read on: an address that begins with `https://` or `http://`.
    #[schema(example = "https://carrier.example.com/notice/4711")]
    link: Option<String>,
}

/// Annotations
///
/// Deploys, roll-outs of firmware and notes that touch a stretch of time, by their start.
#[utoipa::path(
    get,
    path = "/api/v1/annotations",
    operation_id = "listAnnotations",
    tag = "marks",
    params(MarkQuery),
    responses((status = 200, description = "The annotations.", body = MarkList), Refusals)
)]
pub(crate) async fn annotations(
    State(context): State<Context>,
    InQuery(query): InQuery<MarkQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    list(&context, &ANNOTATIONS, query, &headers).await
}

/// Planned maintenance
///
/// Maintenance that touches a stretch of time, by its start.
#[utoipa::path(
    get,
    path = "/api/v1/maintenance",
    operation_id = "listMaintenance",
    tag = "marks",
    params(MarkQuery),
    responses((status = 200, description = "The maintenance.", body = MarkList), Refusals)
)]
pub(crate) async fn maintenance(
    State(context): State<Context>,
    InQuery(query): InQuery<MarkQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    list(&context, &MAINTENANCE, query, &headers).await
}

/// Annotate
///
/// Marks a deploy, a roll-out of firmware or a note on the axis of time. For operators; who did is
/// noted.
#[utoipa::path(
    post,
    path = "/api/v1/annotations",
    operation_id = "addAnnotation",
    tag = "marks",
    request_body = NewAnnotation,
    responses((status = 201, description = "It is made.", body = MarkItem), ChangeRefusals)
)]
pub(crate) async fn add_annotation(
    State(context): State<Context>,
    operator: Operator,
    InQuery(NoParameters {}): InQuery<NoParameters>,
    InBody(new): InBody<NewAnnotation>,
) -> Result<(StatusCode, Json<MarkItem>), Problem> {
    let kind = match new.kind.as_deref() {
        None => MarkKind::Note,
        Some(text) => MarkKind::parse(text)
            .filter(|kind| ANNOTATIONS.contains(kind))
            .ok_or_else(|| {
                let words = ANNOTATIONS.map(MarkKind::as_str).join(", ");
                let detail = format!("`kind` {} is none of: {words}", quoted(text));
                Problem::bad_parameter("kind", detail)
            })?,
    };
    let wish = Wish {
        kind,
        country: new.country,
        carrier: new.carrier,
        from: new.from,
        to: new.to,
        title: new.title,
        link: new.link,
    };
    add(&context, &operator, wish).await
}

/// Plan maintenance
///
/// Marks a stretch in which fewer devices are expected. For operators; who did is noted.
#[utoipa::path(
    post,
    path = "/api/v1/maintenance",
    operation_id = "addMaintenance",
    tag = "marks",
    request_body = NewMaintenance,
    responses((status = 201, description = "It is planned.", body = MarkItem), ChangeRefusals)
)]
pub(crate) async fn add_maintenance(
    State(context): State<Context>,
    operator: Operator,
    InQuery(NoParameters {}): InQuery<NoParameters>,
    InBody(new): InBody<NewMaintenance>,
) -> Result<(StatusCode, Json<MarkItem>), Problem> {
    let wish = Wish {
        kind: MarkKind::Maintenance,
        country: new.country,
        carrier: new.carrier,
        from: new.from,
        to: Some(new.to),
        title: new.title,
        link: new.link,
    };
    add(&context, &operator, wish).await
}

/// Take an annotation away
///
/// For operators; who did is noted, and what it said.
#[utoipa::path(
    delete,
    path = "/api/v1/annotations/{id}",
    operation_id = "removeAnnotation",
    tag = "marks",
    params(("id" = i64, Path, example = 17, description = "Its number.")),
    responses((status = 204, description = "It is gone."), ChangeRefusals)
)]
pub(crate) async fn remove_annotation(
    State(context): State<Context>,
    operator: Operator,
    InPath(id): InPath,
    InQuery(NoParameters {}): InQuery<NoParameters>,
) -> Result<StatusCode, Problem> {
    remove(&context, &operator, &id, &ANNOTATIONS).await
}

/// Take maintenance away
///
/// For operators; who did is noted, and what it said.
#[utoipa::path(
    delete,
    path = "/api/v1/maintenance/{id}",
    operation_id = "removeMaintenance",
    tag = "marks",
    params(("id" = i64, Path, example = 17, description = "Its number.")),
    responses((status = 204, description = "It is gone."), ChangeRefusals)
)]
pub(crate) async fn remove_maintenance(
    State(context): State<Context>,
    operator: Operator,
    InPath(id): InPath,
    InQuery(NoParameters {}): InQuery<NoParameters>,
) -> Result<StatusCode, Problem> {
    remove(&context, &operator, &id, &MAINTENANCE).await
}

async fn list(
    context: &Context,
    kinds: &[MarkKind],
    query: MarkQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let now = context.clock.now();
    let row = match &query.country {
        Some(code) => Some(
            in_use(context, code)
                .await
                .map_err(|error| error.about("country"))?,
        ),
        None => None,
    };
    let zones = row.as_ref().map_or_else(utc, |row| row.zones.clone());
    let lengths = Lengths {
        default: DEFAULT_BEHIND + DEFAULT_AHEAD,
        max: MAX_RANGE,
    };
    let MarkQuery { from, to, .. } = &query;
    let range = Range::read(
        from.as_deref(),
        to.as_deref(),
        lengths,
        &zones,
        now + DEFAULT_AHEAD,
    )?;
    let limit = cursor::limit(query.limit, DEFAULT_ITEMS, MAX_ITEMS)?;
    let list = format!("marks {kinds:?} {:?} {from:?} {to:?}", query.country);
    let after: Option<(Instant, i64)> = match &query.cursor {
        Some(text) => Some(cursor::read(&list, text)?),
        None => None,
    };
    let selection = MarkSelection {
        kinds,
        country: row.as_ref().map(|row| row.country),
        from: range.from,
        to: range.to,
        after,
        // One more tells whether there is another page.
        limit: limit + 1,
    };
    let mut marks = context.store.marks(selection).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = marks.len() > limit;
    marks.truncate(limit);
    let next = match marks.last().filter(|_| more) {
        Some(last) => Some(cursor::write(&list, &(last.mark.from, last.number))?),
        None => None,
    };
    let countries = context.store.countries().await?;
    let zones = |country: Option<Country>| {
        country
            .and_then(|country| countries.get(&country))
            .map_or_else(utc, |row| row.zones.clone())
    };
    let items = marks
        .into_iter()
        .map(|mark| {
            let zones = zones(mark.mark.country);
            item(mark, &zones)
        })
        .collect();
    json_answer(headers, &MarkList { items, next })
}

/// A mark as somebody asks for it, before anything is checked.
struct Wish {
    kind: MarkKind,
    country: Option<String>,
    carrier: Option<String>,
    from: Option<String>,
    to: Option<String>,
    title: String,
    link: Option<String>,
}

async fn add(
    context: &Context,
    operator: &Operator,
    wish: Wish,
) -> Result<(StatusCode, Json<MarkItem>), Problem> {
    let now = context.clock.now();
    let row = match &wish.country {
        Some(code) => Some(
            in_use(context, code)
                .await
                .map_err(|error| error.about("country"))?,
        ),
        None => None,
    };
    let carrier = match (&row, &wish.carrier) {
        (Some(row), Some(slug)) => Some(carrier_of(context, row, slug).await?),
        (None, Some(_)) => {
            let detail = "`carrier` is one of a country; name the `country` as well";
            return Err(Problem::bad_parameter("carrier", detail));
        }
        (_, None) => None,
    };
    let new = check(wish, row.as_ref(), carrier, now)?;
    let mark = context.store.add_mark(&new, operator.name(), now).await?;
    tracing::info!(
        operator = operator.name(),
        mark = mark.number,
        kind = new.kind.as_str(),
        "a mark is made"
    );
    let zones = row.map_or_else(utc, |row| row.zones);
    Ok((StatusCode::CREATED, Json(item(mark, &zones))))
}

fn check(
    wish: Wish,
    row: Option<&CountryRow>,
    carrier: Option<Carrier>,
    now: Instant,
) -> Result<NewMark, Problem> {
    let instant = |name: &'static str, text: &str| match row {
        Some(row) => time::parse(text, &row.zones).map_err(|error| {
            Problem::bad_parameter(name, format!("`{name}` {} {error}", quoted(text)))
        }),
        // All countries have no clock in common.
        None => DateTime::parse_from_rfc3339(text)
            .map(|time| time.to_utc())
            .map_err(|_| {
                let detail = format!(
                    "`{name}` {} has no offset: without a `country` write RFC 3339 with it \
                 (`2026-11-21T10:00:00+08:00`)",
                    quoted(text)
                );
                Problem::bad_parameter(name, detail)
            }),
    };
    let from = wish
        .from
        .as_deref()
        .map(|text| instant("from", text))
        .transpose()?;
    let from = from.unwrap_or(now).trunc_subsecs(0);
    let to = wish
        .to
        .as_deref()
        .map(|text| instant("to", text))
        .transpose()?;
    if to.is_some_and(|to| to <= from || to - from > MAX_DURATION) {
        let detail = format!(
            "`to` lies after `from`, and at most {} days",
            MAX_DURATION.num_days()
        );
        return Err(Problem::bad_parameter("to", detail));
    }
    let title = wish.title.trim();
    let is_plain = !title.is_empty() && !title.chars().any(char::is_control);
    if !is_plain || title.chars().count() > MAX_TITLE_CHARS {
        let detail = format!("`title` is one line of 1 to {MAX_TITLE_CHARS} characters");
        return Err(Problem::bad_parameter("title", detail));
    }
    if wish.link.as_deref().is_some_and(|link| !is_link(link)) {
        let detail = format!(
            "`link` is an address that begins with https:// or http://, without blanks, of up to \
             {MAX_LINK_BYTES} bytes"
        );
        return Err(Problem::bad_parameter("link", detail));
    }
    Ok(NewMark {
        kind: wish.kind,
        country: row.map(|row| row.country),
        carrier,
        from,
        to,
        title: title.to_owned(),
        link: wish.link,
    })
}

/// Whether a text may stand behind a link on a page: no `javascript:`.
fn is_link(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && text.len() <= MAX_LINK_BYTES
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

async fn remove(
    context: &Context,
    operator: &Operator,
    id: &str,
    kinds: &[MarkKind],
) -> Result<StatusCode, Problem> {
    let number = id.parse::<i64>().map_err(|_| {
        Problem::bad_parameter("id", format!("{} is not the number of a mark", quoted(id)))
    })?;
    let now = context.clock.now();
    let removed = context
        .store
        .remove_mark(number, kinds, operator.name(), now);
    removed
        .await?
        .ok_or_else(|| Problem::unknown_mark(number))?;
    tracing::info!(
        operator = operator.name(),
        mark = number,
        "a mark is taken away"
    );
    Ok(StatusCode::NO_CONTENT)
}

fn item(mark: Mark, zones: &ZoneHistory) -> MarkItem {
    let Mark {
        number,
        mark,
        created_by,
        created_at,
    } = mark;
    let local = |instant: Instant| time::local(instant.trunc_subsecs(0), zones);
    MarkItem {
        id: number,
        kind: mark.kind.as_str(),
        country: mark.country.map(|country| country.to_string()),
        carrier: mark.carrier.map(|carrier| carrier.to_string()),
        from: local(mark.from),
        to: mark.to.map(local),
        time_zone: zones.zone_at(mark.from).name().to_owned(),
        title: mark.title,
        link: mark.link,
        created_by,
        created_at: local(created_at),
    }
}

fn utc() -> ZoneHistory {
    ZoneHistory::always(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_another_page_and_runs_nothing() {
        for good in ["https://a.example/x?y=1#z", "http://10.0.0.1:8080/"] {
            assert!(is_link(good), "{good}");
        }
        let long = format!("https://{}", "x".repeat(MAX_LINK_BYTES));
        for bad in [
            "",
            "https://",
            "javascript:alert(1)",
            "//a.example",
            "ftp://a.example",
            "https://a.example/ b",
            "https://a.example/\n",
            &long,
        ] {
            assert!(!is_link(bad), "{bad}");
        }
    }
}

//! `/api/v1/audit`: who looked at single devices, and who changed what.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::devices::NOT_KEPT;
use crate::access::Operator;
use crate::extract::InQuery;
use crate::problem::{OperatorRefusals, Problem};
use crate::{Context, cursor};

/// Items of a page when no number is asked for, and at most.
const DEFAULT_ITEMS: u32 = 100;
const MAX_ITEMS: u32 = 1000;

/// What cursors are bound to.
const LIST: &str = "audit";

/// Which page.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many at most: 100 when left out, up to 1,000.
    #[param(example = 100, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// What was done, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The deeds.
    #[schema(example = json!([{
        "id": 4711, "at": "2026-11-21T02:20:41Z", "actor": "ops", "action": "device.look",
        "subject": "IMEI:356938035643809", "detail": {}
    }]))]
    items: Vec<DeedItem>,
    /// Where to go on; null at the end.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// One deed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeedItem {
    /// Its number: later ones are higher.
    #[schema(example = 4711)]
    id: i64,
    /// When, in UTC.
    #[schema(example = "2026-11-21T02:20:41Z")]
    at: DateTime<Utc>,
    /// Who: the name of an account.
    #[schema(example = "ops")]
    actor: String,
    /// What: `device.look`, `silent.look`, `mark.add` or `mark.remove`.
    #[schema(example = "device.look")]
    action: String,
    /// With what: a device, a country, the number of a mark.
    #[schema(example = "IMEI:356938035643809")]
    subject: String,
    /// What else is known, such as what a mark said.
    #[schema(value_type = BTreeMap<String, Option<String>>, example = json!({"title": "2.4.1"}))]
    detail: serde_json::Value,
}

/// Who looked, and who changed what
///
/// Every look at single devices and every change, newest first, for thirteen months. For operators.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listAudit",
    tag = "devices",
    params(AuditQuery),
    responses((status = 200, description = "What was done.", body = AuditList), OperatorRefusals)
)]
pub(crate) async fn list(
    State(context): State<Context>,
    _operator: Operator,
    InQuery(query): InQuery<AuditQuery>,
) -> Result<([(HeaderName, &'static str); 1], Json<AuditList>), Problem> {
    let limit = cursor::limit(query.limit, DEFAULT_ITEMS, MAX_ITEMS)?;
    let before: Option<i64> = match &query.cursor {
        Some(text) => Some(cursor::read(LIST, text)?),
        None => None,
    };
    // One more tells whether there is another page.
    let mut deeds = context.store.deeds(before, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = deeds.len() > limit;
    deeds.truncate(limit);
    let next = match deeds.last().filter(|_| more) {
        Some(last) => Some(cursor::write(LIST, &last.number)?),
        None => None,
    };
    let items = deeds.into_iter().map(|deed| DeedItem {
        id: deed.number,
        at: deed.at,
        actor: deed.actor,
        action: deed.action,
        subject: deed.subject,
        detail: deed.detail,
    });
    let list = AuditList {
        items: items.collect(),
        next,
    };
    Ok((NOT_KEPT, Json(list)))
}

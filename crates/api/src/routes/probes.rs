//! Probes for whoever runs this: alive, ready, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Context;
use crate::problem::{Problem, ProblemDetails};

/// What Prometheus and Datadog's Agent ask for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The answer of a probe.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProbeAnswer {
    /// `alive` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the process lives
///
/// Always 200: as long as it answers, restarting it would not help.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "live",
    tag = "pipeline",
    responses((status = 200, description = "It does.", body = ProbeAnswer))
)]
pub(crate) async fn livez() -> Json<ProbeAnswer> {
    Json(ProbeAnswer { status: "alive" })
}

/// Whether all parts of the process can work
///
/// The database must be there with a schema that fits, and every part of the process must say that
/// it is ready.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "pipeline",
    responses(
        (status = 200, description = "They can.", body = ProbeAnswer),
        (status = 503, description = "Some cannot; `troubles` says which and why.",
            body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(context): State<Context>) -> Result<Json<ProbeAnswer>, Problem> {
    let mut troubles = context.health.troubles();
    if let Err(error) = context.store.check_schema().await {
        troubles.insert("database", error.to_string());
    }
    if troubles.is_empty() {
        return Ok(Json(ProbeAnswer { status: "ready" }));
    }
    Err(Problem::not_ready(troubles))
}

/// What this process counts about itself
///
/// In the OpenMetrics text format. Counts of devices are not among it; they come from the API.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "pipeline",
    responses((status = 200, description = "The metrics.", body = String,
        content_type = "application/openmetrics-text",
        example = "# TYPE headcount_api_requests counter\nheadcount_api_requests_total 17\n# EOF\n"))
)]
pub(crate) async fn metrics() -> ([(HeaderName, &'static str); 1], String) {
    (
        [(header::CONTENT_TYPE, OPEN_METRICS)],
        telemetry::metrics::open_metrics(),
    )
}

//! The description of the API, generated from the code that answers.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Context;
use crate::routes::{
    audit, charts, countries, devices, distinct, heatmap, hours, marks, now, probes, silent,
    splits, status, stream,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "headcount",
        description = "How many devices were connected, per country and carrier, in every hour of \
            the country's local clock. Counts are exact. What could not be seen is said to be \
            unknown, never counted as 0.\n\n\
            Times are RFC 3339 with the country's offset. Errors are RFC 9457 problem details \
            (`application/problem+json`). Lists are `{\"items\": […], \"next\": cursor or null}`; \
            ask again with `next` as `cursor` where there is one. Answers are compressed with gzip \
            or Brotli, and what did not change since their `ETag` is answered with 304.\n\n\
            One address may ask so often (`api.requests_per_second`, 100), then it gets 429 with \
            `Retry-After`.\n\n\
            Where access control is on, everything but `/livez` and `/readyz` needs HTTP basic \
            authentication and is answered with 401 without it. Viewers see counts, marks and \
            status; operators see single devices as well, and make marks."
    ),
    tags(
        (name = "counts", description = "Devices per country, carrier and hour."),
        (name = "devices", description = "Single devices, and who looked at them."),
        (name = "marks", description = "What people mark on the axis of time."),
        (name = "pipeline", description = "Whether headcount itself can count.")
    ),
    components(schemas(stream::CountsEvent, stream::HourEvent)),
    modifiers(&Password),
    security((), ("password" = []))
)]
struct Description;

/// The way in, where one is asked for.
struct Password;

impl utoipa::Modify for Password {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some(
                "Asked for where `api.basic_auth` is set. Without it whoever reaches the address, \
                 which is this machine's own, is an operator.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("password", SecurityScheme::Http(basic));
    }
}

/// All routes that answer from data, with their description.
pub(crate) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(countries::list))
        .routes(routes!(countries::one))
        .routes(routes!(hours::json))
        .routes(routes!(hours::csv))
        .routes(routes!(now::series))
        .routes(routes!(distinct::distinct))
        .routes(routes!(splits::splits))
        .routes(routes!(heatmap::heatmap))
        .routes(routes!(stream::follow))
        .routes(routes!(silent::json))
        .routes(routes!(silent::csv))
        .routes(routes!(charts::hours_svg))
        .routes(routes!(charts::hours_png))
        .routes(routes!(charts::now_svg))
        .routes(routes!(charts::now_png))
        .routes(routes!(devices::one))
        .routes(routes!(audit::list))
        .routes(routes!(marks::annotations, marks::add_annotation))
        .routes(routes!(marks::remove_annotation))
        .routes(routes!(marks::maintenance, marks::add_maintenance))
        .routes(routes!(marks::remove_maintenance))
        .routes(routes!(status::status))
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::metrics))
}

/// Adds the description itself.
pub(crate) fn serve(router: Router, document: &utoipa::openapi::OpenApi) -> Router {
    // A document of texts and numbers can be written.
    let json = document.to_json().unwrap_or_default();
    router.route(
        "/openapi.json",
        get(async move || ([(header::CONTENT_TYPE, "application/json")], json)),
    )
}

/// The description of the API (OpenAPI 3.1), as `/openapi.json` serves it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

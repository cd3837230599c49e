//! `/docs`: the description of the API, to be read and tried in a browser.
//!
//! Swagger UI comes with the binary. Of its files only two are used: its own page runs scripts that
//! ours does not need, and asks a server of somebody else whether the description is valid.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::caching;
use crate::problem::Problem;

/// Our page, and the script that starts Swagger UI in it.
const DOCUMENT: &str = include_str!("docs/index.html");
const START: &str = include_str!("docs/start.js");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What Swagger UI is made of, with its types.
const PARTS: [(&str, &str); 2] = [
    ("swagger-ui-bundle.js", JAVASCRIPT),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

/// Only what comes from here runs, shows and is asked. Swagger UI brings its icons along as data.
const HEADERS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
];

/// Adds the page and its parts.
pub(crate) fn serve(router: Router) -> Router {
    router
        .route("/docs", get(page))
        .route("/docs/", get(page))
        .route("/docs/{part}", get(part))
}

async fn page(headers: HeaderMap) -> Response {
    let mut response = caching::answer(&headers, HTML, DOCUMENT);
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn part(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    if name == "start.js" {
        return Ok(caching::answer(&headers, JAVASCRIPT, START));
    }
    let known = PARTS.into_iter().find(|(part, _)| *part == name);
    let file = known.and_then(|(part, kind)| {
        let config = Arc::new(Config::from("/openapi.json"));
        let file = utoipa_swagger_ui::serve(part, config).ok().flatten()?;
        Some((file, kind))
    });
    let Some((file, kind)) = file else {
        return Err(Problem::no_such_path(&format!("/docs/{name}")));
    };
    let mut response = caching::answer(&headers, kind, file.bytes.into_owned());
    if file.gzpipped {
        // Embedded as it goes out. Whoever can run it can read gzip.
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

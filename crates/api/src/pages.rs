//! The pages for people, as `web/` was built: embedded, so that one file is all there is to deploy.
//!
//! The pages are one program in the browser, which finds its way by the path. So every path that
//! names a page gets the same document.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::caching;
use crate::problem::Problem;

/// What `npm run build` made. Empty where it has not been run.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// The document that every page is.
const DOCUMENT: &str = "index.html";

/// Files in here are named by their content: they can be kept for good.
const NAMED_BY_CONTENT: &str = "assets/";

/// The first parts of paths that are pages.
const PAGES: [&str; 5] = ["", "c", "i", "d", "status"];

/// Only what comes from here runs, shows and is asked; nobody may put the pages into a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What stands at `/` where the pages have not been built.
const WELCOME: &str = "headcount: how many devices were connected, per country and carrier, in \
every hour of the country's local clock.

The pages are not in this build: run `make web` (or `make demo`) and build again. The API is here:

  /api/v1/countries                     devices reachable now
  /api/v1/countries/{country}/now       devices reachable in every minute
  /api/v1/countries/{country}/hours     devices in every hour; hours.csv for a spreadsheet
  /api/v1/status                        whether headcount itself can count
  /docs                                 everything there is, to read and to try
  /openapi.json                         the same, described for programs
";

/// Answers what no route of the API does.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let allowed = [(header::ALLOW, "GET,HEAD")];
        return (allowed, Problem::method_not_allowed(&method)).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    // What begins with a dot keeps the folder in the repository and is nobody's business.
    let is_asset = path != DOCUMENT && !path.starts_with('.');
    if let Some(file) = Built::get(path).filter(|_| is_asset) {
        return asset(path, file, &headers);
    }
    let is_page = PAGES.contains(&first);
    match Built::get(DOCUMENT) {
        Some(document) if is_page => page(document, &headers),
        // A person who followed a broken link wants more than a problem in JSON.
        Some(document) if wants_html(&headers) && first != "api" => {
            let mut response = page(document, &headers);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        None if is_page => {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (plain, WELCOME).into_response()
        }
        _ => Problem::no_such_path(uri.path()).into_response(),
    }
}

fn asset(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let mut response = answer(path, file, headers);
    if path.starts_with(NAMED_BY_CONTENT) {
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
    }
    response
}

fn page(document: EmbeddedFile, headers: &HeaderMap) -> Response {
    let mut response = answer(DOCUMENT, document, headers);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let body = match file.data {
        Cow::Borrowed(bytes) => axum::body::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    caching::answer(headers, content_type(path), body)
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// By the end of the name; the build makes no others.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn get(path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        let response = serve(Method::GET, path.parse().unwrap(), headers).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        (parts.status, parts.headers, text)
    }

    /// Holds with and without built pages.
    #[tokio::test]
    async fn what_is_no_page_is_a_problem_for_programs() {
        for path in [
            "/nothing",
            "/api/v1/nothing",
            "/assets/gone.js",
            "/../etc/passwd",
        ] {
            let (status, headers, _) = get(path, "application/json").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        }
        let (_, headers, _) = get("/api/v1/nothing", "text/html").await;
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }

    #[tokio::test]
    async fn a_page_is_the_document_or_says_what_to_run() {
        let is_built = Built::get(DOCUMENT).is_some();
        for path in ["/", "/c/ph", "/c/ph/globe", "/status"] {
            let (status, headers, body) = get(path, "text/html").await;
            assert_eq!(status, StatusCode::OK, "{path}");
            if is_built {
                let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
                assert!(!policy.contains("unsafe"), "{policy}");
                assert!(body.contains("<script"), "{body}");
                assert!(
                    !body.contains("<script>"),
                    "a script in the document: {body}"
                );
            } else {
                assert!(body.contains("make web"), "{body}");
            }
        }
        let (status, _, _) = get("/nothing", "text/html").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_is_named_by_its_content_is_kept_for_good() {
        for path in Built::iter().filter(|path| path.starts_with(NAMED_BY_CONTENT)) {
            let (status, headers, _) = get(&format!("/{path}"), "*/*").await;
            assert_eq!(status, StatusCode::OK, "{path}");
            let kept = headers[header::CACHE_CONTROL].to_str().unwrap();
            assert!(kept.contains("immutable"), "{kept}");
            let content_type = &headers[header::CONTENT_TYPE];
            assert_ne!(content_type, "application/octet-stream", "{path}");
        }
    }
}

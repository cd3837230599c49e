//! Answers that a browser may keep, and asks about before it shows them again.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use xxhash_rust::xxh3::xxh3_64;

/// Kept by the one who asked, never by a proxy for others; used again only after asking.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Kept for a year without asking: the address names the very content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// An answer that will be the same whenever this address is asked.
pub(crate) fn immutable(
    request: &HeaderMap,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = answer(request, content_type, body);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, IMMUTABLE);
    response
}

/// An answer with a tag made from its body; 304 without the body if the caller has it already.
pub(crate) fn answer(
    request: &HeaderMap,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let body = body.into();
    let tag = tag(&body);
    if has(request, &tag) {
        not_modified(&tag)
    } else {
        tagged(content_type, &tag, body)
    }
}

/// An answer with a tag that was made from what the body is made from.
pub(crate) fn tagged(content_type: &'static str, tag: &str, body: Bytes) -> Response {
    kept(
        tag,
        ([(header::CONTENT_TYPE, content_type)], body).into_response(),
    )
}

/// The caller has the body with this tag.
pub(crate) fn not_modified(tag: &str) -> Response {
    kept(tag, StatusCode::NOT_MODIFIED.into_response())
}

fn kept(tag: &str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    // Hexadecimal digits in quotation marks are a header value.
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Weak, because the same body goes out compressed and not.
pub(crate) fn tag(body: &[u8]) -> String {
    format!("W/\"{:016x}\"", xxh3_64(body))
}

/// Whether the caller says that it holds the body with this tag. Strong or weak makes no difference
/// for GET.
pub(crate) fn has(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || opaque(held) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_held_already_is_not_sent_again() {
        let first = answer(&HeaderMap::new(), "text/plain", "ten devices");
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CACHE_CONTROL], "private, no-cache");
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert!(
            tag.starts_with("W/\"") && tag.ends_with('"') && tag.len() == 20,
            "{tag}"
        );
        for held in [
            tag.clone(),
            opaque(&tag).to_owned(),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, held.parse().unwrap());
            let again = answer(&request, "text/plain", "ten devices");
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{held}");
            assert_eq!(again.headers()[header::ETAG], tag);
            if held != "*" {
                let changed = answer(&request, "text/plain", "nine devices");
                assert_eq!(changed.status(), StatusCode::OK, "{held}");
            }
        }
    }
}

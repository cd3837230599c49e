//! What went wrong, as RFC 9457 problem details.
//!
//! A problem says what the caller can change. What went wrong on our side goes to the log in
//! full and to the caller in one sentence: a database's message may hold names, addresses and
//! data that are nobody's business.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Country;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;

/// The content type of every error.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// When to ask again while the database is away, or we are too busy.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// As much of a caller's own text as is repeated to them.
const MAX_QUOTED_CHARS: usize = 64;

/// As much of a reason that holds a caller's text.
const MAX_REASON_CHARS: usize = 200;

/// The kinds of problems. Each has one status and one URN that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BadParameter,
    NotSignedIn,
    ForOperatorsOnly,
    UnknownCountry,
    UnknownDevice,
    NoSuchPath,
    UnknownMark,
    MethodNotAllowed,
    FromAnotherSite,
    BodyTooSlow,
    BodyTooLarge,
    NotJson,
    HostNotServed,
    Internal,
    DatabaseAway,
    TooBusy,
    TooManyRequests,
    NotReady,
    TookTooLong,
}

impl Kind {
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadParameter => (
                S::BAD_REQUEST,
                "urn:headcount:problem:bad-parameter",
                "A parameter is wrong",
            ),
            Self::NotSignedIn => (
                S::UNAUTHORIZED,
                "urn:headcount:problem:not-signed-in",
                "Not signed in",
            ),
            Self::ForOperatorsOnly => (
                S::FORBIDDEN,
                "urn:headcount:problem:for-operators-only",
                "For operators only",
            ),
            Self::UnknownCountry => (
                S::NOT_FOUND,
                "urn:headcount:problem:unknown-country",
                "Country not in use",
            ),
            Self::UnknownDevice => (
                S::NOT_FOUND,
                "urn:headcount:problem:unknown-device",
                "Device not known",
            ),
            Self::NoSuchPath => (
                S::NOT_FOUND,
                "urn:headcount:problem:no-such-path",
                "Nothing here",
            ),
            Self::UnknownMark => (
                S::NOT_FOUND,
                "urn:headcount:problem:unknown-mark",
                "No such mark",
            ),
            Self::FromAnotherSite => (
                S::FORBIDDEN,
                "urn:headcount:problem:from-another-site",
                "Sent by another site",
            ),
            Self::BodyTooSlow => (
                S::REQUEST_TIMEOUT,
                "urn:headcount:problem:body-too-slow",
                "The body did not come",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "urn:headcount:problem:body-too-large",
                "The body is too large",
            ),
            Self::NotJson => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "urn:headcount:problem:not-json",
                "Not JSON",
            ),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "urn:headcount:problem:method-not-allowed",
                "Method not allowed",
            ),
            Self::HostNotServed => (
                S::MISDIRECTED_REQUEST,
                "urn:headcount:problem:host-not-served",
                "Host not served",
            ),
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "urn:headcount:problem:internal",
                "Internal error",
            ),
            Self::DatabaseAway => (
                S::SERVICE_UNAVAILABLE,
                "urn:headcount:problem:database-away",
                "Database away",
            ),
            Self::TooBusy => (
                S::SERVICE_UNAVAILABLE,
                "urn:headcount:problem:too-busy",
                "Too busy",
            ),
            Self::TooManyRequests => (
                S::TOO_MANY_REQUESTS,
                "urn:headcount:problem:too-many-requests",
                "Too many requests",
            ),
            Self::NotReady => (
                S::SERVICE_UNAVAILABLE,
                "urn:headcount:problem:not-ready",
                "Not ready",
            ),
            Self::TookTooLong => (
                S::GATEWAY_TIMEOUT,
                "urn:headcount:problem:took-too-long",
                "Took too long",
            ),
        }
    }
}

/// A request that was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    parameter: Option<&'static str>,
    troubles: Vec<Trouble>,
    retry_after: Option<Duration>,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDetails {
    /// Names the kind of problem, for programs. Never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:headcount:problem:bad-parameter")]
    kind: &'static str,
    /// The kind of problem in words.
    #[schema(example = "A parameter is wrong")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// What is wrong here, and what to change.
    #[schema(
        example = "`from` (2026-11-22T00:00:00+08:00) is after `to` (2026-11-21T00:00:00+08:00): swap them"
    )]
    detail: String,
    /// The parameter that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "from")]
    parameter: Option<&'static str>,
    /// The parts that are not ready; only at `/readyz`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubles: Vec<Trouble>,
}

/// A part that cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Trouble {
    /// The part.
    #[schema(example = "database")]
    part: String,
    /// Why it cannot.
    #[schema(
        example = "the database schema is at version 0, this binary needs 1: run `headcount migrate`"
    )]
    why: String,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let retry_after = matches!(kind, Kind::DatabaseAway | Kind::TooBusy).then_some(RETRY_AFTER);
        Self {
            kind,
            detail: detail.into(),
            parameter: None,
            troubles: Vec::new(),
            retry_after,
        }
    }

    /// A parameter of the path or the query cannot be used.
    pub(crate) fn bad_parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            parameter: Some(name),
            ..Self::new(Kind::BadParameter, detail)
        }
    }

    /// The same about another parameter: where a country is not part of the path.
    pub(crate) fn about(self, parameter: &'static str) -> Self {
        Self {
            parameter: Some(parameter),
            ..self
        }
    }

    /// The query as a whole cannot be read: a parameter that nobody knows, or one given twice.
    pub(crate) fn bad_query(reason: &str) -> Self {
        Self::new(
            Kind::BadParameter,
            format!(
                "the query cannot be used: {}",
                shortened(reason, MAX_REASON_CHARS)
            ),
        )
    }

    /// The path cannot be read as text.
    pub(crate) fn bad_path(reason: &str) -> Self {
        Self::new(
            Kind::BadParameter,
            format!(
                "the path cannot be used: {}",
                shortened(reason, MAX_REASON_CHARS)
            ),
        )
    }

    /// The body cannot be read as what it should be.
    pub(crate) fn bad_body(reason: &str) -> Self {
        Self::new(
            Kind::BadParameter,
            format!(
                "the body cannot be used: {}",
                shortened(reason, MAX_REASON_CHARS)
            ),
        )
    }

    /// The body says that it is something else than JSON.
    pub(crate) fn not_json() -> Self {
        Self::new(
            Kind::NotJson,
            "the body is JSON: send it with `Content-Type: application/json`",
        )
    }

    /// The body is longer than any that could be meant.
    pub(crate) fn body_too_large(max_bytes: usize) -> Self {
        Self::new(
            Kind::BodyTooLarge,
            format!("a body may have {max_bytes} bytes"),
        )
    }

    /// The body did not arrive.
    pub(crate) fn body_too_slow(patience: Duration) -> Self {
        let secs = patience.as_secs();
        Self::new(
            Kind::BodyTooSlow,
            format!("a body has to arrive within {secs} s"),
        )
    }

    /// A number that belongs to no mark of this kind.
    pub(crate) fn unknown_mark(number: i64) -> Self {
        Self {
            parameter: Some("id"),
            ..Self::new(
                Kind::UnknownMark,
                format!("nothing here has the id {number}"),
            )
        }
    }

    /// Nobody we know asks for more than the probes; `wanted` says what would let them in.
    pub(crate) fn not_signed_in(wanted: &str) -> Self {
        Self::new(Kind::NotSignedIn, format!("this needs {wanted}"))
    }

    /// Somebody we know asks for what their role does not see.
    pub(crate) fn for_operators_only() -> Self {
        Self::new(
            Kind::ForOperatorsOnly,
            "single devices are shown to operators only, and only they change anything; sign in as one",
        )
    }

    /// A well-formed country that no device was heard in.
    pub(crate) fn unknown_country(country: Country, in_use: &[Country]) -> Self {
        let detail = if in_use.is_empty() {
            format!("`{country}` is not in use, nor is any other country yet: no device was heard")
        } else {
            let codes: Vec<_> = in_use.iter().map(Country::as_str).collect();
            format!(
                "`{country}` is not in use; in use are: {}",
                codes.join(", ")
            )
        };
        Self {
            parameter: Some("cc"),
            ..Self::new(Kind::UnknownCountry, detail)
        }
    }

    /// A well-formed id that belongs to no device.
    pub(crate) fn unknown_device(id: &model::DeviceId) -> Self {
        let detail = format!("no device with the id `{id}` was ever heard or registered");
        Self {
            parameter: Some("id"),
            ..Self::new(Kind::UnknownDevice, detail)
        }
    }

    /// No route has this path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        let detail = format!(
            "nothing is at {}; /openapi.json lists what there is",
            quoted(path)
        );
        Self::new(Kind::NoSuchPath, detail)
    }

    /// The path exists, the method does not.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        let detail = format!(
            "{} does not work here; the header `Allow` says what does",
            quoted(method.as_str())
        );
        Self::new(Kind::MethodNotAllowed, detail)
    }

    /// A browser says that the page of somebody else sends this.
    pub(crate) fn from_another_site() -> Self {
        Self::new(
            Kind::FromAnotherSite,
            "a page of another site may not change anything here",
        )
    }

    /// The request was meant for another host.
    pub(crate) fn host_not_served(host: &str) -> Self {
        let detail = format!(
            "this listens for this machine only and answers to localhost and loopback addresses, \
             not to the host {}",
            quoted(host)
        );
        Self::new(Kind::HostNotServed, detail)
    }

    /// Parts of the process cannot work.
    pub(crate) fn not_ready(troubles: BTreeMap<&'static str, String>) -> Self {
        let troubles: Vec<_> = troubles
            .into_iter()
            .map(|(part, why)| Trouble {
                part: part.to_owned(),
                why,
            })
            .collect();
        let parts: Vec<_> = troubles
            .iter()
            .map(|trouble| trouble.part.as_str())
            .collect();
        let detail = format!("not ready: {}", parts.join(", "));
        Self {
            troubles,
            ..Self::new(Kind::NotReady, detail)
        }
    }

    /// There is nothing to answer from yet.
    pub(crate) fn getting_ready() -> Self {
        Self::new(
            Kind::NotReady,
            "getting ready; `/api/v1/status` says what is being prepared",
        )
    }

    /// Nobody waits for ever.
    pub(crate) fn took_too_long() -> Self {
        Self::new(
            Kind::TookTooLong,
            "this took longer than a request may; ask for a shorter range, or again later",
        )
    }

    /// As many requests as may be answered at once are.
    pub(crate) fn too_busy() -> Self {
        Self::new(
            Kind::TooBusy,
            "too many requests are being answered right now; ask again later",
        )
    }

    /// One caller asks too often.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(
                Kind::TooManyRequests,
                "more requests come from your address than one may send; ask again after \
                 `Retry-After` seconds, and less often",
            )
        }
    }

    /// One caller was wrong about a password too often.
    pub(crate) fn too_many_wrong_passwords(wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(
                Kind::TooManyRequests,
                "too many wrong names or passwords came from your address; try again after \
                 `Retry-After` seconds",
            )
        }
    }

    /// Something that cannot happen did.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(
            Kind::Internal,
            "something went wrong on our side; the log says what",
        )
    }
}

/// What every question may be answered with instead of an answer, for the description of the API.
pub(crate) struct Refusals;

impl utoipa::IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        BTreeMap::from([
            refusal(
                400,
                "A parameter is wrong; the detail names it and the fix.",
            ),
            refusal(
                401,
                "Access control is on, and the request does not prove who sends it.",
            ),
            refusal(
                404,
                "What the path names is not there; the detail says what is.",
            ),
            refusal(
                429,
                "Too many requests come from one address; ask again after `Retry-After`.",
            ),
            refusal(
                503,
                "The database is away, or too much is asked; ask again after `Retry-After`.",
            ),
            refusal(504, "It took too long; ask for less."),
        ])
    }
}

/// The same where only operators may ask.
pub(crate) struct OperatorRefusals;

impl utoipa::IntoResponses for OperatorRefusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut responses = Refusals::responses();
        responses.extend([refusal(403, "The caller is no operator.")]);
        responses
    }
}

/// The same where something is changed.
pub(crate) struct ChangeRefusals;

impl utoipa::IntoResponses for ChangeRefusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut responses = Refusals::responses();
        responses.extend([
            refusal(
                403,
                "The caller is no operator, or a page of another site sent this.",
            ),
            refusal(408, "The body did not arrive in time."),
            refusal(413, "The body is too large."),
            refusal(415, "The body is not said to be JSON."),
        ]);
        responses
    }
}

fn refusal(status: u16, description: &str) -> (String, RefOr<utoipa::openapi::Response>) {
    let schema = utoipa::openapi::Ref::from_schema_name("ProblemDetails");
    let content = utoipa::openapi::ContentBuilder::new()
        .schema(Some(schema))
        .build();
    let response = utoipa::openapi::ResponseBuilder::new()
        .description(description)
        .content(CONTENT_TYPE, content)
        .build();
    (status.to_string(), response.into())
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        if error.is_pool_exhausted() || error.is_away() {
            tracing::warn!(%error, "the database does not answer a request");
            return Self::new(
                Kind::DatabaseAway,
                "the database cannot be reached, or has no time for us; ask again later",
            );
        }
        if error.is_too_slow() {
            tracing::warn!(%error, "the database took too long for a request");
            return Self::took_too_long();
        }
        Self::internal(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, urn, title) = self.kind.describe();
        let body = ProblemDetails {
            kind: urn,
            title,
            status: status.as_u16(),
            detail: self.detail,
            parameter: self.parameter,
            troubles: self.troubles,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            // Whole seconds, and not one too early.
            let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

/// A caller's text, in quotation marks and not at full length.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text, MAX_QUOTED_CHARS))
}

fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(problem: Problem) -> (Response<()>, serde_json::Value) {
        let (parts, body) = problem.into_response().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (
            Response::from_parts(parts, ()),
            serde_json::from_slice(&body).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_problem_names_the_parameter_and_says_what_to_do() {
        let (response, body) = read(Problem::bad_parameter("from", "`from` is no time")).await;
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:headcount:problem:bad-parameter",
                "title": "A parameter is wrong",
                "status": 400,
                "detail": "`from` is no time",
                "parameter": "from",
            })
        );
    }

    #[tokio::test]
    async fn what_went_wrong_on_our_side_stays_on_our_side() {
        let secret = "password authentication failed for user \"headcount\"";
        let corrupt = store::Error::Corrupt {
            what: "time zone",
            value: secret.to_owned(),
        };
        let (response, body) = read(corrupt.into()).await;
        assert_eq!(response.status(), 500);
        assert!(!body.to_string().contains("password"), "{body}");
        let (response, body) = read(store::Error::Stalled(30).into()).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        assert_eq!(body["type"], "urn:headcount:problem:database-away");
    }

    #[test]
    fn a_long_text_is_not_repeated_in_full() {
        assert_eq!(quoted("ab"), "`ab`");
        assert_eq!(
            quoted(&"端".repeat(100_000)).chars().count(),
            MAX_QUOTED_CHARS + 3
        );
    }
}

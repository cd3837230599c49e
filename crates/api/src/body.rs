//! Bodies of requests, with every refusal as a problem.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The longest body that is read. What people write here are a few lines.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a body may take to arrive in full.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The body, JSON read into `T`. `T` should refuse fields that it does not know.
pub(crate) struct InBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for InBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::not_json());
        }
        let body = read(request.into_body(), BODY_TIMEOUT).await?;
        let value =
            serde_json::from_slice(&body).map_err(|error| Problem::bad_body(&error.to_string()))?;
        Ok(Self(value))
    }
}

async fn read(body: Body, patience: Duration) -> Result<axum::body::Bytes, Problem> {
    let collected = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(patience, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::body_too_large(MAX_BODY_BYTES))
        }
        Ok(Err(error)) => Err(Problem::bad_body(&error.to_string())),
        Err(_elapsed) => Err(Problem::body_too_slow(patience)),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Note {
        title: String,
    }

    async fn note(content_type: &str, body: impl Into<Body>) -> Result<Note, String> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        InBody::from_request(request, &())
            .await
            .map(|InBody(note)| note)
            .map_err(|problem| format!("{problem:?}"))
    }

    #[tokio::test]
    async fn a_body_is_json_of_a_size() {
        let good = note("application/JSON; charset=utf-8", "{\"title\": \"端末\"}");
        assert_eq!(good.await.unwrap().title, "端末");
        for (content_type, body, word) in [
            ("text/plain", "{\"title\": \"x\"}".to_owned(), "NotJson"),
            ("application/json", "{\"title\": ".to_owned(), "EOF"),
            (
                "application/json",
                "{\"titel\": 1}".to_owned(),
                "unknown field `titel`",
            ),
            ("application/json", "x".repeat(2 << 20), "BodyTooLarge"),
        ] {
            let refusal = note(content_type, body).await.unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<axum::body::Bytes, axum::Error>>();
        let body = Body::from_stream(never);
        let refusal = read(body, Duration::from_millis(1)).await.unwrap_err();
        assert!(format!("{refusal:?}").contains("BodyTooSlow"));
    }
}

//! Parameters of the path and the query, with every refusal as a problem.

use std::error::Error as _;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query, read into `T`. `T` should refuse parameters that it does not know: a misspelt `form`
/// that is silently ignored answers another question than the one asked.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection: QueryRejection| Problem::bad_query(&innermost(&rejection)))?;
        Ok(Self(value))
    }
}

/// The path's one parameter.
pub(crate) struct InPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_path(&rejection.body_text()))?;
        Ok(Self(text))
    }
}

/// For routes without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

/// The reason at the bottom: the layers above it only say that a query could not be read.
fn innermost(rejection: &QueryRejection) -> String {
    let mut reason = rejection.source();
    while let Some(deeper) = reason.and_then(std::error::Error::source) {
        reason = Some(deeper);
    }
    reason.map_or_else(|| rejection.body_text(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Range {
        from: Option<String>,
        to: Option<String>,
    }

    fn refusal<T: DeserializeOwned>(uri: &str) -> Option<String> {
        Query::<T>::try_from_uri(&uri.parse().unwrap())
            .err()
            .map(|error| innermost(&error))
    }

    #[test]
    fn a_query_with_a_slip_is_refused_in_clear_words() {
        assert_eq!(refusal::<Range>("/?from=2026-11-21"), None);
        let cases = [
            ("/?form=1", "unknown field `form`, expected `from` or `to`"),
            ("/?from=1&from=2", "duplicate field `from`"),
        ];
        for (uri, reason) in cases {
            let refusal = refusal::<Range>(uri).unwrap();
            assert!(refusal.ends_with(reason), "{refusal}");
        }
        assert_eq!(refusal::<NoParameters>("/"), None);
        assert!(
            refusal::<NoParameters>("/?limit=-1")
                .unwrap()
                .contains("unknown field `limit`")
        );
    }
}

//! The query of a request as a typed struct.
//! Invariant: unknown and repeated names are refused.
//! Used by `rest`; tests in `tests/parsing.rs`.

use axum::extract::FromRequestParts;
use http::request::Parts;
use model::Code;
use serde::de::DeserializeOwned;

use crate::door::Door;
use crate::translate::problem::Problem;

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Door> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Door) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(Code::ArgumentInvalid, format!("the query: {}", rejection.body_text()))),
        }
    }
}

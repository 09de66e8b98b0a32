//! A GET that takes something must not be answered to a HEAD, which would take it and show nothing.
//! Invariant: a handler that has `OnlyGet` runs for GET alone.
//! Used by `rest::seed` and `rest::streaming`; tests in `tests/doors.rs`.

use axum::extract::FromRequestParts;
use http::Method;
use http::request::Parts;
use model::Code;

use crate::translate::problem::Problem;

/// The method is GET.
pub(crate) struct OnlyGet;

impl<S: Sync> FromRequestParts<S> for OnlyGet {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.method == Method::GET {
            return Ok(Self);
        }
        Err(Problem::new(Code::MethodNotAllowed, "this takes messages, so it answers GET only"))
    }
}

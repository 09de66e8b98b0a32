//! A problem document as RFC 9457 describes it, with a stable code and a hint beside the text.
//! Invariant: nothing secret and no path of the server's disk is in it.
//! Made by `translate::problem`; golden table in `tests/golden/problems.txt`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A page that explains the code, on this server.
    #[serde(rename = "type")]
    #[schema(example = "/errors/queue_not_found")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The stable code; compare this.
    #[schema(example = "queue_not_found")]
    pub code: String,
    /// What to do about it.
    pub hint: String,
    /// When the same request may be sent again; the Retry-After header says it in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
}

/// The meaning of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The stable code.
    pub code: String,
    /// What it means.
    pub title: String,
    /// The status it is answered with.
    pub status: u16,
    /// What to do about it.
    pub hint: String,
}

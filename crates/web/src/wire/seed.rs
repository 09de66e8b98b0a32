//! The documents of the ten old operations.
//! Invariant: text comes back exactly as it was posted.
//! Used by `rest::seed`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Name;

/// Parameters of the old paths.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct SeedParam {
    /// The queue or topic, in the namespace `default`.
    pub name: Name,
}

/// A message to post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"data": "hello"}))]
pub struct SeedPost {
    /// The text.
    #[schema(max_length = 16_777_216)]
    pub data: String,
}

/// A message that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedMessage {
    /// The text; null when there is no message, or when it is not UTF-8.
    pub data: Option<String>,
    /// The bytes as base64, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data_base64: Option<String>,
    /// The id of the message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The authenticated user who sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender: Option<String>,
}

/// That a message was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedPosted {
    /// The id of the message.
    pub id: String,
}

/// The name that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedCreated {
    /// The name.
    pub name: Name,
}

/// The name that was deleted, with its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedDeleted {
    /// The name.
    pub name: Name,
    /// Messages that were deleted with it.
    pub messages: u64,
}

/// The queues of the namespace `default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedQueues {
    /// Their names in order.
    pub queues: Vec<Name>,
    /// Send this as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// The topics of the namespace `default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedTopics {
    /// Their names in order.
    pub topics: Vec<Name>,
    /// Send this as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// Where an old list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct SeedQuery {
    /// Where the list before ended.
    #[param(max_length = 255)]
    pub cursor: Option<String>,
}

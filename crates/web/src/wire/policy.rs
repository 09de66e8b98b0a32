//! Policies: settings that queues and exchanges of fitting names have beside their own.
//! Invariant: a request refuses unknown fields; what a policy does not give is null.
//! Translated by `translate::policy`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::object::object;
use super::{Headers, Name, Overflow, QueueSettings};

/// What a policy is for, beside the pattern of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyTarget {
    /// All queues.
    #[default]
    Queues,
    /// All queues and exchanges.
    All,
    /// Those that were not declared as quorum queues.
    Classic,
    /// Those that were declared as quorum queues.
    Quorum,
    /// All exchanges, and no queue.
    Exchanges,
}

/// What a policy gives to a queue or an exchange.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Most messages.
    #[schema(minimum = 1)]
    pub max_messages: Option<u64>,
    /// Most bytes of messages.
    #[schema(minimum = 1)]
    pub max_bytes: Option<u64>,
    /// What happens at either bound, of queues without a bound of their own.
    pub overflow: Option<Overflow>,
    /// Lifetime of messages that name none.
    #[schema(minimum = 1)]
    pub message_ttl_ms: Option<u64>,
    /// Deliveries before a message is given up.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub delivery_limit: Option<u32>,
    /// Where dead letters go, of queues without a place of their own.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key of dead letters.
    #[schema(max_length = 255)]
    pub dead_letter_key: Option<String>,
    /// How long a consumer stream may keep a message unsettled.
    #[schema(minimum = 1)]
    pub consumer_timeout_ms: Option<u64>,
    /// Kept and not looked at.
    pub arguments: Headers,
    /// How long a queue stays that nobody uses.
    #[schema(minimum = 1, maximum = 316_224_000_000_u64)]
    pub expires_ms: Option<u64>,
    /// Where an exchange sends what no binding of it fits, unless it was created with such a place.
    pub alternate: Option<Name>,
}

/// A policy, under the name of its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"pattern": "^orders\\.", "settings": {"max_messages": 100_000}}))]
pub struct PolicyRequest {
    /// A regular expression that the names of its queues and exchanges fit.
    #[schema(max_length = 1024)]
    pub pattern: String,
    /// Which of those.
    #[serde(default)]
    pub target: PolicyTarget,
    /// The highest one of those that fit applies.
    #[serde(default)]
    pub priority: i32,
    /// What it gives.
    #[serde(default, deserialize_with = "object")]
    pub settings: PolicySettings,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// A regular expression that the names of its queues and exchanges fit.
    pub pattern: String,
    /// Which of those.
    pub target: PolicyTarget,
    /// The highest one of those that fit applies.
    pub priority: i32,
    /// What it gives.
    pub settings: PolicySettings,
}

/// The policies of a namespace, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policies {
    /// All of them.
    pub policies: Vec<Policy>,
}

/// The policy that applies to a queue, and the settings in effect with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppliedPolicy {
    /// Its name.
    pub name: Name,
    /// The settings in effect.
    pub settings: QueueSettings,
}

/// A policy in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct PolicyParam {
    /// The policy.
    pub policy: Name,
}

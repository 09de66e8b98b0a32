//! Receiving and settling, the same for a queue and a shared subscription.
//! Invariant: a settle answers one result a receipt, in the order of the request.
//! Translated by `translate::settle`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Name;

/// The token of one delivery; send it back exactly as it was received.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0[12][0-9a-f]{60}$")]
#[allow(dead_code, reason = "describes a text; `translate::settle` reads it")]
pub struct Receipt(String);

/// Takes messages under a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"max": 10, "wait_ms": 0, "lease_ms": 30000}))]
pub struct ReceiveRequest {
    /// At most this many.
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    pub max: Option<u32>,
    /// Wait this long for the first message.
    #[schema(minimum = 0, maximum = 60_000, default = 0)]
    pub wait_ms: Option<u64>,
    /// How long the messages are the caller's; left out: as the source's settings say.
    #[schema(minimum = 100, maximum = 43_200_000)]
    pub lease_ms: Option<u64>,
    /// Who asks; required on a stream subscription.
    pub member: Option<Name>,
}

/// Settles deliveries: the work is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// Which deliveries.
    #[schema(value_type = Vec<Receipt>, min_items = 1, max_items = 4096)]
    pub receipts: Vec<String>,
}

/// Gives deliveries back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NackRequest {
    /// Which deliveries.
    #[schema(value_type = Vec<Receipt>, min_items = 1, max_items = 4096)]
    pub receipts: Vec<String>,
    /// Deliver them again after this long; zero or left out means at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(minimum = 0, maximum = 316_224_000_000_u64)]
    pub delay_ms: Option<u64>,
    /// Never again: to the dead letters, or dropped where there are none. Not with `delay_ms`.
    #[serde(default)]
    pub reject: bool,
}

/// Keeps deliveries for longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRequest {
    /// Which deliveries.
    #[schema(value_type = Vec<Receipt>, min_items = 1, max_items = 4096)]
    pub receipts: Vec<String>,
    /// The new length of the lease, counted from now.
    #[schema(minimum = 100, maximum = 43_200_000)]
    pub lease_ms: u64,
}

/// What became of one receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettleStatus {
    /// Done as asked.
    Settled,
    /// The lease had ended, or another delivery has the message: nothing was changed.
    LeaseLost,
    /// The text is not a receipt.
    Invalid,
}

/// What became of one receipt, beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettleResult {
    /// The receipt of the request.
    pub receipt: String,
    /// What became of it.
    pub status: SettleStatus,
}

/// The results in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settled {
    /// One a receipt.
    pub results: Vec<SettleResult>,
}

/// How to stream deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct StreamQuery {
    /// Unsettled messages at once; a settled one, or one whose lease ended, makes room for another.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub credit: Option<u32>,
    /// The lease of each message; extend it by its receipt.
    #[param(minimum = 100, maximum = 43_200_000, default = 30_000)]
    pub lease_ms: Option<u64>,
}

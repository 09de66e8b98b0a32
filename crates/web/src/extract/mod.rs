//! What handlers take out of a request: who calls, names in the path, the query, the body.
//! Invariant: whatever does not fit is answered with a problem; credentials are proved before anything else is read.
//! Used by `rest`; tests in `tests/parsing.rs`.

mod body;
mod caller;
mod method;
mod path;
mod publication;
mod query;

pub(crate) use body::{Json, JsonOrDefault};
pub(crate) use caller::{Authenticated, PeerOrigin};
pub(crate) use method::OnlyGet;
pub(crate) use path::{
    ExchangePath, InNamespace, NamespacePath, PartitionPath, PolicyPath, QueuePath, SeedPath, SubscriptionPath,
    TokenPath, TopicPath, UserPath, Word,
};
pub(crate) use publication::{IdempotencyKey, Publication, PublicationBody};
pub(crate) use query::Query;

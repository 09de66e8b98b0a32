//! Between the documents of `wire` and the language of `model`, both ways.
//! Invariant: what comes in is checked here and trusted afterwards; what goes out loses nothing.
//! tests in `tests.rs` beside this and `tests/problems.rs`.

mod access;
mod exchange;
mod header;
mod message;
mod mirror;
mod node;
mod policy;
pub(crate) mod problem;
mod queue;
mod settle;
mod subscription;
mod topic;

#[cfg(test)]
mod tests;

pub(crate) use access::{password_credentials, removal};
pub(crate) use exchange::{binding, bindings, routed_messages};
pub(crate) use message::{
    cursor_of, derive_ids, idempotency_key, place_of, queue_messages, redrive, text_or_base64, topic_messages,
};
pub(crate) use node::readiness;
pub(crate) use policy::policy;
pub(crate) use settle::{check_wait, nack_action, receive, settled, sort};
pub(crate) use topic::{read_start, record};

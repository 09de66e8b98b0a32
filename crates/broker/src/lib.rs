//! The deterministic state machine of a shard: queues, topics, subscriptions, users.
//!
//! Pure: state and batch in, state, outcomes and effects out. No clock, thread, socket, random source,
//! async or hash-order iteration here or below; payloads are referred to, never read or copied.
//! Reading order: where messages lie, what is proposed, what comes out, then the nouns, then the machine
//! that puts them together, and at the end how its state is saved.

pub mod limits;
pub mod place;
pub mod policy;
pub mod wire;

pub mod codec;
pub mod command;
pub mod effect;
pub mod outcome;
pub mod record;

pub mod liveness;

pub mod access;
mod deduplication;
pub mod queue;
pub mod route;

pub mod group;
pub mod subscription;
pub mod topic;

pub mod machine;
mod page;

pub use machine::Machine;

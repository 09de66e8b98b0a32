//! The shared language of Recado: what every door, node and shard says to each other.
//!
//! Pure: no clock, thread, socket, random source or async runtime here or below. Reading order:
//! numbers and names, messages, the nouns (queue, topic, subscription, access, node), then the table
//! of operations, what can go wrong, and the one door through which everything passes.
//! Tests live beside the types; `operation` is the table that checks, docs and matrices come from.

pub mod limits;
pub mod name;
pub mod number;
pub mod page;

pub mod header;
pub mod message;
pub mod properties;
pub mod receipt;

pub mod access;
pub mod binding;
pub mod exchange;
pub mod node;
pub mod policy;
pub mod queue;
pub mod subscription;
pub mod topic;

pub mod operation;

pub mod code;
pub mod failure;
pub mod refusal;

pub mod backend;
pub mod caller;

pub use backend::{Backend, Consume, Deliveries, Reply, Sharing};
pub use caller::{Caller, Credentials, Origin, Secret};
pub use code::Code;
pub use failure::{Failure, Fault, Retry, Unavailable};
pub use operation::{Call, OperationKind, Request, Response};
pub use refusal::Refusal;

//! What goes over the wire as JSON: one struct a document, with its schema.
//! Conventions: times are milliseconds since 1970 (`…_at`), lengths of time are milliseconds (`…_ms`), bytes that
//! are UTF-8 go as text and others as base64 in a field of their own (`…_base64`).
//! Invariant: a request refuses unknown fields. Conversions live in `translate`; tests in `translate/tests.rs`.

mod access;
mod common;
mod exchange;
mod header;
mod message;
mod node;
mod object;
mod policy;
mod problem;
mod properties;
mod queue;
mod seed;
mod settle;
mod subscription;
mod topic;

pub use access::*;
pub use common::*;
pub use exchange::*;
pub use header::*;
pub use message::*;
pub use node::*;
pub(crate) use object::Object;
pub use policy::*;
pub use problem::*;
pub use properties::*;
pub use queue::*;
pub use seed::*;
pub use settle::*;
pub use subscription::*;
pub use topic::*;

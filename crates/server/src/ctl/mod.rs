//! The client commands: each turns its arguments into a request of the model and prints the reply.
//! Invariant: what is printed as JSON is the document that the REST door answers with.
//! Called by `main` with an open session.

pub(crate) mod access;
pub(crate) mod cluster;
pub(crate) mod consume;
pub(crate) mod exchange;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod queue;
pub(crate) mod settle;
pub(crate) mod subscription;
pub(crate) mod topic;
pub(crate) mod user;

//! The adapter to the consensus library: the only place that names it.
//! Reading order: the types, what is written down, the log, the state machine, the way to peers.
//! Invariant: nothing of the library is visible outside of this folder.

pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod message;
mod network;
pub(crate) mod runtime;
pub(crate) mod state;
mod types;
mod watch;
pub(crate) mod written;

#[cfg(test)]
mod conformance;

//! How a shard reaches its replicas on other nodes: messages out, answers back. What carries them is an argument.
//! Invariant: a message that is not answered in its time may have arrived; nothing here is tried again by itself, the
//! consensus does that.
//! Implemented by the node over the network, and by the tests in memory.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

/// The answer to a message, on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Bytes, Unreached>> + Send>>;

/// A node did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node} at {address} does not answer: {why}")]
pub struct Unreached {
    /// The node.
    pub node: u64,
    /// Where it was looked for.
    pub address: String,
    /// What happened instead.
    pub why: String,
}

/// The way to the other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Brings a message to the shard of the same name on a node, to `Shard::answer`, and its answer back. Gives up after
    /// `within`.
    fn send(&self, node: u64, address: &str, message: Bytes, within: Duration) -> Answer;
}

//! What carries the messages of this node's shard to the other nodes.
//! Invariant: sockets are polled by the threads of the doors, never by the thread of the shard, which has none.
//! Handed to the shard by `slot`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::{Answer, Peers, Unreached};
use peer::Links;
use tokio::runtime::Handle;

/// Connections to the other nodes, for the shard.
pub(super) struct Wire {
    pub(super) links: Arc<Links>,
    pub(super) threads: Handle,
}

impl Peers for Wire {
    fn send(&self, node: u64, address: &str, message: Bytes, within: Duration) -> Answer {
        let unreached = {
            let address = address.to_owned();
            move |why: String| Unreached { node, address, why }
        };
        let (links, address) = (Arc::clone(&self.links), address.to_owned());
        let sending = self.threads.spawn(async move {
            let client = links.to(Some(node), &address)?;
            client.exchange(message, within).await
        });
        Box::pin(async move {
            match sending.await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(refused)) => Err(unreached(refused.to_string())),
                Err(error) => Err(unreached(error.to_string())),
            }
        })
    }
}

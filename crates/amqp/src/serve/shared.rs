//! What the connections of a door have in common: the broker, exclusive queues, addresses of direct replies.
//! Invariant: what a connection entered here is gone when it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Backend;
use model::name::QueueRef;
use tokio::sync::{Semaphore, mpsc};

use super::{Registry, Settings};
use crate::session::{Delivered, Identity};

/// Names a connection of this door.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) Arc<str>);

impl ConnectionId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A direct reply on its way to a connection.
pub(crate) struct DirectReply {
    pub(crate) address: String,
    pub(crate) message: Delivered,
}

#[derive(Default)]
struct Register {
    exclusive: BTreeMap<QueueRef, ConnectionId>,
    replies: BTreeMap<String, mpsc::Sender<DirectReply>>,
}

/// The common part.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    /// The connections that are open.
    pub(crate) registry: Arc<Registry>,
    /// Places for those that have not logged in.
    pub(crate) strangers: Arc<Semaphore>,
    register: Mutex<Register>,
}

impl Shared {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        settings: Settings,
        identity: Identity,
        registry: Arc<Registry>,
        strangers_max: usize,
    ) -> Self {
        let strangers = Arc::new(Semaphore::new(strangers_max));
        Self { backend, settings, identity, registry, strangers, register: Mutex::default() }
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has a queue for itself.
    pub(crate) fn holder(&self, queue: &QueueRef) -> Option<ConnectionId> {
        self.register().exclusive.get(queue).cloned()
    }

    /// Gives a queue to a connection.
    pub(crate) fn hold(&self, queue: QueueRef, connection: ConnectionId) {
        self.register().exclusive.insert(queue, connection);
    }

    /// A queue is gone.
    pub(crate) fn release(&self, queue: &QueueRef) {
        self.register().exclusive.remove(queue);
    }

    /// Takes out the queues of a connection that ends.
    pub(crate) fn queues_of(&self, connection: &ConnectionId) -> Vec<QueueRef> {
        let register = self.register();
        let its = register.exclusive.iter().filter(|(_, holder)| *holder == connection);
        its.map(|(queue, _)| queue.clone()).collect()
    }

    /// Says where direct replies to these addresses go, instead of those before.
    pub(crate) fn receive_replies(&self, before: &[String], now: &[String], sender: &mpsc::Sender<DirectReply>) {
        let mut register = self.register();
        for address in before {
            register.replies.remove(address);
        }
        for address in now {
            register.replies.insert(address.clone(), sender.clone());
        }
    }

    /// Sends a direct reply; it is lost when nobody waits for it or too many wait, as the mode promises no more.
    pub(crate) fn reply(&self, address: String, message: Delivered) {
        let sender = self.register().replies.get(&address).cloned();
        if let Some(sender) = sender {
            // Lost when the connection cannot keep up.
            let _ = sender.try_send(DirectReply { address, message });
        }
    }
}

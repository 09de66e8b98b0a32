//! The connections of a door, for whoever asks: what each last told of itself, and a way to close it.
//! Invariants: a connection is entered once it is open and taken out when it ends; there are at most `CONNECTIONS_MAX`.
//! Filled by `connection`, read by the management API through `rabbit::Connections`; tests below, and at the binary.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rabbit::{Channel, Connection, Connections};
use tokio::sync::oneshot;

/// A connection that is open.
struct Entry {
    told: Connection,
    closing: Option<oneshot::Sender<String>>,
}

/// The open connections of a process.
#[derive(Default)]
pub struct Registry(Mutex<BTreeMap<String, Entry>>);

/// The place of a connection, which goes with it.
pub(super) struct Place {
    registry: Arc<Registry>,
    name: String,
}

impl Registry {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection; what is received says that it must close, and why.
    pub(super) fn enter(self: &Arc<Self>, told: Connection) -> (Place, oneshot::Receiver<String>) {
        let (closing, closed) = oneshot::channel();
        let name = told.name.clone();
        self.entries().insert(name.clone(), Entry { told, closing: Some(closing) });
        (Place { registry: Arc::clone(self), name }, closed)
    }
}

impl Place {
    /// Tells how it is now.
    pub(super) fn tell(&self, is_blocked: bool, channels: Vec<Channel>) {
        if let Some(entry) = self.registry.entries().get_mut(&self.name) {
            entry.told.is_blocked = is_blocked;
            entry.told.channels = channels;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.entries().remove(&self.name);
    }
}

impl Connections for Registry {
    fn list(&self) -> Vec<Connection> {
        self.entries().values().map(|entry| entry.told.clone()).collect()
    }

    fn close(&self, name: &str, reason: &str) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(name) else { return false };
        if let Some(closing) = entry.closing.take() {
            // A connection that is ending already does not listen.
            let _ = closing.send(reason.to_owned());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

    use model::name::{NamespaceName, UserName};
    use model::number::Timestamp;

    use super::*;

    fn connection(name: &str) -> Connection {
        Connection {
            name: name.to_owned(),
            user: UserName::parse("ana").unwrap(),
            mechanism: "PLAIN",
            namespace: NamespaceName::default(),
            peer: "127.0.0.1:1".parse().unwrap(),
            own: "127.0.0.1:2".parse().unwrap(),
            is_secured: false,
            since: Timestamp::new(0),
            channel_max: 0,
            frame_max: 0,
            heartbeat: 0,
            client_properties: Vec::new(),
            is_blocked: false,
            channels: Vec::new(),
        }
    }

    #[test]
    fn a_connection_is_listed_until_it_ends_and_is_told_to_close_once() {
        let registry = Arc::new(Registry::default());
        let (place, mut closed) = registry.enter(connection("one"));
        place.tell(true, Vec::new());
        assert!(registry.list().iter().all(|one| one.name == "one" && one.is_blocked));
        assert!(!registry.close("two", "why"));
        assert!(registry.close("one", "enough") && registry.close("one", "again"));
        assert_eq!(closed.try_recv().as_deref(), Ok("enough"));
        drop(place);
        assert!(registry.list().is_empty() && !registry.close("one", "enough"));
    }
}

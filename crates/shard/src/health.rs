//! The first fault of a shard, kept for everyone who asks afterwards, and whether it is damage that other replicas can mend.
//! Invariant: once a fault is there it stays until the shard is closed; nothing is answered with success after it.
//! Called by every room; read by `Shard::fault`. `Damage` is given to `Shard::open` by the node of a cluster.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, OnceLock};

use model::failure::{Failure, Fault, Unavailable};
use tokio::sync::Notify;

/// Told when a shard stops because bytes on its disk are not what was written. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Damage(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    fault: OnceLock<Fault>,
    told: Notify,
}

impl Damage {
    /// What was found.
    pub fn fault(&self) -> Option<Fault> {
        self.0.fault.get().cloned()
    }

    /// Waits until damage is found.
    pub async fn found(&self) -> Fault {
        loop {
            let told = self.0.told.notified();
            if let Some(fault) = self.fault() {
                return fault;
            }
            told.await;
        }
    }

    fn note(&self, fault: &Fault) {
        self.0.fault.get_or_init(|| fault.clone());
        self.0.told.notify_waiters();
    }
}

/// Shared by all parts of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    first: Arc<OnceLock<Fault>>,
    damage: Damage,
    /// There are other replicas, from which damage is mended while this one is closed.
    heals: bool,
}

impl Health {
    pub(crate) const fn new(first: Arc<OnceLock<Fault>>, damage: Damage, heals: bool) -> Self {
        Self { first, damage, heals }
    }

    /// The first fault, if there was one.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.first.get().cloned()
    }

    /// The first fault, unless it is damage that is mended from others.
    pub(crate) fn lasting(&self) -> Option<Fault> {
        self.fault().filter(|_| !self.is_mended())
    }

    /// What is answered after a fault. A shard that is mended serves again in a moment, and meanwhile others lead.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let fault = self.fault()?;
        Some(if self.is_mended() { Unavailable::NoLeader.into() } else { fault.into() })
    }

    fn is_mended(&self) -> bool {
        self.heals && self.damage.fault().is_some()
    }

    /// Notes a fault and gives back the one that counts: the first.
    pub(crate) fn fail(&self, what: impl Display) -> Fault {
        let fault = self.first.get_or_init(|| {
            let what = what.to_string();
            tracing::error!(%what, "the shard stops");
            Fault { what }
        });
        fault.clone()
    }

    /// Notes damage.
    pub(crate) fn fail_by_damage(&self, what: impl Display) -> Fault {
        let first = self.fail(what);
        self.damage.note(&first);
        first
    }

    /// Notes a fault of the store.
    pub(crate) fn fail_on_disk(&self, fault: &storage::Fault) -> Fault {
        if fault.is_damage() { self.fail_by_damage(fault) } else { self.fail(fault) }
    }

    /// Passes a result on in the form that the consensus library wants, and notes a fault.
    pub(crate) fn guard<T, E: Display>(&self, outcome: Result<T, E>) -> io::Result<T> {
        outcome.map_err(|error| io::Error::other(self.fail(error).what))
    }

    /// The same for a result of the store.
    pub(crate) fn guard_disk<T>(&self, outcome: Result<T, storage::Fault>) -> io::Result<T> {
        outcome.map_err(|fault| io::Error::other(self.fail_on_disk(&fault).what))
    }
}

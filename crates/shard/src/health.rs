//! The first fault of a shard, kept for everyone who asks afterwards, and whether it is damage that other replicas can mend.
//! Invariant: once a fault is there it stays until the shard is closed; nothing is answered with success after it.
//! Called by every room; read by `Shard::fault`. `Damage` is given to `Shard::open` by the node of a cluster.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, OnceLock};

use model::failure::{Failure, Fault, Unavailable};
use tokio::sync::Notify;

/// Told when a shard stops by itself, and whether others can mend it. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Damage(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    found: OnceLock<Found>,
    bell: Notify,
}

/// Why a shard stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The first fault.
    pub fault: Fault,
    /// Bytes on its disk are not what was written: other replicas have them.
    pub is_mendable: bool,
}

impl Damage {
    /// What others can mend, if that is why the shard stopped.
    pub fn fault(&self) -> Option<Fault> {
        self.0.found.get().filter(|found| found.is_mendable).map(|found| found.fault.clone())
    }

    /// Waits until the shard stops by itself.
    pub async fn found(&self) -> Found {
        loop {
            let told = self.0.bell.notified();
            if let Some(found) = self.0.found.get() {
                return found.clone();
            }
            told.await;
        }
    }
}

/// Shared by all parts of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    damage: Damage,
    /// There are other replicas, from which damage is mended while this one is closed.
    heals: bool,
}

impl Health {
    pub(crate) const fn new(damage: Damage, heals: bool) -> Self {
        Self { damage, heals }
    }

    /// Whether there is a way to other replicas.
    pub(crate) const fn has_others(&self) -> bool {
        self.heals
    }

    /// The first fault, if there was one.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.damage.0.found.get().map(|found| found.fault.clone())
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
        self.note(&what, false)
    }

    /// Notes damage.
    pub(crate) fn fail_by_damage(&self, what: impl Display) -> Fault {
        self.note(&what, true)
    }

    fn note(&self, what: &dyn Display, is_mendable: bool) -> Fault {
        let found = self.damage.0.found.get_or_init(|| {
            let what = what.to_string();
            tracing::error!(%what, "the shard stops");
            Found { fault: Fault { what }, is_mendable }
        });
        self.damage.0.bell.notify_waiters();
        found.fault.clone()
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

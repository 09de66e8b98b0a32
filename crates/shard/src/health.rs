//! The first fault of a shard, kept for everyone who asks afterwards.
//! Invariant: once a fault is there it stays until the process ends; nothing is answered with success after it.
//! Called by every room; read by `Shard::fault`.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, OnceLock};

use model::failure::Fault;

/// Shared by all parts of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    first: Arc<OnceLock<Fault>>,
}

impl Health {
    /// The first fault, if there was one.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.first.get().cloned()
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

    /// Passes a result on in the form that the consensus library wants, and notes a fault.
    pub(crate) fn guard<T, E: Display>(&self, outcome: Result<T, E>) -> io::Result<T> {
        outcome.map_err(|error| io::Error::other(self.fail(error).what))
    }
}

//! Effects on their way from the log to the leader's runtime: a set, since an effect that waits already need
//! not wait twice.
//! Invariant: bounded by the number of sources and partitions; nothing that was put in is lost.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use broker::effect::Effect;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Effects {
    waiting: Mutex<BTreeSet<Effect>>,
    arrived: Notify,
}

impl Effects {
    /// Puts in what a batch asks for. Called by the log; never waits.
    pub(crate) fn put(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(effects);
        self.arrived.notify_one();
    }

    /// Takes all that waits; waits for some if there is none.
    pub(crate) async fn take(&self) -> BTreeSet<Effect> {
        loop {
            let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }
}

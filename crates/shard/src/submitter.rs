//! The way into the log for the shard's own parts, and the base of `Shard`.
//! Invariant: everything that is submitted here is answered, also when the shard stops.
//! Used by `handle`, `timer` and `housekeeping`.

use std::sync::Arc;

use model::failure::{Failure, Unavailable};
use model::number::Epoch;

use crate::inbox::{Group, Urgency};
use crate::machine::StateMachine;
use crate::sequencer::InboxOf;
use crate::watch;

/// Submits commands. Clones submit to the same shard.
pub(crate) struct Submitter<M: StateMachine> {
    inbox: Arc<InboxOf<M>>,
    epoch: watch::Receiver<Option<Epoch>>,
}

impl<M: StateMachine> Clone for Submitter<M> {
    fn clone(&self) -> Self {
        Self { inbox: Arc::clone(&self.inbox), epoch: self.epoch.clone() }
    }
}

impl<M: StateMachine> Submitter<M> {
    pub(crate) fn new(inbox: Arc<InboxOf<M>>, epoch: watch::Receiver<Option<Epoch>>) -> Self {
        Self { inbox, epoch }
    }

    /// Submits commands that go into one batch, and waits for their answers.
    pub(crate) async fn submit(&self, commands: Vec<M::Command>) -> Result<Vec<M::Answer>, Failure> {
        let is_freeing = commands.iter().all(M::is_freeing);
        self.send(commands, if is_freeing { Urgency::Freeing } else { Urgency::Ordinary }).await
    }

    /// Submits a command of the shard itself.
    pub(crate) async fn submit_own(&self, command: M::Command) -> Result<(), Failure> {
        if !self.is_leader() {
            return Err(Unavailable::NoLeader.into());
        }
        self.send(vec![command], Urgency::Own).await.map(drop)
    }

    async fn send(&self, commands: Vec<M::Command>, urgency: Urgency) -> Result<Vec<M::Answer>, Failure> {
        let bytes = commands.iter().map(M::command_bytes).sum();
        let (group, answer) = Group::new(commands, bytes, urgency);
        self.inbox.submit(group);
        // A dropped reply is a sequencer that was torn down with its runtime.
        answer.await.unwrap_or_else(|_| Err(Unavailable::Unknown.into()))
    }

    /// The open leadership.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        *self.epoch.borrow()
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.epoch().is_some()
    }

    /// Whether the shard has stopped for good.
    pub(crate) fn is_stopped(&self) -> bool {
        self.epoch.is_closed()
    }

    /// Waits until the shard has stopped for good.
    pub(crate) async fn stopped(&self) {
        let mut epoch = self.epoch.clone();
        while epoch.changed().await.is_ok() {}
    }

    /// Waits for an open leadership. `None` when the shard stops before.
    pub(crate) async fn led(&self) -> Option<Epoch> {
        let mut epoch = self.epoch.clone();
        loop {
            if let Some(open) = *epoch.borrow_and_update() {
                return Some(open);
            }
            epoch.changed().await.ok()?;
        }
    }

    /// Waits for another leadership than `before`, or none. `None` when the shard stops first.
    pub(crate) async fn reign_after(&self, before: Option<Epoch>) -> Option<Option<Epoch>> {
        let mut epoch = self.epoch.clone();
        loop {
            let now = *epoch.borrow_and_update();
            if now != before {
                return Some(now);
            }
            epoch.changed().await.ok()?;
        }
    }

    pub(crate) fn inbox(&self) -> &InboxOf<M> {
        &self.inbox
    }
}

//! What the leader's runtime asks to hand out messages. Nothing changes here; the lease command that
//! follows records what was handed out.

use std::collections::BTreeSet;

use model::name::Source;
use model::number::{Partition, Sequence, Span};
use model::operation::OperationKind;
use model::refusal::Refusal;
use model::subscription::SubscriptionKind;

use super::Machine;
use crate::command::Principal;
use crate::place::SourceId;
use crate::queue::Picked;

/// How a source hands out messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handout {
    /// Under leases; this long when the consumer names none.
    Leases(Span),
    /// To members; one that has not asked for this long leaves.
    Members(Span),
}

impl Machine {
    /// The source that a consumer names, if it may consume from it, and how it hands out.
    ///
    /// # Errors
    /// What a receive would be refused with.
    pub fn consumable(&self, by: &Principal, source: &Source) -> Result<(SourceId, Handout), Refusal> {
        let id = self.source_for(by, OperationKind::Receive, source)?;
        let handout = match id {
            SourceId::Queue(id) => Handout::Leases(self.queues[&id].settings.lease),
            SourceId::Subscription(id) => match self.subscriptions[&id].settings.kind {
                SubscriptionKind::Stream { session } => Handout::Members(session),
                SubscriptionKind::Shared { lease, .. } => Handout::Leases(lease),
            },
        };
        Ok((id, handout))
    }

    /// The next messages of a source in the order of delivery, without those that are `held`: handed out
    /// already by a lease command that is on its way. At least one if there is any, else up to the bounds.
    pub fn pick(
        &self,
        source: SourceId,
        held: &BTreeSet<(Partition, Sequence)>,
        max: usize,
        bytes_max: u64,
    ) -> Vec<Picked> {
        self.core(source).map_or_else(Vec::new, |core| core.pick(held, max, bytes_max))
    }

    /// How many of these messages of a source still wait for a consumer.
    pub fn ready_among(&self, source: SourceId, places: &BTreeSet<(Partition, Sequence)>) -> u64 {
        self.core(source).map_or(0, |core| core.ready_among(places))
    }

    /// Whether a source still exists.
    pub fn has_source(&self, source: SourceId) -> bool {
        match source {
            SourceId::Queue(id) => self.queues.contains_key(&id),
            SourceId::Subscription(id) => self.subscriptions.contains_key(&id),
        }
    }
}

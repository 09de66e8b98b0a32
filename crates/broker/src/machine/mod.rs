//! The machine: puts queues, topics, subscriptions and users together behind one `apply`.
//!
//! Invariants: `apply` depends on the state and the batch alone; a refused command changes nothing; a
//! message is in exactly one place; every reference is counted in the ledger.
//! Called by the shard with committed batches, in order; read by the leader's runtime.
//! Scripts: `tests/scripts/machine_*.txt`.

mod attendance;
mod dead_letters;
mod entry;
mod exchanges;
mod exchanges_snapshot;
mod find;
mod handout;
mod housekeeping;
mod people;
mod policies;
mod queues;
mod read;
mod routing;
mod settle;
mod snapshot;
mod subscriptions;
mod time;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use model::name::{NamespaceName, QueueName};
use model::number::{Epoch, LogIndex, QueueId, SubscriptionId, Timestamp, TopicId};
use model::refusal::Refusal;
use mutant::Mutant;

use crate::access::Access;
use crate::command::{Action, Batch, Command};
use crate::effect::Effect;
use crate::liveness::Liveness;
use crate::outcome::Outcome;
use crate::place::{MessageRef, SourceId};

pub use handout::Handout;
pub use housekeeping::Survivor;
pub use read::{Answer, Census, ReadPlace};
pub use snapshot::SECTIONS;

use entry::{Namespace, QueueEntry, SubscriptionEntry, TopicEntry};
use time::Timed;

/// The state of a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The time of the newest batch.
    now: Timestamp,
    /// The newest batch.
    applied: LogIndex,
    /// The leadership that works now.
    epoch: Epoch,
    /// The next id of any kind.
    next_id: u64,
    access: Access,
    namespaces: BTreeMap<NamespaceName, Namespace>,
    queues: BTreeMap<QueueId, QueueEntry>,
    topics: BTreeMap<TopicId, TopicEntry>,
    subscriptions: BTreeMap<SubscriptionId, SubscriptionEntry>,
    /// Who sends dead letters to a queue, so that it is not deleted under them.
    dead_letter_users: BTreeMap<(NamespaceName, QueueName), BTreeSet<SourceId>>,
    /// When something is due, earliest first.
    deadlines: BTreeSet<(Timestamp, Timed)>,
    ledger: Liveness,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// An empty machine with the namespaces that always exist.
    pub fn new() -> Self {
        let namespaces = [NamespaceName::default(), NamespaceName::system()];
        Self {
            now: Timestamp::new(0),
            applied: LogIndex::new(0),
            epoch: Epoch::new(0),
            next_id: 1,
            access: Access::default(),
            namespaces: namespaces.into_iter().map(|name| (name, Namespace::default())).collect(),
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            dead_letter_users: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ledger: Liveness::default(),
        }
    }

    /// Applies a committed batch that lies in the segment starting at `segment`. Outcomes are in the order
    /// of the commands.
    pub fn apply(
        &mut self,
        index: LogIndex,
        segment: LogIndex,
        batch: &Batch,
        effects: &mut Vec<Effect>,
    ) -> Vec<Result<Outcome, Refusal>> {
        assert!(index > self.applied, "batches are applied once and in order");
        self.applied = index;
        self.now = self.now.max(batch.now);
        if mutant::is_on(Mutant::LocalClock) {
            self.now = self.now.max(Timestamp::new(mutant::local_time()));
        }
        self.ledger.open_segment(segment);
        self.advance(effects);
        let mut next = MessageRef { index, position: 0 };
        batch
            .commands
            .iter()
            .map(|command| {
                let first = next;
                next.position += command.action.record_count();
                self.perform(command, first, effects)
            })
            .collect()
    }

    fn perform(&mut self, command: &Command, first: MessageRef, effects: &mut Vec<Effect>) -> Result<Outcome, Refusal> {
        let by = &command.principal;
        match &command.action {
            Action::OpenEpoch => Ok(self.open_epoch(effects)),
            Action::Tick => Ok(Outcome::Done),
            Action::CreateQueue(request) => self.create_queue(by, request),
            Action::AlterQueue(request) => self.alter_queue(by, request, effects),
            Action::DeleteQueue(request) => self.delete_queue(by, request, effects),
            Action::PurgeQueue(request) => self.purge_queue(by, request),
            Action::TransferQueue(request) => self.transfer_queue(by, request),
            Action::Publish { queue, records } => self.publish(by, queue, records, first, effects),
            Action::CancelMessages(request) => self.cancel_messages(by, request, effects),
            Action::Redrive(request) => self.redrive(by, request, effects),
            Action::Lease { source, epoch, end, picks } => self.lease(*source, *epoch, *end, picks),
            Action::Release { source, receipts } => self.release(*source, receipts, effects),
            Action::Ack(request) => self.ack(by, request, effects),
            Action::Nack(request) => self.nack(by, request, effects),
            Action::Extend(request) => self.extend(by, request),
            Action::NoteUse { queue, epoch, usage } => Ok(self.note_use(*queue, *epoch, *usage, effects)),
            Action::CreateTopic(request) => self.create_topic(by, request),
            Action::AlterTopic(request) => self.alter_topic(by, request, effects),
            Action::DeleteTopic(request) => self.delete_topic(by, request, effects),
            Action::TransferTopic(request) => self.transfer_topic(by, request),
            Action::PublishTopic { topic, records } => self.publish_topic(by, topic, records, first, effects),
            Action::CreateExchange(request) => self.create_exchange(by, request),
            Action::DeleteExchange(request) => self.delete_exchange(by, request),
            Action::Bind(request) => self.bind(by, request),
            Action::Unbind(request) => self.unbind(by, request),
            Action::SetPolicy(request) => self.set_policy(by, request, effects),
            Action::DeletePolicy(request) => self.delete_policy(by, request, effects),
            Action::PublishExchange { exchange, records } => {
                self.publish_exchange(by, exchange, records, first, effects)
            }
            Action::CreateSubscription(request) => self.create_subscription(by, request, effects),
            Action::DeleteSubscription(request) => self.delete_subscription(by, request, effects),
            Action::Commit(request) => self.commit(by, request),
            Action::Seek(request) => self.seek(by, request, effects),
            Action::Join { subscription, member } => self.join(by, subscription, member, effects),
            Action::Leave(request) => self.leave(by, request, effects),
            Action::Relocate(relocations) => Ok(self.relocate(relocations, first)),
            Action::DropSegments { first } => Ok(self.drop_segments(first)),
            Action::Claim { .. }
            | Action::CreateUser { .. }
            | Action::AlterUser { .. }
            | Action::DeleteUser(_)
            | Action::AddGrant(_)
            | Action::RemoveGrant(_)
            | Action::CreateToken { .. }
            | Action::RevokeToken(_)
            | Action::Logout { .. }
            | Action::CreateNamespace(_)
            | Action::DeleteNamespace(_) => self.perform_for_people(by, &command.action),
        }
    }

    fn open_epoch(&mut self, effects: &mut Vec<Effect>) -> Outcome {
        self.epoch = Epoch::new(self.applied.get());
        self.end_transient(effects);
        self.lose_consumers();
        self.end_connection_leases(effects);
        Outcome::Epoch(self.epoch)
    }

    /// The time of the newest batch.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The newest batch that was applied.
    pub const fn applied(&self) -> LogIndex {
        self.applied
    }

    /// The leadership that works now.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Users, tokens and grants.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    fn new_id(&mut self) -> u64 {
        if mutant::is_on(Mutant::HashOrder) {
            self.next_id += mutant::hash_order(4);
        }
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

//! The reference: what must be so after the batches that were applied, in plain lists, from the commands alone.
//!
//! It predicts what it can and takes over what it cannot know: ids, places, the partition that has its turn.
//! Invariant: it never looks into the machine but for places of messages that were moved.
//! Called by `observer` with each new batch. Checks of single steps are in `check`.

mod access;
mod leases;
pub mod line;
pub mod places;
mod queues;
pub mod topic;
mod topics;

use std::collections::BTreeMap;

use broker::command::{Action, Command};
use broker::outcome::Outcome;
use broker::place::{MessageRef, SourceId};
use broker::record::{self, IdHash};
use bytes::Bytes;
use model::message::{Message, MessagePlace};
use model::name::{QueueName, TopicName};
use model::number::{Epoch, LogIndex, QueueId, SubscriptionId, Timestamp, TopicId, UserId};
use model::queue::QueueSettings;
use model::refusal::Refusal;

use crate::check::{Property, Verdicts, errors};
use crate::events::{Event, Tally};
use crate::trace::fold;

use line::{Line, Passed};
use places::Places;
use topic::{Cursor, Topic};
pub use topics::entered;

/// What the checks write down.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Broken promises.
    pub verdicts: Verdicts,
    /// Rare events.
    pub tally: Tally,
}

/// What became of a command.
pub type Answer = Result<Outcome, Refusal>;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// How it behaves.
    pub settings: QueueSettings,
    /// Its messages.
    pub line: Line,
    /// Ids that are remembered.
    pub ids: BTreeMap<IdHash, (Timestamp, MessagePlace, Epoch)>,
    /// Which places were given.
    pub places: Places,
}

/// Everything that must be so.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The time of the newest batch.
    pub now: Timestamp,
    /// The newest leadership.
    pub epoch: Epoch,
    /// Queues.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Queues by name.
    pub queue_ids: BTreeMap<QueueName, QueueId>,
    /// Topics.
    pub topics: BTreeMap<TopicId, Topic>,
    /// Topics by name.
    pub topic_ids: BTreeMap<TopicName, TopicId>,
    /// Subscriptions with their topics.
    pub cursors: BTreeMap<SubscriptionId, (TopicId, Cursor)>,
    /// The user that has rights only by grants.
    pub guest: Option<UserId>,
    /// Rights to publish of the guest, by queue: allowed, denied.
    pub grants: BTreeMap<String, (bool, bool)>,
    /// Which message lies at a place of the log.
    pub records: BTreeMap<MessageRef, u64>,
    /// The hash of the record of each message that was sent.
    pub sent: BTreeMap<u64, u64>,
    /// Queues and subscriptions whose newcomers have no place yet.
    pub unplaced: Vec<QueueId>,
    /// Subscriptions whose windows began anew: what is in them is taken over.
    pub restarted: Vec<SubscriptionId>,
}

/// The message that a record holds.
#[must_use]
pub fn message_of(record: &Bytes) -> Option<(u64, Message)> {
    let message = record::decode(record.clone(), Timestamp::new(0), None).ok()?;
    let number = message.id.as_str().strip_prefix('m')?.parse().ok()?;
    Some((number, message))
}

impl Book {
    /// Takes over a batch that was applied.
    pub fn apply(
        &mut self,
        index: LogIndex,
        now: Timestamp,
        batch: (&[Command], &[Answer]),
        records: &[Bytes],
        notes: &mut Notes,
    ) {
        self.now = self.now.max(now);
        self.note_records(index, records, notes);
        self.advance(notes);
        let (commands, answers) = batch;
        if commands.len() > 1 {
            notes.tally.note(Event::ManyInOneBatch);
        }
        let mut position = 0;
        for (command, answer) in commands.iter().zip(answers) {
            let first = MessageRef { index, position };
            position += command.action.record_count();
            self.perform(index, first, command, answer, notes);
        }
        notes.verdicts.demand(Property::Replay, commands.len() == answers.len(), || {
            format!("{} commands have {} answers", commands.len(), answers.len())
        });
    }

    fn note_records(&mut self, index: LogIndex, records: &[Bytes], notes: &mut Notes) {
        for (position, record) in (0..).zip(records) {
            let Some((number, _)) = message_of(record) else {
                notes
                    .verdicts
                    .broken(Property::Authentic, format!("record {position} of batch {index} was never sent"));
                continue;
            };
            let hash = fold(0, record);
            let known = *self.sent.entry(number).or_insert(hash);
            notes.verdicts.demand(Property::Authentic, known == hash, || {
                format!("message {number} was written again with other bytes in batch {index}")
            });
            self.records.insert(MessageRef { index, position }, number);
        }
    }

    /// Lets time pass, in queues first and subscriptions last, as dead letters of both go to queues.
    fn advance(&mut self, notes: &mut Notes) {
        let now = self.now;
        let queues: Vec<_> = self.queues.keys().map(|id| SourceId::Queue(*id)).collect();
        let sources = queues.into_iter().chain(self.cursors.keys().map(|id| SourceId::Subscription(*id)));
        for source in sources.collect::<Vec<_>>() {
            let passed = self.line_mut(source).map(|line| line.advance(now));
            self.after(source, passed.unwrap_or_default(), notes);
        }
    }

    /// Does what follows from messages that left.
    fn after(&mut self, source: SourceId, passed: Passed, notes: &mut Notes) {
        for _ in 0..passed.leases_ended {
            notes.tally.note(Event::LeaseExpired);
        }
        for _ in 0..passed.delays_ended {
            notes.tally.note(Event::DelayEnded);
        }
        for gone in passed.gone {
            self.bury(source, gone, notes);
        }
    }

    /// The messages of a source that hands out under leases.
    pub fn line_mut(&mut self, source: SourceId) -> Option<&mut Line> {
        match source {
            SourceId::Queue(id) => self.queues.get_mut(&id).map(|queue| &mut queue.line),
            SourceId::Subscription(id) => match self.cursors.get_mut(&id) {
                Some((_, Cursor::Shared(line, _))) => Some(line),
                Some((_, Cursor::Stream(..))) | None => None,
            },
        }
    }

    /// The messages of a source that hands out under leases.
    #[must_use]
    pub fn line(&self, source: SourceId) -> Option<&Line> {
        match source {
            SourceId::Queue(id) => self.queues.get(&id).map(|queue| &queue.line),
            SourceId::Subscription(id) => match self.cursors.get(&id) {
                Some((_, Cursor::Shared(line, _))) => Some(line),
                Some((_, Cursor::Stream(..))) | None => None,
            },
        }
    }

    fn perform(&mut self, index: LogIndex, first: MessageRef, command: &Command, answer: &Answer, notes: &mut Notes) {
        errors::check(self, command, answer, notes);
        let Ok(outcome) = answer else {
            self.refused(&command.action, answer, notes);
            return;
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "the clients of the simulator do not do more")]
        match &command.action {
            Action::OpenEpoch => self.open_epoch(index, notes),
            Action::CreateQueue(request) => self.create_queue(request, outcome),
            Action::AlterQueue(request) => self.alter_queue(request),
            Action::DeleteQueue(request) => self.delete_queue(request, notes),
            Action::PurgeQueue(request) => self.purge_queue(request, outcome, notes),
            Action::Publish { queue, .. } => self.publish(queue, first, &command.action, outcome, notes),
            Action::CancelMessages(request) => self.cancel(request, outcome, notes),
            Action::Redrive(request) => self.redrive(request, outcome, notes),
            Action::Lease { source, epoch, end, picks } => self.lease(*source, *epoch, *end, (picks, outcome), notes),
            Action::Release { source, receipts } => self.release(*source, receipts, notes),
            Action::Ack(request) => self.ack(request, outcome, notes),
            Action::Nack(request) => self.nack(request, outcome, notes),
            Action::Extend(request) => self.extend(request, outcome, notes),
            Action::CreateTopic(request) => self.create_topic(request, outcome),
            Action::AlterTopic(request) => self.alter_topic(request, notes),
            Action::DeleteTopic(request) => self.delete_topic(request),
            Action::PublishTopic { topic, .. } => self.publish_topic(topic, first, &command.action, outcome, notes),
            Action::CreateSubscription(request) => self.create_subscription(request, outcome),
            Action::DeleteSubscription(request) => self.delete_subscription(request),
            Action::Commit(request) => self.commit(request, outcome, notes),
            Action::Seek(request) => self.seek(request, outcome, notes),
            Action::Join { subscription, member } => self.join(subscription, member),
            Action::Leave(request) => self.leave(request),
            Action::CreateUser { .. } => self.create_user(outcome),
            Action::AddGrant(request) => self.add_grant(&request.grant),
            Action::RemoveGrant(request) => self.remove_grant(request),
            Action::Relocate(_) => notes.tally.note(Event::MessagesRelocated),
            Action::DropSegments { .. } => notes.tally.note(Event::SegmentDropped),
            _ => {}
        }
    }

    fn open_epoch(&mut self, index: LogIndex, notes: &mut Notes) {
        let epoch = Epoch::new(index.get());
        notes
            .verdicts
            .demand(Property::Leases, self.epoch < epoch, || format!("epoch {epoch} follows epoch {}", self.epoch));
        self.epoch = epoch;
        let now = self.now;
        let queues: Vec<_> = self.queues.keys().map(|id| SourceId::Queue(*id)).collect();
        let sources = queues.into_iter().chain(self.cursors.keys().map(|id| SourceId::Subscription(*id)));
        for source in sources.collect::<Vec<_>>() {
            let passed = self.line_mut(source).map(|line| line.end_connection_leases(now, epoch)).unwrap_or_default();
            if passed.leases_ended > 0 {
                notes.tally.note(Event::ConnectionLeaseEnded);
            }
            self.after(source, Passed { leases_ended: 0, ..passed }, notes);
        }
    }
}

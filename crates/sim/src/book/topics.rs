//! Topics and subscriptions in the reference.
//! Invariant: offsets of a partition rise by one; a committed offset moves back only by a seek.
//! Called by `Book::perform`.

use broker::command::Action;
use broker::group::Group;
use broker::outcome::Outcome;
use broker::place::MessageRef;
use broker::record::Head;
use model::message::MessagePlace;
use model::name::{MemberName, SubscriptionRef, TopicRef};
use model::number::{Offset, Partition, Sequence, SubscriptionId, TopicId};
use model::operation::Response;
use model::queue::DeliveryOrder;
use model::subscription::{Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, Seek, SubscriptionKind};
use model::topic::{AlterTopic, CreateTopic, DeleteTopic};

use super::line::{self, Life, Line};
use super::topic::{Cursor, Kept, Topic};
use super::{Book, Notes};
use crate::check::{commits, offsets};
use crate::events::Event;

impl Book {
    pub(super) fn create_topic(&mut self, request: &CreateTopic, outcome: &Outcome) {
        let Outcome::Response(response) = outcome else { return };
        let Response::CreateTopic(created) = &**response else { return };
        if created.created {
            self.topic_ids.insert(request.topic.name.clone(), created.description.id);
            self.topics.insert(created.description.id, Topic::new(request.settings.clone()));
        }
    }

    fn topic_named(&mut self, name: &TopicRef) -> Option<(TopicId, &mut Topic)> {
        let id = *self.topic_ids.get(&name.name)?;
        self.topics.get_mut(&id).map(|topic| (id, topic))
    }

    pub(super) fn alter_topic(&mut self, request: &AlterTopic, notes: &mut Notes) {
        let now = self.now;
        let Some((_, topic)) = self.topic_named(&request.topic) else { return };
        let settings = request.patch.clone().applied_to(topic.settings.clone());
        if topic.settings.partitions < settings.partitions {
            notes.tally.note(Event::PartitionsGrown);
        }
        let partitions = settings.partitions;
        topic.alter(now, settings);
        let followers: Vec<_> = topic.subscriptions.values().copied().collect();
        for id in followers {
            if let Some((_, Cursor::Stream(committed, group))) = self.cursors.get_mut(&id) {
                group.grow(partitions);
                for number in 0..partitions {
                    committed.entry(Partition::new(number)).or_default();
                }
            }
        }
    }

    pub(super) fn delete_topic(&mut self, request: &DeleteTopic) {
        let Some(id) = self.topic_ids.remove(&request.topic.name) else { return };
        if let Some(topic) = self.topics.remove(&id) {
            for subscription in topic.subscriptions.values() {
                self.cursors.remove(subscription);
            }
        }
    }

    pub(super) fn publish_topic(
        &mut self,
        to: &TopicRef,
        first: MessageRef,
        action: &Action,
        outcome: &Outcome,
        notes: &mut Notes,
    ) {
        let (Outcome::Placed(placed), Action::PublishTopic { records, .. }) = (outcome, action) else { return };
        let now = self.now;
        let numbers: Vec<_> = (first.position..)
            .zip(records)
            .map(|(position, _)| self.records.get(&MessageRef { index: first.index, position }).copied())
            .collect();
        let Some((id, topic)) = self.topic_named(to) else { return };
        let mut added = Vec::new();
        for (((named, record), number), placed) in records.iter().zip(numbers).zip(placed) {
            let (Ok(head), Some(number)) = (Head::read(record), number) else { continue };
            offsets::placed(topic, *named, &head, placed, number, notes);
            if placed.duplicate {
                notes.tally.note(Event::Duplicate);
                continue;
            }
            let offset = Offset::new(placed.place);
            let kept = Kept {
                number,
                published_at: now,
                bytes: u64::from(head.bytes),
                key: head.key,
                is_tombstone: head.empty,
                may_go: false,
            };
            if topic.add(placed.partition, offset, kept).is_some() {
                notes.tally.note(Event::Compacted);
            }
            added.push((placed.partition, offset, number, u64::from(head.bytes)));
        }
        topic.mark(now);
        self.feed(id, &added);
    }

    /// Lets the windows of shared subscriptions take in what was added, as far as compaction left it.
    fn feed(&mut self, id: TopicId, added: &[(Partition, Offset, u64, u64)]) {
        let (now, Some(topic)) = (self.now, self.topics.get(&id)) else { return };
        for (_, cursor) in self.cursors.values_mut().filter(|(topic, _)| *topic == id) {
            let Cursor::Shared(line, _) = cursor else { continue };
            for (partition, offset, number, bytes) in added {
                let is_there = topic.partitions.get(partition).is_some_and(|part| part.records.contains_key(offset));
                if is_there {
                    let place = MessagePlace { partition: *partition, sequence: Sequence::new(offset.get()) };
                    line.kept.insert(place, entered(*number, *bytes, now));
                }
            }
        }
    }

    pub(super) fn create_subscription(&mut self, request: &CreateSubscription, outcome: &Outcome) {
        let Outcome::Response(response) = outcome else { return };
        let Response::CreateSubscription(created) = &**response else { return };
        if !created.created {
            return;
        }
        let id = created.description.id;
        let name = request.subscription.name.clone();
        let Some((topic_id, topic)) = self.topic_named(&request.subscription.topic) else { return };
        topic.subscriptions.insert(name, id);
        let cursor = match &request.settings.kind {
            SubscriptionKind::Stream { .. } => {
                let part = |part: &model::subscription::PartitionProgress| (part.partition, part.committed);
                let group = Group::new(topic.settings.partitions);
                Cursor::Stream(created.description.partitions.iter().map(part).collect(), group)
            }
            SubscriptionKind::Shared { delivery_limit, dead_letter, .. } => {
                self.restarted.push(id);
                Cursor::Shared(Line::new(*delivery_limit, DeliveryOrder::Fifo), dead_letter.clone())
            }
        };
        self.cursors.insert(id, (topic_id, cursor));
    }

    pub(super) fn delete_subscription(&mut self, request: &DeleteSubscription) {
        let Some((_, topic)) = self.topic_named(&request.subscription.topic) else { return };
        if let Some(id) = topic.subscriptions.remove(&request.subscription.name) {
            self.cursors.remove(&id);
        }
    }

    fn subscription_named(&self, name: &SubscriptionRef) -> Option<SubscriptionId> {
        let topic = self.topics.get(self.topic_ids.get(&name.topic.name)?)?;
        topic.subscriptions.get(&name.name).copied()
    }

    pub(super) fn commit(&mut self, request: &Commit, outcome: &Outcome, notes: &mut Notes) {
        let Outcome::Response(response) = outcome else { return };
        let Response::Commit(told) = &**response else { return };
        let id = self.subscription_named(&request.subscription);
        let Some((_, Cursor::Stream(committed, group))) = id.and_then(|id| self.cursors.get_mut(&id)) else { return };
        commits::by_owner(group, request, notes);
        for (wanted, told) in request.offsets.iter().zip(&told.offsets) {
            let before = committed.get(&wanted.partition).copied().unwrap_or_default();
            commits::committed(before, wanted.offset, told.offset, notes);
            notes.tally.note(if wanted.offset < before { Event::CommitBehind } else { Event::Committed });
            committed.insert(wanted.partition, before.max(wanted.offset));
        }
    }

    pub(super) fn join(&mut self, subscription: &SubscriptionRef, member: &MemberName) {
        let id = self.subscription_named(subscription);
        if let Some((_, Cursor::Stream(_, group))) = id.and_then(|id| self.cursors.get_mut(&id)) {
            // More members than a group takes are refused before this.
            let _ = group.join(member.clone());
        }
    }

    pub(super) fn leave(&mut self, request: &LeaveSubscription) {
        let id = self.subscription_named(&request.subscription);
        if let Some((_, Cursor::Stream(_, group))) = id.and_then(|id| self.cursors.get_mut(&id)) {
            group.leave(&request.member);
        }
    }

    pub(super) fn seek(&mut self, request: &Seek, outcome: &Outcome, notes: &mut Notes) {
        let Outcome::Response(response) = outcome else { return };
        let Response::Seek(told) = &**response else { return };
        let Some(id) = self.subscription_named(&request.subscription) else { return };
        match self.cursors.get_mut(&id) {
            Some((_, Cursor::Stream(committed, _))) => {
                for moved in &told.offsets {
                    let before = committed.insert(moved.partition, moved.offset);
                    if before.is_some_and(|before| moved.offset < before) {
                        notes.tally.note(Event::SeekBack);
                    }
                }
            }
            Some((_, Cursor::Shared(line, _))) => {
                for moved in &told.offsets {
                    line.kept.retain(|place, _| place.partition != moved.partition);
                    let max = line.attempts_max.get(&moved.partition).copied().unwrap_or_default();
                    line.attempts_base.insert(moved.partition, max);
                }
                notes.tally.note(Event::SeekBack);
                self.restarted.push(id);
            }
            None => {}
        }
    }
}

/// A record in the window of a shared subscription.
#[must_use]
pub fn entered(number: u64, bytes: u64, published_at: model::number::Timestamp) -> line::Kept {
    line::Kept {
        number,
        life: Life::Waiting,
        attempts: 0,
        published_at,
        expires_at: None,
        bytes,
        priority: model::number::Priority::DEFAULT,
        key: None,
        was_away: false,
        letter: None,
    }
}

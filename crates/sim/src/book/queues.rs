//! Queues in the reference: made, altered, filled, emptied.
//! Invariant: a message is added once for each time it was accepted, and to one queue.
//! Called by `Book::perform`.

use broker::command::Action;
use broker::outcome::{Outcome, Placed};
use broker::place::MessageRef;
use broker::record::Head;
use model::message::{Availability, MessagePlace};
use model::name::QueueRef;
use model::number::{Epoch, QueueId, Sequence, Timestamp};
use model::operation::Response;
use model::queue::{
    AlterQueue, CancelMessages, CreateQueue, DeleteQueue, DeliveryOrder, Overflow, PurgeQueue, Redrive,
};

use super::line::{Kept, Life, Line};
use super::places::Places;
use super::{Answer, Book, Notes, Queue};
use crate::check::{duplicates, multiset, order};
use crate::events::Event;

impl Book {
    pub(super) fn create_queue(&mut self, request: &CreateQueue, outcome: &Outcome) {
        let Outcome::Response(response) = outcome else { return };
        let Response::CreateQueue(created) = &**response else { return };
        if !created.created {
            return;
        }
        let settings = request.settings.clone();
        let queue = Queue {
            name: request.queue.name.clone(),
            line: Line::new(settings.delivery_limit, settings.order),
            settings,
            ids: std::collections::BTreeMap::new(),
            places: Places::default(),
        };
        self.queue_ids.insert(queue.name.clone(), created.description.id);
        self.queues.insert(created.description.id, queue);
    }

    fn queue_named(&mut self, name: &QueueRef) -> Option<(QueueId, &mut Queue)> {
        let id = *self.queue_ids.get(&name.name)?;
        self.queues.get_mut(&id).map(|queue| (id, queue))
    }

    pub(super) fn alter_queue(&mut self, request: &AlterQueue) {
        let Some((_, queue)) = self.queue_named(&request.queue) else { return };
        queue.settings = request.patch.clone().applied_to(queue.settings.clone());
        queue.line.set_limit(queue.settings.delivery_limit);
    }

    pub(super) fn delete_queue(&mut self, request: &DeleteQueue, notes: &mut Notes) {
        if let Some(id) = self.queue_ids.remove(&request.queue.name) {
            self.queues.remove(&id);
            notes.tally.note(Event::QueueRecreated);
        }
    }

    pub(super) fn purge_queue(&mut self, request: &PurgeQueue, outcome: &Outcome, notes: &mut Notes) {
        let Some((_, queue)) = self.queue_named(&request.queue) else { return };
        queue.places.left_unseen(queue.line.arriving.len());
        let removed = queue.line.purge();
        if removed > 0 {
            notes.tally.note(Event::Purged);
        }
        if let Outcome::Response(response) = outcome
            && let Response::PurgeQueue(told) = &**response
        {
            multiset::purged(removed, told.messages, notes);
        }
    }

    pub(super) fn cancel(&mut self, request: &CancelMessages, outcome: &Outcome, notes: &mut Notes) {
        let Outcome::Response(response) = outcome else { return };
        let Response::CancelMessages(told) = &**response else { return };
        let Some((_, queue)) = self.queue_named(&request.queue) else { return };
        for (place, told) in request.places.iter().zip(&told.cancelled) {
            let is_free = |kept: &Kept| !matches!(kept.life, Life::Leased { .. });
            let expected = queue.line.kept.get(place).is_some_and(is_free);
            // A message that was moved here in this batch may lie there.
            if *told && !expected && queue.line.cancel_arriving() {
                queue.places.left_unseen(1);
                continue;
            }
            multiset::cancelled(*place, expected, *told, notes);
            if expected {
                notes.tally.note(Event::Cancelled);
                queue.line.kept.remove(place);
            }
        }
    }

    pub(super) fn publish(
        &mut self,
        to: &QueueRef,
        first: MessageRef,
        action: &Action,
        outcome: &Outcome,
        notes: &mut Notes,
    ) {
        let (Outcome::Placed(placed), Action::Publish { records, .. }) = (outcome, action) else { return };
        let now = self.now;
        let numbers: Vec<_> = (first.position..)
            .zip(records)
            .map(|(position, _)| self.records.get(&MessageRef { index: first.index, position }).copied())
            .collect();
        let epoch = self.epoch;
        let Some((id, queue)) = self.queue_named(to) else { return };
        let mut dropped = Vec::new();
        let mut is_added = false;
        for ((record, number), placed) in records.iter().zip(numbers).zip(placed) {
            let (Ok(head), Some(number)) = (Head::read(record), number) else { continue };
            queue.forget_ids(now);
            let known = head.id.and_then(|id| queue.ids.get(&id)).copied();
            duplicates::recognised(number, known.map(|(_, place, _)| place), placed, notes);
            if placed.duplicate {
                notes.tally.note(Event::Duplicate);
                if known.is_some_and(|(_, _, first)| first < epoch) {
                    notes.tally.note(Event::DuplicateAfterRestart);
                }
                continue;
            }
            queue.add((now, epoch), number, &head, placed, notes);
            is_added = true;
            dropped.extend(queue.drop_oldest());
        }
        if is_added {
            multiset::within_bounds(&queue.settings, queue.line.held_now(), notes);
        }
        let source = broker::place::SourceId::Queue(id);
        for gone in dropped {
            self.bury(source, gone, notes);
        }
    }

    /// Adds a message that was moved here.
    pub(super) fn arrive(&mut self, target: QueueId, moved: Kept) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&target) else { return };
        let expires_at = queue.settings.message_ttl.map(|ttl| now.after(ttl));
        let fresh = Kept { life: Life::Waiting, attempts: 0, expires_at, was_away: true, ..moved };
        queue.line.arriving.push(fresh);
        if !self.unplaced.contains(&target) {
            self.unplaced.push(target);
        }
    }

    pub(super) fn redrive(&mut self, request: &Redrive, outcome: &Outcome, notes: &mut Notes) {
        let Outcome::Response(response) = outcome else { return };
        let Response::Redrive(told) = &**response else { return };
        let target = request.target.as_ref().and_then(|target| self.queue_ids.get(&target.name)).copied();
        let routes: Vec<_> = self.queue_ids.iter().map(|(name, id)| (format!("queue default/{name}"), *id)).collect();
        let Some((id, queue)) = self.queue_named(&request.queue) else { return };
        let route = |origin: &str| target.or_else(|| routes.iter().find(|(name, _)| name == origin).map(|(_, id)| *id));
        let way = |kept: &Kept| {
            let (reason, origin) = kept.letter.as_ref()?;
            let fits = request.filter.reason.is_none_or(|wanted| wanted == *reason) && kept.life == Life::Waiting;
            route(origin).filter(|target| fits && *target != id)
        };
        let mut moved = Vec::new();
        queue.line.kept.retain(|_, kept| match way(kept) {
            Some(target) => {
                moved.push((target, kept.clone()));
                false
            }
            None => true,
        });
        for kept in std::mem::take(&mut queue.line.arriving) {
            match way(&kept) {
                Some(target) => {
                    queue.places.left_unseen(1);
                    moved.push((target, kept));
                }
                None => queue.line.arriving.push(kept),
            }
        }
        multiset::redriven(moved.len(), told.moved, notes);
        for (target, kept) in moved {
            notes.tally.note(Event::Redriven);
            self.arrive(target, kept);
        }
    }

    pub(super) fn refused(&self, action: &Action, answer: &Answer, notes: &mut Notes) {
        let Err(refusal) = answer else { return };
        multiset::refused(self, action, refusal, notes);
    }
}

impl Queue {
    fn forget_ids(&mut self, now: Timestamp) {
        let window = self.settings.deduplication;
        self.ids.retain(|_, (at, _, _)| at.after(window) > now);
    }

    fn add(&mut self, (now, epoch): (Timestamp, Epoch), number: u64, head: &Head, placed: &Placed, notes: &mut Notes) {
        let place = MessagePlace { partition: placed.partition, sequence: Sequence::new(placed.place) };
        order::placed(self.settings.partitions, head, placed, notes);
        self.places.given(place, notes);
        let due = match head.availability {
            Availability::Now => None,
            Availability::After(delay) => Some(now.after(delay)).filter(|due| *due > now),
            Availability::At(time) => {
                notes.tally.note(Event::Scheduled);
                Some(time).filter(|due| *due > now)
            }
        };
        let ttl = head.ttl.into_iter().chain(self.settings.message_ttl).min();
        let kept = Kept {
            number,
            life: due.map_or(Life::Waiting, Life::Delayed),
            attempts: 0,
            published_at: now,
            expires_at: ttl.map(|ttl| due.unwrap_or(now).after(ttl)),
            bytes: u64::from(head.bytes),
            priority: head.priority,
            key: head.key.filter(|_| self.keeps_keys()),
            was_away: due.is_some(),
            letter: None,
        };
        self.line.kept.insert(place, kept);
        if let Some(id) = head.id
            && self.settings.deduplication.get() > 0
        {
            self.ids.insert(id, (now, place, epoch));
        }
    }

    /// A key is kept only where it orders or places something.
    fn keeps_keys(&self) -> bool {
        self.settings.order == DeliveryOrder::PerKey || self.settings.partitions > 1
    }

    fn drop_oldest(&mut self) -> Vec<super::line::Gone> {
        let mut gone = Vec::new();
        while self.settings.overflow == Overflow::DropOldest && self.is_over() {
            let Some(oldest) = self.line.drop_oldest() else { break };
            gone.push(oldest);
        }
        gone
    }

    fn is_over(&self) -> bool {
        let (messages, bytes) = self.line.held_now();
        self.settings.max_messages.is_some_and(|max| max < messages)
            || self.settings.max_bytes.is_some_and(|max| max.get() < bytes)
    }
}

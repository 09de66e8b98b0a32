//! The passing of time: leases end, delayed messages become ready, old ones expire, redrives go on.
//!
//! Time is that of the batch. Work a batch is bounded; what is left is due at once and follows with the next.
//! Invariant: each thing with a deadline stands in the table under exactly that deadline.

use model::number::{QueueId, SubscriptionId, Timestamp, TopicId};

use super::Machine;
use super::entry::Cursor;
use crate::effect::Effect;
use crate::limits::DUE_MESSAGES_PER_BATCH_MAX;
use crate::place::SourceId;

/// What stands in the table of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timed {
    Queue(QueueId),
    Topic(TopicId),
    Subscription(SubscriptionId),
}

impl Machine {
    /// When the next thing is due. The leader proposes a batch by then.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Does what is due, within the bound of a batch.
    pub(super) fn advance(&mut self, effects: &mut Vec<Effect>) {
        let mut budget = DUE_MESSAGES_PER_BATCH_MAX;
        while budget > 0 {
            let Some(&(deadline, timed)) = self.deadlines.first() else { return };
            if deadline > self.now {
                return;
            }
            // A round costs at least one, so that a thing that stays due cannot hold the loop.
            budget -= 1;
            match timed {
                Timed::Queue(id) => self.advance_queue(id, &mut budget, effects),
                Timed::Topic(id) => self.advance_topic(id, &mut budget),
                Timed::Subscription(id) => self.advance_subscription(id, &mut budget, effects),
            }
        }
    }

    fn advance_queue(&mut self, id: QueueId, budget: &mut usize, effects: &mut Vec<Effect>) {
        if self.end_unused(id, effects) {
            return;
        }
        let mut departed = Vec::new();
        let entry = self.queues.get_mut(&id).expect("a queue in the table of deadlines exists");
        if entry.core.advance(self.now, budget, &mut self.ledger, &mut departed) {
            effects.push(Effect::Wake(SourceId::Queue(id)));
        }
        self.bury(SourceId::Queue(id), departed, effects);
        self.go_on_redriving(id, budget, effects);
        self.reschedule_queue(id);
    }

    fn advance_topic(&mut self, id: TopicId, budget: &mut usize) {
        let entry = self.topics.get_mut(&id).expect("a topic in the table of deadlines exists");
        let trimmed = entry.core.trim(self.now, *budget, &mut self.ledger);
        *budget -= trimmed;
        self.reschedule_topic(id);
    }

    fn advance_subscription(&mut self, id: SubscriptionId, budget: &mut usize, effects: &mut Vec<Effect>) {
        let mut departed = Vec::new();
        let entry = self.subscriptions.get_mut(&id).expect("a subscription in the table of deadlines exists");
        if let Cursor::Shared(shared) = &mut entry.cursor
            && shared.advance(self.now, budget, &mut self.ledger, &mut departed)
        {
            effects.push(Effect::Wake(SourceId::Subscription(id)));
        }
        self.bury(SourceId::Subscription(id), departed, effects);
        self.refill(id, effects);
    }

    /// Writes the deadline of a queue into the table.
    pub(super) fn reschedule_queue(&mut self, id: QueueId) {
        let Some(entry) = self.queues.get_mut(&id) else { return };
        let redrive = entry.redrive.as_ref().map(|job| job.next_at);
        let due = [entry.core.next_deadline(), redrive, entry.goes_at()].into_iter().flatten().min();
        let old = std::mem::replace(&mut entry.deadline, due);
        self.move_deadline(Timed::Queue(id), old, due);
    }

    /// Writes the deadline of a topic into the table.
    pub(super) fn reschedule_topic(&mut self, id: TopicId) {
        let Some(entry) = self.topics.get_mut(&id) else { return };
        let due = entry.core.next_deadline();
        let old = std::mem::replace(&mut entry.deadline, due);
        self.move_deadline(Timed::Topic(id), old, due);
    }

    /// Writes the deadline of a subscription into the table.
    pub(super) fn reschedule_subscription(&mut self, id: SubscriptionId) {
        let Some(entry) = self.subscriptions.get_mut(&id) else { return };
        let due = match &entry.cursor {
            Cursor::Shared(shared) => shared.next_deadline(),
            Cursor::Stream(_) => None,
        };
        let old = std::mem::replace(&mut entry.deadline, due);
        self.move_deadline(Timed::Subscription(id), old, due);
    }

    /// Takes something that goes away out of the table.
    pub(super) fn unschedule(&mut self, timed: Timed, deadline: Option<Timestamp>) {
        self.move_deadline(timed, deadline, None);
    }

    fn move_deadline(&mut self, timed: Timed, old: Option<Timestamp>, new: Option<Timestamp>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.deadlines.remove(&(old, timed));
        }
        if let Some(new) = new {
            self.deadlines.insert((new, timed));
        }
    }
}

//! Queues that go when nobody consumes from them: after a time, or with the last consumer.
//!
//! Who consumes is the leader's memory; it tells what changed, for these queues only. A new leader knows of nobody: its
//! consumers come back within a while, or the queue goes.
//! Invariant: a queue that somebody is known to consume from does not go by itself.

use model::number::{Epoch, QueueId, Span, Timestamp};

use super::Machine;
use super::entry::{Attendance, QueueEntry};
use crate::command::Usage;
use crate::effect::Effect;
use crate::limits::CONSUMERS_BACK_MS;
use crate::outcome::Outcome;
use crate::place::SourceId;

/// When a queue goes that nobody consumes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    auto_delete: bool,
    expires: Option<Span>,
}

impl Ends {
    /// Whether it goes at all.
    const fn is_any(self) -> bool {
        self.auto_delete || self.expires.is_some()
    }
}

impl QueueEntry {
    /// Whether it matters to the queue that somebody consumes from it.
    pub(super) const fn goes_unused(&self) -> bool {
        self.ends().is_any()
    }

    /// When it goes unless somebody consumes from it.
    pub(super) fn goes_at(&self) -> Option<Timestamp> {
        let (expires, back) = (self.settings.expires, Span::new(CONSUMERS_BACK_MS));
        match self.attendance {
            Attendance::Consumed => None,
            Attendance::Unused(since) => expires.map(|span| since.after(span)),
            Attendance::Lost(since) => {
                let lost = self.settings.auto_delete.then_some(back);
                lost.into_iter().chain(expires.map(|span| span.max(back))).min().map(|span| since.after(span))
            }
        }
    }

    /// What makes it go when nobody consumes from it.
    pub(super) const fn ends(&self) -> Ends {
        Ends { auto_delete: self.settings.auto_delete, expires: self.settings.expires }
    }
}

impl Machine {
    /// Whether the leader is to tell who consumes from a queue.
    pub fn notes_use(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_some_and(QueueEntry::goes_unused)
    }

    /// Whether one consumer at a time gets all messages of a source.
    pub fn serves_one(&self, source: SourceId) -> bool {
        match source {
            SourceId::Queue(id) => self.queues.get(&id).is_some_and(|entry| entry.settings.single_active_consumer),
            SourceId::Subscription(_) => false,
        }
    }

    pub(super) fn note_use(
        &mut self,
        queue: QueueId,
        epoch: Epoch,
        usage: Usage,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let now = self.now;
        let Some(entry) = self.queues.get_mut(&queue).filter(|_| epoch == self.epoch) else { return Outcome::Done };
        match (usage, entry.attendance) {
            (Usage::Consumed, _) => entry.attendance = Attendance::Consumed,
            (Usage::Left, Attendance::Consumed) if entry.settings.auto_delete => {
                self.remove_queue(queue, effects);
                return Outcome::Done;
            }
            (Usage::Left, _) | (Usage::Asked, Attendance::Unused(_)) => entry.attendance = Attendance::Unused(now),
            (Usage::Asked, Attendance::Consumed | Attendance::Lost(_)) => {}
        }
        self.reschedule_queue(queue);
        Outcome::Done
    }

    /// Whoever creates a queue that is there uses it.
    pub(super) fn touch_queue(&mut self, queue: QueueId) {
        let now = self.now;
        let entry = self.queues.get_mut(&queue).expect("the queue was found before");
        if matches!(entry.attendance, Attendance::Unused(_)) && entry.goes_unused() {
            entry.attendance = Attendance::Unused(now);
            self.reschedule_queue(queue);
        }
    }

    /// Counts anew from now on when a queue goes by other rules than before. Whoever consumed from one that stayed anyhow
    /// is not known of: the leader is asked, and has a while to answer.
    pub(super) fn attend(&mut self, queue: QueueId, before: Ends, effects: &mut Vec<Effect>) {
        let now = self.now;
        let entry = self.queues.get_mut(&queue).expect("the queue was found before");
        if entry.ends() == before || !entry.goes_unused() {
            return;
        }
        if !before.is_any() {
            entry.attendance = Attendance::Lost(now);
            effects.push(Effect::Attend(queue));
        } else if matches!(entry.attendance, Attendance::Unused(_)) {
            entry.attendance = Attendance::Unused(now);
        }
        self.reschedule_queue(queue);
    }

    /// A leadership begins: nobody is known to consume.
    pub(super) fn lose_consumers(&mut self) {
        let now = self.now;
        let mut changed = Vec::new();
        for (id, entry) in self.queues.iter_mut().filter(|(_, entry)| entry.goes_unused()) {
            entry.attendance = match entry.attendance {
                Attendance::Consumed | Attendance::Lost(_) => Attendance::Lost(now),
                Attendance::Unused(_) => Attendance::Unused(now),
            };
            changed.push(*id);
        }
        changed.into_iter().for_each(|id| self.reschedule_queue(id));
    }

    /// Takes a queue away whose time without consumers is over; says whether it went.
    pub(super) fn end_unused(&mut self, queue: QueueId, effects: &mut Vec<Effect>) -> bool {
        let is_over = self.queues[&queue].goes_at().is_some_and(|at| at <= self.now);
        if is_over {
            self.remove_queue(queue, effects);
        }
        is_over
    }
}

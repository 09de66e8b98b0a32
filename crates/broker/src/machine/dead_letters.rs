//! Where messages go that a queue or subscription gives up, and the way back.
//!
//! Invariant: the move is one step of `apply`: a message is in the source, in the dead-letter queue or
//! dropped by rule, never in two places and never in none.

use std::collections::BTreeSet;

use model::name::{NamespaceName, QueueName, QueueRef};
use model::number::{QueueId, Span};
use model::operation::{OperationKind, Response};
use model::queue::{Redrive, RedriveFilter, Redriven};
use model::refusal::Refusal;
use mutant::Mutant;

use super::Machine;
use super::entry::{Cursor, RedriveJob};
use crate::command::Principal;
use crate::effect::Effect;
use crate::limits::DUE_MESSAGES_PER_BATCH_MAX;
use crate::outcome::Outcome;
use crate::place::SourceId;
use crate::queue::{Arrival, Departure};

/// How often a redrive with a rate takes a step.
const REDRIVE_STEP: Span = Span::new(100);

impl Machine {
    /// Moves what a source gave up to its dead-letter queue or exchange, or drops it where there is none.
    pub(super) fn bury(&mut self, from: SourceId, departed: Vec<Departure>, effects: &mut Vec<Effect>) {
        if departed.is_empty() {
            return;
        }
        if let SourceId::Queue(id) = from
            && let Some(exchange) = self.queues.get(&id).and_then(|entry| entry.settings.dead_letter_exchange.clone())
        {
            self.bury_through(id, &exchange, departed, effects);
            return;
        }
        let origin = self.source_text(from);
        let count = u64::try_from(departed.len()).unwrap_or(u64::MAX);
        let target = self.dead_letter_queue(from);
        if let Some(totals) = self.totals_of(from) {
            match target {
                Some(_) => totals.dead_lettered += count,
                None => totals.dropped += count,
            }
        }
        let Some(target) = target else { return };
        let now = self.now;
        let dead = departed.into_iter().map(|gone| {
            let letter = gone.letter(&origin, now);
            gone.into_dead_letter(letter)
        });
        let mut arrivals: Vec<_> = dead.collect();
        if mutant::is_on(Mutant::DeadLetterMoveHalf) {
            arrivals.truncate(1);
        }
        self.inter(target, &arrivals, effects);
    }

    /// Adds messages to a queue whatever its bounds say: they exist already and must not be lost. A dead
    /// letter that a full dead-letter queue pushes out is dropped, so that queues cannot feed each other
    /// for ever.
    pub(super) fn inter(&mut self, target: QueueId, arrivals: &[Arrival], effects: &mut Vec<Effect>) {
        let entry = self.queues.get_mut(&target).expect("the target of a move exists");
        let dropped = entry.core.accept(self.now, arrivals, &mut self.ledger);
        entry.totals.dropped += dropped;
        effects.push(Effect::Wake(SourceId::Queue(target)));
        self.reschedule_queue(target);
    }

    fn dead_letter_queue(&self, from: SourceId) -> Option<QueueId> {
        let (namespace, name) = match from {
            SourceId::Queue(id) => {
                let entry = self.queues.get(&id)?;
                (&entry.queue.namespace, entry.settings.dead_letter.clone()?)
            }
            SourceId::Subscription(id) => {
                let entry = self.subscriptions.get(&id)?;
                (&entry.subscription.topic.namespace, entry.dead_letter()?.clone())
            }
        };
        self.namespaces.get(namespace)?.queues.get(&name).copied()
    }

    pub(super) fn totals_of(&mut self, source: SourceId) -> Option<&mut model::queue::Totals> {
        match source {
            SourceId::Queue(id) => self.queues.get_mut(&id).map(|entry| &mut entry.totals),
            SourceId::Subscription(id) => self.subscriptions.get_mut(&id).map(|entry| &mut entry.totals),
        }
    }

    /// A source in words, as dead letters remember it.
    pub(super) fn source_text(&self, source: SourceId) -> String {
        match source {
            SourceId::Queue(id) => self
                .queues
                .get(&id)
                .map_or_else(|| "a deleted queue".to_owned(), |entry| format!("queue {}", entry.queue)),
            SourceId::Subscription(id) => self.subscriptions.get(&id).map_or_else(
                || "a deleted subscription".to_owned(),
                |entry| format!("subscription {}", entry.subscription),
            ),
        }
    }

    /// Notes that a source sends its dead letters elsewhere from now on.
    pub(super) fn note_dead_letter_user(
        &mut self,
        source: SourceId,
        namespace: &NamespaceName,
        old: Option<&QueueName>,
        new: Option<&QueueName>,
    ) {
        if let Some(old) = old {
            let key = (namespace.clone(), old.clone());
            let users = self.dead_letter_users.entry(key.clone()).or_default();
            users.remove(&source);
            if users.is_empty() {
                self.dead_letter_users.remove(&key);
            }
        }
        if let Some(new) = new {
            let users: &mut BTreeSet<_> = self.dead_letter_users.entry((namespace.clone(), new.clone())).or_default();
            users.insert(source);
        }
    }

    pub(super) fn redrive(
        &mut self,
        by: &Principal,
        request: &Redrive,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::Redrive, &request.queue)?;
        request.check()?;
        if let Some(target) = &request.target {
            self.demand_publish(by, target)?;
            if *target == request.queue {
                return Err(Refusal::invalid("target", "a redrive cannot go to its own queue"));
            }
        }
        if self.queues[&id].redrive.is_some() {
            return Err(Refusal::RedriveRunning { name: request.queue.to_string() });
        }
        let job = RedriveJob {
            filter: request.filter.clone(),
            target: request.target.clone(),
            rate: request.rate.unwrap_or(u32::MAX),
            moved: 0,
            next_at: self.now,
        };
        self.queues.get_mut(&id).expect("the queue was found above").redrive = Some(Box::new(job));
        let mut budget = DUE_MESSAGES_PER_BATCH_MAX;
        let moved = self.go_on_redriving(id, &mut budget, effects);
        self.reschedule_queue(id);
        let running = self.queues[&id].redrive.is_some();
        Ok(Outcome::response(Response::Redrive(Redriven { moved, running })))
    }

    /// Takes the next step of a redrive that is due. Says how many messages moved.
    pub(super) fn go_on_redriving(&mut self, id: QueueId, budget: &mut usize, effects: &mut Vec<Effect>) -> u64 {
        let now = self.now;
        let entry = self.queues.get_mut(&id).expect("a redrive runs on a queue that exists");
        let Some(mut job) = entry.redrive.take() else { return 0 };
        if job.next_at > now {
            entry.redrive = Some(job);
            return 0;
        }
        let step = job.step(*budget);
        let (moved, more) = self.redrive_step(id, &job, step, effects);
        *budget = budget.saturating_sub(usize::try_from(moved).unwrap_or(usize::MAX));
        job.moved += moved;
        job.next_at = now.after(if job.rate == u32::MAX { Span::new(1) } else { REDRIVE_STEP });
        let done = !more || job.filter.max.is_some_and(|max| job.moved >= max);
        if !done {
            self.queues.get_mut(&id).expect("a redrive does not delete its queue").redrive = Some(job);
        }
        moved
    }

    /// Moves up to `step` dead letters. Those without a way back stay; says whether any may be left.
    fn redrive_step(&mut self, id: QueueId, job: &RedriveJob, step: usize, effects: &mut Vec<Effect>) -> (u64, bool) {
        let target = job.target.as_ref().map(|target| self.queue_id(target));
        let namespaces = &self.namespaces;
        let route = |origin: &str| -> Option<QueueId> {
            match target {
                Some(named) => named,
                None => origin_queue(origin)
                    .and_then(|queue| namespaces.get(&queue.namespace)?.queues.get(&queue.name).copied()),
            }
        };
        let filter = RedriveFilter { max: None, ..job.filter.clone() };
        let entry = self.queues.get_mut(&id).expect("a redrive runs on a queue that exists");
        let taken = entry.core.take_dead_letters(
            &filter,
            step,
            |origin| route(origin).is_some_and(|target| target != id),
            &mut self.ledger,
        );
        let more = taken.len() == step;
        let routed: Vec<_> = taken
            .into_iter()
            .map(|letter| (route(letter.origin()).expect("only letters with a way back were taken"), letter))
            .collect();
        let moved = u64::try_from(routed.len()).unwrap_or(u64::MAX);
        for (target, letter) in routed {
            self.inter(target, &[letter.into_redriven()], effects);
        }
        (moved, more)
    }
}

impl RedriveJob {
    /// Messages of the next step: a tenth of a second's worth.
    fn step(&self, budget: usize) -> usize {
        let rate = usize::try_from(self.rate).unwrap_or(usize::MAX);
        let left = self.filter.max.map_or(u64::MAX, |max| max.saturating_sub(self.moved));
        rate.div_ceil(10).min(budget).min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

/// The queue that an origin in words names, if it names a queue.
fn origin_queue(origin: &str) -> Option<QueueRef> {
    let (namespace, name) = origin.strip_prefix("queue ")?.split_once('/')?;
    Some(QueueRef { namespace: NamespaceName::parse(namespace).ok()?, name: QueueName::parse(name).ok()? })
}

impl super::entry::SubscriptionEntry {
    /// Where dead letters of a shared subscription go.
    pub(super) fn dead_letter(&self) -> Option<&QueueName> {
        match (&self.cursor, &self.settings.kind) {
            (Cursor::Shared(_), model::subscription::SubscriptionKind::Shared { dead_letter, .. }) => {
                dead_letter.as_ref()
            }
            _ => None,
        }
    }
}

//! Sees each batch that a life applies: new ones go to the reference, known ones must be what they were.
//! Invariant: a batch is taken over once, from whichever replica applies it first; everything that was applied once is
//! expected of every other replica and of every later life.
//! Called by the watched machine.

use std::collections::BTreeMap;

use broker::Machine;
use broker::command::{Action, Principal};
use broker::machine::Answer as Read;
use broker::outcome::Outcome;
use broker::place::SourceId;
use broker::queue::PeekedPlace;
use model::message::{MessagePlace, MessageState};
use model::name::{NamespaceName, QueueRef};
use model::number::{LogIndex, Offset, QueueId, SubscriptionId};
use model::operation::{Request, Response};
use model::queue::Peek;
use model::refusal::Refusal;
use shard::{Process, StateMachine};

use crate::book::topic::Cursor;
use crate::check::{commits, dead_letters, kept, multiset, offsets, replay, time};
use crate::events::Event;
use crate::limits::{COMPARE_EVERY, HASH_EVERY};
use crate::trace::fold;
use crate::watched::Hashed;
use crate::world::World;

/// A batch that was applied.
#[derive(Clone, Copy, Debug)]
struct Applied {
    batch: u64,
    answers: u64,
    /// Of the state behind it, where it was taken.
    state: Option<u64>,
}

/// How far one life of a replica is.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// The newest batch that it has applied or restored.
    reached: Option<LogIndex>,
    segment: Option<LogIndex>,
    /// It began with a checkpoint.
    is_restored: bool,
}

/// What was applied, and how far the present lives are.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    applied: BTreeMap<LogIndex, Applied>,
    /// By the number of the process; the one of a shard that is alone has none.
    lives: BTreeMap<u64, Reach>,
    /// New batches, for the rhythm of comparisons.
    taken_over: u64,
    /// New batches are not taken over: the life is a test of damaged files, and its log will not go on.
    pub is_rehearsal: bool,
}

impl Observer {
    /// A life begins without a state.
    pub fn begins_empty(&mut self) {
        *self.own() = Reach::default();
    }

    /// The life that is looking.
    fn own(&mut self) -> &mut Reach {
        self.lives.entry(life()).or_default()
    }

    /// The newest batch that any replica applied.
    #[must_use]
    pub fn front(&self) -> Option<LogIndex> {
        self.applied.keys().next_back().copied()
    }

    /// How many batches were applied in all.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.applied.len()
    }

    fn expected(&mut self) -> Option<LogIndex> {
        let next = self.own().reached.map_or(LogIndex::new(0), LogIndex::next);
        self.applied.range(next..).next().map(|(index, _)| *index)
    }
}

/// The number of the process that is running.
fn life() -> u64 {
    Process::current().map_or(0, |process| process.number())
}

/// What an answer says, but for totals: those begin anew with each start.
fn told(hash: u64, answer: &Result<Outcome, Refusal>) -> u64 {
    if let Ok(Outcome::Response(response)) = answer {
        #[allow(clippy::wildcard_enum_match_arm, reason = "only these carry totals")]
        let described = match &**response {
            Response::CreateQueue(created) => Some(format!("{:?}", created.description.settings)),
            Response::AlterQueue(described) => Some(format!("{:?} {:?}", described.settings, described.counts)),
            Response::CreateTopic(created) => Some(format!("{:?}", created.description.partitions)),
            Response::AlterTopic(described) => Some(format!("{:?} {:?}", described.settings, described.partitions)),
            Response::CreateSubscription(created) => Some(format!("{:?}", created.description.partitions)),
            _ => None,
        };
        if let Some(text) = described {
            return fold(hash, text.as_bytes());
        }
    }
    fold(hash, format!("{answer:?}").as_bytes())
}

/// The hash of all that a machine knows.
#[must_use]
pub fn state_hash(machine: &Machine) -> u64 {
    let sections = machine.checkpoint();
    sections.iter().fold(0, |hash, (name, bytes)| fold(fold(hash, name.as_bytes()), bytes))
}

impl World {
    /// The life that is looking, for the reports.
    fn life(&self) -> u64 {
        Process::current().map_or(self.desk.life, |process| process.number())
    }

    /// Whether this state is the newest that any replica has, so that the reference describes it.
    #[must_use]
    pub fn is_newest(&self, machine: &Machine) -> bool {
        self.observer.front().is_none_or(|front| front <= machine.applied())
    }

    /// A life applied a batch.
    pub fn applied(
        &mut self,
        index: LogIndex,
        segment: LogIndex,
        batch: &Hashed,
        answers: &[Result<Outcome, Refusal>],
        machine: &Machine,
    ) {
        self.notes.verdicts.place = format!("batch {index}, life {}", self.life());
        let told = answers.iter().fold(0, told);
        let expected = self.observer.expected();
        if expected == Some(index) {
            self.applied_again(index, batch.hash, told, machine);
        } else {
            if let Some(expected) = expected {
                // Told once: what follows is a consequence.
                self.observer.own().reached = self.observer.front();
                kept::skipped(index, expected, &mut self.notes);
            }
            if !self.observer.is_rehearsal {
                self.applied_first(index, batch, answers, told, machine);
            }
        }
        let own = self.observer.own();
        own.reached = Some(index);
        if own.segment.replace(segment).is_some_and(|before| before != segment) {
            self.notes.tally.note(Event::SegmentRolled);
        }
    }

    fn applied_again(&mut self, index: LogIndex, batch: u64, answers: u64, machine: &Machine) {
        let Some(first) = self.observer.applied.get(&index).copied() else { return };
        kept::again(index, first.batch == batch, &mut self.notes);
        replay::answers(index, first.answers, answers, &mut self.notes);
        if let Some(state) = first.state {
            replay::state(index, state, state_hash(machine), &mut self.notes);
        }
        let event = if self.observer.own().is_restored { Event::TailReplayed } else { Event::WholeLogReplayed };
        self.notes.tally.note(event);
    }

    fn applied_first(
        &mut self,
        index: LogIndex,
        batch: &Hashed,
        answers: &[Result<Outcome, Refusal>],
        told: u64,
        machine: &Machine,
    ) {
        self.trace = fold(self.trace ^ batch.hash, &told.to_le_bytes());
        self.observer.taken_over += 1;
        let state = (self.observer.taken_over.is_multiple_of(HASH_EVERY)).then(|| state_hash(machine));
        self.observer.applied.insert(index, Applied { batch: batch.hash, answers: told, state });
        let is_leader = batch.batch.commands.iter().any(|command| command.action == Action::OpenEpoch);
        time::stamped(self.book.now, batch.batch.now, &mut self.notes);
        let records = batch.batch.records();
        let commands = (batch.batch.commands.as_slice(), answers);
        self.book.apply(index, batch.batch.now, commands, &records, &mut self.notes);
        self.place_newcomers(machine);
        if is_leader || self.observer.taken_over.is_multiple_of(COMPARE_EVERY) {
            self.compare(machine);
        }
    }

    /// A checkpoint is taken of a state.
    pub fn saved(&mut self, machine: &Machine) {
        self.notes.tally.note(Event::CheckpointMade);
        let hash = state_hash(machine);
        if let Some(applied) = self.observer.applied.get_mut(&machine.applied()) {
            let first = *applied.state.get_or_insert(hash);
            replay::state(machine.applied(), first, hash, &mut self.notes);
        }
    }

    /// A life begins with the state of a checkpoint.
    pub fn restored(&mut self, machine: &Machine) {
        self.notes.tally.note(Event::CheckpointRestored);
        let index = machine.applied();
        self.notes.verdicts.place = format!("checkpoint {index}, life {}", self.life());
        *self.observer.own() = Reach { reached: Some(index), segment: None, is_restored: true };
        if let Some(Applied { state: Some(first), .. }) = self.observer.applied.get(&index) {
            replay::state(index, *first, state_hash(machine), &mut self.notes);
        }
    }

    /// Gives messages that were moved the places that the machine chose, and takes over windows that began anew.
    fn place_newcomers(&mut self, machine: &Machine) {
        for id in std::mem::take(&mut self.book.unplaced) {
            let Some(queue) = self.book.queues.get_mut(&id) else { continue };
            let seen = peek(machine, &queue.name.clone());
            let numbers: Vec<_> = seen
                .iter()
                .filter_map(|(place, peeked)| {
                    let number = *self.book.records.get(&peeked.stored.at)?;
                    Some((*place, number, dead_letters::letter(peeked)))
                })
                .collect();
            let (settled, lost) = queue.line.settle_arrivals(&numbers);
            for place in settled {
                queue.places.given(place, &mut self.notes);
            }
            for kept in lost {
                dead_letters::lost(queue.name.as_str(), &kept, &mut self.notes);
            }
        }
        for queue in self.book.queues.values_mut() {
            queue.places.settle(queue.name.as_str(), &mut self.notes);
        }
        for id in std::mem::take(&mut self.book.restarted) {
            let window = self.window(machine, id);
            if let Some((_, Cursor::Shared(line, _))) = self.book.cursors.get_mut(&id) {
                for (place, (number, bytes, at)) in window {
                    line.kept.entry(place).or_insert_with(|| crate::book::entered(number, bytes, at));
                }
            }
        }
    }

    /// What a shared subscription would hand out.
    fn window(
        &self,
        machine: &Machine,
        id: SubscriptionId,
    ) -> BTreeMap<MessagePlace, (u64, u64, model::number::Timestamp)> {
        let nothing = std::collections::BTreeSet::new();
        let picks = machine.pick(SourceId::Subscription(id), &nothing, usize::MAX, u64::MAX);
        let known = |picked: broker::queue::Picked| {
            let number = *self.book.records.get(&picked.stored.at)?;
            let place = MessagePlace { partition: picked.pick.partition, sequence: picked.pick.sequence };
            Some((place, (number, u64::from(picked.stored.bytes), picked.published_at)))
        };
        picks.into_iter().filter_map(known).collect()
    }

    /// Compares the whole state with the reference.
    pub fn compare(&mut self, machine: &Machine) {
        let queues: Vec<QueueId> = self.book.queues.keys().copied().collect();
        for id in queues {
            let queue = &self.book.queues[&id];
            let seen = peek(machine, &queue.name).into_iter();
            let seen = seen.map(|(place, peeked)| (place, (self.book.records.get(&peeked.stored.at).copied(), peeked)));
            multiset::whole(queue.name.as_str(), &queue.line, &seen.collect(), &mut self.notes);
        }
        self.compare_topics(machine);
        self.compare_cursors(machine);
    }

    fn compare_topics(&mut self, machine: &Machine) {
        let now = self.book.now;
        for (id, topic) in &mut self.book.topics {
            topic.mark(now);
            for (partition, history) in &mut topic.partitions {
                let places = machine.read_places(*id, *partition, Offset::new(0), u32::MAX);
                let number = |at| self.book.records.get(&at).copied().unwrap_or_default();
                let seen = places.iter().map(|place| (place.offset, number(place.stored.at))).collect();
                offsets::whole(history, &seen, &mut self.notes);
            }
        }
    }

    fn compare_cursors(&mut self, machine: &Machine) {
        let windows: BTreeMap<_, _> = self.book.cursors.keys().map(|id| (*id, self.window(machine, *id))).collect();
        for (id, (followed, cursor)) in &self.book.cursors {
            let Some(topic) = self.book.topics.get(followed) else { continue };
            match cursor {
                Cursor::Stream(committed, _) => {
                    let name = topic.subscriptions.iter().find(|(_, other)| *other == id).map(|(name, _)| name);
                    let Some(name) = name else { continue };
                    for (partition, told, earliest) in crate::reads::committed(machine, &self.book, *followed, name) {
                        let expected = committed.get(&partition).copied().unwrap_or_default();
                        commits::described(partition, expected, told, earliest, &mut self.notes);
                    }
                }
                Cursor::Shared(line, _) => {
                    let seen: BTreeMap<MessagePlace, u64> =
                        windows[id].iter().map(|(place, (number, _, _))| (*place, *number)).collect();
                    multiset::window(line, &seen, &mut self.notes);
                }
            }
        }
    }
}

/// Everything that a queue holds.
#[must_use]
pub fn peek(machine: &Machine, name: &model::name::QueueName) -> BTreeMap<MessagePlace, PeekedPlace> {
    let queue = QueueRef { namespace: NamespaceName::default(), name: name.clone() };
    let mut seen = BTreeMap::new();
    for state in MessageState::ALL {
        let request = Request::Peek(Peek { queue: queue.clone(), state, limit: u32::MAX, after: None });
        if let Ok(Read::Peeked { places, .. }) = machine.read(&Principal::System, &request) {
            let place = |peeked: &PeekedPlace| MessagePlace { partition: peeked.partition, sequence: peeked.sequence };
            seen.extend(places.into_iter().map(|peeked| (place(&peeked), peeked)));
        }
    }
    seen
}

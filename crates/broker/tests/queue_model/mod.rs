//! A queue as one plain list of messages: slow, obvious, and what the real one is compared with.

use std::collections::BTreeSet;

use broker::command::LeaseEnd;
use broker::outcome::Placed;
use broker::place::{MessageRef, Stored};
use broker::queue::{Arrival, Rules};
use broker::record::{Head, IdHash, KeyHash};
use model::message::{Availability, DeadLetter, DeadLetterReason, MessagePlace, MessageState};
use model::number::{Attempt, Epoch, Partition, Priority, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, Overflow, RedriveFilter};
use model::receipt::Receipt;

/// Where a message is in its life; the real one knows also which are behind their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Waiting,
    Delayed(Timestamp),
    Leased(Epoch, LeaseEnd),
}

/// Whether a message of a key may be delivered, or stands behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Outside,
    Active,
    Behind,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) place: MessagePlace,
    pub(crate) stored: Stored,
    pub(crate) published_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) attempts: u32,
    pub(crate) life: Life,
    pub(crate) letter: Option<DeadLetter>,
    priority: Priority,
    key: Option<KeyHash>,
    line: Line,
}

impl Kept {
    pub(crate) const fn state(&self) -> MessageState {
        match self.life {
            Life::Waiting => MessageState::Ready,
            Life::Delayed(_) => MessageState::Delayed,
            Life::Leased(..) => MessageState::Leased,
        }
    }

    fn is_deliverable(&self) -> bool {
        self.life == Life::Waiting && self.line != Line::Behind
    }

    /// When something happens to it, and what in which order: its delay ends, its lease, its life.
    fn timers(&self) -> Vec<(Timestamp, u8)> {
        let expiry = self.expires_at.filter(|_| self.state() != MessageState::Leased).map(|at| (at, 2));
        let other = match self.life {
            Life::Delayed(due) => Some((due, 0)),
            Life::Leased(_, LeaseEnd::At(end)) => Some((end, 1)),
            Life::Leased(_, LeaseEnd::WithConnection) | Life::Waiting => None,
        };
        expiry.into_iter().chain(other).collect()
    }

    /// What it is when it comes to its dead-letter queue, or back from it.
    fn into_arrival(self, letter: Option<DeadLetter>) -> Arrival {
        let head = Head {
            bytes: self.stored.bytes,
            priority: self.priority,
            availability: Availability::Now,
            ttl: None,
            key: self.key,
            id: None,
            empty: false,
        };
        Arrival {
            stored: self.stored,
            head,
            published_at: self.published_at,
            dead_letter: letter.map(Box::new),
            way: None,
        }
    }
}

/// A queue.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) rules: Rules,
    /// By place.
    pub(crate) kept: Vec<Kept>,
    /// What was given up, as it comes to a dead-letter queue.
    pub(crate) departed: Vec<Arrival>,
    next: Vec<u64>,
    turn_in: usize,
    turn_out: usize,
    ids: Vec<(Timestamp, IdHash, MessagePlace)>,
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        let next = vec![0; usize::try_from(rules.partitions).unwrap()];
        Self { rules, kept: Vec::new(), departed: Vec::new(), next, turn_in: 0, turn_out: 0, ids: Vec::new() }
    }

    fn index(&self, place: MessagePlace) -> Option<usize> {
        self.kept.iter().position(|kept| kept.place == place)
    }

    pub(crate) fn bytes<'a>(kept: impl Iterator<Item = &'a Kept>) -> u64 {
        kept.map(|kept| u64::from(kept.stored.bytes)).sum()
    }

    fn forget(&mut self, now: Timestamp) {
        let window = self.rules.deduplication;
        self.ids.retain(|(at, _, _)| at.after(window) > now);
    }

    pub(crate) fn publish(&mut self, now: Timestamp, arrivals: &[Arrival]) -> Option<Vec<Placed>> {
        self.forget(now);
        if !self.has_room(now, arrivals) {
            return None;
        }
        Some(arrivals.iter().map(|arrival| self.add(now, arrival)).collect())
    }

    /// A message stays if it cannot be dropped; of the others each must fit beside those that stay.
    fn has_room(&self, now: Timestamp, arrivals: &[Arrival]) -> bool {
        let mut ids: BTreeSet<_> = self.ids.iter().map(|(_, id, _)| *id).collect();
        let new: Vec<_> = arrivals.iter().filter(|arrival| arrival.head.id.is_none_or(|id| ids.insert(id))).collect();
        if new.is_empty() {
            return true;
        }
        let drops = self.rules.overflow == Overflow::DropOldest;
        let lasting = |kept: &&Kept| !drops || kept.state() != MessageState::Ready;
        let (stay, go): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|arrival| !drops || due_at(now, arrival.head.availability).is_some());
        let size = |arrival: &&Arrival| u64::from(arrival.stored.bytes);
        let messages = self.kept.iter().filter(lasting).count() + stay.len() + go.len().min(1);
        let bytes = Self::bytes(self.kept.iter().filter(lasting))
            + stay.iter().map(size).sum::<u64>()
            + go.iter().map(size).max().unwrap_or(0);
        self.rules.max_messages.is_none_or(|max| u64::try_from(messages).unwrap() <= max)
            && self.rules.max_bytes.is_none_or(|max| bytes <= max.get())
    }

    pub(crate) fn add(&mut self, now: Timestamp, arrival: &Arrival) -> Placed {
        let Head { priority, availability, ttl, key, id, .. } = arrival.head;
        if let Some((_, _, place)) = self.ids.iter().find(|(_, known, _)| Some(*known) == id) {
            return Placed { partition: place.partition, place: place.sequence.get(), duplicate: true };
        }
        let count = self.next.len();
        let partition = match key {
            Some(key) => usize::try_from(key.partition(self.rules.partitions)).unwrap(),
            None => {
                let next = (self.turn_in + 1) % count;
                std::mem::replace(&mut self.turn_in, next)
            }
        };
        let sequence = self.next[partition];
        self.next[partition] += 1;
        let partition = Partition::new(u32::try_from(partition).unwrap());
        let place = MessagePlace { partition, sequence: Sequence::new(sequence) };
        let due = due_at(now, availability);
        let letter = arrival.dead_letter.as_deref().cloned();
        let ttl = ttl.filter(|_| letter.is_none()).into_iter().chain(self.rules.message_ttl).min();
        let keeps_key = self.rules.order == DeliveryOrder::PerKey || count > 1 || letter.is_some();
        self.kept.push(Kept {
            place,
            stored: arrival.stored,
            published_at: arrival.published_at,
            expires_at: ttl.map(|ttl| due.unwrap_or(now).after(ttl)),
            attempts: 0,
            life: due.map_or(Life::Waiting, Life::Delayed),
            letter,
            priority,
            key: key.filter(|_| keeps_key),
            line: Line::Outside,
        });
        self.kept.sort_by_key(|kept| kept.place);
        if due.is_none() {
            self.offer(place);
        }
        if let Some(id) = id.filter(|_| self.rules.deduplication > Span::new(0)) {
            self.ids.push((now, id, place));
        }
        self.drop_overflow();
        Placed { partition, place: sequence, duplicate: false }
    }

    fn drop_overflow(&mut self) {
        while self.rules.overflow == Overflow::DropOldest
            && (self.rules.max_messages.is_some_and(|max| u64::try_from(self.kept.len()).unwrap() > max)
                || self.rules.max_bytes.is_some_and(|max| Self::bytes(self.kept.iter()) > max.get()))
        {
            let oldest = self.firsts(MessageState::Ready).min_by_key(|kept| (kept.published_at, kept.place.sequence));
            let Some(oldest) = oldest.map(|kept| kept.place) else { return };
            self.give_up(oldest, DeadLetterReason::Overflow, Timestamp::new(0));
        }
    }

    /// The first message in a state, of each partition.
    pub(crate) fn firsts(&self, state: MessageState) -> impl Iterator<Item = &Kept> {
        let partitions = (0..self.rules.partitions).map(Partition::new);
        partitions.filter_map(move |partition| {
            self.kept.iter().find(|kept| kept.place.partition == partition && kept.state() == state)
        })
    }

    /// Lets a message wait for a consumer: in the line of its key, where keys order.
    fn offer(&mut self, place: MessagePlace) {
        let at = self.index(place).unwrap();
        self.kept[at].life = Life::Waiting;
        let Some(key) = self.kept[at].key.filter(|_| self.rules.order == DeliveryOrder::PerKey) else { return };
        if self.kept[at].line == Line::Outside {
            let taken = self.kept.iter().any(|kept| kept.key == Some(key) && kept.line == Line::Active);
            self.kept[at].line = if taken { Line::Behind } else { Line::Active };
        }
    }

    fn remove(&mut self, place: MessagePlace) -> Kept {
        let gone = self.kept.remove(self.index(place).unwrap());
        if gone.line == Line::Active {
            let behind = |kept: &&mut Kept| kept.key == gone.key && kept.line == Line::Behind;
            if let Some(next) = self.kept.iter_mut().find(behind) {
                next.line = Line::Active;
            }
        }
        gone
    }

    fn give_up(&mut self, place: MessagePlace, reason: DeadLetterReason, at: Timestamp) {
        let gone = self.remove(place);
        let count = gone.letter.as_ref().map_or(0, |letter| letter.count) + 1;
        let attempts = Attempt::new(gone.attempts);
        let letter = DeadLetter {
            reason,
            origin: "queue default/a".to_owned(),
            attempts,
            count,
            at,
            deaths: Vec::new(),
            routed: None,
        };
        self.departed.push(gone.into_arrival(Some(letter)));
    }

    /// What may be delivered, in order: by priority, then from each partition in turn.
    pub(crate) fn deliverable(&self, held: &BTreeSet<(Partition, Sequence)>) -> Vec<&Kept> {
        let count = self.next.len();
        let mut all = Vec::new();
        for priority in (0..=u8::MAX).rev() {
            let of = |partition: usize| {
                let fits = move |kept: &&Kept| {
                    kept.is_deliverable()
                        && !held.contains(&(kept.place.partition, kept.place.sequence))
                        && kept.priority.get() == priority
                        && usize::try_from(kept.place.partition.get()) == Ok(partition)
                };
                self.kept.iter().filter(fits).collect::<Vec<_>>()
            };
            let lines: Vec<_> = (0..count).map(|at| of((self.turn_out + at) % count)).collect();
            let rounds = lines.iter().map(Vec::len).max().unwrap_or(0);
            all.extend((0..rounds).flat_map(|round| lines.iter().filter_map(move |line| line.get(round).copied())));
        }
        all
    }

    pub(crate) fn lease(&mut self, epoch: Epoch, end: LeaseEnd, place: MessagePlace) {
        let at = self.index(place).unwrap();
        self.kept[at].attempts += 1;
        self.kept[at].life = Life::Leased(epoch, end);
        self.turn_out = (usize::try_from(place.partition.get()).unwrap() + 1) % self.next.len();
    }

    /// The message whose present delivery this is.
    pub(crate) fn held(&mut self, receipt: &Receipt) -> Option<&mut Kept> {
        let place = MessagePlace { partition: receipt.partition, sequence: receipt.sequence };
        self.kept.iter_mut().find(|kept| {
            kept.place == place
                && kept.attempts == receipt.attempt.get()
                && matches!(kept.life, Life::Leased(epoch, _) if epoch == receipt.epoch)
        })
    }

    pub(crate) fn settle(&mut self, place: MessagePlace) {
        self.remove(place);
    }

    pub(crate) fn reject(&mut self, now: Timestamp, place: MessagePlace) {
        self.give_up(place, DeadLetterReason::Rejected, now);
    }

    pub(crate) fn give_back(&mut self, now: Timestamp, place: MessagePlace, delay: Span) {
        let at = self.index(place).unwrap();
        if self.kept[at].attempts >= self.rules.delivery_limit {
            self.give_up(place, DeadLetterReason::DeliveryLimit, now);
        } else if delay == Span::new(0) {
            self.offer(place);
        } else {
            self.kept[at].life = Life::Delayed(now.after(delay));
        }
    }

    pub(crate) fn end_connection_leases(&mut self, now: Timestamp, before: Epoch) {
        let ends = |kept: &&Kept| matches!(kept.life, Life::Leased(epoch, LeaseEnd::WithConnection) if epoch < before);
        let places: Vec<_> = self.kept.iter().filter(ends).map(|kept| kept.place).collect();
        places.into_iter().for_each(|place| self.give_back(now, place, Span::new(0)));
    }

    pub(crate) fn advance(&mut self, now: Timestamp, mut budget: usize) {
        for partition in (0..self.rules.partitions).map(Partition::new) {
            while budget > 0 {
                let here = self.kept.iter().filter(|kept| kept.place.partition == partition);
                let timers = here.flat_map(|kept| kept.timers().into_iter().map(|(at, what)| (at, what, kept.place)));
                let Some((_, what, place)) = timers.filter(|(at, _, _)| *at <= now).min() else { break };
                budget -= 1;
                match what {
                    0 => self.offer(place),
                    1 => self.give_back(now, place, Span::new(0)),
                    _ => self.give_up(place, DeadLetterReason::Expired, now),
                }
            }
        }
        self.forget(now);
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let timers = self.kept.iter().flat_map(Kept::timers).map(|(at, _)| at);
        let ids = self.ids.last().map(|(at, _, _)| at.after(self.rules.deduplication));
        timers.chain(ids).min()
    }

    pub(crate) fn cancel(&mut self, place: MessagePlace) -> bool {
        let free = |kept: &&Kept| kept.place == place && kept.state() != MessageState::Leased;
        let found = self.kept.iter().find(free).is_some();
        if found {
            self.remove(place);
        }
        found
    }

    pub(crate) fn take_dead_letters(&mut self, filter: &RedriveFilter, max: usize) -> Vec<Arrival> {
        let fits = |kept: &&Kept| {
            kept.life == Life::Waiting
                && kept.letter.as_ref().is_some_and(|letter| filter.reason.is_none_or(|reason| reason == letter.reason))
                && (filter.places.is_empty() || filter.places.contains(&kept.place))
        };
        let mut chosen: Vec<_> = self.kept.iter().filter(fits).collect();
        if filter.places.is_empty() {
            let order = |kept: &Kept| {
                (kept.line == Line::Behind, if kept.line == Line::Behind { 0 } else { u8::MAX - kept.priority.get() })
            };
            chosen.sort_by_key(|kept| (kept.place.partition, order(kept), kept.place.sequence));
        }
        let places: Vec<_> = chosen.into_iter().take(max).map(|kept| kept.place).collect();
        let take = |place| {
            let gone = self.remove(place);
            let letter = gone.letter.clone();
            gone.into_arrival(letter)
        };
        places.into_iter().map(take).collect()
    }

    pub(crate) fn relocate(&mut self, place: MessagePlace, to: MessageRef) {
        let at = self.index(place).unwrap();
        self.kept[at].stored.at = to;
    }
}

fn due_at(now: Timestamp, availability: Availability) -> Option<Timestamp> {
    match availability {
        Availability::Now => None,
        Availability::After(delay) => (delay > Span::new(0)).then(|| now.after(delay)),
        Availability::At(time) => (time > now).then_some(time),
    }
}

//! Who waits for messages of one source, and what is on its way to them. Plain state, no waiting here.
//!
//! Invariant: `held` has exactly the messages whose lease command is on its way; a taker gets no more than
//! it asked for; takers are served in turn.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use broker::command::LeaseEnd;
use model::backend::Sharing;
use model::failure::Failure;
use model::message::Delivery;
use model::number::{Partition, Sequence, Span};
use model::receipt::Receipt;
use tokio::sync::{mpsc, oneshot};

use crate::limits::DELIVERIES_PREPARED_MAX;

/// Names a receive or a consumer stream of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TakerId(u64);

/// For how long a taker gets messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lease {
    /// So long from the moment of delivery.
    For(Span),
    /// As long as its connection lives.
    WithConnection,
}

impl Lease {
    /// When a lease that begins now ends.
    pub(super) fn end(self, now: model::number::Timestamp) -> LeaseEnd {
        match self {
            Self::For(span) => LeaseEnd::At(now.after(span)),
            Self::WithConnection => LeaseEnd::WithConnection,
        }
    }
}

/// A consumer stream.
pub(super) struct Consumer {
    /// How many more messages it takes.
    pub(super) credit: u32,
    pub(super) lease: Lease,
    /// Gone once it was stopped and nothing is on its way any more.
    deliveries: Option<mpsc::Sender<Result<Vec<Delivery>, Failure>>>,
    /// Hand-outs that were chosen for it.
    chosen: u64,
    /// How many of them it was sent.
    sent: u64,
    /// Those whose bytes came before those of an earlier one: the order of the queue is kept.
    early: BTreeMap<u64, Result<Vec<Delivery>, Failure>>,
    stopped: bool,
    /// A higher one is served first.
    priority: i32,
    sharing: Sharing,
    /// What it was handed and may not have settled, when its leases end with it.
    handed: Vec<Receipt>,
    /// How many of those are settled, at least.
    settled: usize,
}

/// Settled receipts that are not worth a walk through all of a consumer.
const SETTLED_KEPT: usize = 256;

impl Consumer {
    pub(super) const fn new(
        credit: u32,
        lease: Lease,
        deliveries: mpsc::Sender<Result<Vec<Delivery>, Failure>>,
    ) -> Self {
        Self {
            credit,
            lease,
            deliveries: Some(deliveries),
            chosen: 0,
            sent: 0,
            early: BTreeMap::new(),
            stopped: false,
            priority: 0,
            sharing: Sharing::Shared,
            handed: Vec::new(),
            settled: 0,
        }
    }

    fn pass_on(&self, deliveries: Result<Vec<Delivery>, Failure>) {
        if let Some(sender) = &self.deliveries {
            // The channel has room for as many as the credit allows; a stream that is gone has given back what it had.
            let _ = sender.try_send(deliveries);
        }
    }

    /// Ends the stream once nothing more comes.
    fn end_when_done(&mut self) {
        if self.stopped && self.sent == self.chosen {
            self.deliveries = None;
        }
    }

    /// The same, served before or after others, and with others or alone.
    pub(super) fn ranked(self, priority: i32, sharing: Sharing) -> Self {
        Self { priority, sharing, ..self }
    }
}

/// A receive that waits.
pub(super) struct Waiting {
    id: TakerId,
    pub(super) max: u32,
    pub(super) lease: Lease,
    pub(super) deliveries: oneshot::Sender<Result<Vec<Delivery>, Failure>>,
}

/// Whose turn it is.
enum Turn {
    Receive(Waiting),
    Consumer(TakerId),
}

/// Who gets the next messages and how many.
pub(super) enum Taker {
    /// A receive, taken off the line.
    Receive(Waiting),
    /// A consumer, which stays in the line.
    Consumer {
        id: TakerId,
        room: u32,
        lease: Lease,
        /// Which of its hand-outs this is.
        number: u64,
    },
}

impl Taker {
    pub(super) const fn room(&self) -> u32 {
        match self {
            Self::Receive(waiting) => waiting.max,
            Self::Consumer { room, .. } => *room,
        }
    }

    pub(super) const fn lease(&self) -> Lease {
        match self {
            Self::Receive(waiting) => waiting.lease,
            Self::Consumer { lease, .. } => *lease,
        }
    }
}

/// The takers of one source.
#[derive(Default)]
pub(super) struct Takers {
    line: VecDeque<Turn>,
    consumers: BTreeMap<TakerId, Consumer>,
    /// Who has a message unsettled, and by which receipt.
    holders: HashMap<(Partition, Sequence), (Receipt, TakerId)>,
    pub(super) held: BTreeSet<(Partition, Sequence)>,
    next_taker: u64,
    /// Whether one consumer at a time gets all messages.
    single: bool,
    /// Whether a consumer has another rank than the usual one.
    ranked: bool,
}

impl Takers {
    /// How many wait or consume.
    pub(super) fn count(&self) -> usize {
        let receives = self.line.iter().filter(|turn| matches!(turn, Turn::Receive(_))).count();
        receives + self.live().count()
    }

    /// The consumers that still take; one that was stopped only keeps what it has.
    fn live(&self) -> impl Iterator<Item = (&TakerId, &Consumer)> {
        self.consumers.iter().filter(|(_, consumer)| !consumer.stopped)
    }

    /// Whether nothing needs to be remembered about the source.
    pub(super) fn is_idle(&self) -> bool {
        self.line.is_empty() && self.consumers.is_empty() && self.held.is_empty()
    }

    /// Puts a receive at the end of the line.
    pub(super) fn wait(
        &mut self,
        max: u32,
        lease: Lease,
        deliveries: oneshot::Sender<Result<Vec<Delivery>, Failure>>,
    ) -> TakerId {
        let id = self.new_id();
        self.line.push_back(Turn::Receive(Waiting { id, max, lease, deliveries }));
        id
    }

    /// Takes a receive out of the line; false when it is not in it any more.
    pub(super) fn withdraw(&mut self, id: TakerId) -> bool {
        let before = self.line.len();
        self.line.retain(|turn| !matches!(turn, Turn::Receive(waiting) if waiting.id == id));
        self.line.len() < before
    }

    const fn new_id(&mut self) -> TakerId {
        self.next_taker += 1;
        TakerId(self.next_taker)
    }

    /// Whether a consumer may join: not beside one that is to be alone, and not if it wants that itself.
    pub(super) fn admits(&self, sharing: Sharing) -> bool {
        match sharing {
            Sharing::Alone => self.live().next().is_none(),
            Sharing::Shared => self.live().all(|(_, consumer)| consumer.sharing == Sharing::Shared),
        }
    }

    /// Whether it has consumers that stay.
    pub(super) fn is_consumed(&self) -> bool {
        self.live().next().is_some()
    }

    /// Lets one consumer at a time get all messages, or all in turn.
    pub(super) const fn set_single(&mut self, single: bool) {
        self.single = single;
    }

    /// Adds a consumer at the end of the line.
    pub(super) fn join(&mut self, consumer: Consumer) -> TakerId {
        self.ranked |= consumer.priority != 0;
        let id = self.new_id();
        self.consumers.insert(id, consumer);
        self.line.push_back(Turn::Consumer(id));
        id
    }

    /// Takes a consumer out; gives back what it had not settled.
    pub(super) fn leave(&mut self, id: TakerId) -> Vec<Receipt> {
        self.line.retain(|turn| !matches!(turn, Turn::Consumer(other) if *other == id));
        let Some(consumer) = self.consumers.remove(&id) else { return Vec::new() };
        consumer.handed.into_iter().filter(|receipt| forget(&mut self.holders, receipt).is_some()).collect()
    }

    /// Gives a consumer more room.
    pub(super) fn add_credit(&mut self, id: TakerId, messages: u32) {
        if let Some(consumer) = self.consumers.get_mut(&id).filter(|consumer| !consumer.stopped) {
            consumer.credit = consumer.credit.saturating_add(messages).min(model::limits::CREDIT_MAX);
        }
    }

    /// Gives a consumer nothing more; its stream ends once what is on its way has come. False when it was so already.
    pub(super) fn stop(&mut self, id: TakerId) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id).filter(|consumer| !consumer.stopped) else { return false };
        consumer.credit = 0;
        consumer.stopped = true;
        consumer.end_when_done();
        true
    }

    /// Brings whoever ranks highest among those with room to the front of the line.
    fn bring_forward(&mut self) {
        let active = self.live().min_by_key(|(id, consumer)| (-i64::from(consumer.priority), **id));
        let active = active.map(|(id, _)| *id).filter(|_| self.single);
        let rank = |turn: &Turn| match turn {
            Turn::Receive(_) => Some(0),
            Turn::Consumer(id) => {
                let consumer = self.consumers.get(id).filter(|consumer| consumer.credit > 0)?;
                active.is_none_or(|active| active == *id).then_some(consumer.priority)
            }
        };
        let best = self.line.iter().enumerate().filter_map(|(at, turn)| Some((rank(turn)?, std::cmp::Reverse(at))));
        if let Some((_, std::cmp::Reverse(at))) = best.max()
            && let Some(turn) = self.line.remove(at)
        {
            self.line.push_front(turn);
        }
    }

    /// Whether a consumer waits while another one gets all messages.
    fn waits(&self, id: TakerId) -> bool {
        let first = self.live().min_by_key(|(id, consumer)| (-i64::from(consumer.priority), **id));
        self.single && first.is_some_and(|(first, _)| *first != id)
    }

    /// The next taker with room, by rank and then in turn; a receive whose caller is gone is passed over.
    pub(super) fn next(&mut self) -> Option<Taker> {
        if self.single || self.ranked {
            self.bring_forward();
        }
        for _ in 0..self.line.len() {
            match self.line.pop_front()? {
                Turn::Receive(waiting) if waiting.deliveries.is_closed() => {}
                Turn::Receive(waiting) => return Some(Taker::Receive(waiting)),
                Turn::Consumer(id) => {
                    self.line.push_back(Turn::Consumer(id));
                    let waits = self.waits(id);
                    let has_room = |consumer: &&Consumer| consumer.credit > 0 && !waits;
                    let Some(consumer) = self.consumers.get(&id).filter(has_room) else {
                        continue;
                    };
                    let most = u32::try_from(DELIVERIES_PREPARED_MAX).unwrap_or(u32::MAX);
                    return Some(Taker::Consumer {
                        id,
                        room: consumer.credit.min(most),
                        lease: consumer.lease,
                        number: 0,
                    });
                }
            }
        }
        None
    }

    /// Puts back a taker that found nothing, at the front of the line: its turn is still to come. A consumer that lost
    /// it whenever somebody asked in vain would starve beside receives that keep coming back.
    pub(super) fn put_back(&mut self, taker: Taker) {
        match taker {
            Taker::Receive(waiting) => self.line.push_front(Turn::Receive(waiting)),
            Taker::Consumer { id, .. } => {
                self.line.retain(|turn| !matches!(turn, Turn::Consumer(other) if *other == id));
                self.line.push_front(Turn::Consumer(id));
            }
        }
    }

    /// Notes what a consumer was handed; the number of this hand-out.
    pub(super) fn hand(&mut self, id: TakerId, receipts: &[Receipt]) -> u64 {
        let Some(consumer) = self.consumers.get_mut(&id) else { return 0 };
        let number = consumer.chosen;
        consumer.chosen += 1;
        consumer.credit = consumer.credit.saturating_sub(u32::try_from(receipts.len()).unwrap_or(u32::MAX));
        if matches!(consumer.lease, Lease::WithConnection) {
            consumer.handed.extend(receipts);
            self.holders.extend(receipts.iter().map(|receipt| (place(receipt), (*receipt, id))));
        }
        number
    }

    /// Sends a consumer the hand-out of this number, behind those that were chosen before it.
    pub(super) fn send(&mut self, id: TakerId, number: u64, deliveries: Result<Vec<Delivery>, Failure>) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.early.insert(number, deliveries);
        while let Some(deliveries) = consumer.early.remove(&consumer.sent) {
            consumer.sent += 1;
            consumer.pass_on(deliveries);
        }
        consumer.end_when_done();
    }

    /// Tells a consumer that nothing can be chosen for it.
    pub(super) fn fail(&self, id: TakerId, failure: Failure) {
        if let Some(consumer) = self.consumers.get(&id) {
            consumer.pass_on(Err(failure));
        }
    }

    /// Forgets receipts that were settled.
    pub(super) fn settled(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let holder = forget(&mut self.holders, receipt);
            let Some(consumer) = holder.and_then(|id| self.consumers.get_mut(&id)) else { continue };
            consumer.settled += 1;
            if consumer.settled > SETTLED_KEPT && consumer.settled > consumer.handed.len() / 2 {
                let holders = &self.holders;
                consumer.handed.retain(|receipt| holders.get(&place(receipt)).is_some_and(|(held, _)| held == receipt));
                consumer.settled = 0;
            }
        }
    }
}

const fn place(receipt: &Receipt) -> (Partition, Sequence) {
    (receipt.partition, receipt.sequence)
}

/// Forgets who has a message by this receipt; nobody, if it is out again by another one.
fn forget(holders: &mut HashMap<(Partition, Sequence), (Receipt, TakerId)>, receipt: &Receipt) -> Option<TakerId> {
    let (held, _) = holders.get(&place(receipt))?;
    if held != receipt {
        return None;
    }
    holders.remove(&place(receipt)).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(sequence: u64, attempt: u32) -> Receipt {
        Receipt {
            source: model::receipt::ReceiptSource::Queue(model::number::QueueId::new(1)),
            partition: Partition::new(0),
            sequence: Sequence::new(sequence),
            epoch: model::number::Epoch::new(1),
            attempt: model::number::Attempt::new(attempt),
        }
    }

    #[test]
    fn a_consumer_that_leaves_gives_back_what_it_has_not_settled_and_nobody_has_since() {
        let (sender, _deliveries) = mpsc::channel(4);
        let mut takers = Takers::default();
        let first = takers.join(Consumer::new(5_000, Lease::WithConnection, sender.clone()));
        let second = takers.join(Consumer::new(9, Lease::WithConnection, sender));
        let handed: Vec<_> = (0..2_000).map(|sequence| receipt(sequence, 1)).collect();
        takers.hand(first, &handed);
        takers.settled(&handed[10..1_500]);
        assert!(takers.consumers[&first].handed.len() < 1_000, "those that were settled are forgotten");
        // Given back and out again before the first was told: an older receipt settles nothing of the second.
        takers.hand(second, &[receipt(3, 2)]);
        takers.settled(&[receipt(3, 1)]);
        let left: Vec<_> = takers.leave(first).iter().map(|receipt| receipt.sequence.get()).collect();
        assert_eq!(left, [0, 1, 2, 4, 5, 6, 7, 8, 9].into_iter().chain(1_500..2_000).collect::<Vec<_>>());
        assert_eq!(takers.leave(second), [receipt(3, 2)]);
        assert!(takers.holders.is_empty());
    }

    #[test]
    fn hand_outs_come_in_the_order_of_choice_and_the_stream_ends_behind_the_last() {
        let (sender, mut deliveries) = mpsc::channel(4);
        let mut takers = Takers::default();
        let id = takers.join(Consumer::new(9, Lease::WithConnection, sender));
        let numbers = [takers.hand(id, &[]), takers.hand(id, &[])];
        takers.stop(id);
        let failure = |number: usize| Err(model::Refusal::invalid(number.to_string(), "").into());
        takers.send(id, numbers[1], failure(1));
        assert_eq!(deliveries.try_recv(), Err(mpsc::error::TryRecvError::Empty), "the first has not come");
        takers.send(id, numbers[0], failure(0));
        assert_eq!(deliveries.try_recv(), Ok(failure(0)));
        assert_eq!(deliveries.try_recv(), Ok(failure(1)));
        assert_eq!(deliveries.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}

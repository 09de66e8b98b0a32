//! Properties of a queue: every history comes out as it does with a plain list of messages, and after every
//! step the counts, the order of delivery, the references and the saved form are what the list says.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod queue_model;

use std::collections::BTreeSet;

use broker::command::LeaseEnd;
use broker::liveness::Liveness;
use broker::place::{MessageRef, Stored};
use broker::queue::{Arrival, Departure, Queue, Rules};
use broker::record::{Head, IdHash, KeyHash};
use broker::wire::{Reader, Writer};
use bytes::Bytes;
use model::message::{Availability, DeadLetter, DeadLetterReason, MessagePlace, MessageState};
use model::number::{Attempt, ByteSize, Epoch, LogIndex, Partition, Priority, QueueId, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, NackAction, Overflow, QueueSettings, RedriveFilter};
use model::receipt::{Receipt, ReceiptSource, Settlement};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::Index;
use queue_model::{Kept, Life, Model};

/// A message to publish.
#[derive(Clone, Debug)]
struct Sent {
    bytes: u32,
    priority: u8,
    availability: Availability,
    ttl: Option<u64>,
    key: Option<u64>,
    id: Option<u128>,
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Sent>),
    Accept(Vec<(Sent, DeadLetterReason)>),
    /// Takes so many messages and bytes, passing over some; by a lease of that length or with a connection.
    Take(usize, u64, u8, Option<u64>),
    Ack(Vec<Index>),
    Nack(Index, NackAction),
    Extend(Index, u64),
    Release(Index),
    /// Time passes; so many messages may move.
    Pass(u64, usize),
    OpenEpoch,
    Cancel(Vec<Index>),
    Purge,
    Redrive(Option<DeadLetterReason>, Vec<Index>, usize),
    Relocate(Index),
    Alter(Option<u64>, Option<u64>, u32, u64),
    /// What was restored must go on like what was saved.
    Restore,
}

fn sent() -> impl Strategy<Value = Sent> {
    let availability = prop_oneof![
        5 => Just(Availability::Now),
        1 => (0..30_u64).prop_map(|delay| Availability::After(Span::new(delay))),
        1 => (0..100_u64).prop_map(|time| Availability::At(Timestamp::new(time))),
    ];
    let priority = prop_oneof![4 => Just(0_u8), 1 => 0..=9_u8, 1 => any::<u8>()];
    (1..20_u32, priority, availability, of(1..30_u64), of(0..3_u64), proptest::option::weighted(0.3, 0..8_u128))
        .prop_map(|(bytes, priority, availability, ttl, key, id)| Sent { bytes, priority, availability, ttl, key, id })
}

fn reason() -> impl Strategy<Value = DeadLetterReason> {
    proptest::sample::select(DeadLetterReason::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let action = prop_oneof![
        2 => (0..20_u64).prop_map(|delay| NackAction::Retry(Span::new(delay))),
        1 => Just(NackAction::Retry(Span::new(0))),
        1 => Just(NackAction::Reject),
    ];
    prop_oneof![
        10 => vec(sent(), 1..6).prop_map(Step::Publish),
        2 => vec((sent(), reason()), 1..4).prop_map(Step::Accept),
        10 => (1..6_usize, 1..60_u64, any::<u8>(), of(1..30_u64))
            .prop_map(|(max, bytes, held, lease)| Step::Take(max, bytes, held, lease)),
        6 => vec(index(), 1..4).prop_map(Step::Ack),
        5 => (index(), action).prop_map(|(which, action)| Step::Nack(which, action)),
        2 => (index(), 1..30_u64).prop_map(|(which, span)| Step::Extend(which, span)),
        2 => index().prop_map(Step::Release),
        8 => (0..15_u64, prop_oneof![Just(usize::MAX), 0..3_usize]).prop_map(|(pass, budget)| Step::Pass(pass, budget)),
        1 => Just(Step::OpenEpoch),
        2 => vec(index(), 1..4).prop_map(Step::Cancel),
        1 => Just(Step::Purge),
        2 => (of(reason()), vec(index(), 0..3), 0..4_usize).prop_map(|(why, at, max)| Step::Redrive(why, at, max)),
        2 => index().prop_map(Step::Relocate),
        1 => (of(1..12_u64), of(1..30_u64), 1..5_u32, 0..20_u64)
            .prop_map(|(max, ttl, limit, window)| Step::Alter(max, ttl, limit, window)),
        2 => Just(Step::Restore),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let flags = (any::<bool>(), any::<bool>());
    (flags, of(1..12_u64), of(20..100_u64), of(1..30_u64), 1..4_u32, 0..30_u64, 1..4_u32).prop_map(
        |((drops, keyed), max_messages, max_bytes, ttl, delivery_limit, window, partitions)| {
            let settings = QueueSettings {
                max_messages,
                max_bytes: max_bytes.map(ByteSize::new),
                overflow: if drops { Overflow::DropOldest } else { Overflow::Reject },
                message_ttl: ttl.map(Span::new),
                delivery_limit,
                deduplication: Span::new(window),
                order: if keyed { DeliveryOrder::PerKey } else { DeliveryOrder::Fifo },
                partitions,
                ..QueueSettings::default()
            };
            Rules::from(&settings)
        },
    )
}

struct World {
    queue: Queue,
    model: Model,
    ledger: Liveness,
    now: Timestamp,
    index: u64,
    epoch: Epoch,
    /// Every receipt that was ever given: most settle nothing any more.
    receipts: Vec<Receipt>,
    departed: Vec<Arrival>,
}

impl World {
    fn new(rules: &Rules) -> Self {
        let mut ledger = Liveness::default();
        ledger.open_segment(LogIndex::new(0));
        Self {
            queue: Queue::new(rules.clone()),
            model: Model::new(rules.clone()),
            ledger,
            now: Timestamp::new(1),
            index: 0,
            epoch: Epoch::new(1),
            receipts: Vec::new(),
            departed: Vec::new(),
        }
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Publish(sent) => self.publish(sent),
            Step::Accept(letters) => self.accept(letters),
            Step::Take(max, bytes, held, lease) => self.take(*max, *bytes, *held, *lease),
            Step::Ack(which) => which.iter().for_each(|which| self.ack(which)),
            Step::Nack(which, action) => self.nack(which, *action),
            Step::Extend(which, span) => self.extend(which, Span::new(*span)),
            Step::Release(which) => self.release(which),
            Step::Pass(pass, budget) => self.pass(Span::new(*pass), *budget),
            Step::OpenEpoch => self.open_epoch(),
            Step::Cancel(which) => self.cancel(which),
            Step::Purge => {
                let before = self.model.kept.len();
                self.model.kept.iter().map(|kept| kept.place).collect::<Vec<_>>().into_iter().for_each(|place| {
                    self.model.cancel(place);
                });
                let purged = u64::try_from(before - self.model.kept.len()).unwrap();
                assert_eq!(self.queue.purge(&mut self.ledger), purged);
            }
            Step::Redrive(reason, which, max) => self.redrive(*reason, which, *max),
            Step::Relocate(which) => self.relocate(which),
            Step::Alter(max_messages, ttl, delivery_limit, window) => {
                let rules = Rules {
                    max_messages: *max_messages,
                    message_ttl: ttl.map(Span::new),
                    delivery_limit: *delivery_limit,
                    deduplication: Span::new(*window),
                    ..self.model.rules.clone()
                };
                self.model.rules = rules.clone();
                self.queue.set_rules(rules);
            }
            Step::Restore => self.queue = restored(saved(&self.queue)),
        }
        self.check();
    }

    fn arrivals(&mut self, sent: &[Sent]) -> Vec<Arrival> {
        self.index += 1;
        if self.index.is_multiple_of(8) {
            self.ledger.open_segment(LogIndex::new(self.index));
        }
        let arrival = |(sent, position): (&Sent, u32)| {
            let head = Head {
                bytes: sent.bytes,
                priority: Priority::new(sent.priority),
                availability: sent.availability,
                ttl: sent.ttl.map(Span::new),
                key: sent.key.map(KeyHash),
                id: sent.id.map(IdHash),
                empty: false,
            };
            let at = MessageRef { index: LogIndex::new(self.index), position };
            Arrival::new(Stored { at, bytes: sent.bytes }, head, self.now)
        };
        sent.iter().zip(0..).map(arrival).collect()
    }

    /// Notes departures as they come to a dead-letter queue.
    fn bury(&mut self, departed: Vec<Departure>) {
        // The model does not know the time of an overflow, so both leave it out.
        let letter = |gone: Departure| {
            let at = if gone.reason() == DeadLetterReason::Overflow { Timestamp::new(0) } else { self.now };
            // Moves are counted by scripts; the model knows the last one only.
            let letter = DeadLetter { deaths: Vec::new(), ..gone.letter("queue default/a", at) };
            gone.into_dead_letter(letter)
        };
        self.departed.extend(departed.into_iter().map(letter));
    }

    fn publish(&mut self, sent: &[Sent]) {
        let arrivals = self.arrivals(sent);
        let mut departed = Vec::new();
        let placed = self.queue.publish(self.now, &arrivals, &mut self.ledger, &mut departed);
        self.bury(departed);
        assert_eq!(placed.ok(), self.model.publish(self.now, &arrivals));
    }

    fn accept(&mut self, letters: &[(Sent, DeadLetterReason)]) {
        let sent: Vec<_> = letters.iter().map(|(sent, _)| Sent { id: None, ..sent.clone() }).collect();
        let mut arrivals = self.arrivals(&sent);
        for (arrival, (_, reason)) in arrivals.iter_mut().zip(letters) {
            let (attempts, at) = (Attempt::new(1), self.now);
            let letter = DeadLetter {
                reason: *reason,
                origin: "queue default/b".to_owned(),
                attempts,
                count: 1,
                at,
                deaths: Vec::new(),
                routed: None,
            };
            arrival.dead_letter = Some(Box::new(letter));
            arrival.head.availability = Availability::Now;
        }
        let before = self.model.departed.len();
        arrivals.iter().for_each(|arrival| {
            self.model.add(self.now, arrival);
        });
        let dropped = u64::try_from(self.model.departed.len() - before).unwrap();
        self.model.departed.truncate(before);
        assert_eq!(self.queue.accept(self.now, &arrivals, &mut self.ledger), dropped);
    }

    fn take(&mut self, max: usize, bytes_max: u64, held: u8, lease: Option<u64>) {
        let is_held = |at: usize| held & 1_u8.checked_shl(u32::try_from(at).unwrap()).unwrap_or(0) != 0;
        let all = self.model.deliverable(&BTreeSet::new()).into_iter().enumerate();
        let held: BTreeSet<_> =
            all.filter(|(at, _)| is_held(*at)).map(|(_, kept)| (kept.place.partition, kept.place.sequence)).collect();
        let mut expected: Vec<Kept> = Vec::new();
        for kept in self.model.deliverable(&held).into_iter().take(max) {
            let bytes = Model::bytes(expected.iter()) + u64::from(kept.stored.bytes);
            if !expected.is_empty() && bytes > bytes_max {
                break;
            }
            expected.push(kept.clone());
        }
        let picked = self.queue.pick(&held, max, bytes_max);
        let seen = picked.iter().map(|next| (place(next.pick.partition, next.pick.sequence), next.attempt.get()));
        let wanted: Vec<_> = expected.iter().map(|kept| (kept.place, kept.attempts + 1)).collect();
        assert_eq!(seen.collect::<Vec<_>>(), wanted, "in order of delivery");
        for (next, kept) in picked.iter().zip(&expected) {
            assert_eq!((next.stored, next.expires_at), (kept.stored, kept.expires_at));
            assert_eq!(next.dead_letter, kept.letter);
        }
        let picks: Vec<_> = picked.into_iter().map(|next| next.pick).collect();
        let end = lease.map_or(LeaseEnd::WithConnection, |span| LeaseEnd::At(self.now.after(Span::new(span))));
        let leased = self.queue.lease(self.now, self.epoch, end, &picks);
        assert!(leased.iter().all(|leased| *leased));
        let again = self.queue.lease(self.now, self.epoch, end, &picks);
        assert!(!again.iter().any(|leased| *leased), "a message has one holder");
        for pick in picks {
            self.model.lease(self.epoch, end, place(pick.partition, pick.sequence));
            let source = ReceiptSource::Queue(QueueId::new(1));
            let (partition, sequence, epoch, attempt) = (pick.partition, pick.sequence, self.epoch, pick.attempt);
            self.receipts.push(Receipt { source, partition, sequence, epoch, attempt });
        }
    }

    /// A receipt, and the place of the message whose present delivery it is.
    fn receipt(&mut self, which: &Index) -> Option<(Receipt, Option<MessagePlace>)> {
        let receipt = *self.receipts.get(which.index(self.receipts.len().max(1)))?;
        Some((receipt, self.model.held(&receipt).map(|kept| kept.place)))
    }

    fn ack(&mut self, which: &Index) {
        let Some((receipt, held)) = self.receipt(which) else { return };
        assert_eq!(self.queue.ack(&receipt, &mut self.ledger), settlement(held));
        held.into_iter().for_each(|place| self.model.settle(place));
    }

    fn nack(&mut self, which: &Index, action: NackAction) {
        let Some((receipt, held)) = self.receipt(which) else { return };
        let mut departed = Vec::new();
        let settled = self.queue.nack(self.now, &receipt, action, &mut self.ledger, &mut departed);
        self.bury(departed);
        assert_eq!(settled, settlement(held));
        held.into_iter().for_each(|place| match action {
            NackAction::Retry(delay) => self.model.give_back(self.now, place, delay),
            NackAction::Reject => self.model.reject(self.now, place),
        });
    }

    fn extend(&mut self, which: &Index, span: Span) {
        let Some((receipt, held)) = self.receipt(which) else { return };
        assert_eq!(self.queue.extend(self.now, &receipt, span), settlement(held));
        if let Some(kept) = self.model.held(&receipt)
            && let Life::Leased(epoch, LeaseEnd::At(_)) = kept.life
        {
            kept.life = Life::Leased(epoch, LeaseEnd::At(self.now.after(span)));
        }
    }

    fn release(&mut self, which: &Index) {
        let Some((receipt, held)) = self.receipt(which) else { return };
        let mut departed = Vec::new();
        self.queue.release(self.now, &receipt, &mut self.ledger, &mut departed);
        self.bury(departed);
        held.into_iter().for_each(|place| self.model.give_back(self.now, place, Span::new(0)));
    }

    fn pass(&mut self, pass: Span, budget: usize) {
        self.now = self.now.after(pass);
        let before: BTreeSet<_> = self.model.deliverable(&BTreeSet::new()).iter().map(|kept| kept.place).collect();
        self.model.advance(self.now, budget);
        let (mut departed, mut left) = (Vec::new(), budget);
        let woke = self.queue.advance(self.now, &mut left, &mut self.ledger, &mut departed);
        self.bury(departed);
        let is_new = self.model.deliverable(&BTreeSet::new()).iter().any(|kept| !before.contains(&kept.place));
        assert!(woke || !is_new, "consumers learn of everything that becomes ready");
    }

    fn open_epoch(&mut self) {
        self.epoch = self.epoch.next();
        let mut departed = Vec::new();
        self.queue.end_connection_leases(self.now, self.epoch, &mut self.ledger, &mut departed);
        self.bury(departed);
        self.model.end_connection_leases(self.now, self.epoch);
    }

    fn places(&self, which: &[Index]) -> Vec<MessagePlace> {
        let strange = MessagePlace { partition: Partition::new(9), sequence: Sequence::new(9) };
        let place = |which: &Index| self.model.kept.get(which.index(self.model.kept.len() + 1));
        which.iter().map(|which| place(which).map_or(strange, |kept| kept.place)).collect()
    }

    fn cancel(&mut self, which: &[Index]) {
        let places = self.places(which);
        let cancelled: Vec<_> = places.iter().map(|place| self.model.cancel(*place)).collect();
        assert_eq!(self.queue.cancel(&places, &mut self.ledger), cancelled);
    }

    fn redrive(&mut self, reason: Option<DeadLetterReason>, which: &[Index], max: usize) {
        let filter = RedriveFilter { reason, places: self.places(which), ..RedriveFilter::default() };
        let taken = self.queue.take_dead_letters(&filter, max, |_| true, &mut self.ledger);
        let taken: Vec<_> = taken.into_iter().map(Departure::into_redriven).collect();
        assert_eq!(taken, self.model.take_dead_letters(&filter, max));
    }

    fn relocate(&mut self, which: &Index) {
        let Some(kept) = self.model.kept.get(which.index(self.model.kept.len().max(1))).cloned() else { return };
        self.index += 1;
        let to = MessageRef { index: LogIndex::new(self.index), position: 0 };
        let MessagePlace { partition, sequence } = kept.place;
        assert!(!self.queue.relocate(partition, sequence, to, to, &mut self.ledger), "it lies elsewhere");
        assert!(self.queue.relocate(partition, sequence, kept.stored.at, to, &mut self.ledger));
        self.model.relocate(kept.place, to);
    }

    /// Everything that can be asked is what the list says.
    fn check(&self) {
        let Self { queue, model, .. } = self;
        assert_eq!(self.departed, model.departed);
        let counts = queue.counts();
        for (state, count) in MessageState::ALL.into_iter().zip([counts.ready, counts.delayed, counts.leased]) {
            let expected: Vec<_> = model.kept.iter().filter(|kept| kept.state() == state).collect();
            assert_eq!(count, u64::try_from(expected.len()).unwrap(), "{state:?}");
            check_peek(queue, state, &expected);
        }
        assert_eq!(counts.bytes.get(), Model::bytes(model.kept.iter()));
        let oldest = |state| model.firsts(state).map(|kept| kept.published_at).min();
        assert_eq!(queue.oldest_ready_at(), oldest(MessageState::Ready));
        assert_eq!(queue.oldest_leased_at(), oldest(MessageState::Leased));
        assert_eq!(queue.next_deadline(), model.next_deadline());

        let order = queue.pick(&BTreeSet::new(), usize::MAX, u64::MAX);
        let order: Vec<_> = order.iter().map(|next| place(next.pick.partition, next.pick.sequence)).collect();
        assert_eq!(order, model.deliverable(&BTreeSet::new()).iter().map(|kept| kept.place).collect::<Vec<_>>());

        let mut ledger = Liveness::default();
        self.ledger.segments().for_each(|(first, _)| ledger.open_segment(first));
        model.kept.iter().for_each(|kept| ledger.retain(kept.stored));
        assert_eq!(self.ledger, ledger, "each message has one reference");
        let references = queue.references_in(LogIndex::new(0), LogIndex::new(u64::MAX), usize::MAX);
        let references: Vec<_> = references.iter().map(|(_, _, stored, at)| (*stored, *at)).collect();
        assert_eq!(references, model.kept.iter().map(|kept| (kept.stored, kept.published_at)).collect::<Vec<_>>());

        let bytes = saved(queue);
        let copy = restored(bytes.clone());
        assert_eq!(&copy, queue);
        assert_eq!(saved(&copy), bytes);
    }
}

/// Pages of three give what the list has.
fn check_peek(queue: &Queue, state: MessageState, expected: &[&Kept]) {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = queue.peek(state, after, 3);
        assert!(page.len() <= 3);
        seen.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), expected.len());
    for (peeked, kept) in seen.iter().zip(expected) {
        let due_at = match kept.life {
            Life::Waiting | Life::Leased(_, LeaseEnd::WithConnection) => None,
            Life::Delayed(at) | Life::Leased(_, LeaseEnd::At(at)) => Some(at),
        };
        assert_eq!(place(peeked.partition, peeked.sequence), kept.place);
        assert_eq!((peeked.stored, peeked.state, peeked.due_at), (kept.stored, state, due_at));
        assert_eq!((peeked.attempts.get(), peeked.expires_at), (kept.attempts, kept.expires_at));
        assert_eq!(peeked.dead_letter, kept.letter);
    }
}

const fn place(partition: Partition, sequence: Sequence) -> MessagePlace {
    MessagePlace { partition, sequence }
}

const fn settlement(held: Option<MessagePlace>) -> Settlement {
    if held.is_some() { Settlement::Settled } else { Settlement::LeaseLost }
}

fn saved(queue: &Queue) -> Bytes {
    let mut writer = Writer::new();
    queue.encode(&mut writer);
    writer.finish()
}

fn restored(bytes: Bytes) -> Queue {
    let mut reader = Reader::new(bytes);
    let queue = Queue::decode(&mut reader).unwrap();
    reader.finish().unwrap();
    queue
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_does_what_a_plain_list_does(rules in rules(), steps in vec(step(), 1..60)) {
        let mut world = World::new(&rules);
        steps.iter().for_each(|step| world.perform(step));
    }

    #[test]
    fn one_history_gives_one_state(rules in rules(), steps in vec(step(), 1..60)) {
        let run = || {
            let mut world = World::new(&rules);
            steps.iter().for_each(|step| world.perform(step));
            saved(&world.queue)
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn bytes_that_are_cut_short_are_an_error(rules in rules(), sent in vec(sent(), 1..20), cut in any::<Index>()) {
        let mut world = World::new(&rules);
        world.publish(&sent);
        let bytes = saved(&world.queue);
        let mut reader = Reader::new(bytes.slice(..cut.index(bytes.len())));
        prop_assert!(Queue::decode(&mut reader).is_err());
    }
}

//! Properties of a shared subscription: its window hands out what a plain list would, in order of offset,
//! while the topic is compacted, trimmed and moved under it; the bound of the window is kept.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::{BTreeMap, BTreeSet};

use broker::command::LeaseEnd;
use broker::limits::SHARED_WINDOW_MESSAGES;
use broker::liveness::Liveness;
use broker::place::{MessageRef, Stored};
use broker::record::{Head, KeyHash};
use broker::subscription::Shared;
use broker::topic::{Arrival, Topic};
use broker::wire::{Reader, Writer};
use bytes::Bytes;
use model::message::Availability;
use model::number::{Epoch, LogIndex, Offset, Partition, Priority, Span, SubscriptionId, Timestamp};
use model::queue::NackAction;
use model::receipt::{Receipt, ReceiptSource, Settlement};
use model::topic::{Cleanup, StartAt, TopicSettings};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<u64>),
    Take(usize),
    Ack(proptest::sample::Index),
    Nack(proptest::sample::Index),
    Trim(u64),
    Seek(StartAt, Option<u32>),
    Grow,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let start = prop_oneof![
        Just(StartAt::Earliest),
        Just(StartAt::Latest),
        (0..30_u64).prop_map(|offset| StartAt::Offset(Offset::new(offset))),
    ];
    prop_oneof![
        6 => vec(0..6_u64, 1..8).prop_map(Step::Publish),
        6 => (1..6_usize).prop_map(Step::Take),
        6 => any::<proptest::sample::Index>().prop_map(Step::Ack),
        3 => any::<proptest::sample::Index>().prop_map(Step::Nack),
        2 => (0..40_u64).prop_map(Step::Trim),
        1 => (start, proptest::option::of(0..2_u32)).prop_map(|(to, only)| Step::Seek(to, only)),
        1 => Just(Step::Grow),
        2 => Just(Step::Restore),
    ]
}

struct World {
    topic: Topic,
    shared: Shared,
    ledger: Liveness,
    now: Timestamp,
    index: u64,
    epoch: Epoch,
    /// What the window should hold, with whether it is leased.
    window: BTreeMap<(Partition, Offset), bool>,
    next: Vec<Offset>,
    receipts: Vec<Receipt>,
}

impl World {
    fn new(cleanup: Cleanup) -> Self {
        let (retention, deduplication) = (Some(Span::new(50)), Span::new(0));
        let settings = TopicSettings { partitions: 2, retention, retention_bytes: None, cleanup, deduplication };
        let topic = Topic::new(settings);
        let shared = Shared::new(&topic, StartAt::Earliest, 1000);
        let mut ledger = Liveness::default();
        ledger.open_segment(LogIndex::new(0));
        let next = vec![Offset::new(0); 2];
        let (window, receipts) = (BTreeMap::new(), Vec::new());
        let (now, epoch) = (Timestamp::new(0), Epoch::new(0));
        Self { topic, shared, ledger, now, index: 0, epoch, window, next, receipts }
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Publish(keys) => self.publish(keys),
            Step::Take(max) => self.take(*max),
            Step::Ack(which) => self.settle(which, |world, receipt| {
                let settlement = world.shared.window_mut().ack(receipt, &mut world.ledger);
                (settlement, None)
            }),
            Step::Nack(which) => self.settle(which, |world, receipt| {
                let (now, retry) = (world.now, NackAction::Retry(Span::new(0)));
                let mut departed = Vec::new();
                let settlement = world.shared.window_mut().nack(now, receipt, retry, &mut world.ledger, &mut departed);
                assert_eq!(departed.len(), 0, "the delivery limit is far");
                (settlement, Some(false))
            }),
            Step::Trim(pass) => {
                self.now = self.now.after(Span::new(*pass));
                self.topic.trim(self.now, usize::MAX, &mut self.ledger);
            }
            Step::Seek(to, only) => self.seek(*to, only.map(Partition::new)),
            Step::Grow => {
                let mut settings = self.topic.settings().clone();
                settings.partitions += 1;
                self.topic.alter(settings.clone()).unwrap();
                self.shared.grow(settings.partitions);
                self.next.push(Offset::new(0));
            }
            // What was restored must go on like what was saved.
            Step::Restore => self.shared = restored(saved(&self.shared)),
        }
        self.fill();
    }

    fn publish(&mut self, keys: &[u64]) {
        self.index += 1;
        let index = LogIndex::new(self.index);
        let arrival = |(key, position): (&u64, u32)| Arrival {
            stored: Stored { at: MessageRef { index, position }, bytes: 3 },
            head: Head {
                bytes: 3,
                priority: Priority::DEFAULT,
                availability: Availability::Now,
                ttl: None,
                key: Some(KeyHash(*key)),
                id: None,
                empty: false,
            },
            partition: None,
            published_at: self.now,
        };
        let arrivals: Vec<_> = keys.iter().zip(0..).map(arrival).collect();
        self.topic.publish(self.now, &arrivals, &mut self.ledger).unwrap();
    }

    /// Takes what comes first; of each partition that must be its first ready offsets.
    fn take(&mut self, max: usize) {
        let picked = self.shared.window().pick(&BTreeSet::new(), max, u64::MAX);
        let ready: Vec<_> = self.window.iter().filter(|(_, leased)| !**leased).map(|(place, _)| *place).collect();
        assert_eq!(picked.len(), ready.len().min(max));
        let picks: Vec<_> = picked.iter().map(|picked| picked.pick).collect();
        for (partition, _) in self.topic.histories() {
            let got: Vec<_> = picks.iter().filter(|pick| pick.partition == partition).collect();
            let first = ready.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| offset.get());
            let got_offsets: Vec<_> = got.iter().map(|pick| pick.sequence.get()).collect();
            assert_eq!(got_offsets, first.take(got.len()).collect::<Vec<_>>());
        }
        let leased = self.shared.window_mut().lease(self.now, self.epoch, LeaseEnd::WithConnection, &picks);
        assert!(leased.iter().all(|leased| *leased));
        for pick in picks {
            self.window.insert((pick.partition, Offset::new(pick.sequence.get())), true);
            self.receipts.push(Receipt {
                source: ReceiptSource::Subscription(SubscriptionId::new(1)),
                partition: pick.partition,
                sequence: pick.sequence,
                epoch: self.epoch,
                attempt: pick.attempt,
            });
        }
    }

    /// Settles a delivery; `then` is what becomes of its message: gone, or leased or not.
    fn settle(
        &mut self,
        which: &proptest::sample::Index,
        settle: impl FnOnce(&mut Self, &Receipt) -> (Settlement, Option<bool>),
    ) {
        if self.receipts.is_empty() {
            return;
        }
        let receipt = self.receipts.swap_remove(which.index(self.receipts.len()));
        let place = (receipt.partition, Offset::new(receipt.sequence.get()));
        let (settlement, then) = settle(self, &receipt);
        assert_eq!(settlement, Settlement::Settled, "it was leased and nobody else had it");
        match then {
            None => self.window.remove(&place),
            Some(leased) => self.window.insert(place, leased),
        };
    }

    fn seek(&mut self, to: StartAt, only: Option<Partition>) {
        self.shared.seek(&self.topic, to, only, &mut self.ledger);
        self.epoch = self.epoch.next();
        let sought = |partition: Partition| only.is_none_or(|only| only == partition);
        for ((partition, history), next) in self.topic.histories().zip(&mut self.next) {
            if sought(partition) {
                *next = history.locate(to);
            }
        }
        self.window.retain(|(partition, _), _| !sought(*partition));
        let (lost, kept): (Vec<_>, Vec<_>) = self.receipts.drain(..).partition(|receipt| sought(receipt.partition));
        self.receipts = kept;
        for receipt in lost {
            let settlement = self.shared.window_mut().ack(&receipt, &mut self.ledger);
            assert_eq!(settlement, Settlement::LeaseLost, "receipts of before a seek settle nothing");
        }
    }

    fn fill(&mut self) {
        self.shared.fill(&self.topic, &mut self.ledger);
        for ((partition, history), next) in self.topic.histories().zip(&mut self.next) {
            self.window.extend(history.from(*next).map(|entry| ((partition, entry.offset), false)));
            *next = history.end();
        }
    }

    fn check(&self) {
        let progress = self.shared.progress(&self.topic, self.now);
        assert_eq!(progress.lag, u64::try_from(self.window.len()).unwrap());
        assert_eq!(progress.leased, u64::try_from(self.window.values().filter(|leased| **leased).count()).unwrap());
        let (_, live) = self.ledger.segments().next().unwrap();
        assert_eq!(live.references, self.topic.messages() + progress.lag, "each index has its own reference");
        let saved = saved(&self.shared);
        assert_eq!(self::saved(&restored(saved.clone())), saved, "a restored copy is saved the same");
    }
}

fn saved(shared: &Shared) -> Bytes {
    let mut writer = Writer::new();
    shared.encode(&mut writer);
    writer.finish()
}

fn restored(saved: Bytes) -> Shared {
    let mut reader = Reader::new(saved);
    let shared = Shared::decode(&mut reader).unwrap();
    reader.finish().unwrap();
    shared
}

proptest! {
    #[test]
    fn a_window_is_like_a_list_of_what_is_not_done(
        compacted in any::<bool>(),
        steps in vec(step(), 1..50),
    ) {
        let mut world = World::new(if compacted { Cleanup::Compact } else { Cleanup::Delete });
        for step in &steps {
            world.perform(step);
            world.check();
        }
    }
}

/// The window never holds more than its bound; settling pulls the rest in, each message once and in order.
#[test]
fn a_full_window_moves_on_as_messages_are_settled() {
    let mut world = World::new(Cleanup::Delete);
    world.topic.alter(TopicSettings { retention: None, ..world.topic.settings().clone() }).unwrap();
    let total = SHARED_WINDOW_MESSAGES * 2 + 500;
    (0..total / 4).for_each(|_| world.publish(&[0; 4]));
    let partition = Partition::new(0);
    let mut seen = Vec::new();
    loop {
        world.shared.fill(&world.topic, &mut world.ledger);
        let held = world.shared.window().held(partition);
        assert_eq!(held, (total - seen.len()).min(SHARED_WINDOW_MESSAGES));
        let progress = world.shared.progress(&world.topic, world.now);
        assert_eq!(progress.lag, u64::try_from(total - seen.len()).unwrap());
        let picked = world.shared.window().pick(&BTreeSet::new(), 700, u64::MAX);
        if picked.is_empty() {
            break;
        }
        let picks: Vec<_> = picked.iter().map(|picked| picked.pick).collect();
        world.shared.window_mut().lease(world.now, world.epoch, LeaseEnd::WithConnection, &picks);
        for pick in picks {
            let source = ReceiptSource::Subscription(SubscriptionId::new(1));
            let (sequence, attempt) = (pick.sequence, pick.attempt);
            let receipt = Receipt { source, partition, sequence, epoch: world.epoch, attempt };
            assert_eq!(world.shared.window_mut().ack(&receipt, &mut world.ledger), Settlement::Settled);
            seen.push(sequence.get());
        }
    }
    assert_eq!(seen, (0..u64::try_from(total).unwrap()).collect::<Vec<_>>());
}

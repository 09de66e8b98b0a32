//! How a seed is set up: which limits, which faults and which operations, each drawn first of all.
//! Invariant: limits are tiny, so that rolls, checkpoints, relocation and dead letters are common.
//! Drawn by `run`. Tests: the coverage of events.

use model::name::QueueName;
use model::number::{ByteSize, Span};
use model::queue::{DeliveryOrder, Overflow, QueueSettings};
use model::subscription::SubscriptionKind;
use model::topic::{Cleanup, TopicSettings};

use crate::chance::{Chance, Purpose};
use crate::operation::Kind;

/// The queues that clients use. The last one takes dead letters.
pub const QUEUES: [&str; 5] = ["q0", "q1", "q2", "q3", DEAD];
/// The queue of dead letters.
pub const DEAD: &str = "dead";
/// The topics that clients use. The second one is compacted.
pub const TOPICS: [&str; 2] = ["t0", "t1"];

/// The configuration of a seed.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The seed.
    pub seed: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bytes of recent batches in memory.
    pub tail_bytes: usize,
    /// Bytes of older batches in memory.
    pub decoded_bytes: usize,
    /// Operations under way at once.
    pub window: usize,
    /// Most milliseconds between two operations.
    pub pause_ms: u64,
    /// Most microseconds of one piece of work of the disk.
    pub disk_micros: u64,
    /// Most bytes of a body.
    pub body_bytes: u64,
    /// Of a hundred deliveries so many are never settled.
    pub forgotten_percent: u64,
    /// How often each operation is done.
    pub weights: Vec<u64>,
    /// Of each queue two ways to set it up.
    pub queues: Vec<[QueueSettings; 2]>,
    /// Of each topic.
    pub topics: Vec<TopicSettings>,
    /// The shared subscription of each topic.
    pub shared: Vec<SubscriptionKind>,
    /// Bytes of log that are kept for a replica that lags.
    pub lag_bytes: u64,
}

impl Configuration {
    /// Draws the configuration of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::of(seed, Purpose::Configuration, 0);
        let chance = &mut chance;
        let mut ways = |at| {
            // The same for both: a dead letter goes back to where nothing is dropped.
            let overflow = if chance.one_in(4) { Overflow::DropOldest } else { Overflow::Reject };
            [queue(chance, at, overflow), queue(chance, at, overflow)]
        };
        let queues = (0..QUEUES.len()).map(&mut ways).collect();
        Self {
            seed,
            segment_bytes: *chance.among(&[4096, 8192, 16384, 32768]),
            tail_bytes: *chance.among(&[0, 1024, 4096, 32768]),
            decoded_bytes: *chance.among(&[0, 2048, 16384]),
            window: *chance.among(&[1, 2, 4, 8, 16, 24]),
            pause_ms: *chance.among(&[0, 2, 10, 50, 200]),
            disk_micros: *chance.among(&[1, 1000, 5000, 30000]),
            body_bytes: *chance.among(&[8, 60, 300, 1500]),
            forgotten_percent: *chance.among(&[0, 5, 30]),
            weights: weights(chance),
            queues,
            topics: vec![topic(chance), compacted(chance)],
            shared: vec![shared(chance), shared(chance)],
            lag_bytes: *chance.among(&[8192, 65_536, 1 << 20]),
        }
    }
}

/// A third of the kinds is left out, but never the common ones.
fn weights(chance: &mut Chance) -> Vec<u64> {
    let draw = |kind: &Kind| {
        let usual = kind.usual_weight();
        let is_on = kind.is_common() || !chance.one_in(4);
        if is_on { usual * chance.between(1, 4) } else { 0 }
    };
    Kind::ALL.iter().map(draw).collect()
}

fn maybe<T>(chance: &mut Chance, of: u64, value: impl FnOnce(&mut Chance) -> T) -> Option<T> {
    if chance.one_in(of) { Some(value(chance)) } else { None }
}

fn queue(chance: &mut Chance, at: usize, overflow: Overflow) -> QueueSettings {
    let lease = Span::new(chance.between(100, 3000));
    let delivery_limit = u32::try_from(chance.between(1, 4)).unwrap_or(1);
    let message_ttl = maybe(chance, 3, |chance| Span::new(chance.between(200, 6000)));
    let deduplication = Span::new(*chance.among(&[0, 500, 10_000, 300_000]));
    let plain = QueueSettings { lease, delivery_limit, message_ttl, deduplication, ..QueueSettings::default() };
    if QUEUES[at] == DEAD {
        return QueueSettings { message_ttl: message_ttl.map(|ttl| Span::new(ttl.get() * 5)), ..plain };
    }
    let dead_letter = if overflow == Overflow::Reject && !chance.one_in(4) { dead() } else { None };
    // Of the same queue order and partitions never differ, so that an alter leads from one way to the other.
    let is_ordered = at % 2 == 1;
    QueueSettings {
        overflow,
        dead_letter,
        max_messages: maybe(chance, 2, |chance| chance.between(3, 40)),
        max_bytes: maybe(chance, 4, |chance| ByteSize::new(chance.between(2000, 9000))),
        order: if is_ordered { DeliveryOrder::PerKey } else { DeliveryOrder::Fifo },
        partitions: u32::try_from(1 + at / 2 * 2).unwrap_or(1),
        ..plain
    }
}

/// The name of the queue of dead letters.
#[must_use]
pub fn dead() -> Option<QueueName> {
    QueueName::parse(DEAD).ok()
}

fn topic(chance: &mut Chance) -> TopicSettings {
    TopicSettings {
        partitions: u32::try_from(chance.between(1, 3)).unwrap_or(1),
        retention: maybe(chance, 2, |chance| Span::new(chance.between(1000, 20_000))),
        retention_bytes: maybe(chance, 2, |chance| ByteSize::new(chance.between(500, 8000))),
        cleanup: Cleanup::Delete,
        deduplication: Span::new(*chance.among(&[0, 10_000])),
    }
}

fn compacted(chance: &mut Chance) -> TopicSettings {
    TopicSettings {
        partitions: u32::try_from(chance.between(1, 2)).unwrap_or(1),
        retention: None,
        retention_bytes: None,
        cleanup: Cleanup::Compact,
        deduplication: Span::new(0),
    }
}

fn shared(chance: &mut Chance) -> SubscriptionKind {
    SubscriptionKind::Shared {
        lease: Span::new(chance.between(100, 3000)),
        delivery_limit: u32::try_from(chance.between(1, 4)).unwrap_or(1),
        dead_letter: if chance.one_in(3) { None } else { dead() },
    }
}

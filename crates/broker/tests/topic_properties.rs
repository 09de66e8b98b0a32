//! Properties of a topic: whatever is done to it, it reads like plain lists of records, the ledger counts
//! what a full scan counts, and a restored copy is equal.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod topic_model;

use broker::liveness::Liveness;
use broker::place::{MessageRef, Stored};
use broker::record::{Head, IdHash, KeyHash};
use broker::topic::{Arrival, Entry, Misfit, Topic};
use broker::wire::{Reader, Writer};
use model::message::Availability;
use model::number::{ByteSize, LogIndex, Offset, Partition, Priority, Span, Timestamp};
use model::topic::{Cleanup, StartAt, TopicSettings};
use proptest::collection::vec;
use proptest::prelude::*;

use topic_model::{NaiveTopic, Records, Sent};

const SEGMENT_BATCHES: u64 = 4;

/// A message to be sent: key, partition, id, size, whether it is empty. Few values, so that they meet.
type Draft = (Option<u64>, Option<u32>, Option<u128>, u32, bool);

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Draft>),
    Pass(u64),
    Trim,
    Relocate { partition: u32, from: u64, count: u64 },
    Alter { grow: u32, cleanup: Cleanup, retention: Option<u64>, bytes: Option<u64> },
    Clear,
}

fn draft() -> impl Strategy<Value = Draft> {
    let rarely = proptest::option::weighted(0.2, 0..3_u128);
    let somewhere = proptest::option::weighted(0.2, 0..2_u32);
    (proptest::option::weighted(0.8, 0..4_u64), somewhere, rarely, 1..4_u32, proptest::bool::weighted(0.3))
}

fn cleanup() -> impl Strategy<Value = Cleanup> {
    prop_oneof![Just(Cleanup::Delete), Just(Cleanup::Compact)]
}

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![8 => 0..30_u64, 1 => Just(broker::limits::TOMBSTONE_MS)];
    let bounds = (proptest::option::of(20..60_u64), proptest::option::of(2..30_u64));
    prop_oneof![
        12 => vec(draft(), 1..8).prop_map(Step::Publish),
        4 => pass.prop_map(Step::Pass),
        4 => Just(Step::Trim),
        4 => (0..3_u32, 0..20_u64, 1..6_u64)
            .prop_map(|(partition, from, count)| Step::Relocate { partition, from, count }),
        1 => (0..2_u32, cleanup(), bounds)
            .prop_map(|(grow, cleanup, (retention, bytes))| Step::Alter { grow, cleanup, retention, bytes }),
        1 => Just(Step::Clear),
    ]
}

struct World {
    topic: Topic,
    naive: NaiveTopic,
    ledger: Liveness,
    now: Timestamp,
    index: LogIndex,
}

impl World {
    fn new(cleanup: Cleanup) -> Self {
        let deduplication = Span::new(40);
        let settings = TopicSettings { partitions: 2, retention: None, retention_bytes: None, cleanup, deduplication };
        let (now, index) = (Timestamp::new(0), LogIndex::new(0));
        let (topic, naive) = (Topic::new(settings.clone()), NaiveTopic::new(settings));
        Self { topic, naive, ledger: Liveness::default(), now, index }
    }

    fn next_batch(&mut self) -> LogIndex {
        let index = self.index;
        self.ledger.open_segment(LogIndex::new(index.get() / SEGMENT_BATCHES * SEGMENT_BATCHES));
        self.index = index.next();
        index
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Publish(drafts) => self.publish(drafts),
            Step::Pass(span) => self.now = self.now.after(Span::new(*span)),
            Step::Trim => {
                self.topic.trim(self.now, usize::MAX, &mut self.ledger);
                self.naive.trim(self.now);
                let due = self.topic.next_deadline();
                assert!(due.is_none_or(|due| due > self.now), "after a trim nothing is due");
            }
            Step::Relocate { partition, from, count } => self.relocate(*partition, *from, *count),
            Step::Alter { grow, cleanup, retention, bytes } => {
                let mut settings = self.naive.settings.clone();
                settings.partitions += grow;
                settings.cleanup = *cleanup;
                settings.retention = retention.map(Span::new);
                settings.retention_bytes = bytes.map(ByteSize::new);
                self.topic.alter(settings.clone()).unwrap();
                self.naive.alter(settings);
            }
            Step::Clear => {
                self.topic.clear(&mut self.ledger);
                self.naive.partitions.iter_mut().for_each(|records| records.kept.clear());
                self.naive.forget_ids();
            }
        }
    }

    fn publish(&mut self, drafts: &[Draft]) {
        let index = self.next_batch();
        let sent: Vec<_> = drafts
            .iter()
            .zip(0..)
            .map(|(&(key, partition, id, bytes, empty), position)| {
                let stored = Stored { at: MessageRef { index, position }, bytes };
                Sent { stored, key, partition, id, empty }
            })
            .collect();
        let arrivals: Vec<_> = sent.iter().map(|sent| arrival(sent, self.now)).collect();
        let before = self.topic.clone();
        let placed = self.topic.publish(self.now, &arrivals, &mut self.ledger);
        let compact = self.naive.settings.cleanup == Cleanup::Compact;
        if compact && sent.iter().any(|sent| sent.key.is_none()) {
            assert_eq!(placed, Err(Misfit::KeyMissing));
            assert_eq!(self.topic, before, "all or none");
            return;
        }
        let placed = placed.unwrap();
        for (sent, placed) in sent.iter().zip(placed) {
            let (partition, offset, duplicate) = self.naive.publish(self.now, sent);
            assert_eq!(usize::try_from(placed.partition.get()).unwrap(), partition);
            assert_eq!((placed.offset.get(), placed.duplicate), (offset, duplicate));
        }
    }

    /// Writes some neighbouring records again, as housekeeping does, in one batch.
    fn relocate(&mut self, partition: u32, from: u64, count: u64) {
        let index = self.next_batch();
        let Some(records) = self.naive.partitions.get_mut(usize::try_from(partition).unwrap()) else { return };
        let base = records.kept.first().map_or(0, |kept| kept.entry.offset.get());
        let chosen = base + from..base + from + count;
        let partition = Partition::new(partition);
        let inside = records.kept.iter_mut().filter(|kept| chosen.contains(&kept.entry.offset.get()));
        for (kept, position) in inside.zip(0..) {
            let (old, to) = (kept.entry.stored.at, MessageRef { index, position });
            let elsewhere = MessageRef { index, position: u32::MAX };
            assert!(!self.topic.relocate(partition, kept.entry.offset, elsewhere, to, &mut self.ledger));
            assert!(self.topic.relocate(partition, kept.entry.offset, old, to, &mut self.ledger));
            kept.entry.stored.at = to;
        }
        let gone = Offset::new(records.end);
        let at = MessageRef { index, position: 0 };
        assert!(!self.topic.relocate(partition, gone, at, at, &mut self.ledger));
    }

    fn check(&self) {
        for ((partition, history), records) in self.topic.histories().zip(&self.naive.partitions) {
            check_partition(&self.topic, partition, records);
            assert_eq!(history.end().get(), records.end);
        }
        self.check_ledger();
        let mut writer = Writer::new();
        self.topic.encode(&mut writer);
        let mut reader = Reader::new(writer.finish());
        assert_eq!(Topic::decode(&mut reader).unwrap(), self.topic);
        reader.finish().unwrap();
    }

    fn check_ledger(&self) {
        let entries = || self.naive.partitions.iter().flat_map(|records| &records.kept).map(|kept| kept.entry.stored);
        for (first, live) in self.ledger.segments() {
            let segment = first..LogIndex::new(first.get() + SEGMENT_BATCHES);
            let inside: Vec<_> = entries().filter(|stored| segment.contains(&stored.at.index)).collect();
            assert_eq!(live.references, u64::try_from(inside.len()).unwrap());
            assert_eq!(live.bytes.get(), inside.iter().map(|stored| u64::from(stored.bytes)).sum::<u64>());
            let found = self.topic.references_in(&segment, usize::MAX);
            assert!(found.iter().map(|(_, entry)| entry.stored.at).eq(inside.iter().map(|stored| stored.at)));
        }
    }
}

fn arrival(sent: &Sent, now: Timestamp) -> Arrival {
    let head = Head {
        bytes: sent.stored.bytes,
        priority: Priority::DEFAULT,
        availability: Availability::Now,
        ttl: None,
        key: sent.key.map(KeyHash),
        id: sent.id.map(IdHash),
        empty: sent.empty,
    };
    Arrival { stored: sent.stored, head, partition: sent.partition.map(Partition::new), published_at: now }
}

fn check_partition(topic: &Topic, partition: Partition, records: &Records) {
    let history = topic.history(partition).unwrap();
    let kept: Vec<Entry> = records.kept.iter().map(|kept| kept.entry).collect();
    let extent = history.extent(partition);
    assert_eq!(extent.earliest.get(), kept.first().map_or(records.end, |entry| entry.offset.get()));
    assert_eq!(extent.messages, u64::try_from(kept.len()).unwrap());
    assert_eq!(extent.bytes.get(), kept.iter().map(|entry| u64::from(entry.stored.bytes)).sum::<u64>());
    for offset in (0..records.end + 2).map(Offset::new) {
        let rest: Vec<Entry> = kept.iter().copied().filter(|entry| entry.offset >= offset).collect();
        assert_eq!(history.read(offset, usize::MAX, ByteSize::new(u64::MAX)), rest);
        assert_eq!(history.messages_from(offset), u64::try_from(rest.len()).unwrap());
        // At most two of them and, beyond the first, at most four bytes.
        let two_fit = rest.len() > 1 && rest[0].stored.bytes + rest[1].stored.bytes <= 4;
        let few = if two_fit { 2 } else { rest.len().min(1) };
        assert_eq!(history.read(offset, 2, ByteSize::new(4)), rest[..few]);
    }
    for time in kept.iter().flat_map(|entry| [entry.published_at, entry.published_at.next()]) {
        let first = kept.iter().find(|entry| entry.published_at >= time);
        let expected = first.map_or(history.end(), |entry| entry.offset);
        assert_eq!(history.locate(StartAt::Time(time)), expected);
    }
}

proptest! {
    #[test]
    fn a_topic_is_like_lists_of_records(cleanup in cleanup(), steps in vec(step(), 1..60)) {
        let mut world = World::new(cleanup);
        for step in &steps {
            world.perform(step);
            world.check();
        }
    }

    /// A saved form that was cut off or changed is an error or another topic, never a panic.
    #[test]
    fn a_broken_saved_form_never_panics(
        cleanup in cleanup(),
        drafts in vec(draft(), 1..20),
        at in any::<proptest::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut world = World::new(cleanup);
        world.publish(&drafts);
        let mut writer = Writer::new();
        world.topic.encode(&mut writer);
        let mut bytes = writer.finish().to_vec();
        let at = at.index(bytes.len());
        let cut = bytes[..at].to_vec();
        prop_assert!(Topic::decode(&mut Reader::new(cut.into())).is_err());
        bytes[at] = value;
        let _ = Topic::decode(&mut Reader::new(bytes.into()));
    }
}

#[test]
fn trimming_stops_at_its_budget_and_is_due_again_at_once() {
    let mut world = World::new(Cleanup::Delete);
    world.publish(&[(None, Some(0), None, 1, false); 5]);
    world.perform(&Step::Alter { grow: 0, cleanup: Cleanup::Delete, retention: Some(100), bytes: None });
    let now = Timestamp::new(1000);
    assert_eq!(world.topic.next_deadline(), Some(Timestamp::new(110)), "a tenth of its life later");
    assert_eq!(world.topic.trim(now, 3, &mut world.ledger), 3);
    assert!(world.topic.next_deadline().is_some_and(|due| due <= now));
    assert_eq!(world.topic.trim(now, 3, &mut world.ledger), 2);
    assert_eq!(world.topic.next_deadline(), None);
}

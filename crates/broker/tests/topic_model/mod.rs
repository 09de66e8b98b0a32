//! A topic as plain lists of records: slow, obvious, and what the real one is compared with.

use std::collections::BTreeMap;

use broker::limits::TOMBSTONE_MS;
use broker::place::Stored;
use broker::topic::Entry;
use model::number::{Offset, Span, Timestamp};
use model::topic::{Cleanup, TopicSettings};

/// One record that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) entry: Entry,
    /// Unknown when the topic was not compacted as the record came.
    pub(crate) key: Option<u64>,
    pub(crate) empty: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) kept: Vec<Kept>,
    pub(crate) end: u64,
}

impl Records {
    fn bytes(&self) -> u64 {
        self.kept.iter().map(|kept| u64::from(kept.entry.stored.bytes)).sum()
    }
}

/// A message as the model sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) stored: Stored,
    pub(crate) key: Option<u64>,
    pub(crate) partition: Option<u32>,
    pub(crate) id: Option<u128>,
    pub(crate) empty: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct NaiveTopic {
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Records>,
    turn: usize,
    seen: BTreeMap<u128, (Timestamp, usize, u64)>,
}

impl NaiveTopic {
    pub(crate) fn new(settings: TopicSettings) -> Self {
        let count = usize::try_from(settings.partitions).unwrap();
        Self { settings, partitions: vec![Records::default(); count], turn: 0, seen: BTreeMap::new() }
    }

    /// Where the message goes, and whether it was there already.
    pub(crate) fn publish(&mut self, now: Timestamp, sent: &Sent) -> (usize, u64, bool) {
        let window = self.settings.deduplication;
        self.seen.retain(|_, (at, ..)| at.after(window) > now);
        if let Some(&(_, partition, offset)) = sent.id.and_then(|id| self.seen.get(&id)) {
            return (partition, offset, true);
        }
        let count = self.partitions.len();
        let partition = match (sent.partition, sent.key) {
            (Some(partition), _) => usize::try_from(partition).unwrap(),
            (None, Some(key)) => usize::try_from(key).unwrap() % count,
            (None, None) => {
                self.turn += 1;
                (self.turn - 1) % count
            }
        };
        self.turn %= count;
        let compact = self.settings.cleanup == Cleanup::Compact;
        let records = &mut self.partitions[partition];
        let offset = records.end;
        records.end += 1;
        let key = sent.key.filter(|_| compact);
        if key.is_some() {
            records.kept.retain(|kept| kept.key != key);
        }
        let entry = Entry { offset: Offset::new(offset), stored: sent.stored, published_at: now };
        records.kept.push(Kept { entry, key, empty: sent.empty && compact });
        if let Some(id) = sent.id.filter(|_| window > Span::new(0)) {
            self.seen.insert(id, (now, partition, offset));
        }
        (partition, offset, false)
    }

    pub(crate) fn forget_ids(&mut self) {
        self.seen.clear();
    }

    pub(crate) fn trim(&mut self, now: Timestamp) {
        let settings = &self.settings;
        for records in &mut self.partitions {
            while let Some(first) = records.kept.first() {
                let old = settings.retention.is_some_and(|age| first.entry.published_at.after(age) <= now);
                let many = settings.retention_bytes.is_some_and(|max| records.bytes() > max.get());
                if old || (many && records.kept.len() > 1) {
                    records.kept.remove(0);
                    continue;
                }
                let due = |kept: &Kept| kept.empty && kept.entry.published_at.after(Span::new(TOMBSTONE_MS)) <= now;
                let Some(place) = records.kept.iter().position(due) else { break };
                records.kept.remove(place);
            }
        }
    }

    pub(crate) fn alter(&mut self, settings: TopicSettings) {
        if settings.cleanup != self.settings.cleanup {
            for kept in self.partitions.iter_mut().flat_map(|records| &mut records.kept) {
                (kept.key, kept.empty) = (None, false);
            }
        }
        self.partitions.resize(usize::try_from(settings.partitions).unwrap(), Records::default());
        if settings.deduplication == Span::new(0) {
            self.seen.clear();
        }
        self.settings = settings;
    }
}

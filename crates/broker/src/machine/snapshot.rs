//! The state in sections, as a checkpoint keeps it. Format: `docs/formats/state.md`, version 3; older ones are read.
//!
//! Invariant: restoring the sections gives a machine that behaves the same from then on, byte for byte;
//! tables that follow from others (deadlines, names, users of dead-letter queues) are made anew.
//! Totals are counted since the start of a node and are no state.

use std::collections::BTreeMap;
use std::hash::Hasher;

use bytes::Bytes;
use model::number::{Epoch, LogIndex, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::Machine;
use super::entry::{Attendance, Cursor, Namespace, QueueEntry, RedriveJob, SubscriptionEntry, TopicEntry};
use crate::access::Access;
use crate::codec::{Wire, fields};
use crate::liveness::Liveness;
use crate::place::SourceId;
use crate::queue::Queue;
use crate::subscription::{Shared, Stream};
use crate::topic::Topic;
use crate::wire::{Reader, WireError, Writer};

const VERSION: u8 = 4;
const VERSION_OLDEST: u8 = 1;

/// The sections of a state, in the order in which they are kept.
pub const SECTIONS: [&str; 9] =
    ["machine", "access", "namespaces", "queues", "topics", "subscriptions", "ledger", "exchanges", "policies"];

fields!(RedriveJob { filter, target, rate, moved, next_at });

impl Machine {
    /// The state in its sections.
    pub fn sections(&self) -> Vec<(&'static str, Bytes)> {
        let section = |write: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.u8(VERSION);
            write(&mut writer);
            writer.finish()
        };
        vec![
            ("machine", section(&|writer| self.write_head(writer))),
            ("access", section(&|writer| self.access.write(writer))),
            ("namespaces", section(&|writer| self.namespaces.keys().cloned().collect::<Vec<_>>().write(writer))),
            ("queues", section(&|writer| write_table(writer, &self.queues, write_queue))),
            ("topics", section(&|writer| write_table(writer, &self.topics, write_topic))),
            ("subscriptions", section(&|writer| write_table(writer, &self.subscriptions, write_subscription))),
            ("ledger", section(&|writer| self.ledger.write(writer))),
            ("exchanges", section(&|writer| self.write_exchanges(writer))),
            ("policies", section(&|writer| self.write_policies(writer))),
        ]
    }

    fn write_head(&self, writer: &mut Writer) {
        self.now.write(writer);
        self.applied.write(writer);
        self.epoch.write(writer);
        self.next_id.write(writer);
    }

    /// A hash of the whole state; replicas compare it.
    pub fn state_hash(&self) -> u128 {
        let mut hasher = SipHasher24::new();
        for (name, bytes) in self.sections() {
            hasher.write(name.as_bytes());
            hasher.write(&bytes);
        }
        hasher.finish128().as_u128()
    }

    /// The machine that was saved in these sections.
    ///
    /// # Errors
    /// When a section is missing, of an unknown version, or does not hold what it should.
    pub fn restore(sections: &[(String, Bytes)]) -> Result<Self, WireError> {
        let find = |wanted: &'static str| -> Result<Reader, WireError> {
            let bytes = sections.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes.clone());
            let mut reader = Reader::new(bytes.unwrap_or_default());
            reader.read_version(VERSION_OLDEST..=VERSION, "an unknown section version")?;
            Ok(reader)
        };
        let mut machine = Self::new();
        read_all(find("machine")?, |reader| machine.read_head(reader))?;
        machine.access = read_all(find("access")?, Access::read)?;
        let names: Vec<_> = read_all(find("namespaces")?, Wire::read)?;
        machine.namespaces = names.into_iter().map(|name| (name, Namespace::default())).collect();
        machine.queues = read_all(find("queues")?, |reader| read_table(reader, read_queue))?;
        machine.topics = read_all(find("topics")?, |reader| read_table(reader, read_topic))?;
        machine.subscriptions = read_all(find("subscriptions")?, |reader| read_table(reader, read_subscription))?;
        machine.ledger = read_all(find("ledger")?, Liveness::read)?;
        // Versions 1 and 2 have none.
        if sections.iter().any(|(name, _)| name == "policies") {
            read_all(find("policies")?, |reader| machine.read_policies(reader))?;
        }
        machine.rebuild(&find("machine")?)?;
        // Version 1 has none.
        if sections.iter().any(|(name, _)| name == "exchanges") {
            read_all(find("exchanges")?, |reader| machine.read_exchanges(reader))?;
        }
        let namespaces: Vec<_> = machine.namespaces.keys().cloned().collect();
        namespaces.iter().for_each(|namespace| machine.rule_exchanges(namespace));
        Ok(machine)
    }

    fn read_head(&mut self, reader: &mut Reader) -> Result<(), WireError> {
        self.now = Timestamp::read(reader)?;
        self.applied = LogIndex::read(reader)?;
        self.epoch = Epoch::read(reader)?;
        self.next_id = reader.u64()?;
        Ok(())
    }

    /// Makes the tables that follow from the others.
    fn rebuild(&mut self, context: &Reader) -> Result<(), WireError> {
        for (id, entry) in &self.queues {
            let namespace = self.namespaces.get_mut(&entry.queue.namespace);
            let namespace = namespace.ok_or_else(|| context.error("a queue of no namespace"))?;
            namespace.queues.insert(entry.queue.name.clone(), *id);
        }
        for (id, entry) in &self.topics {
            let namespace = self.namespaces.get_mut(&entry.topic.namespace);
            let namespace = namespace.ok_or_else(|| context.error("a topic of no namespace"))?;
            namespace.topics.insert(entry.topic.name.clone(), *id);
        }
        for (id, entry) in &self.subscriptions {
            let topic = self.topics.get_mut(&entry.topic).ok_or_else(|| context.error("a subscription of no topic"))?;
            topic.subscriptions.insert(entry.subscription.name.clone(), *id);
        }
        let queues: Vec<_> = self.queues.keys().copied().collect();
        for id in queues {
            self.find_rule(id);
            let (namespace, target) = {
                let entry = &self.queues[&id];
                (entry.queue.namespace.clone(), entry.settings.dead_letter.clone())
            };
            self.note_dead_letter_user(SourceId::Queue(id), &namespace, None, target.as_ref());
            self.reschedule_queue(id);
        }
        let topics: Vec<_> = self.topics.keys().copied().collect();
        topics.into_iter().for_each(|id| self.reschedule_topic(id));
        let subscriptions: Vec<_> = self.subscriptions.keys().copied().collect();
        for id in subscriptions {
            let (namespace, target) = {
                let entry = &self.subscriptions[&id];
                (entry.subscription.topic.namespace.clone(), entry.dead_letter().cloned())
            };
            self.note_dead_letter_user(SourceId::Subscription(id), &namespace, None, target.as_ref());
            self.reschedule_subscription(id);
        }
        Ok(())
    }
}

fn read_all<T>(mut reader: Reader, read: impl FnOnce(&mut Reader) -> Result<T, WireError>) -> Result<T, WireError> {
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

fn write_table<K: Wire, V>(writer: &mut Writer, table: &BTreeMap<K, V>, write: impl Fn(&mut Writer, &V)) {
    writer.count(table.len());
    for (key, value) in table {
        key.write(writer);
        write(writer, value);
    }
}

fn read_table<K: Wire + Ord, V>(
    reader: &mut Reader,
    read: impl Fn(&mut Reader) -> Result<V, WireError>,
) -> Result<BTreeMap<K, V>, WireError> {
    let count = reader.count(1)?;
    (0..count).map(|_| Ok((K::read(reader)?, read(reader)?))).collect()
}

fn write_queue(writer: &mut Writer, entry: &QueueEntry) {
    entry.queue.write(writer);
    entry.owner.write(writer);
    entry.created_at.write(writer);
    entry.own().write(writer);
    entry.redrive.as_deref().cloned().write(writer);
    entry.attendance.write(writer);
    entry.core.encode(writer);
}

impl Wire for Attendance {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Unused(since) => {
                writer.u8(1);
                since.write(writer);
            }
            Self::Consumed => writer.u8(2),
            Self::Lost(since) => {
                writer.u8(3);
                since.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Wire::read(reader).map(Self::Unused),
            2 => Ok(Self::Consumed),
            3 => Wire::read(reader).map(Self::Lost),
            _ => Err(reader.error("an unknown attendance")),
        }
    }
}

fn read_queue(reader: &mut Reader) -> Result<QueueEntry, WireError> {
    Ok(QueueEntry {
        queue: Wire::read(reader)?,
        owner: Wire::read(reader)?,
        created_at: Wire::read(reader)?,
        settings: Wire::read(reader)?,
        ruled: None,
        redrive: Option::<RedriveJob>::read(reader)?.map(Box::new),
        // Queues of version 1 do not go by themselves.
        attendance: if reader.version() < 2 { Attendance::Unused(Timestamp::new(0)) } else { Wire::read(reader)? },
        core: Queue::decode(reader)?,
        deadline: None,
        totals: model::queue::Totals::default(),
    })
}

fn write_topic(writer: &mut Writer, entry: &TopicEntry) {
    entry.topic.write(writer);
    entry.owner.write(writer);
    entry.created_at.write(writer);
    entry.core.encode(writer);
}

fn read_topic(reader: &mut Reader) -> Result<TopicEntry, WireError> {
    let (topic, owner, created_at) = (Wire::read(reader)?, Wire::read(reader)?, Wire::read(reader)?);
    let core = Topic::decode(reader)?;
    Ok(TopicEntry {
        topic,
        owner,
        created_at,
        settings: core.settings().clone(),
        core,
        subscriptions: BTreeMap::new(),
        deadline: None,
        totals: model::queue::Totals::default(),
    })
}

fn write_subscription(writer: &mut Writer, entry: &SubscriptionEntry) {
    entry.subscription.write(writer);
    entry.topic.write(writer);
    entry.owner.write(writer);
    entry.created_at.write(writer);
    entry.settings.write(writer);
    match &entry.cursor {
        Cursor::Stream(stream) => {
            writer.u8(1);
            stream.encode(writer);
        }
        Cursor::Shared(shared) => {
            writer.u8(2);
            shared.encode(writer);
        }
    }
}

fn read_subscription(reader: &mut Reader) -> Result<SubscriptionEntry, WireError> {
    let subscription = Wire::read(reader)?;
    let topic = Wire::read(reader)?;
    let owner = Wire::read(reader)?;
    let created_at = Wire::read(reader)?;
    let settings = Wire::read(reader)?;
    let cursor = match reader.u8()? {
        1 => Cursor::Stream(Stream::decode(reader)?),
        2 => Cursor::Shared(Box::new(Shared::decode(reader)?)),
        _ => return Err(reader.error("an unknown cursor")),
    };
    Ok(SubscriptionEntry {
        subscription,
        topic,
        owner,
        created_at,
        settings,
        cursor,
        deadline: None,
        totals: model::queue::Totals::default(),
    })
}

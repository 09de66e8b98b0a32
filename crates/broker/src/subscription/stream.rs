//! A stream subscription: a committed offset a partition, and the members that share the partitions.
//! Invariant: a committed offset moves backwards only by a seek, and never past the end of its partition.

use model::name::MemberName;
use model::number::{Offset, Partition, Span, Timestamp};
use model::refusal::Refusal;
use model::subscription::{PartitionOffset, PartitionProgress};
use model::topic::StartAt;
use mutant::Mutant;

use super::Progress;
use crate::codec::{Wire, fields};
use crate::group::Group;
use crate::topic::Topic;
use crate::wire::{Reader, WireError, Writer};

/// Committed offsets and members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    committed: Vec<Offset>,
    group: Group,
}

fields!(Stream { committed, group });

impl Stream {
    /// Starts somewhere, without members.
    pub fn new(topic: &Topic, start: StartAt) -> Self {
        let committed = topic.histories().map(|(_, history)| history.locate(start)).collect();
        Self { committed, group: Group::new(topic.settings().partitions) }
    }

    fn committed(&self, partition: Partition) -> Option<Offset> {
        self.committed.get(usize::try_from(partition.get()).ok()?).copied()
    }

    fn set(&mut self, partition: Partition, offset: Offset) {
        let at = usize::try_from(partition.get()).unwrap_or(usize::MAX);
        if let Some(committed) = self.committed.get_mut(at) {
            *committed = offset;
        }
    }

    /// Commits offsets of partitions that exist, all or none. An offset behind the committed one changes nothing.
    ///
    /// # Errors
    /// `NotAssigned` for a partition of another member, `ArgumentInvalid` for an offset beyond the end.
    pub fn commit(
        &mut self,
        topic: &Topic,
        member: Option<&MemberName>,
        offsets: &[PartitionOffset],
    ) -> Result<Vec<PartitionOffset>, Refusal> {
        for PartitionOffset { partition, offset } in offsets {
            let history = topic.history(*partition).expect("whoever knows the topic's name refuses a missing one");
            if *offset > history.end() {
                return Err(Refusal::invalid("offset", format!("the partition ends at {}", history.end())));
            }
            if let Some(member) = member.filter(|member| {
                self.group.owner(*partition) != Some(*member) && !mutant::is_on(Mutant::CommitIgnoresOwner)
            }) {
                return Err(Refusal::NotAssigned { member: member.to_string(), partition: *partition });
            }
        }
        let commit = |wanted: &PartitionOffset| {
            let mut now = self.committed(wanted.partition).unwrap_or_default().max(wanted.offset);
            if mutant::is_on(Mutant::CommitRunsBackwards) {
                now = wanted.offset;
            }
            self.set(wanted.partition, now);
            PartitionOffset { partition: wanted.partition, offset: now }
        };
        Ok(offsets.iter().map(commit).collect())
    }

    /// Moves to a place, in all partitions or one.
    pub fn seek(&mut self, topic: &Topic, to: StartAt, only: Option<Partition>) -> Vec<PartitionOffset> {
        let chosen = topic.histories().filter(|(partition, _)| only.is_none_or(|only| only == *partition));
        let seek = |(partition, history): (Partition, &crate::topic::History)| {
            let offset = history.locate(to);
            self.set(partition, offset);
            PartitionOffset { partition, offset }
        };
        chosen.map(seek).collect()
    }

    /// Adds a member; false when it is in already.
    ///
    /// # Errors
    /// `LimitReached`.
    pub fn join(&mut self, member: MemberName) -> Result<bool, Refusal> {
        self.group.join(member)
    }

    /// Takes a member out; false when it is not in.
    pub fn leave(&mut self, member: &MemberName) -> bool {
        self.group.leave(member)
    }

    /// Takes in partitions that the topic has grown; they are read from their start.
    pub fn grow(&mut self, partitions: u32) {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        self.committed.resize(count.max(self.committed.len()), Offset::new(0));
        self.group.grow(partitions);
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = &MemberName> {
        self.group.members().iter()
    }

    /// The partitions of a member with their committed offsets; `None` when it is no member.
    pub fn assignment(&self, member: &MemberName) -> Option<Vec<PartitionOffset>> {
        if !self.group.members().contains(member) {
            return None;
        }
        let own = self.group.partitions_of(member);
        let with_offset =
            |partition| PartitionOffset { partition, offset: self.committed(partition).unwrap_or_default() };
        Some(own.map(with_offset).collect())
    }

    /// How far it is.
    pub fn progress(&self, topic: &Topic, now: Timestamp) -> Progress {
        let partitions: Vec<_> = topic
            .histories()
            .map(|(partition, history)| {
                let committed = history.clamp(self.committed(partition).unwrap_or_default());
                let oldest = history.from(committed).next();
                PartitionProgress {
                    partition,
                    committed,
                    end: history.end(),
                    lag: history.messages_from(committed),
                    lag_time: oldest.map_or(Span::new(0), |entry| now.since(entry.published_at)),
                    member: self.group.owner(partition).cloned(),
                }
            })
            .collect();
        Progress {
            generation: self.group.generation(),
            members: self.group.members().to_vec(),
            lag: partitions.iter().map(|part| part.lag).sum(),
            lag_time: partitions.iter().map(|part| part.lag_time).max().unwrap_or_default(),
            leased: 0,
            partitions,
        }
    }

    /// Writes the whole state.
    pub fn encode(&self, writer: &mut Writer) {
        self.write(writer);
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// When the bytes are not a stream subscription.
    pub fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        Self::read(reader)
    }
}

//! What the shard needs to free disk: which segments are dead, which are nearly, and moving what is left.

use std::collections::BTreeMap;

use model::number::{ByteSize, LogIndex};
use mutant::Mutant;

use super::Machine;
use super::entry::{Cursor, SubscriptionEntry};
use crate::command::{Holder, Relocation};
use crate::liveness::Live;
use crate::outcome::Outcome;
use crate::place::{MessageRef, Stored};

/// A live message in a segment that is worth emptying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Who refers to it.
    pub holder: Holder,
    /// Where it lies.
    pub stored: Stored,
    /// When it was first accepted.
    pub published_at: model::number::Timestamp,
}

impl Machine {
    /// What is needed of each segment, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = (LogIndex, Live)> {
        let is_hidden = |live: &Live| live.references == 1 && mutant::is_on(Mutant::DeleteLiveSegment);
        self.ledger.segments().filter(move |(_, live)| !is_hidden(live))
    }

    /// Bytes that are needed in all segments.
    pub fn live_bytes(&self) -> ByteSize {
        self.ledger.segments().fold(ByteSize::new(0), |sum, (_, live)| sum.plus(live.bytes))
    }

    /// Up to `max` live messages with `from <= log index < until`. Walks every index once.
    pub fn survivors(&self, from: LogIndex, until: LogIndex, max: usize) -> Vec<Survivor> {
        let mut found = Vec::new();
        for (id, entry) in &self.queues {
            let left = max - found.len();
            found.extend(entry.core.references_in(from, until, left).into_iter().map(
                |(partition, sequence, stored, published_at)| Survivor {
                    holder: Holder::Queue(*id, partition, sequence),
                    stored,
                    published_at,
                },
            ));
        }
        for (id, entry) in &self.topics {
            let left = max - found.len();
            found.extend(entry.core.references_in(&(from..until), left).into_iter().map(|(partition, entry)| {
                Survivor {
                    holder: Holder::Topic(*id, partition, entry.offset),
                    stored: entry.stored,
                    published_at: entry.published_at,
                }
            }));
        }
        for (id, entry) in &self.subscriptions {
            let left = max - found.len();
            if let Cursor::Shared(shared) = &entry.cursor {
                found.extend(shared.references_in(from, until, left).into_iter().map(
                    |(partition, sequence, stored, published_at)| Survivor {
                        holder: Holder::Subscription(*id, partition, sequence),
                        stored,
                        published_at,
                    },
                ));
            }
        }
        found
    }

    /// Lets holders refer to the new copies. One that has moved on meanwhile is left alone. A message with several
    /// holders is written once.
    pub(super) fn relocate(&mut self, relocations: &[Relocation], first: MessageRef) -> Outcome {
        let mut next = first;
        let mut moved = BTreeMap::new();
        for relocation in relocations {
            let to = if relocation.record.is_empty() {
                let Some(to) = moved.get(&relocation.from) else { continue };
                *to
            } else {
                let to = next;
                next.position += 1;
                moved.insert(relocation.from, to);
                to
            };
            match relocation.holder {
                Holder::Queue(id, partition, sequence) => {
                    if let Some(entry) = self.queues.get_mut(&id) {
                        entry.core.relocate(partition, sequence, relocation.from, to, &mut self.ledger);
                    }
                }
                Holder::Topic(id, partition, offset) => {
                    if let Some(entry) = self.topics.get_mut(&id) {
                        entry.core.relocate(partition, offset, relocation.from, to, &mut self.ledger);
                    }
                }
                Holder::Subscription(id, partition, sequence) => {
                    if let Some(SubscriptionEntry { cursor: Cursor::Shared(shared), .. }) =
                        self.subscriptions.get_mut(&id)
                    {
                        shared.relocate(partition, sequence, relocation.from, to, &mut self.ledger);
                    }
                }
            }
        }
        Outcome::Done
    }

    /// Forgets segments whose files are to go, unless something in them came to life again.
    pub(super) fn drop_segments(&mut self, first: &[LogIndex]) -> Outcome {
        let dead: Vec<_> =
            self.ledger.segments().filter(|(index, live)| live.references == 0 && first.contains(index)).collect();
        for (index, _) in dead {
            self.ledger.close_segment(index);
        }
        Outcome::Done
    }
}

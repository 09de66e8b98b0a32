//! The messages that may be handed out, one bit each: by priority, then by sequence.
//!
//! Invariant: a group of bits that exists has at least one set; `count` is the number of set bits.

use std::collections::{BTreeMap, BTreeSet};

use model::limits::PRIORITY_MAX;
use model::number::{Partition, Priority, Sequence};

use super::bits::{Bits, PLACES, locate};
#[cfg(test)]
use super::memory::{allocated, of_tree};

/// Lower comes first: the opposite of the priority.
type Rank = u8;

/// A set of messages in order of delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ready {
    /// Boxed, because a tree makes room for eleven values at once and most queues have one group.
    groups: BTreeMap<(Rank, u64), Box<Bits>>,
    count: u64,
}

impl Ready {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Adds a message that is not in it.
    pub(super) fn insert(&mut self, priority: Priority, sequence: Sequence) {
        let (number, place) = locate(sequence.get());
        let is_new = self.groups.entry((rank(priority), number)).or_default().insert(place);
        assert!(is_new, "a message becomes ready once");
        self.count += 1;
    }

    /// Takes a message out that is in it.
    pub(super) fn remove(&mut self, priority: Priority, sequence: Sequence) {
        let (number, place) = locate(sequence.get());
        let key = (rank(priority), number);
        let group = self.groups.get_mut(&key).expect("a ready message has its group");
        assert!(group.remove(place), "a message that is taken out was ready");
        self.count -= 1;
        if group.is_empty() {
            self.groups.remove(&key);
        }
    }

    /// All messages in order of delivery.
    pub(super) fn iter(&self) -> impl Iterator<Item = Sequence> {
        self.groups.iter().flat_map(|((_, number), group)| sequences(*number, group))
    }

    /// The same without those that are `held`, of which there may be as many as consumers prefetch: a group is freed of
    /// them at once.
    pub(super) fn iter_besides(
        &self,
        partition: Partition,
        held: &BTreeSet<(Partition, Sequence)>,
    ) -> impl Iterator<Item = Sequence> {
        self.groups.iter().flat_map(move |((_, number), group)| {
            let mut group = **group;
            let first = number * PLACES;
            let here = (partition, Sequence::new(first))..=(partition, Sequence::new(first + (PLACES - 1)));
            for (_, sequence) in held.range(here) {
                group.remove(locate(sequence.get()).1);
            }
            sequences(*number, &group)
        })
    }

    /// The message that came first, whatever its priority.
    pub(super) fn oldest(&self) -> Option<Sequence> {
        // Only the ranks that there are: of 256 most queues have one.
        let mut from = Some((Rank::MIN, u64::MIN));
        let firsts = std::iter::from_fn(|| {
            let ((rank, number), group) = self.groups.range(from?..).next()?;
            from = rank.checked_add(1).map(|next| (next, u64::MIN));
            sequences(*number, group).next()
        });
        firsts.min()
    }

    /// What the groups cost, in bytes, as far as the allocator is asked.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.groups.len() * allocated(size_of::<Bits>()) + of_tree::<(Rank, u64), Box<Bits>>(self.groups.len())
    }
}

const fn rank(priority: Priority) -> Rank {
    PRIORITY_MAX - priority.get()
}

fn sequences(number: u64, group: &Bits) -> impl Iterator<Item = Sequence> + use<> {
    group.iter().map(move |place| Sequence::new(number * PLACES + place))
}

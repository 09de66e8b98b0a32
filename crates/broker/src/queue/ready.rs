//! The messages that may be handed out, one bit each: by priority, then by sequence.
//!
//! Invariant: a group of bits that exists has at least one set; `count` is the number of set bits.

use std::collections::BTreeMap;

use model::limits::PRIORITY_MAX;
use model::number::{Priority, Sequence};

const GROUP_WORDS: usize = 8;
const GROUP_BITS: u64 = 512;
const WORD_BITS: u64 = 64;

/// Lower comes first: the opposite of the priority.
type Rank = u8;

/// A set of messages in order of delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ready {
    groups: BTreeMap<(Rank, u64), [u64; GROUP_WORDS]>,
    count: u64,
}

impl Ready {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Adds a message that is not in it.
    pub(super) fn insert(&mut self, priority: Priority, sequence: Sequence) {
        let (key, word, bit) = address(priority, sequence);
        let group = self.groups.entry(key).or_default();
        assert!(group[word] & bit == 0, "a message becomes ready once");
        group[word] |= bit;
        self.count += 1;
    }

    /// Takes a message out that is in it.
    pub(super) fn remove(&mut self, priority: Priority, sequence: Sequence) {
        let (key, word, bit) = address(priority, sequence);
        let group = self.groups.get_mut(&key).expect("a ready message has its group");
        assert!(group[word] & bit != 0, "a message that is taken out was ready");
        group[word] &= !bit;
        self.count -= 1;
        if group.iter().all(|word| *word == 0) {
            self.groups.remove(&key);
        }
    }

    /// All messages in order of delivery.
    pub(super) fn iter(&self) -> impl Iterator<Item = Sequence> {
        self.groups.iter().flat_map(|((_, number), group)| bits(*number, group))
    }

    /// The message that came first, whatever its priority.
    pub(super) fn oldest(&self) -> Option<Sequence> {
        let ranks = 0..=PRIORITY_MAX;
        let firsts = ranks.filter_map(|rank| {
            let ((_, number), group) = self.groups.range((rank, 0)..=(rank, u64::MAX)).next()?;
            bits(*number, group).next()
        });
        firsts.min()
    }
}

fn address(priority: Priority, sequence: Sequence) -> ((Rank, u64), usize, u64) {
    let within = sequence.get() % GROUP_BITS;
    let word = usize::try_from(within / WORD_BITS).expect("eight words");
    let rank = PRIORITY_MAX - priority.get();
    ((rank, sequence.get() / GROUP_BITS), word, 1 << (within % WORD_BITS))
}

fn bits(number: u64, group: &[u64; GROUP_WORDS]) -> impl Iterator<Item = Sequence> {
    let words = (0_u64..).zip(group);
    words.flat_map(move |(at, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| u64::from(left.trailing_zeros()))?;
            left &= left - 1;
            Some(Sequence::new(number * GROUP_BITS + at * WORD_BITS + bit))
        })
    })
}

//! One message of a key at a time, in the order of arrival.
//!
//! Invariants: a key that exists has exactly one active message, all others of the key are blocked; without
//! per-key order no key exists, though messages may have one.

use std::collections::{BTreeMap, BTreeSet};

use model::number::Sequence;
use model::queue::DeliveryOrder;

use crate::record::KeyHash;

/// The messages of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The one that may be delivered, is with a consumer or waits for its retry.
    pub(super) active: Sequence,
    /// Those behind it.
    pub(super) waiting: BTreeSet<Sequence>,
}

/// All keys that have messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KeyOrder {
    /// False where keys order nothing.
    is_on: bool,
    pub(super) lines: BTreeMap<KeyHash, Line>,
}

impl KeyOrder {
    pub(super) fn new(order: DeliveryOrder) -> Self {
        Self { is_on: order == DeliveryOrder::PerKey, lines: BTreeMap::new() }
    }

    /// A message comes; true when it may be delivered: it is the active one of its key.
    pub(super) fn enter(&mut self, key: KeyHash, sequence: Sequence) -> bool {
        if !self.is_on {
            return true;
        }
        match self.lines.get_mut(&key) {
            None => {
                self.lines.insert(key, Line { active: sequence, waiting: BTreeSet::new() });
                true
            }
            Some(line) if line.active == sequence => true,
            Some(line) => {
                line.waiting.insert(sequence);
                false
            }
        }
    }

    /// A message goes; the one that becomes active, if any.
    pub(super) fn leave(&mut self, key: KeyHash, sequence: Sequence) -> Option<Sequence> {
        let line = self.lines.get_mut(&key)?;
        if line.active != sequence {
            line.waiting.remove(&sequence);
            return None;
        }
        match line.waiting.pop_first() {
            Some(next) => {
                line.active = next;
                Some(next)
            }
            None => {
                self.lines.remove(&key);
                None
            }
        }
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}

//! The ids of recent messages: a second one with the same id inside the window is the same message.
//!
//! Invariant: ids are forgotten in the order in which they came; their number is bounded.

use std::collections::{BTreeMap, VecDeque};

use model::number::{Span, Timestamp};

use crate::limits::DEDUPLICATION_IDS_MAX;
use crate::record::IdHash;

/// Ids with where their message was put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deduplication<P> {
    pub(crate) places: BTreeMap<IdHash, P>,
    pub(crate) order: VecDeque<(Timestamp, IdHash)>,
}

impl<P> Default for Deduplication<P> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<P: Copy> Deduplication<P> {
    /// Where the message with this id was put.
    pub(crate) fn find(&self, id: IdHash) -> Option<P> {
        self.places.get(&id).copied()
    }

    /// Remembers an id that is not known.
    pub(crate) fn remember(&mut self, now: Timestamp, id: IdHash, place: P) {
        if self.order.len() >= DEDUPLICATION_IDS_MAX {
            self.forget_oldest();
        }
        self.places.insert(id, place);
        self.order.push_back((now, id));
    }

    /// Forgets ids that are older than the window.
    pub(crate) fn forget(&mut self, now: Timestamp, window: Span) {
        while self.order.front().is_some_and(|(at, _)| at.after(window) <= now) {
            self.forget_oldest();
        }
        if self.order.is_empty() {
            self.order.shrink_to_fit();
        }
    }

    /// When the newest id is forgotten and the memory of all of them is free.
    pub(crate) fn deadline(&self, window: Span) -> Option<Timestamp> {
        self.order.back().map(|(at, _)| at.after(window))
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.places.remove(&id);
        }
    }
}

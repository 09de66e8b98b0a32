//! The ids of recent messages: a second one with the same id inside the window is the same message.
//!
//! Used by queues and by topics; the place of a message is what they say it is.
//! Invariant: ids are forgotten in the order in which they came; their number is bounded.

use std::collections::{BTreeMap, VecDeque};

use model::number::{Span, Timestamp};

use crate::codec::Wire;
use crate::limits::DEDUPLICATION_IDS_MAX;
use crate::record::IdHash;
use crate::wire::{Reader, WireError, Writer};

/// Ids with where their message was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deduplication<P> {
    places: BTreeMap<IdHash, P>,
    order: VecDeque<(Timestamp, IdHash)>,
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
        let before = self.places.insert(id, place);
        assert!(before.is_none(), "an id is remembered only after it was not found");
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

    /// Whether no id is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
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

impl<P: Wire + Copy> Wire for Deduplication<P> {
    fn write(&self, writer: &mut Writer) {
        writer.count(self.order.len());
        for (at, id) in &self.order {
            at.write(writer);
            id.write(writer);
            self.places.get(id).expect("every id in order has its place").write(writer);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let entries =
            reader.list(24, |reader| Ok((Timestamp::read(reader)?, IdHash::read(reader)?, P::read(reader)?)))?;
        let mut ids = Self::default();
        for (at, id, place) in entries {
            if ids.find(id).is_some() {
                return Err(reader.error("a message id is remembered twice"));
            }
            ids.remember(at, id, place);
        }
        Ok(ids)
    }
}

//! Message ids that were seen lately: a second message with one of them is the same message.
//! Invariant: `places` and `order` hold the same ids; the oldest is forgotten first.
//! Called by `Topic::publish` and `Topic::trim`. Scripts: `tests/scripts/topic_deduplication.txt`.

use std::collections::{BTreeMap, VecDeque};

use model::number::{Offset, Partition, Span, Timestamp};

use crate::limits::DEDUPLICATION_IDS_MAX;
use crate::record::IdHash;

/// Ids with the places of their messages, for as long as the window says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deduplication {
    places: BTreeMap<IdHash, (Partition, Offset)>,
    pub(super) order: VecDeque<(Timestamp, IdHash)>,
}

impl Deduplication {
    /// Where the message with this id lies or lay.
    pub(super) fn find(&self, id: IdHash) -> Option<(Partition, Offset)> {
        self.places.get(&id).copied()
    }

    /// Remembers a new id; the oldest makes room when there are too many.
    pub(super) fn remember(&mut self, now: Timestamp, id: IdHash, place: (Partition, Offset)) {
        if self.order.len() >= DEDUPLICATION_IDS_MAX {
            self.forget_oldest();
        }
        let before = self.places.insert(id, place);
        assert!(before.is_none(), "an id is remembered only after it was not found");
        self.order.push_back((now, id));
    }

    /// Forgets what lies outside the window.
    pub(super) fn forget(&mut self, now: Timestamp, window: Span) {
        while self.order.front().is_some_and(|(seen, _)| seen.after(window) <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.places.remove(&id);
        }
    }

    /// When the last id was seen: from then on an idle topic waits for one deadline, not for one an id.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.order.back().map(|(seen, _)| *seen)
    }
}

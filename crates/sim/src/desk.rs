//! What clients hold and remember: deliveries, messages they sent, places they saw.
//! Invariant: it knows only what clients were told.
//! Kept in the world, beyond the lives of the shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::place::SourceId;
use bytes::Bytes;
use model::message::MessagePlace;
use model::name::{QueueRef, Source};
use model::number::{Epoch, LogIndex, Partition, Sequence};
use model::receipt::Receipt;

use crate::limits::RECEIPTS_KEPT;

/// A delivery in the hands of a client.
#[derive(Clone, Debug)]
pub struct Holding {
    /// From where.
    pub source: Source,
    /// Its receipt.
    pub receipt: Receipt,
}

/// Everything that clients remember.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Which life of the shard it is, from 1.
    pub life: u64,
    /// The number of the next message.
    pub next_number: u64,
    /// Deliveries that will be settled.
    pub held: Vec<Holding>,
    /// Receipts of deliveries that were settled or given up.
    pub old: VecDeque<Holding>,
    /// Messages with an id of the producer, to be sent again.
    pub sent: VecDeque<(QueueRef, Bytes, u64)>,
    /// Places that a peek showed.
    pub places: Vec<(QueueRef, MessagePlace)>,
    /// Messages that are handed out by a lease which is on its way.
    pub on_its_way: BTreeMap<SourceId, BTreeSet<(Partition, Sequence)>>,
    /// How far the leader was, at least, that gave the newest answer.
    pub told: Option<LogIndex>,
    /// The leadership that hands them out: the memory of a leader goes with it.
    pub hands_out: Option<Epoch>,
    /// Messages whose publish was not answered, by the life in which they were sent.
    pub unanswered: BTreeMap<u64, u64>,
}

impl Desk {
    /// A new message gets its number.
    pub fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// A delivery is over for its client; the receipt is kept to be misused.
    pub fn put_away(&mut self, holding: Holding) {
        self.old.push_back(holding);
        if RECEIPTS_KEPT < self.old.len() {
            self.old.pop_front();
        }
    }

    /// A delivery begins.
    pub fn take(&mut self, holding: Holding) {
        if RECEIPTS_KEPT <= self.held.len() {
            let oldest = self.held.remove(0);
            self.put_away(oldest);
        }
        self.held.push(holding);
    }

    /// Clients forget what they hold.
    pub fn forget(&mut self) -> usize {
        let held = std::mem::take(&mut self.held);
        let count = held.len();
        held.into_iter().for_each(|holding| self.put_away(holding));
        count
    }

    /// A leader looks for something to hand out.
    pub fn led_in(&mut self, epoch: Epoch) {
        if self.hands_out.replace(epoch) != Some(epoch) {
            self.on_its_way.clear();
        }
    }

    /// Another life of the shard begins.
    pub fn begin_life(&mut self) {
        self.life += 1;
        self.on_its_way.clear();
    }

    /// Messages whose fate shows now that another life leads.
    pub fn resolve(&mut self) -> Vec<u64> {
        let life = self.life;
        let (known, open) = std::mem::take(&mut self.unanswered).into_iter().partition(|(_, sent)| *sent < life);
        self.unanswered = open;
        let known: BTreeMap<u64, u64> = known;
        known.into_keys().collect()
    }
}

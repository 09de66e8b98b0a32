//! What a shard did to keep its stored bytes right, in numbers.
//! Invariant: counted since the shard was opened; nothing is decided by it.
//! Written by the scrubber, the mender and the comparison; read by `Shard::upkeep`.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Bytes on disk that were read again to see whether they are what was written.
    pub scrubbed_bytes: u64,
    /// How often all of the store was.
    pub scrubs: u64,
    /// Files that were found damaged.
    pub damaged: u64,
    /// Files that were put right in place.
    pub mended: u64,
    /// States that were compared with those of other replicas, while this one led.
    pub compared: u64,
    /// Replicas whose state was another one.
    pub differing: u64,
}

/// The counters behind them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) scrubbed_bytes: AtomicU64,
    pub(crate) scrubs: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) mended: AtomicU64,
    pub(crate) compared: AtomicU64,
    pub(crate) differing: AtomicU64,
}

/// Counts one or more.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn read(&self) -> Upkeep {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Upkeep {
            scrubbed_bytes: load(&self.scrubbed_bytes),
            scrubs: load(&self.scrubs),
            damaged: load(&self.damaged),
            mended: load(&self.mended),
            compared: load(&self.compared),
            differing: load(&self.differing),
        }
    }
}

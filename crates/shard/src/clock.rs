//! The clock of the leader: stamps batches. Everything behind the log takes time from the batch.
//! Invariant: nothing else in the crate asks for the time of day.
//! Called by the sequencer and the timer; the simulator gives its own.

use std::time::{SystemTime, UNIX_EPOCH};

use model::number::Timestamp;

/// Tells the time of day. It may jump; the sequencer never lets a stamp go back.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

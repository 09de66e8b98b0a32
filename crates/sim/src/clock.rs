//! The time of day of a life, and how long its disk takes.
//! Invariant: time comes from the paused clock of the runtime and from chance, never from this machine.
//! Given to `Shard::open` by `life`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::number::Timestamp;
use shard::{Clock, Pace};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::limits::DISK_WORK_MAX;

/// A clock that can jump.
pub struct JumpingClock {
    base_ms: u64,
    began: Instant,
    jump_ms: AtomicI64,
}

impl JumpingClock {
    /// Begins at a time. Called inside of the runtime whose time it follows.
    #[must_use]
    pub fn starting_at(base_ms: u64) -> Self {
        Self { base_ms, began: Instant::now(), jump_ms: AtomicI64::new(0) }
    }

    /// Jumps.
    pub fn jump(&self, by_ms: i64) {
        self.jump_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp::new((self.base_ms + passed).saturating_add_signed(self.jump_ms.load(Ordering::SeqCst)))
    }
}

/// The pace of a disk.
pub struct DiskPace {
    chance: Mutex<Chance>,
    micros_max: u64,
    factor: AtomicU64,
}

impl DiskPace {
    /// Up to so many microseconds.
    #[must_use]
    pub const fn new(chance: Chance, micros_max: u64) -> Self {
        Self { chance: Mutex::new(chance), micros_max, factor: AtomicU64::new(1) }
    }

    /// So many times slower from now on.
    pub fn slow_down(&self, factor: u64) {
        self.factor.store(factor, Ordering::SeqCst);
    }
}

impl Pace for DiskPace {
    fn next(&self) -> Duration {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = chance.below(self.micros_max.max(1));
        // Now and then a piece takes much longer: the tail of a busy disk.
        let tail = if chance.one_in(50) { 20 } else { 1 };
        let micros = micros * tail * self.factor.load(Ordering::SeqCst);
        Duration::from_micros(micros).min(DISK_WORK_MAX)
    }
}

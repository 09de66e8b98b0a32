//! What may come in: publishes are bounded in bytes in flight, and refused while the disk is nearly full.
//! Invariant: admission comes before sequencing, so a committed command cannot fail for lack of room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::failure::Unavailable;
use model::number::ByteSize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::PUBLISH_BYTES_IN_FLIGHT_MAX;

/// Room for requests, and the alarms.
pub(crate) struct Admission {
    bytes: Arc<Semaphore>,
    nearly_full: AtomicBool,
    free: AtomicU64,
    reserve: u64,
    draining: AtomicBool,
}

impl Admission {
    pub(crate) fn new(reserve: ByteSize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(PUBLISH_BYTES_IN_FLIGHT_MAX)),
            nearly_full: AtomicBool::new(false),
            free: AtomicU64::new(u64::MAX),
            reserve: reserve.get(),
            draining: AtomicBool::new(false),
        }
    }

    /// Notes how much the disk has free; says whether the alarm changed.
    pub(crate) fn observe(&self, free: ByteSize) -> bool {
        self.free.store(free.get(), Ordering::Relaxed);
        let nearly_full = free.get() < self.reserve;
        self.nearly_full.swap(nearly_full, Ordering::Relaxed) != nearly_full
    }

    pub(crate) fn is_nearly_full(&self) -> bool {
        self.nearly_full.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self) -> ByteSize {
        ByteSize::new(self.free.load(Ordering::Relaxed))
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Lets a publish of so many bytes in; hold the permit until it is answered.
    pub(crate) fn publish(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Unavailable> {
        if self.is_draining() {
            return Err(Unavailable::Draining);
        }
        if self.is_nearly_full() {
            return Err(Unavailable::DiskNearlyFull);
        }
        let bytes = u32::try_from(bytes.min(PUBLISH_BYTES_IN_FLIGHT_MAX)).map_err(|_| Unavailable::MemoryFull)?;
        Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| Unavailable::MemoryFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes_wait_for_room_on_disk_and_in_memory() {
        let admission = Admission::new(ByteSize::new(1000));
        assert!(admission.publish(10).is_ok());
        assert!(admission.observe(ByteSize::new(999)));
        assert_eq!(admission.publish(10).err(), Some(Unavailable::DiskNearlyFull));
        assert!(admission.observe(ByteSize::new(1000)));
        let all = admission.publish(PUBLISH_BYTES_IN_FLIGHT_MAX).unwrap();
        assert_eq!(admission.publish(1).err(), Some(Unavailable::MemoryFull));
        drop(all);
        assert!(admission.publish(1).is_ok());
        admission.drain();
        assert_eq!(admission.publish(1).err(), Some(Unavailable::Draining));
    }
}

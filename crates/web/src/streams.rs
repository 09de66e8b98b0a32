//! Credit of event streams: a message that was settled, or whose lease ended, makes room for another.
//!
//! The stream and the request that settles are two requests, so the door remembers which stream each unsettled
//! receipt belongs to. An ack that goes through another gateway is not seen here; then the end of the lease is.
//! Invariant: a stream never has more receipts here than its credit, and none once it is dropped.
//! Used by `rest::streaming` and `rest::settling`; tests below.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use model::Unavailable;
use model::number::Span;
use model::receipt::Receipt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limits::STREAMS_MAX;

#[derive(Default)]
struct Room {
    free: AtomicU32,
    waker: AtomicWaker,
}

struct Outstanding {
    room: Arc<Room>,
    until: Instant,
}

/// Every open event stream of a door.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    outstanding: Arc<Mutex<HashMap<Receipt, Outstanding>>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)), outstanding: Arc::default() }
    }
}

fn lock(map: &Mutex<HashMap<Receipt, Outstanding>>) -> MutexGuard<'_, HashMap<Receipt, Outstanding>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Streams {
    /// A place for one more stream; busy when all are taken.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Unavailable> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Unavailable::Busy)
    }

    /// A ledger for one stream of deliveries.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger { room: Arc::default(), outstanding: Arc::clone(&self.outstanding), own: Vec::new() }
    }

    /// Receipts were settled: their streams may get more.
    pub(crate) fn settled(&self, receipts: &[Receipt]) {
        let mut outstanding = lock(&self.outstanding);
        for receipt in receipts {
            if let Some(Outstanding { room, .. }) = outstanding.remove(receipt) {
                room.free.fetch_add(1, Ordering::AcqRel);
                room.waker.wake();
            }
        }
    }

    /// Leases were extended: they end later.
    pub(crate) fn extended(&self, receipts: &[Receipt], lease: Span) {
        let until = Instant::now() + Duration::from_millis(lease.get());
        let mut outstanding = lock(&self.outstanding);
        for receipt in receipts {
            if let Some(entry) = outstanding.get_mut(receipt) {
                entry.until = until;
            }
        }
    }
}

/// What one stream has handed out and not got back.
pub(crate) struct Ledger {
    room: Arc<Room>,
    outstanding: Arc<Mutex<HashMap<Receipt, Outstanding>>>,
    own: Vec<Receipt>,
}

impl Ledger {
    /// Notes a delivery.
    pub(crate) fn note(&mut self, receipt: Receipt, lease: Span) {
        let until = Instant::now() + Duration::from_millis(lease.get());
        lock(&self.outstanding).insert(receipt, Outstanding { room: Arc::clone(&self.room), until });
        self.own.push(receipt);
    }

    /// Credit that came back since the last call; `waker` is woken when more comes.
    pub(crate) fn take(&mut self, waker: &Waker) -> u32 {
        self.room.waker.register(waker);
        self.room.free.swap(0, Ordering::AcqRel)
    }

    /// Gives up deliveries whose lease ended by `now`, and forgets those that were settled.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let mut outstanding = lock(&self.outstanding);
        let mut ended = 0;
        self.own.retain(|receipt| match outstanding.get(receipt) {
            None => false,
            Some(entry) if entry.until > now => true,
            Some(_) => {
                outstanding.remove(receipt);
                ended += 1;
                false
            }
        });
        self.room.free.fetch_add(ended, Ordering::AcqRel);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let mut outstanding = lock(&self.outstanding);
        for receipt in &self.own {
            outstanding.remove(receipt);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::number::{Attempt, Epoch, Partition, QueueId, Sequence};
    use model::receipt::ReceiptSource;

    use super::*;

    fn receipt(sequence: u64) -> Receipt {
        Receipt {
            source: ReceiptSource::Queue(QueueId::new(1)),
            partition: Partition::new(0),
            sequence: Sequence::new(sequence),
            epoch: Epoch::new(1),
            attempt: Attempt::new(1),
        }
    }

    #[test]
    fn credit_comes_back_once_for_each_message() {
        let streams = Streams::default();
        let mut ledger = streams.ledger();
        for sequence in 0..4 {
            ledger.note(receipt(sequence), Span::new(1000));
        }
        streams.settled(&[receipt(0), receipt(0), receipt(9)]);
        assert_eq!(ledger.take(Waker::noop()), 1, "a receipt gives its credit back once");
        streams.extended(&[receipt(1)], Span::new(60_000));
        ledger.sweep(Instant::now() + Duration::from_secs(2));
        assert_eq!(ledger.take(Waker::noop()), 2, "two leases ended, one was settled, one was extended");
        assert_eq!(ledger.own, [receipt(1)]);
        drop(ledger);
        assert!(lock(&streams.outstanding).is_empty());
    }

    #[test]
    fn no_more_streams_than_places() {
        let streams = Streams::default();
        let places: Vec<_> = (0..STREAMS_MAX).map(|_| streams.place()).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(matches!(streams.place(), Err(Unavailable::Busy)));
        drop(places);
        assert!(streams.place().is_ok());
    }
}

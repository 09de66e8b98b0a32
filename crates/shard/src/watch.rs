//! A value that is watched: each receiver hears that it changed, and may miss values in between.
//! Invariant: who waited first is woken first, so that a simulation takes the same steps again; the channel of tokio
//! wakes its receivers in an order that is drawn anew in each process.
//! Used by the shard's own loops and, through `raft::runtime`, by the consensus library. Tests: below.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

/// All senders are gone, and their last value was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// The value, as it is now. It does not change while this is kept; never keep it across a wait.
pub(crate) type Seen<'a, T> = RwLockReadGuard<'a, T>;

struct Shared<T> {
    value: RwLock<T>,
    /// Rises with each change, while the value is locked.
    version: AtomicU64,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    bell: Notify,
}

impl<T> Shared<T> {
    fn look(&self) -> Seen<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes the value.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Hears of changes.
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The newest version that was seen.
    seen: u64,
}

/// A channel with its first value, which counts as seen.
pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A channel that nobody listens to yet.
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            value: RwLock::new(value),
            version: AtomicU64::new(0),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
            bell: Notify::new(),
        }))
    }

    /// A receiver that has seen the present value.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        let value = self.0.look();
        let seen = self.0.version.load(Ordering::Acquire);
        drop(value);
        Receiver { shared: Arc::clone(&self.0), seen }
    }

    /// The present value.
    pub(crate) fn borrow(&self) -> Seen<'_, T> {
        self.0.look()
    }

    /// Whether there is a receiver.
    pub(crate) fn is_heard(&self) -> bool {
        0 < self.0.receivers.load(Ordering::Acquire)
    }

    /// Changes the value, and tells the receivers if `modify` says so.
    pub(crate) fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
        let is_modified = modify(&mut value);
        if is_modified {
            self.0.version.fetch_add(1, Ordering::Release);
        }
        drop(value);
        if is_modified {
            self.0.bell.notify_waiters();
        }
        is_modified
    }

    /// Sets the value and tells the receivers.
    pub(crate) fn send(&self, value: T) {
        self.send_if_modified(|old| {
            *old = value;
            true
        });
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.bell.notify_waiters();
        }
    }
}

impl<T> Receiver<T> {
    /// The present value.
    pub(crate) fn borrow(&self) -> Seen<'_, T> {
        self.shared.look()
    }

    /// The present value, which counts as seen.
    pub(crate) fn borrow_and_update(&mut self) -> Seen<'_, T> {
        let value = self.shared.look();
        self.seen = self.shared.version.load(Ordering::Acquire);
        value
    }

    /// Whether all senders are gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.senders.load(Ordering::Acquire) == 0
    }

    /// Waits for a value that was not seen yet; it counts as seen then.
    pub(crate) async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            let mut rung = pin!(self.shared.bell.notified());
            // In the line before the look: what changes behind the look wakes it.
            rung.as_mut().enable();
            let is_closed = self.is_closed();
            let version = self.shared.version.load(Ordering::Acquire);
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if is_closed {
                return Err(Closed);
            }
            rung.await;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const WAITING: usize = 20;

    #[tokio::test]
    async fn who_waited_first_is_woken_first() {
        let (sender, receiver) = channel(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..WAITING)
            .map(|number| {
                let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
                tokio::spawn(async move {
                    while receiver.changed().await.is_ok() {
                        woken.lock().unwrap().push(number);
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.send(1);
        tokio::task::yield_now().await;
        assert_eq!(*woken.lock().unwrap(), (0..WAITING).collect::<Vec<_>>());
        drop(sender);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(woken.lock().unwrap().len(), WAITING, "the end is no change");
    }

    #[tokio::test]
    async fn the_last_value_is_seen_before_the_end() {
        let (sender, mut receiver) = channel(0);
        sender.send(1);
        drop(sender.clone());
        assert!(!receiver.is_closed());
        drop(sender);
        assert!(receiver.is_closed());
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(*receiver.borrow(), 1);
        assert_eq!(receiver.changed().await, Err(Closed));
    }

    #[tokio::test]
    async fn what_was_seen_is_no_change() {
        let (sender, mut receiver) = channel(0);
        assert!(sender.is_heard());
        sender.send(1);
        assert_eq!(*receiver.borrow_and_update(), 1);
        assert!(!sender.send_if_modified(|_| false));
        drop(sender);
        assert_eq!(receiver.changed().await, Err(Closed));
    }
}

//! The watched values of the consensus library: those of this crate, under the library's trait.
//! Invariant: adds nothing but names; the order in which receivers are woken is that of `crate::watch`.
//! Named by `runtime`. Tests: the library's own suite, below.

use openraft::rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft::{OptionalSend, OptionalSync};

use crate::watch::{self, Receiver, Seen, Sender};

/// The kind of channel.
#[derive(Debug)]
pub(crate) struct Watched;

impl Watch for Watched {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = Seen<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(value: T) -> (Sender<T>, Receiver<T>) {
        watch::channel(value)
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<Watched, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if !self.is_heard() {
            return Err(SendError(value));
        }
        Self::send(self, value);
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        Self::send_if_modified(self, modify)
    }

    fn borrow_watched(&self) -> Seen<'_, T> {
        self.borrow()
    }

    fn subscribe(&self) -> Receiver<T> {
        Self::subscribe(self)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<Watched, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        Self::changed(self).await.map_err(|_| RecvError(()))
    }

    fn borrow_watched(&self) -> Seen<'_, T> {
        self.borrow()
    }

    fn borrow_and_update(&mut self) -> Seen<'_, T> {
        Self::borrow_and_update(self)
    }
}

#[cfg(test)]
mod tests {
    use openraft::rt::testing::Suite;

    use crate::raft::runtime::Runtime;

    #[test]
    fn the_librarys_suite_for_runtimes_passes() {
        Suite::<Runtime>::test_all();
    }
}

//! What waits to be sent on a stream: written by any task, read by the connection that sends it.
//! One lock guards what waits and what is expected back, so that numbers, order of sending and order of answers agree.
//! Invariant: the bound is the writer's: it takes a permit before it adds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio_stream::Stream;

/// What knows its next request.
pub(crate) trait Outgoing: Send + 'static {
    type Request;

    /// Takes the next request, if anything waits.
    fn next_request(&mut self) -> Option<Self::Request>;
}

struct Inner<O> {
    outgoing: O,
    reader: Option<Waker>,
    finished: bool,
}

/// The writers' side.
pub(crate) struct Outbox<O>(Arc<Mutex<Inner<O>>>);

/// The connection's side.
pub(crate) struct Requests<O>(Arc<Mutex<Inner<O>>>);

impl<O> Clone for Outbox<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn locked<O>(inner: &Mutex<Inner<O>>) -> MutexGuard<'_, Inner<O>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both sides of an outbox.
pub(crate) fn outbox<O: Outgoing>(outgoing: O) -> (Outbox<O>, Requests<O>) {
    let inner = Arc::new(Mutex::new(Inner { outgoing, reader: None, finished: false }));
    (Outbox(Arc::clone(&inner)), Requests(inner))
}

impl<O> Outbox<O> {
    /// Writes, and wakes the connection.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut O) -> T) -> T {
        let mut inner = locked(&self.0);
        let written = write(&mut inner.outgoing);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
        written
    }

    /// Ends the requests once what waits is sent.
    pub(crate) fn finish(&self) {
        let mut inner = locked(&self.0);
        inner.finished = true;
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl<O: Outgoing> Stream for Requests<O> {
    type Item = O::Request;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<O::Request>> {
        let mut inner = locked(&self.0);
        if let Some(request) = inner.outgoing.next_request() {
            return Poll::Ready(Some(request));
        }
        if inner.finished {
            return Poll::Ready(None);
        }
        inner.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

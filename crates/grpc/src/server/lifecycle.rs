//! When the server serves and when it stops: two watches that the binary turns.
//! Streams that would last for ever end by themselves once the server drains.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// What the binary tells the server about the node's life.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// True while the node serves; health answers SERVING then.
    pub ready: watch::Receiver<bool>,
    /// True from the moment that the server must stop.
    pub draining: watch::Receiver<bool>,
}

impl Lifecycle {
    /// Becomes ready when the server must stop. When nobody is left to say so, never.
    pub(crate) async fn drained(self) {
        let mut draining = self.draining;
        if draining.wait_for(|draining| *draining).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The same as something that a stream can poll.
pub(crate) struct Draining(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Draining {
    pub(crate) fn of(lifecycle: &Lifecycle) -> Self {
        Self(Some(Box::pin(lifecycle.clone().drained())))
    }

    /// Whether the server drains; wakes the task when it starts to.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Some(drained) = &mut self.0 else { return true };
        match drained.as_mut().poll(context) {
            Poll::Pending => false,
            Poll::Ready(()) => {
                self.0 = None;
                true
            }
        }
    }
}

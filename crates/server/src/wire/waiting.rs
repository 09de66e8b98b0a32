//! What waits in a gateway: receives, readers and streams, which end when the gateway drains.
//! Invariant: after `drain` nothing waits here; what was asked of the broker and does not wait goes on to its end.
//! Put around the way to brokers by `engine`; a broker in this process drains by itself. Tests: `tests/shutdown.rs`.

use std::sync::Arc;
use std::task::{Context, Poll};

use model::backend::{Backend, Consume, Deliveries, Reply};
use model::caller::{Caller, Credentials, Origin};
use model::message::Delivery;
use model::number::Span;
use model::operation::{Request, Response};
use model::{Failure, Unavailable};
use tokio::sync::watch;

/// A backend elsewhere whose waits can be ended here.
pub(super) struct Waiting {
    backend: Arc<dyn Backend>,
    draining: watch::Sender<bool>,
}

impl Waiting {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, draining: watch::Sender::new(false) }
    }

    /// Ends everything that waits, now and later.
    pub(super) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Ready once it drains; the sender lives as long as the backend, and a backend that is gone drains too.
    fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut draining = self.draining.subscribe();
        async move {
            let _ = draining.wait_for(|draining| *draining).await;
        }
    }
}

/// How long a request waits for something to come.
fn wait(request: &Request) -> Span {
    #[allow(clippy::wildcard_enum_match_arm, reason = "every other operation answers at once")]
    match request {
        Request::Receive(receive) => receive.wait,
        Request::ReadPartition(read) => read.wait,
        _ => Span::new(0),
    }
}

impl Backend for Waiting {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        self.backend.authenticate(credentials, origin)
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        let waits = wait(&request) > Span::new(0);
        let answer = self.backend.submit(caller, request);
        if !waits {
            return answer;
        }
        let drained = self.drained();
        Box::pin(async move {
            tokio::select! {
                // An answer that is there already is given: it may hold messages.
                biased;
                answer = answer => answer,
                // The broker sees that the caller is gone, and gives nothing away.
                () = drained => Err(Unavailable::Draining.into()),
            }
        })
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        let (opened, drained) = (self.backend.consume(caller, request), self.drained());
        Box::pin(async move {
            let deliveries: Box<dyn Deliveries> =
                Box::new(Until { deliveries: opened.await?, drained: Box::pin(drained) });
            Ok(deliveries)
        })
    }
}

/// Deliveries until the gateway drains. Dropping them gives back what was not settled.
struct Until {
    deliveries: Box<dyn Deliveries>,
    drained: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Deliveries for Until {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        if self.drained.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        self.deliveries.poll_next(context)
    }

    fn add_credit(&mut self, messages: u32) {
        self.deliveries.add_credit(messages);
    }

    fn stop(&mut self) {
        self.deliveries.stop();
    }
}

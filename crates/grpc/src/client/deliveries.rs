//! Deliveries over one stream, and settling them on it at a high rate.
//! Invariants: each settle gets exactly one result; at most so many settles wait; credit and acks that wait are sent
//! together. Dropping the deliveries ends the consumer once the settles that wait are answered.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::Deliveries;
use model::failure::{Failure, Unavailable};
use model::message::Delivery;
use model::number::Span;
use model::queue::{NackAction, Settled};
use model::receipt::{Receipt, Settlement};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::outbox::{Outbox, Outgoing};
use crate::limits::SETTLER_WAITING_MAX;
use crate::proto as pb;
use crate::translate::Wire;

struct Expected {
    number: u64,
    receipts: usize,
    result: oneshot::Sender<Result<Settled, Failure>>,
}

/// What a consumer has to send and what it waits for.
pub(crate) struct Mail {
    open: Option<pb::DeliverRequest>,
    credit: u32,
    settles: Vec<pb::Settle>,
    next: u64,
    expected: VecDeque<Expected>,
    closed: Option<Failure>,
}

impl Mail {
    pub(crate) fn new(open: pb::DeliverRequest) -> Self {
        Self { open: Some(open), credit: 0, settles: Vec::new(), next: 0, expected: VecDeque::new(), closed: None }
    }
}

impl Outgoing for Mail {
    type Request = pb::DeliverRequest;

    fn next_request(&mut self) -> Option<pb::DeliverRequest> {
        if let Some(open) = self.open.take() {
            return Some(open);
        }
        if self.credit == 0 && self.settles.is_empty() {
            return None;
        }
        Some(pb::DeliverRequest {
            open: None,
            credit: std::mem::take(&mut self.credit),
            settles: std::mem::take(&mut self.settles),
        })
    }
}

/// Deliveries from a broker elsewhere.
pub struct RemoteDeliveries {
    outbox: Outbox<Mail>,
    room: Arc<Semaphore>,
    frames: mpsc::Receiver<Result<Vec<Delivery>, Failure>>,
    stopped: bool,
}

impl RemoteDeliveries {
    pub(crate) fn new(outbox: Outbox<Mail>, frames: mpsc::Receiver<Result<Vec<Delivery>, Failure>>) -> Self {
        Self { outbox, room: Arc::new(Semaphore::new(SETTLER_WAITING_MAX)), frames, stopped: false }
    }

    /// Settles what is delivered here, on the same stream.
    pub fn settler(&self) -> Settler {
        Settler { outbox: self.outbox.clone(), room: Arc::clone(&self.room) }
    }

    pub(crate) fn receiver(&self) -> Receiver {
        Receiver { outbox: self.outbox.clone(), room: Arc::clone(&self.room) }
    }

    /// The next deliveries, at least one; `None` when the source is gone or the node drains.
    pub async fn next(&mut self) -> Option<Result<Vec<Delivery>, Failure>> {
        self.frames.recv().await
    }
}

impl Deliveries for RemoteDeliveries {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        if self.stopped { Poll::Ready(None) } else { self.frames.poll_recv(context) }
    }

    fn add_credit(&mut self, messages: u32) {
        if !self.stopped {
            self.outbox.write(|mail| mail.credit = mail.credit.saturating_add(messages));
        }
    }

    /// The contract has no word for it: what is on its way is given back when the stream is dropped.
    fn stop(&mut self) {
        self.stopped = true;
    }
}

impl Drop for RemoteDeliveries {
    fn drop(&mut self) {
        self.outbox.finish();
    }
}

/// Settles deliveries on their stream. Each call waits only for room, and answers with the result to come.
#[derive(Clone)]
pub struct Settler {
    outbox: Outbox<Mail>,
    room: Arc<Semaphore>,
}

impl Settler {
    /// The work is done, the messages go.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn ack(&self, receipts: Vec<Receipt>) -> Result<Settling, Failure> {
        self.settle(receipts, None).await
    }

    /// Gives deliveries back, or rejects them for good.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn nack(&self, receipts: Vec<Receipt>, action: NackAction) -> Result<Settling, Failure> {
        let action = match action {
            NackAction::Retry(delay) => pb::settle::Action::RetryAfterMs(delay.get()),
            NackAction::Reject => pb::settle::Action::Reject(pb::Reject {}),
        };
        self.settle(receipts, Some(action)).await
    }

    /// Keeps deliveries for this long from now.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn extend(&self, receipts: Vec<Receipt>, lease: Span) -> Result<Settling, Failure> {
        self.settle(receipts, Some(pb::settle::Action::ExtendMs(lease.get()))).await
    }

    async fn settle(&self, receipts: Vec<Receipt>, action: Option<pb::settle::Action>) -> Result<Settling, Failure> {
        match self.room.acquire().await {
            Ok(room) => room.forget(),
            Err(_) => return Err(self.closed()),
        }
        let count = receipts.len();
        let receipts = receipts.to_wire();
        let (result, settled) = oneshot::channel();
        self.outbox.write(|mail| {
            if let Some(failure) = &mail.closed {
                return Err(failure.clone());
            }
            let number = mail.next;
            mail.next += 1;
            mail.expected.push_back(Expected { number, receipts: count, result });
            mail.settles.push(pb::Settle { number, receipts, action });
            Ok(())
        })?;
        Ok(Settling(settled))
    }

    fn closed(&self) -> Failure {
        self.outbox.write(|mail| mail.closed.clone()).unwrap_or(Failure::Unavailable(Unavailable::Unreachable))
    }
}

/// Where the answers of the stream go.
pub(crate) struct Receiver {
    outbox: Outbox<Mail>,
    room: Arc<Semaphore>,
}

impl Receiver {
    /// Hands each result to the settle of its number. False when the broker answers out of order.
    pub(crate) fn results(&self, results: Vec<pb::SettleResult>) -> bool {
        let (done, in_order) = self.outbox.write(|mail| {
            let mut done = 0;
            for result in results {
                let Some(expected) = mail.expected.pop_front_if(|expected| expected.number == result.number) else {
                    return (done, false);
                };
                done += 1;
                // Nobody waits for a result that was dropped.
                let _ = expected.result.send(settled(expected.receipts, result));
            }
            (done, true)
        });
        self.room.add_permits(done);
        in_order
    }

    /// The stream ended: what waits is unknown, and nothing more is taken.
    pub(crate) fn close(&self, failure: Failure) {
        let waiting = self.outbox.write(|mail| {
            mail.closed = Some(failure);
            std::mem::take(&mut mail.expected)
        });
        self.room.close();
        self.outbox.finish();
        for expected in waiting {
            // Nobody waits for a result that was dropped.
            let _ = expected.result.send(Err(Unavailable::Unknown.into()));
        }
    }
}

fn settled(receipts: usize, result: pb::SettleResult) -> Result<Settled, Failure> {
    if let Some(problem) = result.problem {
        return Err(crate::status::failure(problem));
    }
    let mut results = vec![Settlement::Settled; receipts];
    for place in result.lost {
        if let Some(settlement) = usize::try_from(place).ok().and_then(|place| results.get_mut(place)) {
            *settlement = Settlement::LeaseLost;
        }
    }
    Ok(Settled { results })
}

/// A result to come.
#[must_use = "only the result says whether the lease still held"]
pub struct Settling(oneshot::Receiver<Result<Settled, Failure>>);

impl Future for Settling {
    type Output = Result<Settled, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or(Err(Failure::Unavailable(Unavailable::Unknown))))
    }
}

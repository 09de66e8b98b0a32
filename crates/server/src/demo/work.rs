//! The workers of the queue: three compete for the late departures, and one of them crashes.
//! Invariant: a job is counted when its ack is confirmed, so what the crashed worker held is counted by another.
//! Called by `demo`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use model::Deliveries;
use model::backend::Consume;
use model::message::Delivery;
use model::name::{QueueRef, Source};
use model::receipt::Settlement;
use tokio::sync::watch;

use super::flights::Flight;
use super::show::Progress;
use crate::exit::{Complaint, Exit};
use crate::local::Client;

/// Jobs that a worker takes ahead.
const CREDIT: u32 = 40;

/// What the workers did together.
pub(super) struct Board {
    inside: Mutex<Done>,
    total: u64,
    count: watch::Sender<u64>,
}

/// Jobs that are done.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// By carrier.
    pub(super) by_carrier: BTreeMap<String, u64>,
    /// Jobs that were delivered before, to the worker that crashed.
    pub(super) redelivered: u64,
    /// Jobs whose ack was confirmed twice.
    pub(super) twice: u64,
    names: BTreeSet<String>,
}

impl Board {
    /// A board that is full after so many jobs.
    pub(super) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { inside: Mutex::default(), total, count: watch::channel(0).0 })
    }

    fn mark(&self, delivery: &Delivery) -> Result<(), Complaint> {
        let flight: Flight = serde_json::from_slice(&delivery.message.body).map_err(|error| {
            let what = format!("a job is not the flight that was published: {error}");
            Complaint::here(Exit::Found, "demo_differs", what, "")
        })?;
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.redelivered += u64::from(delivery.attempt.get() > 1);
        if !inside.names.insert(flight.flight) {
            inside.twice += 1;
        }
        *inside.by_carrier.entry(flight.carrier).or_default() += 1;
        drop(inside);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    /// What is done so far.
    pub(super) fn done(&self) -> Done {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works until everything is done.
    Steady,
    /// It dies after so many jobs, with others in its hands.
    Crashes(u64),
}

/// One worker. Answers with the jobs that it held when it crashed.
pub(super) async fn worker(
    client: Client,
    queue: QueueRef,
    fate: Fate,
    board: Arc<Board>,
    progress: Arc<Progress>,
) -> Result<u64, Complaint> {
    let request = Consume::new(Source::Queue(queue), CREDIT);
    let mut deliveries = client.backend.deliver(&client.caller, request).await?;
    let settler = deliveries.settler();
    let mut count = board.count.subscribe();
    let total = board.total;
    let mut mine = 0;
    loop {
        let frame = tokio::select! {
            frame = deliveries.next() => frame,
            _ = count.wait_for(|count| *count >= total) => return Ok(0),
        };
        let Some(frame) = frame else {
            return Err(Complaint::here(Exit::Found, "demo_differs", "the queue ended early", ""));
        };
        let frame = frame?;
        for (at, delivery) in frame.iter().enumerate() {
            if fate == Fate::Crashes(mine) {
                // The stream goes with `deliveries`; nothing of the rest was acknowledged.
                return Ok(u64::try_from(frame.len() - at).unwrap_or(u64::MAX));
            }
            let receipt = delivery.receipt.ok_or_else(|| {
                Complaint::here(Exit::Found, "demo_differs", "a delivery of a queue has no receipt", "")
            })?;
            let settled = settler.ack(vec![receipt]).await?.await?;
            if settled.results == [Settlement::Settled] {
                board.mark(delivery)?;
                progress.advance(1);
                mine += 1;
            }
        }
        deliveries.add_credit(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    }
}

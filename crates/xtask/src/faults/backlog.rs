//! A backlog of numbered messages: stored by several connections, and drained to the last one.
//! Invariant: every number below the count is stored once and confirmed before `fill` comes back.
//! Used by `kills`, `disk`, `memory` and `small_disk`.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::body;
use super::door::{Door, message};
use super::limits::{DRAIN_BATCH, DRAIN_MAX, FILL_BATCH, FILL_CONNECTIONS, FILL_MAX};

/// Stores messages 0 to `count`.
pub(super) fn fill(address: SocketAddr, token: &str, queue: &str, count: u64) -> Result<(), String> {
    let (next, start) = (AtomicU64::new(0), Instant::now());
    let work = || -> Result<(), String> {
        let mut door = Door::with_token(address, token);
        loop {
            let first = next.fetch_add(FILL_BATCH, Ordering::Relaxed);
            if count <= first {
                return Ok(());
            }
            let last = count.min(first + FILL_BATCH);
            let batch: Vec<String> = (first..last).map(|number| message(&body::body(queue, number))).collect();
            door.publish(queue, &batch).map_err(|failed| format!("a publish of the backlog: {failed}"))?;
            if FILL_MAX < start.elapsed() {
                return Err(format!("the backlog is not stored within {FILL_MAX:?}: {last} of {count}"));
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..FILL_CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

/// What a drain saw.
#[derive(Debug, Default)]
pub(super) struct Drained {
    seen: Vec<bool>,
    /// Bodies that nobody sent.
    pub(super) wrong: Vec<String>,
    /// Deliveries of a message that was delivered before.
    pub(super) again: u64,
}

impl Drained {
    fn note(&mut self, queue: &str, text: &str) {
        match body::parse(text) {
            Some((label, number)) if label == queue => {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                match self.seen.get_mut(place) {
                    Some(seen) if *seen => self.again += 1,
                    Some(seen) => *seen = true,
                    None => self.wrong.push(format!("number {number} of {queue} was never sent")),
                }
            }
            Some(_) | None => self.wrong.push(text.chars().take(40).collect()),
        }
    }

    /// Numbers from `first` on that never came.
    pub(super) fn missing_from(&self, first: usize) -> Vec<String> {
        let rest = self.seen.iter().enumerate().skip(first);
        rest.filter(|(_, seen)| !**seen).map(|(number, _)| number.to_string()).collect()
    }
}

/// Receives and settles until the queue has no message that waits.
pub(super) fn drain(address: SocketAddr, token: &str, queue: &str, count: u64) -> Result<Drained, String> {
    let length = usize::try_from(count).map_err(|_| String::from("too many messages"))?;
    let drained = Mutex::new(Drained { seen: vec![false; length], ..Drained::default() });
    let start = Instant::now();
    let work = || -> Result<(), String> {
        let mut door = Door::with_token(address, token);
        loop {
            let deliveries = door.receive(queue, &json!({"max": DRAIN_BATCH, "wait_ms": 200, "lease_ms": 60_000}));
            let deliveries = deliveries.map_err(|failed| format!("a receive of a drain: {failed}"))?;
            if deliveries.is_empty() && door.counts(queue)?.0 == 0 {
                return Ok(());
            }
            let mut known = drained.lock().expect("no worker panics");
            for delivery in &deliveries {
                known.note(queue, &delivery.body);
            }
            drop(known);
            if !deliveries.is_empty() {
                door.settle(queue, &deliveries).map_err(|failed| format!("an ack of a drain: {failed}"))?;
            }
            if DRAIN_MAX < start.elapsed() {
                return Err(format!("{queue} is not drained within {DRAIN_MAX:?}"));
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..FILL_CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    Ok(drained.into_inner().expect("no worker panics"))
}

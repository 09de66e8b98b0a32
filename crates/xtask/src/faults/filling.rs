//! A queue of long messages that fills one segment after the other, and is drained to the last one.
//! Invariant: what was confirmed is known here, and each body is checked to its last byte.
//! Used by `rolls` and `holdouts`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::body;
use super::door::{Delivery, Door, Failed, message};
use super::limits::{FILLING_BATCH, FILLING_DRAIN_MAX};
use super::process::{Home, files};
use super::report::Report;

const QUEUE: &str = "filling";

/// What was published, and what has come.
#[derive(Debug, Default)]
pub(super) struct Filling {
    next: u64,
    pub(super) confirmed: BTreeSet<u64>,
    seen: BTreeSet<u64>,
}

impl Filling {
    /// Makes the queue.
    pub(super) fn new(door: &mut Door) -> Result<Self, String> {
        door.create(QUEUE, &json!({"lease_ms": 5000, "delivery_limit": 1_000_000}))?;
        Ok(Self::default())
    }

    /// Publishes the next message.
    pub(super) fn put(&mut self, door: &mut Door) -> Result<(), Failed> {
        let number = self.next;
        self.next += 1;
        door.publish(QUEUE, &[message(&body::long_body(QUEUE, number))])?;
        self.confirmed.insert(number);
        Ok(())
    }

    /// Takes what is there for now.
    pub(super) fn take(&mut self, door: &mut Door, report: &mut Report) -> Result<usize, String> {
        let request = json!({"max": FILLING_BATCH, "wait_ms": 50});
        let deliveries = door.receive(QUEUE, &request);
        let deliveries = deliveries.map_err(|failed| format!("a receive of long messages: {failed}"))?;
        if !deliveries.is_empty() {
            let (known, wrong): (Vec<_>, Vec<_>) =
                deliveries.iter().map(|one: &Delivery| body::parse_long(&one.body)).partition(Option::is_some);
            self.seen.extend(known.into_iter().flatten());
            if !wrong.is_empty() {
                report.violation(format_args!("{} long bodies that nobody sent", wrong.len()));
            }
            door.settle(QUEUE, &deliveries).map_err(|failed| format!("an ack of long messages: {failed}"))?;
        }
        Ok(deliveries.len())
    }

    /// Takes everything, and says what was confirmed and did not come.
    pub(super) fn drain(&mut self, door: &mut Door, when: &str, report: &mut Report) -> Result<(), String> {
        let start = Instant::now();
        while 0 < self.take(door, report)? || door.counts(QUEUE)? != (0, 0) {
            if FILLING_DRAIN_MAX < start.elapsed() {
                // Whatever is counted can be had: a message that is not handed out is lost as well.
                let left = door.counts(QUEUE)?;
                report.violation(format_args!("{when}: {left:?} long messages wait or are held, and never come"));
                break;
            }
        }
        let lost: Vec<String> = self.confirmed.difference(&self.seen).map(u64::to_string).collect();
        report.violations(&format!("{when}: confirmed long messages lost"), &lost);
        self.seen.extend(&self.confirmed);
        Ok(())
    }
}

/// The segments of a broker's data, oldest first.
pub(super) fn segments(home: &Home) -> Vec<PathBuf> {
    let mut found = files(&home.data());
    found.retain(|file| file.extension().is_some_and(|kind| kind == "segment"));
    found
}

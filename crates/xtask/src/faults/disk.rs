//! Campaign: the data folder gives its disk back when messages go, also behind one that stays; and a full disk.
//! Invariant checked: an empty queue costs at most two segments; nothing confirmed is lost.
//! Called by `faults`.

use std::thread;
use std::time::Instant;

use serde_json::json;

use super::body;
use super::door::Door;
use super::limits::{EMPTY_FOLDER_BYTES, PAUSE, SHRINK_MAX};
use super::options::Options;
use super::process::{Broker, Home};
use super::report::Report;
use super::{backlog, small_disk};

/// A lease that outlives the campaign.
const LONG_LEASE_MS: u64 = 43_200_000;

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    consumed(options, home, report, &broker, &token)?;
    behind_a_leased_one(options, home, report, &broker, &token)?;
    broker.stop()?;
    small_disk::run(options, home, report)
}

fn consumed(options: &Options, home: &Home, report: &mut Report, broker: &Broker, token: &str) -> Result<(), String> {
    const QUEUE: &str = "consumed";
    Door::with_token(broker.address, token).create(QUEUE, &json!({}))?;
    backlog::fill(broker.address, token, QUEUE, options.backlog)?;
    let full = home.disk_bytes();
    let drained = backlog::drain(broker.address, token, QUEUE, options.backlog)?;
    report.violations("messages lost", &drained.missing_from(0));
    report.violations("bodies that nobody sent", &drained.wrong);
    shrinks(home, report, "all consumed", full);
    Ok(())
}

fn behind_a_leased_one(
    options: &Options,
    home: &Home,
    report: &mut Report,
    broker: &Broker,
    token: &str,
) -> Result<(), String> {
    const QUEUE: &str = "pinned";
    let mut door = Door::with_token(broker.address, token);
    door.create(QUEUE, &json!({}))?;
    backlog::fill(broker.address, token, QUEUE, options.backlog)?;
    let full = home.disk_bytes();
    let request = json!({"max": 1, "lease_ms": LONG_LEASE_MS});
    let first = door.receive(QUEUE, &request).map_err(|failed| format!("a receive of the first: {failed}"))?;
    let held = first.first().ok_or("the queue is empty")?;
    let body = held.body.clone();
    let receipt = held.receipt.clone();
    let drained = backlog::drain(broker.address, token, QUEUE, options.backlog)?;
    let missing = drained.missing_from(0);
    let (_, number) = body::parse(&body).ok_or("the first body is not one of ours")?;
    if missing != [number.to_string()] {
        report.violations("messages lost beside the one that is held", &missing);
    }
    shrinks(home, report, "all but one leased message consumed", full);
    let nack = door.ask("POST", &format!("/v1/queues/{QUEUE}/nack"), &json!({"receipts": [receipt]}));
    nack.map_err(|failed| format!("a nack: {failed}"))?;
    let again = door.receive(QUEUE, &json!({"max": 10})).map_err(|failed| format!("a receive: {failed}"))?;
    if again.len() != 1 || again[0].body != body {
        report.violation(format_args!("the held message came back as {} messages, or changed", again.len()));
    }
    door.settle(QUEUE, &again).map_err(|failed| format!("an ack: {failed}"))?;
    Ok(())
}

/// Waits until the folder is small enough.
fn shrinks(home: &Home, report: &mut Report, when: &str, full: u64) {
    let start = Instant::now();
    let mut bytes = home.disk_bytes();
    while EMPTY_FOLDER_BYTES < bytes && start.elapsed() < SHRINK_MAX {
        thread::sleep(PAUSE * 10);
        bytes = home.disk_bytes();
    }
    let took = start.elapsed().as_secs();
    report.line(format_args!("  {when}: the folder had {} MiB, {took} s later {} MiB", full >> 20, bytes >> 20));
    report.at_most(&format!("{when}, folder"), bytes >> 20, EMPTY_FOLDER_BYTES >> 20, "MiB");
}

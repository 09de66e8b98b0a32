//! Campaign: one message waits and one is held while everything around them goes, until the segments that they came in
//! are gone; then the broker is killed.
//! Invariant checked: both are moved before their segment goes, and arrive unchanged after the restart.
//! Called by `faults`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::body;
use super::door::{Door, message};
use super::filling::{Filling, segments};
use super::limits::{ARRIVAL_MAX, HOLDOUT_LEASE, HOLDOUT_MESSAGES_MAX, PAUSE};
use super::milliseconds;
use super::options::Options;
use super::process::Home;
use super::report::{Counts, Report};

const RUNS: u64 = 2;
/// Its message is never received before the restart.
const WAITING: &str = "waiting";
/// Its message is with a consumer that does nothing.
const HELD: &str = "held";

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    for queue in [WAITING, HELD] {
        door.create(queue, &json!({}))?;
    }
    let mut filling = Filling::new(&mut door)?;
    let (runs, mut counts) = (options.runs.unwrap_or(RUNS), Counts::default());
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let start = Instant::now();
        put(&mut door, WAITING, run)?;
        // Each has a segment of its own: one that is shared is never down to a single message.
        let first = segments(home);
        pass_by(&mut door, home, &mut filling, report, |now| now.last() != first.last())?;
        let held_at = Instant::now();
        put(&mut door, HELD, run)?;
        let held = door.receive(HELD, &json!({"max": 1, "lease_ms": milliseconds(HOLDOUT_LEASE)}));
        held.map_err(|failed| format!("a receive that holds a message: {failed}"))?;
        let both: BTreeSet<PathBuf> = segments(home).into_iter().collect();
        pass_by(&mut door, home, &mut filling, report, |now| now.iter().all(|one| !both.contains(one)))?;
        let took = start.elapsed();
        filling.drain(&mut door, &format!("run {run}"), report)?;
        broker.kill();
        broker = match home.start() {
            Ok(broker) => broker,
            Err(why) => {
                report.violation(format_args!("run {run}: no start after the segments went: {why}"));
                return Ok(());
            }
        };
        door = Door::with_token(broker.address, &token);
        comes_back(&mut door, WAITING, run, Instant::now(), report)?;
        comes_back(&mut door, HELD, run, held_at + HOLDOUT_LEASE, report)?;
        report.line(format_args!(
            "  run {run}: {} long messages went by, the segments of the two went within {} ms, both came after the restart",
            filling.confirmed.len(),
            milliseconds(took)
        ));
        counts.intended += 2;
        counts.confirmed += 2;
    }
    counts.lost = u64::try_from(report.violations.len()).unwrap_or(u64::MAX);
    report.total("messages that stay", runs, counts);
    broker.stop().map(drop)
}

fn put(door: &mut Door, queue: &str, run: u64) -> Result<(), String> {
    let done = door.publish(queue, &[message(&body::body(queue, run))]);
    done.map_err(|failed| format!("a publish to {queue}: {failed}"))
}

/// Long messages come and go until the segments are as they are wanted.
fn pass_by(
    door: &mut Door,
    home: &Home,
    filling: &mut Filling,
    report: &mut Report,
    are_right: impl Fn(&[PathBuf]) -> bool,
) -> Result<(), String> {
    for _ in 0..HOLDOUT_MESSAGES_MAX {
        if are_right(&segments(home)) {
            return Ok(());
        }
        filling.put(door).map_err(|failed| format!("a publish of a long message: {failed}"))?;
        filling.take(door, report)?;
    }
    Err(format!("the segments are not as they are wanted after {HOLDOUT_MESSAGES_MAX} long messages"))
}

/// The message comes, once and unchanged, when it may.
fn comes_back(door: &mut Door, queue: &str, run: u64, due: Instant, report: &mut Report) -> Result<(), String> {
    let latest = due.max(Instant::now()) + ARRIVAL_MAX;
    loop {
        let came = door.receive(queue, &json!({"max": 10, "wait_ms": 1000}));
        let came = match came {
            Ok(came) => came,
            Err(failed) => {
                report.violation(format_args!("run {run}: the message of {queue} cannot be read: {failed}"));
                return Ok(());
            }
        };
        if let Some(first) = came.first() {
            if came.len() != 1 || first.body != body::body(queue, run) {
                report.violation(format_args!("run {run}: {queue} gives {} messages, or another one", came.len()));
            }
            door.settle(queue, &came).map_err(|failed| format!("an ack to {queue}: {failed}"))?;
            return Ok(());
        }
        if latest < Instant::now() {
            report.violation(format_args!("run {run}: the message of {queue} is gone"));
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

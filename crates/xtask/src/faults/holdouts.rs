//! Campaign: a few messages wait or are held, each alone in its segment, while everything around them goes, until the
//! segments that they came in are gone; then the broker is killed.
//! Invariant checked: they are moved before their segment goes, and arrive unchanged after the restart.
//! Called by `faults`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::body;
use super::door::{Door, message};
use super::filling::{Filling, segments};
use super::limits::{ARRIVAL_MAX, HOLDOUT_LEASE, HOLDOUT_MESSAGES_MAX, HOLDOUTS};
use super::milliseconds;
use super::options::Options;
use super::process::Home;
use super::report::{Counts, Report};

const RUNS: u64 = 2;
/// Its messages are never received before the restart.
const WAITING: &str = "waiting";
/// Its messages are with a consumer that does nothing.
const HELD: &str = "held";

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    for queue in [WAITING, HELD] {
        door.create(queue, &json!({"delivery_limit": 1_000_000}))?;
    }
    let mut filling = Filling::new(&mut door)?;
    let (runs, mut counts) = (options.runs.unwrap_or(RUNS), Counts::default());
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let start = Instant::now();
        let held_at = stay(&mut door, home, run, &mut filling, report)?;
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
        let expected = |parity: u64| numbers(run).filter(|number| number % 2 == parity).collect::<BTreeSet<u64>>();
        come_back(&mut door, WAITING, expected(0), Instant::now(), report)?;
        come_back(&mut door, HELD, expected(1), held_at + HOLDOUT_LEASE, report)?;
        report.line(format_args!(
            "  run {run}: {HOLDOUTS} messages stayed while {} long ones went by; their segments were gone after {} ms",
            filling.confirmed.len(),
            milliseconds(took)
        ));
        counts.intended += HOLDOUTS;
        counts.confirmed += HOLDOUTS;
    }
    counts.lost = u64::try_from(report.violations.len()).unwrap_or(u64::MAX);
    report.total("messages that stay", runs, counts);
    broker.stop().map(drop)
}

/// The messages of a run: even ones wait, odd ones are held.
fn numbers(run: u64) -> Range<u64> {
    run * HOLDOUTS..(run + 1) * HOLDOUTS
}

/// Puts messages into a segment each, and lets long ones go by until these segments are gone. When the last was held.
/// What housekeeping moves comes together in one segment; so there are several, and some of them are alone.
fn stay(door: &mut Door, home: &Home, run: u64, filling: &mut Filling, report: &mut Report) -> Result<Instant, String> {
    let mut held_at = Instant::now();
    for number in numbers(run) {
        let queue = if number % 2 == 0 { WAITING } else { HELD };
        let done = door.publish(queue, &[message(&body::body(queue, number))]);
        done.map_err(|failed| format!("a publish to {queue}: {failed}"))?;
        held_at = Instant::now();
        // Those of a lease that is over meanwhile are held once more.
        let held = door.receive(HELD, &json!({"max": HOLDOUTS, "lease_ms": milliseconds(HOLDOUT_LEASE)}));
        held.map_err(|failed| format!("a receive that holds messages: {failed}"))?;
        let first = segments(home);
        pass_by(door, home, filling, report, |now| now.last() != first.last())?;
    }
    let all: BTreeSet<PathBuf> = segments(home).into_iter().rev().skip(1).collect();
    pass_by(door, home, filling, report, |now| now.iter().all(|one| !all.contains(one)))?;
    Ok(held_at)
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

/// The messages come unchanged when they may.
fn come_back(
    door: &mut Door,
    queue: &str,
    mut missing: BTreeSet<u64>,
    due: Instant,
    report: &mut Report,
) -> Result<(), String> {
    let latest = due.max(Instant::now()) + ARRIVAL_MAX;
    while !missing.is_empty() && Instant::now() < latest {
        let came = match door.receive(queue, &json!({"max": HOLDOUTS, "wait_ms": 500})) {
            Ok(came) => came,
            Err(failed) => {
                report.violation(format_args!("messages of {queue} cannot be read: {failed}"));
                return Ok(());
            }
        };
        for one in &came {
            let number = body::parse(&one.body).filter(|(label, _)| *label == queue).map(|(_, number)| number);
            if !number.is_some_and(|number| missing.remove(&number)) {
                report.violation(format_args!("{queue} gives a message that is none of those that stayed"));
            }
        }
        if !came.is_empty() {
            door.settle(queue, &came).map_err(|failed| format!("an ack to {queue}: {failed}"))?;
        }
    }
    let missing: Vec<String> = missing.iter().map(u64::to_string).collect();
    report.violations(&format!("messages of {queue} that stayed are gone"), &missing);
    Ok(())
}

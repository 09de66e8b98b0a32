//! Campaign: resident memory and starts, each figure beside what is wanted.
//! Invariant: a figure is taken from the process itself, after it had time to settle.
//! Called by `faults`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::door::Door;
use super::limits::{BACKLOG_MIB, CLEAN_START_MS, EMPTY_START_MS, FILL_CONNECTIONS, IDLE_MIB, QUEUES, QUEUES_MIB};
use super::options::Options;
use super::process::{Broker, Home, remove};
use super::report::Report;
use super::{backlog, median_and_most, milliseconds};

/// Starts of an empty broker; the middle one counts.
const EMPTY_STARTS: u64 = 7;
/// Time to settle before memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// Time in which housekeeping has come round.
const SETTLE_LONG: Duration = Duration::from_secs(20);

/// The start of an empty broker.
pub(super) fn startup(home: &Home, report: &mut Report) -> Result<(), String> {
    let first = home.start()?;
    report.line(format_args!("  the first start, which hashes a password: {} ms", first.ready_after.as_millis()));
    first.stop()?;
    let mut starts = Vec::new();
    for _ in 0..EMPTY_STARTS {
        let broker = home.start()?;
        starts.push(milliseconds(broker.ready_after));
        broker.stop()?;
    }
    report.line(format_args!("  {EMPTY_STARTS} starts of an empty broker, in ms: {starts:?}"));
    let (median, _) = median_and_most(starts);
    report.at_most("start of an empty broker, median", median, EMPTY_START_MS, "ms");
    Ok(())
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    startup(home, report)?;
    idle(home, report)?;
    with_a_backlog(options, home, report)?;
    remove(&home.data()).map_err(|error| format!("cannot remove the data: {error}"))?;
    with_many_queues(home, report)
}

fn mib_after(broker: &Broker, settle: Duration) -> u64 {
    thread::sleep(settle);
    broker.resident_kib().div_ceil(1024)
}

fn idle(home: &Home, report: &mut Report) -> Result<(), String> {
    let broker = home.start()?;
    report.at_most("idle, after a start", mib_after(&broker, SETTLE), IDLE_MIB, "MiB");
    Door::log_in(broker.address)?;
    report.line(format_args!("  idle, after a login hashed a password: {} MiB", mib_after(&broker, SETTLE)));
    broker.stop().map(drop)
}

fn with_a_backlog(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    const QUEUE: &str = "backlog";
    let count = options.backlog;
    let broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    Door::with_token(broker.address, &token).create(QUEUE, &json!({}))?;
    backlog::fill(broker.address, &token, QUEUE, count)?;
    report.line(format_args!("  {count} messages just stored: {} MiB", broker.resident_kib().div_ceil(1024)));
    report.at_most(&format!("{count} messages wait"), mib_after(&broker, SETTLE_LONG), BACKLOG_MIB, "MiB");
    broker.stop()?;
    let broker = home.start()?;
    let took = milliseconds(broker.ready_after);
    report.at_most(&format!("restart with {count} messages"), took, CLEAN_START_MS, "ms");
    report.at_most(&format!("restarted with {count} messages"), mib_after(&broker, SETTLE), BACKLOG_MIB, "MiB");
    let drained = backlog::drain(broker.address, &token, QUEUE, count)?;
    report.violations("messages of the backlog lost", &drained.missing_from(0));
    report.violations("bodies that nobody sent", &drained.wrong);
    report.line(format_args!("  all consumed: {} MiB", mib_after(&broker, SETTLE_LONG)));
    broker.stop().map(drop)
}

fn with_many_queues(home: &Home, report: &mut Report) -> Result<(), String> {
    let broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let next = AtomicU64::new(0);
    let work = || -> Result<(), String> {
        let mut door = Door::with_token(broker.address, &token);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if QUEUES <= number {
                return Ok(());
            }
            door.create(&format!("queue-{number}"), &json!({}))?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..FILL_CONNECTIONS * 8).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    report.at_most(&format!("{QUEUES} empty queues"), mib_after(&broker, SETTLE), QUEUES_MIB, "MiB");
    broker.stop()?;
    let broker = home.start()?;
    let took = milliseconds(broker.ready_after);
    report.at_most(&format!("restart with {QUEUES} queues"), took, CLEAN_START_MS, "ms");
    report.at_most(&format!("restarted with {QUEUES} queues"), mib_after(&broker, SETTLE), QUEUES_MIB, "MiB");
    Door::with_token(broker.address, &token).counts(&format!("queue-{}", QUEUES - 1))?;
    broker.stop().map(drop)
}

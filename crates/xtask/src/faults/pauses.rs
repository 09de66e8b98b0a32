//! Campaign: the broker is stopped in its tracks for longer than leases last, and goes on as if nothing had been.
//! Invariant checked: no message has two holders whose acks both count, nothing confirmed is lost, and work goes on.
//! Called by `faults`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::chance::Chance;
use super::door::Door;
use super::limits::{ANSWER_MAX, BEFORE_FAULT, PAUSE, PAUSED_MS, RESUME_MS, TRAFFIC_LEASE_MS};
use super::options::Options;
use super::process::{Broker, Home};
use super::report::Report;
use super::traffic::{QUEUE, Traffic};
use super::{median_and_most, milliseconds};

const RUNS: u64 = 10;
/// Messages whose holder finds out late.
const HELD: u64 = 20;

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let broker = home.start()?;
    let traffic = Traffic::new(home, broker.address, "pauses")?;
    let mut chance = Chance::new(options.seed);
    let mut resumes = Vec::new();
    let runs = options.runs.unwrap_or(RUNS);
    for run in 1..=runs {
        let paused = Duration::from_millis(chance.between(PAUSED_MS));
        let mut door = Door::with_token(broker.address, &traffic.token);
        traffic.to_queue(&mut door, HELD)?.map_err(|failed| format!("a publish before a pause: {failed}"))?;
        let request = json!({"max": HELD, "lease_ms": TRAFFIC_LEASE_MS});
        let held = door.receive(QUEUE, &request).map_err(|failed| format!("a receive before a pause: {failed}"))?;
        let numbers = traffic.hold(&held)?;
        let before = traffic.counts()?;
        let resumed = traffic.during(broker.address, chance.next(), || pause(&broker, &traffic, paused))??;
        let during = traffic.counts()?;
        resumes.push(resumed);

        let elsewhere = traffic.settled_of(&numbers)?;
        let late = traffic.settle_late(&mut door, &held, &numbers)?;
        let both: Vec<String> = late.intersection(&elsewhere).map(u64::to_string).collect();
        report.violations(&format!("pause {run}: settled by two holders"), &both);
        traffic.check(broker.address, &format!("pause {run}"), report)?;
        report.line(format_args!(
            "  pause {run} of {} ms: {} confirmed beside it, first confirmation {resumed} ms after it; of {} held messages others settled {}, the late holder {}",
            paused.as_millis(),
            during.confirmed - before.confirmed,
            numbers.len(),
            elsewhere.len(),
            late.len()
        ));
    }
    traffic.check_from_the_start(broker.address, "after all pauses", report)?;
    let (_, most) = median_and_most(resumes);
    report.at_most("first confirmation after a pause, most", most, RESUME_MS, "ms");
    report.total("pauses (SIGSTOP)", runs, traffic.counts()?);
    report.line(format_args!("  refusals by code: {:?}", traffic.codes()));
    broker.stop().map(drop)
}

/// Stops the process for a while; how long it took after that until a publish was confirmed.
fn pause(broker: &Broker, traffic: &Traffic, paused: Duration) -> Result<u64, String> {
    thread::sleep(BEFORE_FAULT);
    broker.signal("STOP")?;
    thread::sleep(paused);
    broker.signal("CONT")?;
    let start = Instant::now();
    let mut door = Door::with_token(broker.address, &traffic.token);
    while traffic.to_queue(&mut door, 1)?.is_err() {
        if ANSWER_MAX < start.elapsed() {
            return Err(format!("nothing is confirmed within {ANSWER_MAX:?} of a pause"));
        }
        thread::sleep(PAUSE);
    }
    let took = milliseconds(start.elapsed());
    thread::sleep(BEFORE_FAULT);
    Ok(took)
}

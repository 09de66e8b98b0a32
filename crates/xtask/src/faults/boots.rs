//! Campaign: the broker is killed where it starts and where it ends: in its first start, in a storm of restarts, and
//! while it drains after SIGTERM.
//! Invariant checked: the next start comes up with everything that was confirmed.
//! Called by `faults`. Kills under load are in `kills`.

use std::thread;
use std::time::Duration;

use super::chance::Chance;
use super::limits::{BEFORE_FAULT, BOOT_KILL_MS, DRAIN_KILL_MS, FIRST_BOOT_CUT_MS, STORM_STARTS};
use super::options::Options;
use super::process::{Broker, Home, remove};
use super::report::Report;
use super::traffic::Traffic;
use super::{median_and_most, milliseconds};

const RUNS: u64 = 20;

/// Runs the campaign: as many first starts, storms and drains as there are runs.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut chance = Chance::new(options.seed);
    let runs = options.runs.unwrap_or(RUNS);
    let mut readies = Vec::new();
    for run in 1..=runs {
        readies.push(first_start(run, home, report, &mut chance)?);
    }
    let (median, most) = median_and_most(readies);
    report.line(format_args!("  {runs} kills in a first start: the next one ready after {median} ms, most {most} ms"));

    remove(&home.data()).map_err(|error| format!("cannot remove the data: {error}"))?;
    let mut broker = home.start()?;
    let traffic = Traffic::new(home, broker.address, "boots")?;
    for run in 1..=runs {
        broker = storm(run, home, report, &traffic, broker, &mut chance)?;
        broker = drain(run, home, report, &traffic, broker, &mut chance)?;
    }
    traffic.check_from_the_start(broker.address, "after all storms", report)?;
    report.total("kills in starts and drains", runs * (STORM_STARTS + 2), traffic.counts()?);
    broker.stop().map(drop)
}

/// Killed while it makes its first files.
fn first_start(run: u64, home: &Home, report: &mut Report, chance: &mut Chance) -> Result<u64, String> {
    remove(&home.data()).map_err(|error| format!("cannot remove the data: {error}"))?;
    let lived = Duration::from_millis(chance.between(FIRST_BOOT_CUT_MS));
    let mut process = home.spawn()?;
    thread::sleep(lived);
    process.kill();
    let broker = home.start().map_err(|why| format!("first start {run}, killed after {lived:?}: {why}"))?;
    let ready = milliseconds(broker.ready_after);
    // Somebody can log in, make things and use them.
    let traffic = Traffic::new(home, broker.address, &format!("first-{run}"))?;
    traffic.during(broker.address, chance.next(), || thread::sleep(BEFORE_FAULT / 4))?;
    traffic.check(broker.address, &format!("first start {run}"), report)?;
    broker.stop()?;
    Ok(ready)
}

/// Killed again and again before it is ready.
fn storm(
    run: u64,
    home: &Home,
    report: &mut Report,
    traffic: &Traffic,
    mut broker: Broker,
    chance: &mut Chance,
) -> Result<Broker, String> {
    traffic.during(broker.address, chance.next(), || {
        thread::sleep(BEFORE_FAULT);
        broker.kill();
    })?;
    for _ in 0..STORM_STARTS {
        let mut process = home.spawn()?;
        thread::sleep(Duration::from_millis(chance.between(BOOT_KILL_MS)));
        process.kill();
    }
    let broker = home.start().map_err(|why| format!("storm {run}: {why}"))?;
    traffic.check(broker.address, &format!("storm {run}"), report)?;
    report.line(format_args!(
        "  storm {run}: ready after {} starts that were killed, in {} ms",
        STORM_STARTS,
        milliseconds(broker.ready_after)
    ));
    Ok(broker)
}

/// Killed while it ends in good order.
fn drain(
    run: u64,
    home: &Home,
    report: &mut Report,
    traffic: &Traffic,
    mut broker: Broker,
    chance: &mut Chance,
) -> Result<Broker, String> {
    let lives_on = chance.between(DRAIN_KILL_MS);
    traffic.during(broker.address, chance.next(), || -> Result<(), String> {
        thread::sleep(BEFORE_FAULT);
        broker.terminate()?;
        thread::sleep(Duration::from_millis(lives_on));
        broker.kill();
        Ok(())
    })??;
    let broker = home.start().map_err(|why| format!("drain {run}, killed after {lives_on} ms: {why}"))?;
    traffic.check(broker.address, &format!("drain {run}"), report)?;
    report.line(format_args!("  drain {run}: killed {lives_on} ms after SIGTERM"));
    Ok(broker)
}

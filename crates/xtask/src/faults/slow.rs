//! Campaign: flushes of a real filesystem take a tenth of a second, a second, and more, while clients go on.
//! Invariant checked: every publish has an answer, nothing confirmed is lost, and the pace is back when the disk is.
//! Called by `faults`. Needs root, loop devices and FUSE.

use std::thread;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::device::mount::Mounted;
use super::door::Door;
use super::limits::{BEFORE_FAULT, PAUSE, RESUME_MS, SLOW_FLUSH, SLOW_TIME};
use super::milliseconds;
use super::options::Options;
use super::process::Home;
use super::report::Report;
use super::traffic::Traffic;

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut chance = Chance::new(options.seed);
    for filesystem in &options.filesystems {
        let name = filesystem.name();
        let mut mounted = Mounted::new(*filesystem, &home.folder.join(name))?;
        let home = home.with_data(mounted.folder.join("data"));
        let broker = home.start()?;
        let traffic = Traffic::new(&home, broker.address, name)?;
        for delay in SLOW_FLUSH {
            let (mut before, mut slow) = (traffic.counts()?, traffic.counts()?);
            let mut flushes = 0;
            let took = traffic.during(broker.address, chance.next(), || -> Result<u64, String> {
                thread::sleep(BEFORE_FAULT);
                mounted.device.delay_flushes(delay);
                thread::sleep(delay);
                (before, flushes) = (traffic.counts()?, mounted.device.requests().flushes);
                thread::sleep(SLOW_TIME.max(delay * 3));
                (slow, flushes) = (traffic.counts()?, mounted.device.requests().flushes - flushes);
                mounted.device.delay_flushes(Duration::ZERO);
                back_in_pace(&mut Door::with_token(broker.address, &traffic.token), &traffic)
            })??;
            let after = traffic.counts()?;
            report.line(format_args!(
                "  {name}, {flushes} flushes of {delay:?}: {} confirmed meanwhile, {} refused, {} without an answer; then a quick confirmation after {took} ms",
                slow.confirmed - before.confirmed,
                after.refused - before.refused,
                after.unknown - before.unknown,
            ));
            if after.unknown > before.unknown {
                report.violation(format_args!("{name}, flushes of {delay:?}: publishes without an answer"));
            }
            let bound = RESUME_MS + 2 * milliseconds(delay);
            report.at_most(&format!("{name}, quick again after flushes of {delay:?}"), took, bound, "ms");
            traffic.check(broker.address, &format!("{name}, flushes of {delay:?}"), report)?;
        }
        traffic.check_from_the_start(broker.address, &format!("{name}, at the end"), report)?;
        report.total(&format!("slow flushes on {name}"), 3, traffic.counts()?);
        broker.stop()?;
        mounted.unmount()?;
    }
    Ok(())
}

/// How long it takes until a publish is confirmed within a tenth of a second.
fn back_in_pace(door: &mut Door, traffic: &Traffic) -> Result<u64, String> {
    let start = Instant::now();
    loop {
        let sent = Instant::now();
        let outcome = traffic.to_queue(door, 1)?;
        if outcome.is_ok() && sent.elapsed() < PAUSE * 5 {
            return Ok(milliseconds(start.elapsed()));
        }
        if SLOW_TIME * 6 < start.elapsed() {
            return Err(String::from("the disk is quick again, and the broker is not"));
        }
    }
}

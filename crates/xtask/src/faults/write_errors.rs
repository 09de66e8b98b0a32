//! Campaign: a real filesystem meets one write that its disk refuses, and goes on as filesystems do: the error is told
//! to one flush, the page counts as clean, and what it held is gone with the next power cut.
//! Invariant checked: nothing is confirmed that is not there when the disk is read again.
//! Called by `faults`. Needs root, loop devices and FUSE.

use std::thread;

use super::chance::Chance;
use super::device::Loss;
use super::device::mount::{Filesystem, Mounted};
use super::limits::{AFTER_FAILURE, BEFORE_FAULT, WRITES_BEFORE};
use super::options::Options;
use super::process::Home;
use super::report::Report;
use super::traffic::Traffic;

const RUNS: u64 = 10;

/// Runs the campaign on one filesystem.
pub(super) fn on(filesystem: Filesystem, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let name = filesystem.name();
    let mut mounted = Mounted::new(filesystem, &home.folder.join(name))?;
    let home = home.with_data(mounted.folder.join("data"));
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, name)?;
    let mut chance = Chance::new(options.seed);
    let (runs, mut came) = (options.runs.unwrap_or(RUNS), 0);
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let more = chance.between(WRITES_BEFORE);
        let before = traffic.counts()?;
        let failed = traffic.during(broker.address, chance.next(), || {
            thread::sleep(BEFORE_FAULT);
            mounted.device.fail_a_write_after(more);
            thread::sleep(AFTER_FAILURE);
            let failed = mounted.device.write_has_failed();
            mounted.device.cut(Loss::Everything, &mut chance);
            broker.kill();
            failed
        })?;
        came += u64::from(failed);
        mounted.unmount()?;
        mounted.mount_again().map_err(|why| format!("write error {run}: {why}"))?;
        let after = traffic.counts()?;
        let what = if failed { "failed" } else { "never came" };
        report.line(format_args!(
            "  {name}, write {more} {what}: {} confirmed, {} refused",
            after.confirmed - before.confirmed,
            after.refused - before.refused
        ));
        broker = match home.start() {
            Ok(broker) => broker,
            Err(why) => {
                report.violation(format_args!("{name}, write error {run}: {why}"));
                return mounted.unmount();
            }
        };
        traffic.check(broker.address, &format!("{name}, write error {run}"), report)?;
    }
    traffic.check_from_the_start(broker.address, &format!("{name}, at the end"), report)?;
    broker.stop()?;
    mounted.unmount()?;
    report.line(format_args!("  {name}: refusals by code: {:?}", traffic.codes()));
    report.total(&format!("write errors on {name}"), came, traffic.counts()?);
    if came == 0 {
        report.violation(format_args!("{name}: no write failed: the campaign proves nothing"));
    }
    Ok(())
}

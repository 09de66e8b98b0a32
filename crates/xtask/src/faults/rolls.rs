//! Campaign: the power goes in the moment in which the log rolls: a new segment has its name, and perhaps its header.
//! Invariant checked: a file that has the name of a segment has its header, and nothing that was confirmed is lost.
//! Called by `faults`. Needs root, loop devices, FUSE and the programs that make filesystems.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::device::mount::{Filesystem, Mounted};
use super::device::{Device, Loss, Taken};
use super::door::Door;
use super::filling::{Filling, segments};
use super::limits::{DEAD_DISK, PAUSE, ROLL_FLUSH, ROLL_FLUSHES, ROLL_FLUSHES_MAX, ROLL_LOOK, ROLL_MAX};
use super::options::Options;
use super::process::Home;
use super::report::Report;
use super::traffic::Traffic;
use super::{median_and_most, milliseconds};

const RUNS: u64 = 5;

/// Runs the campaign on one filesystem.
pub(super) fn on(filesystem: Filesystem, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let name = filesystem.name();
    let mut mounted = Mounted::new(filesystem, &home.folder.join(name))?;
    let home = home.with_data(mounted.folder.join("data"));
    let mut chance = Chance::new(options.seed);
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, name)?;
    let mut filling = Filling::new(&mut Door::with_token(broker.address, &traffic.token))?;
    let (runs, mut readies) = (options.runs.unwrap_or(RUNS), Vec::new());
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let loss = Loss::ALL[usize::try_from(chance.below(3)).expect("it is below three")];
        let flushes = chance.between(ROLL_FLUSHES);
        let seed = chance.next();
        let before = segments(&home);
        mounted.device.delay_flushes(ROLL_FLUSH);
        let mut door = Door::with_token(broker.address, &traffic.token);
        let taken = traffic.during(broker.address, seed, || {
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| fill(&mut filling, &mut door, &over));
                let rolled = until_rolled(&home, &before);
                let taken = cut_after(&mounted.device, flushes, loss, &mut chance);
                thread::sleep(DEAD_DISK);
                broker.kill();
                over.store(true, Ordering::Relaxed);
                rolled.map(|()| taken)
            })
        })?;
        let Taken { pages, sectors } = taken.map_err(|why| format!("{name}, roll {run}: {why}"))?;
        mounted.device.delay_flushes(Duration::ZERO);
        mounted.unmount()?;
        mounted.mount_again().map_err(|why| format!("roll {run}: the filesystem does not come back: {why}"))?;
        broker = match home.start() {
            Ok(broker) => broker,
            Err(why) => {
                report.violation(format_args!("{name}, roll {run}, {flushes} flushes ({loss:?}): {why}"));
                return mounted.unmount();
            }
        };
        let ready = milliseconds(broker.ready_after);
        let when = format!("{name}, roll {run} ({loss:?})");
        traffic.check(broker.address, &when, report)?;
        filling.drain(&mut Door::with_token(broker.address, &traffic.token), &when, report)?;
        report.line(format_args!(
            "  {name} roll {run}, cut {flushes} flushes after the name, {loss:?}: {sectors} sectors of {pages} pages lost; ready after {ready} ms"
        ));
        readies.push(ready);
    }
    traffic.check_from_the_start(broker.address, &format!("{name}, at the end"), report)?;
    broker.stop()?;
    mounted.unmount()?;
    let (median, most) = median_and_most(readies);
    report.line(format_args!("  {name}, ready after a cut in a roll: median {median} ms, most {most} ms"));
    report.total(&format!("power cuts in rolls on {name}"), runs, traffic.counts()?);
    Ok(())
}

/// Publishes long messages until all is over.
fn fill(filling: &mut Filling, door: &mut Door, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        if filling.put(door).is_err() {
            thread::sleep(PAUSE);
        }
    }
}

/// Waits until there is a segment that was not there.
fn until_rolled(home: &Home, before: &[PathBuf]) -> Result<(), String> {
    let start = Instant::now();
    while segments(home).last() == before.last() {
        if ROLL_MAX < start.elapsed() {
            return Err(format!("the log does not roll within {ROLL_MAX:?}"));
        }
        thread::sleep(ROLL_LOOK);
    }
    Ok(())
}

/// Cuts the power once so many more flushes have ended.
fn cut_after(device: &Device, flushes: u64, loss: Loss, chance: &mut Chance) -> Taken {
    let (start, before) = (Instant::now(), device.requests().flushes);
    while device.requests().flushes < before + flushes && start.elapsed() < ROLL_FLUSHES_MAX {
        thread::sleep(ROLL_LOOK);
    }
    device.cut(loss, chance)
}

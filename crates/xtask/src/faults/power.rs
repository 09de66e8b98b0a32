//! Campaign: the power goes while the broker is under load on a real filesystem, again and again.
//! Invariant checked: what was confirmed is there when the power is back, whatever was not flushed is lost or torn.
//! Called by `faults`. Needs root, loop devices, FUSE and the programs that make filesystems.

use std::thread;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::device::mount::{Filesystem, Mounted, call};
use super::device::{Loss, Taken};
use super::limits::{
    CUT_AFTER_MS, CUT_FLUSH_MS, DEAD_DISK, FIRST_BOOT_CUT_MS, FIRST_LIFE_MS, PAUSE, POWER_CYCLE_MS, STOP_MAX,
};
use super::options::Options;
use super::process::{Home, Started};
use super::report::Report;
use super::traffic::{Traffic, a_while};
use super::{median_and_most, milliseconds};

const RUNS: u64 = 20;
/// Of so many cuts, one comes while a broker starts for the first time.
const FIRST_BOOT_EVERY: u64 = 10;
/// Of so many cuts, one comes right after the broker ended in good order and left a checkpoint.
const ORDERLY_EVERY: u64 = 3;
/// Of so many cuts, one ends the first life of a broker that has just confirmed its first messages.
const FIRST_LIFE_EVERY: u64 = 5;

/// Runs the campaign on one filesystem.
pub(super) fn on(filesystem: Filesystem, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let name = filesystem.name();
    let below = home.folder.join(name);
    let mut mounted = Mounted::new(filesystem, &below)?;
    let home = home.with_data(mounted.folder.join("data"));
    let mut chance = Chance::new(options.seed);
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, name)?;
    // What has stood for a while is safe even where nobody asked for it: a broker that never flushes loses messages,
    // not its users.
    call("sync", &["-f", &mounted.folder.display().to_string()])?;
    let (mut cycles, mut readies) = (Vec::new(), Vec::new());
    for run in 1..=options.runs.unwrap_or(RUNS) {
        if !report.begins_a_run() {
            break;
        }
        let start = Instant::now();
        beside(filesystem, run, &home, report, &mut chance)?;
        let loss = Loss::ALL[usize::try_from(chance.below(3)).expect("it is below three")];
        let before = traffic.counts()?.confirmed;
        let seed = chance.next();
        // A flush that takes its time leaves more for the cut to tear.
        let flush = if chance.below(2) == 0 { 0 } else { chance.between(CUT_FLUSH_MS) };
        mounted.device.delay_flushes(Duration::from_millis(flush));
        let orderly = run % ORDERLY_EVERY == 0;
        let (lived, taken) = traffic.during(broker.address, seed, || -> Result<(u64, Taken), String> {
            let lived = a_while(&mut chance, CUT_AFTER_MS);
            if orderly {
                broker.terminate()?;
                broker.end_within(STOP_MAX).ok_or("it does not end although it was asked to")?;
            }
            let taken = mounted.device.cut(loss, &mut chance);
            thread::sleep(DEAD_DISK);
            broker.kill();
            Ok((lived, taken))
        })??;
        mounted.device.delay_flushes(Duration::ZERO);
        mounted.unmount()?;
        mounted.mount_again().map_err(|why| format!("cut {run}: the filesystem does not come back: {why}"))?;
        let confirmed = traffic.counts()?.confirmed - before;
        broker = match home.start() {
            Ok(broker) => broker,
            Err(why) => {
                report.violation(format_args!("{name}, cut {run} ({loss:?}): {why}"));
                return mounted.unmount();
            }
        };
        let ready = milliseconds(broker.ready_after);
        traffic.check(broker.address, &format!("{name}, cut {run} ({loss:?})"), report)?;
        let took = milliseconds(start.elapsed());
        let Taken { pages, sectors } = taken;
        report.line(format_args!(
            "  {name} cut {run} after {lived} ms, flushes of {flush} ms, {loss:?}{}: {sectors} sectors of {pages} pages lost; {confirmed} confirmed, ready after {ready} ms, cycle {took} ms",
            if orderly { ", after an orderly end" } else { "" }
        ));
        cycles.push(took);
        readies.push(ready);
    }
    traffic.check_from_the_start(broker.address, &format!("{name}, at the end"), report)?;
    broker.stop()?;
    mounted.unmount()?;
    let (median, most) = median_and_most(readies);
    report.line(format_args!("  {name}: ready after a power cut: median {median} ms, most {most} ms"));
    let runs = u64::try_from(cycles.len()).expect("runs are few");
    let (median, _) = median_and_most(cycles);
    report.at_most(&format!("{name}: one cycle, median"), median, POWER_CYCLE_MS, "ms");
    report.total(&format!("power cuts on {name}"), runs, traffic.counts()?);
    if traffic.counts()?.confirmed == 0 {
        report.violation("nothing was confirmed: the campaign proves nothing");
    }
    Ok(())
}

/// The cuts of brokers that start for the first time, now and then, on disks of their own.
fn beside(
    filesystem: Filesystem,
    run: u64,
    home: &Home,
    report: &mut Report,
    chance: &mut Chance,
) -> Result<(), String> {
    if run.is_multiple_of(FIRST_BOOT_EVERY) {
        first_boot(filesystem, run, home, report, chance)?;
    }
    if run % FIRST_LIFE_EVERY == 1 {
        first_life(filesystem, run, home, report, chance)?;
    }
    Ok(())
}

/// The power goes while a broker makes its first files; it must come up on what is left.
fn first_boot(
    filesystem: Filesystem,
    run: u64,
    home: &Home,
    report: &mut Report,
    chance: &mut Chance,
) -> Result<(), String> {
    let mut mounted = Mounted::new(filesystem, &home.folder.join(format!("first-{run}")))?;
    let home = home.with_data(mounted.folder.join("data"));
    let loss = Loss::ALL[usize::try_from(chance.below(3)).expect("it is below three")];
    let wait = Duration::from_millis(chance.between(FIRST_BOOT_CUT_MS));
    let mut process = home.spawn()?;
    thread::sleep(wait);
    let taken = mounted.device.cut(loss, chance);
    thread::sleep(PAUSE);
    process.kill();
    mounted.unmount()?;
    mounted.mount_again()?;
    match home.launch()? {
        Started::Ready(broker) => {
            let traffic = Traffic::new(&home, broker.address, &format!("first-{run}"))?;
            traffic.check(broker.address, "first boot", report)?;
            broker.stop()?;
        }
        Started::Ended(status, said) => {
            report.violation(format_args!("first boot cut after {wait:?} ({loss:?}): {status}: {said}"));
        }
    }
    mounted.unmount()?;
    report.line(format_args!(
        "  {} first boot cut after {wait:?}, {loss:?}: {} pages were not flushed; it came up",
        filesystem.name(),
        taken.pages
    ));
    Ok(())
}

/// The power goes in the first life of a broker. Nothing has stood for a while there, so that what is small and was
/// written once, such as the vote, is lost unless somebody asked for it to be safe.
fn first_life(
    filesystem: Filesystem,
    run: u64,
    home: &Home,
    report: &mut Report,
    chance: &mut Chance,
) -> Result<(), String> {
    let name = filesystem.name();
    let mut mounted = Mounted::new(filesystem, &home.folder.join(format!("life-{run}")))?;
    let home = home.with_data(mounted.folder.join("data"));
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, &format!("{name}-life-{run}"))?;
    let loss = Loss::ALL[usize::try_from(chance.below(3)).expect("it is below three")];
    let seed = chance.next();
    let (lived, taken) = traffic.during(broker.address, seed, || {
        let lived = a_while(chance, FIRST_LIFE_MS);
        let taken = mounted.device.cut(loss, chance);
        thread::sleep(DEAD_DISK);
        broker.kill();
        (lived, taken)
    })?;
    mounted.unmount()?;
    mounted.mount_again()?;
    let when = format!("{name}, first life {run} ({loss:?})");
    match home.start() {
        Ok(broker) => {
            // The user, its token, the queue and the topic were confirmed as well as the messages.
            if let Err(why) = traffic.check_from_the_start(broker.address, &when, report) {
                report.violation(why);
            }
            broker.stop()?;
        }
        Err(why) => report.violation(format_args!("{when}: {why}")),
    }
    mounted.unmount()?;
    report.line(format_args!(
        "  {name} first life {run} cut after {lived} ms, {loss:?}: {} sectors lost; {} confirmed",
        taken.sectors,
        traffic.counts()?.confirmed
    ));
    Ok(())
}

//! Campaign: clusters of which each node has a host of its own, that are killed, paused, cut off, held up and replaced.
//! Invariant checked: nothing confirmed is lost, order and leases hold, and work goes on where a majority can.
//! Called by `cluster` for `--namespaces`. Needs root and the programs that `network` names.

mod beside;
mod clients;
mod field;
mod findings;
mod growth;
mod harm;
mod members;
mod network;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use self::field::{Field, Times};
use self::findings::Finding;
use self::harm::{Harm, Needs};
use self::members::Ground;
use super::chance::Chance;
use super::limits::CLUSTER_RUNS_MAX;
use super::options::Options;
use super::process::{Home, remove};
use super::report::Report;

/// Where a process of one cluster writes what it found.
const FINDINGS: &str = "findings";

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    match options.field.inside {
        None => beside::run(options, home, report),
        Some(_) => inside(options, home, report),
    }
}

/// The kinds that were asked for.
fn harms(options: &Options) -> Result<Vec<Harm>, String> {
    if options.field.harms.is_empty() {
        let needs = match (options.field.disks, options.field.clocks) {
            (true, _) => Needs::Disks,
            (false, true) => Needs::Clocks,
            (false, false) => Needs::Nothing,
        };
        let fitting = Harm::ALL.iter().filter(|(_, harm)| harm.needs() == needs);
        return Ok(fitting.map(|(_, harm)| *harm).collect());
    }
    let parse = |name: &String| Harm::parse(name).ok_or_else(|| format!("{name} is no kind of harm"));
    options.field.harms.iter().map(parse).collect()
}

/// Every kind once, in an order that is drawn.
fn shuffled(mut harms: Vec<Harm>, chance: &mut Chance) -> Vec<Harm> {
    for last in (1..harms.len()).rev() {
        let other = chance.below(u64::try_from(last + 1).expect("kinds are few"));
        harms.swap(last, usize::try_from(other).expect("kinds are few"));
    }
    harms
}

/// One cluster after the other, in namespaces of this process alone.
fn inside(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    network::lay()?;
    let known = harms(options)?;
    let disks = options.filesystems.first().copied().filter(|_| options.field.disks);
    let ground = Ground { disks, clocks: options.field.clocks };
    let mut chance = Chance::new(options.seed);
    let runs = options.runs.unwrap_or(u64::try_from(known.len()).expect("kinds are few"));
    let (mut done, mut order) = (0, Vec::new());
    let mut file = OpenOptions::new().create(true).append(true).open(options.scratch.join(FINDINGS));
    if options.field.growth {
        return growth::run(home, ground, &mut chance, report);
    }
    let mut number = 0;
    while done < runs {
        number += 1;
        let own = Home::new(home.folder.join(format!("cluster{number}")), &home.binary)?;
        let own = own.below(&home.below).forgetful(home.forgets);
        let mut note = |finding: &Finding| -> Result<(), String> {
            let file = file.as_mut().map_err(|error| format!("cannot write findings: {error}"))?;
            writeln!(file, "{}", finding.to_json()).map_err(|error| format!("cannot write findings: {error}"))
        };
        let (mut field, clients) = Field::new(&own, options.field.nodes, ground)?;
        let mut last = 0;
        let mut go = |report: &mut Report, done: &mut u64| -> Result<(), String> {
            while *done < runs && last < CLUSTER_RUNS_MAX {
                *done += 1;
                last += 1;
                if order.is_empty() {
                    order = shuffled(known.clone(), &mut chance);
                }
                let harm = order.pop().ok_or("there is no kind of harm")?;
                let when = format!("run {done} of seed {}, {}", options.seed, harm.name());
                let times = Times::of(options.field.seconds);
                let found = field.run((harm, &when), times, &clients, &mut chance, report);
                let found = found.map_err(|why| format!("{when}: {why}"))?;
                report.line(format_args!("  {when}: {}", found.line()));
                note(&found)?;
            }
            clients.check_from_the_start(&format!("after {last} runs of seed {}", options.seed), report)
        };
        let ended = go(report, &mut done);
        let (counts, acks) = clients.counts()?;
        report.total(&format!("cluster of {} nodes", options.field.nodes), last, counts);
        report.line(format_args!("  {acks} acks confirmed; refusals by code: {:?}", clients.codes()));
        match ended.and_then(|()| field.stop()) {
            Ok(()) if !report.violations.is_empty() => return keep(options, &own),
            Ok(()) => remove(&own.folder).map_err(|error| format!("cannot remove a folder: {error}"))?,
            Err(why) => {
                report.violation(why);
                return keep(options, &own);
            }
        }
    }
    Ok(())
}

/// Moves the folder of a cluster, in which something was wrong, to where it stays to be looked at.
fn keep(options: &Options, own: &Home) -> Result<(), String> {
    let kept = options.root.join(format!("target/faults-kept/{}", options.seed));
    let moved = remove(&kept).and_then(|()| fs::create_dir_all(&kept)).and_then(|()| fs::rename(&own.folder, &kept));
    moved.map_err(|error| format!("cannot keep {}: {error}", own.folder.display()))
}

/// Where the process of one cluster has its folder.
fn folder_of(home: &Home, place: u64) -> PathBuf {
    home.folder.join(format!("beside{place}"))
}

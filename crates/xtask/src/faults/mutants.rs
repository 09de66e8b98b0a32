//! Campaign: the other campaigns, against a program with one deliberate fault switched on; each must find it.
//! Invariant checked: a campaign whose fault survives the stated number of runs fails: it measures nothing.
//! Called by `faults`. The program is built with the feature `mutants`, apart from the one that ships.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::campaign::Campaign;
use super::device::mount::Filesystem;
use super::options::Options;
use super::process::{Home, Started};
use super::report::Report;
use crate::process;

/// The variable that switches a fault on.
const VARIABLE: &str = "RECADO_MUTANT";

/// Which campaign must find a fault, in how many runs.
struct Case {
    mutant: &'static str,
    campaign: Campaign,
    runs: u64,
}

const fn case(mutant: &'static str, campaign: Campaign, runs: u64) -> Case {
    Case { mutant, campaign, runs }
}

/// Faults of the disk first. What only a simulated disk or a second node can show is not here.
const CASES: [Case; 15] = [
    case("ack-before-sync", Campaign::PowerCuts, 5),
    case("ack-at-append", Campaign::PowerCuts, 5),
    case("no-folder-sync", Campaign::PowerCuts, 20),
    case("checkpoint-not-synced", Campaign::PowerCuts, 6),
    case("vote-not-synced", Campaign::PowerCuts, 6),
    case("roll-without-sync", Campaign::Rolls, 12),
    case("retry-failed-sync", Campaign::Eio, 10),
    case("retry-failed-sync", Campaign::WriteErrors, 10),
    case("checksum-without-length", Campaign::Flips, 60),
    case("truncate-at-bad-checksum", Campaign::Stale, 1),
    case("log-cut-at-newest-checkpoint", Campaign::Stale, 1),
    case("delete-live-segment", Campaign::Holdouts, 1),
    case("relocation-drops-unsettled", Campaign::Holdouts, 1),
    case("delay-ends-early", Campaign::Clocks, 2),
    case("key-freed-at-lease", Campaign::Kills, 3),
];
/// Flushes before those of a start have passed: a fault of the disk comes under load.
const FIRST_FLUSH: u64 = 30;
/// Messages of a backlog: enough for some segments.
const BACKLOG: u64 = 150_000;

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let binary = match &options.mutant_binary {
        Some(binary) => binary.clone(),
        None => build(&options.root)?,
    };
    knows_faults(&binary, home)?;
    let (mut caught, mut tried) = (0, 0);
    for case in &CASES {
        if options.mutant.as_ref().is_some_and(|only| only != case.mutant) {
            continue;
        }
        // What one filesystem hides another shows: a fault must be found on each.
        let every: Vec<Option<Filesystem>> = options.filesystems.iter().copied().map(Some).collect();
        let filesystems = if case.campaign.has_a_disk() { every } else { vec![None] };
        for filesystem in filesystems {
            tried += 1;
            caught += u64::from(is_caught(case, filesystem, options, &binary, home, report)?);
        }
    }
    report.line(format_args!("  {caught} of {tried} caught"));
    Ok(())
}

/// Runs a campaign on the program with a fault.
fn is_caught(
    case: &Case,
    filesystem: Option<Filesystem>,
    options: &Options,
    binary: &Path,
    home: &Home,
    report: &mut Report,
) -> Result<bool, String> {
    let Case { mutant, campaign, runs } = case;
    let runs = options.runs.unwrap_or(*runs);
    let place = filesystem.map_or_else(String::new, |one| format!(" on {}", one.name()));
    let name = campaign.name();
    let words = [String::from("env"), format!("{VARIABLE}={mutant}")];
    let broken =
        Home::new(home.folder.join(format!("{mutant}-{name}{}", place.replace(' ', "-"))), binary)?.below(&words);
    let few = Options {
        runs: Some(runs),
        first: FIRST_FLUSH,
        backlog: BACKLOG,
        filesystems: filesystem.map_or_else(|| options.filesystems.clone(), |one| vec![one]),
        ..options.clone()
    };
    let (mut found, start) = (Report::quiet(), Instant::now());
    let ended = campaign.run(&few, &broken, &mut found);
    let took = start.elapsed().as_secs();
    match (found.violations.first(), ended) {
        (Some(first), _) => {
            let text: String = first.chars().take(300).collect();
            let run = found.found_in.unwrap_or(1);
            report.line(format_args!("  {mutant} is caught by {name}{place} in run {run}, {took} s: {text}"));
            return Ok(true);
        }
        (None, Ok(())) => report.violation(format_args!("{mutant} survives {runs} runs of {name}{place}, {took} s")),
        (None, Err(why)) => {
            report.violation(format_args!("{mutant} stops {name}{place} before it finds anything: {why}"));
        }
    }
    Ok(false)
}

/// Builds the program with the feature into a folder of its own.
fn build(root: &Path) -> Result<PathBuf, String> {
    let target = root.join("target/mutants");
    let folder = target.display().to_string();
    let words = [
        "build",
        "--quiet",
        "--profile",
        "campaign",
        "--locked",
        "-p",
        "server",
        "--features",
        "mutants",
        "--target-dir",
    ];
    process::output(root, "cargo", &[&words[..], &[folder.as_str()]].concat())?;
    Ok(target.join("campaign/recado"))
}

/// A program that was built without the feature would pass as one whose faults nobody finds.
fn knows_faults(binary: &Path, home: &Home) -> Result<(), String> {
    let words = [String::from("env"), format!("{VARIABLE}=no-such-fault")];
    match Home::new(home.folder.join("no-such-fault"), binary)?.below(&words).launch()? {
        Started::Ready(_) => Err(format!("{} has no deliberate faults: build it with them", binary.display())),
        Started::Ended(..) => Ok(()),
    }
}

//! Campaign: the other campaigns, against a program with one deliberate fault switched on; each must find it.
//! Invariant checked: a campaign whose fault survives the stated number of runs fails: it measures nothing.
//! Called by `faults`. The program is built with the feature `mutants`, apart from the one that ships.

use std::path::{Path, PathBuf};

use super::campaign::Campaign;
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
const CASES: [Case; 10] = [
    case("ack-before-sync", Campaign::PowerCuts, 5),
    case("ack-at-append", Campaign::PowerCuts, 5),
    case("no-folder-sync", Campaign::PowerCuts, 10),
    case("checkpoint-not-synced", Campaign::PowerCuts, 6),
    case("retry-failed-sync", Campaign::Eio, 10),
    case("retry-failed-sync", Campaign::WriteErrors, 10),
    case("truncate-at-bad-checksum", Campaign::Stale, 1),
    case("log-cut-at-newest-checkpoint", Campaign::Stale, 1),
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
    let mut caught = 0;
    for Case { mutant, campaign, runs } in CASES {
        if options.mutant.as_ref().is_some_and(|only| only != mutant) {
            continue;
        }
        let name = campaign.name();
        let words = [String::from("env"), format!("{VARIABLE}={mutant}")];
        let broken = Home::new(home.folder.join(format!("{mutant}-{name}")), &binary)?.below(&words);
        let few = Options {
            runs: Some(options.runs.unwrap_or(runs)),
            first: FIRST_FLUSH,
            backlog: BACKLOG,
            ..options.clone()
        };
        let mut found = Report::quiet();
        let ended = campaign.run(&few, &broken, &mut found);
        match (found.violations.first(), ended) {
            (Some(first), _) => {
                caught += 1;
                let start: String = first.chars().take(150).collect();
                report.line(format_args!("  {mutant} is caught by {name} within {runs} runs: {start}"));
            }
            (None, Ok(())) => report.violation(format_args!("{mutant} survives {runs} runs of {name}")),
            (None, Err(why)) => report.violation(format_args!("{mutant} stops {name} before it finds anything: {why}")),
        }
    }
    report.line(format_args!("  {caught} caught"));
    Ok(())
}

/// Builds the program with the feature into a folder of its own.
fn build(root: &Path) -> Result<PathBuf, String> {
    let target = root.join("target/mutants");
    let folder = target.display().to_string();
    let words = ["build", "--quiet", "--release", "--locked", "-p", "server", "--features", "mutants", "--target-dir"];
    process::output(root, "cargo", &[&words[..], &[folder.as_str()]].concat())?;
    Ok(target.join("release/recado"))
}

/// A program that was built without the feature would pass as one whose faults nobody finds.
fn knows_faults(binary: &Path, home: &Home) -> Result<(), String> {
    let words = [String::from("env"), format!("{VARIABLE}=no-such-fault")];
    match Home::new(home.folder.join("no-such-fault"), binary)?.below(&words).launch()? {
        Started::Ready(_) => Err(format!("{} has no deliberate faults: build it with them", binary.display())),
        Started::Ended(..) => Ok(()),
    }
}

//! Campaigns of faults against the real program: it is killed, its disk fails, fills and rots, and it is weighed.
//! Invariant: every process and mount of a campaign ends with it; every wait has a bound in `limits.rs`.
//! Called by `main`: `cargo xtask faults`. What was found stands in `docs/reliability.md`.

mod account;
mod backlog;
mod body;
mod boots;
mod campaign;
mod chance;
mod clocks;
mod cluster;
mod cluster_flips;
mod confirms;
mod connections;
mod device;
mod disk;
mod door;
mod doors;
mod eio;
mod filling;
mod flips;
mod grpc;
mod holdouts;
mod hosts;
mod http;
mod journal;
mod kills;
mod ledger;
mod limits;
mod memory;
mod mutants;
mod options;
mod pauses;
mod power;
mod process;
mod report;
mod rolls;
mod seen;
mod slow;
mod small_disk;
mod stale;
mod traffic;
mod write_errors;

use std::path::Path;
use std::time::{Duration, Instant};

use process::Home;
use report::Report;

/// Runs the campaigns that the words name.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let options = options::parse(root, words)?;
    if !options.binary.is_file() {
        return Err(format!("{} is missing: cargo build --release", options.binary.display()));
    }
    let (mut failed, mut totals) = (Vec::new(), Vec::new());
    for campaign in &options.campaigns {
        let name = campaign.name();
        let mut report = Report::default();
        report.line(format_args!("== {name}: seed {}", options.seed));
        let start = Instant::now();
        let folder = options.scratch.join(format!("{name}-{}", std::process::id()));
        let done = Home::new(folder.clone(), &options.binary)
            .map(|home| home.below(&options.below).forgetful(options.forgetful))
            .and_then(|home| campaign.run(&options, &home, &mut report).map_err(|what| failure(&home, what)));
        // A campaign that could not go on has not shown that it finds what it looks for.
        let found = !report.violations.is_empty();
        if let Err(what) = &done {
            report.violation(what);
        }
        let _left_behind = process::remove(&folder);
        report.line(format_args!(
            "== {name}: {} violations, {} figures not met, {} s",
            report.violations.len(),
            report.missed.len(),
            start.elapsed().as_secs()
        ));
        let right = if options.expect_loss { found } else { report.violations.is_empty() };
        if !right || (!options.report_only && !report.missed.is_empty()) {
            failed.push(name);
        }
        totals.append(&mut report.totals);
    }
    if !totals.is_empty() {
        report::table(&totals).iter().try_for_each(|line| crate::say(line))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("campaigns that failed: {}", failed.join(", "))) }
}

/// A campaign that could not go on, with the end of what the broker said.
fn failure(home: &Home, what: String) -> String {
    let log = home.log();
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    if lines.is_empty() { what } else { format!("{what}; last lines of the log: {}", lines.join(" | ")) }
}

/// The middle one of some figures, and the largest.
fn median_and_most(mut figures: Vec<u64>) -> (u64, u64) {
    figures.sort_unstable();
    let most = figures.last().copied().unwrap_or_default();
    (figures.get(figures.len() / 2).copied().unwrap_or_default(), most)
}

/// Whole milliseconds of a time.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_most() {
        assert_eq!(median_and_most(vec![5, 1, 9]), (5, 9));
        assert_eq!(median_and_most(Vec::new()), (0, 0));
    }
}

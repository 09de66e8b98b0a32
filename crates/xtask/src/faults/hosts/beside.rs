//! Several clusters side by side, each with a process of this program in namespaces of its own.
//! Invariant: when this process ends, in whatever way, the kernel ends all that ran in them, and the networks go.
//! Called by the root of this folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::findings::{self, Finding};
use super::{FINDINGS, folder_of, harms, network};
use crate::faults::options::Options;
use crate::faults::process::Home;
use crate::faults::report::{NOT_MET, Report};

/// Runs so many clusters, and sums what they found.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    network::probe()?;
    let known = u64::try_from(harms(options)?.len()).expect("kinds are few");
    let places = options.field.side_by_side;
    let runs = options.runs.unwrap_or(if options.field.growth { places } else { known });
    let mut children = Vec::new();
    for place in 0..places {
        let share = runs / places + u64::from(place < runs % places);
        if 0 < share {
            children.push((place, start(options, home, place, share)?));
        }
    }
    let mut heard = Vec::new();
    for (place, child) in &mut children {
        let pipe = child.stdout.take().expect("standard output was asked to be a pipe");
        let place = *place;
        heard.push(thread::spawn(move || relay(place, BufReader::new(pipe))));
    }
    for (place, reader) in children.iter().map(|(place, _)| *place).zip(heard) {
        let (violations, missed) = reader.join().expect("a reader does not panic");
        report.violations.extend(violations.iter().map(|what| format!("cluster {place}: {what}")));
        report.missed.extend(missed.iter().map(|what| format!("cluster {place}: {what}")));
    }
    for (place, child) in &mut children {
        let ended = child.wait().map_err(|error| format!("cannot wait for cluster {place}: {error}"))?;
        if !ended.success() && report.violations.is_empty() {
            report.violation(format_args!("cluster {place} ended with {ended}"));
        }
    }
    if options.field.growth {
        return Ok(());
    }
    let mut found = Vec::new();
    for place in 0..places {
        let text = fs::read_to_string(folder_of(home, place).join(FINDINGS)).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        found.extend(lines.filter_map(|line| Finding::from_json(&line)));
    }
    let missing = runs.saturating_sub(u64::try_from(found.len()).unwrap_or(u64::MAX));
    if 0 < missing && report.violations.is_empty() {
        report.violation(format_args!("{missing} of {runs} runs did not end"));
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    report.line(format_args!(
        "  {} runs of {} nodes; load of the machine: {}",
        found.len(),
        options.field.nodes,
        load.trim()
    ));
    findings::sum(&found, report);
    Ok(())
}

/// Starts this program once more, as the first process of new namespaces.
fn start(options: &Options, home: &Home, place: u64, runs: u64) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let folder = folder_of(home, place);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command.arg("--mount-proc").arg(program).arg("faults").args(&options.words);
    let (runs, place_word) = (runs.to_string(), place.to_string());
    let seed = options.seed.wrapping_add(place).to_string();
    command.args(["--inside", &place_word, "--runs", &runs, "--seed", &seed, "--report-only"]);
    command.arg("--scratch").arg(&folder).arg("--binary").arg(&options.binary);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().map_err(|error| format!("cannot start setpriv: {error}"))
}

/// Passes lines on; the violations among them, and the figures that were not met.
fn relay(place: u64, lines: impl BufRead) -> (Vec<String>, Vec<String>) {
    let (mut violations, mut missed) = (Vec::new(), Vec::new());
    for line in lines.lines().map_while(Result::ok) {
        if let Some(violation) = line.strip_prefix("VIOLATION ") {
            violations.push(violation.to_owned());
        } else if line.ends_with(NOT_MET) {
            missed.push(line.trim().to_owned());
        }
        // A reader that went away does not stop a campaign.
        let _closed = crate::say(&format!("[{place}] {line}"));
    }
    (violations, missed)
}

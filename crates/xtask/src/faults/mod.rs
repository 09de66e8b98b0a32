//! Campaigns of faults against the real program: it is killed, its disk fails, fills and rots, and it is weighed.
//! Invariant: every process and mount of a campaign ends with it; every wait has a bound in `limits.rs`.
//! Called by `main`: `cargo xtask faults`. What was found stands in `docs/reliability.md`.

mod account;
mod backlog;
mod body;
mod boots;
mod chance;
mod clocks;
mod device;
mod disk;
mod door;
mod doors;
mod eio;
mod flips;
mod grpc;
mod http;
mod journal;
mod kills;
mod ledger;
mod limits;
mod memory;
mod pauses;
mod power;
mod process;
mod report;
mod seen;
mod slow;
mod small_disk;
mod stale;
mod traffic;
mod write_errors;

use std::path::{Path, PathBuf};
use std::time::Instant;

use device::mount::Filesystem;
use process::Home;
use report::Report;

const USAGE: &str = "usage: cargo xtask faults [kills|eio|disk|memory|startup|flips|all] [OPTIONS]

  kills    kill -9 under load, again and again; nothing confirmed is lost
  eio      flushes fail from the n-th on; nothing is confirmed after that
  disk     the folder shrinks as messages go; a full disk refuses publishes alone
  memory   resident memory, idle and with a backlog and with many queues, and the starts that go with them
  startup  the start of an empty broker
  flips    one bit of one file is flipped; nothing wrong is served and nothing is missing in silence
  power-cuts  the power goes under load, on ext4 and XFS; nothing confirmed is lost

  --runs N         how many runs of kills (20), eio (50), flips (200) or power-cuts (20)
  --filesystem F   ext4 or xfs instead of both, for power-cuts
  --below PROGRAM  runs the broker below a program, such as eatmydata
  --expect-loss    the campaign must find something wrong: it is run on something that is broken
  --backlog N      messages of 1 KiB that wait (1000000)
  --binary PATH    the program (target/release/recado)
  --seed N         repeats the choices of a run that printed it
  --report-only    figures that are not met do not fail the run; violations always do";

/// What a run was asked for.
pub(crate) struct Options {
    campaigns: Vec<Campaign>,
    runs: Option<u64>,
    /// Where a campaign that counts begins.
    first: u64,
    backlog: u64,
    binary: PathBuf,
    seed: u64,
    report_only: bool,
    filesystems: Vec<Filesystem>,
    below: Vec<String>,
    expect_loss: bool,
    /// Where campaigns have their folders.
    scratch: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Campaign {
    Kills,
    Eio,
    EioWrites,
    Disk,
    Memory,
    Startup,
    Flips,
    PowerCuts,
    WriteErrors,
    SlowDisk,
    Pauses,
    Clocks,
    Boots,
    Stale,
    Doors,
}

impl Campaign {
    const ALL: [(&'static str, Self); 15] = [
        ("startup", Self::Startup),
        ("flips", Self::Flips),
        ("power-cuts", Self::PowerCuts),
        ("write-errors", Self::WriteErrors),
        ("slow-disk", Self::SlowDisk),
        ("pauses", Self::Pauses),
        ("clocks", Self::Clocks),
        ("boots", Self::Boots),
        ("stale", Self::Stale),
        ("doors", Self::Doors),
        ("eio", Self::Eio),
        ("eio-writes", Self::EioWrites),
        ("kills", Self::Kills),
        ("disk", Self::Disk),
        ("memory", Self::Memory),
    ];

    fn run(self, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
        match self {
            Self::Kills => kills::run(options, home, report),
            Self::Eio => eio::run(eio::Call::Flush, options, home, report),
            Self::EioWrites => eio::run(eio::Call::Write, options, home, report),
            Self::Disk => disk::run(options, home, report),
            Self::Memory => memory::run(options, home, report),
            Self::Startup => memory::startup(home, report),
            Self::Flips => flips::run(options, home, report),
            Self::PowerCuts => power::run(options, home, report),
            Self::WriteErrors => write_errors::run(options, home, report),
            Self::SlowDisk => slow::run(options, home, report),
            Self::Pauses => pauses::run(options, home, report),
            Self::Clocks => clocks::run(options, home, report),
            Self::Boots => boots::run(options, home, report),
            Self::Stale => stale::run(options, home, report),
            Self::Doors => doors::run(options, home, report),
        }
    }
}

fn parse(root: &Path, words: &[&str]) -> Result<Options, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut options = Options {
        campaigns: Vec::new(),
        runs: None,
        first: 1,
        backlog: 1_000_000,
        binary: root.join("target/release/recado"),
        seed: now.map_or(1, |since| u64::from(since.subsec_micros())),
        report_only: false,
        filesystems: vec![Filesystem::Ext4, Filesystem::Xfs],
        below: Vec::new(),
        expect_loss: false,
        scratch: root.join("target/faults"),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{word} needs a number, not {text}"));
        match *word {
            "--runs" => options.runs = Some(number(value()?)?),
            "--first" => options.first = number(value()?)?.max(1),
            "--backlog" => options.backlog = number(value()?)?.max(1),
            "--seed" => options.seed = number(value()?)?,
            "--binary" => options.binary = PathBuf::from(value()?),
            "--below" => options.below = value()?.split(' ').map(String::from).collect(),
            "--expect-loss" => options.expect_loss = true,
            "--filesystem" => {
                let name = value()?;
                let known = Filesystem::parse(name);
                options.filesystems = vec![known.ok_or_else(|| format!("{name} is no filesystem known here"))?];
            }
            "--report-only" => options.report_only = true,
            "all" => options.campaigns = Campaign::ALL.iter().map(|(_, campaign)| *campaign).collect(),
            name => match Campaign::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, campaign)) => options.campaigns.push(*campaign),
                None => return Err(format!("{name} is not understood\n\n{USAGE}")),
            },
        }
    }
    if options.campaigns.is_empty() {
        return Err(String::from(USAGE));
    }
    options.binary = std::path::absolute(&options.binary).map_err(|error| error.to_string())?;
    Ok(options)
}

/// Runs the campaigns that the words name.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let options = parse(root, words)?;
    if !options.binary.is_file() {
        return Err(format!("{} is missing: cargo build --release", options.binary.display()));
    }
    let (mut failed, mut totals) = (Vec::new(), Vec::new());
    for campaign in &options.campaigns {
        let name = Campaign::ALL.iter().find(|(_, known)| known == campaign).map_or("", |(name, _)| name);
        let mut report = Report::default();
        report.line(format_args!("== {name}: seed {}", options.seed));
        let start = Instant::now();
        let folder = options.scratch.join(format!("{name}-{}", std::process::id()));
        let done = Home::new(folder.clone(), &options.binary)
            .map(|home| home.below(&options.below))
            .and_then(|home| campaign.run(&options, &home, &mut report).map_err(|what| failure(&home, what)));
        // A campaign that could not go on has not shown that it finds what it looks for.
        let found = !report.violations.is_empty();
        if let Err(what) = &done {
            report.violation(what);
        }
        let _left_behind = process::remove(&folder);
        report.line(format_args!(
            "== {name}: {} violations, {} figures not met, {} skipped, {} s",
            report.violations.len(),
            report.missed.len(),
            report.skipped.len(),
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
fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let root = Path::new("source");
        let options = parse(root, &["kills", "--runs", "3", "--seed", "9", "--report-only"]).expect("it is right");
        assert_eq!(options.campaigns, [Campaign::Kills]);
        assert_eq!((options.runs, options.seed, options.backlog, options.report_only), (Some(3), 9, 1_000_000, true));
        assert_eq!(parse(root, &["all"]).expect("it is right").campaigns.len(), Campaign::ALL.len());
        for wrong in [&[][..], &["storms"], &["kills", "--runs"], &["kills", "--runs", "few"]] {
            assert!(parse(root, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_middle_and_the_most() {
        assert_eq!(median_and_most(vec![5, 1, 9]), (5, 9));
        assert_eq!(median_and_most(Vec::new()), (0, 0));
    }
}

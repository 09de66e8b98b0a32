//! The program of the simulator; `cargo xtask sim` builds and starts it.
//! Invariant: it exits with success only when no promise was broken and every event was seen.
//! Options: `--help`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, panic};

use sim::campaign::{Sum, campaign};
use sim::events::Event;
use sim::limits::{ANSWERED_MIN, COVERAGE_SEEDS, FAULTS_MIN, MUTANT_SEEDS};
use sim::minimise::minimise;
use sim::run::{Report, run};
use sim::schedule::{Nodes, Schedule};

const USAGE: &str = "usage: sim [--seeds N] [--first S] [--jobs J] [--nodes 1|3|5|any]
       sim --traces N [--first S] [--nodes 1|3|5|any]
       sim --repeat FILE-OR-SEED [--minimise] [--mutant NAME] [--nodes 1|3|5|any]
       sim --mutants [--seeds N] [--first S] [--jobs J] [--nodes 1|3|5|any]

  --seeds N     seeds to run (1000)
  --first S     the first of them (0)
  --jobs J      threads (all processors)
  --nodes       nodes of each seed (1); any: as the seed says
  --traces N    prints the hash of each trace, to compare builds
  --repeat      runs one seed, or one schedule from a file, and tells its story
  --minimise    shrinks a failure to a schedule for crates/sim/tests/regressions
  --mutants     switches each deliberate fault on, and demands that it is noticed in N seeds (500)
  --mutant      repeats with a deliberate fault switched on";

#[derive(Default)]
struct Options {
    seeds: Option<u64>,
    first: u64,
    jobs: Option<u64>,
    traces: Option<u64>,
    repeat: Option<String>,
    minimise: bool,
    mutants: bool,
    mutant: Option<String>,
    nodes: Option<Nodes>,
}

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(what) => {
            let _closed = writeln!(io::stderr(), "sim: {what}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Whoever closed the pipe does not want to hear.
    let _closed = writeln!(io::stdout(), "{text}");
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match word.as_str() {
            "--seeds" => options.seeds = Some(number(value()?)?),
            "--first" => options.first = number(value()?)?,
            "--jobs" => options.jobs = Some(number(value()?)?),
            "--traces" => options.traces = Some(number(value()?)?),
            "--repeat" => options.repeat = Some(value()?),
            "--minimise" => options.minimise = true,
            "--mutants" => options.mutants = true,
            "--nodes" => options.nodes = Some(Nodes::parse(&value()?)?),
            "--mutant" => options.mutant = Some(value()?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn start() -> Result<ExitCode, String> {
    let options = options()?;
    let nodes = options.nodes.unwrap_or(Nodes::Exactly(1));
    if let Some(what) = &options.repeat {
        return with_mutant(options.mutant.as_deref(), || repeat(what, nodes, options.minimise))?;
    }
    if let Some(seeds) = options.traces {
        for seed in options.first..options.first + seeds {
            say(&format!("{seed} {:016x}", run(&Schedule::among(seed, nodes)).trace));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = options.jobs.unwrap_or(u64::try_from(processors).unwrap_or(1));
    if options.mutants {
        let seeds = (options.first, options.seeds.unwrap_or(MUTANT_SEEDS));
        return mutants(options.mutant.as_deref(), seeds, jobs, options.nodes);
    }
    let seeds = options.seeds.unwrap_or(COVERAGE_SEEDS);
    let began = Instant::now();
    let sum = campaign(options.first, seeds, jobs, nodes, &|seed, report| tell(seed, nodes, report));
    report(&sum, began.elapsed().as_secs_f64());
    let must_cover = COVERAGE_SEEDS <= seeds && sum.failed == 0;
    let missing = if must_cover { sum.missing(nodes) } else { Vec::new() };
    for event in &missing {
        say(&format!("never seen in {seeds} seeds: {}", event.word()));
    }
    for seed in &sum.weak {
        say(&format!("seed {seed} is too short: fewer than {ANSWERED_MIN} operations or {FAULTS_MIN} faults"));
    }
    let is_good = sum.failed == 0 && sum.weak.is_empty() && missing.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(feature = "mutants")]
fn with_mutant<R>(name: Option<&str>, work: impl FnOnce() -> R) -> Result<R, String> {
    let Some(name) = name else { return Ok(work()) };
    let mutant = mutant::Mutant::named(name).ok_or_else(|| format!("there is no mutant {name}"))?;
    let _on = mutant::switch_on(mutant);
    Ok(work())
}

#[cfg(not(feature = "mutants"))]
fn with_mutant<R>(name: Option<&str>, work: impl FnOnce() -> R) -> Result<R, String> {
    if name.is_some() { Err(NO_MUTANTS.to_owned()) } else { Ok(work()) }
}

#[cfg(feature = "mutants")]
fn mutants(only: Option<&str>, seeds: (u64, u64), jobs: u64, nodes: Option<Nodes>) -> Result<ExitCode, String> {
    let is_meant = |mutant: &mutant::Mutant| only.is_none_or(|only| only == mutant.name());
    let chosen: Vec<_> = mutant::ALL.iter().copied().filter(is_meant).collect();
    let told = |hunt: &sim::mutants::Hunt| {
        let verdict = match hunt.first {
            Some(first) => format!("caught in {} of {} seeds, first after {first}", hunt.caught, hunt.seeds),
            None => format!("NOT CAUGHT in {} seeds", hunt.seeds),
        };
        say(&format!("{:28} {verdict} {:?} {}", hunt.mutant.name(), hunt.properties, hunt.what));
    };
    let hunts = sim::mutants::hunt_all(&chosen, seeds, jobs, nodes, &told);
    let missed = hunts.iter().filter(|hunt| hunt.first.is_none()).count();
    say(&format!("{} mutants, {missed} not caught within {} seeds", hunts.len(), seeds.1));
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(not(feature = "mutants"))]
fn mutants(_only: Option<&str>, _seeds: (u64, u64), _jobs: u64, _nodes: Option<Nodes>) -> Result<ExitCode, String> {
    Err(NO_MUTANTS.to_owned())
}

#[cfg(not(feature = "mutants"))]
const NO_MUTANTS: &str = "this build has no mutants: use `cargo xtask sim --mutants`";

fn tell(seed: u64, nodes: Nodes, report: &Report) {
    for violation in &report.violations {
        say(&format!("seed {seed}: {:?}: {}", violation.property, violation.what));
    }
    let nodes = Schedule::among(seed, nodes).nodes;
    let nodes = if nodes == 1 { String::new() } else { format!(" --nodes {nodes}") };
    say(&format!("seed {seed}: repeat it with: cargo xtask sim --repeat {seed}{nodes}"));
}

fn report(sum: &Sum, seconds: f64) {
    for event in Event::ALL {
        say(&format!("{:>12}  {}", sum.tally.count(*event), event.word()));
    }
    let Sum { seeds, operations, answered, faults, lives, batches, traces, .. } = sum;
    let (least, least_faults) = (sum.answered_min.unwrap_or_default(), sum.faults_min.unwrap_or_default());
    say(&format!("{seeds} seeds: {operations} operations, {faults} faults, {lives} lives, {batches} batches"));
    say(&format!("while faults came: {answered} operations; fewest of one seed: {least}, and {least_faults} faults"));
    say(&format!("traces {traces:016x}"));
    let whole = u32::try_from(*seeds).map_or(f64::MAX, f64::from);
    say(&format!("{seconds:.1} s, {:.1} seeds a second", whole / seconds.max(0.001)));
    say(&format!("{} seeds broke a promise", sum.failed));
}

fn repeat(what: &str, nodes: Nodes, is_minimised: bool) -> Result<ExitCode, String> {
    panic::set_hook(Box::new(|_| {}));
    let schedule = match what.parse::<u64>() {
        Ok(seed) => Schedule::among(seed, nodes),
        Err(_) => {
            let text = fs::read_to_string(what).map_err(|error| format!("cannot read {what}: {error}"))?;
            Schedule::parse(&text)?
        }
    };
    let schedule = if is_minimised { minimise(&schedule).unwrap_or(schedule) } else { schedule };
    let report = run(&schedule);
    for line in &report.story {
        say(line);
    }
    say(&format!("trace {:016x}, {} operations, {} faults", report.trace, report.operations, report.faults));
    for violation in &report.violations {
        say(&format!("{:?}: {}", violation.property, violation.what));
    }
    say(&format!("\n{schedule}"));
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

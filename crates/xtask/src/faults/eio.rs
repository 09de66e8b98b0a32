//! Campaign: from the n-th call of a thread on, or just then, flushes or writes fail with EIO under load.
//! Invariant checked: nothing that is sent after a failed flush is confirmed, the broker says which file failed, and a
//! restart has everything that was confirmed.
//! Called by `faults`. Needs strace.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::chance::Chance;
use super::http::Client;
use super::limits::{AFTER_FAILURE, INJECTION_MAX, PAUSE, STOP_MAX};
use super::options::Options;
use super::process::{Broker, Home, Started};
use super::report::Report;
use super::traffic::Traffic;

const RUNS: u64 = 50;

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Flush,
    Write,
}

impl Call {
    /// As strace names them. A write to a file has an offset; those to sockets have none and are left alone.
    const fn names(self) -> &'static str {
        match self {
            Self::Flush => "fdatasync,fsync",
            Self::Write => "pwrite64",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::Write => "write",
        }
    }
}

/// Makes sure that strace is there.
pub(super) fn strace() -> Result<(), String> {
    let mut command = Command::new("strace");
    command.args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    if command.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(String::from("strace is missing or may not trace here: apt-get install strace"))
}

/// Runs the campaign.
pub(super) fn run(call: Call, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    strace()?;
    let broker = home.start()?;
    let traffic = Traffic::new(home, broker.address, call.name())?;
    broker.stop()?;
    let mut chance = Chance::new(options.seed);
    let (first, runs) = (options.first, options.runs.unwrap_or(RUNS));
    let mut came = 0;
    for nth in first..first + runs {
        if !report.begins_a_run() {
            break;
        }
        // Every second one fails once only: a broker that tries again would be told that all is well.
        let when = if chance.below(2) == 0 { format!("{nth}") } else { format!("{nth}+") };
        came += u64::from(one(call, &when, home, report, &traffic, chance.next())?);
    }
    report.total(&format!("EIO on {} {first} to {}", call.name(), first + runs - 1), came, traffic.counts()?);
    Ok(())
}

/// One run: calls fail, then the broker starts again on a healthy disk. Whether one failed.
fn one(call: Call, when: &str, home: &Home, report: &mut Report, traffic: &Traffic, seed: u64) -> Result<bool, String> {
    let run = format!("{} {when}", call.name());
    let trace = home.folder.join("trace");
    let (before, counts) = (home.log().len(), traffic.counts()?);
    let calls = call.names();
    let mut below = ["strace", "-D", "-f", "-qq", "-ttt", "-e"].map(String::from).to_vec();
    below.extend([format!("trace={calls}"), String::from("-e"), format!("inject={calls}:error=EIO:when={when}")]);
    below.extend([String::from("-o"), trace.display().to_string()]);
    let what = match home.below(&below).launch()? {
        Started::Ended(status, _) => {
            let what = format!("did not come up ({status})");
            if injected_at(&trace).is_none() {
                report.violation(format_args!("{run}: {what} although nothing had failed"));
            }
            if status.ends_with(": 0") {
                report.violation(format_args!("{run}: it ended as if all were well"));
            }
            what
        }
        Started::Ready(broker) => under_load(call, &run, broker, report, traffic, &trace, seed)?,
    };
    let failed = injected_at(&trace).is_some();
    let said = home.log().split_off(before);
    if failed && !said.lines().any(|line| line.contains(" failed on ")) {
        report.violation(format_args!("{run}: no line of the log names the file that failed"));
    }
    let broker = home.start().map_err(|why| {
        report.violation(format_args!("{run}: no start on a disk that is healthy again"));
        format!("{run}, healthy again: {why}")
    })?;
    let ready = broker.ready_after.as_millis();
    traffic.check(broker.address, &run, report)?;
    broker.stop()?;
    let confirmed = traffic.counts()?.confirmed - counts.confirmed;
    report.line(format_args!("  eio, {run}: {what}; {confirmed} confirmed in all, restarted in {ready} ms"));
    Ok(failed)
}

/// When the first call was made to fail, in microseconds.
fn injected_at(trace: &Path) -> Option<u64> {
    let text = fs::read_to_string(trace).unwrap_or_default();
    let times = text.lines().filter(|line| line.contains("INJECTED")).filter_map(|line| {
        let (seconds, micros) = line.split_whitespace().find_map(|word| word.split_once('.'))?;
        Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
    });
    times.min()
}

fn under_load(
    call: Call,
    run: &str,
    mut broker: Broker,
    report: &mut Report,
    traffic: &Traffic,
    trace: &Path,
    seed: u64,
) -> Result<String, String> {
    let codes_before = traffic.codes();
    traffic.during(broker.address, seed, || {
        let start = Instant::now();
        while injected_at(trace).is_none() && start.elapsed() < INJECTION_MAX {
            thread::sleep(PAUSE);
        }
        thread::sleep(AFTER_FAILURE);
    })?;
    let ready = Client::new(broker.address, "").send("GET", "/health/ready", "");
    let ready = ready.map_or_else(|_| String::from("nothing"), |answer| format!("{} {}", answer.status, answer.code()));
    let confirmed_late = traffic.last_confirmed_sent()?;
    let mut codes = traffic.codes();
    codes.retain(|code, count| codes_before.get(code) != Some(count));
    if let Some(code) = codes.keys().find(|code| *code != "fault") {
        report.violation(format_args!("{run}: a publish was answered with {code}, not fault"));
    }
    let Some(failed_at) = injected_at(trace) else {
        broker.terminate()?;
        let _ended = broker.end_within(STOP_MAX);
        return Ok(String::from("it never came"));
    };
    if call == Call::Flush && failed_at < confirmed_late {
        report.violation(format_args!("{run}: a publish was confirmed that was sent after a failed flush"));
    }
    // A write that failed may have been one that nobody waits for, such as the durable mark.
    let unharmed = call == Call::Write && ready.starts_with("200");
    if ready.starts_with("200") && !unharmed {
        report.violation(format_args!("{run}: it says that it is ready after a failed {}", call.name()));
    }
    broker.terminate()?;
    let ended = broker.end_within(STOP_MAX);
    let ended = ended.map_or_else(|| String::from("no end"), |status| status.to_string());
    if (ended.ends_with(": 0") && !unharmed) || ended == "no end" {
        report.violation(format_args!("{run}: after a failure and SIGTERM it ended with: {ended}"));
    }
    Ok(format!("ready says {ready}, ended with {ended}"))
}

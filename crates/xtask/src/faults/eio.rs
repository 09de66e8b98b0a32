//! Campaign: from the n-th flush of a thread on, every flush fails; publishers go on all the while.
//! Invariant checked: nothing is confirmed after a failed flush, the broker says which file failed, and a restart
//! has everything that was confirmed.
//! Called by `faults`. Needs strace, which it installs where it can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::Options;
use super::body;
use super::door::{Door, Failed, message};
use super::http::Client;
use super::limits::{AFTER_FAILURE, DRAIN_BATCH, EIO_PUBLISHERS, INJECTION_MAX, PAUSE, STOP_MAX};
use super::process::{Broker, Home, Started};
use super::report::Report;

const QUEUE: &str = "flushed";
const RUNS: u64 = 50;
/// Messages that are there before each run.
const FIRST: u64 = 20;

/// One publish: when it was sent and what came of it.
struct Attempt {
    sent_at: Duration,
    number: u64,
    outcome: Result<(), Failed>,
}

/// Makes sure that strace is there.
fn strace() -> Result<(), String> {
    let works = || {
        let mut command = Command::new("strace");
        command.args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if works() {
        return Ok(());
    }
    let line = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace >/dev/null";
    let _tried = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).status();
    if works() { Ok(()) } else { Err(String::from("strace is missing or may not trace here: apt-get install strace")) }
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    strace()?;
    let broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    door.create(QUEUE, &json!({}))?;
    let next = AtomicU64::new(0);
    let mut confirmed = store_some(&mut door, &next)?;
    broker.stop()?;
    for run in 1..=options.runs.unwrap_or(RUNS) {
        one(run, home, report, &token, &next, &mut confirmed)?;
    }
    Ok(())
}

/// Messages that are confirmed on a healthy disk, so that a run has something to lose.
fn store_some(door: &mut Door, next: &AtomicU64) -> Result<BTreeSet<u64>, String> {
    let mut confirmed = BTreeSet::new();
    for _ in 0..FIRST {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let sent = door.publish(QUEUE, &[message(&body::body(QUEUE, number))]);
        sent.map_err(|failed| format!("a publish on a healthy disk: {failed}"))?;
        confirmed.insert(number);
    }
    Ok(confirmed)
}

/// One run: flushes fail from the n-th on, then the broker starts again on a healthy disk.
fn one(
    nth: u64,
    home: &Home,
    report: &mut Report,
    token: &str,
    next: &AtomicU64,
    confirmed: &mut BTreeSet<u64>,
) -> Result<(), String> {
    let trace = home.folder.join("trace");
    let before = home.log().len();
    let words = ["strace", "-D", "-f", "-qq", "-ttt", "-e", "trace=fdatasync,fsync"].map(String::from);
    let mut below = words.to_vec();
    below.extend([String::from("-e"), format!("inject=fdatasync,fsync:error=EIO:when={nth}+")]);
    below.extend([String::from("-o"), trace.display().to_string()]);
    let what = match home.below(&below).launch()? {
        Started::Ended(status, _) => {
            let what = format!("did not come up ({status})");
            if injected_at(&trace).is_none() {
                report.violation(format_args!("run {nth}: {what} although no flush had failed"));
            }
            if status.ends_with(": 0") {
                report.violation(format_args!("run {nth}: it ended as if all were well"));
            }
            what
        }
        Started::Ready(broker) => under_load(nth, broker, report, token, next, confirmed, &trace)?,
    };
    let said = home.log().split_off(before);
    let named = said.lines().find(|line| line.contains("Sync") && line.contains(" failed on "));
    if injected_at(&trace).is_some() && named.is_none() {
        report.violation(format_args!("run {nth}: no line of the log names the file whose flush failed"));
    }
    let again = after(nth, home, report, token, next, confirmed)?;
    report.line(format_args!("  eio from flush {nth}: {what}; {again}"));
    Ok(())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// When the first flush was made to fail.
fn injected_at(trace: &Path) -> Option<Duration> {
    let text = fs::read_to_string(trace).unwrap_or_default();
    let times = text
        .lines()
        .filter(|line| line.contains("INJECTED"))
        .filter_map(|line| line.split_whitespace().find_map(|word| word.split_once('.').and(word.parse::<f64>().ok())));
    times.map(Duration::from_secs_f64).min()
}

fn under_load(
    nth: u64,
    mut broker: Broker,
    report: &mut Report,
    token: &str,
    next: &AtomicU64,
    confirmed: &mut BTreeSet<u64>,
    trace: &Path,
) -> Result<String, String> {
    let (attempts, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let address = broker.address;
    thread::scope(|scope| {
        for _ in 0..EIO_PUBLISHERS {
            scope.spawn(|| publish(address, token, next, &attempts, &over));
        }
        let start = Instant::now();
        while injected_at(trace).is_none() && start.elapsed() < INJECTION_MAX {
            thread::sleep(PAUSE);
        }
        thread::sleep(AFTER_FAILURE);
        over.store(true, Ordering::Relaxed);
    });
    let ready = Client::new(address, "").send("GET", "/health/ready", "");
    let ready =
        ready.map_or_else(|error| format!("gone ({error})"), |answer| format!("{} {}", answer.status, answer.code()));
    let failed_at = injected_at(trace);
    let attempts = attempts.into_inner().expect("no publisher panics");
    let late = |attempt: &&Attempt| failed_at.is_some_and(|failed_at| failed_at < attempt.sent_at);
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    for attempt in attempts.iter().filter(late) {
        match &attempt.outcome {
            Ok(()) => {
                report
                    .violation(format_args!("run {nth}: number {} was confirmed after a failed flush", attempt.number));
            }
            Err(Failed::Refused(code)) => *codes.entry(code.clone()).or_default() += 1,
            Err(Failed::Unknown(_)) => *codes.entry(String::from("no answer")).or_default() += 1,
        }
    }
    if let Some(code) = codes.keys().find(|code| *code != "fault") {
        report.violation(format_args!("run {nth}: a publish after a failed flush was answered with {code}, not fault"));
    }
    let kept = attempts.iter().filter(|attempt| attempt.outcome.is_ok());
    let kept: Vec<u64> = kept.map(|attempt| attempt.number).collect();
    confirmed.extend(&kept);
    match (failed_at, ready.starts_with("200")) {
        (None, _) => return Ok(format!("flush {nth} never came, {} confirmed", kept.len())),
        (Some(_), true) => report.violation(format_args!("run {nth}: it says that it is ready after a failed flush")),
        (Some(_), false) => {}
    }
    broker.terminate()?;
    let ended = broker.end_within(STOP_MAX);
    let ended = ended.map_or_else(|| String::from("no end"), |status| status.to_string());
    if ended.ends_with(": 0") || ended == "no end" {
        report.violation(format_args!("run {nth}: after a failed flush and SIGTERM it ended with: {ended}"));
    }
    Ok(format!("{} confirmed before, after it {codes:?}, ready says {ready}, ended with {ended}", kept.len()))
}

/// Publishes one message after another until told to end.
fn publish(address: SocketAddr, token: &str, next: &AtomicU64, attempts: &Mutex<Vec<Attempt>>, over: &AtomicBool) {
    let mut door = Door::with_token(address, token);
    while !over.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let sent_at = now();
        let outcome = door.publish(QUEUE, &[message(&body::body(QUEUE, number))]);
        let refused = outcome.is_err();
        attempts.lock().expect("no publisher panics").push(Attempt { sent_at, number, outcome });
        if refused {
            thread::sleep(PAUSE / 4);
        }
    }
}

/// Starts on a healthy disk and looks for everything that was confirmed; what is read is settled.
fn after(
    nth: u64,
    home: &Home,
    report: &mut Report,
    token: &str,
    next: &AtomicU64,
    confirmed: &mut BTreeSet<u64>,
) -> Result<String, String> {
    let broker = home.start()?;
    let mut door = Door::with_token(broker.address, token);
    let (mut seen, mut unconfirmed) = (BTreeSet::new(), 0_u64);
    loop {
        let deliveries = door.receive(QUEUE, &json!({"max": DRAIN_BATCH}));
        let deliveries = deliveries.map_err(|failed| format!("run {nth}: a receive after the restart: {failed}"))?;
        if deliveries.is_empty() {
            break;
        }
        for delivery in &deliveries {
            match body::parse(&delivery.body) {
                Some((QUEUE, number)) => {
                    unconfirmed += u64::from(!confirmed.contains(&number));
                    seen.insert(number);
                }
                Some(_) | None => report.violation(format_args!("run {nth}: a body that nobody sent")),
            }
        }
        door.settle(QUEUE, &deliveries).map_err(|failed| format!("run {nth}: an ack after the restart: {failed}"))?;
    }
    let lost: Vec<String> = confirmed.difference(&seen).map(u64::to_string).collect();
    report.violations(&format!("run {nth}: confirmed messages lost"), &lost);
    let what = format!(
        "restarted in {} ms with all {} and {unconfirmed} more",
        broker.ready_after.as_millis(),
        confirmed.len()
    );
    *confirmed = store_some(&mut door, next)?;
    broker.stop()?;
    Ok(what)
}

//! Campaign: the wall clock of the broker jumps, by a second or by hours, while monotonic time goes on.
//! Invariant checked: nothing confirmed is lost and work goes on; a delay is early by the jump at most, and never
//! when the clock went back; a message whose lifetime is longer than all jumps stays.
//! Called by `faults`. Needs libfaketime (Debian: faketime) and a dynamically linked program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::body;
use super::chance::Chance;
use super::door::Door;
use super::limits::{ARRIVAL_MAX, BEFORE_FAULT, CLOCK_JUMP_S, DELAY, DELAY_SLACK};
use super::milliseconds;
use super::options::Options;
use super::process::Home;
use super::report::Report;
use super::traffic::Traffic;

const RUNS: u64 = 8;
/// Messages of this queue wait for `DELAY`.
const LATER: &str = "later";
/// Messages of this queue live for thirty days.
const LIVING: &str = "living";
const LIFETIME_MS: u64 = 30 * 86_400_000;
const MESSAGES: u64 = 20;

/// The wall clock of a broker.
pub(super) struct WallClock {
    file: PathBuf,
    /// Seconds that it is ahead of the clock of this machine, when it does not jump.
    ahead: i64,
}

impl WallClock {
    /// A clock that is right.
    pub(super) fn new(file: PathBuf) -> Result<Self, String> {
        let clock = Self { file, ahead: 0 };
        clock.set(0)?;
        Ok(clock)
    }

    /// Puts it so many seconds ahead of the clock of this machine.
    pub(super) fn set(&self, ahead: i64) -> Result<(), String> {
        let next = self.file.with_extension("next");
        let written = fs::write(&next, format!("{ahead:+}\n")).and_then(|()| fs::rename(&next, &self.file));
        written.map_err(|error| format!("cannot set the clock: {error}"))
    }

    /// The words of a program that puts another below this clock.
    pub(super) fn words(&self, library: &Path) -> Vec<String> {
        let words = [
            String::from("env"),
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()),
            String::from("FAKETIME_NO_CACHE=1"),
            String::from("DONT_FAKE_MONOTONIC=1"),
            String::from("FAKETIME_DONT_FAKE_MONOTONIC=1"),
        ];
        words.to_vec()
    }
}

/// Where libfaketime is.
pub(super) fn library() -> Result<PathBuf, String> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    libraries
        .find(|file| file.is_file())
        .ok_or_else(|| String::from("libfaketime is missing: apt-get install faketime"))
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut clock = WallClock::new(home.folder.join("clock"))?;
    let home = home.below(&clock.words(&library()?));
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, "clocks")?;
    let mut door = Door::with_token(broker.address, &traffic.token);
    for queue in [LATER, LIVING] {
        door.create(queue, &json!({}))?;
    }
    let mut chance = Chance::new(options.seed);
    let runs = options.runs.unwrap_or(RUNS);
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let jump = jump(run, &mut chance);
        put(&mut door, LIVING, run, &json!({"ttl_ms": LIFETIME_MS}))?;
        let sent = Instant::now();
        put(&mut door, LATER, run, &json!({"delay_ms": milliseconds(DELAY)}))?;
        let before = traffic.counts()?.confirmed;
        let mut confirmed = before;
        traffic.during(broker.address, chance.next(), || -> Result<(), String> {
            thread::sleep(BEFORE_FAULT);
            clock.set(clock.ahead + jump)?;
            confirmed = traffic.counts()?.confirmed;
            thread::sleep(BEFORE_FAULT);
            Ok(())
        })??;
        let during = traffic.counts()?.confirmed - confirmed;
        if during == 0 {
            report.violation(format_args!("jump {run} of {jump:+} s: nothing was confirmed after it"));
        }
        if run % 4 < 2 {
            // The clock is wrong across a restart, too.
            broker.kill();
            broker = home.start().map_err(|why| format!("jump {run} of {jump:+} s: {why}"))?;
            door = Door::with_token(broker.address, &traffic.token);
        }
        let mut arrived = BTreeMap::new();
        arrivals(&mut door, run, sent, &mut arrived, DELAY + DELAY_SLACK)?;
        if jump < 0 {
            clock.set(clock.ahead)?;
        } else {
            // It stays ahead: the broker's time never goes back, and would stand still until the clock catches up.
            clock.ahead += jump;
        }
        let in_time = arrived.len();
        arrivals(&mut door, run, sent, &mut arrived, sent.elapsed() + ARRIVAL_MAX)?;
        let early = judge(report, run, jump, &arrived);
        report.line(format_args!(
            "  jump {run} of {jump:+} s: {during} confirmed after it; of {MESSAGES} delayed {in_time} came while it was wrong, the first {early} ms early"
        ));
        living(&mut door, run, jump, report)?;
        traffic.check(broker.address, &format!("jump {run} of {jump:+} s"), report)?;
    }
    traffic.check_from_the_start(broker.address, "after all jumps", report)?;
    report.total("clock jumps", runs, traffic.counts()?);
    report.line(format_args!("  refusals by code: {:?}", traffic.codes()));
    broker.stop().map(drop)
}

/// Back and forward in turn; every second pair by a second, the others by hours.
fn jump(run: u64, chance: &mut Chance) -> i64 {
    let seconds = if run % 4 < 2 { 1 } else { chance.between(CLOCK_JUMP_S) };
    let seconds = i64::try_from(seconds).expect("it is a few hours");
    if run.is_multiple_of(2) { seconds } else { -seconds }
}

fn put(door: &mut Door, queue: &str, run: u64, settings: &Value) -> Result<(), String> {
    let messages: Vec<Value> = (0..MESSAGES)
        .map(|place| {
            let mut message = settings.clone();
            message["body"] = json!(body::body(queue, run * MESSAGES + place));
            message
        })
        .collect();
    let done = door.ask("POST", &format!("/v1/queues/{queue}/messages"), &json!({"messages": messages}));
    done.map(drop).map_err(|failed| format!("a publish to {queue}: {failed}"))
}

/// Takes delayed messages until all are there or so much time has gone since they were sent; when each came.
fn arrivals(
    door: &mut Door,
    run: u64,
    sent: Instant,
    arrived: &mut BTreeMap<u64, Vec<Duration>>,
    until: Duration,
) -> Result<(), String> {
    while sent.elapsed() < until && arrived.len() < usize::try_from(MESSAGES).expect("it is small") {
        let deliveries = door.receive(LATER, &json!({"max": MESSAGES, "wait_ms": 20}));
        let deliveries = deliveries.map_err(|failed| format!("a receive of delayed messages: {failed}"))?;
        for delivery in &deliveries {
            let (_, number) = body::parse(&delivery.body).ok_or("a delayed body that nobody sent")?;
            if number / MESSAGES == run {
                arrived.entry(number).or_default().push(sent.elapsed());
            }
        }
        if !deliveries.is_empty() {
            door.settle(LATER, &deliveries).map_err(|failed| format!("an ack of delayed messages: {failed}"))?;
        }
    }
    Ok(())
}

/// How early the first one was, in milliseconds; more than the jump explains is wrong.
fn judge(report: &mut Report, run: u64, jump: i64, arrived: &BTreeMap<u64, Vec<Duration>>) -> u64 {
    let expected = run * MESSAGES..(run + 1) * MESSAGES;
    let missing: Vec<String> = expected.filter(|one| !arrived.contains_key(one)).map(|one| one.to_string()).collect();
    report.violations(&format!("jump {run} of {jump:+} s: delayed messages that never came"), &missing);
    let first = arrived.values().flatten().min().copied().unwrap_or(DELAY);
    let early = DELAY.saturating_sub(first);
    let allowed = Duration::from_secs(u64::try_from(jump).unwrap_or_default());
    if allowed < early {
        report.violation(format_args!("jump {run} of {jump:+} s: a delay of {DELAY:?} was early by {early:?}"));
    }
    milliseconds(early)
}

/// Everything that lives for long is there.
fn living(door: &mut Door, run: u64, jump: i64, report: &mut Report) -> Result<(), String> {
    let deliveries = door.receive(LIVING, &json!({"max": MESSAGES * 2, "wait_ms": 500}));
    let deliveries = deliveries.map_err(|failed| format!("a receive of living messages: {failed}"))?;
    let numbers = deliveries.iter().filter_map(|one| body::parse(&one.body).map(|(_, number)| number));
    let expected: Vec<u64> = (run * MESSAGES..(run + 1) * MESSAGES).collect();
    if numbers.collect::<Vec<u64>>() != expected {
        report.violation(format_args!("jump {run} of {jump:+} s: {} of {MESSAGES} live on", deliveries.len()));
    }
    door.settle(LIVING, &deliveries).map(drop).map_err(|failed| format!("an ack of living messages: {failed}"))
}

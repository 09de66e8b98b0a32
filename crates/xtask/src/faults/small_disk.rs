//! A broker on a small filesystem of its own: it fills up, is consumed, and takes messages again.
//! Invariant checked: a nearly full disk refuses publishes and nothing else; nothing confirmed is lost.
//! Called by `disk`. Needs the right to mount.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::body;
use super::door::{Door, Failed, message};
use super::limits::{DRAIN_BATCH, FILL_BATCH, PAUSE, SHRINK_MAX, SMALL_DISK_MIB};
use super::options::Options;
use super::process::Home;
use super::report::Report;

const QUEUE: &str = "small";
const REFUSAL: &str = "disk_nearly_full";

/// A mounted filesystem in memory; it goes with its value.
struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let size = format!("size={SMALL_DISK_MIB}m");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("cannot start mount: {error}"))?;
        if output.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _tried = Command::new("umount").arg("--lazy").arg(&self.0).stdin(Stdio::null()).status();
    }
}

/// What was confirmed and what has been seen again.
#[derive(Default)]
struct Known {
    next: u64,
    confirmed: BTreeSet<u64>,
    seen: BTreeSet<u64>,
}

impl Known {
    fn publish(&mut self, door: &mut Door) -> Result<(), Failed> {
        let numbers = self.next..self.next + FILL_BATCH;
        self.next = numbers.end;
        let batch: Vec<String> = numbers.clone().map(|number| message(&body::body(QUEUE, number))).collect();
        door.publish(QUEUE, &batch)?;
        self.confirmed.extend(numbers);
        Ok(())
    }

    /// Publishes until it is refused; the code, and how many were stored.
    fn fill(&mut self, door: &mut Door) -> Result<u64, String> {
        let before = self.confirmed.len();
        for _ in 0..SMALL_DISK_MIB * 1024 / FILL_BATCH {
            match self.publish(door) {
                Ok(()) => {}
                Err(Failed::Refused(code)) if code == REFUSAL => {
                    return Ok(u64::try_from(self.confirmed.len() - before).unwrap_or(u64::MAX));
                }
                Err(failed) => return Err(format!("a publish to a filling disk: {failed}")),
            }
        }
        Err(String::from("publishes are never refused although the disk is small"))
    }

    /// Receives and settles until the queue is empty.
    fn drain(&mut self, door: &mut Door, report: &mut Report) -> Result<(), String> {
        loop {
            let deliveries = door.receive(QUEUE, &json!({"max": DRAIN_BATCH}));
            let deliveries = deliveries.map_err(|failed| format!("a receive from a full disk: {failed}"))?;
            if deliveries.is_empty() {
                return Ok(());
            }
            for delivery in &deliveries {
                match body::parse(&delivery.body) {
                    Some((QUEUE, number)) => {
                        self.seen.insert(number);
                    }
                    Some(_) | None => report.violation("a body that nobody sent"),
                }
            }
            door.settle(QUEUE, &deliveries).map_err(|failed| format!("an ack on a full disk: {failed}"))?;
        }
    }
}

/// Runs this part of the campaign of disks.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mounted = Mounted::new(home.folder.join("small"));
    let mounted = mounted.map_err(|why| format!("a small filesystem cannot be mounted here: {why}"))?;
    let small = Home::new(mounted.0.join("home"), &options.binary)?;
    let broker = small.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    door.create(QUEUE, &json!({}))?;
    door.create("spare", &json!({}))?;
    let mut known = Known::default();

    let stored = known.fill(&mut door)?;
    report.line(format_args!("  a disk of {SMALL_DISK_MIB} MiB refuses with {REFUSAL} after {stored} messages"));
    let gone = door.ask("DELETE", "/v1/queues/spare", &Value::Null);
    gone.map_err(|failed| format!("a delete on a full disk: {failed}"))?;
    known.drain(&mut door, report)?;

    let start = Instant::now();
    while known.publish(&mut door).is_err() && start.elapsed() < SHRINK_MAX {
        thread::sleep(PAUSE * 10);
    }
    let took = start.elapsed().as_secs();
    report.at_most("consumed, until publishes are taken again", took, SHRINK_MAX.as_secs() - 1, "s");
    let stored = known.fill(&mut door)?;
    report.line(format_args!("  {stored} more messages until it is full again"));

    broker.stop()?;
    let broker = small.start()?;
    let mut door = Door::with_token(broker.address, &token);
    report.line(format_args!("  restarted on the full disk in {} ms", broker.ready_after.as_millis()));
    known.drain(&mut door, report)?;
    let lost: Vec<String> = known.confirmed.difference(&known.seen).map(u64::to_string).collect();
    report.violations("confirmed messages lost on a full disk", &lost);
    broker.stop().map(drop)
}

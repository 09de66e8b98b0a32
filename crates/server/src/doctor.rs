//! `recado doctor`: looks for what is wrong or will be, each finding with a way to mend it.
//! Invariant: it changes nothing but a probe file that it removes; ends with 1 when a finding is an error.
//! Called by `main`; tests below.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::node::{DescribeNode, NodeDescription, Readiness};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::args::serve::DoctorArguments;
use crate::config::{self, Settings};
use crate::context;
use crate::exit::{Complaint, Exit};
use crate::output::Output;
use crate::quantity;

/// Free bytes below which a broker refuses publishes.
const FREE_ERROR: u64 = 512 * 1024 * 1024;
/// Free bytes that leave room for a while.
const FREE_WARNING: u64 = 4 * 1024 * 1024 * 1024;
/// Open files that a busy broker needs.
const FILES_WARNING: u64 = 4096;
/// Flushes that are measured.
const FLUSHES: usize = 32;
/// A median flush above this makes every confirm slow.
const FLUSH_WARNING: Duration = Duration::from_millis(20);
/// 2024-01-01: a clock before it is not set.
const CLOCK_FLOOR_SECONDS: u64 = 1_704_067_200;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    check: &'static str,
    found: String,
    mend: String,
}

impl Finding {
    fn new(level: Level, check: &'static str, found: impl Into<String>, mend: &str) -> Self {
        let mend = if level == Level::Ok { String::new() } else { mend.to_owned() };
        Self { level, check, found: found.into(), mend }
    }
}

/// Looks at everything.
pub(crate) async fn run(arguments: &DoctorArguments) -> Result<(), Complaint> {
    let settings = Settings::new(&config::layers(&arguments.settings)?)?;
    let mut findings = host(&settings).await;
    if arguments.broker {
        findings.extend(broker(arguments).await);
    }
    Output { format: arguments.output }.data(&findings, &["level", "check", "found", "what to do"], |findings| {
        let row = |finding: &Finding| {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Error => "ERROR",
            };
            vec![level.to_owned(), finding.check.to_owned(), finding.found.clone(), finding.mend.clone()]
        };
        findings.iter().map(row).collect()
    })?;
    let bad = findings.iter().any(|finding| finding.level == Level::Error);
    if bad { Err(Complaint::Said(Exit::Found)) } else { Ok(()) }
}

async fn host(settings: &Settings) -> Vec<Finding> {
    let (folder, data) = folder(&settings.data);
    let mut findings = vec![data];
    if let Some(folder) = folder {
        findings.push(disk(&folder));
        findings.push(flushes(&folder));
    }
    findings.push(files());
    findings.push(clock(SystemTime::now()));
    let ports = [
        ("http port", settings.http),
        ("grpc port", settings.grpc),
        ("amqp port", settings.amqp),
        ("management port", settings.management),
    ];
    for (name, address) in ports {
        if let Some(address) = address {
            findings.push(port(name, address).await);
        }
    }
    findings
}

/// The folder to measure in: the data's, or the nearest parent that exists.
fn folder(data: &Path) -> (Option<PathBuf>, Finding) {
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let existing = whole.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
    let mend = "give --data a folder that this user may write, or change its owner";
    let Some(existing) = existing else {
        return (
            None,
            Finding::new(Level::Error, "data folder", format!("no part of {} exists", whole.display()), mend),
        );
    };
    let probe = existing.join(format!(".recado-doctor-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|_| std::fs::remove_file(&probe));
    match made {
        Err(error) => {
            let found = format!("cannot write in {}: {error}", existing.display());
            (None, Finding::new(Level::Error, "data folder", found, mend))
        }
        Ok(()) if existing == whole => {
            (Some(existing), Finding::new(Level::Ok, "data folder", format!("{} is writable", whole.display()), mend))
        }
        Ok(()) => {
            let found = format!("{} will be made at the first start", whole.display());
            (Some(existing), Finding::new(Level::Ok, "data folder", found, mend))
        }
    }
}

fn disk(folder: &Path) -> Finding {
    let mend = "free room or give --data another disk: publishes are refused when it is nearly full";
    match rustix::fs::statvfs(folder) {
        Err(error) => Finding::new(Level::Warning, "free disk", format!("cannot be read: {error}"), mend),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let level = match free {
                free if free < FREE_ERROR => Level::Error,
                free if free < FREE_WARNING => Level::Warning,
                _ => Level::Ok,
            };
            let found = quantity::rough_size(model::number::ByteSize::new(free));
            Finding::new(level, "free disk", format!("{found} free"), mend)
        }
    }
}

fn flushes(folder: &Path) -> Finding {
    let mend = "use a local disk: every confirm waits for a flush";
    match measure(folder) {
        Err(error) => Finding::new(Level::Warning, "flush time", format!("cannot be measured: {error}"), mend),
        Ok(times) => {
            let median = times[times.len() / 2];
            let worst = times[times.len() - 1];
            let level = if median > FLUSH_WARNING { Level::Warning } else { Level::Ok };
            let found = format!("median {} µs, worst of {FLUSHES} {} µs", median.as_micros(), worst.as_micros());
            Finding::new(level, "flush time", found, mend)
        }
    }
}

/// Sorted times of flushes of 4 KiB into a file that was written before.
fn measure(folder: &Path) -> std::io::Result<Vec<Duration>> {
    let path = folder.join(format!(".recado-doctor-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let times = flush_times(file);
    std::fs::remove_file(&path)?;
    times
}

fn flush_times(mut file: File) -> std::io::Result<Vec<Duration>> {
    use std::os::unix::fs::FileExt;
    let block = [7; 4096];
    for _ in 0..FLUSHES {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let mut times = Vec::with_capacity(FLUSHES);
    let mut at = 0;
    for _ in 0..FLUSHES {
        let start = Instant::now();
        file.write_all_at(&block, at)?;
        file.sync_data()?;
        times.push(start.elapsed());
        at += 4096;
    }
    times.sort_unstable();
    Ok(times)
}

fn files() -> Finding {
    let mend = "raise the limit: ulimit -n 65536, or LimitNOFILE=65536 in the unit";
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < FILES_WARNING => {
            Finding::new(Level::Warning, "open files", format!("at most {limit}"), mend)
        }
        Some(limit) => Finding::new(Level::Ok, "open files", format!("at most {limit}"), mend),
        None => Finding::new(Level::Ok, "open files", "no limit", mend),
    }
}

fn clock(now: SystemTime) -> Finding {
    let mend = "set the clock and keep it set with a time service: delays, leases and retention follow it";
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let level = if seconds < CLOCK_FLOOR_SECONDS { Level::Error } else { Level::Ok };
    let text = quantity::moment(model::number::Timestamp::new(seconds.saturating_mul(1000)));
    Finding::new(level, "clock", format!("{text} UTC"), mend)
}

async fn port(check: &'static str, address: std::net::SocketAddr) -> Finding {
    let mend = "fine if that is the broker; otherwise stop the other process or choose another port";
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => Finding::new(Level::Ok, check, format!("{address} is free"), mend),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::new(Level::Warning, check, format!("{address} is in use"), mend)
        }
        Err(error) => {
            Finding::new(Level::Error, check, format!("{address}: {error}"), "give an address of this machine")
        }
    }
}

async fn broker(arguments: &DoctorArguments) -> Vec<Finding> {
    let described = async { context::open(&arguments.client()).await?.call(DescribeNode).await };
    match described.await {
        Err(complaint) => {
            let mend = "start the broker, or correct --url, --context or the token; the right to monitor is needed";
            let first = complaint.to_string().lines().next().unwrap_or_default().to_owned();
            vec![Finding::new(Level::Error, "broker", first, mend)]
        }
        Ok(node) => node_findings(&node),
    }
}

fn node_findings(node: &NodeDescription) -> Vec<Finding> {
    let mine = env!("CARGO_PKG_VERSION");
    let level = if node.version == mine { Level::Ok } else { Level::Warning };
    let version = format!("the broker is {}, this program is {mine}", node.version);
    let mut findings = vec![Finding::new(level, "version", version, "use the same version on both sides")];
    findings.push(match &node.readiness {
        Readiness::Ready => Finding::new(Level::Ok, "readiness", "ready", ""),
        Readiness::Starting => Finding::new(Level::Warning, "readiness", "it loads its state", "wait; then look again"),
        Readiness::Draining => Finding::new(Level::Warning, "readiness", "it shuts down", "wait for the restart"),
        Readiness::DiskNearlyFull => Finding::new(
            Level::Error,
            "readiness",
            "publishes are refused: the disk is nearly full",
            "free disk or delete messages",
        ),
        Readiness::Stopped { fault } => Finding::new(
            Level::Error,
            "readiness",
            format!("stopped by a fault: {fault}"),
            "look at the disk, then restart",
        ),
    });
    for shard in &node.shards {
        let behind = shard.durable.get().saturating_sub(shard.applied.get());
        let found = format!(
            "shard {}: applied {}, {} to go, {} of log with {} live, flush p99 {} µs",
            shard.shard,
            shard.applied,
            behind,
            quantity::rough_size(shard.log_bytes),
            quantity::rough_size(shard.live_bytes),
            shard.flush_micros_p99
        );
        let slow = u128::from(shard.flush_micros_p99) > FLUSH_WARNING.as_micros() * 5;
        let level = if slow { Level::Warning } else { Level::Ok };
        findings.push(Finding::new(level, "shard", found, "the disk is slow: look at what else uses it"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_set_is_an_error() {
        assert_eq!(clock(UNIX_EPOCH).level, Level::Error);
        assert_eq!(clock(UNIX_EPOCH + Duration::from_secs(CLOCK_FLOOR_SECONDS)).level, Level::Ok);
    }

    #[test]
    fn a_folder_is_probed_and_left_as_it_was() {
        let scratch = tempfile::tempdir().unwrap();
        let (measured, finding) = folder(&scratch.path().join("not").join("yet"));
        assert_eq!((measured.as_deref(), finding.level), (Some(scratch.path()), Level::Ok));
        assert_eq!(flushes(scratch.path()).check, "flush time");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let finding = port("http port", taken.local_addr().unwrap()).await;
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.mend.contains("another port"));
    }
}

//! `recado bench`: in one run the disk, a broker that does nothing but flush, and the product, so that each figure is a
//! ratio. Medians of repetitions; every message has a number, and none may be missing or doubled.
//! Invariant: the measured servers are processes of their own; the CPU of the clients is not counted as theirs.
//! Called by `main`. Reading order: `measure`, `disk`, `null`, `server`, `load`, `drain`, `scenario`.

mod disk;
mod drain;
mod load;
mod measure;
mod null;
mod rest;
mod scenario;
pub(crate) mod server;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use model::node::DescribeNode;
use serde::Serialize;

use crate::args::serve::BenchArguments;
use crate::exit::{Complaint, Exit};
use crate::output::{self, Output};
use crate::scratch::Scratch;

use load::Load;
use measure::{Row, Sample, parts};
use scenario::{FAN_OUT, Target};
use server::Child;

/// Messages of a short run.
const QUICK_MESSAGES: u64 = 5000;
/// Concurrent requests of the wide REST measurement.
const REST_TOGETHER: usize = 64;

/// What was measured and where.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    cores: usize,
    message_bytes: usize,
    window: usize,
    repeat: usize,
    /// The mean write of the product, in messages: the size at which the disk is measured.
    messages_per_write: usize,
    rows: Vec<Row>,
}

/// Runs everything.
pub(crate) async fn run(arguments: BenchArguments) -> Result<(), Complaint> {
    let arguments = if arguments.quick {
        BenchArguments { seconds: 1, messages: QUICK_MESSAGES, repeat: 1, rate: arguments.rate.min(1000), ..arguments }
    } else {
        arguments
    };
    let parent = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&parent)?;
    let mut rows = product(&arguments, scratch.path()).await?;
    let together = rows.together;
    rows.rows.extend(null(&arguments, scratch.path()).await?);
    rows.rows.extend(raw(&arguments, scratch.path(), together).await?);
    let mut rows = rows.rows;
    compare(&mut rows);
    report(&arguments, together, rows)
}

/// Repeats a measurement and takes the median.
async fn repeat<F: Future<Output = Result<Sample, Complaint>>>(
    arguments: &BenchArguments,
    scenario: &str,
    target: &'static str,
    mut once: impl FnMut(String) -> F,
) -> Result<Row, Complaint> {
    output::note(&format!("{target}: {scenario}"));
    let mut samples = Vec::new();
    for number in 0..arguments.repeat {
        let name: String = scenario.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        samples.push(once(format!("{name}-{number}")).await?);
    }
    Row::median(scenario, target, samples)
}

const fn load(arguments: &BenchArguments, producers: u64) -> Load {
    Load { messages: arguments.messages, size: arguments.size, window: arguments.window, producers }
}

const fn lasts(arguments: &BenchArguments) -> Duration {
    Duration::from_secs(arguments.seconds)
}

/// What the product and the null broker are both asked to do.
async fn publishes(arguments: &BenchArguments, target: &Target<'_>, word: &'static str) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    for producers in [1, 8] {
        let scenario = format!("publish, {producers} producers, gRPC");
        let load = load(arguments, producers);
        rows.push(repeat(arguments, &scenario, word, async |name: String| target.publish(&name, load).await).await?);
    }
    let once = async |name: String| target.one_at_a_time(&name, arguments.messages, lasts(arguments)).await;
    rows.push(repeat(arguments, "one at a time, gRPC", word, once).await?);
    Ok(rows)
}

struct Product {
    rows: Vec<Row>,
    together: usize,
}

async fn product(arguments: &BenchArguments, folder: &Path) -> Result<Product, Complaint> {
    let child = Child::start("product", &folder.join("product")).await?;
    let client = child.client().await?;
    let target = Target { child: &child, client: &client, size: arguments.size, keeps: true };
    let mut rows = publishes(arguments, &target, "product").await?;
    let described = client.call(DescribeNode).await?;
    let flushes: u64 = described.shards.iter().map(|shard| shard.flushes).sum();
    let published: u64 = rows.iter().map(|row| row.messages).sum();
    let repeats = u64::try_from(arguments.repeat).unwrap_or(1);
    let together = usize::try_from(published.saturating_mul(repeats) / flushes.max(1)).unwrap_or(1).max(1);
    for width in [1, REST_TOGETHER] {
        let scenario = format!("publish, {width} at a time, REST");
        let once = async |name: String| target.rest(&name, arguments.messages, width, lasts(arguments)).await;
        rows.push(repeat(arguments, &scenario, "product", once).await?);
    }
    let scenario = format!("end to end at {} a second", arguments.rate);
    let once = async |name: String| target.end_to_end(&name, arguments.rate, lasts(arguments)).await;
    rows.push(repeat(arguments, &scenario, "product", once).await?);
    let backlog = load(arguments, 1);
    rows.push(
        repeat(arguments, "drain with acks", "product", async |name: String| target.drain(&name, backlog).await)
            .await?,
    );
    let scenario = format!("fan-out to {FAN_OUT}, deliveries");
    let once = async |name: String| target.fan_out(&name, arguments.messages).await;
    rows.push(repeat(arguments, &scenario, "product", once).await?);
    child.stop().await?;
    Ok(Product { rows, together })
}

async fn null(arguments: &BenchArguments, folder: &Path) -> Result<Vec<Row>, Complaint> {
    let child = Child::start("null", &folder.join("null")).await?;
    let client = child.client().await?;
    let target = Target { child: &child, client: &client, size: arguments.size, keeps: false };
    let rows = publishes(arguments, &target, "null").await?;
    child.stop().await?;
    Ok(rows)
}

async fn raw(arguments: &BenchArguments, folder: &Path, together: usize) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    for (scenario, together) in [("writes as the product makes them", together), ("one at a time", 1)] {
        let (size, lasts) = (arguments.size, lasts(arguments));
        let once = async |_: String| {
            let folder = folder.to_owned();
            let measured = tokio::task::spawn_blocking(move || disk::measure(&folder, size, together, lasts)).await;
            crate::local::joined(measured)
        };
        rows.push(repeat(arguments, scenario, "disk", once).await?);
    }
    Ok(rows)
}

/// Ratios to the null broker in the same scenario, and to the disk.
fn compare(rows: &mut [Row]) {
    let known: Vec<(String, &str, u64)> = rows.iter().map(|row| (row.scenario.clone(), row.target, row.rate)).collect();
    let rate = |target: &str, fits: &dyn Fn(&str) -> bool| {
        known.iter().find(|(scenario, of, _)| *of == target && fits(scenario)).map(|(_, _, rate)| *rate)
    };
    for row in rows.iter_mut().filter(|row| row.target != "disk") {
        let alone = row.scenario.starts_with("one at a time");
        row.of_disk = rate("disk", &|scenario| scenario.starts_with("one at a time") == alone)
            .filter(|_| row.scenario.contains("gRPC"))
            .map(|disk| parts(row.rate, disk));
        if row.target == "product" {
            row.of_null = rate("null", &|scenario| scenario == row.scenario).map(|null| parts(row.rate, null));
        }
    }
}

fn report(arguments: &BenchArguments, together: usize, rows: Vec<Row>) -> Result<(), Complaint> {
    let wrong: u64 = rows.iter().map(|row| row.missing + row.doubled).sum();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        message_bytes: arguments.size,
        window: arguments.window,
        repeat: arguments.repeat,
        messages_per_write: together,
        rows,
    };
    let heads = [
        "target",
        "scenario",
        "messages/s",
        "µs p50 / p99 / p99.9 / max",
        "CPU ns/message",
        "of null",
        "of disk",
        "missing",
        "doubled",
    ];
    Output { format: arguments.output }.data(&report, &heads, |report| {
        let part = |part: Option<f64>| part.map_or_else(|| "-".to_owned(), |part| format!("{part:.2}"));
        let row = |row: &Row| {
            vec![
                row.target.to_owned(),
                row.scenario.clone(),
                row.rate.to_string(),
                row.latency_micros.map_or_else(|| "-".to_owned(), |latency| latency.text()),
                row.cpu_nanos_per_message.to_string(),
                part(row.of_null),
                part(row.of_disk),
                row.missing.to_string(),
                row.doubled.to_string(),
            ]
        };
        report.rows.iter().map(row).collect()
    })?;
    if wrong == 0 {
        output::note("every message came exactly once");
        return Ok(());
    }
    let what = format!("{wrong} messages were missing or doubled");
    Err(Complaint::here(Exit::Found, "bench_differs", what, "please report this with the table above"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, target: &'static str, rate: u64) -> Row {
        let sample = Sample {
            messages: rate,
            took: Duration::from_secs(1),
            latency: None,
            cpu: Duration::ZERO,
            missing: 0,
            doubled: 0,
        };
        Row::median(scenario, target, vec![sample]).unwrap()
    }

    #[test]
    fn ratios_compare_the_same_scenario() {
        let mut rows = [
            row("publish, 1 producers, gRPC", "product", 80),
            row("one at a time, gRPC", "product", 5),
            row("publish, 1 producers, gRPC", "null", 100),
            row("one at a time, gRPC", "null", 8),
            row("writes as the product makes them", "disk", 200),
            row("one at a time", "disk", 10),
        ];
        compare(&mut rows);
        let found: Vec<_> = rows.iter().map(|row| (row.of_null, row.of_disk)).collect();
        assert_eq!(found[..3], [(Some(0.8), Some(0.4)), (Some(0.625), Some(0.5)), (None, Some(0.5))]);
        assert_eq!(found[5], (None, None));
    }
}

//! `recado bench`: in one run the disk, a broker that does nothing but flush, and the product, so that each figure is a
//! ratio. Medians of repetitions; every message has a number, and none may be missing or doubled.
//! Invariant: the measured servers are processes of their own; the CPU of the clients is not counted as theirs.
//! Called by `main`. Reading order: `measure`, `disk`, `null`, `server`, `load`, `drain`, `scenario`.

pub(crate) mod amqp;
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

use crate::local::Client;

/// Messages of a short run.
const QUICK_MESSAGES: u64 = 5000;
/// Concurrent requests of the wide REST measurement.
const REST_TOGETHER: usize = 64;
/// The scenario whose ratio to the disk is that of single writes.
const ONE_AT_A_TIME: &str = "one at a time";

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

/// Runs everything. What both servers do is done by one and then by the other, repetition by repetition, so that a
/// machine whose speed changes meanwhile changes both.
pub(crate) async fn run(arguments: BenchArguments) -> Result<(), Complaint> {
    let arguments = if arguments.quick {
        BenchArguments { seconds: 1, messages: QUICK_MESSAGES, repeat: 1, rate: arguments.rate.min(1000), ..arguments }
    } else {
        arguments
    };
    if arguments.amqp || arguments.amqp_url.is_some() {
        return amqp::run(&arguments).await;
    }
    let parent = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&parent)?;
    let size = arguments.size;
    let child = Child::start("product", &scratch.path().join("product")).await?;
    let client = child.client().await?;
    let product = Target { child: &child, client: &client, size, keeps: true };
    let null_child = Child::start("null", &scratch.path().join("null")).await?;
    let null_client = null_child.client().await?;
    let null = Target { child: &null_child, client: &null_client, size, keeps: false };
    let mut rows = both(&arguments, &product, &null, &THROUGHPUT).await?;
    let together = messages_per_write(&client, &rows, arguments.repeat).await?;
    rows.extend(both(&arguments, &product, &null, &LATENCY).await?);
    null_child.stop().await?;
    rows.extend(alone(&arguments, &product).await?);
    child.stop().await?;
    rows.extend(raw(&arguments, scratch.path(), together).await?);
    if rows.is_empty() {
        let what = format!("no measurement's name contains {:?}", arguments.only.unwrap_or_default());
        let hint = "run `recado bench --quick` to see the names";
        return Err(Complaint::usage(what, hint));
    }
    compare(&mut rows);
    report(&arguments, together, rows)
}

/// A name for the queue or topic of one repetition.
fn name_of(scenario: &str, number: usize) -> String {
    let name: String = scenario.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    format!("{name}-{number}")
}

/// Repeats a measurement and takes the median; `None` when it was not asked for.
async fn repeat<F: Future<Output = Result<Sample, Complaint>>>(
    arguments: &BenchArguments,
    scenario: &str,
    target: &'static str,
    mut once: impl FnMut(String) -> F,
) -> Result<Option<Row>, Complaint> {
    if !arguments.wants(scenario) {
        return Ok(None);
    }
    output::note(&format!("{target}: {scenario}"));
    let mut samples = Vec::new();
    for number in 0..arguments.repeat {
        samples.push(once(name_of(scenario, number)).await?);
    }
    Row::median(scenario, target, samples).map(Some)
}

const fn load(arguments: &BenchArguments, producers: u64) -> Load {
    Load { messages: arguments.messages, size: arguments.size, window: arguments.window, producers }
}

const fn lasts(arguments: &BenchArguments) -> Duration {
    Duration::from_secs(arguments.seconds)
}

/// What the product and the null broker are both asked to do.
#[derive(Clone, Copy)]
enum Shared {
    Publish { producers: u64 },
    OneAtATime,
    EndToEnd,
}

const THROUGHPUT: [Shared; 2] = [Shared::Publish { producers: 1 }, Shared::Publish { producers: 8 }];
const LATENCY: [Shared; 2] = [Shared::OneAtATime, Shared::EndToEnd];

impl Shared {
    fn scenario(self, arguments: &BenchArguments) -> String {
        match self {
            Self::Publish { producers } => format!("publish, {producers} producers, gRPC"),
            Self::OneAtATime => ONE_AT_A_TIME.to_owned() + ", gRPC",
            Self::EndToEnd => format!("end to end at {} a second, gRPC", arguments.rate),
        }
    }

    async fn once(self, arguments: &BenchArguments, target: &Target<'_>, name: &str) -> Result<Sample, Complaint> {
        match self {
            Self::Publish { producers } => target.publish(name, load(arguments, producers)).await,
            Self::OneAtATime => target.one_at_a_time(name, arguments.messages, lasts(arguments)).await,
            Self::EndToEnd => target.end_to_end(name, arguments.rate, lasts(arguments)).await,
        }
    }
}

async fn both(
    arguments: &BenchArguments,
    product: &Target<'_>,
    null: &Target<'_>,
    shared: &[Shared],
) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    for shared in shared {
        let scenario = shared.scenario(arguments);
        if !arguments.wants(&scenario) {
            continue;
        }
        output::note(&format!("product and null: {scenario}"));
        let (mut products, mut nulls) = (Vec::new(), Vec::new());
        for number in 0..arguments.repeat {
            let name = name_of(&scenario, number);
            products.push(shared.once(arguments, product, &name).await?);
            nulls.push(shared.once(arguments, null, &name).await?);
        }
        rows.push(Row::median(&scenario, "product", products)?);
        rows.push(Row::median(&scenario, "null", nulls)?);
    }
    Ok(rows)
}

/// The mean write of the product so far, in messages.
async fn messages_per_write(client: &Client, rows: &[Row], repeat: usize) -> Result<usize, Complaint> {
    let described = client.call(DescribeNode).await?;
    let flushes: u64 = described.shards.iter().map(|shard| shard.flushes).sum();
    let published: u64 = rows.iter().filter(|row| row.target == "product").map(|row| row.messages).sum();
    let repeats = u64::try_from(repeat).unwrap_or(1);
    Ok(usize::try_from(published.saturating_mul(repeats) / flushes.max(1)).unwrap_or(1).max(1))
}

/// What only the product does.
async fn alone(arguments: &BenchArguments, target: &Target<'_>) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    for width in [1, REST_TOGETHER] {
        let scenario = format!("publish, {width} at a time, REST");
        let once = async |name: String| target.rest(&name, arguments.messages, width, lasts(arguments)).await;
        rows.extend(repeat(arguments, &scenario, "product", once).await?);
    }
    let backlog = load(arguments, 1);
    let once = async |name: String| target.drain(&name, backlog).await;
    rows.extend(repeat(arguments, "drain with acks", "product", once).await?);
    let scenario = format!("fan-out to {FAN_OUT}, deliveries");
    let once = async |name: String| target.fan_out(&name, arguments.messages).await;
    rows.extend(repeat(arguments, &scenario, "product", once).await?);
    Ok(rows)
}

async fn raw(arguments: &BenchArguments, folder: &Path, together: usize) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    for (scenario, together) in [("writes as the product makes them", together), (ONE_AT_A_TIME, 1)] {
        let (size, lasts) = (arguments.size, lasts(arguments));
        let once = async |_: String| {
            let folder = folder.to_owned();
            let measured = tokio::task::spawn_blocking(move || disk::measure(&folder, size, together, lasts)).await;
            crate::local::joined(measured)
        };
        rows.extend(repeat(arguments, scenario, "disk", once).await?);
    }
    Ok(rows)
}

/// Ratios to the null broker in the same scenario, and to the disk.
fn compare(rows: &mut [Row]) {
    let known: Vec<(String, &str, u64, u64)> = rows
        .iter()
        .map(|row| (row.scenario.clone(), row.target, row.rate, row.latency_micros.map_or(0, |latency| latency.p50)))
        .collect();
    let find = |target: &str, fits: &dyn Fn(&str) -> bool| {
        known.iter().find(|(scenario, of, ..)| *of == target && fits(scenario)).map(|(_, _, rate, p50)| (*rate, *p50))
    };
    for row in rows.iter_mut().filter(|row| row.target != "disk") {
        let alone = row.scenario.starts_with(ONE_AT_A_TIME);
        row.of_disk = find("disk", &|scenario| scenario.starts_with(ONE_AT_A_TIME) == alone)
            .filter(|_| alone || row.scenario.starts_with("publish") && row.scenario.contains("gRPC"))
            .map(|(disk, _)| parts(row.rate, disk));
        let null = find("null", &|scenario| scenario == row.scenario).filter(|_| row.target == "product");
        let Some((rate, p50)) = null else { continue };
        match row.latency_micros {
            Some(latency) => row.p50_of_null = Some(parts(latency.p50, p50)),
            None => row.of_null = Some(parts(row.rate, rate)),
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
        "p50 of null",
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
                part(row.p50_of_null),
                part(row.of_disk),
                row.missing.to_string(),
                row.doubled.to_string(),
            ]
        };
        report.rows.iter().map(row).collect()
    })?;
    verdict(wrong)
}

/// The end of a run: what came not exactly once is an error.
fn verdict(wrong: u64) -> Result<(), Complaint> {
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

    #[test]
    fn latencies_are_compared_by_their_medians_and_not_by_the_rate() {
        let mut rows = [row("end to end at 9 a second", "product", 9), row("end to end at 9 a second", "null", 9)];
        for (row, micros) in rows.iter_mut().zip([150, 100]) {
            let mut latencies = measure::Latencies::new();
            latencies.record(Duration::from_micros(micros));
            row.latency_micros = Some(latencies.percentiles());
        }
        compare(&mut rows);
        assert_eq!((rows[0].of_null, rows[0].p50_of_null), (None, Some(1.5)));
    }
}

//! `recado bench --amqp`: the same AMQP client against this broker's door and, with `--amqp-url`, another broker's classic
//! and quorum queues beside it, repetition by repetition.
//! Invariant: every message has a number; none may be missing or doubled, whoever kept it.
//! Called by `bench`. Reading order: `address`, `link`, `produce`, `consume`.

pub(crate) mod address;
mod consume;
mod link;
mod produce;

use std::time::Duration;

use model::caller::Secret;
use serde::Serialize;

use super::load::Load;
use super::measure::{Row, Sample, parts};
use super::server::Child;
use super::{lasts, load, name_of};
use crate::args::serve::BenchArguments;
use crate::exit::{Complaint, Exit};
use crate::local::ADMINISTRATOR;
use crate::output::{self, Output};
use crate::scratch::Scratch;

use address::Address;
use link::Link;

/// Producers of the loads, each with a connection of its own.
const PRODUCERS: u64 = 8;
/// A message is one frame, and other brokers may take smaller frames than this one.
const SIZE_MAX: usize = 65_536;

/// A queue type of a broker.
struct Target<'a> {
    name: &'static str,
    address: Address,
    /// Its type as the client names it; none for what the broker makes by itself.
    kind: Option<&'static str>,
    /// Its process, where it is ours.
    child: Option<&'a Child>,
}

/// A line of the report.
#[derive(Serialize)]
struct Compared {
    #[serde(flatten)]
    row: Row,
    /// The rate of this broker in times that of the other's classic queue.
    times_classic: Option<f64>,
    /// The same of its quorum queue.
    times_quorum: Option<f64>,
    /// The 99th percentile of the latency in parts of that of the other's classic queue.
    p99_of_classic: Option<f64>,
    /// The same of its quorum queue.
    p99_of_quorum: Option<f64>,
}

/// What was measured and where.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    /// What the other broker says it is.
    other: Option<String>,
    cores: usize,
    message_bytes: usize,
    producers: u64,
    window: usize,
    repeat: usize,
    rows: Vec<Compared>,
}

/// Runs everything.
pub(super) async fn run(arguments: &BenchArguments) -> Result<(), Complaint> {
    if arguments.size > SIZE_MAX {
        let what = format!("messages over AMQP are measured up to {SIZE_MAX} bytes");
        return Err(Complaint::usage(what, "give a smaller --size"));
    }
    let parent = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&parent)?;
    let child = Child::start("product", &scratch.path().join("product")).await?;
    let mut targets = vec![Target { name: "product", address: own(&child)?, kind: None, child: Some(&child) }];
    let mut other = None;
    if let Some(address) = &arguments.amqp_url {
        other = Some(Link::open(address).await?.product().to_owned());
        for name in ["classic", "quorum"] {
            targets.push(Target { name, address: address.clone(), kind: Some(name), child: None });
        }
    }
    let rows = measured(arguments, &targets).await?;
    child.stop().await?;
    report(arguments, other, rows)
}

/// The AMQP door of a server of ours.
fn own(child: &Child) -> Result<Address, Complaint> {
    let missing = || Complaint::here(Exit::Fault, "internal", "this server has no AMQP door", "");
    let host = child.amqp.clone().ok_or_else(missing)?;
    let secret: &Secret = &child.password;
    let (user, virtual_host) = (ADMINISTRATOR.to_owned(), "/".to_owned());
    Ok(Address { host, user, password: secret.reveal().to_owned(), virtual_host })
}

async fn measured(arguments: &BenchArguments, targets: &[Target<'_>]) -> Result<Vec<Row>, Complaint> {
    let mut rows = Vec::new();
    let (publish, drain) = (format!("publish, {PRODUCERS} producers, AMQP"), "consume with acks, AMQP");
    let mut rates = vec![arguments.rate.saturating_mul(2); targets.len()];
    if arguments.wants(&publish) || arguments.wants(drain) {
        output::note(&format!("{publish}; {drain}"));
        let mut samples: Vec<(Vec<Sample>, Vec<Sample>)> = targets.iter().map(|_| Default::default()).collect();
        for number in 0..arguments.repeat {
            for (target, (published, drained)) in targets.iter().zip(&mut samples) {
                let (publishing, draining) = target.flood(&name_of(target.name, number), arguments).await?;
                published.push(publishing);
                drained.push(draining);
            }
        }
        let mut drains = Vec::new();
        for ((target, (published, drained)), rate) in targets.iter().zip(samples).zip(&mut rates) {
            let row = Row::median(&publish, target.name, published)?;
            *rate = row.rate;
            rows.push(row);
            drains.push(Row::median(drain, target.name, drained)?);
        }
        rows.extend(drains);
    }
    let slowest = rates.iter().min().copied().unwrap_or_default();
    let own: Vec<u64> = rates.iter().map(|rate| rate / 2).collect();
    rows.extend(latencies(arguments, targets, "confirms at half of its own rate, AMQP", &own).await?);
    if targets.len() > 1 {
        let same = vec![slowest / 2; targets.len()];
        rows.extend(latencies(arguments, targets, "confirms at half of the lowest rate, AMQP", &same).await?);
    }
    Ok(rows)
}

/// Latencies of confirms at a rate for each target.
async fn latencies(
    arguments: &BenchArguments,
    targets: &[Target<'_>],
    scenario: &str,
    rates: &[u64],
) -> Result<Vec<Row>, Complaint> {
    let mut samples: Vec<Vec<Sample>> = targets.iter().map(|_| Vec::new()).collect();
    if !arguments.wants(scenario) {
        return Ok(Vec::new());
    }
    output::note(scenario);
    for number in 0..arguments.repeat {
        for ((target, samples), rate) in targets.iter().zip(&mut samples).zip(rates) {
            let name = name_of(target.name, number) + "-rate";
            samples.push(target.at_rate(&name, arguments, (*rate).max(1)).await?);
        }
    }
    targets.iter().zip(samples).map(|(target, samples)| Row::median(scenario, target.name, samples)).collect()
}

impl Target<'_> {
    fn cpu(&self) -> Duration {
        self.child.map_or(Duration::ZERO, Child::cpu)
    }

    async fn declared(&self, name: &str) -> Result<Link, Complaint> {
        let mut link = Link::open(&self.address).await?;
        // What a run that was broken off left behind.
        link.delete(name).await?;
        link.declare(name, self.kind).await?;
        Ok(link)
    }

    /// Publishes as fast as confirms come, then takes everything again: two measurements.
    async fn flood(&self, name: &str, arguments: &BenchArguments) -> Result<(Sample, Sample), Complaint> {
        let load = load(arguments, PRODUCERS);
        let mut link = self.declared(name).await?;
        let before = self.cpu();
        let (took, _) = produce::publish(&self.address, name, load, None).await?;
        let between = self.cpu();
        let (tally, drained) = consume::drain(&self.address, name, load.messages).await?;
        let after = self.cpu();
        link.delete(name).await?;
        let sample = |took, cpu| Sample { messages: load.messages, took, latency: None, cpu, missing: 0, doubled: 0 };
        let published = sample(took, between.saturating_sub(before));
        let (missing, doubled) = (tally.missing(), tally.doubled());
        Ok((published, Sample { missing, doubled, ..sample(drained, after.saturating_sub(between)) }))
    }

    /// Latencies of confirms at a rate; then takes everything again.
    async fn at_rate(&self, name: &str, arguments: &BenchArguments, rate: u64) -> Result<Sample, Complaint> {
        let messages = rate.saturating_mul(lasts(arguments).as_secs().max(1));
        let load = Load { messages, ..load(arguments, PRODUCERS) };
        let mut link = self.declared(name).await?;
        let before = self.cpu();
        let (took, latencies) = produce::publish(&self.address, name, load, Some(rate)).await?;
        let cpu = self.cpu().saturating_sub(before);
        let (tally, _) = consume::drain(&self.address, name, messages).await?;
        link.delete(name).await?;
        let (missing, doubled, latency) = (tally.missing(), tally.doubled(), Some(latencies.percentiles()));
        Ok(Sample { messages, took, latency, cpu, missing, doubled })
    }
}

/// The rows of this broker beside those of the other in the same scenario.
fn compare(rows: Vec<Row>) -> Vec<Compared> {
    let known: Vec<(String, &str, u64, Option<u64>)> = rows
        .iter()
        .map(|row| (row.scenario.clone(), row.target, row.rate, row.latency_micros.map(|latency| latency.p99)))
        .collect();
    let beside = |row: &Row, target: &str| {
        let fits = |(scenario, of, ..): &&(String, &str, u64, Option<u64>)| *scenario == row.scenario && *of == target;
        let found = known.iter().find(fits).filter(|_| row.target == "product");
        match (found, row.latency_micros) {
            (Some((.., rate, None)), None) => (Some(parts(row.rate, *rate)), None),
            (Some((.., Some(p99))), Some(latency)) => (None, Some(parts(latency.p99, *p99))),
            (Some(_) | None, _) => (None, None),
        }
    };
    let compared = |row: Row| {
        let (times_classic, p99_of_classic) = beside(&row, "classic");
        let (times_quorum, p99_of_quorum) = beside(&row, "quorum");
        Compared { row, times_classic, times_quorum, p99_of_classic, p99_of_quorum }
    };
    rows.into_iter().map(compared).collect()
}

fn report(arguments: &BenchArguments, other: Option<String>, rows: Vec<Row>) -> Result<(), Complaint> {
    let wrong: u64 = rows.iter().map(|row| row.missing + row.doubled).sum();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        other,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        message_bytes: arguments.size,
        producers: PRODUCERS,
        window: arguments.window,
        repeat: arguments.repeat,
        rows: compare(rows),
    };
    let heads = [
        "target",
        "scenario",
        "messages/s",
        "µs p50 / p99 / p99.9 / max",
        "CPU ns/message",
        "times classic",
        "times quorum",
        "p99 of classic",
        "p99 of quorum",
        "missing",
        "doubled",
    ];
    if let Some(other) = &report.other {
        output::note(&format!("classic and quorum are queues of {other}"));
    }
    Output { format: arguments.output }.data(&report, &heads, |report| report.rows.iter().map(cells).collect())?;
    super::verdict(wrong)
}

fn cells(compared: &Compared) -> Vec<String> {
    let part = |part: Option<f64>| part.map_or_else(|| "-".to_owned(), |part| format!("{part:.2}"));
    let row = &compared.row;
    vec![
        row.target.to_owned(),
        row.scenario.clone(),
        row.rate.to_string(),
        row.latency_micros.map_or_else(|| "-".to_owned(), |latency| latency.text()),
        if row.target == "product" { row.cpu_nanos_per_message.to_string() } else { "-".to_owned() },
        part(compared.times_classic),
        part(compared.times_quorum),
        part(compared.p99_of_classic),
        part(compared.p99_of_quorum),
        row.missing.to_string(),
        row.doubled.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::Latencies;

    fn row(scenario: &str, target: &'static str, rate: u64, micros: Option<u64>) -> Row {
        let latency = micros.map(|micros| {
            let mut latencies = Latencies::new();
            latencies.record(Duration::from_micros(micros));
            latencies.percentiles()
        });
        let took = Duration::from_secs(1);
        let sample = Sample { messages: rate, took, latency, cpu: Duration::ZERO, missing: 0, doubled: 0 };
        Row::median(scenario, target, vec![sample]).unwrap()
    }

    #[test]
    fn this_broker_stands_beside_both_queues_of_the_other() {
        let rows = vec![
            row("publish", "product", 60, None),
            row("publish", "classic", 20, None),
            row("publish", "quorum", 10, None),
            row("confirms", "product", 5, Some(100)),
            row("confirms", "classic", 5, Some(400)),
        ];
        let found = compare(rows);
        assert_eq!(
            (found[0].times_classic, found[0].times_quorum, found[0].p99_of_classic),
            (Some(3.0), Some(6.0), None)
        );
        assert_eq!((found[3].times_classic, found[3].p99_of_classic, found[3].p99_of_quorum), (None, Some(0.25), None));
        assert_eq!((found[1].times_classic, found[4].p99_of_classic), (None, None));
    }
}

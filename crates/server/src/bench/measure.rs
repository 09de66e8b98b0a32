//! What a measurement yields: messages, time, latencies, CPU, and whether every message came exactly once.
//! Invariant: latencies are counted from the moment that a message was meant to be sent, so that a stalled broker
//! cannot hide by stalling its clients.
//! Called by the other rooms of `bench`; tests below.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::exit::{Complaint, Exit};

/// Longest latency that is told apart, in microseconds.
const MICROS_MAX: u64 = 120_000_000;
/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: u64,
    p90: u64,
    pub(super) p99: u64,
    p99_9: u64,
    max: u64,
}

/// Collects latencies.
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_max(MICROS_MAX, DIGITS).expect("the bounds are constants that a histogram takes"))
    }

    pub(super) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MICROS_MAX).max(1);
        self.0.saturating_record(micros);
    }

    /// Adds those of another.
    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: self.0.max() }
    }
}

impl Percentiles {
    /// The same for a table.
    pub(super) fn text(&self) -> String {
        format!("{} / {} / {} / {}", self.p50, self.p99, self.p99_9, self.max)
    }
}

/// Which of the numbers 0 to n - 1 came, and how many came again.
pub(super) struct Tally {
    seen: Vec<bool>,
    doubled: u64,
    strange: u64,
}

impl Tally {
    pub(super) fn new(count: u64) -> Self {
        Self { seen: vec![false; usize::try_from(count).unwrap_or(usize::MAX)], doubled: 0, strange: 0 }
    }

    /// One from which nothing is missing.
    pub(super) const fn full() -> Self {
        Self { seen: Vec::new(), doubled: 0, strange: 0 }
    }

    /// A message with this number came. True when it is new.
    pub(super) fn mark(&mut self, number: u64) -> bool {
        match usize::try_from(number).ok().and_then(|at| self.seen.get_mut(at)) {
            Some(seen) => {
                let again = std::mem::replace(seen, true);
                self.doubled += u64::from(again);
                !again
            }
            None => {
                self.strange += 1;
                false
            }
        }
    }

    /// How many numbers have not come.
    pub(super) fn missing(&self) -> u64 {
        u64::try_from(self.seen.iter().filter(|seen| !**seen).count()).unwrap_or(u64::MAX)
    }

    /// How many messages should not have come.
    pub(super) const fn doubled(&self) -> u64 {
        self.doubled + self.strange
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Messages that count.
    pub(super) messages: u64,
    /// How long it took.
    pub(super) took: Duration,
    /// Latencies, where they are measured.
    pub(super) latency: Option<Percentiles>,
    /// CPU of the server, user and system together.
    pub(super) cpu: Duration,
    /// Messages that never came.
    pub(super) missing: u64,
    /// Messages that came once too often.
    pub(super) doubled: u64,
}

impl Sample {
    /// Messages a second.
    pub(super) fn rate(&self) -> u64 {
        let nanos = self.took.as_nanos().max(1);
        u64::try_from(u128::from(self.messages) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
    }
}

/// One line of the report: the median of the repetitions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) scenario: String,
    /// Where: `disk`, `null` or `product`.
    pub(super) target: &'static str,
    /// Messages of the median repetition.
    pub(super) messages: u64,
    /// Messages a second.
    pub(super) rate: u64,
    /// Latencies in microseconds.
    pub(super) latency_micros: Option<Percentiles>,
    /// CPU of the server for one message, in nanoseconds.
    pub(super) cpu_nanos_per_message: u64,
    /// Messages that never came, in all repetitions.
    pub(super) missing: u64,
    /// Messages that came once too often, in all repetitions.
    pub(super) doubled: u64,
    /// The rate in parts of that of the null broker.
    pub(super) of_null: Option<f64>,
    /// The median latency in times that of the null broker.
    pub(super) p50_of_null: Option<f64>,
    /// The rate in parts of what the disk takes.
    pub(super) of_disk: Option<f64>,
}

impl Row {
    /// The median of repetitions, by rate; where latencies are measured, by their 99th percentile.
    pub(super) fn median(scenario: &str, target: &'static str, mut samples: Vec<Sample>) -> Result<Self, Complaint> {
        let (missing, doubled) = samples
            .iter()
            .fold((0, 0), |(missing, doubled), sample| (missing + sample.missing, doubled + sample.doubled));
        samples.sort_by_key(|sample| (sample.latency.map_or(0, |latency| latency.p99), sample.rate()));
        let middle = samples.len() / 2;
        let sample = samples.into_iter().nth(middle).ok_or_else(|| {
            Complaint::here(Exit::Usage, "usage", "nothing was measured", "give --repeat a number above 0")
        })?;
        let cpu = sample.cpu.as_nanos() / u128::from(sample.messages.max(1));
        Ok(Self {
            scenario: scenario.to_owned(),
            target,
            messages: sample.messages,
            rate: sample.rate(),
            latency_micros: sample.latency,
            cpu_nanos_per_message: u64::try_from(cpu).unwrap_or(u64::MAX),
            missing,
            doubled,
            of_null: None,
            p50_of_null: None,
            of_disk: None,
        })
    }
}

/// One number in parts of another.
pub(super) fn parts(of: u64, whole: u64) -> f64 {
    let permille = u128::from(of) * 1000 / u128::from(whole.max(1));
    f64::from(u32::try_from(permille).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_tells_what_is_missing_and_doubled() {
        let mut tally = Tally::new(4);
        for number in [0, 2, 2, 9] {
            tally.mark(number);
        }
        assert_eq!((tally.missing(), tally.doubled()), (2, 2));
    }

    #[test]
    fn the_median_is_reported_and_losses_are_summed() {
        let sample = |messages, missing| Sample {
            messages,
            took: Duration::from_secs(1),
            latency: None,
            cpu: Duration::from_millis(messages),
            missing,
            doubled: 0,
        };
        let row = Row::median("publish", "product", vec![sample(30, 1), sample(10, 0), sample(20, 2)]).unwrap();
        assert_eq!((row.rate, row.missing, row.cpu_nanos_per_message), (20, 3, 1_000_000));
        assert!((parts(20, 80) - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn latencies_beyond_the_bound_are_kept_at_it() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_secs(100_000));
        latencies.record(Duration::ZERO);
        let found = latencies.percentiles();
        assert!(found.max >= MICROS_MAX && found.p50 == 1, "{found:?}");
    }
}

//! The part of the crate `base2histogram` that openraft compiles against: a histogram of batch sizes and stage times,
//! of which nothing is read unless openraft's feature `runtime-stats` is on (it is off). It counts by powers of two in
//! 520 bytes and reports the upper end of a percentile's bucket; the original computes 26 MiB of tables at its first
//! use. Called by openraft alone, through `[patch.crates-io]` of the workspace; docs/adr/0008 has the reason.

use std::fmt;
use std::marker::PhantomData;

/// One counter for zero and one for each power of two of a `u64`.
const BUCKETS: usize = 65;

/// Counts of values by the power of two below them. `T` is in the original's signature, for slots that are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    slot: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// A histogram without a value.
    #[must_use]
    pub fn new() -> Self {
        Self { counts: [0; BUCKETS], slot: PhantomData }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` as often as `count` says.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = usize::try_from(u64::BITS - value.leading_zeros()).unwrap_or(BUCKETS - 1);
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
    }

    /// How many values were recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The usual percentiles, each as the upper end of its bucket: up to twice the value.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.permille(1),
            p1: self.permille(10),
            p5: self.permille(50),
            p10: self.permille(100),
            p50: self.permille(500),
            p90: self.permille(900),
            p99: self.permille(990),
            p99_9: self.permille(999),
        }
    }

    /// The largest value of the bucket that holds the value at `permille` thousandths of all; 0 without values.
    fn permille(&self, permille: u64) -> u64 {
        let wanted = (u128::from(self.total()) * u128::from(permille)).div_ceil(1000);
        let mut seen = 0_u128;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted && seen > 0 {
                return if bucket == 0 { 0 } else { u64::MAX >> (BUCKETS - 1 - bucket) };
            }
        }
        0
    }
}

/// Percentiles of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentileStats {
    /// Values recorded.
    pub samples: u64,
    /// 0.1 % of the values are not above it.
    pub p0_1: u64,
    /// 1 % of the values are not above it.
    pub p1: u64,
    /// 5 % of the values are not above it.
    pub p5: u64,
    /// 10 % of the values are not above it.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// 90 % of the values are not above it.
    pub p90: u64,
    /// 99 % of the values are not above it.
    pub p99: u64,
    /// 99.9 % of the values are not above it.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[samples: {}, P0.1: {}, P1: {}, P5: {}, P10: {}, P50: {}, P90: {}, P99: {}, P99.9: {}]",
            self.samples, self.p0_1, self.p1, self.p5, self.p10, self.p50, self.p90, self.p99, self.p99_9
        )
    }
}

/// Named percentiles below each other, where the original draws bars.
#[derive(Debug, Default)]
pub struct AsciiChart {
    rows: Vec<(String, PercentileStats)>,
}

impl AsciiChart {
    /// A chart without a row.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The chart with one more row.
    #[must_use]
    pub fn add<T>(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.rows.push((name.to_owned(), histogram.percentile_stats()));
        self
    }

    /// The chart as it is printed.
    #[must_use]
    pub fn detailed(&self) -> &Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, stats) in &self.rows {
            writeln!(f, "{name} {stats}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let mut histogram = Histogram::<()>::new();
        for value in [0, 1, 2, 3, 1 << 32, u64::MAX] {
            histogram.record(value);
        }
        assert_eq!(histogram.total(), 6);
        assert_eq!(histogram.counts[0], 1);
        assert_eq!(histogram.counts[2], 2, "2 and 3 share the bucket of two");
        assert_eq!(histogram.counts[64], 1);
    }

    #[test]
    fn a_percentile_is_the_upper_end_of_its_bucket() {
        assert_eq!(Histogram::<()>::new().percentile_stats().p99_9, 0);
        let mut histogram = Histogram::<()>::new();
        for value in 1..=100 {
            histogram.record(value);
        }
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p1, stats.p50, stats.p99), (100, 1, 63, 127));
        histogram.record(u64::MAX);
        assert_eq!(histogram.percentile_stats().p99_9, u64::MAX);
    }
}

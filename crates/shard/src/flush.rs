//! How long the recent flushes took.
//! Invariant: at most `FLUSH_TIMES_KEPT` times are kept; the oldest is overwritten.
//! Fed by the log adapter, which also asks how long a flush takes lately; read by `Shard::status`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::limits::FLUSH_TIMES_KEPT;

#[derive(Debug, Default)]
struct State {
    micros: Vec<u64>,
    appends: u64,
}

/// The times between handing entries to the disk and their being durable.
#[derive(Debug, Default)]
pub(crate) struct FlushTimes {
    state: Mutex<State>,
    /// A mean in microseconds that follows the newest: each flush counts for an eighth of it.
    recent_micros: AtomicU64,
}

/// A summary of the recent flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlushSummary {
    pub(crate) appends: u64,
    pub(crate) micros_p50: u64,
    pub(crate) micros_p99: u64,
}

impl FlushTimes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// How long a flush took lately.
    pub(crate) fn recent(&self) -> Duration {
        Duration::from_micros(self.recent_micros.load(Ordering::Relaxed))
    }

    /// Notes one flush.
    pub(crate) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.recent_micros.load(Ordering::Relaxed);
        let recent = if before == 0 { micros } else { before - before / 8 + micros / 8 };
        self.recent_micros.store(recent, Ordering::Relaxed);
        let mut state = self.state();
        let kept = u64::try_from(FLUSH_TIMES_KEPT).unwrap_or(u64::MAX);
        let place = usize::try_from(state.appends % kept).unwrap_or_default();
        match state.micros.get_mut(place) {
            Some(oldest) => *oldest = micros,
            None => state.micros.push(micros),
        }
        state.appends += 1;
    }

    /// The percentiles of what is kept.
    pub(crate) fn summary(&self) -> FlushSummary {
        let (mut micros, appends) = {
            let state = self.state();
            (state.micros.clone(), state.appends)
        };
        micros.sort_unstable();
        let at = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100).saturating_sub(1);
            micros.get(rank).copied().unwrap_or_default()
        };
        FlushSummary { appends, micros_p50: at(50), micros_p99: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_time_follows_a_disk_that_slows_down_and_recovers() {
        let times = FlushTimes::default();
        times.note(Duration::from_micros(200));
        assert_eq!(times.recent(), Duration::from_micros(200));
        times.note(Duration::from_secs(1));
        assert!(Duration::from_millis(100) < times.recent(), "one long flush is noticed at once");
        (0..80).for_each(|_| times.note(Duration::from_micros(200)));
        assert!(times.recent() < Duration::from_micros(300), "{:?}", times.recent());
    }

    #[test]
    fn percentiles_are_those_of_the_newest_flushes() {
        let times = FlushTimes::default();
        assert_eq!(times.summary(), FlushSummary::default());
        for _ in 0..FLUSH_TIMES_KEPT {
            times.note(Duration::from_secs(9));
        }
        for micros in 1..=u64::try_from(FLUSH_TIMES_KEPT).unwrap() {
            times.note(Duration::from_micros(micros));
        }
        let summary = times.summary();
        assert_eq!((summary.appends, summary.micros_p50, summary.micros_p99), (2048, 512, 1014));
    }
}

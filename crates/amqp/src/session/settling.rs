//! What a channel was sent and has not settled.
//! Invariant: a delivery tag is given once and settled once; what is taken out here is told to the broker or kept by a
//! transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use model::name::Source;
use model::receipt::Receipt;

use super::ask::{Close, ConsumerId, Feed, Settle, Verdict};
use crate::codec::ReplyCode;

/// A delivery that waits to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// What the broker is told of it; nothing when it was read from a stream.
    pub(super) lease: Option<Lease>,
    /// Its consumer; none when it was asked for by `get`.
    pub(super) consumer: Option<ConsumerId>,
    /// When it must be settled, and how long that was from its delivery.
    pub(super) due: Option<Due>,
}

/// What settles a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) source: Source,
    pub(super) receipt: Receipt,
}

impl Lease {
    /// The lease of a message, if it has one.
    pub(super) fn of(feed: &Feed, receipt: Option<Receipt>) -> Option<Self> {
        Some(Self { source: feed.source()?.clone(), receipt: receipt? })
    }
}

/// The end of the time to settle a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    at: Duration,
    pub(super) timeout: Duration,
}

impl Due {
    /// For a delivery of this moment; without a time-out there is none.
    pub(super) fn of(now: Duration, timeout: Option<Duration>) -> Option<Self> {
        timeout.map(|timeout| Self { at: now.saturating_add(timeout), timeout })
    }
}

/// The deliveries of a channel by tag.
#[derive(Default)]
pub(super) struct Deliveries {
    last_tag: u64,
    unsettled: BTreeMap<u64, Unsettled>,
    /// No delivery is due before this: most ticks look no further.
    none_before: Option<Due>,
}

impl Deliveries {
    /// The tag of the next delivery.
    pub(super) const fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    pub(super) fn add(&mut self, tag: u64, delivery: Unsettled) {
        self.none_before = self.none_before.into_iter().chain(delivery.due).min();
        self.unsettled.insert(tag, delivery);
    }

    /// Whether a delivery should have been settled by now, and in which time.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<Duration> {
        let is_over = |due: &Due| due.at <= now;
        self.none_before.filter(is_over)?;
        self.none_before = self.unsettled.values().filter_map(|delivery| delivery.due).min();
        self.none_before.filter(is_over).map(|due| due.timeout)
    }

    /// Those that were consumed, and not asked for one by one: they count against the prefetch of the channel.
    pub(super) fn len(&self) -> usize {
        self.unsettled.len()
    }

    /// Those of `get`, whose leases must be kept up.
    pub(super) fn got(&self) -> impl Iterator<Item = &Unsettled> {
        self.unsettled.values().filter(|delivery| delivery.consumer.is_none())
    }

    /// Takes out what a settlement names.
    pub(super) fn take(&mut self, tag: u64, multiple: bool) -> Result<Vec<(u64, Unsettled)>, Close> {
        if multiple && tag == 0 {
            return Ok(std::mem::take(&mut self.unsettled).into_iter().collect());
        }
        let unknown = || Close::new(ReplyCode::PreconditionFailed, format!("unknown delivery tag {tag}"));
        if !multiple {
            let delivery = self.unsettled.remove(&tag).ok_or_else(unknown)?;
            return Ok(vec![(tag, delivery)]);
        }
        if !self.unsettled.contains_key(&tag) {
            return Err(unknown());
        }
        let later = self.unsettled.split_off(&(tag + 1));
        Ok(std::mem::replace(&mut self.unsettled, later).into_iter().collect())
    }

    /// Puts back what a transaction did not settle after all.
    pub(super) fn put_back(&mut self, deliveries: Vec<(u64, Unsettled)>) {
        deliveries.into_iter().for_each(|(tag, delivery)| self.add(tag, delivery));
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<(u64, Unsettled)> {
        std::mem::take(&mut self.unsettled).into_iter().collect()
    }
}

/// Puts a settlement to others; neighbours that are alike become one.
pub(super) fn add(settles: &mut Vec<Settle>, lease: &Lease, verdict: Verdict) {
    let Lease { source, receipt } = lease;
    match settles.last_mut() {
        Some(last)
            if last.verdict == verdict
                && last.source == *source
                && last.receipts.len() < model::limits::RECEIPTS_MAX =>
        {
            last.receipts.push(*receipt);
        }
        _ => settles.push(Settle { source: source.clone(), receipts: vec![*receipt], verdict }),
    }
}

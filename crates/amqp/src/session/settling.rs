//! What a channel was sent and has not settled.
//! Invariant: a delivery tag is given once and settled once; what is taken out here is told to the broker or kept by a
//! transaction.

use std::collections::VecDeque;
use std::sync::Arc;
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
    pub(super) source: Arc<Source>,
    pub(super) receipt: Receipt,
}

impl Lease {
    /// The lease of a message, if it has one.
    pub(super) fn of(feed: &Feed, receipt: Option<Receipt>) -> Option<Self> {
        Some(Self { source: Arc::clone(feed.source()?), receipt: receipt? })
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
///
/// Tags are given in order and mostly settled in order, so they lie in a row: what was settled leaves a gap, and gaps go
/// at the front, or all together once they are more than what is left.
#[derive(Default)]
pub(super) struct Deliveries {
    last_tag: u64,
    row: VecDeque<(u64, Option<Unsettled>)>,
    /// Those in the row that are no gaps.
    count: usize,
    /// No delivery is due before this: most ticks look no further.
    none_before: Option<Due>,
}

/// Gaps that are not worth a walk through the row.
const GAPS_KEPT: usize = 64;

impl Deliveries {
    /// The tag of the next delivery.
    pub(super) const fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    pub(super) fn add(&mut self, tag: u64, delivery: Unsettled) {
        self.none_before = self.none_before.into_iter().chain(delivery.due).min();
        self.count += 1;
        match self.row.binary_search_by_key(&tag, |(tag, _)| *tag) {
            Ok(place) => self.row[place].1 = Some(delivery),
            Err(place) => self.row.insert(place, (tag, Some(delivery))),
        }
    }

    /// Whether a delivery should have been settled by now, and in which time.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<Duration> {
        let is_over = |due: &Due| due.at <= now;
        self.none_before.filter(is_over)?;
        self.none_before = self.unsettled().filter_map(|delivery| delivery.due).min();
        self.none_before.filter(is_over).map(|due| due.timeout)
    }

    fn unsettled(&self) -> impl Iterator<Item = &Unsettled> {
        self.row.iter().filter_map(|(_, delivery)| delivery.as_ref())
    }

    /// Those that were consumed, and not asked for one by one: they count against the prefetch of the channel.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Those of `get`, whose leases must be kept up.
    pub(super) fn got(&self) -> impl Iterator<Item = &Unsettled> {
        self.unsettled().filter(|delivery| delivery.consumer.is_none())
    }

    /// Takes out one delivery.
    fn take_one(&mut self, tag: u64) -> Option<Unsettled> {
        // Without gaps that went, it stands as far behind the first as it was given after it.
        let behind = tag.checked_sub(self.row.front()?.0).and_then(|behind| usize::try_from(behind).ok())?;
        let place = match self.row.get(behind) {
            Some((there, _)) if *there == tag => behind,
            Some(_) | None => self.row.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?,
        };
        let delivery = self.row[place].1.take()?;
        self.count -= 1;
        while self.row.front().is_some_and(|(_, delivery)| delivery.is_none()) {
            self.row.pop_front();
        }
        if self.row.len() > 2 * self.count + GAPS_KEPT {
            self.row.retain(|(_, delivery)| delivery.is_some());
        }
        Some(delivery)
    }

    /// Takes out what a settlement names.
    pub(super) fn take(&mut self, tag: u64, multiple: bool) -> Result<Settled, Close> {
        if multiple && tag == 0 {
            return Ok(Settled::Many(self.take_all()));
        }
        let unknown = || Close::new(ReplyCode::PreconditionFailed, format!("unknown delivery tag {tag}"));
        let last = self.take_one(tag).ok_or_else(unknown)?;
        if !multiple {
            return Ok(Settled::One(tag, last));
        }
        let later = self.row.partition_point(|(there, _)| *there <= tag);
        let mut settled: Vec<_> =
            self.row.drain(..later).filter_map(|(tag, delivery)| Some((tag, delivery?))).collect();
        self.count -= settled.len();
        settled.push((tag, last));
        Ok(Settled::Many(settled))
    }

    /// Puts back what a transaction did not settle after all.
    pub(super) fn put_back(&mut self, settled: Settled) {
        settled.into_iter().for_each(|(tag, delivery)| self.add(tag, delivery));
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<(u64, Unsettled)> {
        self.count = 0;
        std::mem::take(&mut self.row).into_iter().filter_map(|(tag, delivery)| Some((tag, delivery?))).collect()
    }
}

/// What a settlement named.
pub(super) enum Settled {
    /// By its own tag.
    One(u64, Unsettled),
    /// With all before it.
    Many(Vec<(u64, Unsettled)>),
}

impl Settled {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(settled) => settled.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Unsettled> {
        let (one, many) = match self {
            Self::One(_, delivery) => (Some(delivery), None),
            Self::Many(settled) => (None, Some(settled)),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(_, delivery)| delivery))
    }
}

impl IntoIterator for Settled {
    type Item = (u64, Unsettled);
    type IntoIter = std::iter::Chain<std::option::IntoIter<Self::Item>, std::vec::IntoIter<Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::One(tag, delivery) => (Some((tag, delivery)), Vec::new()),
            Self::Many(settled) => (None, settled),
        };
        one.into_iter().chain(many)
    }
}

/// Puts a settlement to others; neighbours that are alike become one.
pub(super) fn add(settles: &mut Vec<Settle>, lease: &Lease, verdict: Verdict) {
    let Lease { source, receipt } = lease;
    match settles.last_mut() {
        Some(last)
            if last.verdict == verdict
                && (Arc::ptr_eq(&last.source, source) || last.source == *source)
                && last.receipts.len() < model::limits::RECEIPTS_MAX =>
        {
            last.receipts.push(*receipt);
        }
        _ => settles.push(Settle { source: Arc::clone(source), receipts: vec![*receipt], verdict }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(number: u64) -> Unsettled {
        Unsettled { lease: None, consumer: Some(ConsumerId(number)), due: None }
    }

    #[test]
    fn tags_are_settled_once_in_any_order_and_gaps_do_not_pile_up() {
        let mut deliveries = Deliveries::default();
        for _ in 0..10_000 {
            let tag = deliveries.next_tag();
            deliveries.add(tag, delivery(tag));
            // The first stays unsettled, the others go in pairs and in the wrong order.
            if tag > 1 && tag % 2 == 1 {
                for tag in [tag, tag - 1] {
                    let settled: Vec<_> =
                        deliveries.take(tag, false).unwrap_or_else(|_| panic!("{tag}")).into_iter().collect();
                    assert_eq!(settled, [(tag, delivery(tag))]);
                    assert!(deliveries.take(tag, false).is_err(), "{tag} twice");
                }
            }
            assert!(deliveries.row.len() <= 2 * deliveries.len() + GAPS_KEPT, "{}", deliveries.row.len());
        }
        assert_eq!(deliveries.len(), 2);
        assert!(deliveries.take(0, false).is_err() && deliveries.take(10_001, true).is_err());
        let all: Vec<_> = deliveries.take(10_000, true).unwrap_or_else(|_| panic!()).into_iter().collect();
        assert_eq!(all, [(1, delivery(1)), (10_000, delivery(10_000))]);
        assert_eq!((deliveries.len(), deliveries.row.len()), (0, 0));
    }

    #[test]
    fn what_a_transaction_puts_back_is_settled_in_its_place() {
        let mut deliveries = Deliveries::default();
        for _ in 0..300 {
            let tag = deliveries.next_tag();
            deliveries.add(tag, delivery(tag));
        }
        let mut settled = Vec::new();
        for tag in (1..=300).rev().filter(|tag| tag % 3 != 0) {
            settled.push(deliveries.take(tag, false).unwrap_or_else(|_| panic!("{tag}")));
        }
        assert_eq!(deliveries.len(), 100);
        settled.into_iter().for_each(|settled| deliveries.put_back(settled));
        assert_eq!(deliveries.len(), 300);
        let tags: Vec<_> = deliveries.take_all().into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags, (1..=300).collect::<Vec<_>>());
    }
}

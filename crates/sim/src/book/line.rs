//! The reference of what hands out messages under leases: a queue, or the window of a shared subscription.
//! Plain lists and loops: where it differs from the machine, one of them is wrong.
//! Invariant: a message is here at most once; a lease has one holder.
//! Called by `book`. Compared with the machine by `observer`.

use std::collections::{BTreeMap, BTreeSet};

use broker::command::LeaseEnd;
use broker::record::KeyHash;
use model::message::{DeadLetterReason, MessagePlace};
use model::number::{Epoch, Partition, Priority, Span, Timestamp};
use model::queue::{DeliveryOrder, NackAction};
use model::receipt::Receipt;

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// For a consumer, or behind its key.
    Waiting,
    /// For its time.
    Delayed(Timestamp),
    /// With a consumer.
    Leased {
        /// Under which leadership.
        epoch: Epoch,
        /// The attempt of the receipt.
        attempt: u32,
        /// For how long.
        end: LeaseEnd,
    },
}

/// Why a message is a dead letter, and of whom.
pub type Letter = (DeadLetterReason, String);

/// A message.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Which message.
    pub number: u64,
    /// Where it is in its life.
    pub life: Life,
    /// Deliveries so far.
    pub attempts: u32,
    /// When it was first accepted.
    pub published_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Bytes of its record.
    pub bytes: u64,
    /// Its urgency.
    pub priority: Priority,
    /// Its key.
    pub key: Option<KeyHash>,
    /// It waited for a time or for a retry, so its place in the line of its key is not that of its sequence.
    pub was_away: bool,
    /// Why it is a dead letter, and of whom.
    pub letter: Option<Letter>,
}

/// A message that left, and why.
#[derive(Clone, Debug)]
pub struct Gone {
    /// It.
    pub kept: Kept,
    /// Why.
    pub reason: DeadLetterReason,
}

/// What came of the passing of time.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Messages that left.
    pub gone: Vec<Gone>,
    /// Leases that ended.
    pub leases_ended: u64,
    /// Delays that ended.
    pub delays_ended: u64,
}

/// Messages in their places.
#[derive(Clone, Debug)]
pub struct Line {
    /// By place.
    pub kept: BTreeMap<MessagePlace, Kept>,
    /// Messages that came in by a move, whose places are not known yet.
    pub arriving: Vec<Kept>,
    /// As many of those as were cancelled before their places were known. Which ones it was is seen only when the others
    /// get their places.
    pub cancelled: Vec<Kept>,
    /// Deliveries before a message is given up.
    pub delivery_limit: u32,
    /// The highest that this ever was.
    pub limit_max: u32,
    /// How keys order.
    pub order: DeliveryOrder,
    /// Attempts that were handed out before the partition began anew.
    pub attempts_base: BTreeMap<Partition, u32>,
    /// The highest attempt that was handed out.
    pub attempts_max: BTreeMap<Partition, u32>,
}

impl Line {
    /// Without messages.
    #[must_use]
    pub fn new(delivery_limit: u32, order: DeliveryOrder) -> Self {
        Self {
            kept: BTreeMap::new(),
            arriving: Vec::new(),
            cancelled: Vec::new(),
            delivery_limit,
            limit_max: delivery_limit,
            order,
            attempts_base: BTreeMap::new(),
            attempts_max: BTreeMap::new(),
        }
    }

    /// Another limit from now on.
    pub fn set_limit(&mut self, delivery_limit: u32) {
        self.delivery_limit = delivery_limit;
        self.limit_max = self.limit_max.max(delivery_limit);
    }

    /// The attempt that the next receipt of a message carries.
    #[must_use]
    pub fn next_attempt(&self, place: MessagePlace) -> u32 {
        let base = self.attempts_base.get(&place.partition).copied().unwrap_or_default();
        let deliveries = self.kept.get(&place).map_or(0, |kept| kept.attempts);
        base + deliveries + 1
    }

    /// Whether another message of its key stands before it.
    #[must_use]
    pub fn key_is_taken(&self, place: MessagePlace) -> bool {
        let Some(key) = self.kept.get(&place).and_then(|kept| kept.key) else { return false };
        self.order == DeliveryOrder::PerKey
            && self.kept.iter().any(|(other, kept)| {
                let holds = matches!(kept.life, Life::Leased { .. });
                *other != place && kept.key == Some(key) && holds
            })
    }

    /// Records a delivery that took effect.
    pub fn lease(&mut self, now: Timestamp, epoch: Epoch, end: LeaseEnd, place: MessagePlace, attempt: u32) {
        let end = match end {
            LeaseEnd::At(at) => LeaseEnd::At(at.max(now)),
            LeaseEnd::WithConnection => end,
        };
        let max = self.attempts_max.entry(place.partition).or_default();
        *max = attempt.max(*max);
        if let Some(kept) = self.kept.get_mut(&place) {
            kept.attempts += 1;
            kept.life = Life::Leased { epoch, attempt, end };
        }
    }

    /// The message whose present delivery a receipt names.
    #[must_use]
    pub fn held(&self, receipt: &Receipt) -> Option<MessagePlace> {
        let place = MessagePlace { partition: receipt.partition, sequence: receipt.sequence };
        let kept = self.kept.get(&place)?;
        match kept.life {
            Life::Leased { epoch, attempt, .. } => {
                (epoch == receipt.epoch && attempt == receipt.attempt.get()).then_some(place)
            }
            Life::Waiting | Life::Delayed(_) => None,
        }
    }

    /// Ends a lease: the message waits again, unless it was delivered often enough.
    pub fn give_back(&mut self, now: Timestamp, place: MessagePlace, delay: Span) -> Option<Gone> {
        let kept = self.kept.get_mut(&place)?;
        if kept.attempts >= self.delivery_limit {
            return self.give_up(place, DeadLetterReason::DeliveryLimit);
        }
        kept.life = if delay == Span::new(0) { Life::Waiting } else { Life::Delayed(now.after(delay)) };
        kept.was_away = true;
        None
    }

    /// Gives a delivery back as a nack asks.
    pub fn nack(&mut self, now: Timestamp, place: MessagePlace, action: NackAction) -> Option<Gone> {
        match action {
            NackAction::Retry(delay) => self.give_back(now, place, delay),
            NackAction::Reject => self.give_up(place, DeadLetterReason::Rejected),
        }
    }

    /// Prolongs a lease.
    pub fn extend(&mut self, place: MessagePlace, until: Timestamp) {
        if let Some(Kept { life: Life::Leased { end: end @ LeaseEnd::At(_), .. }, .. }) = self.kept.get_mut(&place) {
            *end = LeaseEnd::At(until);
        }
    }

    /// Takes a message out that goes elsewhere or nowhere.
    pub fn give_up(&mut self, place: MessagePlace, reason: DeadLetterReason) -> Option<Gone> {
        self.kept.remove(&place).map(|kept| Gone { kept, reason })
    }

    /// Ends leases bound to connections of older leaderships.
    pub fn end_connection_leases(&mut self, now: Timestamp, before: Epoch) -> Passed {
        let bound =
            |life: &Life| matches!(life, Life::Leased { epoch, end: LeaseEnd::WithConnection, .. } if *epoch < before);
        let places: Vec<_> = self.kept.iter().filter(|(_, kept)| bound(&kept.life)).map(|(at, _)| *at).collect();
        let leases_ended = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let gone = places.into_iter().filter_map(|place| self.give_back(now, place, Span::new(0))).collect();
        Passed { gone, leases_ended, delays_ended: 0 }
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Timestamp) -> Passed {
        let mut passed = Passed::default();
        let mut leaving = Vec::new();
        for (place, kept) in &mut self.kept {
            if let Life::Leased { end: LeaseEnd::At(end), .. } = kept.life
                && end <= now
            {
                passed.leases_ended += 1;
                if kept.attempts >= self.delivery_limit {
                    leaving.push((*place, DeadLetterReason::DeliveryLimit));
                    continue;
                }
                kept.life = Life::Waiting;
                kept.was_away = true;
            }
            if let Life::Delayed(due) = kept.life
                && due <= now
            {
                passed.delays_ended += 1;
                kept.life = Life::Waiting;
            }
            let is_free = !matches!(kept.life, Life::Leased { .. });
            if is_free && kept.expires_at.is_some_and(|at| at <= now) {
                leaving.push((*place, DeadLetterReason::Expired));
            }
        }
        passed.gone.extend(leaving.into_iter().filter_map(|(place, reason)| self.give_up(place, reason)));
        passed
    }

    /// Takes everything out that is not with a consumer; says how many.
    pub fn purge(&mut self) -> u64 {
        let before = self.kept.len() + self.arriving.len();
        self.arriving.clear();
        self.cancelled.clear();
        self.kept.retain(|_, kept| matches!(kept.life, Life::Leased { .. }));
        u64::try_from(before - self.kept.len()).unwrap_or(u64::MAX)
    }

    /// Messages and their bytes.
    #[must_use]
    pub fn held_now(&self) -> (u64, u64) {
        let all = || self.kept.values().chain(&self.arriving);
        (u64::try_from(all().count()).unwrap_or(u64::MAX), all().map(|kept| kept.bytes).sum())
    }

    /// Forgets what is dropped by a queue that drops its oldest.
    pub fn drop_oldest(&mut self) -> Option<Gone> {
        let mut firsts: BTreeMap<Partition, (Timestamp, MessagePlace)> = BTreeMap::new();
        for (place, kept) in self.kept.iter().filter(|(_, kept)| kept.life == Life::Waiting) {
            firsts.entry(place.partition).or_insert((kept.published_at, *place));
        }
        let oldest = firsts.into_values().min_by_key(|(at, place)| (*at, place.sequence))?;
        self.give_up(oldest.1, DeadLetterReason::Overflow)
    }

    /// Takes one out of those whose places are not known yet; false when there is none.
    pub fn cancel_arriving(&mut self) -> bool {
        let one = self.arriving.pop();
        let is_there = one.is_some();
        self.cancelled.extend(one);
        is_there
    }

    /// Gives newcomers their places; what is left over, and was not cancelled, has none.
    pub fn settle_arrivals(&mut self, seen: &[(MessagePlace, u64, Option<Letter>)]) -> (Vec<MessagePlace>, Vec<Kept>) {
        let mut settled = Vec::new();
        let mut lost = Vec::new();
        let mut taken: BTreeSet<MessagePlace> = self.kept.keys().copied().collect();
        let cancelled = std::mem::take(&mut self.cancelled);
        let gone = cancelled.len();
        for kept in std::mem::take(&mut self.arriving).into_iter().chain(cancelled) {
            // The same message may come twice in one batch, from two sources; redriven, each goes its own way.
            let fits = |number: u64, told: &Option<Letter>| number == kept.number && *told == kept.letter;
            let free = seen.iter().find(|(place, number, told)| fits(*number, told) && !taken.contains(place));
            match free {
                Some((place, ..)) => {
                    taken.insert(*place);
                    settled.push(*place);
                    self.kept.insert(*place, kept);
                }
                None => lost.push(kept),
            }
        }
        settled.sort_unstable();
        (settled, lost.split_off(gone.min(lost.len())))
    }
}

#[cfg(test)]
mod tests {
    use model::number::Sequence;

    use super::*;

    #[test]
    fn of_those_that_arrive_the_one_that_was_cancelled_is_the_one_that_is_missing() {
        let at = |sequence: u64| MessagePlace { partition: Partition::new(0), sequence: Sequence::new(sequence) };
        let arriving = |number: u64| Kept {
            number,
            life: Life::Waiting,
            attempts: 0,
            published_at: Timestamp::new(1),
            expires_at: None,
            bytes: 1,
            priority: Priority::DEFAULT,
            key: None,
            was_away: true,
            letter: None,
        };
        for missing in [7, 8, 9] {
            let mut line = Line::new(3, DeliveryOrder::Fifo);
            line.arriving = vec![arriving(7), arriving(8), arriving(9)];
            assert!(line.cancel_arriving());
            let seen: Vec<_> =
                (7..10).filter(|number| *number != missing).map(|number| (at(number), number, None)).collect();
            let (settled, lost) = line.settle_arrivals(&seen);
            assert_eq!((settled.len(), lost.len(), line.kept.contains_key(&at(missing))), (2, 0, false));
            // A second one that is missing was lost.
            line.kept.clear();
            line.arriving = vec![arriving(7), arriving(8), arriving(9)];
            assert!(line.cancel_arriving());
            assert_eq!(line.settle_arrivals(&seen[..1]).1.len(), 1);
        }
    }

    #[test]
    fn the_same_message_twice_in_one_batch_is_told_apart_by_where_it_came_from() {
        let letter = |origin: &str| Some((DeadLetterReason::DeliveryLimit, origin.to_owned()));
        let arriving = |origin: &str| Kept {
            number: 7,
            life: Life::Waiting,
            attempts: 0,
            published_at: Timestamp::new(1),
            expires_at: None,
            bytes: 1,
            priority: Priority::DEFAULT,
            key: None,
            was_away: true,
            letter: letter(origin),
        };
        let at = |sequence| MessagePlace { partition: Partition::new(0), sequence: Sequence::new(sequence) };
        let mut line = Line::new(1, DeliveryOrder::Fifo);
        line.arriving = vec![arriving("queue default/q"), arriving("subscription default/t/s")];
        let seen = [(at(3), 7, letter("subscription default/t/s")), (at(4), 7, letter("queue default/q"))];
        let (settled, lost) = line.settle_arrivals(&seen);
        assert_eq!((settled, lost.len()), (vec![at(3), at(4)], 0));
        assert_eq!(line.kept[&at(4)].letter, letter("queue default/q"));
    }
}

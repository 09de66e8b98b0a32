//! What a topic gives up as time passes and bytes come in: from the front only, except tombstones.
//! Invariant: whatever is trimmed is released in the ledger; the newest record outlives the bound on bytes,
//! so that a record larger than the bound is read before it goes.
//! Called by `machine` after publishes and when `next_deadline` is due. Scripts: `topic_retention.txt`.

use model::number::{ByteSize, Span, Timestamp};

use super::Topic;
use super::partition::History;
use crate::limits::{RETENTION_SLACK_MS, TOMBSTONE_MS};
use crate::liveness::Liveness;

/// What a partition keeps.
#[derive(Clone, Copy)]
struct Rule {
    age_max: Option<Span>,
    bytes_max: Option<ByteSize>,
}

impl Topic {
    /// Gives up to `budget` records up that are too old, too many bytes or tombstones of long ago; says how
    /// many. Forgets message ids outside the deduplication window. With the budget used up,
    /// `next_deadline` is due at once.
    pub fn trim(&mut self, now: Timestamp, budget: usize, ledger: &mut Liveness) -> usize {
        self.seen.forget(now, self.settings.deduplication);
        let rule = self.rule();
        let mut left = budget;
        for history in &mut self.partitions {
            while left > 0 && history.give_up_one(now, rule, ledger) {
                left -= 1;
            }
        }
        budget - left
    }

    /// When `trim` has something to do; a time that has passed means now.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let rule = self.rule();
        let records = self.partitions.iter().filter_map(|history| history.next_deadline(rule)).min();
        let ids = self.seen.deadline(self.settings.deduplication);
        records.into_iter().chain(ids).min()
    }

    const fn rule(&self) -> Rule {
        Rule { age_max: self.settings.retention, bytes_max: self.settings.retention_bytes }
    }
}

impl History {
    fn give_up_one(&mut self, now: Timestamp, rule: Rule, ledger: &mut Liveness) -> bool {
        if self.oldest_ends_at(rule).is_some_and(|end| end <= now) {
            return self.drop_first(ledger);
        }
        self.drop_tombstone(now, ledger)
    }

    /// When the oldest record goes: at once when there are too many bytes.
    fn oldest_ends_at(&self, rule: Rule) -> Option<Timestamp> {
        let first = self.first()?;
        if self.messages > 1 && rule.bytes_max.is_some_and(|max| self.bytes > max) {
            return Some(Timestamp::new(0));
        }
        rule.age_max.map(|age| first.published_at.after(age))
    }

    /// Records are taken a little late, so that one wake-up serves all that end within the slack.
    fn next_deadline(&self, rule: Rule) -> Option<Timestamp> {
        let slack = |end: Timestamp, life: u64| end.after(Span::new(RETENTION_SLACK_MS.min(life / 10)));
        let oldest = self.oldest_ends_at(rule).map(|end| match rule.age_max {
            Some(age) if end > Timestamp::new(0) => slack(end, age.get()),
            Some(_) | None => end,
        });
        let tombstone = self.tombstone_due().map(|due| slack(due, TOMBSTONE_MS));
        oldest.into_iter().chain(tombstone).min()
    }
}

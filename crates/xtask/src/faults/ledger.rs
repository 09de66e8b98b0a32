//! What producers sent and consumers saw, kept outside of the broker.
//! Invariant: each key is numbered without gaps, so that a gap in what arrives is a loss or a wrong order.
//! Used by `kills`; tests below.

/// One key.
#[derive(Clone, Debug, Default)]
struct Key {
    /// Numbers below this were sent at least once.
    sent: u64,
    /// Numbers below this are confirmed.
    confirmed: u64,
    /// The number whose first delivery is next.
    next: u64,
    /// Whether the ack of a number was confirmed.
    settled: Vec<bool>,
}

/// All keys of a campaign.
#[derive(Debug)]
pub(super) struct Ledger {
    keys: Vec<Key>,
    /// Deliveries of a message that had been delivered.
    pub(super) again: u64,
    /// Every delivery.
    pub(super) deliveries: u64,
    pub(super) wrong_bodies: Vec<String>,
    pub(super) never_sent: Vec<String>,
    pub(super) wrong_order: Vec<String>,
    pub(super) after_ack: Vec<String>,
}

impl Ledger {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            keys: vec![Key::default(); keys],
            again: 0,
            deliveries: 0,
            wrong_bodies: Vec::new(),
            never_sent: Vec::new(),
            wrong_order: Vec::new(),
            after_ack: Vec::new(),
        }
    }

    /// Takes the next number of a key, which is about to be sent.
    pub(super) fn take(&mut self, key: usize) -> u64 {
        let key = &mut self.keys[key];
        key.sent += 1;
        key.settled.push(false);
        key.sent - 1
    }

    /// A publish with this number was confirmed.
    pub(super) fn confirm(&mut self, key: usize, number: u64) {
        let key = &mut self.keys[key];
        key.confirmed = key.confirmed.max(number + 1);
    }

    /// A message was delivered.
    pub(super) fn deliver(&mut self, key: usize, number: u64) {
        self.deliveries += 1;
        let Some(known) = self.keys.get_mut(key).filter(|known| number < known.sent) else {
            self.never_sent.push(format!("{key}/{number}"));
            return;
        };
        if number > known.next {
            self.wrong_order.push(format!("{key}/{number} before {key}/{}", known.next));
        }
        if number < known.next {
            self.again += 1;
            let settled = usize::try_from(number).ok().and_then(|place| known.settled.get(place));
            if settled.copied().unwrap_or_default() {
                self.after_ack.push(format!("{key}/{number}"));
            }
        }
        known.next = known.next.max(number + 1);
    }

    /// The ack of a delivery was confirmed.
    pub(super) fn settle(&mut self, key: usize, number: u64) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(settled) = self.keys.get_mut(key).and_then(|key| key.settled.get_mut(place)) {
            *settled = true;
        }
    }

    /// Messages that were confirmed.
    pub(super) fn confirmed(&self) -> u64 {
        self.keys.iter().map(|key| key.confirmed).sum()
    }

    /// Messages that were sent at least once. Each is sent until it is confirmed.
    pub(super) fn sent(&self) -> u64 {
        self.keys.iter().map(|key| key.sent).sum()
    }

    /// How many confirmed messages never came.
    pub(super) fn lost_count(&self) -> u64 {
        self.keys.iter().map(|key| key.confirmed.saturating_sub(key.next)).sum()
    }

    /// Confirmed messages after the last one that arrived. Gaps before it are in `wrong_order`.
    pub(super) fn lost(&self) -> Vec<String> {
        let rows = self.keys.iter().enumerate().filter(|(_, key)| key.next < key.confirmed);
        rows.map(|(name, key)| format!("{name}/{} to {}", key.next, key.confirmed - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_confirmed() -> Ledger {
        let mut ledger = Ledger::new(1);
        for _ in 0..2 {
            let number = ledger.take(0);
            ledger.confirm(0, number);
        }
        ledger
    }

    #[test]
    fn what_arrives_in_order_is_fine_and_may_come_again_before_its_ack() {
        let mut ledger = two_confirmed();
        for number in [0, 0, 1] {
            ledger.deliver(0, number);
        }
        assert_eq!((ledger.confirmed(), ledger.again, ledger.deliveries), (2, 1, 3));
        assert!(ledger.lost().is_empty() && ledger.wrong_order.is_empty() && ledger.after_ack.is_empty());
    }

    #[test]
    fn each_violation_is_seen() {
        let mut ledger = two_confirmed();
        ledger.deliver(0, 0);
        assert_eq!(ledger.lost(), ["0/1 to 1"]);
        ledger.settle(0, 0);
        ledger.deliver(0, 0);
        assert_eq!(ledger.after_ack, ["0/0"]);
        ledger.deliver(0, 2);
        ledger.deliver(1, 0);
        assert_eq!(ledger.never_sent, ["0/2", "1/0"]);
        let mut ledger = two_confirmed();
        ledger.deliver(0, 1);
        assert_eq!(ledger.wrong_order, ["0/1 before 0/0"]);
    }
}

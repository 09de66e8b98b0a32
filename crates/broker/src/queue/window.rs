//! What a queue can do more when it is the window of a shared subscription: sequences are offsets that the
//! topic gives, and a partition may start anew.

use model::number::{Partition, Sequence, Timestamp};

use super::Queue;
use super::partition::{Facts, Messages};
use super::publish::{Arrival, slot};
use crate::liveness::Liveness;

impl Queue {
    /// Adds a message under the sequence that is its offset. Within a partition offsets rise, but after a
    /// restart they may begin anywhere.
    pub fn place_at(&mut self, partition: Partition, sequence: Sequence, arrival: &Arrival, ledger: &mut Liveness) {
        let messages = self.partition_mut(partition).expect("a window has the partitions of its topic");
        messages.add(sequence, slot(arrival), Facts::default(), None, ledger);
    }

    /// Gives up everything in a partition and lets its sequences begin anew.
    pub fn restart(&mut self, partition: Partition, ledger: &mut Liveness) {
        if let Some(messages) = self.partition_mut(partition) {
            messages.restart(ledger);
        }
    }

    /// Gives a window the partitions that its topic has now.
    pub fn grow(&mut self, partitions: u32) {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        let order = self.rules.order;
        self.partitions.resize_with(count.max(self.partitions.len()), || Messages::new(order));
        self.rules.partitions = partitions.max(self.rules.partitions);
    }

    /// How many messages a partition holds.
    pub fn held(&self, partition: Partition) -> usize {
        let counts = self.partition(partition).map(Messages::counts).unwrap_or_default();
        usize::try_from(counts.ready + counts.delayed + counts.leased).unwrap_or(usize::MAX)
    }

    /// The oldest message of a partition, and when it was accepted.
    pub fn oldest_in(&self, partition: Partition) -> Option<(Sequence, Timestamp)> {
        self.partition(partition)?.all().next().map(|(sequence, slot)| (sequence, slot.published_at))
    }
}

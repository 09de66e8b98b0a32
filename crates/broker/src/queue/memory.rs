//! What queues cost in memory, from the sizes of what they allocate: nothing is timed, nothing is sampled.

use model::message::{Availability, MessagePlace};
use model::number::{LogIndex, Partition, Priority, Sequence, Span, Timestamp};
use model::queue::QueueSettings;

use super::partition::Messages;
use super::{Arrival, Queue, Rules};
use crate::liveness::Liveness;
use crate::place::{MessageRef, Stored};
use crate::record::Head;

const MIB: usize = 1024 * 1024;
const NOW: Timestamp = Timestamp::new(1);

/// What an allocation costs: its bytes, those that the allocator keeps beside them, and rounding.
pub(super) const fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16) }
}

/// The cost of a tree of so many entries, as if its leaves were filled least: rising keys leave six in a
/// leaf of eleven.
pub(super) const fn of_tree<K, V>(entries: usize) -> usize {
    let leaf = allocated(11 * (size_of::<K>() + size_of::<V>()) + 16);
    let leaves = entries.div_ceil(6);
    // Above each six leaves stands a node with twelve edges.
    leaves * leaf + (leaves / 6) * (leaf + 12 * size_of::<usize>())
}

fn of_queue(queue: &Queue) -> usize {
    let partitions: usize =
        queue.partitions.iter().map(|messages| messages.slots.memory() + messages.ready.memory()).sum();
    let itself = size_of::<Queue>()
        + allocated(size_of::<Rules>())
        + allocated(queue.partitions.capacity() * size_of::<Messages>());
    itself + partitions
}

fn arrival(number: u32, availability: Availability) -> Arrival {
    let stored = Stored { at: MessageRef { index: LogIndex::new(1), position: number }, bytes: 100 };
    let head =
        Head { bytes: 100, priority: Priority::DEFAULT, availability, ttl: None, key: None, id: None, empty: false };
    Arrival::new(stored, head, NOW)
}

fn filled(messages: u32, availability: impl Fn(u32) -> Availability) -> (Queue, Liveness) {
    let mut ledger = Liveness::default();
    ledger.open_segment(LogIndex::new(0));
    let mut queue = Queue::new(Rules::from(&QueueSettings::default()));
    for number in 0..messages {
        let arrivals = [arrival(number, availability(number))];
        queue.publish(NOW, &arrivals, &mut ledger, &mut Vec::new()).expect("the queue has no bounds");
    }
    (queue, ledger)
}

#[test]
fn an_empty_queue_costs_less_than_450_bytes_and_one_with_a_message_less_than_1500() {
    let (queue, _) = filled(0, |_| Availability::Now);
    let cost = of_queue(&queue);
    assert!(cost <= 450, "an empty queue costs {cost} bytes");
    let (queue, _) = filled(1, |_| Availability::Now);
    let cost = of_queue(&queue);
    assert!(cost <= 1500, "a queue with one message costs {cost} bytes");
}

#[test]
fn a_million_plain_messages_cost_less_than_48_mib() {
    let (queue, _) = filled(1_000_000, |_| Availability::Now);
    let cost = of_queue(&queue);
    assert!(cost <= 48 * MIB, "a million ready messages cost {cost} bytes");
}

#[test]
fn an_emptied_queue_costs_what_an_empty_one_does() {
    let (mut queue, mut ledger) = filled(10_000, |_| Availability::Now);
    queue.purge(&mut ledger);
    assert_eq!(of_queue(&queue), of_queue(&Queue::new(Rules::from(&QueueSettings::default()))));
}

#[test]
fn one_old_message_in_each_five_hundred_costs_what_it_weighs() {
    let later = Availability::After(Span::new(1000));
    let (mut queue, mut ledger) = filled(512 * 200, |number| if number % 512 == 7 { later } else { Availability::Now });
    let places = (0..512 * 200).filter(|number| number % 512 != 7);
    let places: Vec<_> =
        places.map(|number| MessagePlace { partition: Partition::new(0), sequence: Sequence::new(number) }).collect();
    assert!(queue.cancel(&places, &mut ledger).iter().all(|cancelled| *cancelled));
    let cost = of_queue(&queue);
    assert!(cost <= 200 * 512, "200 messages that are left of 102400 cost {cost} bytes");
}

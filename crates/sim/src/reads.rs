//! Reads of the machine that the comparisons and the clients share.
//! Invariant: nothing changes here.
//! Called by `observer` and `client`.

use broker::Machine;
use broker::command::Principal;
use broker::machine::Answer as Read;
use model::name::{NamespaceName, SubscriptionName, SubscriptionRef, TopicRef};
use model::number::{Offset, Partition, TopicId};
use model::operation::{Request, Response};
use model::subscription::DescribeSubscription;

use crate::book::Book;

/// What a description says of each partition: the committed offset, and where the partition starts.
#[must_use]
pub(crate) fn committed(
    machine: &Machine,
    book: &Book,
    id: TopicId,
    name: &SubscriptionName,
) -> Vec<(Partition, Offset, Offset)> {
    let Some((topic, _)) = book.topic_ids.iter().find(|(_, other)| **other == id) else { return Vec::new() };
    let topic = TopicRef { namespace: NamespaceName::default(), name: topic.clone() };
    let subscription = SubscriptionRef { topic, name: name.clone() };
    let request = Request::DescribeSubscription(DescribeSubscription { subscription });
    let Ok(Read::Response(response)) = machine.read(&Principal::System, &request) else { return Vec::new() };
    let Response::DescribeSubscription(description) = *response else { return Vec::new() };
    let earliest = |partition| {
        let first = machine.read_places(id, partition, Offset::new(0), 1);
        first.first().map_or_else(|| machine.end_of(id, partition).unwrap_or_default(), |place| place.offset)
    };
    let parts = description.partitions.into_iter();
    parts.map(|part| (part.partition, part.committed, earliest(part.partition))).collect()
}

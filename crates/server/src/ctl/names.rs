//! Text of the command line to names, places and pages of the model.
//! Invariant: the model alone decides what is valid, so that its codes reach the user.
//! Called by the other rooms of `ctl`; tests below.

use model::Refusal;
use model::message::MessagePlace;
use model::name::{
    ExchangeName, ExchangeRef, NamespaceName, QueueName, QueueRef, SubscriptionName, SubscriptionRef, TopicName,
    TopicRef,
};
use model::number::{Partition, Sequence};
use model::page::PageRequest;

use crate::args::client::PageArguments;

/// A queue of a namespace.
pub(crate) fn queue(namespace: &str, name: &str) -> Result<QueueRef, Refusal> {
    Ok(QueueRef { namespace: NamespaceName::parse(namespace)?, name: QueueName::parse(name)? })
}

/// A topic of a namespace.
pub(crate) fn topic(namespace: &str, name: &str) -> Result<TopicRef, Refusal> {
    Ok(TopicRef { namespace: NamespaceName::parse(namespace)?, name: TopicName::parse(name)? })
}

/// An exchange of a namespace; `amq.default` is the one without a name.
pub(crate) fn exchange(namespace: &str, name: &str) -> Result<ExchangeRef, Refusal> {
    Ok(ExchangeRef { namespace: NamespaceName::parse(namespace)?, name: ExchangeName::parse_word(name)? })
}

/// A subscription of a topic.
pub(crate) fn subscription(namespace: &str, of: &str, name: &str) -> Result<SubscriptionRef, Refusal> {
    Ok(SubscriptionRef { topic: topic(namespace, of)?, name: SubscriptionName::parse(name)? })
}

/// The part of a list that is wanted.
pub(crate) fn page(arguments: &PageArguments) -> Result<PageRequest, Refusal> {
    PageRequest::new(Some(arguments.limit), arguments.cursor.clone())
}

/// A place as `peek` prints it: `0-17`.
pub(crate) fn place(text: &str) -> Result<MessagePlace, Refusal> {
    let parsed = text.split_once('-').and_then(|(partition, sequence)| {
        Some(MessagePlace {
            partition: Partition::new(partition.parse().ok()?),
            sequence: Sequence::new(sequence.parse().ok()?),
        })
    });
    parsed.ok_or_else(|| Refusal::invalid("place", "write it as peek shows it: PARTITION-SEQUENCE, such as 0-17"))
}

/// Several places.
pub(crate) fn places(texts: &[String]) -> Result<Vec<MessagePlace>, Refusal> {
    texts.iter().map(|text| place(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_printed() {
        let expected = MessagePlace { partition: Partition::new(3), sequence: Sequence::new(17) };
        assert_eq!(place("3-17"), Ok(expected));
        for text in ["", "3", "3-", "-17", "3-17-1", "a-1"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}

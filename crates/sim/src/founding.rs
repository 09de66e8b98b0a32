//! What clients use: queues, topics, subscriptions, made at the start of every life where it is missing.
//! Invariant: making what is there with equal settings changes nothing.
//! Called by `life`.

use broker::command::Action;
use model::number::Span;
use model::queue::CreateQueue;
use model::subscription::{CreateSubscription, SubscriptionKind, SubscriptionSettings};
use model::topic::{CreateTopic, StartAt};

use crate::client::{queue_ref, shared_of, stream, topic_ref};
use crate::configuration::{QUEUES, TOPICS};
use crate::world::world;

/// Everything that is missing. The queue of dead letters comes first, as others name it.
#[must_use]
pub(crate) fn actions() -> Vec<Action> {
    world(|world| {
        let mut actions = Vec::new();
        for (at, name) in QUEUES.iter().enumerate().rev() {
            let queue = queue_ref(name);
            if !world.book.queue_ids.contains_key(&queue.name) {
                let settings = world.configuration.queues[at][0].clone();
                actions.push(Action::CreateQueue(CreateQueue { queue, settings }));
            }
        }
        for (at, name) in TOPICS.iter().enumerate() {
            let topic = topic_ref(name);
            let known = world.book.topic_ids.get(&topic.name).and_then(|id| world.book.topics.get(id));
            if known.is_none() {
                let settings = world.configuration.topics[at].clone();
                actions.push(Action::CreateTopic(CreateTopic { topic, settings }));
            }
            let mut wanted = vec![(shared_of(at), world.configuration.shared[at].clone())];
            if at == 0 {
                wanted.push((stream(), SubscriptionKind::Stream { session: Span::new(5000) }));
            }
            for (subscription, kind) in wanted {
                if !known.is_some_and(|topic| topic.subscriptions.contains_key(&subscription.name)) {
                    let settings = SubscriptionSettings { kind, start: StartAt::Earliest };
                    actions.push(Action::CreateSubscription(CreateSubscription { subscription, settings }));
                }
            }
        }
        actions
    })
}

//! Clients of topics: publish, read, commit, seek, subscriptions made and deleted.
//! Invariant: what is read at an offset is judged by what was put there.
//! Called by `Client::perform`.

use broker::command::Action;
use broker::outcome::Outcome;
use bytes::Bytes;
use model::message::NewMessage;
use model::name::{MemberName, SubscriptionName, SubscriptionRef};
use model::number::{Offset, Partition, Span, Timestamp};
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, PartitionOffset, Seek, SubscriptionKind,
    SubscriptionSettings,
};
use model::topic::{AlterTopic, Cleanup, StartAt, TopicPatch};

use super::receive::shared_of;
use super::{Client, any_topic, encode, topic_ref};
use crate::chance::Chance;
use crate::check::{kept, offsets};
use crate::configuration::TOPICS;
use crate::events::Event;
use crate::world::world;

/// The stream subscription of the first topic.
#[must_use]
pub fn stream() -> SubscriptionRef {
    let name = SubscriptionName::parse("stream").expect("the names of the simulator keep the rules");
    SubscriptionRef { topic: topic_ref(TOPICS[0]), name }
}

fn member(chance: &mut Chance) -> MemberName {
    const NAMES: [&str; 3] = ["ann", "bob", "cid"];
    let at = chance.weighted(&[1; NAMES.len()]);
    MemberName::parse(NAMES[at]).expect("the names of the simulator keep the rules")
}

fn start(chance: &mut Chance) -> StartAt {
    match chance.below(4) {
        0 => StartAt::Latest,
        1 => StartAt::Offset(Offset::new(chance.below(60))),
        2 => {
            let now = world(|world| world.book.now.get());
            StartAt::Time(Timestamp::new(now.saturating_sub(chance.below(5000))))
        }
        _ => StartAt::Earliest,
    }
}

impl Client {
    pub(super) async fn publish_topic(&self, chance: &mut Chance) {
        let at = any_topic(chance);
        let is_compacted = world(|world| world.configuration.topics[at].cleanup == Cleanup::Compact);
        let mut records = Vec::new();
        let mut numbers = Vec::new();
        for _ in 0..chance.between(1, 4) {
            let body_bytes = world(|world| world.configuration.body_bytes);
            // A record without a body deletes its key.
            let length = if chance.one_in(5) { 0 } else { chance.between(1, body_bytes) };
            let mut message = NewMessage::new(vec![7; usize::try_from(length).unwrap_or_default()]);
            if is_compacted || chance.one_in(2) {
                message.key = Some(Bytes::from(format!("key {}", chance.below(6))));
            }
            let number = world(|world| world.desk.number());
            let partition = if chance.one_in(8) { Some(Partition::new(0)) } else { None };
            let has_id = chance.one_in(4);
            records.push((partition, encode(number, &mut message, has_id)));
            numbers.push(number);
        }
        let topic = topic_ref(TOPICS[at]);
        let is_sent_twice = chance.one_in(8);
        let again = is_sent_twice.then(|| records.clone());
        let outcome = self.submit(Action::PublishTopic { topic: topic.clone(), records }).await;
        if let Some(Outcome::Placed(_)) = outcome {
            world(|world| {
                for number in numbers {
                    kept::confirmed(number, world.book.sent.contains_key(&number), &mut world.notes);
                }
            });
        }
        if let Some(records) = again {
            self.submit(Action::PublishTopic { topic, records }).await;
        }
    }

    pub(super) async fn read_partition(&self, chance: &mut Chance) {
        let at = any_topic(chance);
        let Some(id) = world(|world| world.book.topic_ids.get(&topic_ref(TOPICS[at]).name).copied()) else { return };
        let partition = Partition::new(u32::try_from(chance.below(3)).unwrap_or_default());
        let from = Offset::new(chance.below(40));
        let read = |machine: &broker::Machine| {
            (machine.read_places(id, partition, from, 5), world(|world| world.is_newest(machine)))
        };
        let Some((places, is_newest)) = self.look(read) else { return };
        world(|world| {
            world.operations += 1;
            if !places.is_empty() {
                world.notes.tally.note(Event::TopicRead);
            }
        });
        for place in places {
            let expected = world(|world| {
                let history = world.book.topics.get(&id)?.partitions.get(&partition)?;
                let number = *world.book.records.get(&place.stored.at)?;
                if is_newest {
                    offsets::read(history, place.offset, number, &mut world.notes);
                }
                Some(number)
            });
            self.fetch_one(place.stored.at, expected, None).await;
        }
    }

    pub(super) async fn commit(&self, chance: &mut Chance) {
        let member = member(chance);
        let subscription = stream();
        if chance.one_in(3) {
            self.submit(Action::Join { subscription: subscription.clone(), member: member.clone() }).await;
        }
        let found = self.look(|machine| {
            let id = world(|world| {
                let topic = world.book.topics.get(world.book.topic_ids.get(&subscription.topic.name)?)?;
                topic.subscriptions.get(&subscription.name).copied()
            })?;
            let topic = machine.topic_of(id)?;
            let ends = (0..3).map(Partition::new).filter_map(|part| Some((part, machine.end_of(topic, part)?)));
            Some((machine.assignment(id, &member), ends.collect::<Vec<_>>()))
        });
        let Some(Some((own, ends))) = found else { return };
        if ends.is_empty() {
            return;
        }
        let (partition, end) = *chance.among(&ends);
        let partition = match own.filter(|own| !own.is_empty() && !chance.one_in(5)) {
            Some(own) => chance.among(&own).partition,
            None => partition,
        };
        let end = ends.iter().find(|(part, _)| *part == partition).map_or(end, |(_, end)| *end);
        let offset = Offset::new(chance.below(end.get() + 1));
        let offsets = vec![PartitionOffset { partition, offset }];
        let member = if chance.one_in(4) { None } else { Some(member) };
        self.submit(Action::Commit(Commit { subscription: subscription.clone(), member: member.clone(), offsets }))
            .await;
        if let Some(member) = member
            && chance.one_in(8)
        {
            self.submit(Action::Leave(LeaveSubscription { subscription, member })).await;
        }
    }

    pub(super) async fn seek(&self, chance: &mut Chance) {
        let subscription = if chance.one_in(2) { stream() } else { shared_of(any_topic(chance)) };
        let partition = if chance.one_in(2) { Some(Partition::new(0)) } else { None };
        self.submit(Action::Seek(Seek { subscription, to: start(chance), partition })).await;
    }

    pub(super) async fn recreate_subscription(&self, chance: &mut Chance) {
        let at = any_topic(chance);
        let is_stream = chance.one_in(3);
        let subscription = if is_stream { stream() } else { shared_of(at) };
        let deleted =
            self.submit(Action::DeleteSubscription(DeleteSubscription { subscription: subscription.clone() })).await;
        if deleted.is_some() {
            world(|world| world.notes.tally.note(Event::SubscriptionRecreated));
        }
        self.pause(chance, 20).await;
        let kind = if is_stream {
            SubscriptionKind::Stream { session: Span::new(5000) }
        } else {
            world(|world| world.configuration.shared[at].clone())
        };
        let settings = SubscriptionSettings { kind, start: start(chance) };
        self.submit(Action::CreateSubscription(CreateSubscription { subscription, settings })).await;
    }

    pub(super) async fn alter_topic(&self, chance: &mut Chance) {
        let at = any_topic(chance);
        let mut patch = TopicPatch::default();
        if chance.one_in(3) {
            patch.partitions = Some(u32::try_from(chance.between(1, 3)).unwrap_or(1));
        }
        if at == 0 {
            let age = Span::new(chance.between(1000, 20_000));
            patch.retention = Some(if chance.one_in(3) { None } else { Some(age) });
        }
        self.submit(Action::AlterTopic(AlterTopic { topic: topic_ref(TOPICS[at]), patch })).await;
    }
}

//! A client does one operation against the shard, as the node would for it.
//! Invariant: what it is told is judged at once; what it is not told stays open.
//! Started by `life`, one task an operation.

mod queues;
mod receive;
mod topics;

pub use queues::GUEST;
pub use receive::shared_of;
pub use topics::stream;

use std::fmt;
use std::time::Duration;

use broker::command::{Action, Command, Principal};
use broker::outcome::Outcome;
use broker::record;
use bytes::Bytes;
use model::access::Scope;
use model::failure::{Failure, Unavailable};
use model::message::{MessageId, NewMessage};
use model::name::{NamespaceName, QueueName, QueueRef, TopicName, TopicRef};
use shard::Shard;

use crate::chance::Chance;
use crate::check::{errors, liveness, replicas, room};
use crate::configuration::{QUEUES, TOPICS};
use crate::disk::CutDisk;
use crate::events::Event;
use crate::limits::{CONTESTED_PATIENCE, NAME_BYTES_MAX, OPERATION_PATIENCE};
use crate::operation::Kind;
use crate::watched::Watched;
use crate::world::world;

/// A client with its connection to a life of the shard.
#[derive(Clone)]
pub struct Client {
    /// The shard.
    pub shard: Shard<Watched>,
    /// Its disk: when the power is cut, nobody hears an answer any more.
    pub disk: CutDisk,
}

/// The name of a queue.
#[must_use]
pub fn queue_ref(name: &str) -> QueueRef {
    let name = QueueName::parse(name).expect("the names of the simulator keep the rules");
    QueueRef { namespace: NamespaceName::default(), name }
}

/// The name of a topic.
#[must_use]
pub fn topic_ref(name: &str) -> TopicRef {
    let name = TopicName::parse(name).expect("the names of the simulator keep the rules");
    TopicRef { namespace: NamespaceName::default(), name }
}

fn any_queue(chance: &mut Chance) -> usize {
    usize::try_from(chance.below(u64::try_from(QUEUES.len()).unwrap_or(1))).unwrap_or_default()
}

fn any_topic(chance: &mut Chance) -> usize {
    usize::try_from(chance.below(u64::try_from(TOPICS.len()).unwrap_or(1))).unwrap_or_default()
}

/// Encodes a message with its number as the id that the broker would give, or as one of the producer.
fn encode(number: u64, message: &mut NewMessage, is_producers_id: bool) -> Bytes {
    let id = MessageId::parse(&format!("m{number}")).expect("a number is an id");
    if is_producers_id {
        message.id = Some(id.clone());
    }
    record::encode(message, &id, "simulator")
}

impl Client {
    /// Does an operation of a kind.
    pub async fn perform(&self, kind: Kind, chance: &mut Chance) {
        match kind {
            Kind::Publish => self.publish(chance).await,
            Kind::PublishAgain => self.publish_again(chance).await,
            Kind::Receive => self.receive_from_queue(chance).await,
            Kind::ReceiveShared => self.receive_shared(chance).await,
            Kind::Ack => self.ack(chance).await,
            Kind::Nack => self.nack(chance).await,
            Kind::Extend => self.extend(chance).await,
            Kind::Release => self.release(chance).await,
            Kind::SettleLate => self.settle_late(chance).await,
            Kind::Peek => self.peek(chance).await,
            Kind::Cancel => self.cancel(chance).await,
            Kind::Purge => self.purge(chance).await,
            Kind::Redrive => self.redrive(chance).await,
            Kind::AlterQueue => self.alter_queue(chance).await,
            Kind::RecreateQueue => self.recreate_queue(chance).await,
            Kind::PublishTopic => self.publish_topic(chance).await,
            Kind::ReadPartition => self.read_partition(chance).await,
            Kind::Commit => self.commit(chance).await,
            Kind::Seek => self.seek(chance).await,
            Kind::RecreateSubscription => self.recreate_subscription(chance).await,
            Kind::AlterTopic => self.alter_topic(chance).await,
            Kind::Grant => self.grant(chance).await,
            Kind::GuestPublish => self.guest_publish(chance).await,
        }
    }

    /// Submits a command of the system; `None` when it was refused or not answered.
    pub async fn submit(&self, action: Action) -> Option<Outcome> {
        self.submit_as(Principal::System, action).await
    }

    async fn submit_as(&self, principal: Principal, action: Action) -> Option<Outcome> {
        let is_freeing = action.is_freeing();
        let is_publish = matches!(action, Action::Publish { .. } | Action::PublishTopic { .. });
        let name = opening(&action);
        let asked = self.disk.questions();
        let answered = self.in_time(&name, self.shard.submit(Command { principal, action })).await?;
        if self.disk.is_cut() {
            return None;
        }
        // Not the room before and after: segments go and come while the operation waits for its turn.
        let segment_bytes = world(|world| world.configuration.segment_bytes);
        if is_publish && answered.is_ok() && self.disk.most_room(asked) < Some(segment_bytes) {
            world(|world| room::reserve_used(&name, &mut world.notes));
        }
        let applied = self.shard.with_replica(|machine| machine.0.applied());
        world(|world| {
            world.operations += 1;
            match answered {
                Ok(answer) => {
                    world.desk.told = world.desk.told.max(Some(applied));
                    world.note_step("answer", u64::from(answer.is_ok()));
                    if world.around.disk_is_small && is_freeing {
                        world.notes.tally.note(Event::DiskFullFreeing);
                    }
                    if is_publish && answer.is_ok() && world.around.was_refused_for_room {
                        world.around.was_refused_for_room = false;
                        world.notes.tally.note(Event::DiskFullOver);
                    }
                    answer.ok()
                }
                Err(failure) => {
                    world.failed(&failure);
                    None
                }
            }
        })
    }

    /// Waits for an answer as long as clients are patient. A leader that is cut off answers never.
    async fn in_time<T>(&self, what: &str, answer: impl Future<Output = T>) -> Option<T> {
        let is_contested = world(|world| world.around.is_contested);
        let patience = if is_contested { CONTESTED_PATIENCE } else { OPERATION_PATIENCE };
        let answered = tokio::time::timeout(patience, answer).await;
        if answered.is_err() && is_contested {
            world(|world| world.notes.tally.note(Event::GivenUp));
        } else if answered.is_err() && !self.disk.is_cut() {
            world(|world| liveness::hung(what, OPERATION_PATIENCE, &mut world.notes));
        }
        answered.ok()
    }

    /// Looks at the machine; `None` when it cannot be looked at.
    fn look<R>(&self, look: impl FnOnce(&broker::Machine) -> R) -> Option<R> {
        if self.disk.is_cut() {
            return None;
        }
        // A leader that nobody has answered for a while may have a successor.
        if !self.shard.is_heard() {
            world(|world| world.failed(&Unavailable::NoLeader.into()));
            return None;
        }
        let seen = self.shard.with_machine(|machine| {
            world(|world| replicas::fresh(world.desk.told, machine.0.applied(), &mut world.notes));
            look(&machine.0)
        });
        match seen {
            Ok(seen) => Some(seen),
            Err(failure) => {
                world(|world| world.failed(&failure));
                None
            }
        }
    }

    async fn pause(&self, chance: &mut Chance, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(chance.below(most_ms.max(1)))).await;
    }
}

impl crate::world::World {
    fn failed(&mut self, failure: &Failure) {
        self.note_step("failure", 0);
        errors::failed(failure, self.around, &mut self.notes);
        match failure {
            Failure::Unavailable(Unavailable::DiskNearlyFull) => {
                self.around.was_refused_for_room = true;
                self.notes.tally.note(Event::DiskFull);
            }
            Failure::Unavailable(Unavailable::Unknown) | Failure::Fault(_) => {
                self.notes.tally.note(Event::OutcomeUnknown);
            }
            Failure::Unavailable(_) | Failure::Refused(_) => {}
        }
    }
}

/// The first words of what is asked. No more is written: the text of bodies is long.
fn opening(action: &Action) -> String {
    struct Opening(String);
    impl fmt::Write for Opening {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() < NAME_BYTES_MAX { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut opening = Opening(String::new());
    // An error is the end of what is wanted.
    let _full = fmt::write(&mut opening, format_args!("{action:?}"));
    opening.0
}

/// The user that has rights only by grants.
fn guest(id: model::number::UserId) -> Principal {
    Principal::User { id, scope: Scope::full() }
}

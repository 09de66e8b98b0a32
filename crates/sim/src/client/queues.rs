//! Clients of queues: publish, cancel, purge, redrive, alter, and the guest.
//! Invariant: every message has a number of its own, in the id of its record.
//! Called by `Client::perform`.

use broker::command::{Action, Principal};
use broker::outcome::Outcome;
use bytes::Bytes;
use model::access::{AddGrant, Effect, Grant, NamePattern, RemoveGrant, ResourceKind, ResourcePattern, Right, Rights};
use model::message::{Availability, DeadLetterReason, MessagePlace, NewMessage};
use model::name::{NamespaceName, QueueRef, UserName};
use model::number::{Priority, Sequence, Span};
use model::queue::{
    AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, Overflow, PurgeQueue, QueuePatch, Redrive,
    RedriveFilter,
};

use super::{Client, any_queue, encode, guest, queue_ref};
use crate::chance::Chance;
use crate::check::kept;
use crate::configuration::{QUEUES, dead};
use crate::observer;
use crate::world::world;

/// The name of the guest.
pub const GUEST: &str = "guest";

/// A message for a queue.
fn message(chance: &mut Chance) -> NewMessage {
    let body_bytes = world(|world| world.configuration.body_bytes);
    let length = usize::try_from(chance.below(body_bytes + 1)).unwrap_or_default();
    let mut message = NewMessage::new(vec![u8::try_from(chance.below(256)).unwrap_or_default(); length]);
    if chance.one_in(2) {
        message.key = Some(Bytes::from(format!("key {}", chance.below(5))));
    }
    if chance.one_in(4) {
        message.priority = Priority::new(u8::try_from(chance.below(10)).unwrap_or_default());
    }
    if chance.one_in(5) {
        message.ttl = Some(Span::new(chance.between(1, 4000)));
    }
    message.availability = match chance.below(8) {
        0 => Availability::After(Span::new(chance.below(5000))),
        1 => {
            let now = world(|world| world.book.now);
            Availability::At(now.after(Span::new(chance.below(5000))))
        }
        _ => Availability::Now,
    };
    message
}

impl Client {
    pub(super) async fn publish(&self, chance: &mut Chance) {
        // The queue of dead letters is published to as well, but rarely.
        let at = any_queue(chance);
        let at = if at + 1 == QUEUES.len() { any_queue(chance) } else { at };
        let queue = queue_ref(QUEUES[at]);
        let count = if chance.one_in(6) { chance.between(2, 12) } else { 1 };
        let mut records = Vec::new();
        let mut numbers = Vec::new();
        for _ in 0..count {
            let mut message = message(chance);
            let number = world(|world| world.desk.number());
            let has_id = chance.one_in(3);
            let record = encode(number, &mut message, has_id);
            if has_id {
                world(|world| {
                    world.desk.sent.push_back((queue.clone(), record.clone(), number));
                    if world.desk.sent.len() > 30 {
                        world.desk.sent.pop_front();
                    }
                });
            }
            numbers.push(number);
            records.push(record);
        }
        self.send(Principal::System, queue, records, numbers).await;
    }

    async fn send(&self, by: Principal, queue: QueueRef, records: Vec<Bytes>, numbers: Vec<u64>) {
        world(|world| {
            let life = world.desk.life;
            world.desk.unanswered.extend(numbers.iter().map(|number| (*number, life)));
        });
        let outcome = self.submit_as(by, Action::Publish { queue, records }).await;
        if let Some(Outcome::Placed(_)) = outcome {
            world(|world| {
                for number in &numbers {
                    world.desk.unanswered.remove(number);
                    kept::confirmed(*number, world.book.sent.contains_key(number), &mut world.notes);
                }
            });
        }
    }

    pub(super) async fn publish_again(&self, chance: &mut Chance) {
        let sent = world(|world| {
            let many = u64::try_from(world.desk.sent.len()).unwrap_or_default();
            (many > 0).then(|| world.desk.sent[usize::try_from(chance.below(many)).unwrap_or_default()].clone())
        });
        match sent {
            Some((queue, record, number)) => self.send(Principal::System, queue, vec![record], vec![number]).await,
            None => self.publish(chance).await,
        }
    }

    pub(super) async fn guest_publish(&self, chance: &mut Chance) {
        let Some(id) = world(|world| world.book.guest) else { return };
        let queue = queue_ref(QUEUES[any_queue(chance)]);
        if chance.one_in(3) {
            // Never granted.
            let action = match chance.below(3) {
                0 => Action::PurgeQueue(PurgeQueue { queue }),
                1 => Action::AlterQueue(AlterQueue { queue, patch: QueuePatch::default() }),
                _ => Action::DeleteQueue(DeleteQueue { queue, mode: DeleteMode::Force }),
            };
            self.submit_as(guest(id), action).await;
            return;
        }
        let number = world(|world| world.desk.number());
        let record = encode(number, &mut NewMessage::new("from a guest"), false);
        self.send(guest(id), queue, vec![record], vec![number]).await;
    }

    pub(super) async fn grant(&self, chance: &mut Chance) {
        let resource = ResourcePattern {
            kind: ResourceKind::Queue,
            namespace: NamespaceName::default(),
            name: NamePattern::Literal(QUEUES[any_queue(chance)].to_owned()),
        };
        let user = UserName::parse(GUEST).expect("the name of the guest keeps the rules");
        let effect = if chance.one_in(4) { Effect::Deny } else { Effect::Allow };
        let action = if chance.one_in(3) {
            Action::RemoveGrant(RemoveGrant { user, resource, effect })
        } else {
            let rights = Rights::of(&[Right::Publish, Right::Describe]);
            Action::AddGrant(AddGrant { grant: Grant { user, resource, rights, effect } })
        };
        self.submit(action).await;
    }

    pub(super) async fn cancel(&self, chance: &mut Chance) {
        let seen = world(|world| std::mem::take(&mut world.desk.places));
        let fallback =
            || (queue_ref(QUEUES[0]), MessagePlace { partition: Default::default(), sequence: Sequence::new(0) });
        let (queue, place) = if seen.is_empty() { fallback() } else { chance.among(&seen).clone() };
        self.submit(Action::CancelMessages(CancelMessages { queue, places: vec![place] })).await;
    }

    pub(super) async fn peek(&self, chance: &mut Chance) {
        let queue = queue_ref(QUEUES[any_queue(chance)]);
        let Some(seen) = self.look(|machine| observer::peek(machine, &queue.name)) else { return };
        world(|world| {
            world.operations += 1;
            world.desk.places = seen.keys().map(|place| (queue.clone(), *place)).take(20).collect();
        });
        let Some((_, peeked)) = seen.into_iter().next() else { return };
        let expected = world(|world| world.book.records.get(&peeked.stored.at).copied());
        self.fetch_one(peeked.stored.at, expected, None).await;
    }

    pub(super) async fn purge(&self, chance: &mut Chance) {
        let queue = queue_ref(QUEUES[any_queue(chance)]);
        self.submit(Action::PurgeQueue(PurgeQueue { queue })).await;
    }

    pub(super) async fn redrive(&self, chance: &mut Chance) {
        let reason = if chance.one_in(2) { None } else { Some(*chance.among(&DeadLetterReason::ALL)) };
        let target = world(|world| {
            let at = any_queue(chance);
            // Where the oldest is dropped, what stays depends on the order in which letters come.
            let is_plain = world.configuration.queues[at].iter().all(|one| one.overflow == Overflow::Reject);
            (is_plain && chance.one_in(3) && at + 1 < QUEUES.len()).then(|| queue_ref(QUEUES[at]))
        });
        let filter = RedriveFilter { reason, ..RedriveFilter::default() };
        let queue = queue_ref(QUEUES[QUEUES.len() - 1]);
        self.submit(Action::Redrive(Redrive { queue, filter, target, rate: None })).await;
    }

    pub(super) async fn alter_queue(&self, chance: &mut Chance) {
        let at = any_queue(chance);
        let settings = world(|world| chance.among(&world.configuration.queues[at]).clone());
        let mut patch = QueuePatch { lease: Some(settings.lease), ..QueuePatch::default() };
        if chance.one_in(2) {
            patch.delivery_limit = Some(u32::try_from(chance.between(1, 5)).unwrap_or(1));
        }
        if chance.one_in(2) {
            patch.message_ttl = Some(settings.message_ttl);
        }
        let is_plain = world(|world| world.configuration.queues[at].iter().all(|one| one.overflow == Overflow::Reject));
        if is_plain && at + 1 < QUEUES.len() && chance.one_in(2) {
            patch.dead_letter = Some(if chance.one_in(2) { dead() } else { None });
        }
        self.submit(Action::AlterQueue(AlterQueue { queue: queue_ref(QUEUES[at]), patch })).await;
    }

    pub(super) async fn recreate_queue(&self, chance: &mut Chance) {
        let at = any_queue(chance);
        let queue = queue_ref(QUEUES[at]);
        let mode = if chance.one_in(2) { DeleteMode::IfEmpty } else { DeleteMode::Force };
        self.submit(Action::DeleteQueue(DeleteQueue { queue: queue.clone(), mode })).await;
        self.pause(chance, 20).await;
        let settings = world(|world| chance.among(&world.configuration.queues[at]).clone());
        self.submit(Action::CreateQueue(CreateQueue { queue, settings })).await;
    }
}

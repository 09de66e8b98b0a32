//! Queues: created, altered, deleted, published to.

use bytes::Bytes;
use model::access::ResourceKind;
use model::header::{HeaderValue, Headers};
use model::limits::QUEUES_PER_NAMESPACE_MAX;
use model::name::{ExchangeName, QueueName, QueueRef};
use model::number::{Priority, QueueId};
use model::operation::{OperationKind, Response};
use model::queue::{
    AlterQueue, CancelMessages, Cancelled, CreateQueue, Created, DeleteMode, DeleteQueue, DeliveryOrder, Life,
    Overflow, PurgeQueue, QueueSettings, Removed, Totals, TransferQueue,
};
use model::refusal::Refusal;

use super::Machine;
use super::entry::{Attendance, QueueEntry};
use super::find::user_id;
use super::time::Timed;
use crate::command::Principal;
use crate::effect::Effect;
use crate::outcome::Outcome;
use crate::place::{MessageRef, SourceId, Stored};
use crate::queue::{Arrival, Queue, Rules};
use crate::record::Head;
use crate::route::Target;

impl Machine {
    pub(super) fn create_queue(&mut self, by: &Principal, request: &CreateQueue) -> Result<Outcome, Refusal> {
        let CreateQueue { queue, settings } = request;
        if let Some(id) = self.queue_id(queue) {
            self.queue_for(by, OperationKind::DescribeQueue, queue)?;
            let same = self.same_queue(id, settings)?;
            self.touch_queue(id);
            return Ok(same);
        }
        self.demand_create(by, ResourceKind::Queue, &queue.namespace, queue.name.as_str())?;
        settings.check()?;
        self.check_dead_letter(by, queue, settings.dead_letter.as_ref())?;
        let held = self.namespace(&queue.namespace)?.queues.len();
        if u64::try_from(held).is_ok_and(|held| held >= QUEUES_PER_NAMESPACE_MAX) {
            return Err(Refusal::LimitReached { what: "queues in a namespace", limit: QUEUES_PER_NAMESPACE_MAX });
        }
        let id = QueueId::new(self.new_id());
        self.insert_queue(id, queue.clone(), by, settings.clone());
        self.rule(id);
        self.reschedule_queue(id);
        let description = self.describe_queue_id(id);
        Ok(Outcome::response(Response::CreateQueue(Created { created: true, description })))
    }

    fn insert_queue(&mut self, id: QueueId, queue: QueueRef, by: &Principal, settings: QueueSettings) {
        self.note_dead_letter_user(SourceId::Queue(id), &queue.namespace, None, settings.dead_letter.as_ref());
        let entry = QueueEntry {
            queue: queue.clone(),
            owner: user_id(by),
            created_at: self.now,
            core: Queue::new(Rules::from(&settings)),
            settings,
            ruled: None,
            redrive: None,
            attendance: Attendance::Unused(self.now),
            deadline: None,
            totals: Totals::default(),
        };
        self.queues.insert(id, entry);
        let namespace = self.namespaces.get_mut(&queue.namespace).expect("the namespace was looked up before");
        namespace.queues.insert(queue.name, id);
    }

    fn same_queue(&self, id: QueueId, settings: &QueueSettings) -> Result<Outcome, Refusal> {
        let entry = &self.queues[&id];
        if let Some(difference) = difference(entry.own(), settings) {
            return Err(Refusal::QueueExists { name: entry.queue.to_string(), difference });
        }
        let description = self.describe_queue_id(id);
        Ok(Outcome::response(Response::CreateQueue(Created { created: false, description })))
    }

    /// A dead-letter queue exists, is another queue, and may be published to by whoever names it.
    fn check_dead_letter(&self, by: &Principal, queue: &QueueRef, target: Option<&QueueName>) -> Result<(), Refusal> {
        let Some(target) = target else { return Ok(()) };
        if *target == queue.name {
            return Err(Refusal::invalid("dead_letter", "a queue cannot be its own dead-letter queue"));
        }
        self.demand_publish(by, &QueueRef { namespace: queue.namespace.clone(), name: target.clone() })
    }

    pub(super) fn alter_queue(
        &mut self,
        by: &Principal,
        request: &AlterQueue,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::AlterQueue, &request.queue)?;
        let old = self.queues[&id].own().clone();
        let settings = request.patch.clone().applied_to(old.clone());
        settings.check()?;
        if settings.dead_letter != old.dead_letter {
            self.check_dead_letter(by, &request.queue, settings.dead_letter.as_ref())?;
            let (namespace, source) = (&request.queue.namespace, SourceId::Queue(id));
            self.note_dead_letter_user(source, namespace, old.dead_letter.as_ref(), settings.dead_letter.as_ref());
        }
        let entry = self.queues.get_mut(&id).expect("the queue was found above");
        let before = entry.ends();
        entry.core.set_rules(Rules::from(&settings));
        (entry.settings, entry.ruled) = (settings, None);
        self.rule(id);
        self.attend(id, before, effects);
        self.reschedule_queue(id);
        effects.push(Effect::Wake(SourceId::Queue(id)));
        Ok(Outcome::response(Response::AlterQueue(self.describe_queue_id(id))))
    }

    pub(super) fn delete_queue(
        &mut self,
        by: &Principal,
        request: &DeleteQueue,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::DeleteQueue, &request.queue)?;
        let QueueRef { namespace, name } = &request.queue;
        let users = self.dead_letter_users.get(&(namespace.clone(), name.clone()));
        if let Some(user) = users.and_then(|users| users.first()) {
            return Err(Refusal::QueueInUse { name: request.queue.to_string(), user: self.source_text(*user) });
        }
        let counts = self.queues[&id].core.counts();
        let messages = counts.ready + counts.delayed + counts.leased;
        if request.mode == DeleteMode::IfEmpty && messages > 0 {
            return Err(Refusal::QueueNotEmpty { name: request.queue.to_string(), messages });
        }
        self.remove_queue(id, effects);
        Ok(Outcome::response(Response::DeleteQueue(Removed { messages })))
    }

    /// Takes a queue away with its messages and the bindings that lead to it.
    pub(super) fn remove_queue(&mut self, id: QueueId, effects: &mut Vec<Effect>) {
        let mut entry = self.queues.remove(&id).expect("a queue that goes exists");
        entry.core.clear(&mut self.ledger);
        self.unschedule(Timed::Queue(id), entry.deadline);
        let QueueRef { namespace, name } = &entry.queue;
        self.note_dead_letter_user(SourceId::Queue(id), namespace, entry.settings.dead_letter.as_ref(), None);
        let names = self.namespaces.get_mut(namespace).expect("the namespace of a queue exists");
        names.queues.remove(name);
        names.exchanges.remove_target(&Target::Queue(id));
        effects.push(Effect::Gone(SourceId::Queue(id)));
    }

    /// What does not outlive a restart goes when a leadership begins.
    pub(super) fn end_transient(&mut self, effects: &mut Vec<Effect>) {
        let passing = self.queues.iter().filter(|(_, entry)| entry.settings.life != Life::Permanent);
        let passing: Vec<_> = passing.map(|(id, _)| *id).collect();
        passing.into_iter().for_each(|id| self.remove_queue(id, effects));
        self.namespaces.values_mut().for_each(|namespace| namespace.exchanges.end_transient());
    }

    pub(super) fn purge_queue(&mut self, by: &Principal, request: &PurgeQueue) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::PurgeQueue, &request.queue)?;
        let entry = self.queues.get_mut(&id).expect("the queue was found above");
        let messages = entry.core.purge(&mut self.ledger);
        self.reschedule_queue(id);
        Ok(Outcome::response(Response::PurgeQueue(Removed { messages })))
    }

    pub(super) fn transfer_queue(&mut self, by: &Principal, request: &TransferQueue) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::TransferQueue, &request.queue)?;
        let owner = self.new_owner(&request.owner)?;
        self.queues.get_mut(&id).expect("the queue was found above").owner = Some(owner);
        Ok(Outcome::response(Response::TransferQueue(self.describe_queue_id(id))))
    }

    pub(super) fn publish(
        &mut self,
        by: &Principal,
        queue: &QueueRef,
        records: &[Bytes],
        first: MessageRef,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::Publish, queue)?;
        let arrivals = self.arrivals(records, first)?;
        let mut departed = Vec::new();
        let entry = self.queues.get_mut(&id).expect("the queue was found above");
        let placed = entry
            .core
            .publish(self.now, &arrivals, &mut self.ledger, &mut departed)
            .map_err(|full| Refusal::QueueFull { name: queue.to_string(), bound: full.bound })?;
        let added = placed.iter().filter(|placed| !placed.duplicate).count();
        entry.totals.published += u64::try_from(added).unwrap_or(u64::MAX);
        self.bury(SourceId::Queue(id), departed, effects);
        self.reschedule_queue(id);
        effects.push(Effect::Wake(SourceId::Queue(id)));
        Ok(Outcome::Placed(placed))
    }

    /// Messages that a publish brings, by the heads of their records.
    fn arrivals(&self, records: &[Bytes], first: MessageRef) -> Result<Vec<Arrival>, Refusal> {
        let numbered = (first.position..).zip(records);
        let arrival = |(position, record)| {
            let head = read_head(record)?;
            let at = MessageRef { index: first.index, position };
            Ok(Arrival::new(Stored { at, bytes: head.bytes }, head, self.now))
        };
        numbered.map(arrival).collect()
    }

    pub(super) fn cancel_messages(
        &mut self,
        by: &Principal,
        request: &CancelMessages,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.queue_for(by, OperationKind::CancelMessages, &request.queue)?;
        let entry = self.queues.get_mut(&id).expect("the queue was found above");
        let cancelled = entry.core.cancel(&request.places, &mut self.ledger);
        self.reschedule_queue(id);
        // With order by key the next message of a cancelled one's key is ready now.
        effects.push(Effect::Wake(SourceId::Queue(id)));
        Ok(Outcome::response(Response::CancelMessages(Cancelled { cancelled })))
    }
}

/// Reads the head of a record that the node encoded.
pub(super) fn read_head(record: &Bytes) -> Result<Head, Refusal> {
    Head::read(record).map_err(|error| Refusal::invalid("messages", format!("a message is not readable: {error}")))
}

/// The first setting that differs, in words.
fn difference(old: &QueueSettings, new: &QueueSettings) -> Option<String> {
    let rows = [
        ("max_messages", or_none(old.max_messages), or_none(new.max_messages)),
        ("max_bytes", or_none(old.max_bytes), or_none(new.max_bytes)),
        ("overflow", overflow(old).to_owned(), overflow(new).to_owned()),
        ("message_ttl_ms", or_none(old.message_ttl), or_none(new.message_ttl)),
        ("lease_ms", old.lease.to_string(), new.lease.to_string()),
        ("delivery_limit", old.delivery_limit.to_string(), new.delivery_limit.to_string()),
        ("dead_letter", or_none(old.dead_letter.as_ref()), or_none(new.dead_letter.as_ref())),
        ("deduplication_ms", old.deduplication.to_string(), new.deduplication.to_string()),
        ("order", order(old).to_owned(), order(new).to_owned()),
        ("partitions", old.partitions.to_string(), new.partitions.to_string()),
        ("dead_letter_exchange", exchange(old), exchange(new)),
        ("dead_letter_key", or_none(old.dead_letter_key.as_ref()), or_none(new.dead_letter_key.as_ref())),
        ("priority_max", priority_max(old), priority_max(new)),
        ("expires_ms", or_none(old.expires), or_none(new.expires)),
        ("life", life(old), life(new)),
        ("auto_delete", old.auto_delete.to_string(), new.auto_delete.to_string()),
        ("single_active_consumer", old.single_active_consumer.to_string(), new.single_active_consumer.to_string()),
        ("consumer_timeout_ms", or_none(old.consumer_timeout), or_none(new.consumer_timeout)),
        ("arguments", arguments(&old.arguments), arguments(&new.arguments)),
    ];
    first_difference(rows)
}

fn exchange(settings: &QueueSettings) -> String {
    or_none(settings.dead_letter_exchange.as_ref().map(ExchangeName::word))
}

fn priority_max(settings: &QueueSettings) -> String {
    or_none(settings.priority_max.map(Priority::get))
}

fn life(settings: &QueueSettings) -> String {
    match &settings.life {
        Life::Permanent => "permanent".to_owned(),
        Life::Transient => "transient".to_owned(),
        Life::Exclusive { holder } => format!("exclusive to {holder}"),
    }
}

/// Arguments in words; their order says nothing, nor does the width of a number, which clients choose as they like.
pub(super) fn arguments(arguments: &Headers) -> String {
    let word = |(name, value): &(String, HeaderValue)| match value.as_integer() {
        Some(number) => format!("{name} = {number}"),
        None => format!("{name} = {value:?}"),
    };
    let mut words: Vec<_> = arguments.iter().map(word).collect();
    words.sort_unstable();
    format!("[{}]", words.join(", "))
}

const fn overflow(settings: &QueueSettings) -> &'static str {
    match settings.overflow {
        Overflow::Reject => "reject",
        Overflow::DropOldest => "drop_oldest",
        Overflow::RejectToDeadLetter => "reject_to_dead_letter",
    }
}

const fn order(settings: &QueueSettings) -> &'static str {
    match settings.order {
        DeliveryOrder::Fifo => "fifo",
        DeliveryOrder::PerKey => "per_key",
    }
}

/// A setting that may be absent, in words.
pub(super) fn or_none(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// The first row whose values differ, in words.
pub(super) fn first_difference<const N: usize>(rows: [(&str, String, String); N]) -> Option<String> {
    let (name, old, new) = rows.into_iter().find(|(_, old, new)| old != new)?;
    Some(format!("{name} is {old}, not {new}"))
}

//! Messages: published, delivered, looked at.
//! Invariant: bytes come back as they were: UTF-8 as text, anything else as base64; header types are kept.
//! Used by `rest::messages`, `rest::topics` and `streams`; tests in `translate/tests.rs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use model::limits::PUBLISH_MESSAGES_MAX;
use model::message::{Availability, DeadLetter, Delivery, Message, MessageId, MessagePlace, NewMessage, Peeked};
use model::name::{NamespaceName, QueueName, QueueRef};
use model::number::{Partition, Priority, Sequence, Span, Timestamp, UserId};
use model::queue::{
    Cancelled, PeekedMessages, Published, PublishedMessage, Received, Redrive, RedriveFilter, Redriven,
};
use model::refusal::Refusal;
use model::topic::TopicMessage;

use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::wire;

/// Bytes that are text, or else their base64.
pub(crate) fn text_or_base64(bytes: &Bytes) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(base64_of(bytes))),
    }
}

pub(crate) fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(field: &'static str, text: &str) -> Result<Bytes, Refusal> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| Refusal::invalid(field, "it must be base64 with padding"))
}

fn bytes_of(field: &'static str, text: Option<String>, base64: Option<String>) -> Result<Option<Bytes>, Refusal> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(Refusal::invalid(field, "give it as text or as base64, not both")),
        (Some(text), None) => Ok(Some(Bytes::from(text))),
        (None, Some(base64)) => from_base64(field, &base64).map(Some),
        (None, None) => Ok(None),
    }
}

/// A message as the model has it, with the partition that only topics take.
pub(crate) fn new_message(
    message: wire::NewMessage,
    raw: Option<Bytes>,
) -> Result<(NewMessage, Option<Partition>), Refusal> {
    let body = match raw {
        Some(raw) => raw,
        None => bytes_of("body", message.body, message.body_base64)?.unwrap_or_default(),
    };
    let availability = match (message.delay_ms, message.deliver_at) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("deliver_at", "give delay_ms or deliver_at, not both")),
        (Some(delay), None) => Availability::After(Span::new(delay)),
        (None, Some(at)) => Availability::At(Timestamp::new(at)),
        (None, None) => Availability::Now,
    };
    let priority = Priority::new(message.priority.unwrap_or_default());
    if message.ttl_ms == Some(0) {
        return Err(Refusal::invalid("ttl_ms", "a lifetime is at least 1 ms; leave it out for none"));
    }
    let translated = NewMessage {
        body,
        headers: message.headers.try_into()?,
        content_type: message.content_type,
        key: bytes_of("key", message.key, message.key_base64)?,
        priority,
        ttl: message.ttl_ms.map(Span::new),
        availability,
        id: message.id.as_deref().map(MessageId::parse).transpose()?,
        properties: message.properties.map(|properties| Box::new((*properties).into())),
    };
    translated.check()?;
    Ok((translated, message.partition.map(Partition::new)))
}

pub(super) fn check_count(count: usize) -> Result<(), Refusal> {
    if count == 0 || count > PUBLISH_MESSAGES_MAX {
        return Err(Refusal::BatchSize { count, limit: PUBLISH_MESSAGES_MAX });
    }
    Ok(())
}

/// Messages for a topic; the number of them is checked.
pub(crate) fn topic_messages(
    messages: impl ExactSizeIterator<Item = (wire::NewMessage, Option<Bytes>)>,
) -> Result<Vec<TopicMessage>, Refusal> {
    check_count(messages.len())?;
    messages
        .map(|(message, raw)| new_message(message, raw).map(|(message, partition)| TopicMessage { message, partition }))
        .collect()
}

/// Messages for a queue; a partition is refused, since queues place messages themselves.
pub(crate) fn queue_messages(
    messages: impl ExactSizeIterator<Item = (wire::NewMessage, Option<Bytes>)>,
) -> Result<Vec<NewMessage>, Refusal> {
    check_count(messages.len())?;
    messages
        .map(|(message, raw)| match new_message(message, raw)? {
            (message, None) => Ok(message),
            (_, Some(_)) => Err(Refusal::invalid("partition", "a queue places messages itself; use key")),
        })
        .collect()
}

/// The `Idempotency-Key` header; the quotes that its draft standard puts around it are taken off.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(value) = all.next() else { return Ok(None) };
    let refuse = || Refusal::invalid("Idempotency-Key", "it must be one text of 1 to 96 printable ASCII characters");
    let text = value.to_str().map_err(|_| refuse())?;
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if all.next().is_some() || text.is_empty() || text.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(refuse());
    }
    Ok(Some(text.to_owned()))
}

/// Gives each message that names no id one that follows from user, key and place in the request, so that a repeat
/// of the request within the deduplication window adds nothing. The user's id keeps users out of each other's keys.
pub(crate) fn derive_ids<'a>(
    user: UserId,
    key: &str,
    messages: impl Iterator<Item = &'a mut NewMessage>,
) -> Result<(), Refusal> {
    for (at, message) in messages.enumerate() {
        if message.id.is_none() {
            message.id = Some(MessageId::parse(&format!("{user}:{key}:{at}"))?);
        }
    }
    Ok(())
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        let (body, body_base64) = text_or_base64(&message.body);
        let (key, key_base64) = message.key.as_ref().map(text_or_base64).unwrap_or_default();
        Self {
            id: message.id.as_str().to_owned(),
            body,
            body_base64,
            headers: message.headers.into(),
            content_type: message.content_type,
            key,
            key_base64,
            priority: message.priority.get(),
            published_at: message.published_at.get(),
            expires_at: message.expires_at.map(Timestamp::get),
            sender: message.sender.as_ref().to_owned(),
            ttl_ms: message.ttl.map(Span::get),
            properties: message.properties.map(|properties| Box::new((*properties).into())),
            routed: message.routed.map(|way| (*way).into()),
        }
    }
}

impl From<DeadLetter> for wire::DeadLetter {
    fn from(letter: DeadLetter) -> Self {
        Self {
            reason: letter.reason.into(),
            origin: letter.origin,
            attempts: letter.attempts.get(),
            count: letter.count,
            at: letter.at.get(),
            deaths: letter.deaths.into_iter().map(wire::Death::from).collect(),
            routed: letter.routed.map(wire::Routed::from),
        }
    }
}

impl From<Delivery> for wire::Delivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            message: delivery.message.into(),
            receipt: delivery.receipt.map(|receipt| receipt.to_string()),
            attempt: delivery.attempt.get(),
            partition: delivery.partition.get(),
            offset: delivery.offset.map(model::number::Offset::get),
            leased_until: delivery.leased_until.map(Timestamp::get),
            dead_letter: delivery.dead_letter.map(|letter| (*letter).into()),
        }
    }
}

impl From<Received> for wire::Received {
    fn from(received: Received) -> Self {
        Self { messages: received.deliveries.into_iter().map(wire::Delivery::from).collect() }
    }
}

impl From<Peeked> for wire::Peeked {
    fn from(peeked: Peeked) -> Self {
        Self {
            message: peeked.message.into(),
            partition: peeked.partition.get(),
            sequence: peeked.sequence.get(),
            state: peeked.state.into(),
            attempts: peeked.attempts.get(),
            due_at: peeked.due_at.map(Timestamp::get),
            dead_letter: peeked.dead_letter.map(wire::DeadLetter::from),
        }
    }
}

impl From<PeekedMessages> for wire::PeekedMessages {
    fn from(peeked: PeekedMessages) -> Self {
        Self {
            messages: peeked.messages.into_iter().map(wire::Peeked::from).collect(),
            next: peeked.next.map(cursor_of),
        }
    }
}

/// A place as the cursor of a peek: `PARTITION-SEQUENCE`.
pub(crate) fn cursor_of(place: MessagePlace) -> String {
    format!("{}-{}", place.partition, place.sequence)
}

/// The place that a cursor names.
pub(crate) fn place_of(cursor: &str) -> Result<MessagePlace, Refusal> {
    let refuse = || Refusal::invalid("cursor", "it must be the next of the page before");
    let (partition, sequence) = cursor.split_once('-').ok_or_else(refuse)?;
    Ok(MessagePlace {
        partition: Partition::new(partition.parse().map_err(|_| refuse())?),
        sequence: Sequence::new(sequence.parse().map_err(|_| refuse())?),
    })
}

impl From<wire::MessagePlace> for MessagePlace {
    fn from(place: wire::MessagePlace) -> Self {
        Self { partition: Partition::new(place.partition), sequence: Sequence::new(place.sequence) }
    }
}

impl From<PublishedMessage> for wire::PublishedMessage {
    fn from(message: PublishedMessage) -> Self {
        Self {
            id: message.id.as_str().to_owned(),
            partition: message.partition.get(),
            sequence: message.sequence.get(),
            duplicate: message.duplicate,
        }
    }
}

impl From<Published> for wire::Published {
    fn from(published: Published) -> Self {
        Self {
            messages: published.messages.into_iter().map(wire::PublishedMessage::from).collect(),
            durability: published.durability.into(),
            position: published.position.get(),
        }
    }
}

impl From<Cancelled> for wire::Cancelled {
    fn from(cancelled: Cancelled) -> Self {
        Self { cancelled: cancelled.cancelled }
    }
}

impl From<Redriven> for wire::Redriven {
    fn from(redriven: Redriven) -> Self {
        Self { moved: redriven.moved, running: redriven.running }
    }
}

/// A redrive of the queue of the path.
pub(crate) fn redrive(queue: QueueRef, request: wire::RedriveRequest) -> Result<Redrive, Refusal> {
    let namespace: NamespaceName = queue.namespace.clone();
    let target = request.target.map(|name| QueueName::parse(&name.0)).transpose()?;
    let redrive = Redrive {
        queue,
        filter: RedriveFilter {
            reason: request.reason.map(Into::into),
            origin: request.origin,
            places: request.places.into_iter().map(MessagePlace::from).collect(),
            max: request.max,
        },
        target: target.map(|name| QueueRef { namespace, name }),
        rate: request.rate,
    };
    redrive.check()?;
    Ok(redrive)
}

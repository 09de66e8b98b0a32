//! Messages in and out: the fourteen properties and the headers.
//! Invariant: what the broker acts on (lifetime, priority, deduplication) comes from the property that AMQP gives that
//! meaning, and the property goes out as it came in.

use bytes::Bytes;
use model::header::Headers;
use model::message::{Delivery, Message, MessageId, NewMessage, Persistence, Properties};
use model::number::{Priority, Span};

use super::{death, table};
use crate::codec::{self, ShortText, Table, Value};
use crate::session::{Delivered, Feed, Publication};

/// The header that deduplicates, on queues that do.
const DEDUPLICATION_HEADER: &str = "x-deduplication-header";

/// The header that is a message's key: what has one stays in one partition, and in order where a queue keeps keys so.
const KEY_HEADER: &str = "x-message-key";

const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

fn text(text: Option<ShortText>) -> Option<String> {
    text.map(ShortText::into_string)
}

fn short(text: Option<String>) -> Option<ShortText> {
    text.map(ShortText::cut)
}

/// A message on its way in.
pub(crate) fn new_message(properties: codec::Properties, body: Bytes) -> NewMessage {
    let mut table = properties.headers.unwrap_or_default();
    let key = take_key(&mut table);
    let headers = table::headers(table);
    let id = model::header::header(&headers, DEDUPLICATION_HEADER)
        .and_then(|value| value.as_text())
        .and_then(|id| MessageId::parse(id).ok());
    let kept = Properties {
        content_encoding: text(properties.content_encoding),
        correlation_id: text(properties.correlation_id),
        reply_to: text(properties.reply_to),
        message_id: text(properties.message_id),
        made_at: properties.timestamp.map(table::moment),
        kind: text(properties.kind),
        user_id: text(properties.user_id),
        application: text(properties.app_id),
        cluster_id: text(properties.cluster_id),
        persistence: match properties.delivery_mode {
            Some(TRANSIENT) => Some(Persistence::Transient),
            Some(PERSISTENT) => Some(Persistence::Persistent),
            Some(_) | None => None,
        },
    };
    // The session has checked that it is a number.
    let ttl = properties.expiration.and_then(|expiration| expiration.as_str().parse().ok()).map(Span::new);
    NewMessage {
        body,
        headers,
        content_type: text(properties.content_type),
        key,
        priority: properties.priority.map(Priority::new).unwrap_or_default(),
        ttl,
        id,
        properties: (!kept.is_empty()).then(|| Box::new(kept)),
        ..NewMessage::default()
    }
}

/// Takes the key out of the headers; one that is neither text nor bytes stays a header.
fn take_key(headers: &mut Table) -> Option<Bytes> {
    let place = headers.0.iter().position(|(name, value)| name.as_str() == KEY_HEADER && value.as_bytes().is_some())?;
    let (_, value) = headers.0.remove(place);
    value.as_bytes().cloned()
}

fn shown_key(key: &Bytes) -> Value {
    if std::str::from_utf8(key).is_ok() { Value::Text(key.clone()) } else { Value::Binary(key.clone()) }
}

/// A message on its way out.
pub(crate) fn delivered(delivery: Delivery, feed: &Feed) -> Delivered {
    let Delivery { message, receipt, attempt, dead_letter, partition, offset, .. } = delivery;
    let way = dead_letter.as_ref().and_then(|dead| dead.routed.as_ref()).or(message.routed.as_deref());
    let (exchange, routing_key) = match way {
        Some(way) => (ShortText::cut(way.exchange.as_str()), ShortText::cut(way.routing_key.as_str())),
        // It went straight to the queue: as if by the default exchange.
        None => (ShortText::default(), ShortText::cut(feed.name())),
    };
    let mut extra = Table::default();
    if let Some(key) = &message.key {
        extra.put(KEY_HEADER, shown_key(key));
    }
    if let Some(offset) = offset {
        extra.put("x-stream-offset", Value::I64(i64::try_from(offset.get()).unwrap_or(i64::MAX)));
    }
    if matches!(feed, Feed::SuperStream(_)) {
        extra.put("x-partition", Value::I64(i64::from(partition.get())));
    }
    if let Some(dead) = &dead_letter {
        death::put_headers(&mut extra, dead);
    }
    if attempt.get() > 1 {
        extra.put("x-delivery-count", Value::I64(i64::from(attempt.get() - 1)));
    }
    let body = message.body.clone();
    let mut properties = properties(message, extra);
    if dead_letter.is_some() {
        // It does not expire again; when it was to, stands in `x-death`.
        properties.expiration = None;
    }
    Delivered { receipt, redelivered: attempt.get() > 1, exchange, routing_key, properties, body }
}

fn properties(message: Message, extra: Table) -> codec::Properties {
    let kept = message.properties.map(|properties| *properties).unwrap_or_default();
    let came_by_exchange = message.routed.is_some();
    // AMQP promises that this user is proven: another one that a producer elsewhere wrote is not shown.
    // The broker's id is shown to those who publish elsewhere and know it from there.
    let sender = || (!came_by_exchange).then(|| message.sender.to_string());
    let id = || (!came_by_exchange).then(|| message.id.as_str().to_owned());
    codec::Properties {
        content_type: short(message.content_type),
        content_encoding: short(kept.content_encoding),
        headers: merged(&message.headers, extra),
        delivery_mode: kept.persistence.map(|persistence| match persistence {
            Persistence::Transient => TRANSIENT,
            Persistence::Persistent => PERSISTENT,
        }),
        priority: (message.priority.get() > 0).then_some(message.priority.get()),
        correlation_id: short(kept.correlation_id),
        reply_to: short(kept.reply_to),
        expiration: message.ttl.map(|ttl| ShortText::cut(ttl.get().to_string())),
        message_id: short(kept.message_id.or_else(id)),
        timestamp: kept.made_at.map(table::seconds),
        kind: short(kept.kind),
        user_id: short(kept.user_id.filter(|user| **user == *message.sender).or_else(sender)),
        app_id: short(kept.application),
        cluster_id: short(kept.cluster_id),
    }
}

/// The producer's headers and the broker's, which win.
fn merged(headers: &Headers, extra: Table) -> Option<Table> {
    if headers.is_empty() && extra.is_empty() {
        return None;
    }
    let kept = headers.iter().filter(|(name, _)| extra.get(name).is_none()).cloned().collect();
    let mut whole = table::table(kept);
    whole.0.extend(extra.0);
    Some(whole)
}

/// A direct reply, which does not touch the broker.
pub(crate) fn direct_reply(publication: Publication) -> (String, Delivered) {
    let address = publication.routing_key.as_str().to_owned();
    let message = Delivered {
        receipt: None,
        redelivered: false,
        exchange: publication.exchange,
        routing_key: publication.routing_key,
        properties: publication.properties,
        body: publication.body,
    };
    (address, message)
}

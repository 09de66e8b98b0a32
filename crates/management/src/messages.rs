//! Messages: published to an exchange, got from a queue, and a queue tried out.
//! Invariant: what is got is settled before it is answered, or given back.
//! Routed by `door`; tests below.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::binding::{Fate, PublishExchange, RoutedMessage, RoutingKey, Unroutable};
use model::limits::RECEIVE_MESSAGES_MAX;
use model::message::{Delivery, NewMessage, Persistence, Properties};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, Source};
use model::number::{Priority, Span, Timestamp};
use model::queue::{Ack, CreateQueue, DescribeQueue, Nack, NackAction, QueueSettings, Receive};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::limits::{GOT_LEASE_MS, PUBLISH_BODY_BYTES_MAX};
use crate::{arguments, host};

/// The queue by which a virtual host is tried out.
const ALIVENESS: &str = "aliveness-test";

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/exchanges/{vhost}/{name}/publish", post(publish))
        .route("/queues/{vhost}/{name}/get", post(take))
        .route("/aliveness-test/{vhost}", get(alive))
}

async fn publish(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let exchange = host::exchange(&vhost, &name)?;
    let message = NewMessage { body: payload(&fields)?, ..message(&fields.object("properties")?)? };
    let routing_key = RoutingKey::parse(fields.text("routing_key")?.unwrap_or_default())?;
    let message = RoutedMessage { message, routing_key, unroutable: Unroutable::Return, ..RoutedMessage::default() };
    message.check()?;
    let placed = door.call(&caller, PublishExchange { exchange, messages: vec![message] }).await?;
    let routed = placed.messages.first().is_some_and(|place| place.fate != Fate::Returned);
    if placed.messages.first().is_some_and(|place| place.fate == Fate::Refused) {
        return Err(Trouble::bad("a queue that the message was routed to is full and refused it"));
    }
    Ok(document(&json!({"routed": routed})))
}

fn payload(fields: &Map<String, Value>) -> Result<Bytes, Trouble> {
    let payload = fields.text("payload")?.unwrap_or_default();
    if payload.len() > PUBLISH_BODY_BYTES_MAX {
        return Err(Trouble::bad(format!("payload is at most {PUBLISH_BODY_BYTES_MAX} bytes, encoded")));
    }
    match fields.text("payload_encoding")?.unwrap_or("string") {
        "string" => Ok(Bytes::copy_from_slice(payload.as_bytes())),
        "base64" => STANDARD.decode(payload).map(Bytes::from).map_err(|_| Trouble::bad("payload is not base64")),
        other => Err(Trouble::bad(format!("payload_encoding is string or base64, not {other}"))),
    }
}

/// A message with these properties.
fn message(fields: &Map<String, Value>) -> Result<NewMessage, Trouble> {
    let text = |name: &str| -> Result<Option<String>, Trouble> { Ok(fields.text(name)?.map(str::to_owned)) };
    let persistence = match fields.number("delivery_mode")? {
        Some(1) => Some(Persistence::Transient),
        Some(2) => Some(Persistence::Persistent),
        Some(_) | None => None,
    };
    let properties = Properties {
        content_encoding: text("content_encoding")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        message_id: text("message_id")?,
        made_at: fields.number("timestamp")?.map(|seconds| Timestamp::new(seconds.saturating_mul(1000))),
        kind: text("type")?,
        user_id: text("user_id")?,
        application: text("app_id")?,
        cluster_id: text("cluster_id")?,
        persistence,
    };
    let priority = fields.number("priority")?.unwrap_or_default();
    Ok(NewMessage {
        headers: arguments::headers(fields.object("headers")?)?,
        content_type: text("content_type")?,
        priority: Priority::new(u8::try_from(priority).map_err(|_| Trouble::bad("priority is at most 255"))?),
        ttl: fields.number("expiration")?.map(Span::new),
        properties: (!properties.is_empty()).then(|| Box::new(properties)),
        ..NewMessage::default()
    })
}

/// What becomes of the messages that are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Acknowledged,
    GivenBack,
    Rejected,
}

fn after(fields: &Map<String, Value>) -> Result<After, Trouble> {
    match fields.text("ackmode")?.unwrap_or("ack_requeue_true") {
        "ack_requeue_true" | "reject_requeue_true" => Ok(After::GivenBack),
        "ack_requeue_false" => Ok(After::Acknowledged),
        "reject_requeue_false" => Ok(After::Rejected),
        other => Err(Trouble::bad(format!("ackmode {other} is not known"))),
    }
}

async fn take(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let queue = host::queue(&vhost, &name)?;
    let (count, after) = (fields.number("count")?.unwrap_or(1), after(&fields)?);
    let max = u32::try_from(count).ok().filter(|max| (1..=RECEIVE_MESSAGES_MAX).contains(max));
    let max = max.ok_or_else(|| Trouble::bad(format!("count lies between 1 and {RECEIVE_MESSAGES_MAX}")))?;
    let as_text = fields.text("encoding")?.unwrap_or("auto") == "auto";
    let cut = fields.number("truncate")?.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let source = Source::Queue(queue.clone());
    let lease = Some(Span::new(GOT_LEASE_MS));
    let request = Receive { source: source.clone(), max, wait: Span::new(0), lease, member: None };
    let received = match door.ask(&caller, request).await {
        Ok(received) => received.deliveries,
        Err(failure) => {
            if crate::streams::may_be_one(&failure) && crate::streams::is_there(&door, &caller, &vhost, &name).await {
                return Err(Trouble::bad(format!(
                    "basic.get not supported by stream queue '{name}' in vhost '{vhost}'"
                )));
            }
            return Err(failure.into());
        }
    };
    let receipts: Vec<_> = received.iter().filter_map(|delivery| delivery.receipt).collect();
    if !receipts.is_empty() {
        match after {
            After::Acknowledged => drop(door.call(&caller, Ack { source, receipts }).await?),
            After::GivenBack => {
                let action = NackAction::Retry(Span::new(0));
                drop(door.call(&caller, Nack { source, receipts, action }).await?);
            }
            After::Rejected => drop(door.call(&caller, Nack { source, receipts, action: NackAction::Reject }).await?),
        }
    }
    // Who may not see the queue may read it nevertheless.
    let ready = door.ask(&caller, DescribeQueue { queue }).await.map_or(0, |queue| queue.counts.ready);
    let left = if after == After::GivenBack { ready.saturating_sub(lengths(&received)) } else { ready };
    let mut items = Vec::new();
    for (place, delivery) in (1_u64..).zip(received.iter()) {
        items.push(got(delivery, &name, left + lengths(&received) - place, as_text, cut));
    }
    Ok(document(&Value::Array(items)))
}

fn lengths(received: &[Delivery]) -> u64 {
    u64::try_from(received.len()).unwrap_or(u64::MAX)
}

/// A message as RabbitMQ tells of it.
fn got(delivery: &Delivery, queue: &str, left: u64, as_text: bool, cut: Option<usize>) -> Value {
    let message = &delivery.message;
    let way = delivery.dead_letter.as_ref().and_then(|dead| dead.routed.as_ref()).or(message.routed.as_deref());
    let (exchange, routing_key) = way.map_or(("", queue), |way| (way.exchange.as_str(), way.routing_key.as_str()));
    let shown = &message.body[..message.body.len().min(cut.unwrap_or(usize::MAX))];
    let (payload, encoding) = match std::str::from_utf8(shown) {
        Ok(text) if as_text => (text.to_owned(), "string"),
        Ok(_) | Err(_) => (STANDARD.encode(shown), "base64"),
    };
    json!({
        "payload": payload,
        "payload_bytes": message.body.len(),
        "payload_encoding": encoding,
        "redelivered": delivery.attempt.get() > 1,
        "exchange": exchange,
        "routing_key": routing_key,
        "message_count": left,
        "properties": properties(delivery),
    })
}

fn properties(delivery: &Delivery) -> Value {
    let message = &delivery.message;
    let kept = message.properties.as_deref().cloned().unwrap_or_default();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("content_type", message.content_type.as_ref().map(|text| json!(text)));
    put("content_encoding", kept.content_encoding.map(Value::from));
    put("correlation_id", kept.correlation_id.map(Value::from));
    put("reply_to", kept.reply_to.map(Value::from));
    put("message_id", kept.message_id.map(Value::from));
    put("timestamp", kept.made_at.map(|at| json!(at.get() / 1000)));
    put("type", kept.kind.map(Value::from));
    put("user_id", kept.user_id.filter(|user| **user == *message.sender).map(Value::from));
    put("app_id", kept.application.map(Value::from));
    put("cluster_id", kept.cluster_id.map(Value::from));
    put("priority", (message.priority.get() > 0).then(|| json!(message.priority.get())));
    // What is dead-lettered does not expire again.
    let ttl = message.ttl.filter(|_| delivery.dead_letter.is_none());
    put("expiration", ttl.map(|ttl| json!(ttl.get().to_string())));
    let mode = kept.persistence.map(|persistence| if persistence == Persistence::Transient { 1 } else { 2 });
    put("delivery_mode", mode.map(|mode| json!(mode)));
    let mut headers = arguments::shown(&message.headers);
    if let (Some(dead), Some(headers)) = (&delivery.dead_letter, headers.as_object_mut()) {
        deaths(headers, dead);
    }
    put("headers", Some(headers));
    Value::Object(fields)
}

/// The headers of a message that was dead-lettered.
fn deaths(headers: &mut Map<String, Value>, dead: &model::message::DeadLetter) {
    let queue_of = |origin: &str| origin.rsplit_once('/').map_or(origin.to_owned(), |(_, name)| name.to_owned());
    let death = |death: &model::message::Death| {
        json!({
            "queue": queue_of(&death.origin),
            "reason": word(death.reason),
            "count": death.count,
            "exchange": death.exchange.as_ref().map_or("", ExchangeName::as_str),
            "routing-keys": death.routing_keys,
            "time": death.at.get() / 1000,
        })
    };
    headers.insert("x-death".to_owned(), Value::Array(dead.deaths.iter().map(death).collect()));
    if let Some(first) = dead.deaths.last() {
        headers.insert("x-first-death-queue".to_owned(), json!(queue_of(&first.origin)));
        headers.insert("x-first-death-reason".to_owned(), json!(word(first.reason)));
        headers.insert(
            "x-first-death-exchange".to_owned(),
            json!(first.exchange.as_ref().map_or("", ExchangeName::as_str)),
        );
    }
}

const fn word(reason: model::message::DeadLetterReason) -> &'static str {
    use model::message::DeadLetterReason;
    match reason {
        DeadLetterReason::DeliveryLimit => "delivery_limit",
        DeadLetterReason::Rejected => "rejected",
        DeadLetterReason::Expired => "expired",
        DeadLetterReason::Overflow => "maxlen",
    }
}

/// Publishes a message to a queue of its own and takes it again.
async fn alive(State(door): State<Door>, Authenticated(caller): Authenticated, Path(vhost): Path<String>) -> Answer {
    let queue = host::queue(&vhost, ALIVENESS)?;
    let namespace: NamespaceName = queue.namespace.clone();
    let settings = QueueSettings { message_ttl: Some(Span::seconds(60)), ..QueueSettings::default() };
    door.call(&caller, CreateQueue { queue: queue.clone(), settings }).await?;
    let message = RoutedMessage {
        message: NewMessage::new("test_message"),
        routing_key: RoutingKey::parse(ALIVENESS)?,
        unroutable: Unroutable::Return,
        ..RoutedMessage::default()
    };
    let exchange = ExchangeRef { namespace, name: ExchangeName::default() };
    door.call(&caller, PublishExchange { exchange, messages: vec![message] }).await?;
    let source = Source::Queue(queue);
    let wait = Span::seconds(5);
    let lease = Some(Span::new(GOT_LEASE_MS));
    let received = door.call(&caller, Receive { source: source.clone(), max: 1, wait, lease, member: None }).await?;
    let receipts: Vec<_> = received.deliveries.iter().filter_map(|delivery| delivery.receipt).collect();
    if receipts.is_empty() {
        return Ok(crate::answer::failed(&json!({"status": "failed", "reason": "the message did not come back"})));
    }
    door.call(&caller, Ack { source, receipts }).await?;
    Ok(document(&json!({"status": "ok"})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("tests give objects") };
        fields
    }

    #[test]
    fn payloads_are_text_or_base64() {
        assert_eq!(payload(&read(json!({"payload": "é"}))), Ok(Bytes::from("é")));
        let coded = json!({"payload": "/w==", "payload_encoding": "base64"});
        assert_eq!(payload(&read(coded)), Ok(Bytes::from_static(&[0xFF])));
        for wrong in [json!({"payload": "?", "payload_encoding": "base64"}), json!({"payload_encoding": "hex"})] {
            assert!(payload(&read(wrong)).is_err());
        }
    }

    #[test]
    fn properties_are_read_by_their_names() {
        let fields = json!({"delivery_mode": 2, "priority": 5, "expiration": "1000", "headers": {"n": 1},
            "type": "order", "timestamp": 3});
        let message = message(&read(fields)).expect("they are right");
        assert_eq!((message.priority.get(), message.ttl), (5, Some(Span::new(1000))));
        let properties = message.properties.expect("there are some");
        assert_eq!((properties.kind.as_deref(), properties.made_at), (Some("order"), Some(Timestamp::new(3000))));
        assert!(super::message(&read(json!({"priority": 256}))).is_err());
        assert!(after(&read(json!({"ackmode": "keep"}))).is_err());
    }
}

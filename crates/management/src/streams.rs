//! Streams: topics, as RabbitMQ sees them: queues of the type `stream`.
//! Invariant: a queue of the same name comes first.
//! Used by `queues`.

use model::name::{QueueRef, TopicName, TopicRef};
use model::queue::{DeleteMode, DescribeQueue};
use model::topic::{CreateTopic, DeleteTopic, DescribeTopic, TopicDescription};
use model::{Caller, Failure, Refusal};
use rabbit::QueueDeclare;
use serde_json::{Value, json};

use crate::answer::Trouble;
use crate::door::Door;
use crate::{arguments, host, queues};

/// Whether a name may be one of a stream, by what was said of the queue.
pub(crate) const fn may_be_one(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(Refusal::QueueNotFound { .. } | Refusal::Forbidden { .. }))
}

/// A stream as RabbitMQ tells of it.
pub(crate) fn shown(door: &Door, topic: &TopicDescription) -> Value {
    let mut fields = queues::common(door, &topic.topic.namespace, topic.topic.name.as_str(), "stream");
    let messages: u64 = topic.partitions.iter().map(|partition| partition.messages).sum();
    let bytes: u64 = topic.partitions.iter().map(|partition| partition.bytes.get()).sum();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("durable", json!(true));
    put("auto_delete", json!(false));
    put("exclusive", json!(false));
    put("arguments", arguments::shown(&rabbit::shown_stream(&topic.settings)));
    put("consumers", json!(0));
    put("messages", json!(messages));
    put("messages_ready", json!(messages));
    put("messages_unacknowledged", json!(0));
    put("messages_persistent", json!(messages));
    put("message_bytes", json!(bytes));
    put("message_bytes_persistent", json!(bytes));
    put("message_stats", queues::stats(&topic.totals));
    put("owner", json!(topic.owner.as_ref().map(|owner| owner.as_str())));
    put("partitions", json!(topic.partitions.len()));
    for name in ["messages_details", "messages_ready_details", "messages_unacknowledged_details"] {
        put(name, queues::rate());
    }
    Value::Object(fields)
}

/// The stream of a name that is no queue's; what was said of the queue where there is none.
pub(crate) async fn described(
    door: &Door,
    caller: &Caller,
    vhost: &str,
    name: &str,
    failure: Failure,
) -> Result<Value, Trouble> {
    if !may_be_one(&failure) {
        return Err(failure.into());
    }
    let topic = host::topic(vhost, name)?;
    match door.ask(caller, DescribeTopic { topic }).await {
        Ok(description) => Ok(shown(door, &description)),
        Err(_) => Err(failure.into()),
    }
}

/// Whether there is a stream of this name that the caller may see.
pub(crate) async fn is_there(door: &Door, caller: &Caller, vhost: &str, name: &str) -> bool {
    let Ok(topic) = host::topic(vhost, name) else { return false };
    door.ask(caller, DescribeTopic { topic }).await.is_ok()
}

/// Declares a stream; whether it was not there before.
pub(crate) async fn declared(
    door: &Door,
    caller: &Caller,
    declare: &QueueDeclare<'_>,
    queue: QueueRef,
) -> Result<bool, Trouble> {
    let settings = rabbit::stream_settings(declare)?;
    if let Ok(there) = door.ask(caller, DescribeQueue { queue }).await {
        return Err(differs(declare.name, declare.namespace, "stream", rabbit::queue_kind(&there.settings)));
    }
    let topic = TopicRef { namespace: declare.namespace.clone(), name: TopicName::parse(declare.name)? };
    match door.patiently(caller, CreateTopic { topic: topic.clone(), settings: settings.clone() }).await {
        Ok(created) => Ok(created.created),
        Err(failure @ Failure::Refused(Refusal::TopicExists { .. })) => {
            let there = door.call(caller, DescribeTopic { topic }).await?.settings;
            // RabbitMQ has no words for the rest: topics made elsewhere may be declared.
            let same = settings.retention == there.retention && settings.retention_bytes == there.retention_bytes;
            if same { Ok(false) } else { Err(failure.into()) }
        }
        Err(failure) => Err(failure.into()),
    }
}

fn differs(name: &str, namespace: &model::name::NamespaceName, asked: &str, there: &str) -> Trouble {
    let host = rabbit::host(namespace);
    Trouble::bad(format!(
        "inequivalent arg 'x-queue-type' for queue '{name}' in vhost '{host}': received '{asked}' but current is '{there}'"
    ))
}

/// A queue is not declared where a stream is, unless it is there beside it.
pub(crate) async fn demand_none(door: &Door, caller: &Caller, queue: &QueueRef) -> Result<(), Trouble> {
    let topic = TopicRef { namespace: queue.namespace.clone(), name: TopicName::parse(queue.name.as_str())? };
    if door.ask(caller, DescribeTopic { topic }).await.is_err() {
        return Ok(());
    }
    match door.ask(caller, DescribeQueue { queue: queue.clone() }).await {
        Err(Failure::Refused(Refusal::QueueNotFound { .. })) => {
            Err(differs(queue.name.as_str(), &queue.namespace, "classic", "stream"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Deletes the stream of a name that is no queue's; what was said of the queue where there is none.
pub(crate) async fn deleted(
    door: &Door,
    caller: &Caller,
    vhost: &str,
    name: &str,
    mode: DeleteMode,
    failure: Failure,
) -> Result<(), Trouble> {
    let topic = host::topic(vhost, name)?;
    match door.ask(caller, DeleteTopic { topic, mode }).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(Refusal::TopicNotFound { .. } | Refusal::Forbidden { .. })) => Err(failure.into()),
        Err(other) => Err(other.into()),
    }
}

//! Queues: listed, described, declared, purged and deleted. Streams are among them: `streams`.
//! Invariant: a queue of another door is shown with the arguments that would declare it.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get};
use model::name::{NamespaceName, QueueRef};
use model::queue::{CreateQueue, DeleteMode, DeleteQueue, DescribeQueue, Life, PurgeQueue, QueueDescription, Totals};
use model::{Caller, Failure, Refusal};
use rabbit::QueueDeclare;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::lists::Kept;
use crate::paging::Paging;
use crate::{arguments, connections, host, lists, streams};

/// What only the broker's names begin with.
const RESERVED: &str = "amq.";

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/queues", get(list))
        .route("/queues/detailed", get(list))
        .route("/queues/{vhost}", get(list))
        .route("/queues/{vhost}/{name}", get(describe).put(declare).delete(remove))
        .route("/queues/{vhost}/{name}/contents", delete(purge))
        .route("/rebalance/queues", axum::routing::post(|| async { done() }))
}

async fn list(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    vhost: Option<Path<String>>,
    paging: Paging,
) -> Answer {
    let mut gathering = paging.gather();
    for namespace in lists::hosts(&door, &caller, vhost.as_deref().map(String::as_str)).await? {
        let take = |kept: Kept| {
            gathering.offer(kept.name(), || match &kept {
                Kept::Queue(queue) => shown(&door, queue),
                Kept::Stream(topic) => streams::shown(&door, topic),
            })
        };
        lists::each_queue(&door, &caller, &namespace, take).await?;
    }
    Ok(document(&gathering.finish()?))
}

async fn describe(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    let queue = host::queue(&vhost, &name)?;
    match door.ask(&caller, DescribeQueue { queue }).await {
        Ok(description) => {
            let mut fields = shown(&door, &description);
            fields["consumer_details"] = connections::consumers_of(&door, &caller, &vhost, &name).await?.into();
            Ok(document(&fields))
        }
        Err(failure) => {
            streams::described(&door, &caller, &vhost, &name, failure).await.map(|stream| document(&stream))
        }
    }
}

/// A queue as RabbitMQ tells of it.
pub(crate) fn shown(door: &Door, queue: &QueueDescription) -> Value {
    let settings = &queue.settings;
    let counts = &queue.counts;
    let kind = rabbit::queue_kind(settings);
    let mut fields = common(door, &queue.queue.namespace, queue.queue.name.as_str(), kind);
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("durable", json!(settings.life == Life::Permanent));
    put("auto_delete", json!(settings.auto_delete));
    put("exclusive", json!(matches!(settings.life, Life::Exclusive { .. })));
    put("arguments", arguments::shown(&rabbit::shown_arguments(settings)));
    put("consumers", json!(queue.consumers));
    put("messages", json!(counts.ready + counts.leased));
    put("messages_ready", json!(counts.ready));
    put("messages_unacknowledged", json!(counts.leased));
    put("messages_delayed", json!(counts.delayed));
    put("messages_persistent", json!(counts.ready + counts.leased));
    put("message_bytes", json!(counts.bytes.get()));
    put("message_bytes_persistent", json!(counts.bytes.get()));
    put("message_stats", stats(&queue.totals));
    if let Some(policy) = &queue.policy {
        put("policy", json!(policy.name.as_str()));
        put("effective_policy_definition", arguments::shown(&rabbit::shown_effect(settings, &policy.settings)));
    }
    put("owner", json!(queue.owner.as_ref().map(|owner| owner.as_str())));
    for name in ["messages_details", "messages_ready_details", "messages_unacknowledged_details"] {
        put(name, rate());
    }
    Value::Object(fields)
}

/// What queues and streams have in common.
pub(crate) fn common(door: &Door, namespace: &NamespaceName, name: &str, kind: &str) -> Map<String, Value> {
    let node = &door.settings().node;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(name));
    put("vhost", json!(rabbit::host(namespace)));
    put("type", json!(kind));
    put("node", json!(node));
    put("state", json!("running"));
    put("policy", Value::Null);
    put("operator_policy", Value::Null);
    put("effective_policy_definition", json!({}));
    put("exclusive_consumer_tag", Value::Null);
    put("memory", json!(0));
    if kind != "classic" {
        put("leader", json!(node));
        put("members", json!([node]));
        put("online", json!([node]));
    }
    fields
}

/// A rate of change. None is measured: dashboards take theirs from the totals.
pub(crate) fn rate() -> Value {
    json!({"rate": 0.0})
}

/// Totals in RabbitMQ's names.
pub(crate) fn stats(totals: &Totals) -> Value {
    json!({
        "publish": totals.published,
        "publish_details": rate(),
        "deliver_get": totals.delivered,
        "deliver_get_details": rate(),
        "ack": totals.acknowledged,
        "ack_details": rate(),
        "redeliver": totals.redelivered,
        "redeliver_details": rate(),
    })
}

async fn declare(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let namespace = host::namespace(&vhost)?;
    let created = declared(&door, &caller, &namespace, &name, &fields).await?;
    Ok(made(created))
}

/// Declares a queue or stream; whether it was not there before.
pub(crate) async fn declared(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<bool, Trouble> {
    let queue = QueueRef { namespace: namespace.clone(), name: model::name::QueueName::parse(name)? };
    let arguments = arguments::headers(fields.object("arguments")?)?;
    let declare = QueueDeclare {
        name,
        namespace,
        durable: !fields.contains_key("durable") || fields.truth("durable")?,
        exclusive: false,
        auto_delete: fields.truth("auto_delete")?,
        arguments: &arguments,
    };
    if rabbit::is_stream(&arguments) {
        return streams::declared(door, caller, &declare, queue).await;
    }
    let settings = rabbit::queue_settings(&declare, "")?;
    if name.starts_with(RESERVED) && door.ask(caller, DescribeQueue { queue: queue.clone() }).await.is_err() {
        return Err(Trouble::bad(format!("queue name '{name}' contains reserved prefix '{RESERVED}*'")));
    }
    streams::demand_none(door, caller, &queue).await?;
    Ok(door.patiently(caller, CreateQueue { queue, settings }).await?.created)
}

/// Whether a flag of the query is on.
pub(crate) fn flag(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(known, value)| known == name && value == "true")
}

async fn remove(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let queue = host::queue(&vhost, &name)?;
    if flag(&query, "if-unused") {
        let described = door.call(&caller, DescribeQueue { queue: queue.clone() }).await?;
        if described.consumers > 0 {
            return Err(Trouble::bad(format!("queue '{name}' in vhost '{vhost}' in use")));
        }
    }
    let mode = if flag(&query, "if-empty") { DeleteMode::IfEmpty } else { DeleteMode::Force };
    match door.ask(&caller, DeleteQueue { queue, mode }).await {
        Ok(_) => Ok(done()),
        Err(failure) if streams::may_be_one(&failure) => {
            streams::deleted(&door, &caller, &vhost, &name, mode, failure).await.map(|()| done())
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn purge(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    let queue = host::queue(&vhost, &name)?;
    match door.ask(&caller, PurgeQueue { queue }).await {
        Ok(_) => Ok(done()),
        Err(Failure::Refused(Refusal::QueueNotFound { .. }))
            if streams::is_there(&door, &caller, &vhost, &name).await =>
        {
            Err(Trouble::bad(format!("queue.purge not supported by stream queue '{name}' in vhost '{vhost}'")))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a queue or stream of this name is there, for the caller.
pub(crate) async fn is_there(door: &Door, caller: &Caller, namespace: &NamespaceName, name: &str) -> bool {
    let vhost = rabbit::host(namespace);
    let Ok(queue) = host::queue(vhost, name) else { return false };
    door.ask(caller, DescribeQueue { queue }).await.is_ok() || streams::is_there(door, caller, vhost, name).await
}

//! Virtual hosts: namespaces, by RabbitMQ's name.
//! Invariant: deleting one deletes what it holds first, each thing by the rights of the caller.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::access::{CreateNamespace, DeleteNamespace};
use model::exchange::{DeleteExchange, DeleteExchangeMode};
use model::name::NamespaceName;
use model::queue::{DeleteMode, DeleteQueue};
use model::topic::DeleteTopic;
use model::{Caller, Failure, Refusal};
use serde_json::{Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::Object;
use crate::caller::Authenticated;
use crate::door::Door;
use crate::paging::Paging;
use crate::{host, lists};

pub(crate) fn routes() -> Router<Door> {
    Router::new().route("/vhosts", get(list)).route("/vhosts/{name}", get(describe).put(create).delete(remove))
}

/// A virtual host as RabbitMQ tells of it.
pub(crate) fn shown(door: &Door, namespace: &NamespaceName) -> Value {
    let node = door.settings().node.clone();
    json!({
        "name": rabbit::host(namespace),
        "description": "",
        "tags": [],
        "default_queue_type": "classic",
        "metadata": {"description": "", "tags": [], "default_queue_type": "classic"},
        "protected_from_deletion": false,
        "tracing": false,
        "cluster_state": {node: "running"},
    })
}

async fn list(State(door): State<Door>, Authenticated(caller): Authenticated, paging: Paging) -> Answer {
    let all = lists::namespaces(&door, &caller).await?;
    let wanted = all.iter().filter(|name| paging.wants(rabbit::host(name)));
    let items = wanted.map(|name| shown(&door, name)).collect();
    Ok(document(&paging.cut(items, all.len())?))
}

async fn describe(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    let found = lists::hosts(&door, &caller, Some(&name)).await?;
    let namespace = found.first().ok_or_else(Trouble::not_found)?;
    Ok(document(&shown(&door, namespace)))
}

async fn create(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    Object(_): Object,
) -> Answer {
    Ok(made(created(&door, &caller, &name).await?))
}

/// Makes a virtual host; whether it was not there before. What it is said to be like is not kept.
pub(crate) async fn created(door: &Door, caller: &Caller, name: &str) -> Result<bool, Trouble> {
    let Some(name) = rabbit::namespace(name) else {
        return Err(NamespaceName::parse(name).err().map_or_else(Trouble::not_found, Trouble::from));
    };
    Ok(door.patiently(caller, CreateNamespace { name }).await?.created)
}

async fn remove(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    let name = host::namespace(&name)?;
    match door.ask(&caller, DeleteNamespace { name: name.clone() }).await {
        Ok(_) => return Ok(done()),
        Err(Failure::Refused(Refusal::NamespaceNotEmpty { .. })) => {}
        Err(failure) => return Err(failure.into()),
    }
    empty(&door, &caller, &name).await?;
    door.call(&caller, DeleteNamespace { name }).await?;
    Ok(done())
}

/// Deletes what a namespace holds.
async fn empty(door: &Door, caller: &Caller, namespace: &NamespaceName) -> Result<(), Trouble> {
    let queues = lists::queues(door, caller, namespace).await?;
    let streams = lists::streams(door, caller, namespace, &[]).await?;
    for queue in queues {
        door.patiently(caller, DeleteQueue { queue: queue.queue, mode: DeleteMode::Force }).await?;
    }
    for stream in streams {
        door.patiently(caller, DeleteTopic { topic: stream.topic, mode: DeleteMode::Force }).await?;
    }
    for exchange in lists::exchanges(door, caller, namespace).await? {
        if !exchange.exchange.name.is_reserved() {
            let mode = DeleteExchangeMode::Force;
            door.patiently(caller, DeleteExchange { exchange: exchange.exchange, mode }).await?;
        }
    }
    Ok(())
}

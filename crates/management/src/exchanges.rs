//! Exchanges: listed, described, declared and deleted.
//! Invariant: the default exchange has the empty name in what is listed, and `amq.default` in a path.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use model::exchange::{CreateExchange, DeleteExchange, DeleteExchangeMode, DescribeExchange, ExchangeDescription};
use model::name::{ExchangeName, ExchangeRef, NamespaceName};
use model::{Caller, Failure, Refusal};
use rabbit::ExchangeDeclare;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::paging::Paging;
use crate::queues::flag;
use crate::{arguments, host, lists};

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/exchanges", get(list))
        .route("/exchanges/{vhost}", get(list))
        .route("/exchanges/{vhost}/{name}", get(describe).put(declare).delete(remove))
}

async fn list(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    vhost: Option<Path<String>>,
    paging: Paging,
) -> Answer {
    let mut gathering = paging.gather();
    for namespace in lists::hosts(&door, &caller, vhost.as_deref().map(String::as_str)).await? {
        let take = |one: ExchangeDescription| gathering.offer(one.exchange.name.as_str(), || shown(&one));
        lists::each_exchange(&door, &caller, &namespace, take).await?;
    }
    Ok(document(&gathering.finish()?))
}

/// An exchange as RabbitMQ tells of it.
pub(crate) fn shown(exchange: &ExchangeDescription) -> Value {
    let settings = &exchange.settings;
    json!({
        "name": exchange.exchange.name.as_str(),
        "vhost": rabbit::host(&exchange.exchange.namespace),
        "type": rabbit::exchange_kind(settings),
        "durable": settings.durable,
        "auto_delete": settings.auto_delete,
        "internal": settings.internal,
        "arguments": arguments::shown(&settings.arguments),
        "policy": exchange.policy.as_ref().map(|name| name.as_str()),
        "user_who_performed_action": exchange.owner.as_ref().map_or("rmq-internal", |owner| owner.as_str()),
    })
}

async fn describe(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    let exchange = host::exchange(&vhost, &name)?;
    Ok(document(&shown(&door.call(&caller, DescribeExchange { exchange }).await?)))
}

async fn declare(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let namespace = host::namespace(&vhost)?;
    Ok(made(declared(&door, &caller, &namespace, &name, &fields).await?))
}

/// Declares an exchange; whether it was not there before.
pub(crate) async fn declared(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<bool, Trouble> {
    let arguments = arguments::headers(fields.object("arguments")?)?;
    let settings = rabbit::exchange_settings(&ExchangeDeclare {
        kind: fields.needed("type")?,
        durable: !fields.contains_key("durable") || fields.truth("durable")?,
        auto_delete: fields.truth("auto_delete")?,
        internal: fields.truth("internal")?,
        arguments: &arguments,
    })?;
    let exchange = ExchangeRef { namespace: namespace.clone(), name: ExchangeName::parse_word(name)? };
    match door.patiently(caller, CreateExchange { exchange: exchange.clone(), settings: settings.clone() }).await {
        Ok(created) => Ok(created.created),
        // Those that are always there may be declared as they are.
        Err(failure @ Failure::Refused(Refusal::ExchangeReserved { .. })) => {
            let there = door.ask(caller, DescribeExchange { exchange }).await;
            if there.is_ok_and(|there| there.settings == settings) { Ok(false) } else { Err(failure.into()) }
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn remove(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let exchange = host::exchange(&vhost, &name)?;
    let mode = if flag(&query, "if-unused") { DeleteExchangeMode::IfUnused } else { DeleteExchangeMode::Force };
    door.call(&caller, DeleteExchange { exchange, mode }).await?;
    Ok(done())
}

/// Whether an exchange of this name is there, for the caller.
pub(crate) async fn is_there(door: &Door, caller: &Caller, namespace: &NamespaceName, name: &str) -> bool {
    let Ok(exchange) = host::exchange(rabbit::host(namespace), name) else { return false };
    door.ask(caller, DescribeExchange { exchange }).await.is_ok()
}

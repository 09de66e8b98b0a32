//! Exchanges and bindings: create, describe, delete, list, publish through, bind, unbind.
//! Invariant: creating again with equal settings, or binding again, changes nothing and answers 200.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::binding::{Bind, PublishExchange, Unbind};
use model::exchange::{CreateExchange, DeleteExchange, DescribeExchange, ExchangeSettings, ListExchanges};

use crate::door::Door;
use crate::extract::{Authenticated, ExchangePath, IdempotencyKey, InNamespace, Json, Query};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::{binding, bindings, derive_ids, routed_messages};
use crate::wire;

operations! {
    [list_exchanges],
    [create_exchange, describe_exchange, delete_exchange],
    [publish_to_exchange],
    [bind, list_bindings],
    [unbind],
}

/// List exchanges by name
#[utoipa::path(get, path = "/exchanges", tag = "exchanges", params(wire::PageQuery),
    responses((status = 200, description = "a page of exchanges", body = wire::Page<wire::ExchangeDescription>)))]
async fn list_exchanges(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Query(query): Query<wire::PageQuery>,
) -> Result<Document<wire::Page<wire::ExchangeDescription>>, Problem> {
    let (prefix, page) = query.split()?;
    let found = door.call(&caller, ListExchanges { namespace, prefix, page }).await?;
    Ok(Document(found.into()))
}

/// Create an exchange
///
/// Creating again with equal settings changes nothing; with other settings it is refused.
#[utoipa::path(put, path = "/exchanges/{exchange}", tag = "exchanges", params(wire::ExchangeParam),
    request_body(content = wire::ExchangeSettings, content_type = "application/json"),
    responses(
        (status = 201, description = "created", body = wire::ExchangeDescription),
        (status = 200, description = "was there with equal settings", body = wire::ExchangeDescription)))]
async fn create_exchange(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    ExchangePath(exchange): ExchangePath,
    Json(settings): Json<wire::ExchangeSettings>,
) -> Result<(StatusCode, Document<wire::ExchangeDescription>), Problem> {
    let settings = ExchangeSettings::try_from(settings)?;
    let made = door.call(&caller, CreateExchange { exchange, settings }).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(made.description.into())))
}

/// Describe an exchange
#[utoipa::path(get, path = "/exchanges/{exchange}", tag = "exchanges", params(wire::ExchangeParam),
    responses((status = 200, description = "the exchange", body = wire::ExchangeDescription)))]
async fn describe_exchange(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    ExchangePath(exchange): ExchangePath,
) -> Result<Document<wire::ExchangeDescription>, Problem> {
    Ok(Document(door.call(&caller, DescribeExchange { exchange }).await?.into()))
}

/// Delete an exchange with the bindings that leave it or lead to it
///
/// Only its owner or an administrator may. Refused while bindings leave it, unless forced.
#[utoipa::path(delete, path = "/exchanges/{exchange}", tag = "exchanges",
    params(wire::ExchangeParam, wire::DeleteQuery),
    responses((status = 204, description = "deleted")))]
async fn delete_exchange(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    ExchangePath(exchange): ExchangePath,
    Query(query): Query<wire::DeleteQuery>,
) -> Result<StatusCode, Problem> {
    door.call(&caller, DeleteExchange { exchange, mode: query.exchange_mode() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Publish messages through an exchange, each routed for itself
///
/// The answer says of each message what became of it. With an `Idempotency-Key` each message gets an id that follows
/// from it, so that a repeat within the deduplication window of its queues adds nothing.
#[utoipa::path(post, path = "/exchanges/{exchange}/messages", tag = "exchanges",
    params(wire::ExchangeParam,
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless", max_length = 96)),
    request_body(content = wire::PublishRoutedRequest, content_type = "application/json"),
    responses((status = 201, description = "all that was taken is durable", body = wire::RoutedPlaces)))]
async fn publish_to_exchange(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    ExchangePath(exchange): ExchangePath,
    IdempotencyKey(key): IdempotencyKey,
    Json(request): Json<wire::PublishRoutedRequest>,
) -> Result<(StatusCode, Document<wire::RoutedPlaces>), Problem> {
    let mut messages = routed_messages(request.messages)?;
    if let Some(key) = key {
        derive_ids(caller.user, &key, messages.iter_mut().map(|one| &mut one.message))?;
    }
    let published = door.call(&caller, PublishExchange { exchange, messages }).await?;
    Ok((StatusCode::CREATED, Document(published.into())))
}

/// Add a binding
///
/// Needs the right to consume from the exchange and to publish to the destination.
#[utoipa::path(post, path = "/bindings", tag = "exchanges",
    request_body(content = wire::Binding, content_type = "application/json"),
    responses(
        (status = 201, description = "added", body = wire::Rebound),
        (status = 200, description = "it was there", body = wire::Rebound)))]
async fn bind(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Json(document): Json<wire::Binding>,
) -> Result<(StatusCode, Document<wire::Rebound>), Problem> {
    let done = door.call(&caller, Bind { binding: binding(namespace, document)? }).await?;
    let status = if done.changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(done.into())))
}

/// List bindings
///
/// Those between things that the caller may describe; not those of the default exchange, which each queue has.
#[utoipa::path(get, path = "/bindings", tag = "exchanges", params(wire::BindingsQuery),
    responses((status = 200, description = "a page of bindings", body = wire::Page<wire::Binding>)))]
async fn list_bindings(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Query(query): Query<wire::BindingsQuery>,
) -> Result<Document<wire::Page<wire::Binding>>, Problem> {
    Ok(Document(door.call(&caller, bindings(namespace, query)?).await?.into()))
}

/// Remove a binding
///
/// The one with exactly this source, destination, key and these arguments; done when it is not there.
#[utoipa::path(post, path = "/bindings/remove", tag = "exchanges",
    request_body(content = wire::Binding, content_type = "application/json"),
    responses((status = 200, description = "it is not there", body = wire::Rebound)))]
async fn unbind(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Json(document): Json<wire::Binding>,
) -> Result<Document<wire::Rebound>, Problem> {
    Ok(Document(door.call(&caller, Unbind { binding: binding(namespace, document)? }).await?.into()))
}

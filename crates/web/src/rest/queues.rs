//! Queues: create, describe, alter, delete, list, purge, transfer.
//! Invariant: creating again with equal settings changes nothing and answers 200.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::name::UserName;
use model::queue::{
    AlterQueue, CreateQueue, DeleteQueue, DescribeQueue, ListQueues, PurgeQueue, QueuePatch, QueueSettings,
    TransferQueue,
};

use crate::door::Door;
use crate::extract::{Authenticated, InNamespace, Json, JsonOrDefault, Query, QueuePath};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [list_queues],
    [create_queue, describe_queue, alter_queue, delete_queue],
    [purge_queue],
    [transfer_queue],
}

/// List queues by name
#[utoipa::path(get, path = "/queues", tag = "queues", params(wire::PageQuery),
    responses((status = 200, description = "a page of queues", body = wire::Page<wire::QueueDescription>)))]
async fn list_queues(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Query(query): Query<wire::PageQuery>,
) -> Result<Document<wire::Page<wire::QueueDescription>>, Problem> {
    let (prefix, page) = query.split()?;
    let found = door.call(&caller, ListQueues { namespace, prefix, page }).await?;
    Ok(Document(found.into()))
}

/// Create a queue
///
/// Creating again with equal settings changes nothing; with other settings it is refused. No body: the defaults.
#[utoipa::path(put, path = "/queues/{queue}", tag = "queues", params(wire::QueueParam),
    request_body(content = Option<wire::QueueSettings>, content_type = "application/json"),
    responses(
        (status = 201, description = "created", body = wire::QueueDescription),
        (status = 200, description = "was there with equal settings", body = wire::QueueDescription)))]
async fn create_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    JsonOrDefault(settings): JsonOrDefault<wire::QueueSettings>,
) -> Result<(StatusCode, Document<wire::QueueDescription>), Problem> {
    let settings = QueueSettings::try_from(settings)?;
    let made = door.call(&caller, CreateQueue { queue, settings }).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(made.description.into())))
}

/// Describe a queue
#[utoipa::path(get, path = "/queues/{queue}", tag = "queues", params(wire::QueueParam),
    responses((status = 200, description = "the queue", body = wire::QueueDescription)))]
async fn describe_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
) -> Result<Document<wire::QueueDescription>, Problem> {
    Ok(Document(door.call(&caller, DescribeQueue { queue }).await?.into()))
}

/// Change settings of a queue
///
/// A merge patch: an absent field stays, null removes a bound. Partitions and order stay as created.
#[utoipa::path(patch, path = "/queues/{queue}", tag = "queues", params(wire::QueueParam),
    request_body(content = wire::QueuePatch, content_type = "application/json"),
    responses((status = 200, description = "changed", body = wire::QueueDescription)))]
async fn alter_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(patch): Json<wire::QueuePatch>,
) -> Result<Document<wire::QueueDescription>, Problem> {
    let patch = QueuePatch::try_from(patch)?;
    Ok(Document(door.call(&caller, AlterQueue { queue, patch }).await?.into()))
}

/// Delete a queue
///
/// Only its owner or an administrator may. Refused while it holds messages, unless forced.
#[utoipa::path(delete, path = "/queues/{queue}", tag = "queues", params(wire::QueueParam, wire::DeleteQuery),
    responses((status = 200, description = "deleted, with so many messages", body = wire::Removed)))]
async fn delete_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Query(query): Query<wire::DeleteQuery>,
) -> Result<Document<wire::Removed>, Problem> {
    Ok(Document(door.call(&caller, DeleteQueue { queue, mode: query.mode() }).await?.into()))
}

/// Delete all ready and delayed messages of a queue
#[utoipa::path(post, path = "/queues/{queue}/purge", tag = "queues", params(wire::QueueParam),
    responses((status = 200, description = "so many messages were deleted", body = wire::Removed)))]
async fn purge_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
) -> Result<Document<wire::Removed>, Problem> {
    Ok(Document(door.call(&caller, PurgeQueue { queue }).await?.into()))
}

/// Give a queue to another user
#[utoipa::path(post, path = "/queues/{queue}/transfer", tag = "queues", params(wire::QueueParam),
    request_body = wire::TransferRequest,
    responses((status = 200, description = "it has a new owner", body = wire::QueueDescription)))]
async fn transfer_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(request): Json<wire::TransferRequest>,
) -> Result<Document<wire::QueueDescription>, Problem> {
    let owner = UserName::parse(&request.owner.0)?;
    Ok(Document(door.call(&caller, TransferQueue { queue, owner }).await?.into()))
}

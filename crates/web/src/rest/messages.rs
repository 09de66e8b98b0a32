//! Messages of a queue: publish, look at, cancel, redrive.
//! Invariant: 201 leaves only after the backend confirmed that every message is durable.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::limits::{PUBLISH_MESSAGES_MAX, READ_MESSAGES_MAX};
use model::message::MessagePlace;
use model::queue::{CancelMessages, Peek, Publish};
use model::refusal::Refusal;

use crate::door::Door;
use crate::extract::{Authenticated, Json, JsonOrDefault, Publication, PublicationBody, Query, QueuePath};
use crate::limits::READ_DEFAULT;
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::{derive_ids, place_of, queue_messages, redrive};
use crate::wire;

operations! {
    [publish, peek_messages],
    [cancel_messages],
    [redrive_messages],
}

/// Publish messages to a queue, all or none
///
/// JSON with 1 to 4096 messages, or one raw message as `application/octet-stream` with its properties in the query
/// or in `Recado-…` headers (`Recado-Header-NAME` sets a header of the message). With an `Idempotency-Key`, messages
/// without an id get one that follows from the user, the key and their place: a repeat within the queue's
/// deduplication window (five minutes unless set otherwise) adds nothing and answers `duplicate`.
#[utoipa::path(post, path = "/queues/{queue}/messages", tag = "messages",
    params(wire::QueueParam, wire::RawQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless", max_length = 96)),
    request_body(content((wire::PublishRequest = "application/json"), (wire::RawBody = "application/octet-stream"))),
    responses((status = 201, description = "every message is durable", body = wire::Published)))]
async fn publish(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    publication: Publication,
) -> Result<(StatusCode, Document<wire::Published>), Problem> {
    let mut messages = match publication.body {
        PublicationBody::Documents(documents) => queue_messages(documents.into_iter().map(|one| (one, None)))?,
        PublicationBody::Raw(properties, body) => queue_messages([(*properties, Some(body))].into_iter())?,
    };
    if let Some(key) = publication.idempotency_key {
        derive_ids(caller.user, &key, messages.iter_mut())?;
    }
    let published = door.call(&caller, Publish { queue, messages }).await?;
    Ok((StatusCode::CREATED, Document(published.into())))
}

/// Look at messages without taking them
#[utoipa::path(get, path = "/queues/{queue}/messages", tag = "messages", params(wire::QueueParam, wire::PeekQuery),
    responses((status = 200, description = "messages in this state", body = wire::PeekedMessages)))]
async fn peek_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Query(query): Query<wire::PeekQuery>,
) -> Result<Document<wire::PeekedMessages>, Problem> {
    let limit = query.limit.unwrap_or(READ_DEFAULT);
    if limit == 0 || limit > READ_MESSAGES_MAX {
        return Err(Refusal::invalid("limit", "it must lie between 1 and 1000").into());
    }
    let after = query.cursor.as_deref().map(place_of).transpose()?;
    let peek = Peek { queue, state: query.state.into(), limit, after };
    Ok(Document(door.call(&caller, peek).await?.into()))
}

/// Delete delayed or ready messages by place
#[utoipa::path(post, path = "/queues/{queue}/cancel", tag = "messages", params(wire::QueueParam),
    request_body = wire::CancelRequest,
    responses((status = 200, description = "which were deleted", body = wire::Cancelled)))]
async fn cancel_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(request): Json<wire::CancelRequest>,
) -> Result<Document<wire::Cancelled>, Problem> {
    let count = request.places.len();
    if count == 0 || count > PUBLISH_MESSAGES_MAX {
        return Err(Refusal::BatchSize { count, limit: PUBLISH_MESSAGES_MAX }.into());
    }
    let places = request.places.into_iter().map(MessagePlace::from).collect();
    Ok(Document(door.call(&caller, CancelMessages { queue, places }).await?.into()))
}

/// Move dead letters back to where they came from, or to a named queue
///
/// No body: all of them, at once, to their origin.
#[utoipa::path(post, path = "/queues/{queue}/redrive", tag = "messages", params(wire::QueueParam),
    request_body(content = Option<wire::RedriveRequest>, content_type = "application/json"),
    responses((status = 200, description = "moved, or set going", body = wire::Redriven)))]
async fn redrive_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    JsonOrDefault(request): JsonOrDefault<wire::RedriveRequest>,
) -> Result<Document<wire::Redriven>, Problem> {
    Ok(Document(door.call(&caller, redrive(queue, request)?).await?.into()))
}

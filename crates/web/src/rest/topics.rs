//! Topics: create, describe, alter, delete, list, transfer, publish, read a partition.
//! Invariant: creating again with equal settings changes nothing and answers 200.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::limits::READ_MESSAGES_MAX;
use model::name::UserName;
use model::number::Span;
use model::refusal::Refusal;
use model::topic::{
    AlterTopic, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PublishTopic, ReadPartition, StartAt, TopicPatch,
    TopicSettings, TransferTopic,
};

use crate::door::Door;
use crate::extract::{
    Authenticated, InNamespace, Json, JsonOrDefault, PartitionPath, Publication, PublicationBody, Query, TopicPath,
};
use crate::limits::READ_DEFAULT;
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::{check_wait, derive_ids, read_start, topic_messages};
use crate::wire;

operations! {
    [list_topics],
    [create_topic, describe_topic, alter_topic, delete_topic],
    [transfer_topic],
    [publish_to_topic],
    [read_partition],
}

/// List topics by name
#[utoipa::path(get, path = "/topics", tag = "topics", params(wire::PageQuery),
    responses((status = 200, description = "a page of topics", body = wire::Page<wire::TopicDescription>)))]
async fn list_topics(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
    Query(query): Query<wire::PageQuery>,
) -> Result<Document<wire::Page<wire::TopicDescription>>, Problem> {
    let (prefix, page) = query.split()?;
    let found = door.call(&caller, ListTopics { namespace, prefix, page }).await?;
    Ok(Document(found.into()))
}

/// Create a topic
///
/// Creating again with equal settings changes nothing; with other settings it is refused. No body: the defaults.
#[utoipa::path(put, path = "/topics/{topic}", tag = "topics", params(wire::TopicParam),
    request_body(content = Option<wire::TopicSettings>, content_type = "application/json"),
    responses(
        (status = 201, description = "created", body = wire::TopicDescription),
        (status = 200, description = "was there with equal settings", body = wire::TopicDescription)))]
async fn create_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    JsonOrDefault(settings): JsonOrDefault<wire::TopicSettings>,
) -> Result<(StatusCode, Document<wire::TopicDescription>), Problem> {
    let settings = TopicSettings::try_from(settings)?;
    let made = door.call(&caller, CreateTopic { topic, settings }).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(made.description.into())))
}

/// Describe a topic
#[utoipa::path(get, path = "/topics/{topic}", tag = "topics", params(wire::TopicParam),
    responses((status = 200, description = "the topic", body = wire::TopicDescription)))]
async fn describe_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
) -> Result<Document<wire::TopicDescription>, Problem> {
    Ok(Document(door.call(&caller, DescribeTopic { topic }).await?.into()))
}

/// Change settings of a topic
///
/// A merge patch: an absent field stays, null removes a bound. Partitions may grow.
#[utoipa::path(patch, path = "/topics/{topic}", tag = "topics", params(wire::TopicParam),
    request_body(content = wire::TopicPatch, content_type = "application/json"),
    responses((status = 200, description = "changed", body = wire::TopicDescription)))]
async fn alter_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    Json(patch): Json<wire::TopicPatch>,
) -> Result<Document<wire::TopicDescription>, Problem> {
    let patch = TopicPatch::try_from(patch)?;
    Ok(Document(door.call(&caller, AlterTopic { topic, patch }).await?.into()))
}

/// Delete a topic with its subscriptions
///
/// Only its owner or an administrator may. Refused while it holds messages or subscriptions, unless forced.
#[utoipa::path(delete, path = "/topics/{topic}", tag = "topics", params(wire::TopicParam, wire::DeleteQuery),
    responses((status = 200, description = "deleted, with so many messages", body = wire::Removed)))]
async fn delete_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    Query(query): Query<wire::DeleteQuery>,
) -> Result<Document<wire::Removed>, Problem> {
    Ok(Document(door.call(&caller, DeleteTopic { topic, mode: query.mode() }).await?.into()))
}

/// Give a topic to another user
#[utoipa::path(post, path = "/topics/{topic}/transfer", tag = "topics", params(wire::TopicParam),
    request_body = wire::TransferRequest,
    responses((status = 200, description = "it has a new owner", body = wire::TopicDescription)))]
async fn transfer_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    Json(request): Json<wire::TransferRequest>,
) -> Result<Document<wire::TopicDescription>, Problem> {
    let owner = UserName::parse(&request.owner.0)?;
    Ok(Document(door.call(&caller, TransferTopic { topic, owner }).await?.into()))
}

/// Publish messages to a topic, all or none
///
/// As to a queue: JSON with 1 to 4096 messages, or one raw message as `application/octet-stream`; the same
/// `Idempotency-Key`. A message may name its partition; without key and partition it goes to them in turn.
#[utoipa::path(post, path = "/topics/{topic}/messages", tag = "topics",
    params(wire::TopicParam, wire::RawQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless", max_length = 96)),
    request_body(content((wire::PublishRequest = "application/json"), (wire::RawBody = "application/octet-stream"))),
    responses((status = 201, description = "every message is durable", body = wire::PublishedRecords)))]
async fn publish_to_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    publication: Publication,
) -> Result<(StatusCode, Document<wire::PublishedRecords>), Problem> {
    let mut messages = match publication.body {
        PublicationBody::Documents(documents) => topic_messages(documents.into_iter().map(|one| (one, None)))?,
        PublicationBody::Raw(properties, body) => topic_messages([(*properties, Some(body))].into_iter())?,
    };
    if let Some(key) = publication.idempotency_key {
        derive_ids(caller.user, &key, messages.iter_mut().map(|one| &mut one.message))?;
    }
    let published = door.call(&caller, PublishTopic { topic, messages }).await?;
    Ok((StatusCode::CREATED, Document(published.into())))
}

/// Read a partition without a subscription
#[utoipa::path(get, path = "/topics/{topic}/partitions/{partition}/messages", tag = "topics",
    params(wire::PartitionParam, wire::ReadQuery),
    responses((status = 200, description = "messages in order, and where to read next", body = wire::Records)))]
async fn read_partition(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    PartitionPath((topic, partition)): PartitionPath,
    Query(query): Query<wire::ReadQuery>,
) -> Result<Document<wire::Records>, Problem> {
    let start = read_start(query.offset, query.time)?.unwrap_or(StartAt::Earliest);
    let limit = query.limit.unwrap_or(READ_DEFAULT);
    if limit == 0 || limit > READ_MESSAGES_MAX {
        return Err(Refusal::invalid("limit", "it must lie between 1 and 1000").into());
    }
    let wait = Span::new(query.wait_ms.unwrap_or_default());
    check_wait(wait)?;
    let read = ReadPartition { topic, partition, start, limit, wait };
    Ok(Document(door.call(&caller, read).await?.into()))
}

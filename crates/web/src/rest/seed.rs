//! The ten operations of the system that this one grew from, at their old paths, corrected.
//! Invariant: what was read from a queue was settled first; text comes back exactly as it was posted.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::Unavailable;
use model::limits::{LEASE_MS_DEFAULT, PAGE_ITEMS_MAX};
use model::message::{Message, NewMessage};
use model::name::{NamespaceName, QueueName, QueueRef, Source, TopicName, TopicRef};
use model::number::{Offset, Span};
use model::page::{Page, PageRequest};
use model::queue::{Ack, CreateQueue, DeleteMode, DeleteQueue, ListQueues, Publish, QueueSettings, Receive, Removed};
use model::receipt::Settlement;
use model::refusal::Refusal;
use model::topic::{
    CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PartitionExtent, PublishTopic, ReadPartition, StartAt,
    TopicMessage, TopicSettings,
};

use crate::door::Door;
use crate::extract::{Authenticated, Json, OnlyGet, Query, SeedPath};
use crate::limits::{SEED_ATTEMPTS_MAX, SEED_NAMES_MAX, SEED_READS_MAX};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::text_or_base64;
use crate::wire;

operations! {
    [seed_list_queues],
    [seed_list_topics],
    [seed_create_queue],
    [seed_create_topic],
    [seed_delete_queue],
    [seed_delete_topic],
    [seed_post_to_queue],
    [seed_post_to_topic],
    [seed_read_from_queue],
    [seed_read_from_topic],
}

fn queue(name: &str) -> Result<QueueRef, Refusal> {
    Ok(QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name)? })
}

fn topic(name: &str) -> Result<TopicRef, Refusal> {
    Ok(TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name)? })
}

/// Adds a page's names to a list; the cursor of the next page, unless the list is as long as it may be.
fn add_names<T>(names: &mut Vec<wire::Name>, page: Page<T>, name: impl Fn(&T) -> &str) -> (Option<String>, bool) {
    names.extend(page.items.iter().map(|item| wire::Name::from(name(item))));
    let more = page.next.is_some() && names.len() < SEED_NAMES_MAX;
    (page.next, more)
}

/// Names of all queues of the namespace `default`
#[utoipa::path(get, path = "/list_queues", tag = "seed", params(wire::SeedQuery),
    responses((status = 200, description = "up to 10,000 names", body = wire::SeedQueues)))]
async fn seed_list_queues(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::SeedQuery>,
) -> Result<Document<wire::SeedQueues>, Problem> {
    let mut queues = Vec::new();
    let mut next = query.cursor;
    loop {
        let page = PageRequest::new(Some(PAGE_ITEMS_MAX), next)?;
        let list = ListQueues { namespace: NamespaceName::default(), prefix: String::new(), page };
        let found = door.call(&caller, list).await?;
        let (cursor, more) = add_names(&mut queues, found, |queue| queue.queue.name.as_str());
        next = cursor;
        if !more {
            return Ok(Document(wire::SeedQueues { queues, next }));
        }
    }
}

/// Names of all topics of the namespace `default`
#[utoipa::path(get, path = "/list_topics", tag = "seed", params(wire::SeedQuery),
    responses((status = 200, description = "up to 10,000 names", body = wire::SeedTopics)))]
async fn seed_list_topics(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::SeedQuery>,
) -> Result<Document<wire::SeedTopics>, Problem> {
    let mut topics = Vec::new();
    let mut next = query.cursor;
    loop {
        let page = PageRequest::new(Some(PAGE_ITEMS_MAX), next)?;
        let list = ListTopics { namespace: NamespaceName::default(), prefix: String::new(), page };
        let found = door.call(&caller, list).await?;
        let (cursor, more) = add_names(&mut topics, found, |topic| topic.topic.name.as_str());
        next = cursor;
        if !more {
            return Ok(Document(wire::SeedTopics { topics, next }));
        }
    }
}

/// Create a queue; one that is there is refused
#[utoipa::path(post, path = "/create_queue/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "created", body = wire::SeedCreated)))]
async fn seed_create_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedCreated>, Problem> {
    let create = CreateQueue { queue: queue(&name)?, settings: QueueSettings::default() };
    if !door.call(&caller, create).await?.created {
        return Err(Refusal::QueueExists { name, difference: "none, it was there already".to_owned() }.into());
    }
    Ok(Document(wire::SeedCreated { name: wire::Name(name) }))
}

/// Create a topic; one that is there is refused
#[utoipa::path(post, path = "/create_topic/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "created", body = wire::SeedCreated)))]
async fn seed_create_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedCreated>, Problem> {
    let create = CreateTopic { topic: topic(&name)?, settings: TopicSettings::default() };
    if !door.call(&caller, create).await?.created {
        return Err(Refusal::TopicExists { name, difference: "none, it was there already".to_owned() }.into());
    }
    Ok(Document(wire::SeedCreated { name: wire::Name(name) }))
}

/// Delete a queue with its messages; only its owner or an administrator may
#[utoipa::path(post, path = "/delete_queue/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "deleted", body = wire::SeedDeleted)))]
async fn seed_delete_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedDeleted>, Problem> {
    let delete = DeleteQueue { queue: queue(&name)?, mode: DeleteMode::Force };
    let Removed { messages } = door.call(&caller, delete).await?;
    Ok(Document(wire::SeedDeleted { name: wire::Name(name), messages }))
}

/// Delete a topic with its messages and subscriptions; only its owner or an administrator may
#[utoipa::path(post, path = "/delete_topic/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "deleted", body = wire::SeedDeleted)))]
async fn seed_delete_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedDeleted>, Problem> {
    let delete = DeleteTopic { topic: topic(&name)?, mode: DeleteMode::Force };
    let Removed { messages } = door.call(&caller, delete).await?;
    Ok(Document(wire::SeedDeleted { name: wire::Name(name), messages }))
}

fn first_id<T>(published: Vec<T>, id: impl Fn(&T) -> &str) -> Result<Document<wire::SeedPosted>, Problem> {
    let id = published.first().map(|one| id(one).to_owned()).ok_or(Unavailable::Unknown)?;
    Ok(Document(wire::SeedPosted { id }))
}

/// Post a text to a queue
#[utoipa::path(post, path = "/post_to_queue/{name}", tag = "seed", params(wire::SeedParam),
    request_body = wire::SeedPost,
    responses((status = 200, description = "it is durable", body = wire::SeedPosted)))]
async fn seed_post_to_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
    Json(post): Json<wire::SeedPost>,
) -> Result<Document<wire::SeedPosted>, Problem> {
    let publish = Publish { queue: queue(&name)?, messages: vec![NewMessage::new(post.data)] };
    first_id(door.call(&caller, publish).await?.messages, |one| one.id.as_str())
}

/// Post a text to a topic
#[utoipa::path(post, path = "/post_to_topic/{name}", tag = "seed", params(wire::SeedParam),
    request_body = wire::SeedPost,
    responses((status = 200, description = "it is durable", body = wire::SeedPosted)))]
async fn seed_post_to_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
    Json(post): Json<wire::SeedPost>,
) -> Result<Document<wire::SeedPosted>, Problem> {
    let message = TopicMessage { message: NewMessage::new(post.data), partition: None };
    let publish = PublishTopic { topic: topic(&name)?, messages: vec![message] };
    first_id(door.call(&caller, publish).await?.records, |one| one.id.as_str())
}

fn read(message: Message) -> wire::SeedMessage {
    let (data, data_base64) = text_or_base64(&message.body);
    wire::SeedMessage {
        data,
        data_base64,
        id: Some(message.id.as_str().to_owned()),
        sender: Some(message.sender.as_ref().to_owned()),
    }
}

/// Take one message from a queue: it is settled before it is answered
///
/// An empty queue answers `{"data": null}`.
#[utoipa::path(get, path = "/read_from_queue/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "the message, or null", body = wire::SeedMessage)))]
async fn seed_read_from_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    _: OnlyGet,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedMessage>, Problem> {
    let source = Source::Queue(queue(&name)?);
    for _ in 0..SEED_ATTEMPTS_MAX {
        let receive = Receive {
            source: source.clone(),
            max: 1,
            wait: Span::new(0),
            lease: Some(Span::new(LEASE_MS_DEFAULT)),
            member: None,
        };
        let Some(delivery) = door.call(&caller, receive).await?.deliveries.pop() else {
            return Ok(Document(wire::SeedMessage::default()));
        };
        let receipts = delivery.receipt.into_iter().collect();
        let settled = door.call(&caller, Ack { source: source.clone(), receipts }).await?;
        // A lease that was lost in between means that somebody else may get this message: take another.
        if settled.results == [Settlement::Settled] {
            return Ok(Document(read(delivery.message)));
        }
    }
    Err(Unavailable::Busy.into())
}

/// The latest message of a topic over all partitions; it is not consumed
///
/// An empty topic answers `{"data": null}`.
#[utoipa::path(get, path = "/read_from_topic/{name}", tag = "seed", params(wire::SeedParam),
    responses((status = 200, description = "the message, or null", body = wire::SeedMessage)))]
async fn seed_read_from_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SeedPath(name): SeedPath,
) -> Result<Document<wire::SeedMessage>, Problem> {
    let topic = topic(&name)?;
    let found = door.call(&caller, DescribeTopic { topic: topic.clone() }).await?;
    let reads = found.partitions.into_iter().filter_map(|extent| last_of(&topic, extent));
    let reads: Vec<_> = reads.map(|read| door.call(&caller, read)).collect();
    let ends: Vec<_> = stream::iter(reads).buffer_unordered(SEED_READS_MAX).try_collect().await?;
    let records = ends.into_iter().filter_map(|mut end| end.records.pop());
    let latest = records.max_by_key(|record| (record.message.published_at, record.offset));
    Ok(Document(latest.map_or_else(wire::SeedMessage::default, |record| read(record.message))))
}

fn last_of(topic: &TopicRef, extent: PartitionExtent) -> Option<ReadPartition> {
    let last = extent.end.get().checked_sub(1).filter(|_| extent.messages > 0)?;
    Some(ReadPartition {
        topic: topic.clone(),
        partition: extent.partition,
        start: StartAt::Offset(Offset::new(last)),
        limit: 1,
        wait: Span::new(0),
    })
}

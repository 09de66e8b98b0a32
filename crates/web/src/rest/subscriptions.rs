//! Subscriptions of a topic: create, describe, delete, list, commit, seek, leave.
//! Invariant: creating again with equal settings changes nothing and answers 200.
//! Routed by `rest`; receiving and settling stand in `settling`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::limits::PARTITIONS_MAX;
use model::name::MemberName;
use model::number::Partition;
use model::refusal::Refusal;
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, DescribeSubscription, LeaveSubscription, ListSubscriptions,
    PartitionOffset, Seek, SubscriptionSettings,
};

use crate::door::Door;
use crate::extract::{Authenticated, Json, JsonOrDefault, Query, SubscriptionPath, TopicPath};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [list_subscriptions],
    [create_subscription, describe_subscription, delete_subscription],
    [commit_offsets],
    [seek_subscription],
    [leave_subscription],
}

/// List the subscriptions of a topic by name
#[utoipa::path(get, path = "/topics/{topic}/subscriptions", tag = "subscriptions",
    params(wire::TopicParam, wire::PageQuery),
    responses((status = 200, description = "a page of subscriptions", body = wire::Page<wire::SubscriptionDescription>)))]
async fn list_subscriptions(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    Query(query): Query<wire::PageQuery>,
) -> Result<Document<wire::Page<wire::SubscriptionDescription>>, Problem> {
    let (prefix, page) = query.split()?;
    Ok(Document(door.call(&caller, ListSubscriptions { topic, prefix, page }).await?.into()))
}

/// Create a subscription
///
/// Creating again with equal settings changes nothing; with other settings it is refused. No body: shared, `latest`.
#[utoipa::path(put, path = "/topics/{topic}/subscriptions/{subscription}", tag = "subscriptions",
    params(wire::SubscriptionParam),
    request_body(content = Option<wire::SubscriptionSettings>, content_type = "application/json"),
    responses(
        (status = 201, description = "created", body = wire::SubscriptionDescription),
        (status = 200, description = "was there with equal settings", body = wire::SubscriptionDescription)))]
async fn create_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    JsonOrDefault(settings): JsonOrDefault<wire::SubscriptionSettings>,
) -> Result<(StatusCode, Document<wire::SubscriptionDescription>), Problem> {
    let settings = SubscriptionSettings::try_from(settings)?;
    let made = door.call(&caller, CreateSubscription { subscription, settings }).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(made.description.into())))
}

/// Describe a subscription, with its lag
#[utoipa::path(get, path = "/topics/{topic}/subscriptions/{subscription}", tag = "subscriptions",
    params(wire::SubscriptionParam),
    responses((status = 200, description = "the subscription", body = wire::SubscriptionDescription)))]
async fn describe_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
) -> Result<Document<wire::SubscriptionDescription>, Problem> {
    Ok(Document(door.call(&caller, DescribeSubscription { subscription }).await?.into()))
}

/// Delete a subscription; the topic keeps its messages
#[utoipa::path(delete, path = "/topics/{topic}/subscriptions/{subscription}", tag = "subscriptions",
    params(wire::SubscriptionParam), responses((status = 204, description = "deleted")))]
async fn delete_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
) -> Result<StatusCode, Problem> {
    door.call(&caller, DeleteSubscription { subscription }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Commit offsets of a stream subscription
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/commit", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::CommitRequest,
    responses((status = 200, description = "what is committed now", body = wire::Committed)))]
async fn commit_offsets(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::CommitRequest>,
) -> Result<Document<wire::Committed>, Problem> {
    let count = request.offsets.len();
    let limit = usize::try_from(PARTITIONS_MAX).unwrap_or(usize::MAX);
    if count == 0 || count > limit {
        return Err(Refusal::BatchSize { count, limit }.into());
    }
    let member = request.member.map(|name| MemberName::parse(&name.0)).transpose()?;
    let offsets = request.offsets.into_iter().map(PartitionOffset::from).collect();
    Ok(Document(door.call(&caller, Commit { subscription, member, offsets }).await?.into()))
}

/// Move a subscription, backwards or forwards
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/seek", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::SeekRequest,
    responses((status = 200, description = "where it is now", body = wire::Committed)))]
async fn seek_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::SeekRequest>,
) -> Result<Document<wire::Committed>, Problem> {
    let seek = Seek { subscription, to: request.to.into(), partition: request.partition.map(Partition::new) };
    Ok(Document(door.call(&caller, seek).await?.into()))
}

/// Leave a stream subscription: the member's partitions go to the others at once
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/leave", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::LeaveRequest,
    responses((status = 204, description = "left")))]
async fn leave_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::LeaveRequest>,
) -> Result<StatusCode, Problem> {
    let member = MemberName::parse(&request.member.0)?;
    door.call(&caller, LeaveSubscription { subscription, member }).await?;
    Ok(StatusCode::NO_CONTENT)
}

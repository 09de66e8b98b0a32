//! Receiving and settling, from a queue and from a subscription by the same code.
//! Invariant: a settle answers one result a receipt; 200 only when every receipt was settled, else 409 with them.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::Caller;
use model::name::Source;
use model::number::Span;
use model::queue::{Ack, Extend, Nack, check_lease};

use crate::door::Door;
use crate::extract::{Authenticated, Json, JsonOrDefault, QueuePath, SubscriptionPath};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::{nack_action, receive, settled, sort};
use crate::wire;

type Results = (StatusCode, Document<wire::Settled>);

operations! {
    [receive_messages],
    [ack_messages],
    [nack_messages],
    [extend_messages],
    [receive_from_subscription],
    [ack_on_subscription],
    [nack_on_subscription],
    [extend_on_subscription],
}

async fn take(
    door: &Door,
    caller: &Caller,
    source: Source,
    request: wire::ReceiveRequest,
) -> Result<Document<wire::Received>, Problem> {
    Ok(Document(door.call(caller, receive(source, request)?).await?.into()))
}

async fn ack(door: &Door, caller: &Caller, source: Source, request: wire::AckRequest) -> Result<Results, Problem> {
    let sorted = sort(request.receipts)?;
    let done = door.call(caller, Ack { source, receipts: sorted.receipts.clone() }).await?;
    door.streams().settled(&sorted.receipts);
    let (status, results) = settled(sorted, done);
    Ok((status, Document(results)))
}

async fn nack(door: &Door, caller: &Caller, source: Source, request: wire::NackRequest) -> Result<Results, Problem> {
    let action = nack_action(request.delay_ms, request.reject)?;
    let sorted = sort(request.receipts)?;
    let done = door.call(caller, Nack { source, receipts: sorted.receipts.clone(), action }).await?;
    door.streams().settled(&sorted.receipts);
    let (status, results) = settled(sorted, done);
    Ok((status, Document(results)))
}

async fn extend(
    door: &Door,
    caller: &Caller,
    source: Source,
    request: wire::ExtendRequest,
) -> Result<Results, Problem> {
    let lease = Span::new(request.lease_ms);
    check_lease(lease)?;
    let sorted = sort(request.receipts)?;
    let done = door.call(caller, Extend { source, receipts: sorted.receipts.clone(), lease }).await?;
    door.streams().extended(&sorted.receipts, lease);
    let (status, results) = settled(sorted, done);
    Ok((status, Document(results)))
}

/// Receive messages under a lease
///
/// Each must be settled by its receipt before the lease ends, or it is delivered again. With `wait_ms` an empty
/// source waits for the first message; the wait ends when the client goes. No body: up to 10 messages, no wait.
#[utoipa::path(post, path = "/queues/{queue}/receive", tag = "messages", params(wire::QueueParam),
    request_body(content = Option<wire::ReceiveRequest>, content_type = "application/json"),
    responses((status = 200, description = "the messages; none when the wait ran out", body = wire::Received)))]
async fn receive_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    JsonOrDefault(request): JsonOrDefault<wire::ReceiveRequest>,
) -> Result<Document<wire::Received>, Problem> {
    take(&door, &caller, Source::Queue(queue), request).await
}

/// Settle deliveries: the work is done
#[utoipa::path(post, path = "/queues/{queue}/ack", tag = "messages", params(wire::QueueParam),
    request_body = wire::AckRequest,
    responses(
        (status = 200, description = "every receipt was settled", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn ack_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(request): Json<wire::AckRequest>,
) -> Result<Results, Problem> {
    ack(&door, &caller, Source::Queue(queue), request).await
}

/// Give deliveries back, for another attempt or for good
#[utoipa::path(post, path = "/queues/{queue}/nack", tag = "messages", params(wire::QueueParam),
    request_body = wire::NackRequest,
    responses(
        (status = 200, description = "every receipt was settled", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn nack_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(request): Json<wire::NackRequest>,
) -> Result<Results, Problem> {
    nack(&door, &caller, Source::Queue(queue), request).await
}

/// Keep deliveries for longer
#[utoipa::path(post, path = "/queues/{queue}/extend", tag = "messages", params(wire::QueueParam),
    request_body = wire::ExtendRequest,
    responses(
        (status = 200, description = "every lease was extended", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn extend_messages(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    QueuePath(queue): QueuePath,
    Json(request): Json<wire::ExtendRequest>,
) -> Result<Results, Problem> {
    extend(&door, &caller, Source::Queue(queue), request).await
}

/// Receive from a subscription
///
/// From a shared one under a lease, as from a queue. From a stream one as `member`: the messages of the partitions
/// that are assigned to it, without receipts; commit offsets instead.
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/receive", tag = "subscriptions",
    params(wire::SubscriptionParam),
    request_body(content = Option<wire::ReceiveRequest>, content_type = "application/json"),
    responses((status = 200, description = "the messages; none when the wait ran out", body = wire::Received)))]
async fn receive_from_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    JsonOrDefault(request): JsonOrDefault<wire::ReceiveRequest>,
) -> Result<Document<wire::Received>, Problem> {
    take(&door, &caller, Source::Subscription(subscription), request).await
}

/// Settle deliveries of a shared subscription
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/ack", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::AckRequest,
    responses(
        (status = 200, description = "every receipt was settled", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn ack_on_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::AckRequest>,
) -> Result<Results, Problem> {
    ack(&door, &caller, Source::Subscription(subscription), request).await
}

/// Give deliveries of a shared subscription back
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/nack", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::NackRequest,
    responses(
        (status = 200, description = "every receipt was settled", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn nack_on_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::NackRequest>,
) -> Result<Results, Problem> {
    nack(&door, &caller, Source::Subscription(subscription), request).await
}

/// Keep deliveries of a shared subscription for longer
#[utoipa::path(post, path = "/topics/{topic}/subscriptions/{subscription}/extend", tag = "subscriptions",
    params(wire::SubscriptionParam), request_body = wire::ExtendRequest,
    responses(
        (status = 200, description = "every lease was extended", body = wire::Settled),
        (status = 409, description = "some were not: the results say which", body = wire::Settled)))]
async fn extend_on_subscription(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    SubscriptionPath(subscription): SubscriptionPath,
    Json(request): Json<wire::ExtendRequest>,
) -> Result<Results, Problem> {
    extend(&door, &caller, Source::Subscription(subscription), request).await
}

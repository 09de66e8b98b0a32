//! Connections, channels and consumers of clients over AMQP.
//! Invariant: who may monitor sees all and may close what is not its own only as an administrator; others see and close
//! their own.
//! Routed by `door`; told by the AMQP door of this process.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::HeaderMap;
use model::Caller;
use model::access::ListUsers;
use model::node::DescribeNode;
use model::page::PageRequest;
use rabbit::{Channel, Connection, Consumer};
use serde_json::{Value, json};

use crate::answer::{Answer, Trouble, document, done};
use crate::arguments;
use crate::caller::Authenticated;
use crate::door::Door;
use crate::paging::Paging;

/// The header with the reason of a close.
const REASON: &str = "x-reason";
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/connections", get(list))
        .route("/connections/{name}", get(describe).delete(close))
        .route("/connections/{name}/channels", get(channels_of))
        .route("/connections/username/{name}", get(list_of).delete(close_of))
        .route("/vhosts/{name}/connections", get(list_in))
        .route("/channels", get(channels))
        .route("/channels/{name}", get(channel))
        .route("/vhosts/{name}/channels", get(channels_in))
        .route("/consumers", get(consumers))
        .route("/consumers/{vhost}", get(consumers_in))
        .route("/stream/connections", get(none))
        .route("/stream/connections/{vhost}", get(none))
        .route("/stream/publishers", get(none))
        .route("/stream/publishers/{vhost}", get(none))
        .route("/stream/consumers", get(none))
        .route("/stream/consumers/{vhost}", get(none))
}

/// The connections that the caller may see.
pub(crate) async fn visible(door: &Door, caller: &Caller) -> Result<Vec<Connection>, Trouble> {
    let mut all = door.connections().list();
    // The machine decides who may monitor.
    let sees_all = door.ask(caller, DescribeNode).await.is_ok();
    if !sees_all {
        all.retain(|connection| connection.user == caller.name);
    }
    Ok(all)
}

fn on(host: &str, connection: &Connection) -> bool {
    rabbit::host(&connection.namespace) == host
}

fn details(connection: &Connection) -> Value {
    json!({
        "name": connection.name,
        "peer_host": connection.peer.ip().to_string(),
        "peer_port": connection.peer.port(),
    })
}

/// A connection as RabbitMQ tells of it.
fn shown(door: &Door, connection: &Connection) -> Value {
    json!({
        "name": connection.name,
        "node": door.settings().node,
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "state": if connection.is_blocked { "blocked" } else { "running" },
        "user": connection.user.as_str(),
        "user_who_performed_action": connection.user.as_str(),
        "user_provided_name": model::header::header(&connection.client_properties, "connection_name")
            .and_then(|name| name.as_text()),
        "vhost": rabbit::host(&connection.namespace),
        "host": connection.own.ip().to_string(),
        "port": connection.own.port(),
        "peer_host": connection.peer.ip().to_string(),
        "peer_port": connection.peer.port(),
        "ssl": connection.is_secured,
        "auth_mechanism": connection.mechanism,
        "connected_at": connection.since.get(),
        "channel_max": connection.channel_max,
        "frame_max": connection.frame_max,
        "timeout": connection.heartbeat,
        "channels": connection.channels.len(),
        "client_properties": arguments::shown(&connection.client_properties),
    })
}

fn channel_name(connection: &Connection, channel: &Channel) -> String {
    format!("{} ({})", connection.name, channel.number)
}

/// A channel as RabbitMQ tells of it.
fn shown_channel(door: &Door, connection: &Connection, channel: &Channel) -> Value {
    let consumers = channel.consumers.iter().map(|one| shown_consumer(door, connection, channel, one));
    json!({
        "name": channel_name(connection, channel),
        "number": channel.number,
        "node": door.settings().node,
        "state": "running",
        "user": connection.user.as_str(),
        "vhost": rabbit::host(&connection.namespace),
        "connection_details": details(connection),
        "confirm": channel.confirms,
        "transactional": channel.is_transactional,
        "consumer_count": channel.consumers.len(),
        "consumer_details": consumers.collect::<Vec<_>>(),
        "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.shared_prefetch,
        "messages_unacknowledged": channel.unsettled,
        "messages_unconfirmed": channel.unconfirmed,
        "messages_uncommitted": 0,
        "acks_uncommitted": 0,
    })
}

/// A consumer as RabbitMQ tells of it.
fn shown_consumer(door: &Door, connection: &Connection, channel: &Channel, consumer: &Consumer) -> Value {
    json!({
        "consumer_tag": consumer.tag,
        "queue": {"name": consumer.queue, "vhost": rabbit::host(&connection.namespace)},
        "ack_required": consumer.acks,
        "exclusive": consumer.exclusive,
        "active": true,
        "activity_status": "up",
        "prefetch_count": consumer.prefetch,
        "consumer_timeout": consumer.timeout.map_or(0, |timeout| timeout.get()),
        "arguments": {},
        "channel_details": {
            "name": channel_name(connection, channel),
            "number": channel.number,
            "connection_name": connection.name,
            "node": door.settings().node,
            "peer_host": connection.peer.ip().to_string(),
            "peer_port": connection.peer.port(),
            "user": connection.user.as_str(),
        },
    })
}

async fn listed(
    door: &Door,
    caller: &Caller,
    paging: &Paging,
    wanted: impl Fn(&Connection) -> bool,
    items_of: impl Fn(&Connection) -> Vec<(String, Value)>,
) -> Answer {
    let connections = visible(door, caller).await?;
    let items: Vec<_> = connections.iter().filter(|one| wanted(one)).flat_map(items_of).collect();
    let total = items.len();
    let named = items.into_iter().filter(|(name, _)| paging.wants(name)).map(|(_, item)| item);
    Ok(document(&paging.cut(named.collect(), total)?))
}

fn itself(door: &Door) -> impl Fn(&Connection) -> Vec<(String, Value)> {
    let door = door.clone();
    move |connection| vec![(connection.name.clone(), shown(&door, connection))]
}

fn its_channels(door: &Door) -> impl Fn(&Connection) -> Vec<(String, Value)> {
    let door = door.clone();
    move |connection| {
        let one = |channel: &Channel| (channel_name(connection, channel), shown_channel(&door, connection, channel));
        connection.channels.iter().map(one).collect()
    }
}

fn its_consumers(door: &Door) -> impl Fn(&Connection) -> Vec<(String, Value)> {
    let door = door.clone();
    move |connection| {
        let of_channel = |channel: &Channel| {
            let one =
                |consumer: &Consumer| (consumer.tag.clone(), shown_consumer(&door, connection, channel, consumer));
            channel.consumers.iter().map(one).collect::<Vec<_>>()
        };
        connection.channels.iter().flat_map(of_channel).collect()
    }
}

async fn list(State(door): State<Door>, Authenticated(caller): Authenticated, paging: Paging) -> Answer {
    listed(&door, &caller, &paging, |_| true, itself(&door)).await
}

async fn list_of(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
    paging: Paging,
) -> Answer {
    listed(&door, &caller, &paging, |one| one.user.as_str() == user, itself(&door)).await
}

async fn list_in(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(host): Path<String>,
    paging: Paging,
) -> Answer {
    listed(&door, &caller, &paging, |one| on(&host, one), itself(&door)).await
}

async fn channels(State(door): State<Door>, Authenticated(caller): Authenticated, paging: Paging) -> Answer {
    listed(&door, &caller, &paging, |_| true, its_channels(&door)).await
}

async fn channels_in(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(host): Path<String>,
    paging: Paging,
) -> Answer {
    listed(&door, &caller, &paging, |one| on(&host, one), its_channels(&door)).await
}

async fn channels_of(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    paging: Paging,
) -> Answer {
    found(&door, &caller, &name).await?;
    listed(&door, &caller, &paging, |one| one.name == name, its_channels(&door)).await
}

async fn channel(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    for connection in visible(&door, &caller).await? {
        if let Some(channel) = connection.channels.iter().find(|one| channel_name(&connection, one) == name) {
            return Ok(document(&shown_channel(&door, &connection, channel)));
        }
    }
    Err(Trouble::not_found())
}

async fn consumers(State(door): State<Door>, Authenticated(caller): Authenticated, paging: Paging) -> Answer {
    listed(&door, &caller, &paging, |_| true, its_consumers(&door)).await
}

async fn consumers_in(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(host): Path<String>,
    paging: Paging,
) -> Answer {
    listed(&door, &caller, &paging, |one| on(&host, one), its_consumers(&door)).await
}

/// The consumers of a queue, for whoever may see them.
pub(crate) async fn consumers_of(door: &Door, caller: &Caller, host: &str, queue: &str) -> Result<Vec<Value>, Trouble> {
    let connections = visible(door, caller).await?;
    let all = connections.iter().filter(|one| on(host, one)).flat_map(its_consumers(door));
    Ok(all.map(|(_, consumer)| consumer).filter(|consumer| consumer["queue"]["name"] == queue).collect())
}

async fn found(door: &Door, caller: &Caller, name: &str) -> Result<Connection, Trouble> {
    let visible = visible(door, caller).await?;
    visible.into_iter().find(|connection| connection.name == name).ok_or_else(Trouble::not_found)
}

async fn describe(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    Ok(document(&shown(&door, &found(&door, &caller, &name).await?)))
}

/// Demands the right to end what is somebody else's: to administer the broker.
async fn demand_to_close(door: &Door, caller: &Caller, connection: &Connection) -> Result<(), Trouble> {
    if connection.user == caller.name {
        return Ok(());
    }
    let page = PageRequest { limit: 1, cursor: None };
    door.call(caller, ListUsers { prefix: String::new(), page }).await?;
    Ok(())
}

fn reason(headers: &HeaderMap) -> String {
    let given = headers.get(REASON).and_then(|reason| reason.to_str().ok()).unwrap_or_default();
    let given: String = given.chars().take(REASON_BYTES_MAX).collect();
    if given.is_empty() { "Closed via management plugin".to_owned() } else { given }
}

async fn close(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let connection = found(&door, &caller, &name).await?;
    demand_to_close(&door, &caller, &connection).await?;
    door.connections().close(&name, &reason(&headers));
    Ok(done())
}

async fn close_of(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Answer {
    for connection in visible(&door, &caller).await?.into_iter().filter(|one| one.user.as_str() == user) {
        demand_to_close(&door, &caller, &connection).await?;
        door.connections().close(&connection.name, &reason(&headers));
    }
    Ok(done())
}

async fn none(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

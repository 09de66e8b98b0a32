//! Connections of clients as they are at the moment: who is connected, with which channels and consumers.
//! Invariant: what is told is a copy; whoever reads it holds nothing up.
//! Told by the door that serves them, shown by the management API.

use std::net::SocketAddr;

use model::header::Headers;
use model::name::{NamespaceName, UserName};
use model::number::{Span, Timestamp};

/// A connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its name: both ends, as RabbitMQ writes them.
    pub name: String,
    /// Who logged in.
    pub user: UserName,
    /// By which mechanism.
    pub mechanism: &'static str,
    /// Where.
    pub namespace: NamespaceName,
    /// The client's end.
    pub peer: SocketAddr,
    /// This end.
    pub own: SocketAddr,
    /// Whether it has TLS.
    pub is_secured: bool,
    /// When it was opened.
    pub since: Timestamp,
    /// Channels that it may open.
    pub channel_max: u16,
    /// Largest frame in bytes.
    pub frame_max: u64,
    /// Seconds between signs of life; 0 is none.
    pub heartbeat: u16,
    /// What the client says of itself.
    pub client_properties: Headers,
    /// Whether its publications wait for room.
    pub is_blocked: bool,
    /// Its channels.
    pub channels: Vec<Channel>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its number.
    pub number: u16,
    /// Whether publications are confirmed.
    pub confirms: bool,
    /// Whether it works in transactions.
    pub is_transactional: bool,
    /// Most unsettled deliveries of a consumer that begins; 0 is no bound.
    pub prefetch: u32,
    /// Most unsettled deliveries of all its consumers; 0 is no bound.
    pub shared_prefetch: u32,
    /// Deliveries that are not settled.
    pub unsettled: u64,
    /// Publications whose outcome is not known yet.
    pub unconfirmed: u64,
    /// Its consumers.
    pub consumers: Vec<Consumer>,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its name on its channel.
    pub tag: String,
    /// The queue or stream.
    pub queue: String,
    /// Whether its deliveries are to be acknowledged.
    pub acks: bool,
    /// Whether nobody else consumes from the queue.
    pub exclusive: bool,
    /// Most unsettled deliveries; 0 is no bound.
    pub prefetch: u32,
    /// How long a delivery may stay unsettled.
    pub timeout: Option<Span>,
}

/// Who knows the connections of a process.
pub trait Connections: Send + Sync + 'static {
    /// All of them, by name.
    fn list(&self) -> Vec<Connection>;

    /// Closes one and tells its client why; false when there is none of this name.
    fn close(&self, name: &str, reason: &str) -> bool;
}

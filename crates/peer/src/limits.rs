//! Every bound of the way between nodes, by name.
//! Invariant: no buffer, queue, loop or wait of the crate grows past a figure on this page.
//! Used by all rooms of the crate.

use std::time::Duration;

/// Largest message between replicas: the largest batch of the log with room for its framing.
pub const MESSAGE_BYTES_MAX: usize = 72 * 1024 * 1024;
/// Bytes that a node may send on one stream before they are read.
pub const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes that a node may send on one connection before they are read.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Longest silence of a connection before it is probed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a probed connection may take to answer.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a node waits for a connection to another.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a call beside the replication may take.
pub const CALL_WITHIN: Duration = Duration::from_secs(60);
/// Calls that one connection may have open at once.
pub const CONNECTION_STREAMS_MAX: u32 = 1024;
/// How long open calls may go on once a node stops.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
/// Tokens that are good at the same time.
pub const TOKENS_MAX: usize = 64;
/// Longest time that a token is good.
pub const TOKEN_VALID_MAX: Duration = Duration::from_secs(24 * 3600);
/// Pieces of a copy that wait to be sent.
pub const PIECES_WAITING: usize = 4;
/// Nodes to which connections are kept.
pub const LINKS_MAX: usize = 64;

//! Bounds of the HTTP door, beyond those that every door shares in `model::limits`.
//! Invariant: nothing here is laxer than `model::limits`; every buffer, wait and count of this crate is named here.
//! Tests that reach them: `tests/parsing.rs`.

use std::time::Duration;

/// Largest body of a publish in bytes, encoding included.
pub const PUBLISH_BODY_BYTES_MAX: usize = model::limits::PUBLISH_BYTES_MAX;
/// Largest body of any other request in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Open connections at once; further ones wait in the listen queue of the system.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Open event streams at once; each may outlive many requests.
pub const STREAMS_MAX: usize = 1024;
/// Time for a TLS handshake, and for the head of the first request of a connection.
pub const HEADER_READ: Duration = Duration::from_secs(10);
/// Time that a connection stays open between two requests, the head of the later one included: longer than the pools
/// of common clients and proxies keep one. The library cannot tell waiting from a slow head; a slow head then holds a
/// connection no longer than silence may, and `CONNECTIONS_MAX` bounds both.
pub const IDLE: Duration = Duration::from_secs(75);
/// Time for a whole request, its body included; a long poll adds its longest wait.
pub const REQUEST: Duration = Duration::from_secs(30);
/// Longest wait that a long poll may ask for.
pub const WAIT: Duration = Duration::from_millis(model::limits::WAIT_MS_MAX);
/// Time that open requests get to end when the door closes.
pub const DRAIN: Duration = Duration::from_secs(20);
/// Pause after a failed accept: the process may be out of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Largest head of an HTTP/1.1 request and largest header list of an HTTP/2 one, in bytes.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Most headers of an HTTP/1.1 request.
pub const HEADERS_MAX: usize = 128;
/// Requests at once on one HTTP/2 connection.
pub const CONCURRENT_REQUESTS_MAX: u32 = 200;
/// Streams that a peer may open and reset before anyone looked at them.
pub const PENDING_RESETS_MAX: usize = 20;
/// Streams that the server itself resets for a peer's errors before it ends the connection.
pub const LOCAL_RESETS_MAX: usize = 1024;
/// Pause between the pings that find a dead HTTP/2 peer.
pub const PING: Duration = Duration::from_secs(20);
/// Pause between the comments that keep a quiet event stream alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest idempotency key in bytes: with the user's id and an index it still fits a message id.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 96;
/// Unsettled messages of an event stream that names no credit.
pub const STREAM_CREDIT_DEFAULT: u32 = 100;
/// Most unsettled messages of one event stream.
pub const STREAM_CREDIT_MAX: u32 = 1000;
/// Most partitions that one event stream follows; a larger topic is followed partition by partition.
pub const STREAM_PARTITIONS_MAX: usize = 64;
/// Records that an event stream of a topic reads at once from a partition.
pub const STREAM_READ: u32 = 16;
/// Wait of each read of an event stream of a topic, in milliseconds.
pub const STREAM_WAIT_MS: u64 = 20_000;
/// Names that a list of the old interface returns at once.
pub const SEED_NAMES_MAX: usize = 10_000;
/// Attempts of the old `read_from_queue` to settle what it received.
pub const SEED_ATTEMPTS_MAX: u32 = 3;
/// Partitions that the old `read_from_topic` reads at once.
pub const SEED_READS_MAX: usize = 16;
/// Records that a read of a partition returns when the request names no limit.
pub const READ_DEFAULT: u32 = 100;
/// Messages that a receive returns when the request names no number.
pub const RECEIVE_DEFAULT: u32 = 10;

const _: () = assert!(PUBLISH_BODY_BYTES_MAX <= model::limits::PUBLISH_BYTES_MAX);
const _: () = assert!(STREAM_CREDIT_MAX <= model::limits::CREDIT_MAX);
const _: () = assert!(IDEMPOTENCY_KEY_BYTES_MAX + 32 <= model::limits::MESSAGE_ID_BYTES_MAX);
const _: () = assert!(STREAM_READ <= model::limits::READ_MESSAGES_MAX);

//! Every bound of the gRPC door, on both of its sides.
//! Limits of the contents (names, messages, batches) are in `model::limits`.

use std::time::Duration;

/// Largest encoded gRPC message, in bytes: the largest publish with room for its framing.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Largest encoded message of the service `Access`, in bytes: the one that is read before anybody is known.
pub const ACCESS_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a peer may send on one stream before they are read.
pub const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes that a peer may send on one connection before they are read.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Calls and streams that one connection may have open at once.
pub const CONNECTION_STREAMS_MAX: u32 = 200;
/// Longest silence of a connection before it is probed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long a probed connection may take to answer.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same two, on the side of a client whose broker has others beside it: a broker that stands still is left soon.
pub const KEEPALIVE_INTERVAL_AMONG: Duration = Duration::from_secs(1);
/// How long such a broker may take to answer a probe.
pub const KEEPALIVE_TIMEOUT_AMONG: Duration = Duration::from_secs(2);
/// How long open calls may go on once the server drains.
pub const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// Messages of one publish stream that may wait for their confirm; then the server reads no more.
pub const PUBLISH_WINDOW_MESSAGES: u64 = 16 * 1024;
/// Bytes of one publish stream that may wait for their confirm; a single request may exceed it.
pub const PUBLISH_WINDOW_BYTES: u64 = 16 * 1024 * 1024;
/// Submits of one publish stream that may be under way.
pub const PUBLISH_SUBMITS_MAX: usize = 4;
/// Requests that arrived together are made one submit up to this many bytes.
pub const PUBLISH_SUBMIT_BYTES: u64 = 1024 * 1024;

/// Settles of one deliver stream that may be under way.
pub const SETTLE_SUBMITS_MAX: usize = 8;
/// Settles of one deliver stream that may wait behind those; then the server reads no more.
pub const SETTLES_WAITING_MAX: usize = 64;
/// Deliveries are cut into answers of about this many bytes.
pub const DELIVER_BYTES: u64 = 1024 * 1024;

/// Longest text inside a problem, in bytes; it travels in the headers of an answer, which peers keep short.
pub const PROBLEM_TEXT_BYTES_MAX: usize = 1024;
/// Distinct texts of a broker's refusals that a client remembers for ever.
pub const REFUSAL_WORDS_MAX: usize = 512;

/// How long a client waits for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The same where there are others to go to: a machine that is gone answers nothing at all.
pub const CONNECT_TIMEOUT_AMONG: Duration = Duration::from_secs(1);
/// How long a client waits for an answer, beyond the wait that the request itself asks for.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// First pause after no endpoint could be reached; it doubles.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest pause after no endpoint could be reached.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Shortest time between two changes of the endpoint because it passes calls on.
pub const LOOK_FURTHER_AFTER: Duration = Duration::from_millis(200);
/// Calls and streams that a client puts on one connection before it opens another.
pub const LANE_STREAMS_MAX: usize = 180;
/// Connections that a client opens to one endpoint.
pub const LANES_MAX: usize = 64;
/// Messages that a client's publisher packs into one request when they wait.
pub const PUBLISHER_FRAME_MESSAGES: usize = 1024;
/// Bytes that a client's publisher packs into one request when they wait.
pub const PUBLISHER_FRAME_BYTES: u64 = 512 * 1024;
/// Settles of one client stream that may wait for their result.
pub const SETTLER_WAITING_MAX: usize = 4096;
/// Deliveries that a client stream holds before it stops reading: never reached, since credit bounds them.
pub const DELIVERY_FRAMES_MAX: usize = 100_000;

//! Every bound of this door, with its unit in the name.

use std::time::Duration;

/// Largest frame that is offered and accepted, in bytes.
pub const FRAME_BYTES_MAX: usize = 131_072;
/// Smallest frame limit that a client may ask for, in bytes: the one of the specification.
pub const FRAME_BYTES_MIN: usize = 4096;
/// Largest frame before a client has logged in, in bytes.
pub const LOGIN_FRAME_BYTES_MAX: usize = 8192;
/// Channels that a connection may open.
pub const CHANNELS_MAX: u16 = 2047;
/// Seconds between signs of life that are offered.
pub const HEARTBEAT_SECONDS: u16 = 60;
/// Tables and arrays inside each other.
pub const TABLE_DEPTH_MAX: usize = 32;
/// Values of a table, all those inside counted.
pub const TABLE_VALUES_MAX: usize = 16_384;
/// How long a client may take to log in.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a closed connection waits for the client's answer.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest body that is put together, in bytes; the broker's own limit counts headers too.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Publications of a channel that are handed over together.
pub const BATCH_MESSAGES_MAX: usize = 1024;
/// Bytes of them.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a channel may have received ahead of an answer that it waits for; then the connection is not read.
pub const BACKLOG_MAX: usize = 1024;
/// Bytes of that.
pub const BACKLOG_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Questions to the broker that a connection may have under way; then it is not read.
pub const QUESTIONS_MAX: usize = 256;
/// Messages that a consumer without a lower prefetch takes ahead of what its client has been sent.
pub const WINDOW_MESSAGES: u32 = 512;
/// Consumers of a channel.
pub const CHANNEL_CONSUMERS_MAX: usize = 4096;
/// Publications and settlements that a transaction may collect.
pub const TRANSACTION_ITEMS_MAX: usize = 100_000;
/// Bytes that a transaction may collect.
pub const TRANSACTION_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Unsettled deliveries of a channel; one that is over it gets no more.
pub const UNSETTLED_MAX: u32 = 1_000_000;
/// Lease of a message that was asked for by `basic.get`, kept up while its channel lives, in milliseconds.
pub const GOT_LEASE_MS: u64 = 60_000;
/// How long a `basic.get` waits for a message that is ready and may be on its way to somebody else, in milliseconds.
pub const GET_WAIT_MS: u64 = 100;
/// How long one read of a partition waits for messages, in milliseconds.
pub const STREAM_WAIT_MS: u64 = 30_000;
/// Most messages of one read of a partition.
pub const STREAM_READ_MAX: u32 = 500;
/// How often a consumer of a whole topic looks for new partitions.
pub const STREAM_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often that lease is kept up.
pub const GOT_LEASE_KEPT_EVERY: Duration = Duration::from_secs(20);
/// Open connections at once; further ones wait in the listen queue of the system.
pub const CONNECTIONS_MAX: usize = 50_000;
/// Connections at once that have not logged in.
pub const STRANGERS_MAX: usize = 4096;
/// Pause after a failed accept: the process may be out of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that one read of a socket takes.
pub const READ_BYTES: usize = 64 * 1024;
/// Room for a read of a connection that was idle: the whole of a login, and of what a quiet client says.
pub const READ_BYTES_FIRST: usize = 4 * 1024;
/// Bytes of frames that are not read yet beyond which the socket waits.
pub const INPUT_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Bytes on their way to the client beyond which no deliveries are taken.
pub const OUTPUT_BYTES_HIGH: usize = 1024 * 1024;
/// Bytes on their way to the client beyond which nothing is read from it either.
pub const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often a connection looks at the time.
pub const TICK: Duration = Duration::from_millis(500);
/// How long connections may take to agree to the end when the server stops.
pub const DRAIN_GRACE: Duration = Duration::from_secs(3);
/// Direct replies that wait for a connection.
pub const REPLIES_MAX: usize = 4096;
/// How often a settlement is tried again while the broker has no time for it.
pub const SETTLE_TRIES_MAX: u32 = 100;

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

//! Bounds of this door, beyond those that every door shares in `model::limits`.
//! Invariant: every buffer, loop and list of this crate is named here.
//! Tests that reach them: `tests/suite/management.rs` of the binary.

use std::time::Duration;

/// Largest body of a request in bytes: definitions of a whole broker.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest body of a publish in bytes, encoded: what a message may hold, in base64, with its properties.
pub const PUBLISH_BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Most items of one list; one that is longer is refused, and asked for by virtual host or by name.
pub const LIST_ITEMS_MAX: usize = 100_000;
/// Items of a page when its size is not said.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Most items of a page: RabbitMQ's bound.
pub const PAGE_ITEMS_MAX: usize = 500;
/// Longest pattern of a name, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Largest compiled pattern, in bytes.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 256 * 1024;
/// Alternatives of one permission, such as the three of `^(a|b|c)$`.
pub const ALTERNATIVES_MAX: usize = 64;
/// Depth of arguments and properties in a body.
pub const DEPTH_MAX: usize = model::limits::HEADER_DEPTH_MAX;
/// Time for a whole request, its body included.
pub const REQUEST: Duration = Duration::from_secs(30);
/// Time for the import of definitions: one durable change a thing.
pub const IMPORT: Duration = Duration::from_secs(300);
/// Lease of messages that are got, until they are settled a moment later, in milliseconds.
pub const GOT_LEASE_MS: u64 = 30_000;
/// How often a change is tried again while the broker is busy.
pub const BUSY_TRIES_MAX: u32 = 50;
/// Fields of a list that may be asked for by name.
pub const COLUMNS_MAX: usize = 64;

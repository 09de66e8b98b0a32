//! Bounds of a node, beside those of `model::limits` that callers meet.

use std::time::Duration;

/// Passwords hashed at the same time; each takes 19 MiB and a core for a while.
pub const PASSWORDS_AT_ONCE_MAX: usize = 2;
/// Logins that wait for their turn to be hashed; more are refused as busy.
pub const PASSWORDS_WAITING_MAX: usize = 64;
/// How long a verified password is believed without hashing it again.
pub const VERIFIED_FOR: Duration = Duration::from_secs(30);
/// Verified passwords that are remembered.
pub const VERIFIED_MAX: usize = 1024;
/// Failed logins of one account or address before it has to wait.
pub const LOGIN_FAILURES_FREE: u32 = 5;
/// The longest wait after failed logins.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(60);
/// Accounts and addresses whose failures are remembered.
pub const LOGIN_FAILURES_MAX: usize = 10_000;
/// How long the claim token of a broker without administrator works.
pub const CLAIM_FOR: Duration = Duration::from_secs(60 * 60);
/// Bytes of publishes that may wait for their confirmation at the same time.
pub const PUBLISH_BYTES_IN_FLIGHT_MAX: usize = 64 * 1024 * 1024;
/// Free disk below which publishes are refused.
pub const DISK_RESERVE_BYTES: u64 = 512 * 1024 * 1024;
/// Waiting receives and consumer streams of one source.
pub const CONSUMERS_PER_SOURCE_MAX: usize = 10_000;
/// Deliveries that are prepared for one consumer before it takes them.
pub const DELIVERIES_PREPARED_MAX: usize = 1000;
/// Bytes of deliveries that are prepared for one consumer before it takes them.
pub const DELIVERY_BYTES_PREPARED_MAX: u64 = 4 * 1024 * 1024;
/// How often it is looked whether a caller that waits or consumes still may: a revoked token works no longer than this.
pub const STANDING_CHECK: Duration = Duration::from_secs(5);
/// Callers whose standing is remembered for that long.
pub const STANDINGS_KEPT: usize = 4096;
/// How often free disk is looked at.
pub const DISK_CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long a drain waits for what is in flight.
pub const DRAIN_FOR: Duration = Duration::from_secs(20);
/// Live messages that one step of compaction moves.
pub const RELOCATE_MESSAGES_PER_STEP: usize = 512;
/// Bytes that one step of compaction moves.
pub const RELOCATE_BYTES_PER_STEP: u64 = 512 * 1024;

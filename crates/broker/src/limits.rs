//! Bounds of the machine itself, beside those of `model::limits` that callers meet.

/// Most messages that one batch moves by the passing of time (leases, delays, expiry, redrive); the rest
/// follows in the next batch, so that one tick never holds up the log.
pub const DUE_MESSAGES_PER_BATCH_MAX: usize = 4096;
/// Messages of a topic that a shared subscription holds ready at once, a partition.
pub const SHARED_WINDOW_MESSAGES: usize = 1024;
/// Most message ids that one queue or topic remembers for deduplication; the oldest is forgotten first.
pub const DEDUPLICATION_IDS_MAX: usize = 1_000_000;
/// How long a compacted topic keeps a record that deletes its key, in milliseconds: a day, so that a reader
/// who was away for a while still learns of the deletion.
pub const TOMBSTONE_MS: u64 = 24 * 60 * 60 * 1000;
/// How much later than its time a record may go, in milliseconds, so that one wake-up takes many.
pub const RETENTION_SLACK_MS: u64 = 1000;
/// Points on the ring of an exchange that spreads by hash, for each unit of a binding's weight: enough that bindings of
/// equal weight get shares within a tenth of each other.
pub const HASH_POINTS_PER_WEIGHT: u32 = 128;
/// Most points on one ring.
pub const HASH_POINTS_MAX: usize = 1 << 20;
/// How long a queue that goes with its last consumer waits for one after a leadership ended with all of them, in
/// milliseconds: long enough to connect again.
pub const CONSUMERS_BACK_MS: u64 = 60_000;
/// Most commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 4096;
/// Most bytes of one batch, unless a single command is larger.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Largest compiled pattern of a policy, in bytes.
pub const POLICY_PROGRAM_BYTES_MAX: usize = 256 * 1024;

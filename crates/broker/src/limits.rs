//! Bounds of the machine itself, beside those of `model::limits` that callers meet.

/// Most messages that one batch moves by the passing of time (leases, delays, expiry, redrive); the rest
/// follows in the next batch, so that one tick never holds up the log.
pub const DUE_MESSAGES_PER_BATCH_MAX: usize = 4096;
/// Messages of a topic that a shared subscription holds ready at once, a partition.
pub const SHARED_WINDOW_MESSAGES: usize = 1024;
/// Most message ids that one queue or topic remembers for deduplication; the oldest is forgotten first.
pub const DEDUPLICATION_IDS_MAX: usize = 1_000_000;
/// Most commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 4096;
/// Most bytes of one batch, unless a single command is larger.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

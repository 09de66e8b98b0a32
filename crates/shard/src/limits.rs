//! Every bound of a shard, by name.
//! Invariant: no queue, cache or loop of the shard grows past a figure on this page.
//! Used by all rooms of the crate; reached by the tests beside each room.

use std::time::Duration;

use model::number::Span;

pub use broker::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX};

/// Most commands that wait to be put into a batch.
pub const INBOX_COMMANDS_MAX: usize = 65_536;
/// Most bytes of commands that wait to be put into a batch. One command is at most half of it.
pub const INBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most bytes of commands submitted together, so that their batch fits one frame of the log.
pub const GROUP_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Batches that are proposed and not yet answered. One is being flushed while the next is filled.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// Bytes of recent batches kept in memory, for apply, followers and consumers at the head of the log.
pub const TAIL_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
/// Bytes of older batches kept in memory after a consumer asked for one message of them.
pub const DECODED_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
/// Bytes that are read at once where consumers go through the log in its order: what is held of one message may keep as
/// many in memory.
pub const READ_AHEAD_BYTES: u64 = 256 * 1024;
/// Largest batch that the shard's own thread writes; longer ones go to the writer's, so that the next batch is
/// made meanwhile.
pub const WRITE_HERE_BYTES_MAX: usize = 4 * 1024;
/// Longest flush, as of late, for which the shard's own thread stands still.
pub const WRITE_HERE_FLUSH_MAX: Duration = Duration::from_millis(1);
/// Bytes of log that are read at once for apply and for a follower. At least one entry is always read.
pub const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Entries of one message to a follower; their bytes are bounded by `READ_BYTES_MAX` as well.
pub const REPLICATION_ENTRIES_MAX: u64 = 64;
/// Flush times remembered for the percentiles.
pub const FLUSH_TIMES_KEPT: usize = 1024;
/// Shortest time between two batches that are proposed only because time passes.
pub const TICK_PAUSE: Duration = Duration::from_millis(2);
/// How far ahead the timer looks; a later deadline is looked at again then. It sleeps by monotonic time, so this is also
/// how late a quiet shard may notice that its wall clock was put right.
pub const TIMER_HORIZON: Span = Span::new(1_000);
/// Pause before something that was refused for lack of room or leadership, or overheard, is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How often who waits for a flush looks whether it is done.
pub const FLUSH_PAUSE: Duration = Duration::from_millis(2);
/// A checkpoint, a purge or a leader that has not come by then is given up until the next round.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Quiet time after which housekeeping runs although no segment was sealed.
pub const HOUSEKEEPING_PERIOD: Duration = Duration::from_secs(15);
/// Room that must be free before a batch is proposed, in segments: the next one, and one for a checkpoint.
pub const RESERVED_SEGMENTS: u64 = 2;
/// Share of a segment, in percent, below which its live messages are written again so that it can go.
pub const SPARSE_PERCENT: u64 = 25;
/// Most messages that are written again by one command.
pub const RELOCATED_MESSAGES_MAX: usize = 512;
/// Segments that are dropped by one command.
pub const DROPPED_SEGMENTS_MAX: usize = 1024;
/// Time between two heartbeats of a leader with followers, in milliseconds.
pub const HEARTBEAT_MS: u64 = 250;
/// Bounds of the chance in an election, in milliseconds. A follower believes in a silent leader for the longer one, and
/// waits for a time between both before it asks to be elected: two seconds at most in all. Four heartbeats get lost before
/// the first of them; a vote has to be flushed and answered within the shorter one.
pub const ELECTION_MS: (u64, u64) = (600, 1_000);
/// How old the last answer of a majority may be for a leader to answer reads, in milliseconds: less than followers
/// believe in a silent one.
pub const HEARD_MS: u64 = 800;
/// How old the last answer of a majority is when a leader stops to serve and lets another one lead, in milliseconds: as
/// long as followers wait before they elect one.
pub const UNHEARD_MS: u64 = 1_600;
/// How often a leader looks for that.
pub const HEARD_LOOK: Duration = Duration::from_millis(250);
/// How long a follower may take to flush what it was sent before it is sent again.
pub const APPEND_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of log that are kept for a follower that lags; behind more than these it takes a copy of the store.
pub const LAG_BYTES_MAX: u64 = 2 << 30;
/// How long a change of the members, or a move of the leadership, may take before its caller hears that it goes on.
pub const CHANGE_WITHIN: Duration = Duration::from_secs(30);
/// How long a change of the voters may stand half done before the leader completes it.
pub const COMPLETE_PAUSE: Duration = Duration::from_secs(2);
/// The node that forms a group, and the only one that may. No other gets its number: numbers are places of the log
/// behind the first ones.
pub const FIRST_NODE: u64 = 1;
/// Most members of one shard.
pub const MEMBERS_MAX: usize = 7;
/// States of which the hash is kept, to be compared with other replicas.
pub const STATES_KEPT: usize = 16;
/// Pieces of one segment that another replica sends; each is `CHUNK_BYTES` of the store long.
pub const SEGMENT_PIECES_MAX: usize = 4096;
/// Segments that are mended for one read before it is given up.
pub const MENDS_PER_READ_MAX: u32 = 8;
/// Slowest scrub, in bytes a second.
pub const SCRUB_BYTES_MIN: u64 = 4096;
/// How long a copy of the store may be lent; segments are not deleted meanwhile.
pub const LOAN_MAX: Duration = Duration::from_secs(3600);

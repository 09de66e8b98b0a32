//! Where a message's bytes lie, and what gives messages out.

use model::number::{ByteSize, LogIndex, QueueId, SubscriptionId};

/// The bytes of a message: a batch of the log, and which message of that batch, counted from 0 over all
/// its commands. The only thing an index keeps of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef {
    /// The batch.
    pub index: LogIndex,
    /// Which message in it.
    pub position: u32,
}

/// The bytes of a message with how many they are, as they count for bounds and liveness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where they lie.
    pub at: MessageRef,
    /// The length of the encoded record.
    pub bytes: u32,
}

impl Stored {
    /// The length as a size.
    pub fn size(self) -> ByteSize {
        ByteSize::new(u64::from(self.bytes))
    }
}

/// What hands out messages under leases or to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceId {
    /// A queue.
    Queue(QueueId),
    /// A subscription, stream or shared.
    Subscription(SubscriptionId),
}

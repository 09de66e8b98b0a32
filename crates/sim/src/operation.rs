//! What clients do, and how often.
//! Invariant: an operation is drawn from its own number, so leaving one out does not change the others.
//! Drawn by `life`, done by `client`.

use crate::chance::Chance;
use crate::configuration::Configuration;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages for a queue.
    Publish,
    /// The same messages again, as after an unknown outcome.
    PublishAgain,
    /// Messages of a queue.
    Receive,
    /// Messages of a shared subscription.
    ReceiveShared,
    /// Work is done.
    Ack,
    /// Work failed.
    Nack,
    /// Work takes longer.
    Extend,
    /// A connection closed.
    Release,
    /// A receipt of long ago.
    SettleLate,
    /// A look into a queue.
    Peek,
    /// Scheduled work is cancelled.
    Cancel,
    /// Everything that waits is deleted.
    Purge,
    /// Dead letters go back.
    Redrive,
    /// Another limit, lease or dead-letter queue.
    AlterQueue,
    /// Deleted, and created again.
    RecreateQueue,
    /// Records for a topic.
    PublishTopic,
    /// A partition is read.
    ReadPartition,
    /// A member joins, reads and commits.
    Commit,
    /// A subscription moves.
    Seek,
    /// Deleted, and created again.
    RecreateSubscription,
    /// Other retention, or more partitions.
    AlterTopic,
    /// A right is given or taken.
    Grant,
    /// The guest publishes.
    GuestPublish,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Publish,
        Self::PublishAgain,
        Self::Receive,
        Self::ReceiveShared,
        Self::Ack,
        Self::Nack,
        Self::Extend,
        Self::Release,
        Self::SettleLate,
        Self::Peek,
        Self::Cancel,
        Self::Purge,
        Self::Redrive,
        Self::AlterQueue,
        Self::RecreateQueue,
        Self::PublishTopic,
        Self::ReadPartition,
        Self::Commit,
        Self::Seek,
        Self::RecreateSubscription,
        Self::AlterTopic,
        Self::Grant,
        Self::GuestPublish,
    ];

    /// How often it is done where nothing else is said.
    #[must_use]
    pub const fn usual_weight(self) -> u64 {
        match self {
            Self::Publish | Self::Receive => 60,
            Self::Ack => 50,
            Self::PublishTopic | Self::ReceiveShared => 25,
            Self::Nack => 20,
            Self::PublishAgain | Self::Extend | Self::Commit | Self::ReadPartition | Self::SettleLate => 10,
            Self::Release | Self::Peek | Self::Cancel | Self::GuestPublish => 8,
            Self::Redrive | Self::AlterQueue | Self::Grant => 4,
            Self::Seek | Self::AlterTopic | Self::RecreateSubscription => 2,
            Self::Purge | Self::RecreateQueue => 1,
        }
    }

    /// Whether a seed cannot do without.
    #[must_use]
    pub const fn is_common(self) -> bool {
        matches!(self, Self::Publish | Self::Receive | Self::Ack)
    }

    /// Draws one.
    #[must_use]
    pub fn draw(chance: &mut Chance, configuration: &Configuration) -> Self {
        Self::ALL[chance.weighted(&configuration.weights)]
    }
}

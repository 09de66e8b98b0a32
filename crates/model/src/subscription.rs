//! Subscriptions: named cursors on a topic.
//! `Stream`: members share the partitions and commit offsets. `Shared`: per-message leases, as on a queue.
//! Invariant: a committed offset moves backwards only by an explicit seek.

use crate::limits::{DELIVERY_LIMIT_DEFAULT, LEASE_MS_DEFAULT, MEMBER_SESSION_MS_DEFAULT};
use crate::name::{MemberName, QueueName, SubscriptionRef, TopicRef, UserName};
use crate::number::{Generation, Offset, Partition, Span, SubscriptionId, Timestamp};
use crate::page::{Page, PageRequest};
use crate::queue::Totals;
use crate::topic::StartAt;

/// How a subscription hands out messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// An offset a partition; each partition belongs to one member at a time.
    Stream {
        /// A member that has not asked for this long loses its partitions.
        session: Span,
    },
    /// A lease a message, any number of consumers.
    Shared {
        /// Lease of a receive that names none.
        lease: Span,
        /// Deliveries before a message is dead-lettered, or dropped where there is no dead-letter queue.
        delivery_limit: u32,
        /// Where dead letters go; a queue of the topic's namespace.
        dead_letter: Option<QueueName>,
    },
}

impl SubscriptionKind {
    /// A stream subscription with the default session.
    pub const fn stream() -> Self {
        Self::Stream { session: Span::new(MEMBER_SESSION_MS_DEFAULT) }
    }

    /// A shared subscription with the default lease and limit and no dead letters.
    pub const fn shared() -> Self {
        Self::Shared { lease: Span::new(LEASE_MS_DEFAULT), delivery_limit: DELIVERY_LIMIT_DEFAULT, dead_letter: None }
    }
}

/// How a subscription behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSettings {
    /// How it hands out messages.
    pub kind: SubscriptionKind,
    /// Where it starts when it is created.
    pub start: StartAt,
}

/// How far a subscription is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Which partition.
    pub partition: Partition,
    /// The first offset that is not committed (stream) or not settled (shared); the end when all are.
    pub committed: Offset,
    /// The end of the partition.
    pub end: Offset,
    /// Messages from there to the end that are not done; on a shared subscription fewer than lie between the two when
    /// some were settled out of order.
    pub lag: u64,
    /// Age of the oldest message in the lag, in whole time; zero when there is none.
    pub lag_time: Span,
    /// The member it belongs to, on a stream subscription.
    pub member: Option<MemberName>,
}

/// Everything about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionDescription {
    /// Its name.
    pub subscription: SubscriptionRef,
    /// Its id.
    pub id: SubscriptionId,
    /// Who owns it; `None` once that user is deleted.
    pub owner: Option<UserName>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How it behaves.
    pub settings: SubscriptionSettings,
    /// The generation of its assignment, on a stream subscription.
    pub generation: Generation,
    /// Live members, on a stream subscription.
    pub members: Vec<MemberName>,
    /// Progress by partition.
    pub partitions: Vec<PartitionProgress>,
    /// Messages not yet done: lag, and on a shared subscription those leased or waiting for a retry too.
    pub lag: u64,
    /// Age of the oldest message not yet done.
    pub lag_time: Span,
    /// Messages with consumers, on a shared subscription.
    pub leased: u64,
    /// Totals since the node started.
    pub totals: Totals,
}

/// Creates a subscription: done when it is there with equal settings, refused when they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSubscription {
    /// Its name.
    pub subscription: SubscriptionRef,
    /// How it behaves.
    pub settings: SubscriptionSettings,
}

/// Describes a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeSubscription {
    /// Which.
    pub subscription: SubscriptionRef,
}

/// Deletes a subscription; the topic keeps its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteSubscription {
    /// Which.
    pub subscription: SubscriptionRef,
}

/// Lists the subscriptions of a topic by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSubscriptions {
    /// Of which topic.
    pub topic: TopicRef,
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// An offset in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Which partition.
    pub partition: Partition,
    /// The next offset to read there.
    pub offset: Offset,
}

/// Commits offsets of a stream subscription: everything below them is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Which.
    pub subscription: SubscriptionRef,
    /// Who commits; with a member, only partitions assigned to it are accepted.
    pub member: Option<MemberName>,
    /// The next offset to read, a partition.
    pub offsets: Vec<PartitionOffset>,
}

/// What is committed after a commit or seek.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The committed offset of each partition that was named.
    pub offsets: Vec<PartitionOffset>,
}

/// Moves a subscription, backwards or forwards; leases of a shared one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seek {
    /// Which.
    pub subscription: SubscriptionRef,
    /// Where to.
    pub to: StartAt,
    /// Only this partition.
    pub partition: Option<Partition>,
}

/// Leaves a stream subscription: the member's partitions go to the others at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveSubscription {
    /// Which.
    pub subscription: SubscriptionRef,
    /// Who leaves.
    pub member: MemberName,
}

/// Nothing more to say than that it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

/// A page of subscriptions.
pub type SubscriptionPage = Page<SubscriptionDescription>;

//! Queues: each message goes to one consumer, in order, until it is settled.
//! Requests and replies of every queue operation, and of receiving and settling from any source.
//! Invariant: `check` of settings bounds every number before the log sees it.

mod settings;

use crate::limits::REDRIVE_RATE_MAX;
use crate::message::{DeadLetterReason, Delivery, MessageId, MessagePlace, MessageState, NewMessage, Peeked};
use crate::name::{MemberName, NamespaceName, QueueRef, Source, UserName};
use crate::number::{ByteSize, LogIndex, Partition, QueueId, Sequence, Span, Timestamp};
use crate::page::{Page, PageRequest};
use crate::policy::AppliedPolicy;
use crate::receipt::{Receipt, Settlement};
use crate::refusal::Refusal;

pub use settings::{DeliveryOrder, Life, Overflow, QueuePatch, QueueSettings, check_lease};

/// How many messages of a queue are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Waiting for a consumer.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// With consumers.
    pub leased: u64,
    /// Bytes of all of them.
    pub bytes: ByteSize,
}

/// Totals since the node started, from which rates are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages accepted.
    pub published: u64,
    /// Messages handed to consumers, redeliveries included.
    pub delivered: u64,
    /// Messages settled by an ack.
    pub acknowledged: u64,
    /// Deliveries of a message that had been delivered before.
    pub redelivered: u64,
    /// Messages moved to dead letters.
    pub dead_lettered: u64,
    /// Messages dropped: expired, over a bound or over the delivery limit, with no dead-letter queue.
    pub dropped: u64,
}

/// A running redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveProgress {
    /// Messages moved so far.
    pub moved: u64,
    /// Messages a second it is held to; `None` is unlimited.
    pub rate: Option<u32>,
}

/// Everything about a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDescription {
    /// Its name.
    pub queue: QueueRef,
    /// Its id.
    pub id: QueueId,
    /// Who owns it; `None` once that user is deleted.
    pub owner: Option<UserName>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How it was made to behave.
    pub settings: QueueSettings,
    /// The policy that applies to it, with the settings that are in effect then.
    pub policy: Option<AppliedPolicy>,
    /// What it holds.
    pub counts: QueueCounts,
    /// When its oldest ready message was published.
    pub oldest_ready_at: Option<Timestamp>,
    /// When its oldest leased message was published: the age of work that is not done.
    pub oldest_leased_at: Option<Timestamp>,
    /// Totals since the node started.
    pub totals: Totals,
    /// Connected consumers and waiting receives.
    pub consumers: u32,
    /// Set while a redrive runs.
    pub redrive: Option<RedriveProgress>,
}

impl QueueDescription {
    /// The settings in effect: its own, or what a policy makes of them.
    pub fn effective(&self) -> &QueueSettings {
        self.policy.as_ref().map_or(&self.settings, |policy| &policy.settings)
    }
}

/// Creates a queue: done when it is there with equal settings, refused when they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// Its name.
    pub queue: QueueRef,
    /// How it behaves.
    pub settings: QueueSettings,
}

/// Whether a create made something or found its equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<T> {
    /// False when it was there already with equal settings.
    pub created: bool,
    /// What is there now.
    pub description: T,
}

/// Describes a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeQueue {
    /// Which.
    pub queue: QueueRef,
}

/// Changes settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterQueue {
    /// Which.
    pub queue: QueueRef,
    /// What changes.
    pub patch: QueuePatch,
}

/// What a delete does with messages that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteMode {
    /// Refuse unless there are none.
    #[default]
    IfEmpty,
    /// Delete them too.
    Force,
}

/// Deletes a queue. Only its owner or an administrator may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteQueue {
    /// Which.
    pub queue: QueueRef,
    /// What happens to its messages.
    pub mode: DeleteMode,
}

/// How many messages went with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages deleted.
    pub messages: u64,
}

/// Lists queues by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// Where.
    pub namespace: NamespaceName,
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Deletes all ready and delayed messages of a queue; leased ones stay with their consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeQueue {
    /// Which.
    pub queue: QueueRef,
}

/// Gives a queue to another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferQueue {
    /// Which.
    pub queue: QueueRef,
    /// The new owner.
    pub owner: UserName,
}

/// Publishes messages to a queue, all in one step: all are accepted or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Where to.
    pub queue: QueueRef,
    /// What: 1 to 4096.
    pub messages: Vec<NewMessage>,
}

/// What became of one published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedMessage {
    /// Its id: the producer's or a new one.
    pub id: MessageId,
    /// The partition it lies in.
    pub partition: Partition,
    /// Its place there.
    pub sequence: Sequence,
    /// True when a message with this id was there already: nothing was added.
    pub duplicate: bool,
}

/// How a write was made durable before it was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Flushed to disk on the only node there is.
    Fsync,
    /// Flushed to disk on a majority of the replicas.
    FsyncMajority,
}

impl Durability {
    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::FsyncMajority => "fsync_majority",
        }
    }
}

/// The confirmation of a publish. It exists only once every message is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// In the order of the request.
    pub messages: Vec<PublishedMessage>,
    /// How they were made durable.
    pub durability: Durability,
    /// Where in the log they lie.
    pub position: LogIndex,
}

/// Takes up to `max` messages under a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// From where.
    pub source: Source,
    /// At most this many: 1 to 1000.
    pub max: u32,
    /// Wait this long for the first message: 0 to 60 s.
    pub wait: Span,
    /// How long the messages are the caller's; `None`: as the source's settings say.
    pub lease: Option<Span>,
    /// Who asks; required on a stream subscription, where it is the member of the group.
    pub member: Option<MemberName>,
}

/// What a receive brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The deliveries; empty when the wait ran out.
    pub deliveries: Vec<Delivery>,
}

/// Settles deliveries: the work is done, the messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
}

/// What a nack asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackAction {
    /// Deliver it again after this long; zero means at once, to its old place.
    Retry(Span),
    /// Never again: to the dead letters, or dropped where there are none.
    Reject,
}

/// Gives deliveries back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
    /// What happens to the messages.
    pub action: NackAction,
}

/// Keeps deliveries for longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// From where they were received.
    pub source: Source,
    /// Which deliveries.
    pub receipts: Vec<Receipt>,
    /// The new length of the lease, counted from now.
    pub lease: Span,
}

/// What became of each receipt, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// One result a receipt.
    pub results: Vec<Settlement>,
}

/// Looks at messages without taking them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Where.
    pub queue: QueueRef,
    /// In which state.
    pub state: MessageState,
    /// At most this many: 1 to 1000.
    pub limit: u32,
    /// Start after this place.
    pub after: Option<MessagePlace>,
}

/// What a peek saw.
#[derive(Clone, Debug, PartialEq)]
pub struct PeekedMessages {
    /// In order of partition and sequence, so that a page goes on where the one before ended.
    pub messages: Vec<Peeked>,
    /// Continue after this place; `None` at the end.
    pub next: Option<MessagePlace>,
}

/// Deletes messages that are delayed or ready, by place: cancels scheduled work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelMessages {
    /// Where.
    pub queue: QueueRef,
    /// Which: 1 to 4096.
    pub places: Vec<MessagePlace>,
}

/// What a cancel did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// True for each place whose message was deleted; false when it was gone or leased.
    pub cancelled: Vec<bool>,
}

/// Which dead letters a redrive moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveFilter {
    /// Only those moved for this reason.
    pub reason: Option<DeadLetterReason>,
    /// Only those that came from this source, as its text: `queue default/orders`.
    pub origin: Option<String>,
    /// Only these; empty means all.
    pub places: Vec<MessagePlace>,
    /// At most this many.
    pub max: Option<u64>,
}

/// Moves dead letters back to where they came from, or to a named queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub queue: QueueRef,
    /// Which messages.
    pub filter: RedriveFilter,
    /// Instead of their origin.
    pub target: Option<QueueRef>,
    /// Messages a second, 1 to 100000; `None`: all at once.
    pub rate: Option<u32>,
}

impl Redrive {
    /// Checks the rate and the bound.
    ///
    /// # Errors
    /// `ArgumentInvalid` when one is out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.rate.is_some_and(|rate| rate == 0 || rate > REDRIVE_RATE_MAX) {
            return Err(Refusal::invalid("rate", "it must lie between 1 and 100000 messages a second"));
        }
        if self.filter.max == Some(0) {
            return Err(Refusal::invalid("max", "it must be at least 1; leave it out for all"));
        }
        Ok(())
    }
}

/// What a redrive did or set going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// Messages moved at once.
    pub moved: u64,
    /// True when the rest follows at the rate asked for; see the queue's description.
    pub running: bool,
}

/// A page of queues.
pub type QueuePage = Page<QueueDescription>;

//! What is proposed to the log: commands, many in one batch. The batch carries the only time there is.
//! Requests become commands at the node, where passwords are hashed and tokens drawn; reads never do.
//! Invariant: a command holds everything that its outcome depends on besides the machine's state.

use bytes::Bytes;
use model::access::{
    AddGrant, CreateNamespace, DeleteNamespace, DeleteUser, RemoveGrant, RevokeToken, Role, Scope, TokenKind,
};
use model::binding::{Bind, RoutingKey, Unbind, Unroutable};
use model::exchange::{CreateExchange, DeleteExchange};
use model::name::{ExchangeRef, MemberName, QueueRef, SubscriptionRef, TopicRef, UserName};
use model::number::{
    Attempt, Epoch, LogIndex, Offset, Partition, QueueId, Sequence, Span, SubscriptionId, Timestamp, TokenId, TopicId,
    UserId,
};
use model::policy::{DeletePolicy, SetPolicy};
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteQueue, Extend, Nack, PurgeQueue, Redrive, TransferQueue,
};
use model::receipt::Receipt;
use model::subscription::{Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, Seek};
use model::topic::{AlterTopic, CreateTopic, DeleteTopic, TransferTopic};

use crate::place::{MessageRef, SourceId};

/// Commands that are made durable and applied together, in order, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The leader's clock, never before that of an earlier batch.
    pub now: Timestamp,
    /// What is to be done.
    pub commands: Vec<Command>,
}

/// One change, and in whose name.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// In whose name.
    pub principal: Principal,
    /// What is to be done.
    pub action: Action,
}

/// In whose name a command or read is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The broker itself; may do everything.
    System,
    /// A user, narrowed by the scope of its token.
    User {
        /// Who.
        id: UserId,
        /// What the token allows at most.
        scope: Scope,
    },
}

/// A message chosen for delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The partition it lies in.
    pub partition: Partition,
    /// Its place there.
    pub sequence: Sequence,
    /// Which delivery this is; one more than those before.
    pub attempt: Attempt,
}

/// Who holds a lease and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// At this time, unless extended; survives restarts.
    At(Timestamp),
    /// With the connection; a new epoch ends all of an older one.
    WithConnection,
}

/// The holder of a reference, for relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A message of a queue.
    Queue(QueueId, Partition, Sequence),
    /// A record of a topic.
    Topic(TopicId, Partition, Offset),
    /// A message in the window of a shared subscription.
    Subscription(SubscriptionId, Partition, Sequence),
}

/// A live message out of a sparse segment, written again so that the segment can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Who refers to it.
    pub holder: Holder,
    /// Where it lay; when the holder refers elsewhere by now, nothing happens.
    pub from: MessageRef,
    /// When it was first accepted.
    pub published_at: Timestamp,
    /// Its record, unchanged; empty for a further holder of a message that the same command moves already.
    pub record: Bytes,
}

/// What happened to the consumers of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The first consumer came.
    Consumed,
    /// The last consumer went.
    Left,
    /// Somebody asked for messages without staying.
    Asked,
}

/// A message on its way through an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedRecord {
    /// What it is routed by, the main key first.
    pub keys: Vec<RoutingKey>,
    /// What becomes of it when no rule fits.
    pub unroutable: Unroutable,
    /// The message, encoded by `record::write`.
    pub record: Bytes,
}

/// A change of the machine's state. Those that carry model requests are documented there.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A leader starts to work: the epoch is the log index of the batch; leases bound to connections of
    /// older epochs end.
    OpenEpoch,
    /// Only time passes.
    Tick,
    /// Creates the first administrator; refused once there is one.
    Claim {
        /// The name.
        name: UserName,
        /// The password's hash in PHC text form.
        password_hash: String,
    },

    /// Creates a queue.
    CreateQueue(CreateQueue),
    /// Alters a queue.
    AlterQueue(AlterQueue),
    /// Deletes a queue.
    DeleteQueue(DeleteQueue),
    /// Purges a queue.
    PurgeQueue(PurgeQueue),
    /// Gives a queue away.
    TransferQueue(TransferQueue),
    /// Adds messages to a queue, all or none.
    Publish {
        /// Where to.
        queue: QueueRef,
        /// Encoded by `record::encode`.
        records: Vec<Bytes>,
    },
    /// Records deliveries that the leader has made. A pick whose message is not ready any more, or whose
    /// attempt is not the next one, is void.
    Lease {
        /// Of what.
        source: SourceId,
        /// Under which leadership; another than the present one makes the whole command void.
        epoch: Epoch,
        /// For how long.
        end: LeaseEnd,
        /// What was handed out.
        picks: Vec<Pick>,
    },
    /// Ends leases of a connection that closed: the messages go back to their places.
    Release {
        /// Of what.
        source: SourceId,
        /// Which.
        receipts: Vec<Receipt>,
    },
    /// Settles deliveries.
    Ack(Ack),
    /// Gives deliveries back.
    Nack(Nack),
    /// Prolongs leases.
    Extend(Extend),
    /// Cancels messages by place.
    CancelMessages(CancelMessages),
    /// Moves dead letters back.
    Redrive(Redrive),

    /// The leader tells whether anybody consumes from a queue that goes when nobody does. Another epoch than the
    /// present one makes it void.
    NoteUse {
        /// Which queue.
        queue: QueueId,
        /// Under which leadership.
        epoch: Epoch,
        /// What happened.
        usage: Usage,
    },

    /// Creates a topic.
    CreateTopic(CreateTopic),
    /// Alters a topic.
    AlterTopic(AlterTopic),
    /// Deletes a topic.
    DeleteTopic(DeleteTopic),
    /// Gives a topic away.
    TransferTopic(TransferTopic),
    /// Adds messages to a topic, all or none.
    PublishTopic {
        /// Where to.
        topic: TopicRef,
        /// The partition if one was named, and the message encoded by `record::encode`.
        records: Vec<(Option<Partition>, Bytes)>,
    },

    /// Creates an exchange.
    CreateExchange(CreateExchange),
    /// Deletes an exchange.
    DeleteExchange(DeleteExchange),
    /// Adds a binding.
    Bind(Bind),
    /// Removes a binding.
    Unbind(Unbind),
    /// Sets a policy.
    SetPolicy(SetPolicy),
    /// Takes a policy away.
    DeletePolicy(DeletePolicy),
    /// Routes messages, each for itself.
    PublishExchange {
        /// From where.
        exchange: ExchangeRef,
        /// What.
        records: Vec<RoutedRecord>,
    },

    /// Creates a subscription.
    CreateSubscription(CreateSubscription),
    /// Deletes a subscription.
    DeleteSubscription(DeleteSubscription),
    /// Commits offsets.
    Commit(Commit),
    /// Moves a subscription.
    Seek(Seek),
    /// A member joins a stream subscription; done when it is in.
    Join {
        /// Which.
        subscription: SubscriptionRef,
        /// Who.
        member: MemberName,
    },
    /// A member leaves, by itself or because its session ended.
    Leave(LeaveSubscription),

    /// Creates a user.
    CreateUser {
        /// The name.
        name: UserName,
        /// The password's hash in PHC text form.
        password_hash: String,
        /// The roles.
        roles: Vec<Role>,
    },
    /// Alters a user.
    AlterUser {
        /// Who.
        name: UserName,
        /// A new hash; ends the user's sessions.
        password_hash: Option<String>,
        /// New roles.
        roles: Option<Vec<Role>>,
        /// Disabled or enabled.
        disabled: Option<bool>,
    },
    /// Deletes a user.
    DeleteUser(DeleteUser),
    /// Adds a grant.
    AddGrant(AddGrant),
    /// Removes a grant.
    RemoveGrant(RemoveGrant),
    /// Records a token of the principal.
    CreateToken {
        /// What it is called.
        label: String,
        /// Login or program.
        kind: TokenKind,
        /// What it allows.
        scope: Scope,
        /// How long it works.
        lifetime: Span,
        /// SHA-256 of its secret.
        secret_hash: [u8; 32],
    },
    /// Revokes a token.
    RevokeToken(RevokeToken),
    /// Ends the session.
    Logout {
        /// The token that the caller used.
        token: TokenId,
    },
    /// Creates a namespace.
    CreateNamespace(CreateNamespace),
    /// Deletes a namespace.
    DeleteNamespace(DeleteNamespace),

    /// Writes live messages again, out of sparse segments.
    Relocate(Vec<Relocation>),
    /// Segments that the leader found dead may be forgotten; each replica deletes its file.
    DropSegments {
        /// By their first log index.
        first: Vec<LogIndex>,
    },
}

impl Action {
    /// Roughly how many bytes of payload the action carries, for batching and buffers.
    pub fn payload_bytes(&self) -> usize {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other action is small")]
        match self {
            Self::Publish { records, .. } => records.iter().map(|record| record.len() + 4).sum(),
            Self::PublishTopic { records, .. } => records.iter().map(|(_, record)| record.len() + 12).sum(),
            Self::PublishExchange { records, .. } => {
                let keys = |routed: &RoutedRecord| routed.keys.iter().map(|key| key.as_str().len() + 4).sum::<usize>();
                records.iter().map(|routed| routed.record.len() + keys(routed) + 16).sum()
            }
            Self::Relocate(relocations) => relocations.iter().map(|item| item.record.len() + 64).sum(),
            Self::Lease { picks, .. } => picks.len() * 16,
            Self::Ack(ack) => ack.receipts.len() * 40,
            Self::Nack(nack) => nack.receipts.len() * 40,
            Self::Extend(extend) => extend.receipts.len() * 40,
            Self::Release { receipts, .. } => receipts.len() * 40,
            _ => 128,
        }
    }

    /// Whether the action settles, consumes or deletes: it goes on when the disk is nearly full, since it
    /// leads to more room.
    pub const fn is_freeing(&self) -> bool {
        matches!(
            self,
            Self::Ack(_)
                | Self::Nack(_)
                | Self::Extend(_)
                | Self::Lease { .. }
                | Self::Release { .. }
                | Self::Commit(_)
                | Self::PurgeQueue(_)
                | Self::CancelMessages(_)
                | Self::DeleteQueue(_)
                | Self::DeleteTopic(_)
                | Self::DeleteSubscription(_)
                | Self::DeleteExchange(_)
                | Self::NoteUse { .. }
                | Self::Unbind(_)
                | Self::AlterTopic(_)
                | Self::AlterQueue(_)
                | Self::CreateToken { .. }
                | Self::RevokeToken(_)
                | Self::Logout { .. }
                | Self::Join { .. }
                | Self::Leave(_)
        )
    }

    /// How many messages the action brings into the log.
    pub fn record_count(&self) -> u32 {
        u32::try_from(self.records().count()).expect("a batch is bounded far below 2^32 messages")
    }

    /// The messages that the action brings into the log, in the order of their positions.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Bytes> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "no other action carries messages")]
        let (plain, placed, routed, moved): (&[Bytes], &[_], &[RoutedRecord], &[Relocation]) = match self {
            Self::Publish { records, .. } => (records, &[], &[], &[]),
            Self::PublishTopic { records, .. } => (&[], records, &[], &[]),
            Self::PublishExchange { records, .. } => (&[], &[], records, &[]),
            Self::Relocate(relocations) => (&[], &[], &[], relocations),
            _ => (&[], &[], &[], &[]),
        };
        let placed = placed.iter().map(|(_, record)| record);
        let routed = routed.iter().map(|routed| &routed.record);
        let moved = moved.iter().map(|item| &item.record).filter(|record| !record.is_empty());
        plain.iter().chain(placed).chain(routed).chain(moved)
    }
}

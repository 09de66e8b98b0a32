//! The arguments of `recado topic` and `recado subscription`.
//! Invariant: names stay text here; the model checks them.
//! Done by `ctl::topic` and `ctl::subscription`; help snapshots in `tests/help.rs`.

use clap::{Args, Subcommand, ValueEnum};
use model::number::{ByteSize, Span};
use model::topic::Cleanup;

use super::client::{ClientArguments, NamespaceArgument, PageArguments};
use super::queue::{DeleteArguments, MessageArguments, TakeArguments, TransferArguments};
use crate::quantity::{Bound, parse_size, parse_size_bound, parse_span, parse_span_bound};

/// Topics: every subscription gets every message.
#[derive(Args, Debug)]
pub(crate) struct TopicArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: TopicCommand,
}

/// What to do with a topic.
#[derive(Subcommand, Debug)]
pub(crate) enum TopicCommand {
    /// Create a topic; done when it is there with equal settings
    #[command(
        before_help = "Examples:\n  recado topic create flights --partitions 4\n  recado topic create prices --cleanup compact --retention none"
    )]
    Create(CreateArguments),
    /// Show settings, partitions and owner
    Describe(TopicName),
    /// List topics by name
    List(PageArguments),
    /// Change settings; what is not named stays
    Alter(AlterArguments),
    /// Delete a topic with its subscriptions; only its owner or an administrator may
    Delete(DeleteArguments),
    /// Give a topic to another user
    Transfer(TransferArguments),
    /// Publish messages; confirmed once they are on disk
    #[command(
        before_help = "Examples:\n  recado topic publish flights --key UA \"late\"\n  recado topic publish flights --lines < flights.txt"
    )]
    Publish(PublishArguments),
    /// Read a partition, without a subscription and without changing anything
    #[command(
        before_help = "Examples:\n  recado topic read flights --partition 2 --from 100 --limit 20\n  recado topic read flights --from latest --wait 30s"
    )]
    Read(ReadArguments),
    /// Follow all partitions as messages come; Ctrl-C ends it
    #[command(
        before_help = "Examples:\n  recado topic tail flights\n  recado topic tail flights --from earliest --output json"
    )]
    Tail(TailArguments),
}

/// A topic by name.
#[derive(Args, Debug)]
pub(crate) struct TopicName {
    /// The topic
    pub(crate) topic: String,
}

/// Which old messages a topic gives up.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CleanupWord {
    /// Those beyond the retention
    Delete,
    /// Those with a newer message of the same key
    Compact,
}

impl From<CleanupWord> for Cleanup {
    fn from(word: CleanupWord) -> Self {
        match word {
            CleanupWord::Delete => Self::Delete,
            CleanupWord::Compact => Self::Compact,
        }
    }
}

/// `recado topic create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// The topic
    pub(crate) topic: String,
    /// Partitions, 1 to 1024; may grow, never shrink
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) partitions: u32,
    /// How long messages stay, or none for ever
    #[arg(long, value_name = "TIME", value_parser = parse_span_bound, default_value = "7d")]
    pub(crate) retention: Bound<Span>,
    /// Most bytes each partition keeps, such as 1GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) retention_bytes: Option<ByteSize>,
    /// Which old messages are given up
    #[arg(long, value_enum, default_value = "delete")]
    pub(crate) cleanup: CleanupWord,
    /// How long message ids are remembered; 0 switches it off
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "5m")]
    pub(crate) deduplication: Span,
}

/// `recado topic alter`.
#[derive(Args, Debug)]
pub(crate) struct AlterArguments {
    /// The topic
    pub(crate) topic: String,
    /// More partitions
    #[arg(long, value_name = "COUNT")]
    pub(crate) partitions: Option<u32>,
    /// How long messages stay, or none for ever
    #[arg(long, value_name = "TIME", value_parser = parse_span_bound)]
    pub(crate) retention: Option<Bound<Span>>,
    /// Most bytes each partition keeps, or none
    #[arg(long, value_name = "SIZE", value_parser = parse_size_bound)]
    pub(crate) retention_bytes: Option<Bound<ByteSize>>,
    /// Which old messages are given up
    #[arg(long, value_enum)]
    pub(crate) cleanup: Option<CleanupWord>,
    /// How long message ids are remembered; 0 switches it off
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) deduplication: Option<Span>,
}

/// `recado topic publish`.
#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// The topic
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) message: MessageArguments,
    /// The partition it must go to
    #[arg(long, value_name = "NUMBER")]
    pub(crate) partition: Option<u32>,
}

/// `recado topic read`.
#[derive(Args, Debug)]
pub(crate) struct ReadArguments {
    /// The topic
    pub(crate) topic: String,
    /// The partition, counted from 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) partition: u32,
    /// From where: earliest, latest, an offset, or a time as @MILLISECONDS since 1970
    #[arg(long, value_name = "PLACE", default_value = "earliest")]
    pub(crate) from: String,
    /// At most this many, 1 to 1000
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub(crate) limit: u32,
    /// Wait this long for the first message, at most 60s
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "0")]
    pub(crate) wait: Span,
    /// Print only the bodies, one after the other
    #[arg(long)]
    pub(crate) body: bool,
}

/// `recado topic tail`.
#[derive(Args, Debug)]
pub(crate) struct TailArguments {
    /// The topic
    pub(crate) topic: String,
    /// From where: earliest, latest, or a time as @MILLISECONDS since 1970
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    pub(crate) from: String,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    pub(crate) partition: Option<u32>,
    /// Print only the bodies
    #[arg(long)]
    pub(crate) body: bool,
    /// End after this many messages
    #[arg(long, value_name = "COUNT")]
    pub(crate) count: Option<u64>,
}

/// Subscriptions: named cursors on a topic.
#[derive(Args, Debug)]
pub(crate) struct SubscriptionArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: SubscriptionCommand,
}

/// What to do with a subscription.
#[derive(Subcommand, Debug)]
pub(crate) enum SubscriptionCommand {
    /// Create a subscription; done when it is there with equal settings
    #[command(
        before_help = "Examples:\n  recado subscription create flights billing\n  recado subscription create flights totals --kind stream --from earliest"
    )]
    Create(CreateSubscriptionArguments),
    /// Show settings, members and lag
    Describe(SubscriptionName),
    /// List the subscriptions of a topic by name
    List(ListSubscriptionsArguments),
    /// Delete a subscription; the topic keeps its messages
    Delete(SubscriptionName),
    /// Take messages; --ack settles them at once
    Receive(ReceiveSubscriptionArguments),
    /// Settle deliveries of a shared subscription
    Ack(SettleSubscriptionArguments),
    /// Give deliveries of a shared subscription back, or reject them for good
    Nack(NackSubscriptionArguments),
    /// Commit offsets of a stream subscription: everything below them is done
    Commit(CommitArguments),
    /// Move a subscription, backwards or forwards
    Seek(SeekArguments),
}

/// A subscription by topic and name.
#[derive(Args, Debug)]
pub(crate) struct SubscriptionName {
    /// The topic
    pub(crate) topic: String,
    /// The subscription
    pub(crate) subscription: String,
}

/// How a subscription hands out messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindWord {
    /// A lease a message, any number of consumers
    Shared,
    /// An offset a partition; each partition belongs to one member at a time
    Stream,
}

/// `recado subscription create`.
#[derive(Args, Debug)]
pub(crate) struct CreateSubscriptionArguments {
    #[command(flatten)]
    pub(crate) name: SubscriptionName,
    /// How it hands out messages
    #[arg(long, value_enum, default_value = "shared")]
    pub(crate) kind: KindWord,
    /// Where it starts: earliest, latest, an offset, or a time as @MILLISECONDS since 1970
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    pub(crate) from: String,
    /// Stream: a member that has not asked for this long loses its partitions
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "30s")]
    pub(crate) session: Span,
    /// Shared: lease of a receive that names none
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "30s")]
    pub(crate) lease: Span,
    /// Shared: deliveries before a message goes to the dead letters
    #[arg(long, value_name = "COUNT", default_value_t = model::limits::DELIVERY_LIMIT_DEFAULT)]
    pub(crate) delivery_limit: u32,
    /// Shared: where dead letters go, a queue of the topic's namespace
    #[arg(long, value_name = "QUEUE")]
    pub(crate) dead_letter: Option<String>,
}

/// `recado subscription list`.
#[derive(Args, Debug)]
pub(crate) struct ListSubscriptionsArguments {
    /// The topic
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) page: PageArguments,
}

/// `recado subscription receive`.
#[derive(Args, Debug)]
pub(crate) struct ReceiveSubscriptionArguments {
    #[command(flatten)]
    pub(crate) name: SubscriptionName,
    /// Stream: the member that asks; left out: cli-USER
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<String>,
    #[command(flatten)]
    pub(crate) take: TakeArguments,
}

/// `recado subscription ack`.
#[derive(Args, Debug)]
pub(crate) struct SettleSubscriptionArguments {
    #[command(flatten)]
    pub(crate) name: SubscriptionName,
    /// The receipts of the deliveries
    #[arg(required = true, value_name = "RECEIPT")]
    pub(crate) receipts: Vec<String>,
}

/// `recado subscription nack`.
#[derive(Args, Debug)]
pub(crate) struct NackSubscriptionArguments {
    #[command(flatten)]
    pub(crate) deliveries: SettleSubscriptionArguments,
    /// Deliver them again after this long
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "0")]
    pub(crate) delay: Span,
    /// Never again: to the dead letters, or dropped where there are none
    #[arg(long, conflicts_with = "delay")]
    pub(crate) reject: bool,
}

/// `recado subscription commit`.
#[derive(Args, Debug)]
pub(crate) struct CommitArguments {
    #[command(flatten)]
    pub(crate) name: SubscriptionName,
    /// The next offset to read in each partition
    #[arg(required = true, value_name = "PARTITION-OFFSET")]
    pub(crate) offsets: Vec<String>,
    /// Only when the partitions belong to this member
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<String>,
}

/// `recado subscription seek`.
#[derive(Args, Debug)]
pub(crate) struct SeekArguments {
    #[command(flatten)]
    pub(crate) name: SubscriptionName,
    /// Where to: earliest, latest, an offset, or a time as @MILLISECONDS since 1970
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: String,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    pub(crate) partition: Option<u32>,
}

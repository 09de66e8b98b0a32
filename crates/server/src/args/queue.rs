//! The arguments of `recado queue`.
//! Invariant: names stay text here; the model checks them, so that every door refuses them with the same code.
//! Done by `ctl::queue`; help snapshots in `tests/help.rs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::message::{DeadLetterReason, MessageState};
use model::number::{ByteSize, Span};
use model::queue::{DeliveryOrder, Overflow};

use super::client::{ClientArguments, NamespaceArgument, PageArguments};
use crate::quantity::{Bound, parse_count_bound, parse_size, parse_size_bound, parse_span, parse_span_bound};

/// Queues: each message goes to one consumer.
#[derive(Args, Debug)]
pub(crate) struct QueueArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

/// What to do with a queue.
#[derive(Subcommand, Debug)]
pub(crate) enum QueueCommand {
    /// Create a queue; done when it is there with equal settings
    #[command(
        before_help = "Examples:\n  recado queue create orders\n  recado queue create orders --dead-letter orders.dead --delivery-limit 5\n  recado queue create mail --order per-key --partitions 8"
    )]
    Create(CreateArguments),
    /// Show settings, counts and owner
    Describe(QueueName),
    /// List queues by name
    List(PageArguments),
    /// Change settings; what is not named stays
    #[command(
        before_help = "Examples:\n  recado queue alter orders --lease 2m\n  recado queue alter orders --max-messages none"
    )]
    Alter(AlterArguments),
    /// Delete a queue; only its owner or an administrator may
    Delete(DeleteArguments),
    /// Delete all ready and delayed messages
    Purge(QueueName),
    /// Give a queue to another user
    Transfer(TransferArguments),
    /// Publish messages; confirmed once they are on disk
    #[command(
        before_help = "Examples:\n  recado queue publish orders \"hello\"\n  recado queue publish orders --lines < orders.txt\n  recado queue publish mail \"later\" --delay 1h --key customer-7 --header trace=a1"
    )]
    Publish(PublishArguments),
    /// Take messages under a lease; --ack settles them at once
    #[command(
        before_help = "Examples:\n  recado queue receive orders --max 10 --wait 5s\n  recado queue receive orders --ack --body"
    )]
    Receive(ReceiveArguments),
    /// Settle deliveries: the work is done
    Ack(ReceiptArguments),
    /// Give deliveries back, or reject them for good
    Nack(NackArguments),
    /// Keep deliveries for longer
    Extend(ExtendArguments),
    /// Look at messages without taking them
    Peek(PeekArguments),
    /// Delete ready or delayed messages by place, as peek shows it
    Cancel(CancelArguments),
    /// Move dead letters back to where they came from
    #[command(
        before_help = "Examples:\n  recado queue redrive orders.dead\n  recado queue redrive orders.dead --reason rejected --max 100 --rate 10 --target orders.retry"
    )]
    Redrive(RedriveArguments),
}

/// A queue by name.
#[derive(Args, Debug)]
pub(crate) struct QueueName {
    /// The queue
    pub(crate) queue: String,
}

/// What a full queue does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OverflowWord {
    /// Refuse the publish
    Reject,
    /// Drop the oldest ready message
    DropOldest,
}

impl From<OverflowWord> for Overflow {
    fn from(word: OverflowWord) -> Self {
        match word {
            OverflowWord::Reject => Self::Reject,
            OverflowWord::DropOldest => Self::DropOldest,
        }
    }
}

/// In which order consumers get messages.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OrderWord {
    /// By priority, then first in, first out
    Fifo,
    /// Also one message of each key at a time
    PerKey,
}

impl From<OrderWord> for DeliveryOrder {
    fn from(word: OrderWord) -> Self {
        match word {
            OrderWord::Fifo => Self::Fifo,
            OrderWord::PerKey => Self::PerKey,
        }
    }
}

/// `recado queue create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// The queue
    pub(crate) queue: String,
    /// Most messages it holds
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_messages: Option<u64>,
    /// Most bytes it holds, such as 1GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_bytes: Option<ByteSize>,
    /// What happens at either bound
    #[arg(long, value_enum, default_value = "reject")]
    pub(crate) overflow: OverflowWord,
    /// Lifetime of messages that name none
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) message_ttl: Option<Span>,
    /// Lease of a receive that names none
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "30s")]
    pub(crate) lease: Span,
    /// Deliveries before a message goes to the dead letters
    #[arg(long, value_name = "COUNT", default_value_t = model::limits::DELIVERY_LIMIT_DEFAULT)]
    pub(crate) delivery_limit: u32,
    /// Where dead letters go: a queue of the same namespace
    #[arg(long, value_name = "QUEUE")]
    pub(crate) dead_letter: Option<String>,
    /// How long message ids are remembered; 0 switches it off
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "5m")]
    pub(crate) deduplication: Span,
    /// In which order consumers get messages; fixed at creation
    #[arg(long, value_enum, default_value = "fifo")]
    pub(crate) order: OrderWord,
    /// Partitions, 1 to 1024; fixed at creation
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) partitions: u32,
}

/// `recado queue alter`.
#[derive(Args, Debug)]
#[group(id = "change", multiple = true)]
pub(crate) struct AlterArguments {
    /// The queue
    pub(crate) queue: String,
    /// Most messages it holds, or none
    #[arg(long, value_name = "COUNT", value_parser = parse_count_bound)]
    pub(crate) max_messages: Option<Bound<u64>>,
    /// Most bytes it holds, or none
    #[arg(long, value_name = "SIZE", value_parser = parse_size_bound)]
    pub(crate) max_bytes: Option<Bound<ByteSize>>,
    /// What happens at either bound
    #[arg(long, value_enum)]
    pub(crate) overflow: Option<OverflowWord>,
    /// Lifetime of messages that name none, or none
    #[arg(long, value_name = "TIME", value_parser = parse_span_bound)]
    pub(crate) message_ttl: Option<Bound<Span>>,
    /// Lease of a receive that names none
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) lease: Option<Span>,
    /// Deliveries before a message goes to the dead letters
    #[arg(long, value_name = "COUNT")]
    pub(crate) delivery_limit: Option<u32>,
    /// Where dead letters go, or none
    #[arg(long, value_name = "QUEUE")]
    pub(crate) dead_letter: Option<String>,
    /// How long message ids are remembered; 0 switches it off
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) deduplication: Option<Span>,
}

/// `recado queue delete` and `recado topic delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// Its name
    pub(crate) name: String,
    /// Delete what it holds too
    #[arg(long)]
    pub(crate) force: bool,
}

/// `recado queue transfer` and `recado topic transfer`.
#[derive(Args, Debug)]
pub(crate) struct TransferArguments {
    /// Its name
    pub(crate) name: String,
    /// The new owner
    #[arg(long, value_name = "USER")]
    pub(crate) to: String,
}

/// A message, or many from standard input.
#[derive(Args, Debug)]
pub(crate) struct MessageArguments {
    /// The body; left out: standard input is the body
    pub(crate) body: Option<String>,
    /// Each line of standard input is a message
    #[arg(long, conflicts_with_all = ["body", "id"])]
    pub(crate) lines: bool,
    /// Read the body from this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "lines"])]
    pub(crate) file: Option<PathBuf>,
    /// Same key, same partition
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A named value beside the body; may be repeated
    #[arg(long = "header", value_name = "NAME=TEXT")]
    pub(crate) headers: Vec<String>,
    /// The media type of the body
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// The message's id: a second one with it inside the deduplication window is the same message
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// How long the message may wait before it expires
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) ttl: Option<Span>,
    /// Publish the same message this many times, without an id
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "id")]
    pub(crate) count: u32,
}

/// `recado queue publish`.
#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// The queue
    pub(crate) queue: String,
    #[command(flatten)]
    pub(crate) message: MessageArguments,
    /// Urgency, 0 to 255; a higher one is delivered first
    #[arg(long, default_value_t = 0)]
    pub(crate) priority: u8,
    /// Deliver it after this long
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) delay: Option<Span>,
}

/// `recado queue receive` and `recado subscription receive`.
#[derive(Args, Debug)]
pub(crate) struct ReceiveArguments {
    /// The queue
    pub(crate) queue: String,
    #[command(flatten)]
    pub(crate) take: TakeArguments,
}

/// How to take messages.
#[derive(Args, Debug)]
pub(crate) struct TakeArguments {
    /// At most this many, 1 to 1000
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub(crate) max: u32,
    /// Wait this long for the first message, at most 60s
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "0")]
    pub(crate) wait: Span,
    /// How long the messages are yours
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) lease: Option<Span>,
    /// Settle them as soon as they are printed
    #[arg(long)]
    pub(crate) ack: bool,
    /// Print only the bodies, one after the other
    #[arg(long)]
    pub(crate) body: bool,
}

/// `recado queue ack`.
#[derive(Args, Debug)]
pub(crate) struct ReceiptArguments {
    /// The queue
    pub(crate) queue: String,
    /// The receipts of the deliveries
    #[arg(required = true, value_name = "RECEIPT")]
    pub(crate) receipts: Vec<String>,
}

/// `recado queue nack`.
#[derive(Args, Debug)]
pub(crate) struct NackArguments {
    #[command(flatten)]
    pub(crate) deliveries: ReceiptArguments,
    /// Deliver them again after this long
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "0")]
    pub(crate) delay: Span,
    /// Never again: to the dead letters, or dropped where there are none
    #[arg(long, conflicts_with = "delay")]
    pub(crate) reject: bool,
}

/// `recado queue extend`.
#[derive(Args, Debug)]
pub(crate) struct ExtendArguments {
    #[command(flatten)]
    pub(crate) deliveries: ReceiptArguments,
    /// The new length of the lease, counted from now
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) lease: Span,
}

/// `recado queue peek`.
#[derive(Args, Debug)]
pub(crate) struct PeekArguments {
    /// The queue
    pub(crate) queue: String,
    /// In which state: ready, delayed or leased
    #[arg(long, default_value = "ready", value_parser = parse_state)]
    pub(crate) state: MessageState,
    /// At most this many, 1 to 1000
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub(crate) limit: u32,
    /// Start after this place
    #[arg(long, value_name = "PARTITION-SEQUENCE")]
    pub(crate) after: Option<String>,
}

/// `recado queue cancel`.
#[derive(Args, Debug)]
pub(crate) struct CancelArguments {
    /// The queue
    pub(crate) queue: String,
    /// The places, as peek shows them
    #[arg(required = true, value_name = "PARTITION-SEQUENCE")]
    pub(crate) places: Vec<String>,
}

/// `recado queue redrive`.
#[derive(Args, Debug)]
pub(crate) struct RedriveArguments {
    /// The dead-letter queue
    pub(crate) queue: String,
    /// Only those moved for this reason: delivery_limit, rejected, expired or overflow
    #[arg(long, value_parser = parse_reason)]
    pub(crate) reason: Option<DeadLetterReason>,
    /// Only those that came from this source, such as "queue default/orders"
    #[arg(long, value_name = "SOURCE")]
    pub(crate) origin: Option<String>,
    /// Only these places; may be repeated
    #[arg(long = "place", value_name = "PARTITION-SEQUENCE")]
    pub(crate) places: Vec<String>,
    /// At most this many
    #[arg(long, value_name = "COUNT")]
    pub(crate) max: Option<u64>,
    /// To this queue of the same namespace instead of where they came from
    #[arg(long, value_name = "QUEUE")]
    pub(crate) target: Option<String>,
    /// Messages a second; left out: all at once
    #[arg(long, value_name = "COUNT")]
    pub(crate) rate: Option<u32>,
}

fn parse_state(word: &str) -> Result<MessageState, String> {
    MessageState::parse(word).ok_or_else(|| "write ready, delayed or leased".to_owned())
}

fn parse_reason(word: &str) -> Result<DeadLetterReason, String> {
    DeadLetterReason::parse(word).ok_or_else(|| "write delivery_limit, rejected, expired or overflow".to_owned())
}

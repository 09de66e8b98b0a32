//! The arguments of `recado exchange` and `recado binding`.
//! Invariant: names stay text here; the model checks them.
//! Done by `ctl::exchange`; help snapshots in `tests/help.rs`.

use clap::{Args, Subcommand, ValueEnum};
use model::exchange::ExchangeKind;

use super::client::{ClientArguments, NamespaceArgument, PageArguments};
use super::queue::{DeleteArguments, MessageArguments};

/// Exchanges: names to publish to, with rules that lead to queues and topics.
#[derive(Args, Debug)]
pub(crate) struct ExchangeArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: ExchangeCommand,
}

/// What to do with an exchange.
#[derive(Subcommand, Debug)]
pub(crate) enum ExchangeCommand {
    /// Create an exchange; done when it is there with equal settings
    #[command(
        before_help = "Examples:\n  recado exchange create orders topic\n  recado exchange create orders direct --alternate unrouted"
    )]
    Create(CreateArguments),
    /// Show settings, owner and how many bindings leave it
    Describe(ExchangeName),
    /// List exchanges by name
    List(PageArguments),
    /// Delete an exchange with its bindings; only its owner or an administrator may
    Delete(DeleteArguments),
    /// Publish messages, each routed for itself; amq.default is the exchange without a name
    #[command(
        before_help = "Examples:\n  recado exchange publish orders eu.paris \"hello\"\n  recado exchange publish orders eu.paris --lines < orders.txt"
    )]
    Publish(PublishArguments),
}

/// An exchange by name.
#[derive(Args, Debug)]
pub(crate) struct ExchangeName {
    /// The exchange
    pub(crate) exchange: String,
}

/// By what an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindWord {
    /// Bindings with the same key
    Direct,
    /// All bindings
    Fanout,
    /// Bindings whose pattern fits the key
    Topic,
    /// Bindings whose arguments fit the headers
    Headers,
    /// One binding, by a hash of the key; the key of a binding is its weight
    ConsistentHash,
}

impl From<KindWord> for ExchangeKind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Direct => Self::Direct,
            KindWord::Fanout => Self::Fanout,
            KindWord::Topic => Self::Topic,
            KindWord::Headers => Self::Headers,
            KindWord::ConsistentHash => Self::ConsistentHash,
        }
    }
}

/// `recado exchange create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// The exchange
    pub(crate) exchange: String,
    /// By what it chooses
    #[arg(value_enum)]
    pub(crate) kind: KindWord,
    /// It goes with a restart of the broker
    #[arg(long)]
    pub(crate) transient: bool,
    /// It goes with the last binding that leaves it
    #[arg(long)]
    pub(crate) auto_delete: bool,
    /// Only other exchanges and dead letters reach it
    #[arg(long)]
    pub(crate) internal: bool,
    /// The header x-delay, in milliseconds, delays a message
    #[arg(long)]
    pub(crate) delays: bool,
    /// Where messages go that no binding takes
    #[arg(long, value_name = "EXCHANGE")]
    pub(crate) alternate: Option<String>,
}

/// `recado exchange publish`.
#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// The exchange
    pub(crate) exchange: String,
    /// What the messages are routed by
    pub(crate) routing_key: String,
    #[command(flatten)]
    pub(crate) message: MessageArguments,
    /// Say returned and not dropped when no binding fits
    #[arg(long)]
    pub(crate) mandatory: bool,
}

/// Bindings: rules by which messages leave an exchange.
#[derive(Args, Debug)]
pub(crate) struct BindingArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: BindingCommand,
}

/// What to do with a binding.
#[derive(Subcommand, Debug)]
pub(crate) enum BindingCommand {
    /// Add a binding; done when it is there
    #[command(
        before_help = "Examples:\n  recado binding add orders queue orders.eu --key 'eu.#'\n  recado binding add audit topic history"
    )]
    Add(RuleArguments),
    /// Remove a binding; done when it is not there
    Remove(RuleArguments),
    /// List bindings
    List(ListArguments),
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DestinationWord {
    /// A queue
    Queue,
    /// A topic
    Topic,
    /// Another exchange
    Exchange,
}

impl DestinationWord {
    /// The word of the model.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Exchange => "exchange",
        }
    }
}

/// `recado binding add` and `recado binding remove`.
#[derive(Args, Debug)]
pub(crate) struct RuleArguments {
    /// The exchange that messages leave
    pub(crate) source: String,
    /// What kind of thing they go to
    #[arg(value_enum)]
    pub(crate) kind: DestinationWord,
    /// Its name
    pub(crate) destination: String,
    /// The key, the pattern on a topic exchange, or the weight on one that spreads by hash
    #[arg(long, default_value = "")]
    pub(crate) key: String,
    /// What an exchange of kind headers looks at, also x-match=any; may be repeated
    #[arg(long = "argument", value_name = "NAME=TEXT")]
    pub(crate) arguments: Vec<String>,
}

/// `recado binding list`.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Only those of this exchange
    #[arg(long, value_name = "EXCHANGE")]
    pub(crate) source: Option<String>,
    /// Only those to this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    /// Go on where the page before ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

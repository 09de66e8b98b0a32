//! The arguments of `recado user`, `token`, `grant`, `namespace`, `login`, `logout` and `context`.
//! Invariant: no password and no token is ever an argument.
//! Done by `ctl::user`, `ctl::access` and `login`; help snapshots in `tests/help.rs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::access::{ResourceKind, Right, Role};
use model::number::Span;

use super::client::{ClientArguments, NamespaceArgument, PageArguments};
use crate::quantity::parse_span;

/// Users and their roles.
#[derive(Args, Debug)]
pub(crate) struct UserArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

/// What to do with a user.
#[derive(Subcommand, Debug)]
pub(crate) enum UserCommand {
    /// Create a user; its password is asked for, or read from --new-password-file
    #[command(
        before_help = "Examples:\n  recado user create ada --role developer\n  recado user create meter --role monitor --new-password-file meter.password"
    )]
    Create(CreateUserArguments),
    /// Change roles, password or whether the user may log in
    Alter(AlterUserArguments),
    /// Show a user, or yourself
    Describe(DescribeUserArguments),
    /// Delete a user with its tokens and grants
    Delete(UserName),
    /// List users by name
    List(PageArguments),
}

/// A user by name.
#[derive(Args, Debug)]
pub(crate) struct UserName {
    /// The user
    pub(crate) name: String,
}

/// `recado user describe`.
#[derive(Args, Debug)]
pub(crate) struct DescribeUserArguments {
    /// The user; left out: yourself
    pub(crate) name: Option<String>,
}

/// `recado user create`.
#[derive(Args, Debug)]
pub(crate) struct CreateUserArguments {
    /// The user
    pub(crate) name: String,
    /// A role: admin, operator, developer, publisher, consumer, monitor or auditor; may be repeated
    #[arg(long = "role", value_name = "ROLE", value_parser = parse_role)]
    pub(crate) roles: Vec<Role>,
    /// A file that holds the new user's password
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
}

/// `recado user alter`.
#[derive(Args, Debug)]
pub(crate) struct AlterUserArguments {
    /// The user
    pub(crate) name: String,
    /// The roles from now on; may be repeated
    #[arg(long = "role", value_name = "ROLE", value_parser = parse_role)]
    pub(crate) roles: Vec<Role>,
    /// Take all roles away
    #[arg(long, conflicts_with = "roles")]
    pub(crate) no_roles: bool,
    /// Ask for a new password; ends all sessions of the user
    #[arg(long)]
    pub(crate) new_password: bool,
    /// A file that holds the new password
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// The user cannot log in any more
    #[arg(long)]
    pub(crate) disable: bool,
    /// The user can log in again
    #[arg(long, conflicts_with = "disable")]
    pub(crate) enable: bool,
}

/// API tokens and sessions.
#[derive(Args, Debug)]
pub(crate) struct TokenArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is printed once, alone on standard output
    #[command(
        before_help = "Examples:\n  recado token create nightly --right publish --queue-prefix orders --lifetime 90d > nightly.token"
    )]
    Create(CreateTokenArguments),
    /// List tokens and sessions, yours or another user's
    List(ListTokensArguments),
    /// Revoke a token or session
    Revoke(RevokeArguments),
}

/// `recado token create`.
#[derive(Args, Debug)]
pub(crate) struct CreateTokenArguments {
    /// What to call it
    pub(crate) label: String,
    /// A right that it may use; may be repeated; left out: all of yours
    #[arg(long = "right", value_name = "RIGHT", value_parser = parse_right)]
    pub(crate) rights: Vec<Right>,
    #[command(flatten)]
    pub(crate) resource: ResourceArguments,
    /// How long it works
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "90d")]
    pub(crate) lifetime: Span,
}

/// `recado token list`.
#[derive(Args, Debug)]
pub(crate) struct ListTokensArguments {
    /// Whose; left out: yours
    pub(crate) of: Option<String>,
}

/// `recado token revoke`.
#[derive(Args, Debug)]
pub(crate) struct RevokeArguments {
    /// The token's id, as list shows it
    pub(crate) id: u64,
}

/// Over what a right is held: exactly one of these.
#[derive(Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct ResourceArguments {
    /// Exactly this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// Every queue whose name starts with this; empty: every queue
    #[arg(long, value_name = "PREFIX")]
    pub(crate) queue_prefix: Option<String>,
    /// Exactly this topic
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Every topic whose name starts with this; empty: every topic
    #[arg(long, value_name = "PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// Exactly this exchange; amq.default is the one without a name
    #[arg(long, value_name = "NAME")]
    pub(crate) exchange: Option<String>,
    /// Every exchange whose name starts with this; empty: every exchange
    #[arg(long, value_name = "PREFIX")]
    pub(crate) exchange_prefix: Option<String>,
    /// The broker itself: users, namespaces, nodes, the audit log
    #[arg(long)]
    pub(crate) broker: bool,
}

impl ResourceArguments {
    /// The kind, the text and whether it is a prefix; `None` when nothing is named.
    pub(crate) fn named(&self) -> Option<(ResourceKind, &str, bool)> {
        if let Some(name) = &self.queue {
            return Some((ResourceKind::Queue, name, false));
        }
        if let Some(prefix) = &self.queue_prefix {
            return Some((ResourceKind::Queue, prefix, true));
        }
        if let Some(name) = &self.topic {
            return Some((ResourceKind::Topic, name, false));
        }
        if let Some(prefix) = &self.topic_prefix {
            return Some((ResourceKind::Topic, prefix, true));
        }
        if let Some(name) = &self.exchange {
            return Some((ResourceKind::Exchange, name, false));
        }
        if let Some(prefix) = &self.exchange_prefix {
            return Some((ResourceKind::Exchange, prefix, true));
        }
        self.broker.then_some((ResourceKind::Broker, "", true))
    }
}

/// Grants: rights of a user over queues and topics.
#[derive(Args, Debug)]
pub(crate) struct GrantArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(flatten)]
    pub(crate) namespace: NamespaceArgument,
    #[command(subcommand)]
    pub(crate) command: GrantCommand,
}

/// What to do with grants.
#[derive(Subcommand, Debug)]
pub(crate) enum GrantCommand {
    /// Give rights, or take them with --effect deny
    #[command(
        before_help = "Examples:\n  recado grant add ada --right publish --right describe --queue orders\n  recado grant add eve --effect deny --right peek --queue-prefix \"\""
    )]
    Add(AddGrantArguments),
    /// Remove a grant
    Remove(RemoveGrantArguments),
    /// List grants, all or those of one user
    List(ListGrantsArguments),
}

/// Whether a grant gives or takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum EffectWord {
    /// Gives the rights
    Allow,
    /// Takes them, whatever else gives them
    Deny,
}

impl From<EffectWord> for model::access::Effect {
    fn from(word: EffectWord) -> Self {
        match word {
            EffectWord::Allow => Self::Allow,
            EffectWord::Deny => Self::Deny,
        }
    }
}

/// `recado grant add`.
#[derive(Args, Debug)]
pub(crate) struct AddGrantArguments {
    /// Whose
    pub(crate) name: String,
    /// A right; may be repeated
    #[arg(long = "right", value_name = "RIGHT", value_parser = parse_right, required = true)]
    pub(crate) rights: Vec<Right>,
    #[command(flatten)]
    pub(crate) resource: ResourceArguments,
    /// Give or take
    #[arg(long, value_enum, default_value = "allow")]
    pub(crate) effect: EffectWord,
}

/// `recado grant remove`.
#[derive(Args, Debug)]
pub(crate) struct RemoveGrantArguments {
    /// Whose
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) resource: ResourceArguments,
    /// Given or taken
    #[arg(long, value_enum, default_value = "allow")]
    pub(crate) effect: EffectWord,
}

/// `recado grant list`.
#[derive(Args, Debug)]
pub(crate) struct ListGrantsArguments {
    /// Only of this user
    pub(crate) of: Option<String>,
}

/// Namespaces hold queues and topics.
#[derive(Args, Debug)]
pub(crate) struct NamespaceArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    #[command(subcommand)]
    pub(crate) command: NamespaceCommand,
}

/// What to do with a namespace.
#[derive(Subcommand, Debug)]
pub(crate) enum NamespaceCommand {
    /// Create a namespace; done when it is there
    Create(NamespaceName),
    /// Delete a namespace that holds nothing
    Delete(NamespaceName),
    /// List namespaces by name
    List(PageArguments),
}

/// A namespace by name.
#[derive(Args, Debug)]
pub(crate) struct NamespaceName {
    /// The namespace
    pub(crate) name: String,
}

/// Logs in and keeps the session in a context.
#[derive(Args, Debug)]
pub(crate) struct LoginArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
    /// Make the first administrator; the token that the first start printed is asked for, or in RECADO_CLAIM_TOKEN
    #[arg(long)]
    pub(crate) claim: bool,
}

/// Ends the session.
#[derive(Args, Debug)]
pub(crate) struct LogoutArguments {
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

/// Contexts: brokers by name.
#[derive(Args, Debug)]
pub(crate) struct ContextArguments {
    #[command(subcommand)]
    pub(crate) command: ContextCommand,
}

/// What to do with contexts.
#[derive(Subcommand, Debug)]
pub(crate) enum ContextCommand {
    /// Add or change a context
    #[command(
        before_help = "Examples:\n  recado context add production --broker https://broker.example.com:8081 --authority ca.pem --use"
    )]
    Add(AddContextArguments),
    /// Use a context from now on
    Use(ContextName),
    /// List contexts
    List,
    /// Forget a context and its session
    Remove(ContextName),
}

/// A context by name.
#[derive(Args, Debug)]
pub(crate) struct ContextName {
    /// The context
    pub(crate) name: String,
}

/// `recado context add`.
#[derive(Args, Debug)]
pub(crate) struct AddContextArguments {
    /// The context
    pub(crate) name: String,
    /// The broker's gRPC address
    #[arg(long, value_name = "URL", default_value = crate::context::URL_DEFAULT)]
    pub(crate) broker: String,
    /// The user to log in as
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A PEM file with the authority that signed the broker's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// Use it from now on
    #[arg(long = "use")]
    pub(crate) activate: bool,
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| {
        let words: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
        format!("the roles are {}", words.join(", "))
    })
}

fn parse_right(word: &str) -> Result<Right, String> {
    Right::parse(word).ok_or_else(|| {
        let words: Vec<_> = Right::ALL.iter().map(|right| right.word()).collect();
        format!("the rights are {}", words.join(", "))
    })
}

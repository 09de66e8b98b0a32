//! What every client command takes: where the broker is, who asks, how to print.
//! Invariant: a secret is never an argument: only a file, the environment, a context or a prompt gives one.
//! Flattened into the groups of commands; resolved by `context`.

use std::path::PathBuf;

use clap::Args;

use crate::output::Format;

/// The way to a broker and the manner of the answer.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ClientArguments {
    /// The broker's gRPC address: http://HOST:PORT, https://HOST:PORT or unix:///PATH
    #[arg(long, global = true, env = "RECADO_URL", value_name = "URL", help_heading = "Connection")]
    pub(crate) url: Option<String>,
    /// The context to use instead of the current one
    #[arg(long, global = true, env = "RECADO_CONTEXT", value_name = "NAME", help_heading = "Connection")]
    pub(crate) context: Option<String>,
    /// Log in as this user; the password comes from --password-file or is asked for
    #[arg(long, global = true, env = "RECADO_USER", value_name = "NAME", help_heading = "Connection")]
    pub(crate) user: Option<String>,
    /// A file that holds the password; - reads standard input
    #[arg(long, global = true, env = "RECADO_PASSWORD_FILE", value_name = "FILE", help_heading = "Connection")]
    pub(crate) password_file: Option<PathBuf>,
    /// A file that holds a token; the environment variable RECADO_TOKEN holds one itself
    #[arg(long, global = true, env = "RECADO_TOKEN_FILE", value_name = "FILE", help_heading = "Connection")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the broker's certificate
    #[arg(long, global = true, env = "RECADO_AUTHORITY", value_name = "FILE", help_heading = "Connection")]
    pub(crate) authority: Option<PathBuf>,
    /// How to print data
    #[arg(long, global = true, env = "RECADO_OUTPUT", value_enum, default_value_t, help_heading = "Output")]
    pub(crate) output: Format,
    /// Do not ask before something is destroyed
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) yes: bool,
}

/// The namespace of the queue or topic.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NamespaceArgument {
    /// The namespace of what is named
    #[arg(long, global = true, env = "RECADO_NAMESPACE", default_value = "default", value_name = "NAME")]
    pub(crate) namespace: String,
}

/// Which part of a list.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PageArguments {
    /// Only names that start with this
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// At most this many, 1 to 1000
    #[arg(long, default_value_t = model::limits::PAGE_ITEMS_DEFAULT, value_name = "COUNT")]
    pub(crate) limit: u32,
    /// Start after this name, as the page before said
    #[arg(long, value_name = "NAME")]
    pub(crate) cursor: Option<String>,
}

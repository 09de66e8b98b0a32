//! The arguments of `cluster`: what is asked of the node whose folder is on this machine.
//! Read by `ctl::cluster`; help snapshots in `tests/help.rs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::number::Span;

use crate::output::Format;

const EXAMPLES: &str = "\
Examples:
  recado cluster status --data /var/lib/recado
  recado cluster join-token --data /var/lib/recado     then, on the new machine:
  recado serve --peer-address 10.0.0.6:7000 --join 10.0.0.5:7000 --join-token TOKEN
  recado cluster remove 17 --data /var/lib/recado";

/// The nodes of a cluster.
#[derive(Args, Debug)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ClusterArguments {
    /// The folder of the node on this machine, which holds the key of the cluster
    #[arg(long, global = true, value_name = "FOLDER", default_value = "recado-data", env = "RECADO_DATA")]
    pub(crate) data: PathBuf,
    /// How to print data
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

/// What is done with them.
#[derive(Subcommand, Debug)]
pub(crate) enum ClusterCommand {
    /// Show the nodes, who leads, and how far each has the log
    Status,
    /// Make a token by which one new node joins through the node on this machine
    JoinToken {
        /// How long it is good
        #[arg(long, value_name = "TIME", value_parser = crate::quantity::parse_span, default_value = "1h")]
        valid: Span,
    },
    /// Take a node out, for ever: it may come back with an empty folder, as a new one
    Remove {
        /// Its number
        node: u64,
    },
    /// Let another node lead
    Transfer {
        /// Its number; left out: whoever has most of the log
        node: Option<u64>,
    },
}

//! The command line: one file a group, examples first.
//! Invariant: clap ends wrong usage with 2; everything else is decided by `exit`.
//! Parsed by `main`; help snapshots in `tests/help.rs`.

pub(crate) mod access;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod exchange;
pub(crate) mod queue;
pub(crate) mod serve;
pub(crate) mod topic;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  recado demo                                  see everything at work, in seconds
  recado serve                                 run a broker here
  recado login --claim                         make the first administrator
  recado queue create orders                   then: recado queue publish orders \"hello\"
  recado queue receive orders --ack            take a message and settle it
  recado explain queue_full                    what a code means and what to do

recado COMMAND --help shows the examples of a command.";

/// Durable queues and topics in one process.
#[derive(Parser, Debug)]
#[command(name = "recado", version, before_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Everything that the program does.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run everything in one process: broker, REST, console and gRPC
    #[command(
        before_help = "Examples:\n  recado serve\n  recado serve --data /var/lib/recado --http 0.0.0.0:8080 --tls-certificate chain.pem --tls-key key.pem"
    )]
    Serve(serve::ServeArguments),
    /// Run a broker with gRPC, for gateways; --http adds the HTTP door
    Broker(serve::ServeArguments),
    /// Run REST and console in front of brokers elsewhere
    #[command(before_help = "Examples:\n  recado gateway --brokers http://10.0.0.5:8081 --http 127.0.0.1:8080")]
    Gateway(serve::ServeArguments),
    /// The nodes of a cluster, asked on the machine of one of them
    Cluster(cluster::ClusterArguments),
    /// See everything at work on real flights, in seconds
    Demo(serve::DemoArguments),
    /// Measure the disk, a broker that does nothing, and this broker, in one run
    #[command(
        before_help = "Examples:\n  recado bench --quick\n  recado bench --data /var/lib/recado --output json > bench.json"
    )]
    Bench(serve::BenchArguments),
    /// Queues: each message goes to one consumer
    Queue(queue::QueueArguments),
    /// Topics: every subscription gets every message
    Topic(topic::TopicArguments),
    /// Subscriptions: named cursors on a topic
    Subscription(topic::SubscriptionArguments),
    /// Exchanges: names to publish to, with rules that lead to queues and topics
    Exchange(exchange::ExchangeArguments),
    /// Bindings: rules by which messages leave an exchange
    Binding(exchange::BindingArguments),
    /// Users and their roles
    User(access::UserArguments),
    /// API tokens and sessions
    Token(access::TokenArguments),
    /// Grants: rights of a user over queues and topics
    Grant(access::GrantArguments),
    /// Namespaces hold queues and topics
    Namespace(access::NamespaceArguments),
    /// Log in and keep the session in a context
    #[command(
        before_help = "Examples:\n  recado login --user ada\n  recado login --claim --user admin\n  recado login --url https://broker.example.com:8081 --context production --user ada"
    )]
    Login(access::LoginArguments),
    /// End the session
    Logout(access::LogoutArguments),
    /// Contexts: brokers by name
    Context(access::ContextArguments),
    /// Show the settings of a server and where each came from, or check a file
    #[command(before_help = "Examples:\n  recado config --origin\n  recado config --check recado.toml")]
    Config(serve::ConfigArguments),
    /// Look for what is wrong or will be, on this machine and in the broker
    Doctor(serve::DoctorArguments),
    /// Ask a server whether it can do its work; for containers and scripts
    Health(serve::HealthArguments),
    /// Explain a code that an error shows, or list them all
    Explain(serve::ExplainArguments),
    /// Print the completion of a shell
    #[command(
        before_help = "Examples:\n  recado completion bash > /etc/bash_completion.d/recado\n  recado completion fish > ~/.config/fish/completions/recado.fish"
    )]
    Completion(serve::CompletionArguments),
    /// One server of a benchmark, started by `bench` itself
    #[command(hide = true)]
    BenchServer(serve::BenchServerArguments),
}

//! The binary `recado`: reads the command line, does one command, ends with its exit code.
//! Invariant: a complaint is printed once, here; standard output holds data only.
//! Start at `wire` for the server and at `ctl` for the client commands.

mod args;
mod banner;
mod bench;
mod cluster;
mod config;
mod context;
mod ctl;
mod demo;
mod doctor;
mod exit;
mod explain;
mod health;
mod local;
mod login;
mod memory;
mod output;
mod prompt;
mod quantity;
mod scratch;
mod session;
mod telemetry;
mod wire;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Arguments, Command};
use exit::{Complaint, Exit};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match run(command) {
        Ok(()) => Exit::Done.into(),
        Err(complaint) => {
            let text = complaint.to_string();
            if !text.is_empty() {
                output::note(&text);
            }
            complaint.exit().into()
        }
    }
}

fn run(command: Command) -> Result<(), Complaint> {
    match command {
        Command::Serve(arguments) => serve(wire::Role::Serve, &arguments.settings),
        Command::Broker(arguments) => serve(wire::Role::Broker, &arguments.settings),
        Command::Gateway(arguments) => serve(wire::Role::Gateway, &arguments.settings),
        Command::Demo(arguments) => cores()?.block_on(demo::run(&arguments)),
        Command::Bench(arguments) => cores()?.block_on(bench::run(arguments)),
        Command::BenchServer(arguments) => cores()?.block_on(bench::server::run(&arguments)),
        Command::Config(arguments) => config::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments.code.as_deref(), arguments.output),
        Command::Completion(arguments) => completion(arguments.shell),
        Command::Cluster(arguments) => alone(ctl::cluster::run(&arguments)),
        Command::Context(arguments) => login::contexts(arguments.command),
        Command::Login(arguments) => alone(login::login(&arguments)),
        Command::Logout(arguments) => alone(login::logout(&arguments)),
        Command::Doctor(arguments) => alone(doctor::run(&arguments)),
        Command::Health(arguments) => alone(health::run(&arguments)),
        Command::Queue(args::queue::QueueArguments { client, namespace, command }) => {
            alone(async { ctl::queue::run(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Topic(args::topic::TopicArguments { client, namespace, command }) => {
            alone(async { ctl::topic::run(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Subscription(args::topic::SubscriptionArguments { client, namespace, command }) => {
            alone(async { ctl::subscription::run(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Exchange(args::exchange::ExchangeArguments { client, namespace, command }) => {
            alone(async { ctl::exchange::run(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Binding(args::exchange::BindingArguments { client, namespace, command }) => alone(async {
            ctl::exchange::bindings(&context::open(&client).await?, &namespace.namespace, command).await
        }),
        Command::User(args::access::UserArguments { client, command }) => {
            alone(async { ctl::user::run(&context::open(&client).await?, command).await })
        }
        Command::Token(args::access::TokenArguments { client, namespace, command }) => {
            alone(async { ctl::access::tokens(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Grant(args::access::GrantArguments { client, namespace, command }) => {
            alone(async { ctl::access::grants(&context::open(&client).await?, &namespace.namespace, command).await })
        }
        Command::Namespace(args::access::NamespaceArguments { client, command }) => {
            alone(async { ctl::user::namespaces(&context::open(&client).await?, command).await })
        }
    }
}

/// One command of a client, on a single thread.
fn alone(command: impl Future<Output = Result<(), Complaint>>) -> Result<(), Complaint> {
    runtime(1)?.block_on(command)
}

fn completion(shell: clap_complete::Shell) -> Result<(), Complaint> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "recado", &mut script);
    output::raw(&script)
}

fn serve(role: wire::Role, arguments: &args::serve::SettingArguments) -> Result<(), Complaint> {
    memory::settle();
    let layers = config::layers(arguments)?;
    let mut settings = config::Settings::new(&layers)?;
    match role {
        // A broker's clients are gateways: other doors only where it is asked for.
        wire::Role::Broker => {
            settings.http = settings.http.filter(|_| !layers.is_default("http"));
            settings.amqp = settings.amqp.filter(|_| !layers.is_default("amqp"));
            settings.management = settings.management.filter(|_| !layers.is_default("management"));
        }
        // A gateway on the machine of its broker must not take the broker's port.
        wire::Role::Gateway if layers.is_default("grpc") => settings.grpc = None,
        wire::Role::Serve | wire::Role::Gateway => {}
    }
    cores()?.block_on(wire::run(role, settings))
}

fn cores() -> Result<tokio::runtime::Runtime, Complaint> {
    runtime(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// A runtime for a client; servers take as many threads as there are cores.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Complaint> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().map_err(|error| {
        Complaint::here(
            Exit::Local,
            "threads",
            format!("cannot start threads: {error}"),
            "raise the limit of processes",
        )
    })
}

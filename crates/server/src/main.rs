//! The binary `recado`: reads the command line, does one command, ends with its exit code.
//! Invariant: a complaint is printed once, here; standard output holds data only.
//! Start at `wire` for the server and at `ctl` for the client commands.

mod args;
mod banner;
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
        Command::Config(arguments) => config::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments.code.as_deref(), arguments.output),
        Command::Completion(arguments) => completion(arguments.shell),
        Command::Context(arguments) => login::contexts(arguments.command),
        Command::Serve(arguments) => serve(wire::Role::Serve, &arguments.settings),
        Command::Broker(arguments) => serve(wire::Role::Broker, &arguments.settings),
        Command::Gateway(arguments) => serve(wire::Role::Gateway, &arguments.settings),
        Command::Demo(arguments) => cores()?.block_on(demo::run(&arguments)),
        other => runtime(1)?.block_on(talk(other)),
    }
}

fn completion(shell: clap_complete::Shell) -> Result<(), Complaint> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "recado", &mut script);
    output::raw(&script)
}

fn serve(role: wire::Role, arguments: &args::serve::SettingArguments) -> Result<(), Complaint> {
    let layers = config::layers(arguments)?;
    let mut settings = config::Settings::new(&layers)?;
    match role {
        // A broker's clients are gateways: HTTP only where it is asked for.
        wire::Role::Broker if layers.is_default("http") => settings.http = None,
        // A gateway on the machine of its broker must not take the broker's port.
        wire::Role::Gateway if layers.is_default("grpc") => settings.grpc = None,
        wire::Role::Serve | wire::Role::Broker | wire::Role::Gateway => {}
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

async fn talk(command: Command) -> Result<(), Complaint> {
    match command {
        Command::Queue(arguments) => {
            let session = context::open(&arguments.client).await?;
            ctl::queue::run(&session, &arguments.namespace.namespace, arguments.command).await
        }
        Command::Topic(arguments) => {
            let session = context::open(&arguments.client).await?;
            ctl::topic::run(&session, &arguments.namespace.namespace, arguments.command).await
        }
        Command::Subscription(arguments) => {
            let session = context::open(&arguments.client).await?;
            ctl::subscription::run(&session, &arguments.namespace.namespace, arguments.command).await
        }
        Command::User(arguments) => ctl::user::run(&context::open(&arguments.client).await?, arguments.command).await,
        Command::Token(arguments) => {
            let session = context::open(&arguments.client).await?;
            ctl::access::tokens(&session, &arguments.namespace.namespace, arguments.command).await
        }
        Command::Grant(arguments) => {
            let session = context::open(&arguments.client).await?;
            ctl::access::grants(&session, &arguments.namespace.namespace, arguments.command).await
        }
        Command::Namespace(arguments) => {
            ctl::user::namespaces(&context::open(&arguments.client).await?, arguments.command).await
        }
        Command::Login(arguments) => login::login(&arguments).await,
        Command::Logout(arguments) => login::logout(&arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments).await,
        Command::Health(arguments) => health::run(&arguments).await,
        _ => Ok(()),
    }
}

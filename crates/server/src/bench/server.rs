//! The servers of a benchmark, each a process of its own, so that its CPU can be told from that of the clients.
//! Invariant: a server ends when its standard input is closed, so it never outlives the benchmark.
//! `run` is the child's side; `Child` the parent's.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use grpc::Lifecycle;
use model::caller::Secret;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{ChildStdin, Command};
use tokio::sync::watch;

use super::null::Null;
use crate::args::serve::BenchServerArguments;
use crate::exit::{Complaint, Exit};
use crate::local::{ADMINISTRATOR, Client, Local};
use crate::output::{Format, Output};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(60);

/// What a child says once it serves.
#[derive(Debug, Serialize, Deserialize)]
struct Greeting {
    grpc: String,
    http: Option<String>,
    /// Host and port, where there is one.
    amqp: Option<String>,
    password: String,
}

/// The child's side: serves until standard input is closed.
pub(crate) async fn run(arguments: &BenchServerArguments) -> Result<(), Complaint> {
    let output = Output { format: Format::Json };
    if arguments.kind == "null" {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| listening(&error))?;
        let address = listener.local_addr().map_err(|error| listening(&error))?;
        let backend = Arc::new(Null::open(&arguments.data)?);
        let (stop, draining) = watch::channel(false);
        let lifecycle = Lifecycle { ready: watch::channel(true).1, draining };
        let serving = tokio::spawn(grpc::serve(listener, None, backend, grpc::Settings::default(), lifecycle));
        output.document_line(&Greeting {
            grpc: format!("http://{address}"),
            http: None,
            amqp: None,
            password: "null".to_owned(),
        })?;
        closed().await;
        stop.send_replace(true);
        // Ended or not: the measurement is over.
        let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
        return Ok(());
    }
    let local = Local::start(&arguments.data).await?;
    let password = local.password.reveal().to_owned();
    let amqp = local.running.amqp.map(|address| address.to_string());
    output.document_line(&Greeting { grpc: local.endpoint(), http: Some(local.http()), amqp, password })?;
    closed().await;
    local.stop().await
}

fn listening(error: &std::io::Error) -> Complaint {
    Complaint::here(Exit::Local, "listen", format!("cannot listen: {error}"), "")
}

/// Ready when standard input ends.
async fn closed() {
    let mut stdin = tokio::io::stdin();
    let mut byte = [0];
    while matches!(stdin.read(&mut byte).await, Ok(read) if read > 0) {}
}

/// The parent's side.
pub(super) struct Child {
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
    /// The gRPC address.
    pub(super) grpc: String,
    /// The HTTP address, where there is one.
    pub(super) http: Option<String>,
    /// The AMQP host and port, where there is one.
    pub(super) amqp: Option<String>,
    /// The administrator's password.
    pub(super) password: Secret,
    id: u32,
}

impl Child {
    /// Starts one with its data below `folder`.
    pub(super) async fn start(kind: &str, folder: &Path) -> Result<Self, Complaint> {
        let broken = |what: String| Complaint::here(Exit::Local, "bench_server", what, "see what it said above");
        std::fs::create_dir_all(folder).map_err(|error| Complaint::file(folder, "make the folder", &error))?;
        let program = std::env::current_exe().map_err(|error| broken(format!("the program is not found: {error}")))?;
        let mut process = Command::new(program)
            .args(["bench-server", kind, "--data"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(format!("the {kind} server cannot be started: {error}")))?;
        let stdin = process.stdin.take();
        let out = process.stdout.take().ok_or_else(|| broken("the server has no output".to_owned()))?;
        let mut line = String::new();
        let mut lines = BufReader::new(out);
        let read = tokio::time::timeout(START_MAX, lines.read_line(&mut line)).await;
        let greeting: Option<Greeting> =
            if matches!(read, Ok(Ok(_))) { serde_json::from_str(&line).ok() } else { None };
        let greeting = greeting.ok_or_else(|| broken(format!("the {kind} server did not start")))?;
        let id = process.id().unwrap_or_default();
        let Greeting { grpc, http, amqp, password } = greeting;
        Ok(Self { process, stdin, grpc, http, amqp, password: Secret::new(password), id })
    }

    /// A client with a session.
    pub(super) async fn client(&self) -> Result<Client, Complaint> {
        Client::connect(&self.grpc, ADMINISTRATOR, &self.password).await
    }

    /// CPU that the server has used, user and system together.
    pub(super) fn cpu(&self) -> Duration {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{}/stat", self.id)) else { return Duration::ZERO };
        let ticks = ticks(&text).unwrap_or_default();
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Duration::from_millis(ticks.saturating_mul(1000) / per_second)
    }

    /// Stops it and waits for its end.
    pub(super) async fn stop(mut self) -> Result<(), Complaint> {
        drop(self.stdin.take());
        let ended = tokio::time::timeout(START_MAX, self.process.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) | Err(_) => Err(Complaint::here(Exit::Local, "bench_server", "a server did not end well", "")),
        }
    }
}

/// User and system time of a process in ticks: the 14th and 15th field, counted after the name in brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1";
        assert_eq!(ticks(stat), Some(100));
        assert_eq!(ticks("nonsense"), None);
    }
}

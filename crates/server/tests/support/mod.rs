//! Runs the binary as a user does, without the user's environment.
//! Used by the other tests of this folder.

#![allow(clippy::unwrap_used, dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// The binary, with a home of its own.
pub(crate) fn recado(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recado"));
    command.args(arguments).env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Output {
    recado(home, arguments).output().unwrap()
}

/// What it said on standard output.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said on standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that ends with the test.
pub(crate) struct Server {
    /// Its process.
    pub(crate) process: Child,
    stdin: Option<ChildStdin>,
    /// Kept open: who writes to a pipe that nobody reads is ended.
    _out: BufReader<ChildStdout>,
    /// The lines it said first.
    pub(crate) lines: Vec<String>,
}

impl Server {
    /// Starts one and reads its first lines.
    pub(crate) fn start(home: &Path, arguments: &[&str], lines: usize) -> Self {
        let mut process = recado(home, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = process.stdin.take();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let lines = out.by_ref().lines().take(lines).map(Result::unwrap).collect();
        Self { process, stdin, _out: out, lines }
    }

    /// A server of the benchmark, `null` or `product`, with `home` logged in to it.
    pub(crate) fn bench(home: &Path, kind: &str) -> (Self, String) {
        let server = Self::start(home, &["bench-server", kind, "--data", home.to_str().unwrap()], 1);
        let greeting: serde_json::Value = serde_json::from_str(&server.lines[0]).unwrap();
        let address = greeting["grpc"].as_str().unwrap().to_owned();
        let password = home.join("login.password");
        std::fs::write(&password, greeting["password"].as_str().unwrap()).unwrap();
        let words = ["login", "--url", &address, "--user", "admin", "--password-file", password.to_str().unwrap()];
        let ended = run(home, &words);
        assert!(ended.status.success() && ended.stdout.is_empty(), "{}", stderr(&ended));
        (server, address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

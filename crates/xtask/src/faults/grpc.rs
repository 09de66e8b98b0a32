//! The gRPC door, through the client commands of the program itself.
//! Invariant: a publish counts as confirmed only when the command says that all is well.
//! Used by `doors`.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::door::Failed;
use super::process::Home;

/// A client of one address.
pub(super) struct GrpcDoor {
    binary: PathBuf,
    url: String,
    token_file: PathBuf,
}

impl GrpcDoor {
    pub(super) fn new(home: &Home, address: SocketAddr, token: &str) -> Result<Self, String> {
        let token_file = home.folder.join("token");
        fs::write(&token_file, token).map_err(|error| format!("cannot write the token: {error}"))?;
        Ok(Self { binary: home.binary.clone(), url: format!("http://{address}"), token_file })
    }

    fn run(&self, words: &[&str], input: &str) -> Result<Output, Failed> {
        let unknown = |error: std::io::Error| Failed::Unknown(error.to_string());
        let mut command = Command::new(&self.binary);
        // No settings of whoever runs the campaign.
        let home = self.token_file.parent().unwrap_or_else(|| Path::new("/"));
        command.arg("queue").args(words).args(["--url", &self.url, "--token-file"]).arg(&self.token_file);
        command.env_clear().env("HOME", home);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(unknown)?;
        let mut pipe = child.stdin.take().expect("standard input was asked to be a pipe");
        // A command that ends early says so with its exit code.
        let _closed = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().map_err(unknown)?;
        if output.status.success() { Ok(output) } else { Err(Failed::Unknown(output.status.to_string())) }
    }

    /// Publishes one message for each body.
    pub(super) fn publish(&self, queue: &str, bodies: &[String]) -> Result<(), Failed> {
        self.run(&["publish", queue, "--lines"], &bodies.join("\n")).map(drop)
    }

    /// Takes messages and settles them; their bodies.
    pub(super) fn take(&self, queue: &str) -> Result<Vec<String>, Failed> {
        let words = ["receive", queue, "--max", "1000", "--wait", "200ms", "--ack", "--output", "json"];
        let output = self.run(&words, "")?;
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let messages = document["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(messages.iter().map(|one| one["body"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

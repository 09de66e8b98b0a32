//! A node of a cluster: where it is, how it is started, and the commands that are given there.
//! Invariant: it has an address of its own, so that a port it had is still free at its next start.
//! Used by `nodes` and by the tests of clusters.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Process;

/// A node, running or not.
pub(crate) struct Node {
    home: PathBuf,
    at: usize,
    address: String,
    /// The port of its gRPC door; 0 for any that is free.
    pub(crate) grpc: u16,
}

impl Node {
    /// The node `at` below a folder that holds the administrator's password; `last` is the last number of its address.
    pub(crate) fn new(home: &Path, at: usize, last: u8) -> Self {
        let [low, high, ..] = std::process::id().to_le_bytes();
        Self { home: home.to_owned(), at, address: format!("127.{}.{low}.{last}", high.max(1)), grpc: 0 }
    }

    /// Where it keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join(format!("data-{}", self.at))
    }

    /// What it said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.join(self.log_name())).unwrap_or_default()
    }

    fn log_name(&self) -> String {
        format!("node-{}.log", self.at)
    }

    /// Starts it, as a broker alone if the words say nothing else.
    pub(crate) fn start(&self, words: &[&str]) -> Process {
        let (data, grpc) = (self.data(), format!("{}:{}", self.address, self.grpc));
        let (password, free) = (self.home.join("password"), "127.0.0.1:0");
        let mut all = vec!["serve", "--data", data.to_str().unwrap(), "--http", free, "--grpc", &grpc, "--amqp", free];
        all.extend(["--log", "info,openraft=warn", "--admin-password-file", password.to_str().unwrap()]);
        all.extend(words);
        Process::start(&self.home, &self.log_name(), &all)
    }

    /// Starts it for the first time as the first of a cluster.
    pub(crate) fn found(&self) -> Process {
        self.start(&["--peer-address", &self.new_peer()])
    }

    /// Starts it for the first time, and lets it join through another one.
    pub(crate) fn join(&self, through: &Self) -> Process {
        let token = through.cluster(&["join-token"]).unwrap();
        let words = ["--peer-address", &self.new_peer(), "--join", &through.peer(), "--join-token", token.trim()];
        self.start(&words)
    }

    /// Starts it again at the address that the others know.
    pub(crate) fn start_again(&self) -> Process {
        self.start(&["--peer-address", &self.peer()])
    }

    fn new_peer(&self) -> String {
        format!("{}:0", self.address)
    }

    /// Where it listens for the others.
    pub(crate) fn peer(&self) -> String {
        std::fs::read_to_string(self.data().join("cluster/address")).unwrap()
    }

    /// Its number in the cluster.
    pub(crate) fn number(&self) -> u64 {
        let text = std::fs::read_to_string(self.data().join("cluster/node")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    /// What `recado cluster` says there; an error when it fails.
    pub(crate) fn cluster(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recado"));
        command.arg("cluster").args(words).arg("--data").arg(self.data()).env_clear().env("HOME", &self.home);
        let ended = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if ended.status.success() { Ok(text(ended.stdout)) } else { Err(text(ended.stderr)) }
    }

    /// What it says about the cluster; `None` while it says nothing.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.cluster(&["status", "--output", "json"]).ok()?).ok()
    }

    /// Seen once it votes.
    pub(crate) fn votes(&self) -> Option<()> {
        let (status, number) = (self.status()?, self.number());
        let node = status["nodes"].as_array()?.iter().find(|node| node["node"] == number)?;
        node["votes"].as_bool().filter(|votes| *votes).map(drop)
    }
}

//! Three nodes of one cluster behind a gateway; one that does not lead is killed and started again, over and over.
//! Invariant: a node that is started again has the addresses that it had.
//! Used by `world`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::{Process, eventually};

/// Time between two kills.
const KILL_EVERY: Duration = Duration::from_secs(10);

/// Where a node is and what it runs on.
#[derive(Clone)]
struct Place {
    home: PathBuf,
    at: usize,
    /// An address of its own, so that its ports are free at its next start.
    address: String,
    grpc: u16,
}

impl Place {
    fn new(home: &Path, at: usize) -> Self {
        let [low, high, ..] = std::process::id().to_le_bytes();
        Self { home: home.to_owned(), at, address: format!("127.{}.{low}.{}", high.max(1), 200 + at), grpc: 0 }
    }

    fn data(&self) -> String {
        self.home.join(format!("data-{}", self.at)).to_str().unwrap().to_owned()
    }

    fn start(&self, words: &[&str]) -> Process {
        let (data, grpc) = (self.data(), format!("{}:{}", self.address, self.grpc));
        let mut all = vec!["serve", "--data", &data, "--grpc", &grpc, "--http", "none", "--amqp", "none"];
        let password = self.home.join("password").to_str().unwrap().to_owned();
        all.extend(["--management", "none", "--log", "warn", "--admin-password-file", &password]);
        all.extend(words);
        Process::start(&self.home, &format!("node-{}.log", self.at), &all)
    }

    fn peer(&self) -> String {
        std::fs::read_to_string(Path::new(&self.data()).join("cluster/address")).unwrap()
    }

    fn start_again(&self) -> Process {
        self.start(&["--peer-address", &self.peer()])
    }

    fn cluster(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recado"));
        command.arg("cluster").args(words).args(["--data", &self.data()]).env_clear().env("HOME", &self.home);
        let output = command.stdin(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.cluster(&["status", "--output", "json"])?).ok()
    }

    fn number(&self) -> u64 {
        let text = std::fs::read_to_string(Path::new(&self.data()).join("cluster/node")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }
}

/// The nodes; they end with it.
pub(crate) struct Nodes {
    /// Where clients of the contract find them.
    pub(crate) brokers: String,
    /// Kills until it is told to stop, and ends with the nodes.
    harm: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Nodes {
    /// Three nodes; every ten seconds one that does not lead is killed and started again at once.
    pub(crate) fn start(home: &Path) -> Self {
        let mut places: Vec<Place> = (0..3).map(|at| Place::new(home, at)).collect();
        let mut processes: Vec<Process> = Vec::new();
        for at in 0..3 {
            let peer = format!("{}:0", places[at].address);
            let process = match at {
                0 => places[at].start(&["--peer-address", &peer]),
                _ => {
                    let token = places[0].cluster(&["join-token"]).unwrap();
                    let first = places[0].peer();
                    places[at].start(&["--peer-address", &peer, "--join", &first, "--join-token", token.trim()])
                }
            };
            let number = places[at].number();
            eventually("the node votes", || {
                let status = places[at].status()?;
                let node = status["nodes"].as_array()?.iter().find(|node| node["node"] == number)?.clone();
                node["votes"].as_bool().filter(|votes| *votes)
            });
            places[at].grpc = process.grpc.unwrap().port();
            processes.push(process);
        }
        let url = |process: &Process| format!("http://{}", process.grpc.unwrap());
        let brokers = processes.iter().map(url).collect::<Vec<_>>().join(",");
        let (stop, stopped) = channel();
        let harm = std::thread::spawn(move || {
            while stopped.recv_timeout(KILL_EVERY) == Err(RecvTimeoutError::Timeout) {
                let leader = places[0].status().and_then(|status| status["leader"].as_u64());
                let victim = (0..3).rev().find(|at| Some(places[*at].number()) != leader).unwrap();
                processes[victim].kill();
                processes[victim] = places[victim].start_again();
            }
        });
        Self { brokers, harm: Some((stop, harm)) }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.harm.take() {
            drop(stop);
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the node that is killed always starts again");
        }
    }
}

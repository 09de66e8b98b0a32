//! Three nodes of one cluster behind a gateway; one that does not lead is killed and started again, over and over.
//! Used by `world`.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Node, Process, eventually};

/// Time between two kills.
const KILL_EVERY: Duration = Duration::from_secs(10);

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
        let mut nodes: Vec<Node> = (0..3).zip(200..).map(|(at, last)| Node::new(home, at, last)).collect();
        let mut processes: Vec<Process> = Vec::new();
        for at in 0..3 {
            let process = if at == 0 { nodes[at].found() } else { nodes[at].join(&nodes[0]) };
            eventually("the node votes", || nodes[at].votes());
            nodes[at].grpc = process.grpc.unwrap().port();
            processes.push(process);
        }
        let url = |process: &Process| format!("http://{}", process.grpc.unwrap());
        let brokers = processes.iter().map(url).collect::<Vec<_>>().join(",");
        let (stop, stopped) = channel();
        let harm = std::thread::spawn(move || {
            while stopped.recv_timeout(KILL_EVERY) == Err(RecvTimeoutError::Timeout) {
                let leader = nodes[0].status().and_then(|status| status["leader"].as_u64());
                let victim = (0..3).rev().find(|at| Some(nodes[*at].number()) != leader).unwrap();
                processes[victim].kill();
                processes[victim] = nodes[victim].start_again();
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

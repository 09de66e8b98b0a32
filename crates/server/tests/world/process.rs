//! One process of the real binary, from its banner to its end.
//! Invariant: it ends with its value at the latest.
//! Used by `world`.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// The HTTP door, from the banner.
    pub(crate) http: Option<SocketAddr>,
    /// The gRPC door, from the banner.
    pub(crate) grpc: Option<SocketAddr>,
    /// The AMQP door, from the banner.
    pub(crate) amqp: Option<SocketAddr>,
    /// The management API, from the banner.
    pub(crate) management: Option<SocketAddr>,
    /// The claim token, from the banner.
    pub(crate) claim: Option<String>,
    /// Hears when its standard output ends, which it does with the process.
    silence: Mutex<Receiver<()>>,
}

impl Process {
    /// Starts it and waits for its banner.
    pub(crate) fn start(home: &Path, log: &str, words: &[&str]) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(home.join(log)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_recado"));
        command.args(words).env_clear().env("HOME", home).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut http, mut grpc, mut amqp, mut management, mut claim) = (None, None, None, None, None);
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let ended = child.wait().unwrap();
                let said = std::fs::read_to_string(home.join("broker.log")).unwrap_or_default();
                panic!("{words:?} ended with {ended} before its banner: {said}");
            }
            let mut parts = line.split_whitespace();
            let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let address = || {
                value.trim_start_matches("http://").trim_end_matches("/v1").trim_end_matches("/api").parse().unwrap()
            };
            match name {
                "REST" => http = Some(address()),
                "AMQP" => amqp = value.trim_start_matches("amqp://").parse().ok(),
                "management" => management = Some(address()),
                "gRPC" => grpc = Some(address()),
                "claim" => claim = Some(value.to_owned()),
                "next" => break,
                _ => {}
            }
        }
        let (ended, silence) = channel();
        std::thread::spawn(move || {
            std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
            let _ = ended.send(());
        });
        Self { child, http, grpc, amqp, management, claim, silence: Mutex::new(silence) }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has an id");
        kill_process(id, signal).unwrap();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Lets it stand still.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once, whatever it does.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Waits for its end, which must be a success.
    pub(crate) fn ended_well(&mut self) {
        self.silence.get_mut().unwrap().recv_timeout(PATIENCE).expect("it ends in time");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "it ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! One process of the broker under test: from exec to its end, on a folder that outlives it.
//! Invariant: a process ends with its value at the latest, by its own id.
//! Used by every campaign.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::http::Client;
use super::limits::{PAUSE, START_MAX, STOP_MAX};

/// The password of the user admin.
pub(super) const PASSWORD: &str = "correct-horse-battery";

/// The folder of one campaign: data, password and log of the broker.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) binary: PathBuf,
    data: PathBuf,
    /// Words of a program that the broker runs below, and that ends up being the broker.
    pub(super) below: Vec<String>,
    /// Words behind those that every broker gets.
    pub(super) words: Vec<String>,
    /// Whether the gRPC door is open.
    pub(super) grpc: bool,
    /// Whether the AMQP door is open.
    pub(super) amqp: bool,
    /// Whether clients never tell the ledger of one message that came: it must then be missed.
    pub(super) forgets: bool,
}

impl Home {
    /// An empty folder.
    pub(super) fn new(folder: PathBuf, binary: &Path) -> Result<Self, String> {
        let made = remove(&folder)
            .and_then(|()| fs::create_dir_all(&folder))
            .and_then(|()| fs::write(folder.join("password"), PASSWORD));
        made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let data = folder.join("data");
        let (binary, below, words) = (binary.to_path_buf(), Vec::new(), Vec::new());
        Ok(Self { folder, binary, data, below, words, grpc: false, amqp: false, forgets: false })
    }

    /// The same campaign with its data elsewhere.
    pub(super) fn with_data(&self, data: PathBuf) -> Self {
        let Self { folder, binary, below, words, grpc, amqp, forgets, .. } = self;
        let (folder, binary, below, words) = (folder.clone(), binary.clone(), below.clone(), words.clone());
        Self { folder, binary, data, below, words, grpc: *grpc, amqp: *amqp, forgets: *forgets }
    }

    /// The same campaign with the broker below another program, whose words come first.
    pub(super) fn below(&self, below: &[String]) -> Self {
        let below = [below, &self.below].concat();
        Self { below, ..self.with_data(self.data.clone()) }
    }

    /// The same campaign with clients that forget a message.
    pub(super) fn forgetful(self, forgets: bool) -> Self {
        Self { forgets, ..self }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// What the broker has said so far, in all its lives.
    pub(super) fn log(&self) -> String {
        fs::read(self.folder.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Bytes that the data takes on its disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.data())
    }

    /// Starts the broker and waits until it is ready; an error when it does not come up.
    pub(super) fn start(&self) -> Result<Broker, String> {
        match self.launch()? {
            Started::Ready(broker) => Ok(broker),
            Started::Ended(status, said) => Err(format!("the broker ended with {status} before it was ready: {said}")),
        }
    }

    /// Starts the broker, and waits until it is ready or over.
    pub(super) fn launch(&self) -> Result<Started, String> {
        let before = self.log().len();
        let mut broker = self.spawn()?;
        match broker.until_ready() {
            Ok(()) => Ok(Started::Ready(broker)),
            Err(status) => Ok(Started::Ended(status, self.log().split_off(before))),
        }
    }

    /// Starts the broker and does not wait.
    pub(super) fn spawn(&self) -> Result<Broker, String> {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let log = log.map_err(|error| format!("cannot write the log: {error}"))?;
        let mut words: Vec<String> = self.below.clone();
        words.push(self.binary.display().to_string());
        let door = |open: bool| if open { "127.0.0.1:0" } else { "none" };
        let (grpc, amqp) = (door(self.grpc), door(self.amqp));
        words.push(String::from("serve"));
        for (flag, address) in [("--http", door(true)), ("--amqp", amqp), ("--grpc", grpc)] {
            if !self.words.iter().any(|word| word == flag) {
                words.extend([flag, address].map(String::from));
            }
        }
        words.extend(self.words.iter().cloned());
        words.push(String::from("--data"));
        words.push(self.data().display().to_string());
        words.push(String::from("--admin-password-file"));
        words.push(self.folder.join("password").display().to_string());
        Broker::spawn(&words, log)
    }
}

/// What became of a start.
pub(super) enum Started {
    /// It is ready.
    Ready(Broker),
    /// It is not: how it ended, and what it said.
    Ended(String, String),
}

/// A running broker.
pub(super) struct Broker {
    child: Child,
    begun: Instant,
    banner: Receiver<String>,
    /// Where REST is, once it is ready.
    pub(super) address: SocketAddr,
    /// Where gRPC is, when that door is open.
    pub(super) grpc: Option<SocketAddr>,
    /// Where AMQP is, when that door is open.
    pub(super) amqp: Option<SocketAddr>,
    /// From exec until it said that it is ready.
    pub(super) ready_after: Duration,
}

impl Broker {
    /// Starts a server of ours, whose words are given, and does not wait.
    pub(super) fn spawn(words: &[String], log: File) -> Result<Self, String> {
        let begun = Instant::now();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        let pipe = child.stdout.take().expect("standard output was asked to be a pipe");
        let (told, banner) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Nobody may hear any more when the start was given up.
                let _given_up = told.send(line);
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self { child, begun, banner, address, grpc: None, amqp: None, ready_after: Duration::ZERO })
    }

    /// Waits until it says that it is ready; how it ended when it does not.
    pub(super) fn until_ready(&mut self) -> Result<(), String> {
        if !self.hears_addresses() {
            let status = self.end_within(PAUSE * 50);
            return Err(status.map_or_else(|| String::from("no end, no banner"), |status| status.to_string()));
        }
        let mut client = Client::new(self.address, "");
        while self.begun.elapsed() < START_MAX {
            if client.send("GET", "/health/ready", "").is_ok_and(|answer| answer.ok()) {
                self.ready_after = self.begun.elapsed();
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(status.to_string());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(String::from("it runs but is never ready"))
    }

    /// Reads the banner to its last line; false when there is none.
    fn hears_addresses(&mut self) -> bool {
        let address = |line: &str, name: &str| {
            let rest = line.trim().strip_prefix(name)?;
            let rest = rest.trim().trim_start_matches("http://").trim_start_matches("amqp://");
            rest.trim_end_matches("/v1").parse::<SocketAddr>().ok()
        };
        while let Ok(line) = self.banner.recv_timeout(START_MAX.saturating_sub(self.begun.elapsed())) {
            self.address = address(&line, "REST").unwrap_or(self.address);
            self.grpc = self.grpc.or_else(|| address(&line, "gRPC"));
            self.amqp = self.amqp.or_else(|| address(&line, "AMQP"));
            if line.trim().starts_with("next") {
                return self.address.port() != 0;
            }
        }
        false
    }

    /// Sends it a signal by name.
    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        let line = format!("kill -{name} {}", self.child.id());
        let done = Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status();
        done.map(drop).map_err(|error| format!("cannot send a signal: {error}"))
    }

    /// Takes its life at once.
    pub(super) fn kill(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(mut self) -> Result<ExitStatus, String> {
        self.terminate()?;
        self.end_within(STOP_MAX).ok_or_else(|| format!("it does not end within {STOP_MAX:?} of SIGTERM"))
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) -> Result<(), String> {
        self.signal("TERM")
    }

    /// How it ended, when it does in time.
    pub(super) fn end_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if limit < start.elapsed() {
                return None;
            }
            thread::sleep(PAUSE / 4);
        }
    }

    /// Resident memory, in KiB.
    pub(super) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes a folder that may be absent.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    if_there(fs::remove_dir_all(folder))
}

/// What became of a removal: nothing has to be there.
pub(super) fn if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Every file below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// Bytes that a folder takes on its disk. A file that goes away meanwhile takes none.
pub(super) fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    files(folder).iter().filter_map(|file| fs::metadata(file).ok()).map(|known| known.blocks() * 512).sum()
}

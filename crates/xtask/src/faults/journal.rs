//! The ledger outside of the broker: a file of what clients meant to do and what came of it, synced as it grows.
//! Invariant: an intent is on disk before its message is sent, and an outcome before the client goes on.
//! Written by `traffic` and the drains of campaigns; judged by `account`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use super::door::Failed;

/// Microseconds of the clock of this machine.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The file.
pub(super) struct Journal {
    file: Mutex<File>,
    pub(super) path: PathBuf,
}

impl Journal {
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self { file: Mutex::new(file), path: path.to_path_buf() })
    }

    fn write(&self, line: &str) -> Result<(), String> {
        let copy = {
            let mut file = self.file.lock().expect("no writer panics");
            file.write_all(line.as_bytes()).and_then(|()| file.try_clone())
        };
        // Lines of other threads that were written meanwhile are synced with this one.
        copy.and_then(|file| file.sync_data()).map_err(|error| format!("cannot write the ledger: {error}"))
    }

    /// Messages are about to be sent: which, and when, in microseconds of this machine's clock.
    pub(super) fn intend(&self, label: &str, (first, last): (u64, u64)) -> Result<(), String> {
        self.write(&format!("intent {label} {first} {last} {}\n", now()))
    }

    /// What came of it.
    pub(super) fn outcome(
        &self,
        label: &str,
        (first, last): (u64, u64),
        what: &Result<(), Failed>,
    ) -> Result<(), String> {
        let (word, code) = match what {
            Ok(()) => ("confirmed", ""),
            Err(Failed::Refused(code)) => ("refused", code.as_str()),
            Err(Failed::Unknown(_)) => ("unknown", ""),
        };
        self.write(&format!("{word} {label} {first} {last} {code}\n"))
    }

    /// Messages came.
    pub(super) fn delivered(&self, label: &str, numbers: &[u64]) -> Result<(), String> {
        self.list("delivered", label, numbers)
    }

    /// Receipts came that begin a leadership that was not seen before, from the process at this port.
    pub(super) fn epoch(&self, label: &str, port: u16, epoch: u64) -> Result<(), String> {
        self.write(&format!("epoch {label} {port} {epoch}\n"))
    }

    /// Acks were confirmed.
    pub(super) fn settled(&self, label: &str, numbers: &[u64]) -> Result<(), String> {
        self.list("settled", label, numbers)
    }

    /// Messages came with a lease: when they were asked for, when they came, and how long it is, in microseconds; and the
    /// leadership that gave it.
    pub(super) fn leased(&self, label: &str, lease: (u64, u64, u64, u64), numbers: &[u64]) -> Result<(), String> {
        let (asked, came, length, epoch) = lease;
        self.list("leased", &format!("{label} {asked} {came} {length} {epoch}"), numbers)
    }

    /// Acks were confirmed, by then.
    pub(super) fn acked(&self, label: &str, at: u64, numbers: &[u64]) -> Result<(), String> {
        self.list("acked", &format!("{label} {at}"), numbers)
    }

    /// A body came that nobody sent.
    pub(super) fn wrong(&self, label: &str, body: &str) -> Result<(), String> {
        let start: String = body.chars().take(40).collect();
        self.write(&format!("wrong {label} {start:?}\n"))
    }

    fn list(&self, word: &str, label: &str, numbers: &[u64]) -> Result<(), String> {
        if numbers.is_empty() {
            return Ok(());
        }
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        self.write(&format!("{word} {label} {}\n", numbers.join(" ")))
    }
}

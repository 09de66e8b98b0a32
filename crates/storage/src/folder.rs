//! The folder of one store: names of its files, and disk calls whose failures name the file.
//! Invariant: a file under its final name is complete, because it was synced before the rename.
//! Called by every room that opens files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mutant::Mutant;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::fault::{Fault, Operation};
use crate::limits::CHUNK_BYTES;
use crate::little_endian::{buffer_size, file_size};
use crate::position::{LogIndex, Term};

pub(crate) const LOCK_NAME: &str = "lock";
pub(crate) const STORE_NAME: &str = "store";
pub(crate) const VOTE_NAME: &str = "vote";
pub(crate) const PURGE_NAME: &str = "purge";
pub(crate) const MARK_NAME: &str = "mark";
const TEMPORARY_SUFFIX: &str = ".temporary";
const SEGMENT_SUFFIX: &str = ".segment";
const CHECKPOINT_SUFFIX: &str = ".checkpoint";

/// What the name of a file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileRole {
    Segment(LogIndex),
    Checkpoint(LogIndex, Term),
    Temporary,
    Other,
}

/// Name of the segment that starts at an index.
pub(crate) fn segment_name(first: LogIndex) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", first.0)
}

/// Name of the checkpoint of a position.
pub(crate) fn checkpoint_name(term: Term, index: LogIndex) -> String {
    format!("{:020}-{:020}{CHECKPOINT_SUFFIX}", index.0, term.0)
}

/// Name that a file has until it is complete.
pub(crate) fn temporary_name(name: &str) -> String {
    format!("{name}{TEMPORARY_SUFFIX}")
}

/// Reads a name back.
pub(crate) fn role_of(name: &str) -> FileRole {
    if name.ends_with(TEMPORARY_SUFFIX) {
        return FileRole::Temporary;
    }
    if let Some(number) = name.strip_suffix(SEGMENT_SUFFIX).and_then(number_of) {
        return FileRole::Segment(LogIndex(number));
    }
    let parts = name.strip_suffix(CHECKPOINT_SUFFIX).and_then(|stem| stem.split_once('-'));
    match parts.map(|(index, term)| (number_of(index), number_of(term))) {
        Some((Some(index), Some(term))) => FileRole::Checkpoint(LogIndex(index), Term(term)),
        Some(_) | None => FileRole::Other,
    }
}

fn number_of(digits: &str) -> Option<u64> {
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// The folder of a store on its disk.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn open(&self, name: &str, mode: OpenMode) -> Result<OpenFile, Fault> {
        let path = self.file(name);
        match self.disk.open(&path, mode) {
            Ok(file) => Ok(OpenFile { file, path: Arc::from(path) }),
            Err(error) => Err(Fault::io(Operation::Open, &path, 0, &error)),
        }
    }

    /// Opens a file that must be there.
    pub(crate) fn open_known(&self, name: &str, mode: OpenMode) -> Result<OpenFile, Fault> {
        self.open(name, mode).map_err(|fault| match fault {
            Fault::Io { kind: io::ErrorKind::NotFound, file, .. } => Fault::corrupt(&file, 0, "the file is missing"),
            other @ (Fault::Io { .. }
            | Fault::Corrupt { .. }
            | Fault::Full { .. }
            | Fault::Poisoned { .. }
            | Fault::Format { .. }
            | Fault::Locked { .. }
            | Fault::Misuse { .. }
            | Fault::Closed) => other,
        })
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, Fault> {
        let names = self.disk.list(&self.path);
        names.map_err(|error| Fault::io(Operation::Folder, &self.path, 0, &error))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Fault> {
        let path = self.file(name);
        let outcome = self.disk.remove(&path);
        outcome.map_err(|error| Fault::io(Operation::Remove, &path, 0, &error))
    }

    pub(crate) fn sync(&self) -> Result<(), Fault> {
        if mutant::is_on(Mutant::NoFolderSync) {
            return Ok(());
        }
        let outcome = self.disk.sync_folder(&self.path);
        outcome.map_err(|error| Fault::io(Operation::SyncFolder, &self.path, 0, &error))
    }

    /// Gives a complete, synced file its final name, durably.
    pub(crate) fn publish(&self, temporary: &str, name: &str) -> Result<(), Fault> {
        let path = self.file(name);
        let outcome = self.disk.rename(&self.file(temporary), &path);
        outcome.map_err(|error| Fault::io(Operation::Rename, &path, 0, &error))?;
        self.sync()
    }

    /// Writes a small file whole, so that a crash leaves all of it or nothing.
    pub(crate) fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let temporary = temporary_name(name);
        let file = self.open(&temporary, OpenMode::CreateNew)?;
        file.write(0, bytes)?;
        file.sync()?;
        self.publish(&temporary, name)
    }

    pub(crate) fn free_bytes(&self) -> Result<u64, Fault> {
        let free = self.disk.free_bytes(&self.path);
        free.map_err(|error| Fault::io(Operation::FreeSpace, &self.path, 0, &error))
    }
}

/// An open file that knows its path.
#[derive(Clone)]
pub(crate) struct OpenFile {
    file: Arc<dyn DiskFile>,
    pub(crate) path: Arc<Path>,
}

impl OpenFile {
    /// The same file under its new name.
    pub(crate) fn renamed(&self, path: PathBuf) -> OpenFile {
        OpenFile { file: Arc::clone(&self.file), path: Arc::from(path) }
    }

    /// Reads `bytes` bytes; a file that ends before is damaged.
    pub(crate) fn read(&self, offset: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
        let outcome = self.file.read(offset, buffer_size(bytes));
        let buffer = outcome.map_err(|error| self.fault(Operation::Read, offset, &error))?;
        self.whole(offset, buffer.len(), buffer_size(bytes))?;
        Ok(buffer)
    }

    /// Fills the whole of `buffer` from `offset` on.
    pub(crate) fn read_into(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let outcome = self.file.read_at(offset, buffer);
        let filled = outcome.map_err(|error| self.fault(Operation::Read, offset, &error))?;
        self.whole(offset, filled, buffer.len())
    }

    /// Refuses a file that ends before what should be there.
    fn whole(&self, offset: u64, filled: usize, wanted: usize) -> Result<(), Fault> {
        if filled < wanted {
            return Err(Fault::corrupt(&self.path, offset, "the file ends inside a record"));
        }
        Ok(())
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let outcome = self.file.write_at(offset, bytes);
        outcome.map_err(|error| self.fault(Operation::Write, offset, &error))
    }

    /// Writes zeros from `start` up to `end`.
    pub(crate) fn write_zeros(&self, start: u64, end: u64) -> Result<(), Fault> {
        let zeros = vec![0; CHUNK_BYTES.min(buffer_size(end.saturating_sub(start)))];
        let mut at = start;
        while at < end {
            let piece = buffer_size(end - at).min(zeros.len());
            self.write(at, &zeros[..piece])?;
            at += file_size(piece);
        }
        Ok(())
    }

    /// Fills an empty file with zeros.
    pub(crate) fn fill(&self, length: u64) -> Result<(), Fault> {
        let outcome = self.file.fill(length);
        outcome.map_err(|error| self.fault(Operation::Write, 0, &error))
    }

    pub(crate) fn sync(&self) -> Result<(), Fault> {
        let mut outcome = self.file.sync();
        if mutant::is_on(Mutant::RetryFailedSync) {
            outcome = outcome.or_else(|_| self.file.sync());
        }
        outcome.map_err(|error| self.fault(Operation::Sync, 0, &error))
    }

    pub(crate) fn length(&self) -> Result<u64, Fault> {
        let length = self.file.length();
        length.map_err(|error| self.fault(Operation::Length, 0, &error))
    }

    pub(crate) fn set_length(&self, length: u64) -> Result<(), Fault> {
        let outcome = self.file.set_length(length);
        outcome.map_err(|error| self.fault(Operation::Length, length, &error))
    }

    fn fault(&self, operation: Operation, offset: u64, error: &io::Error) -> Fault {
        Fault::io(operation, &self.path, offset, error)
    }
}

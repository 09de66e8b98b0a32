//! What can go wrong on disk, and what the caller must do about it.
//! Invariant: a fault names the file, and the offset where there is one; damage is never reported as absence.
//! Returned by every operation of the crate. Tests: all under `tests/`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// A step of the disk that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Making a file durable.
    Sync,
    /// Making names durable.
    SyncFolder,
    /// Changing or asking the length of a file.
    Length,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Listing a folder, or creating it.
    Folder,
    /// Asking for the free space.
    FreeSpace,
}

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The disk refused an operation.
    #[error("{operation:?} failed on {} at offset {offset}: {kind}; check the disk, then restart", file.display())]
    Io {
        /// The step that failed.
        operation: Operation,
        /// The file it was for.
        file: PathBuf,
        /// The position, zero where the step has none.
        offset: u64,
        /// What the operating system said.
        kind: io::ErrorKind,
    },
    /// Bytes that were durable are not what was written.
    #[error("{} is damaged at offset {offset}: {what}; restore this replica from a peer or a backup", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damaged record starts.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// No room for another file. Nothing was written; the store goes on working.
    #[error("no room on the disk for {}; free space or add some, then try again", file.display())]
    Full {
        /// The file that found no room.
        file: PathBuf,
    },
    /// An earlier write or sync failed; nothing is written any more.
    #[error("the store stopped writing after: {first}; restart to recover")]
    Poisoned {
        /// The failure that stopped the store.
        first: Arc<Fault>,
    },
    /// A file is of a kind or version that this program does not read.
    #[error("{}: {what}", file.display())]
    Format {
        /// The file in question.
        file: PathBuf,
        /// What was found and what to do.
        what: &'static str,
    },
    /// Another process has the folder open.
    #[error("{} is held by another process; stop it or choose another folder", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
    },
    /// The caller broke the contract of the store. Nothing was written.
    #[error("refused by the store: {what}")]
    Misuse {
        /// The rule that was broken.
        what: &'static str,
    },
    /// The store was closed before this operation reached it.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// Says what every operation after `self` gets.
    #[must_use]
    pub fn poisoned(&self) -> Fault {
        match self {
            Fault::Poisoned { .. } => self.clone(),
            Fault::Io { .. }
            | Fault::Corrupt { .. }
            | Fault::Full { .. }
            | Fault::Format { .. }
            | Fault::Locked { .. }
            | Fault::Misuse { .. }
            | Fault::Closed => Fault::Poisoned { first: Arc::new(self.clone()) },
        }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, what: &'static str) -> Fault {
        Fault::Corrupt { file: file.to_path_buf(), offset, what }
    }

    pub(crate) fn format(file: &Path, what: &'static str) -> Fault {
        Fault::Format { file: file.to_path_buf(), what }
    }

    /// Turns an error of the operating system into a fault that names the place.
    pub(crate) fn io(operation: Operation, file: &Path, offset: u64, error: &io::Error) -> Fault {
        Fault::Io { operation, file: file.to_path_buf(), offset, kind: error.kind() }
    }

    /// Whether bytes are not what was written, or gone: another replica has them, this disk has not.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Fault::Corrupt { .. } => true,
            Fault::Poisoned { first } => first.is_damage(),
            Fault::Io { .. }
            | Fault::Full { .. }
            | Fault::Format { .. }
            | Fault::Locked { .. }
            | Fault::Misuse { .. }
            | Fault::Closed => false,
        }
    }

    /// Whether the disk said that it has no room.
    pub(crate) fn no_room(&self) -> bool {
        matches!(
            self,
            Fault::Full { .. } | Fault::Io { kind: io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, .. }
        )
    }
}

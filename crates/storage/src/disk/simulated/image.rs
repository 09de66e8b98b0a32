//! What a simulated disk holds: files as the programs see them, and as they survive a power cut.
//! Invariant: content and names move to the durable side only by a sync of the file or of the folder.
//! Called by `MemoryDisk` alone. Tests: `tests/simulated_disk.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::little_endian::{buffer_size, file_size};

/// Number of a file on one simulated disk; a rename keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNumber(pub(super) usize);

/// One step that changed the disk, in the order of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new, empty file got a name.
    Create {
        /// Its name.
        path: PathBuf,
        /// Its number.
        file: FileNumber,
    },
    /// A file got another name.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// A name was taken away.
    Remove {
        /// The name.
        path: PathBuf,
    },
    /// The names of a folder became durable.
    SyncFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Bytes were written.
    Write {
        /// The file.
        file: FileNumber,
        /// The position of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut or extended.
    SetLength {
        /// The file.
        file: FileNumber,
        /// Its new length.
        length: u64,
    },
    /// The content of a file became durable.
    Sync {
        /// The file.
        file: FileNumber,
    },
    /// A sync failed: what was not durable is lost for ever, though reads still show it.
    SyncFailed {
        /// The file.
        file: FileNumber,
    },
    /// A remark of the test, in its place among the steps.
    Note(String),
}

/// A change that no sync has made durable yet.
#[derive(Clone, Debug)]
pub(super) enum Unsynced {
    Write { offset: u64, bytes: Vec<u8> },
    SetLength(u64),
}

/// A change of names that no sync of the folder has made durable yet.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link { path: PathBuf, file: usize },
    Rename { from: PathBuf, to: PathBuf, file: usize },
    Unlink { path: PathBuf },
}

impl NameChange {
    fn folder(&self) -> Option<&Path> {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.parent(),
            NameChange::Rename { to, .. } => to.parent(),
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Link { path, file } => {
                names.insert(path.clone(), *file);
            }
            NameChange::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            NameChange::Unlink { path } => {
                names.remove(path);
            }
        }
    }
}

/// One file: what reads show, what a power cut leaves, and what lies between.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Unsynced>,
}

/// All files and names of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) files: Vec<Content>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    pub(super) unsynced_names: Vec<NameChange>,
}

impl Image {
    /// Performs one recorded step.
    pub(super) fn perform(&mut self, event: &Event) {
        match event {
            Event::Create { path, file } => {
                assert_eq!(file.0, self.files.len(), "files are numbered in order of creation");
                self.files.push(Content::default());
                self.change_names(NameChange::Link { path: path.clone(), file: file.0 });
            }
            Event::Rename { from, to } => {
                let file = self.names[from];
                self.change_names(NameChange::Rename { from: from.clone(), to: to.clone(), file });
            }
            Event::Remove { path } => self.change_names(NameChange::Unlink { path: path.clone() }),
            Event::SyncFolder { folder } => self.sync_folder(folder),
            Event::Write { file, offset, bytes } => {
                let content = &mut self.files[file.0];
                write_into(&mut content.seen, *offset, bytes);
                content.unsynced.push(Unsynced::Write { offset: *offset, bytes: bytes.clone() });
            }
            Event::SetLength { file, length } => {
                let content = &mut self.files[file.0];
                content.seen.resize(buffer_size(*length), 0);
                content.unsynced.push(Unsynced::SetLength(*length));
            }
            Event::Sync { file } => self.sync_file(file.0),
            Event::SyncFailed { file } => self.files[file.0].unsynced.clear(),
            Event::Note(_) => {}
        }
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let lengths = self.names.values().map(|file| self.files[*file].seen.len());
        file_size(lengths.sum())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn sync_folder(&mut self, folder: &Path) {
        let changes = std::mem::take(&mut self.unsynced_names);
        for change in changes {
            if change.folder() == Some(folder) {
                change.apply(&mut self.durable_names);
            } else {
                self.unsynced_names.push(change);
            }
        }
    }

    fn sync_file(&mut self, file: usize) {
        let content = &mut self.files[file];
        for change in std::mem::take(&mut content.unsynced) {
            match change {
                Unsynced::Write { offset, bytes } => write_into(&mut content.durable, offset, &bytes),
                Unsynced::SetLength(length) => content.durable.resize(buffer_size(length), 0),
            }
        }
    }
}

/// Writes into a file that grows when needed.
pub(super) fn write_into(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = buffer_size(offset);
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

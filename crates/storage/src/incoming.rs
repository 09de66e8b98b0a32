//! A copy of another replica's store on its way into a folder, beside the store that is there or is not.
//! Invariant: at every moment a restart finds the old store whole, or the copy whole: the copy takes the place of the
//! store only once all of it is durable, and `settle` ends what a crash cut off.
//! Called by the shard while the store is closed. Tests: `tests/copies.rs`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;

use crate::copy::CopiedFile;
use crate::disk::{Disk, OpenMode};
use crate::fault::{Fault, Operation};
use crate::folder::{FileRole, Folder, LOCK_NAME, OpenFile, STORE_NAME, VOTE_NAME, role_of};
use crate::log::{SegmentStore, Settings};
use crate::position::{LogIndex, Term};
use crate::slots::{Purpose, SlotFile};

/// Says that the copy is whole, and what was there before has to go.
const WHOLE_NAME: &str = "whole";
/// Says that what was there before is gone, and the files of the copy are moving in.
const MOVING_NAME: &str = "moving";

/// The vote that a folder holds, whatever became of the rest of it; `None` when no store was there yet. Damage is a fault:
/// a vote that is not known may have been given, and must not be given again.
pub fn saved_vote(disk: &Arc<dyn Disk>, target: &Path) -> Result<Option<Bytes>, Fault> {
    let (target, _) = folders(disk, target);
    create(&target)?;
    let lock = target.file(LOCK_NAME);
    let _held = disk.lock(&lock).map_err(|_| Fault::Locked { file: lock.clone() })?;
    let names = target.names()?;
    let is_used = |name: &String| {
        name == STORE_NAME
            || name == VOTE_NAME
            || matches!(role_of(name), FileRole::Segment(_) | FileRole::Checkpoint(..))
    };
    if !names.iter().any(is_used) {
        return Ok(None);
    }
    let (slots, _) = SlotFile::open(&target, VOTE_NAME, Purpose::Vote)?;
    Ok(Some(slots.synced().clone()).filter(|vote| !vote.is_empty()))
}

/// A copy while it is received.
pub struct Incoming {
    target: Folder,
    folder: Folder,
    current: Option<(String, OpenFile)>,
}

fn folders(disk: &Arc<dyn Disk>, target: &Path) -> (Folder, Folder) {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".incoming");
    let folder = |path: PathBuf| Folder { disk: Arc::clone(disk), path };
    (folder(target.to_path_buf()), folder(target.with_file_name(name)))
}

fn create(folder: &Folder) -> Result<(), Fault> {
    let created = folder.disk.create_folder(&folder.path);
    created.map_err(|error| Fault::io(Operation::Folder, &folder.path, 0, &error))
}

fn remove_all(folder: &Folder) -> Result<(), Fault> {
    for name in folder.names()? {
        folder.remove(&name)?;
    }
    folder.sync()
}

/// Ends what a crash cut off: a copy that was whole takes its place, any other one goes.
pub fn settle(disk: &Arc<dyn Disk>, target: &Path) -> Result<(), Fault> {
    let (target, folder) = folders(disk, target);
    create(&folder)?;
    let names = folder.names()?;
    if names.iter().any(|name| name == WHOLE_NAME) {
        return move_in(&folder, &target, Step::Clear);
    }
    if names.iter().any(|name| name == MOVING_NAME) {
        return move_in(&folder, &target, Step::Move);
    }
    remove_all(&folder)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Clear,
    Move,
}

fn move_in(folder: &Folder, target: &Folder, step: Step) -> Result<(), Fault> {
    create(target)?;
    if step == Step::Clear {
        for name in target.names()? {
            if name != LOCK_NAME {
                target.remove(&name)?;
            }
        }
        target.sync()?;
        folder.publish(WHOLE_NAME, MOVING_NAME)?;
    }
    for name in folder.names()? {
        if name == LOCK_NAME || name == MOVING_NAME {
            continue;
        }
        let renamed = folder.disk.rename(&folder.file(&name), &target.file(&name));
        renamed.map_err(|error| Fault::io(Operation::Rename, &folder.file(&name), 0, &error))?;
    }
    target.sync()?;
    remove_all(folder)
}

impl Incoming {
    /// Begins a copy for the store of a folder. It will have this vote and this purge mark.
    pub fn begin(
        disk: Arc<dyn Disk>,
        target: &Path,
        settings: Settings,
        vote: Bytes,
        purged: Option<(Term, LogIndex)>,
    ) -> Result<Self, Fault> {
        settle(&disk, target)?;
        let (target, folder) = folders(&disk, target);
        // The small files are those of an empty store that has a vote and was told to forget what it never had.
        let (store, _) = SegmentStore::open(disk, &folder.path, settings)?;
        let (done, outcome) = mpsc::channel();
        let told = done.clone();
        store.save_vote(vote, Box::new(move |outcome| drop(told.send(outcome))));
        if let Some((term, index)) = purged {
            store.save_purged(term, index, Box::new(move |outcome| drop(done.send(outcome))));
        } else {
            drop(done);
        }
        store.close()?;
        for outcome in outcome {
            outcome?;
        }
        Ok(Self { target, folder, current: None })
    }

    /// Takes the next piece of a file. Pieces come in order, one file after the other.
    pub fn write(&mut self, file: &CopiedFile, offset: u64, piece: &[u8]) -> Result<(), Fault> {
        if file.length < file.bytes || !matches!(role_of(&file.name), FileRole::Segment(_) | FileRole::Checkpoint(..)) {
            return Err(Fault::Misuse { what: "a copy consists of segments and checkpoints" });
        }
        let open = match self.current.take() {
            Some((name, open)) if name == file.name => open,
            Some(_) | None => self.folder.open(&file.name, OpenMode::CreateNew)?,
        };
        open.write(offset, piece)?;
        self.current = Some((file.name.clone(), open));
        Ok(())
    }

    /// All pieces of a file were taken.
    pub fn finish_file(&mut self, file: &CopiedFile) -> Result<(), Fault> {
        let Some((_, open)) = self.current.take().filter(|(name, _)| *name == file.name) else {
            return Err(Fault::Misuse { what: "a file is finished after its last piece" });
        };
        open.write_zeros(file.bytes.0, file.length.0)?;
        open.sync()
    }

    /// The copy is whole: it takes the place of the store.
    pub fn finish(self) -> Result<(), Fault> {
        self.folder.sync()?;
        self.folder.write_whole(WHOLE_NAME, &[])?;
        move_in(&self.folder, &self.target, Step::Clear)
    }
}

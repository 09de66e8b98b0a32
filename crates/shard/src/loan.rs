//! A copy of the store of a shard for a replica that is new, or whose log is too short to be continued.
//! Invariants: what is lent does not change while it is lent: nothing is deleted, and no newer checkpoint is made, so
//! that the log behind the copy is still there when its reader comes back for it. A copy has all that its reader can have
//! acknowledged before it asked, and its vote is not older than that of the reader, so that nothing is forgotten by it.
//! Called by the node: `Shard::lend` on one side, `Arrival` on the other. Tests: `tests/replicas.rs`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use model::failure::Fault;
use storage::disk::Disk;
use storage::{CopiedFile, Incoming, LogIndex, SegmentStore, Term};
use tokio::sync::OwnedMutexGuard;

use crate::raft::log::Log;
use crate::watch;

/// What the reader has to know before the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long segments are; the same on all replicas.
    pub segment_bytes: u64,
    /// The newest entry of the copy: at least the newest that the lender had when it was asked.
    pub last: u64,
    /// The purge mark: term and index.
    pub purged: Option<(u64, u64)>,
    /// The vote of the lender, by which the reader follows its leader.
    pub vote: Bytes,
    /// The files, in the order in which they are read.
    pub files: Vec<LoanedFile>,
}

/// A file of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoanedFile {
    /// Its name.
    pub name: String,
    /// How many bytes are sent.
    pub bytes: u64,
    /// How long it is; zeros behind those.
    pub length: u64,
}

fn copied(file: &LoanedFile) -> CopiedFile {
    let (bytes, length) = (storage::ByteCount(file.bytes), storage::ByteCount(file.length));
    CopiedFile { name: file.name.clone(), bytes, length }
}

/// A copy that is lent; given back when this is dropped.
pub struct Loan {
    pub(crate) terms: Terms,
    pub(crate) log: Log,
    /// Housekeeping stands still meanwhile.
    pub(crate) _still: OwnedMutexGuard<()>,
    /// Says so to who would wait for it.
    pub(crate) lent: Arc<AtomicBool>,
}

/// Somebody asks for a copy, and waits for a round of housekeeping to end.
pub(crate) struct Asking(watch::Sender<u64>);

impl Asking {
    pub(crate) fn begin(asked: &watch::Sender<u64>) -> Self {
        asked.send_if_modified(|asked| {
            *asked += 1;
            true
        });
        Self(asked.clone())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.send_if_modified(|asked| {
            *asked -= 1;
            true
        });
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lent.store(false, Ordering::Release);
    }
}

impl Loan {
    pub(crate) fn files(store: &SegmentStore, until: u64) -> Result<Vec<LoanedFile>, storage::Fault> {
        let files = store.files_until(LogIndex(until))?;
        let loaned = |file: CopiedFile| LoanedFile { name: file.name, bytes: file.bytes.0, length: file.length.0 };
        Ok(files.into_iter().map(loaned).collect())
    }

    /// What is lent.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The next piece of a file; empty behind its end.
    ///
    /// # Errors
    /// When the disk cannot be read, or this replica does not lead any more; the loan is useless then.
    pub async fn read(&self, file: &LoanedFile, offset: u64) -> Result<Bytes, Fault> {
        let (store, file) = (self.log.store.clone(), copied(file));
        let reading = self.log.hands.run(move || store.read_copied(&file, offset));
        let piece = reading.await.map_err(fault)?.map_err(fault)?;
        // A replica cuts its log only after it saved a later vote: until then what was read is what was lent.
        if self.log.promises().1.as_ref() == Some(&self.terms.vote) {
            Ok(piece.into())
        } else {
            Err(fault("the lender does not lead any more"))
        }
    }
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault { what: error.to_string() }
}

/// A copy on its way into the folder of a shard that is closed, or is not there yet. Blocks on the disk.
pub struct Arrival {
    incoming: Incoming,
}

impl Arrival {
    /// Ends what a crash cut off while a copy arrived: the folder holds what was there before, or all of the copy.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn settle(disk: &Arc<dyn Disk>, folder: &Path) -> Result<(), Fault> {
        storage::settle_incoming(disk, folder).map_err(fault)
    }

    /// Whether the folder knows what it voted, whatever became of the rest of it.
    ///
    /// # Errors
    /// When the vote is damaged, another process holds the files, or the disk fails.
    pub fn check_vote(disk: &Arc<dyn Disk>, folder: &Path) -> Result<(), Fault> {
        Self::settle(disk, folder)?;
        storage::saved_vote(disk, folder).map(drop).map_err(fault)
    }

    /// Begins to receive a copy. What the folder promised to others, its vote, stays promised, whatever became of the
    /// rest of it.
    ///
    /// # Errors
    /// When the vote that is there is damaged, or is newer than the leadership of the lender; when another process holds
    /// the files, or the disk fails.
    pub fn begin(disk: Arc<dyn Disk>, folder: &Path, terms: &Terms) -> Result<Self, Fault> {
        let settings = storage::Settings { segment_bytes: terms.segment_bytes, ..storage::Settings::default() };
        Self::settle(&disk, folder)?;
        let own = storage::saved_vote(&disk, folder).map_err(fault)?;
        let vote = crate::raft::written::vote_of_copy(own, terms.vote.clone()).map_err(fault)?;
        let purged = terms.purged.map(|(term, index)| (Term(term), LogIndex(index)));
        let incoming = Incoming::begin(disk, folder, settings, vote, purged).map_err(fault)?;
        Ok(Self { incoming })
    }

    /// Takes the next piece of a file.
    ///
    /// # Errors
    /// When the disk fails, or the file is none that a store has.
    pub fn write(&mut self, file: &LoanedFile, offset: u64, piece: &[u8]) -> Result<(), Fault> {
        self.incoming.write(&copied(file), offset, piece).map_err(fault)
    }

    /// All of a file was taken.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish_file(&mut self, file: &LoanedFile) -> Result<(), Fault> {
        self.incoming.finish_file(&copied(file)).map_err(fault)
    }

    /// All files were taken: the copy takes the place of what was there.
    ///
    /// # Errors
    /// When the disk fails; the next start ends what was begun.
    pub fn finish(self) -> Result<(), Fault> {
        self.incoming.finish().map_err(fault)
    }
}

//! The store of one shard, as its callers see it.
//! Invariant: submissions are done in the order they came; nothing is promised before it is synced.
//! Called by the shard. Tests: `tests/`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;

use crate::checkpoint::{self, Checkpoint, SectionName};
use crate::core::Core;
use crate::disk::Disk;
use crate::fault::{Fault, Operation};
use crate::folder::{Folder, LOCK_NAME, VOTE_NAME, checkpoint_name, segment_name};
use crate::frame::Frame;
use crate::inbox::{Command, Inbox, LogEnd};
use crate::limits::{
    MARK_DELAY_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SLOT_VALUE_BYTES_MAX,
};
use crate::position::{ByteCount, LogIndex, Term};
use crate::reader::Want;
use crate::recovery::{Recovered, recover};
use crate::scrub::Scrub;
use crate::writer::{Writer, write_while_open};

/// Hears how a submission ended, on the thread that wrote: it must be quick and must not wait for the store.
pub type Completion = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// Who does the writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The store has a writer thread, and one that prepares spare segments.
    Own,
    /// The caller does, by `run_queued`: for simulations, where each step must be repeatable.
    Caller,
}

/// How a store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Length of a segment; the same on all replicas, for they roll at the same places. A multiple of eight.
    pub segment_bytes: u64,
    /// Quiet time after a flush before the durable mark is synced.
    pub mark_delay: Duration,
    /// Who does the writing.
    pub threads: Threads,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { segment_bytes: SEGMENT_BYTES_DEFAULT, mark_delay: MARK_DELAY_DEFAULT, threads: Threads::Own }
    }
}

/// One segment, for the eyes of whoever counts what lives in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Index of its first frame; its name.
    pub first: LogIndex,
    /// Index of its last durable frame.
    pub last: Option<LogIndex>,
    /// Bytes of the file.
    pub bytes: ByteCount,
    /// It will not change any more.
    pub sealed: bool,
}

/// What the store takes, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of segments and of the spare.
    pub segments: ByteCount,
    /// Bytes of checkpoints.
    pub checkpoints: ByteCount,
    /// Bytes that the file system still has.
    pub free: ByteCount,
}

/// A handle of an open store. Clones are the same store; the last one to go stops the writer.
#[derive(Clone)]
pub struct SegmentStore {
    pub(crate) core: Arc<Core>,
    hands: Arc<Hands>,
}

/// Whoever writes.
struct Hands {
    core: Arc<Core>,
    writer: Arc<Mutex<Writer>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Hands {
    /// Lets the writer finish what is queued.
    fn stop(&self) {
        self.core.inbox.stop();
        self.core.spare.stop();
        let threads = std::mem::take(&mut *self.threads.lock().expect("no holder panics"));
        for thread in threads {
            // The last handle may go inside a completion; the writer cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A writer that panicked has closed the store already.
                let _ = thread.join();
            }
        }
        if self.core.settings.threads == Threads::Caller
            && let Ok(mut writer) = self.writer.lock()
        {
            writer.run_queued();
        }
    }
}

/// A completion that panics takes the writer with it: nothing may wait for it any more.
struct CloseOnPanic(Arc<Core>);

impl Drop for CloseOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison(&Fault::Closed);
            self.0.inbox.stop();
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.stop();
    }
}

impl SegmentStore {
    /// Opens the store in a folder, or makes one there.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, settings: Settings) -> Result<(SegmentStore, Recovered), Fault> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&settings.segment_bytes)
            || !settings.segment_bytes.is_multiple_of(8)
        {
            return Err(Fault::Misuse {
                what: "segment_bytes is a multiple of 8 between SEGMENT_BYTES_MIN and SEGMENT_BYTES_MAX",
            });
        }
        let created = disk.create_folder(folder);
        created.map_err(|error| Fault::io(Operation::Folder, folder, 0, &error))?;
        let lock_path = folder.join(LOCK_NAME);
        let lock = disk.lock(&lock_path).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return Fault::Locked { file: lock_path.clone() };
            }
            Fault::io(Operation::Open, &lock_path, 0, &error)
        })?;
        let folder = Folder { disk, path: folder.to_path_buf() };
        let found = recover(&folder)?;
        let inbox = Inbox::new(
            settings.segment_bytes,
            found.end,
            found.recovered.purged,
            found.active.as_ref().and_then(|active| active.state.last),
        );
        let core = Arc::new(Core::new(folder, settings, found.segments, inbox, lock));
        let has_segment = found.active.is_some();
        let writer = Writer::new(Arc::clone(&core), found.slots, found.active);
        let hands = Arc::new(Hands {
            core: Arc::clone(&core),
            writer: Arc::new(Mutex::new(writer)),
            threads: Mutex::new(Vec::new()),
        });
        let store = SegmentStore { core, hands };
        if settings.threads == Threads::Own {
            store.start_threads()?;
            if !has_segment {
                store.core.spare.want();
            }
        }
        Ok((store, found.recovered))
    }

    pub(crate) fn writer(&self) -> &Mutex<Writer> {
        &self.hands.writer
    }

    fn start_threads(&self) -> Result<(), Fault> {
        let writer = Arc::clone(&self.hands.writer);
        let core = Arc::clone(&self.core);
        let writer_core = Arc::clone(&self.core);
        let threads = [
            thread::Builder::new().name("log-writer".to_owned()).spawn(move || {
                let _closing = CloseOnPanic(Arc::clone(&writer_core));
                write_while_open(&writer, &writer_core);
            }),
            thread::Builder::new().name("log-spare".to_owned()).spawn(move || core.spare.prepare_while_open(&core)),
        ];
        for thread in threads {
            let thread = thread.map_err(|error| Fault::io(Operation::Open, &self.core.folder.path, 0, &error))?;
            self.hands.threads.lock().expect("no holder panics").push(thread);
        }
        Ok(())
    }

    /// Queues frames that follow the last one. Once this returns they can be read; once `done` says yes they
    /// are durable. Blocks only while WRITER_QUEUE_MAX submissions wait.
    pub fn append(&self, frames: Vec<Frame>, done: Completion) {
        if let Err(fault) = self.core.check() {
            return done(Err(fault));
        }
        if let Err((done, fault)) = self.core.inbox.append(frames, done) {
            done(Err(fault));
        }
    }

    /// As `append`, and when the writer has nothing else to do the frames are written here: `done` is called on this
    /// thread before this returns. That spares two changes of threads, which cost as much as a quick disk's flush,
    /// and holds the caller up for the time of the flush.
    pub fn append_here(&self, frames: Vec<Frame>, done: Completion) {
        let Ok(mut writer) = self.hands.writer.try_lock() else {
            return self.append(frames, done);
        };
        if self.core.settings.threads == Threads::Caller || !self.core.inbox.is_empty() || self.core.check().is_err() {
            drop(writer);
            return self.append(frames, done);
        }
        let _closing = CloseOnPanic(Arc::clone(&self.core));
        match self.core.inbox.append_quietly(frames, done) {
            Ok(()) => {
                let was_at_rest = self.core.inbox.is_at_rest();
                writer.step();
                // What came meanwhile is for the writer's thread; it also sees to the mark.
                if was_at_rest || !self.core.inbox.is_empty() {
                    self.core.inbox.wake();
                }
            }
            Err((done, fault)) => {
                drop(writer);
                done(Err(fault));
            }
        }
    }

    /// Queues a vote of 1 to SLOT_VALUE_BYTES_MAX bytes.
    pub fn save_vote(&self, vote: Bytes, done: Completion) {
        if vote.is_empty() || SLOT_VALUE_BYTES_MAX < vote.len() {
            return done(Err(Fault::Misuse { what: "a vote has 1 to SLOT_VALUE_BYTES_MAX bytes" }));
        }
        self.submit(Command::SaveVote { value: vote, done });
    }

    /// Keeps the committed hint for the next quiet moment of the writer, or for the end. It is not synced: after a
    /// power cut an older one may come back, or none. Ignored when it is longer than SLOT_VALUE_BYTES_MAX.
    pub fn save_committed(&self, committed: Bytes) {
        if committed.len() <= SLOT_VALUE_BYTES_MAX && self.core.check().is_ok() {
            self.core.inbox.hint(committed);
        }
    }

    /// Queues the purge mark of the consensus. Frames stay until their segment is deleted. A mark beyond the
    /// last frame moves the end of the log: the next frame follows the mark, in a segment of its own.
    pub fn save_purged(&self, term: Term, index: LogIndex, done: Completion) {
        self.submit(Command::SavePurged { term, index, done });
    }

    fn submit(&self, command: Command) {
        let refused = match self.core.check() {
            Ok(()) => self.core.inbox.submit(command).err(),
            Err(fault) => Some((command, fault)),
        };
        let Some((command, fault)) = refused else {
            return;
        };
        match command {
            Command::SaveVote { done, .. } | Command::SavePurged { done, .. } | Command::Truncate { done, .. } => {
                done(Err(fault));
            }
            Command::Append(job) => (job.done)(Err(fault)),
        }
    }

    /// Queues a cut: keeps the frames up to `keep`, or none. Frames behind it can no longer be read once this
    /// returns. Never call it for frames that are committed.
    pub fn truncate_after(&self, keep: Option<LogIndex>, done: Completion) {
        let end = self.core.check().and_then(|()| self.end_after_cut(keep));
        let refused = match end {
            Ok(end) => self.core.inbox.truncate(end, keep, done).err(),
            Err(fault) => Some((done, fault)),
        };
        if let Some((done, fault)) = refused {
            done(Err(fault));
        }
    }

    /// Looks up where the log would end.
    fn end_after_cut(&self, keep: Option<LogIndex>) -> Result<LogEnd, Fault> {
        let now = self.core.inbox.end();
        let Some(index) = keep else {
            return Ok(LogEnd::default());
        };
        if now.last_index() <= Some(index) {
            return Ok(now);
        }
        if let Some(placed) = self.core.inbox.pending(index) {
            return Ok(LogEnd { last: Some((placed.frame.term, index)), placement: Some(placed.placement) });
        }
        if let Some((segment, place)) = self.core.place_of(index)? {
            return Ok(LogEnd {
                last: Some((place.term, index)),
                placement: Some(crate::inbox::Placement {
                    segment: segment.first,
                    capacity: segment.capacity,
                    end: place.end,
                }),
            });
        }
        match self.core.inbox.purged() {
            Some((term, purged)) if purged == index => Ok(LogEnd { last: Some((term, index)), placement: None }),
            Some(_) | None => Err(Fault::Misuse { what: "the log can only be cut back to a frame that it holds" }),
        }
    }

    /// Reads one frame, durable or still queued.
    pub fn read(&self, index: LogIndex) -> Result<Option<Frame>, Fault> {
        let frames = self.read_range(index, index.next(), ByteCount(0))?;
        Ok(frames.into_iter().next())
    }

    /// Reads frames in order from `from` on, as long as they fit `bytes_max` on disk; the first one always.
    /// Empty when `from` is not there. The result may be shorter than asked: read on behind it.
    pub fn read_range(&self, from: LogIndex, until: LogIndex, bytes_max: ByteCount) -> Result<Vec<Frame>, Fault> {
        let pending = self.core.inbox.pending_from(from, until, bytes_max.0);
        if !pending.is_empty() {
            return Ok(pending);
        }
        let Some(limit) = self.core.inbox.disk_limit() else {
            return Ok(Vec::new());
        };
        self.core.read_durable(Want { from, until: until.min(limit), bytes_max })
    }

    /// The last frame submitted, or the purge mark when that is further.
    #[must_use]
    pub fn last(&self) -> Option<(Term, LogIndex)> {
        self.core.inbox.end().last
    }

    /// The last frame that is durable.
    #[must_use]
    pub fn durable(&self) -> Option<LogIndex> {
        self.core.inbox.durable()
    }

    /// The purge mark submitted last.
    #[must_use]
    pub fn purged(&self) -> Option<(Term, LogIndex)> {
        self.core.inbox.purged()
    }

    /// All segments on disk, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentSummary> {
        let summaries = self.core.all_segments().into_iter().map(|segment| {
            let state = segment.state();
            SegmentSummary {
                first: segment.first,
                last: state.last.map(|(_, last)| last),
                bytes: ByteCount(state.length),
                sealed: state.is_sealed,
            }
        });
        summaries.collect()
    }

    /// The segment of a frame that is durable or queued. Rolls follow from frame sizes, so replicas agree.
    #[must_use]
    pub fn segment_of(&self, index: LogIndex) -> Option<LogIndex> {
        if let Some(placed) = self.core.inbox.pending(index) {
            return Some(placed.placement.segment);
        }
        if self.core.inbox.disk_limit() <= Some(index) {
            return None;
        }
        let segment = self.core.segment_at(index)?;
        segment.locate(index).map(|_| segment.first)
    }

    /// Deletes a sealed segment and says how many bytes came back. Only for segments with a committed frame
    /// behind them; a segment is sealed shortly after the completion of the append that rolled. Reads that are under way finish; later ones find nothing.
    pub fn delete_segment(&self, first: LogIndex) -> Result<ByteCount, Fault> {
        let _shape = self.core.shape.lock().expect("no holder panics");
        self.core.check_open()?;
        let mut segments = self.core.segments.write().expect("no holder panics");
        let Some(segment) = segments.get(&first).cloned() else {
            return Err(Fault::Misuse { what: "no segment starts at this index" });
        };
        let state = segment.state();
        if !state.is_sealed {
            return Err(Fault::Misuse { what: "only sealed segments are deleted" });
        }
        segments.remove(&first);
        drop(segments);
        segment.release_file();
        let removed = self.core.folder.remove(&segment_name(first));
        self.core.poison_on_failure(removed.and_then(|()| self.core.folder.sync()))?;
        Ok(ByteCount(state.length))
    }

    /// Writes a checkpoint of the state up to and with `index`; keeps the last two. Runs on this thread.
    pub fn write_checkpoint(
        &self,
        term: Term,
        index: LogIndex,
        sections: impl Iterator<Item = (SectionName, Bytes)>,
    ) -> Result<(), Fault> {
        self.core.write_checkpoint(term, index, sections)
    }

    /// Reads the newest checkpoint that is whole; its `damaged` names newer ones that are not.
    pub fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        self.core.newest_checkpoint()
    }

    /// Verifies all files, one with each step of the iterator.
    #[must_use]
    pub fn scrub(&self) -> Scrub {
        Scrub::new(Arc::clone(&self.core))
    }

    /// Verifies the segments and checkpoints, one with each step of the iterator.
    #[must_use]
    pub fn scrub_large_files(&self) -> Scrub {
        Scrub::large(Arc::clone(&self.core))
    }

    /// What the store takes on disk.
    pub fn usage(&self) -> Result<DiskUsage, Fault> {
        let segments = self.segments().iter().map(|segment| segment.bytes.0).sum::<u64>();
        let mut checkpoints = 0;
        for (index, term) in checkpoint::checkpoints(&self.core.folder)? {
            let name = checkpoint_name(term, index);
            let file = self.core.folder.open(&name, crate::disk::OpenMode::Read)?;
            checkpoints += file.length()?;
        }
        Ok(DiskUsage {
            segments: ByteCount(segments + self.core.spare.bytes()),
            checkpoints: ByteCount(checkpoints),
            free: self.free_bytes()?,
        })
    }

    /// Bytes that the file system still has. Keep enough for two segments and a checkpoint.
    pub fn free_bytes(&self) -> Result<ByteCount, Fault> {
        Ok(ByteCount(self.core.folder.free_bytes()?))
    }

    /// Drops the spare segment: call it when the shard is idle.
    pub fn trim(&self) -> Result<(), Fault> {
        self.core.check_open()?;
        self.core.poison_on_failure(self.core.spare.trim(&self.core.folder))
    }

    /// The failure that closed the store for writing.
    #[must_use]
    pub fn poisoned(&self) -> Option<Fault> {
        self.core.poisoned()
    }

    /// Where the file of the segment that starts at `first` belongs, whether it is there or not.
    #[must_use]
    pub fn segment_path(&self, first: LogIndex) -> PathBuf {
        self.core.folder.file(&segment_name(first)).to_path_buf()
    }

    /// Where the file of the vote is.
    #[must_use]
    pub fn vote_path(&self) -> PathBuf {
        self.core.folder.file(VOTE_NAME)
    }

    /// The folder of the store.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.core.folder.path.clone()
    }

    /// Does all that is queued, on this thread. Only with `Threads::Caller`.
    pub fn run_queued(&self) -> Result<(), Fault> {
        if self.core.settings.threads == Threads::Own {
            return Err(Fault::Misuse { what: "a store with its own threads runs its queue itself" });
        }
        self.hands.writer.lock().expect("no holder panics").run_queued();
        Ok(())
    }

    /// Finishes what is queued and writes the clean-end mark. Other handles get `Closed` from here on.
    pub fn close(self) -> Result<(), Fault> {
        self.hands.stop();
        let mut writer = self.hands.writer.lock().expect("no holder panics");
        let finished = writer.finish();
        let trimmed = finished.and_then(|()| self.core.poison_on_failure(self.core.spare.trim(&self.core.folder)));
        // Whoever writes a checkpoint or deletes a segment on its own thread finishes first.
        drop(self.core.checkpoints.lock().expect("no holder panics"));
        drop(self.core.shape.lock().expect("no holder panics"));
        self.core.unlock();
        trimmed
    }
}

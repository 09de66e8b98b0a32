//! The disk of a life: the simulated disk of `storage`, with a power cut after a number of calls.
//! Invariant: after the cut nothing changes any more; what survives is decided by the image at that moment.
//! Given to `Shard::open` by `life`. Tests: those of the simulated disk, and every seed.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shard::Process;
use storage::disk::simulated::MemoryDisk;
use storage::disk::{Disk, DiskFile, Lock, OpenMode};

/// What the calls of one life share.
#[derive(Default)]
struct Fuse {
    /// Calls until the cut; 0 is none planned.
    left: AtomicU64,
    is_blown: AtomicBool,
    /// A checkpoint is written and has not got its name yet.
    is_in_checkpoint: AtomicBool,
    calls: AtomicU64,
    reads: AtomicU64,
    /// What was answered to each question for room: one for a batch of operations.
    room: Mutex<Vec<u64>>,
    burst: tokio::sync::Notify,
    /// What runs on the machine, where the machine is not all that there is: it ends with the power.
    process: Option<Process>,
}

/// A disk whose power can fail. Clones are the same disk.
#[derive(Clone)]
pub struct CutDisk {
    under: MemoryDisk,
    fuse: Arc<Fuse>,
}

struct CutFile {
    under: Arc<dyn DiskFile>,
    disk: CutDisk,
}

impl CutDisk {
    /// A disk for the next life.
    #[must_use]
    pub fn new(under: MemoryDisk) -> Self {
        Self { under, fuse: Arc::default() }
    }

    /// A disk for the next life of one machine of several.
    #[must_use]
    pub fn of_process(under: MemoryDisk, process: Process) -> Self {
        Self { under, fuse: Arc::new(Fuse { process: Some(process), ..Fuse::default() }) }
    }

    /// The simulated disk below.
    #[must_use]
    pub const fn under(&self) -> &MemoryDisk {
        &self.under
    }

    /// Cuts the power before the `nth` call that changes something, from now; 1 is the next one.
    pub fn cut_before(&self, nth: u64) {
        self.fuse.left.store(nth, Ordering::SeqCst);
    }

    /// Cuts the power now.
    pub fn cut(&self) {
        self.under.halt();
        self.fuse.is_blown.store(true, Ordering::SeqCst);
        self.fuse.burst.notify_one();
        if let Some(process) = &self.fuse.process {
            process.kill();
        }
    }

    /// Whether the power failed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.fuse.is_blown.load(Ordering::SeqCst)
    }

    /// Waits until the power fails.
    pub async fn power_failed(&self) {
        while !self.is_cut() {
            self.fuse.burst.notified().await;
        }
    }

    /// Whether a checkpoint is being written.
    #[must_use]
    pub fn is_writing_checkpoint(&self) -> bool {
        self.fuse.is_in_checkpoint.load(Ordering::SeqCst)
    }

    /// Calls that read.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.fuse.reads.load(Ordering::SeqCst)
    }

    /// Calls that changed something.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.fuse.calls.load(Ordering::SeqCst)
    }

    /// Questions for room that were answered.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.room().len()
    }

    /// The most free bytes that were answered since a count of questions; none when nobody asked.
    #[must_use]
    pub fn most_room(&self, since: usize) -> Option<u64> {
        self.room()[since..].iter().max().copied()
    }

    fn room(&self) -> MutexGuard<'_, Vec<u64>> {
        self.fuse.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) {
        if self.is_cut() {
            return;
        }
        self.fuse.calls.fetch_add(1, Ordering::SeqCst);
        match self.fuse.left.load(Ordering::SeqCst) {
            0 => {}
            1 => self.cut(),
            left => self.fuse.left.store(left - 1, Ordering::SeqCst),
        }
    }
}

impl Disk for CutDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.under.create_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.under.list(folder)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if mode == OpenMode::CreateNew {
            if file.to_string_lossy().contains("checkpoint") {
                self.fuse.is_in_checkpoint.store(true, Ordering::SeqCst);
            }
            self.change();
        }
        let under = self.under.open(file, mode)?;
        Ok(Arc::new(CutFile { under, disk: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change();
        if !self.is_cut() {
            self.fuse.is_in_checkpoint.store(false, Ordering::SeqCst);
        }
        self.under.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.change();
        self.under.remove(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.change();
        self.under.sync_folder(folder)
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Lock>> {
        self.under.lock(file)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let free = self.under.free_bytes(folder);
        // A disk that does not say is taken for one that has room.
        self.room().push(*free.as_ref().unwrap_or(&u64::MAX));
        free
    }
}

impl DiskFile for CutFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.fuse.reads.fetch_add(1, Ordering::SeqCst);
        self.under.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.change();
        self.under.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change();
        self.under.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.under.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.change();
        self.under.set_length(length)
    }
}

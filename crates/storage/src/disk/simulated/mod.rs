//! A disk in memory that fails the way disks fail: power cuts, torn writes, lost names, failed syncs,
//! errors at the n-th call, no room, flipped bits.
//! Invariant: every failure is chosen by the test or by an explicit seed, so each run can be repeated.
//! Called by the tests of this crate and by the simulator. Tests: `tests/simulated_disk.rs`.

mod image;
mod power_cut;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use image::Image;
pub use image::{Event, FileNumber};
pub use power_cut::{PowerCut, SECTOR_BYTES};
pub use random::Random;

use super::{Disk, DiskFile, Lock, OpenMode};
use crate::fault::Operation;
use crate::little_endian::{buffer_size, file_size};

/// Room of a disk that was given no limit.
const UNLIMITED_BYTES: u64 = 1 << 40;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    image: Image,
    journal: Vec<Event>,
    locks: BTreeSet<PathBuf>,
    calls: BTreeMap<&'static str, u64>,
    failures: Vec<PlannedFailure>,
    failed: BTreeMap<&'static str, u64>,
    capacity: Option<u64>,
    is_halted: bool,
    holds_syncs: bool,
    waiting_syncs: u64,
}

struct PlannedFailure {
    operation: Operation,
    at_call: u64,
    kind: io::ErrorKind,
}

struct MemoryFile {
    disk: MemoryDisk,
    number: FileNumber,
    is_writable: bool,
}

struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        MemoryDisk::new()
    }
}

impl MemoryDisk {
    /// An empty disk without a limit.
    #[must_use]
    pub fn new() -> MemoryDisk {
        MemoryDisk::holding(Image::default())
    }

    /// The disk that these steps lead to.
    #[must_use]
    pub fn replayed(events: &[Event]) -> MemoryDisk {
        let mut image = Image::default();
        for event in events {
            image.perform(event);
        }
        MemoryDisk::holding(image)
    }

    /// Performs one recorded step, as a program would have done.
    pub fn redo(&self, event: &Event) {
        self.state().perform(event.clone());
    }

    /// The disk as it comes up after the power failed now. The original is left as it is.
    #[must_use]
    pub fn after_power_cut(&self, cut: PowerCut) -> MemoryDisk {
        MemoryDisk::holding(cut.apply(&self.state().image))
    }

    /// The disk as another process finds it when this one was killed now: everything written is seen.
    #[must_use]
    pub fn after_kill(&self) -> MemoryDisk {
        MemoryDisk::holding(self.state().image.clone())
    }

    /// Makes every later call on this disk fail, as if the machine were gone.
    pub fn halt(&self) {
        self.state().is_halted = true;
        self.shared.changed.notify_all();
    }

    /// Every step since the disk was made.
    #[must_use]
    pub fn journal(&self) -> Vec<Event> {
        self.state().journal.clone()
    }

    /// Puts a remark into the journal.
    pub fn note(&self, remark: impl Into<String>) {
        self.state().journal.push(Event::Note(remark.into()));
    }

    /// Calls of an operation so far.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state().count(operation)
    }

    /// Calls of an operation that failed because it was planned.
    #[must_use]
    pub fn failed(&self, operation: Operation) -> u64 {
        self.state().failed.get(name_of(operation)).copied().unwrap_or(0)
    }

    /// Makes the `nth` call of an operation from now fail; 1 is the next one.
    pub fn fail(&self, operation: Operation, nth: u64, kind: io::ErrorKind) {
        let mut state = self.state();
        let at_call = state.count(operation) + nth;
        state.failures.push(PlannedFailure { operation, at_call, kind });
    }

    /// Limits the bytes that all files together may hold; `None` takes the limit away.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state().capacity = capacity;
    }

    /// Flips one bit of a file, for readers and for good. False when the file is shorter.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u32) -> bool {
        let mut state = self.state();
        let Some(number) = state.image.names.get(path).copied() else {
            return false;
        };
        let at = buffer_size(offset);
        let content = &mut state.image.files[number];
        let mut was_flipped = false;
        for side in [&mut content.seen, &mut content.durable] {
            if let Some(byte) = side.get_mut(at) {
                *byte ^= 1_u8.rotate_left(bit);
                was_flipped = true;
            }
        }
        was_flipped
    }

    /// Content of a file as a reader sees it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let number = state.image.names.get(path)?;
        Some(state.image.files[*number].seen.clone())
    }

    /// Paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().image.names.keys().cloned().collect()
    }

    /// Makes syncs of files wait until `release_syncs`.
    pub fn hold_syncs(&self) {
        self.state().holds_syncs = true;
    }

    /// Lets the waiting syncs go on.
    pub fn release_syncs(&self) {
        self.state().holds_syncs = false;
        self.shared.changed.notify_all();
    }

    /// Blocks until a sync waits to be released.
    pub fn await_held_sync(&self) {
        let mut state = self.state();
        while state.waiting_syncs == 0 {
            state = self.shared.changed.wait(state).expect("no holder of the disk panics");
        }
    }

    fn holding(image: Image) -> MemoryDisk {
        MemoryDisk {
            shared: Arc::new(Shared {
                state: Mutex::new(State { image, ..State::default() }),
                changed: Condvar::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no holder of the disk panics")
    }
}

impl State {
    fn count(&self, operation: Operation) -> u64 {
        self.calls.get(name_of(operation)).copied().unwrap_or(0)
    }

    /// Counts a call and gives the error that was planned for it.
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        if self.is_halted {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        let call = self.count(operation) + 1;
        self.calls.insert(name_of(operation), call);
        let planned = self.failures.iter().find(|failure| failure.operation == operation && failure.at_call == call);
        match planned {
            Some(failure) => {
                *self.failed.entry(name_of(operation)).or_default() += 1;
                Err(io::Error::from(failure.kind))
            }
            None => Ok(()),
        }
    }

    fn perform(&mut self, event: Event) {
        self.image.perform(&event);
        self.journal.push(event);
    }

    fn number(&self, path: &Path) -> io::Result<FileNumber> {
        let number = self.image.names.get(path).copied();
        number.map(FileNumber).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Refuses a file that would grow past the capacity.
    fn check_room(&self, file: FileNumber, length: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else {
            return Ok(());
        };
        let now = file_size(self.image.files[file.0].seen.len());
        let growth = length.saturating_sub(now);
        if growth > 0 && self.image.used() + growth > capacity {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

fn name_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Open => "open",
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Sync => "sync",
        Operation::SyncFolder => "sync folder",
        Operation::Length => "length",
        Operation::Rename => "rename",
        Operation::Remove => "remove",
        Operation::Folder => "folder",
        Operation::FreeSpace => "free space",
    }
}

impl Disk for MemoryDisk {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.state().begin(Operation::Folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Operation::Folder)?;
        let inside = state.image.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.begin(Operation::Open)?;
        let (number, is_writable) = match mode {
            OpenMode::Read => (state.number(path)?, false),
            OpenMode::ReadWrite => (state.number(path)?, true),
            OpenMode::CreateNew => {
                if state.image.names.contains_key(path) {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists));
                }
                let file = FileNumber(state.image.files.len());
                state.perform(Event::Create { path: path.to_path_buf(), file });
                (file, true)
            }
        };
        Ok(Arc::new(MemoryFile { disk: self.clone(), number, is_writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Rename)?;
        state.number(from)?;
        state.perform(Event::Rename { from: from.to_path_buf(), to: to.to_path_buf() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Remove)?;
        state.number(path)?;
        state.perform(Event::Remove { path: path.to_path_buf() });
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::SyncFolder)?;
        state.perform(Event::SyncFolder { folder: folder.to_path_buf() });
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        if !self.state().locks.insert(path.to_path_buf()) {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        Ok(Box::new(MemoryLock { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(Operation::FreeSpace)?;
        let capacity = state.capacity.unwrap_or(UNLIMITED_BYTES);
        Ok(capacity.saturating_sub(state.image.used()))
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin(Operation::Read)?;
        let seen = &state.image.files[self.number.0].seen;
        let start = buffer_size(offset).min(seen.len());
        let filled = buffer.len().min(seen.len() - start);
        buffer[..filled].copy_from_slice(&seen[start..start + filled]);
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Operation::Write)?;
        assert!(self.is_writable, "files opened for reading are not written");
        state.check_room(self.number, offset + file_size(bytes.len()))?;
        state.perform(Event::Write { file: self.number, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.waiting_syncs += 1;
        self.disk.shared.changed.notify_all();
        while state.holds_syncs && !state.is_halted {
            state = self.disk.shared.changed.wait(state).expect("no holder of the disk panics");
        }
        state.waiting_syncs -= 1;
        let outcome = state.begin(Operation::Sync);
        state.perform(match outcome {
            Ok(()) => Event::Sync { file: self.number },
            Err(_) => Event::SyncFailed { file: self.number },
        });
        outcome
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.begin(Operation::Length)?;
        Ok(file_size(state.image.files[self.number.0].seen.len()))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Operation::Length)?;
        assert!(self.is_writable, "files opened for reading are not cut");
        state.check_room(self.number, length)?;
        state.perform(Event::SetLength { file: self.number, length });
        Ok(())
    }
}

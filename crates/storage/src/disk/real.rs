//! The disk of this machine: positioned reads and writes, fdatasync, sync of folders, flock.
//! Invariant: a call that returns success did all of it; interrupted and short calls are continued.
//! Called through the `Disk` trait. Tests: `tests/conformance.rs`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock, statvfs};
use rustix::io::{Errno, pread};

use super::{Disk, DiskFile, Lock, OpenMode, write_zeros};
use crate::little_endian::file_size;

/// Files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

struct HeldLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl Lock for HeldLock {}

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = match folder.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return fs::create_dir(folder),
        };
        self.create_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.sync_folder(parent)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match mode {
            OpenMode::Read => options.read(true),
            OpenMode::ReadWrite => options.read(true).write(true),
            OpenMode::CreateNew => options.read(true).write(true).create_new(true),
        };
        Ok(Arc::new(RealFile(options.open(file)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Lock>> {
        let held = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
        flock(&held, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(HeldLock { _file: held }))
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let space = statvfs(folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + file_size(filled)) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Without writing zeros first where the file's bytes will lie.
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::with_capacity(bytes);
        while buffer.len() < bytes {
            let at = offset + file_size(buffer.len());
            match pread(&self.0, spare_capacity(&mut buffer), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The allocator may have given more room than was asked for.
        buffer.truncate(bytes);
        Ok(buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// Goes past the page cache where the file system lets it: through it, the zeros of a segment cost as much memory
    /// traffic as the messages that come to lie there.
    fn fill(&self, length: u64) -> io::Result<()> {
        let flags = fcntl_getfl(&self.0)?;
        if fcntl_setfl(&self.0, flags | OFlags::DIRECT).is_err() {
            return write_zeros(self, length);
        }
        let outcome = write_zeros(self, length);
        fcntl_setfl(&self.0, flags)?;
        match outcome {
            // The length, or a piece, is no multiple of this disk's blocks.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => write_zeros(self, length),
            outcome => outcome,
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

//! The one way from the store to a disk, so that a simulated disk can stand in for the real one.
//! Invariant: nothing else in the crate touches a file system.
//! Called by every room that reads or writes. Tests: `tests/conformance.rs` runs both disks.

mod real;
pub mod simulated;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

use crate::limits::CHUNK_BYTES;
use crate::little_endian::{buffer_size, file_size};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; it is only read.
    Read,
    /// It must exist; it is read and written.
    ReadWrite,
    /// It must not exist; it is read and written.
    CreateNew,
}

/// A file system of one machine.
pub trait Disk: Send + Sync + 'static {
    /// Creates the folder and its parents when missing, and makes their names durable.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Names of the files in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Opens a file. The name of a new one is durable only after `sync_folder`.
    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in one step. Durable only after `sync_folder`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away; open handles keep working. Durable only after `sync_folder`.
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes an exclusive lock that lasts as long as the returned value. `WouldBlock` when it is held.
    fn lock(&self, file: &Path) -> io::Result<Box<dyn Lock>>;
    /// Bytes that may still be written on the file system of the folder.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// An open file. Positions are explicit, so one handle serves many threads.
pub trait DiskFile: Send + Sync {
    /// Reads up to the length of the buffer; fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Reads up to so many bytes into a buffer of its own; fewer only at the end of the file.
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        let filled = self.read_at(offset, &mut buffer)?;
        buffer.truncate(filled);
        Ok(buffer)
    }
    /// Writes the whole buffer.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Writes zeros from the start of an empty file up to this length.
    fn fill(&self, length: u64) -> io::Result<()> {
        write_zeros(self, length)
    }
    /// Makes the content and the length durable.
    fn sync(&self) -> io::Result<()>;
    /// Length of the file.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file, or extends it with a hole that reads as zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
}

/// A held lock. Dropping it gives the lock back.
pub trait Lock: Send + Sync {}

/// Zeros to write, aligned as direct writes want them.
#[repr(align(4096))]
struct Zeros([u8; CHUNK_BYTES]);

static ZEROS: Zeros = Zeros([0; CHUNK_BYTES]);

/// Writes zeros from the start of a file up to this length.
fn write_zeros(file: &(impl DiskFile + ?Sized), length: u64) -> io::Result<()> {
    let mut at = 0;
    while at < length {
        let piece = buffer_size(length - at).min(CHUNK_BYTES);
        file.write_at(at, &ZEROS.0[..piece])?;
        at += file_size(piece);
    }
    Ok(())
}

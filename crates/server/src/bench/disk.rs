//! The raw limit of the disk: writes of one size into a file that was written before, each followed by a flush.
//! Invariant: nothing but writing and flushing is timed.
//! Called by `bench` and, for its group commit, by `bench::null`; tests below.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::measure::{Latencies, Sample};
use crate::exit::Complaint;

/// Bytes of the file that is written before.
pub(super) const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Largest write that is measured.
const WRITE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes written at a time while the file is prepared.
const BLOCK_BYTES: usize = 1024 * 1024;

/// A file whose blocks are all on disk, so that a flush writes data and nothing else.
pub(super) struct Prepared {
    file: File,
    at: u64,
}

impl Prepared {
    /// Writes a whole file of zeros.
    pub(super) fn new(path: &Path, bytes: u64) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let block = vec![0; BLOCK_BYTES];
        let mut written = 0;
        while written < bytes {
            file.write_all(&block)?;
            written += u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
        }
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Writes some bytes after those before, round and round, and flushes.
    pub(super) fn commit(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.at.saturating_add(length) > FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at)?;
        self.at = self.at.saturating_add(length);
        self.file.sync_data()
    }
}

/// Writes of so many messages of a size at a time, for so long.
pub(super) fn measure(
    folder: &Path,
    message_bytes: usize,
    together: usize,
    lasts: Duration,
) -> Result<Sample, Complaint> {
    let path = folder.join("disk");
    let failed = |error: std::io::Error| Complaint::file(&path, "measure", &error);
    let mut prepared = Prepared::new(&path, FILE_BYTES).map_err(failed)?;
    let together = together.clamp(1, WRITE_BYTES_MAX / message_bytes.clamp(1, WRITE_BYTES_MAX));
    let bytes = vec![7; message_bytes.saturating_mul(together).min(WRITE_BYTES_MAX)];
    let mut latencies = Latencies::new();
    let mut writes = 0_u64;
    let begun = Instant::now();
    while begun.elapsed() < lasts {
        let start = Instant::now();
        prepared.commit(&bytes).map_err(failed)?;
        latencies.record(start.elapsed());
        writes += 1;
    }
    let took = begun.elapsed();
    std::fs::remove_file(&path).map_err(failed)?;
    let messages = writes.saturating_mul(u64::try_from(together).unwrap_or(u64::MAX));
    Ok(Sample { messages, took, latency: Some(latencies.percentiles()), cpu: Duration::ZERO, missing: 0, doubled: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_go_round_in_the_prepared_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut prepared = Prepared::new(&folder.path().join("file"), 1).unwrap();
        prepared.commit(b"abc").unwrap();
        prepared.at = FILE_BYTES - 1;
        prepared.commit(b"de").unwrap();
        let mut start = [0; 3];
        prepared.file.read_exact_at(&mut start, 0).unwrap();
        assert_eq!(&start, b"dec");
    }
}

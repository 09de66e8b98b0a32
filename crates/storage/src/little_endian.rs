//! Fixed-width little-endian fields and the width changes between buffers and files.
//! Invariant: no silent narrowing; a field is read only from a buffer that was checked to hold it.
//! Called by every format of the crate.

/// Widens a buffer length to a file position.
pub(crate) fn file_size(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a buffer length fits 64 bits")
}

/// Narrows a file length to a buffer length.
pub(crate) fn buffer_size(bytes: u64) -> usize {
    usize::try_from(bytes).expect("lengths are bounded by the limits, and this runs on 64-bit machines")
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes[at..at + 4].try_into().expect("the slice has four bytes");
    u32::from_le_bytes(field)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes[at..at + 8].try_into().expect("the slice has eight bytes");
    u64::from_le_bytes(field)
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Rounds up to the eight-byte grid that frames start on.
pub(crate) fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(8)
}

/// Position of the first byte that is not zero. Long runs of zeros are compared block by block.
pub(crate) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    const ZEROS: [u8; 512] = [0; 512];
    let skipped = bytes.chunks(ZEROS.len()).take_while(|block| **block == ZEROS[..block.len()]).count();
    let start = (skipped * ZEROS.len()).min(bytes.len());
    bytes[start..].iter().position(|byte| *byte != 0).map(|at| start + at)
}

//! The hash of a trace: everything that a run did, in its order, in one number.
//! Invariant: the same steps give the same number on every machine and in every build.
//! Fed by the observer and the clients. Tests: the determinism test.

/// Adds bytes to a hash.
#[must_use]
pub fn fold(hash: u64, bytes: &[u8]) -> u64 {
    let mut hash = hash ^ 0xCBF2_9CE4_8422_2325;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash ^ (hash >> 31)
}

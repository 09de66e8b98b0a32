//! Counts what a parser allocates and compares it with what it was given.
//! Invariant: a claim inside of the bytes, such as a length, buys no memory; only bytes do.

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most that was allocated so far.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Runs a parser. All that it allocates together, freed or not, must stay below `base + factor * bytes`. Whenever that
/// is more than ever before, a line says so; the last one of a run is its peak.
pub(crate) fn within<T>(bytes: usize, base: usize, factor: usize, parse: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let answer = parse();
    let allocated = region.change().bytes_allocated;
    let most = base + factor * bytes;
    assert!(allocated <= most, "{bytes} bytes made the parser allocate {allocated}, more than {most}");
    if MOST.fetch_max(allocated, Ordering::Relaxed) < allocated {
        eprintln!("most allocated: {allocated} bytes for an input of {bytes}, of {most} allowed");
    }
    answer
}

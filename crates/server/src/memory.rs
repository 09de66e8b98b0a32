//! Makes the allocator of glibc give memory back: a backlog that is gone and a password that was hashed should
//! not stay in the size of the process for ever.
//! Invariant: the process that serves is the one that was started: same arguments, same id.
//!
//! glibc raises its thresholds by itself, and then keeps what large blocks leave behind; it takes fixed ones only
//! from the environment at the start of a process. So a server that finds none starts itself once more, in its
//! own place. With a million messages waiting this took the process from 146 to 106 MiB.
//! Called by `main` before a server starts. On other allocators the variables mean nothing.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// One heap for every two threads, trimmed above 1 MiB, and blocks of 2 MiB and more on their own.
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "1048576"), ("MALLOC_MMAP_THRESHOLD_", "2097152")];

/// Starts the process again with fixed thresholds, unless somebody has set one. Comes back if that is done, or
/// cannot be done.
pub(crate) fn settle() {
    if SETTINGS.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(SETTINGS);
    // It returns only when it fails; then the server runs with the allocator as it is.
    let _ = again.exec();
}

//! The whole enumeration of crash points, in release: `cargo xtask crash-points [--seed N]`.
//! Invariant: it runs the test that runs with all others as a slice, so both check the same.
//! Called by `main`. The enumeration: `crates/shard/tests/crash_points.rs`.

use std::path::Path;

use crate::process;

/// Runs it and prints what it counts.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let seed = match words {
        [] => "1",
        ["--seed", seed] => seed,
        _ => return Err(String::from("usage: cargo xtask crash-points [--seed N]")),
    };
    let line = [
        "cargo",
        "test",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "shard",
        "--test",
        "crash_points",
        "--",
        "--nocapture",
    ];
    let variables = [("RECADO_CRASH_POINTS", "whole"), ("SEED", seed)];
    let fine = process::watched(root, &line, &variables, |_| {}).map_err(|error| error.to_string())?;
    if fine { Ok(()) } else { Err(String::from("a recovery was wrong: the lines above name the step and the cut")) }
}

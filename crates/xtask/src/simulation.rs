//! The deterministic simulation: builds `crates/sim` in release and starts it.
//! Invariant: the options of the caller go to the program unchanged; its verdict is the verdict of the chore.
//! Called by `main`: `cargo xtask sim`. What it does stands in `docs/simulator.md`.

use std::path::Path;

use crate::process;

/// Builds and starts the simulator.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), String> {
    let mut line = vec!["cargo", "run", "--quiet", "--release", "--package", "sim"];
    if options.iter().any(|option| option.starts_with("--mutant")) {
        line.extend(["--features", "mutants"]);
    }
    line.push("--");
    line.extend(options);
    match process::watched(root, &line, &[], |_| {}) {
        Ok(true) => Ok(()),
        Ok(false) => Err("the simulation failed; each failing seed is named above".to_owned()),
        Err(error) => Err(format!("cannot start the simulation: {error}")),
    }
}

//! Other programs: run one and take its output, or run one in sight of the reader.
//! Invariant: a cargo started here sees the environment of the caller's shell, not that of `cargo run`;
//! otherwise build scripts that watch those variables run again on each change between the two.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, io};

/// Variables that `cargo run` sets for this process alone.
const OF_CARGO_RUN: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];

fn command(folder: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let known = name.to_str().is_some_and(|name| OF_CARGO_RUN.iter().any(|start| name.starts_with(start)));
        if known {
            command.env_remove(name);
        }
    }
    command
}

/// What the program prints; an error holds what it said against it.
pub(crate) fn output(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        command(folder, program, arguments).output().map_err(|error| format!("cannot start {program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {} failed: {}", arguments.join(" "), said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed what is not UTF-8"))
}

/// Runs the program and passes on each line it prints, also to `watch`. Answers whether it succeeded.
pub(crate) fn watched(
    folder: &Path,
    line: &[&str],
    variables: &[(&str, &str)],
    mut watch: impl FnMut(&str),
) -> io::Result<bool> {
    let (program, arguments) = line.split_first().expect("a command line starts with its program");
    let mut command = command(folder, program, arguments);
    command.envs(variables.iter().copied()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let pipe = child.stdout.take().expect("standard output was asked to be a pipe");
    for text in BufReader::new(pipe).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        writeln!(io::stdout(), "{text}")?;
        watch(&text);
    }
    Ok(child.wait()?.success())
}

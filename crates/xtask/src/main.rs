//! Chores of the project: `cargo xtask CHORE`.
//! Invariant: only `docs` and `fix` write to the source; every other chore reads.
//! Tests: beside each check, and `tests/planted.rs` for the program as a whole.

mod crash_points;
mod faults;
mod graph;
mod licences;
mod process;
mod simulation;
mod tidy;
mod tree;
mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use tidy::Weight;
use tree::Tree;

const USAGE: &str = "usage: cargo xtask CHORE [--root FOLDER]

  tidy      check the walls: edges between crates, heads, lengths, clippy files, pages
  licences  check licences and sources of all dependencies
  docs      write what the code writes: docs/errors.md, the table of docs/access.md
  verify    format, tidy, licences, clippy, tests, docs; never writes
  fix       format the code
  crash-points [--seed N]
            cut the power at every write and sync of a node and bring it up again, in release
  sim [--seeds N] [--first S] [--jobs J]
            run seeds of the deterministic simulation in release; says more with --help
  mutants   list the deliberate faults that the campaigns must notice
  faults    kill, fill, starve and damage the real program; says more without further words";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            let _closed = writeln!(io::stderr(), "xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (chore, root) = match words.as_slice() {
        ["crash-points", rest @ ..] => return crash_points::run(&root()?, rest),
        ["faults", rest @ ..] => return faults::run(&root()?, rest),
        ["sim", rest @ ..] => return simulation::run(&root()?, rest),
        [chore] => (*chore, root()?),
        [chore, "--root", root] => (*chore, PathBuf::from(root)),
        _ => return Err(String::from(USAGE)),
    };
    match chore {
        "tidy" => tidy(&root),
        "licences" => licences(&root),
        "docs" => docs(&root),
        "verify" => verify::run(&root),
        "mutants" => mutants(),
        "fix" => process::output(&root, "cargo", &["fmt", "--all"]).map(drop),
        _ => Err(String::from(USAGE)),
    }
}

/// The folder of the workspace that the shell stands in.
fn root() -> Result<PathBuf, String> {
    let here = env::current_dir().map_err(|error| format!("the current folder is unknown: {error}"))?;
    let manifest = process::output(&here, "cargo", &["locate-project", "--workspace", "--message-format", "plain"])?;
    let folder = Path::new(manifest.trim()).parent().ok_or("the manifest has no folder")?;
    Ok(folder.to_path_buf())
}

fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot print: {error}"))
}

fn tidy(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let (mut errors, mut warnings) = (0, 0);
    for (name, check) in tidy::CHECKS {
        for finding in check(&tree) {
            match finding.weight {
                Weight::Error => errors += 1,
                Weight::Warning => warnings += 1,
            }
            say(&format!("{finding} [{name}]"))?;
        }
    }
    say(&format!("tidy: {} checks, {errors} errors, {warnings} warnings", tidy::CHECKS.len()))?;
    if errors == 0 { Ok(()) } else { Err(format!("tidy found {errors} errors")) }
}

fn licences(root: &Path) -> Result<(), String> {
    let graph = graph::Graph::read(root)?;
    let wrong = licences::check(&graph);
    for what in &wrong {
        say(&format!("error: {what}"))?;
    }
    say(&format!("licences: {} packages, {} errors; advisories are not looked up", graph.packages.len(), wrong.len()))?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} packages have a wrong licence or source", wrong.len())) }
}

fn mutants() -> Result<(), String> {
    mutant::ALL.iter().try_for_each(|mutant| say(&format!("{:28}  {}", mutant.name(), mutant.description())))
}

fn docs(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let pages = [
        (tidy::docs::ERRORS, tidy::docs::errors_page(&tree)?),
        (tidy::rights::ACCESS, tidy::rights::access_page(&tree)?),
    ];
    for (place, page) in pages {
        fs::write(root.join(place), page).map_err(|error| format!("cannot write {place}: {error}"))?;
        say(&format!("wrote {place}"))?;
    }
    Ok(())
}

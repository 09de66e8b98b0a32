//! Runs `tests/scripts/*.txt`: commands as text, and below each what the machine answered.
//!
//! `> 10ms ann publish orders a b key=x` is one batch at 10 ms with one command of user ann; lines without a
//! user are the system's. `take` asks the machine as the leader's runtime does and leases what it gets.
//! After every command the ledger is compared with all references, and the state with its own restored copy.
//! Set `UPDATE=1` to write the answers into the files; read the difference before you commit it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test reads its script from a file")]

mod script;

use std::fmt::Write;
use std::path::Path;

use script::World;

#[test]
fn every_script_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 10, "the scripts are where they should be");
    let mut wrong = String::new();
    for name in names {
        let written = std::fs::read_to_string(&name).unwrap();
        let played = play(&written);
        if played == written {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&name, &played).unwrap();
        }
        writeln!(wrong, "{}:\n{}", name.display(), first_difference(&written, &played)).unwrap();
    }
    assert!(wrong.is_empty(), "scripts differ\n{wrong}");
}

/// Plays a script and writes it anew, with the answers that were given.
fn play(script: &str) -> String {
    let mut world = World::new();
    let mut played = String::new();
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(played, "{line}").unwrap();
            for answer in world.perform(command) {
                writeln!(played, "  {answer}").unwrap();
            }
        } else if !line.starts_with("  ") {
            writeln!(played, "{line}").unwrap();
        }
    }
    played
}

fn first_difference(written: &str, played: &str) -> String {
    let mut lines = written.lines().zip(played.lines()).enumerate();
    match lines.find(|(_, (written, played))| written != played) {
        Some((at, (written, played))) => format!("line {}\n  written: {written}\n  played:  {played}", at + 1),
        None => "one is longer than the other".to_owned(),
    }
}

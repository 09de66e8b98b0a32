//! The help of every command stays as it is shown in `fixtures/help/`, and completions know every command.
//! After a wanted change, write the new text of the failing command into its file.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;

use std::path::Path;

use support::{run, stdout};

const COMMANDS: [&str; 30] = [
    "",
    "serve",
    "gateway",
    "cluster",
    "cluster join-token",
    "demo",
    "bench",
    "queue",
    "queue create",
    "queue publish",
    "queue receive",
    "queue redrive",
    "topic",
    "topic create",
    "topic read",
    "topic tail",
    "subscription",
    "subscription create",
    "exchange",
    "exchange create",
    "exchange publish",
    "binding add",
    "user create",
    "token create",
    "grant add",
    "login",
    "context add",
    "config",
    "doctor",
    "health",
];

#[test]
fn help_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("fixtures").join("help");
    let mut differing = Vec::new();
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let shown = run(home.path(), &words);
        assert!(shown.status.success(), "{command}");
        let name = if command.is_empty() { "recado".to_owned() } else { command.replace(' ', "-") };
        let known = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap_or_default();
        if stdout(&shown) != known {
            differing.push(format!("--- {name}.txt\n{}", stdout(&shown)));
        }
    }
    assert!(differing.is_empty(), "the help of these commands differs:\n{}", differing.join("\n"));
}

#[test]
fn completions_know_the_commands() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&run(home.path(), &["completion", shell]));
        for word in ["subscription", "redrive", "explain", "password-file"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(run(home.path(), &["completion", "tcsh"]).status.code(), Some(2));
}

//! The program as a whole, on small workspaces with a planted violation: it must fail and name it.
//! Nothing is fetched: the foreign crates of these workspaces are folders beside the others.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A workspace of crates, each with what it uses.
fn workspace(crates: &[(&str, &[&str])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    write(
        folder.path(),
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"foreign\"]\n",
    );
    for (name, uses) in crates {
        let home = if foreign(name) { "foreign" } else { "crates" };
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n[dependencies]\n"
        );
        for used in *uses {
            let there = if foreign(used) { "foreign" } else { "crates" };
            manifest.push_str(&format!("{used} = {{ path = \"../../{there}/{used}\" }}\n"));
        }
        write(folder.path(), &format!("{home}/{name}/Cargo.toml"), &manifest);
        write(folder.path(), &format!("{home}/{name}/src/lib.rs"), "//! A crate.\n");
    }
    folder
}

fn foreign(name: &str) -> bool {
    ["tokio", "innocent"].contains(&name)
}

fn write(folder: &Path, place: &str, text: &str) {
    let path = folder.join(place);
    fs::create_dir_all(path.parent().expect("a place below the folder")).expect("a writable folder");
    fs::write(path, text).expect("a writable file");
}

fn xtask(chore: &str, folder: &TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([chore, "--root"])
        .arg(folder.path())
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("the program of this package starts")
}

/// The chore fails and prints these words.
fn fails_with(chore: &str, folder: &TempDir, words: &str) {
    let output = xtask(chore, folder);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{printed}");
    assert!(printed.contains(words), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_door_that_uses_the_node_is_caught() {
    let folder = workspace(&[("model", &[]), ("node", &["model"]), ("web", &["model", "node"])]);
    fails_with("tidy", &folder, "the normal edge web -> node is not allowed; web may use model");
}

#[test]
fn a_pure_crate_that_reaches_tokio_is_caught() {
    let folder = workspace(&[("tokio", &[]), ("innocent", &["tokio"]), ("model", &["innocent"])]);
    fails_with("tidy", &folder, "model reaches tokio (model -> innocent -> tokio)");
}

#[test]
fn a_file_without_a_head_is_caught() {
    let folder = workspace(&[("model", &[])]);
    write(folder.path(), "crates/model/src/code.rs", "fn code() {}\n");
    fails_with("tidy", &folder, "crates/model/src/code.rs: the file has no head");
}

#[test]
fn build_output_is_not_looked_at() {
    let folder = workspace(&[("model", &[])]);
    write(folder.path(), "target/debug/out.rs", "fn generated() {}\n");
    let output = xtask("tidy", &folder);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("target/debug"));
}

#[test]
fn a_folder_from_outside_is_caught_by_licences() {
    fails_with(
        "licences",
        &workspace(&[("tokio", &[]), ("shard", &["tokio"])]),
        "tokio 0.1.0: it is a folder outside the workspace",
    );
    assert!(xtask("licences", &workspace(&[("model", &[])])).status.success());
}

#[test]
fn an_unknown_chore_prints_the_usage() {
    let output = xtask("tidier", &workspace(&[("model", &[])]));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: cargo xtask CHORE"));
}

//! The clippy files. One inside a crate *replaces* the one at the root, so a threshold that it does not
//! repeat falls back to clippy's own, silently.
//! Invariant: the bans of the pure crates are listed here as well, so that none is dropped unseen.
//! Planted violations: below.

use std::collections::BTreeMap;

use super::Finding;
use crate::tree::Tree;

/// Crates that must have a clippy file of their own, and what it must ban.
const BANS: &[(&str, &[&str])] = &[("model", PURE), ("broker", PURE), ("storage", CLOCKLESS)];

const CLOCKLESS: &[&str] = &["std::time::SystemTime::now", "std::time::Instant::now"];
const PURE: &[&str] = &[
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::thread::spawn",
    "std::thread::Builder::spawn",
    "std::thread::sleep",
    "std::env::var",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::fs::File",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
];

/// The settings of a clippy file; the value of a list is its whole text.
fn settings(text: &str) -> BTreeMap<&str, String> {
    let mut settings = BTreeMap::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match open.take() {
            Some((key, mut value)) => {
                value.push_str(line.trim());
                if line.starts_with(']') {
                    settings.insert(key, value);
                } else {
                    open = Some((key, value));
                }
            }
            None => {
                let Some((key, value)) = line.split_once('=') else { continue };
                let (key, value) = (key.trim(), value.trim());
                if value == "[" {
                    open = Some((key, String::from(value)));
                } else {
                    settings.insert(key, String::from(value));
                }
            }
        }
    }
    settings
}

fn is_list(key: &str) -> bool {
    key.starts_with("disallowed-")
}

/// Every clippy file inside a crate repeats what the root's says.
pub(super) fn thresholds(tree: &Tree) -> Vec<Finding> {
    let root = settings(tree.text("clippy.toml"));
    let mut findings = Vec::new();
    if root.is_empty() {
        findings.push(Finding::error("clippy.toml", "the root has no thresholds"));
    }
    for (place, text) in tree.ending("/clippy.toml") {
        let own = settings(text);
        for (key, value) in root.iter().filter(|(key, _)| !is_list(key)) {
            if own.get(key) != Some(value) {
                let what = format!("it replaces the root's file and so must repeat {key} = {value}");
                findings.push(Finding::error(place, what));
            }
        }
    }
    findings
}

/// The walled crates ban what they must.
pub(super) fn bans(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, paths) in BANS {
        let place = format!("crates/{name}/clippy.toml");
        let lists: String =
            settings(tree.text(&place)).iter().filter(|(key, _)| is_list(key)).map(|(_, list)| list.as_str()).collect();
        for path in *paths {
            if !lists.contains(&format!("path = \"{path}\"")) {
                findings.push(Finding::error(&place, format!("{name} must ban {path}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: (&str, &str) = ("clippy.toml", "# Seventy.\ntoo-many-lines-threshold = 70\n");

    #[test]
    fn a_clippy_file_inside_a_crate_repeats_the_thresholds() {
        let fine = Tree::planted(&[ROOT, ("crates/model/clippy.toml", "too-many-lines-threshold = 70\n")]);
        assert_eq!(thresholds(&fine), []);
        for wrong in ["", "too-many-lines-threshold = 100\n", "# too-many-lines-threshold = 70\n"] {
            let findings = thresholds(&Tree::planted(&[ROOT, ("crates/model/clippy.toml", wrong)]));
            assert_eq!(findings.len(), 1, "{wrong}");
            assert!(findings[0].what.contains("must repeat too-many-lines-threshold = 70"), "{findings:?}");
        }
    }

    #[test]
    fn a_root_without_thresholds_fails() {
        assert_eq!(thresholds(&Tree::planted(&[])), [Finding::error("clippy.toml", "the root has no thresholds")]);
    }

    #[test]
    fn a_dropped_ban_fails() {
        let file = |paths: &[&str]| -> String {
            let rows: String = paths.iter().map(|path| format!("    {{ path = \"{path}\" }},\n")).collect();
            format!("disallowed-methods = [\n{rows}]\n")
        };
        let tree = |model: &str| -> Tree {
            Tree::planted(&[
                ("crates/model/clippy.toml", model),
                ("crates/broker/clippy.toml", &file(PURE)),
                ("crates/storage/clippy.toml", &file(CLOCKLESS)),
            ])
        };
        assert_eq!(bans(&tree(&file(PURE))), []);
        let findings = bans(&tree(&file(&PURE[1..])));
        assert_eq!(findings, [Finding::error("crates/model/clippy.toml", "model must ban std::time::SystemTime::now")]);
        let commented = file(PURE).replacen("    {", "#   {", 1);
        assert_eq!(bans(&tree(&commented)).len(), 1);
    }
}

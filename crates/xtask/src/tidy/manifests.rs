//! The manifests: each dependency has a reason, a version in one place, and each crate obeys the lints.
//! Invariant: versions live in the root's manifest and nowhere else.
//! Planted violations: below.

use super::Finding;
use crate::tree::Tree;

const DEPENDENCIES: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// The lines of one section of a manifest, with their numbers.
fn section(text: &str, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if let Some(name) = line.strip_prefix('[') {
            inside = wanted(name.trim_end_matches(']'));
            return None;
        }
        inside.then_some((index + 1, line.trim()))
    })
}

/// Every group of dependencies in the root's manifest stands under a comment that gives its reason.
pub(super) fn reasons(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut reasoned = false;
    for (number, line) in section(tree.text("Cargo.toml"), |name| name == "workspace.dependencies") {
        if line.is_empty() {
            reasoned = false;
        } else if line.starts_with('#') {
            reasoned = true;
        } else if !reasoned && !line.contains("path = \"crates/") {
            let name = line.split([' ', '.', '=']).next().unwrap_or(line);
            findings.push(Finding::error(
                format!("Cargo.toml:{number}"),
                format!("{name} has no reason: write one as a comment above its group"),
            ));
        }
    }
    findings
}

/// Every crate takes its versions and its lints from the root.
pub(super) fn inherited(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, text) in tree.ending("/Cargo.toml").filter(|(place, _)| place.starts_with("crates/")) {
        let lints = section(text, |name| name == "lints").any(|(_, line)| line == "workspace = true");
        if !lints {
            findings
                .push(Finding::error(place, "it does not take the workspace's lints: add [lints] workspace = true"));
        }
        for (number, line) in section(text, is_dependencies) {
            let entry = !line.is_empty() && !line.starts_with('#');
            if entry && !line.contains("workspace = true") {
                let what = format!("the version belongs in the root's manifest, here only workspace = true ({line})");
                findings.push(Finding::error(format!("{place}:{number}"), what));
            }
        }
    }
    findings
}

/// Deliberate faults are switched on by name and never by default: in each manifest only the feature `mutants` leads
/// to `mutants`, no default holds it, and no dependency asks for it.
pub(super) fn mutants_are_off(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, text) in tree.ending("Cargo.toml") {
        for (number, line) in section(text, |_| true) {
            let asks = line.split('"').skip(1).step_by(2).any(|word| word == "mutants" || word.ends_with("/mutants"));
            if asks && !line.starts_with('#') && !line.starts_with("mutants = [") {
                let what = "only the feature mutants may lead to mutants: a build that ships must not hold them";
                findings.push(Finding::error(format!("{place}:{number}"), what));
            }
        }
    }
    findings
}

fn is_dependencies(name: &str) -> bool {
    DEPENDENCIES.iter().any(|kind| name == *kind || name.ends_with(&format!(".{kind}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_fails() {
        let text = "[workspace.dependencies]\nmodel = { path = \"crates/model\" }\n\n# Bytes.\nbytes = \"1\"\nextra = \"2\"\n\nstray = \"1\"\n[profile.dev]\ndebug = 1\n";
        let findings = reasons(&Tree::planted(&[("Cargo.toml", text)]));
        assert_eq!(
            findings,
            [Finding::error("Cargo.toml:8", "stray has no reason: write one as a comment above its group")]
        );
    }

    #[test]
    fn a_version_inside_a_crate_fails() {
        let text = "[lints]\nworkspace = true\n[dependencies]\nbytes.workspace = true\nhyper = { workspace = true }\n";
        assert_eq!(inherited(&Tree::planted(&[("crates/web/Cargo.toml", text)])), []);
        for section in ["[dependencies]", "[dev-dependencies]", "[target.'cfg(unix)'.dependencies]"] {
            let wrong = format!("{text}{section}\nserde = \"1\"\n");
            let findings = inherited(&Tree::planted(&[("crates/web/Cargo.toml", &wrong)]));
            assert_eq!(findings.len(), 1, "{section}");
            assert!(findings[0].to_string().contains("crates/web/Cargo.toml:7: the version belongs"), "{findings:?}");
        }
    }

    #[test]
    fn a_default_or_a_dependency_that_switches_mutants_on_fails() {
        let fine = "[features]\n# \"mutants\" stays off.\nmutants = [\"node/mutants\"]\ndefault = []\n";
        assert_eq!(mutants_are_off(&Tree::planted(&[("crates/server/Cargo.toml", fine)])), []);
        for wrong in [
            "[features]\ndefault = [\"mutants\"]\n",
            "[features]\nextra = [\"node/mutants\"]\n",
            "[dependencies]\nnode = { workspace = true, features = [\"mutants\"] }\n",
        ] {
            let findings = mutants_are_off(&Tree::planted(&[("crates/server/Cargo.toml", wrong)]));
            assert_eq!(findings.len(), 1, "{wrong}");
            assert!(findings[0].to_string().contains("crates/server/Cargo.toml:2: only the feature"), "{findings:?}");
        }
    }

    #[test]
    fn a_crate_without_the_lints_fails() {
        let findings = inherited(&Tree::planted(&[("crates/web/Cargo.toml", "[package]\nname = \"web\"\n")]));
        assert!(findings[0].what.contains("does not take the workspace's lints"), "{findings:?}");
    }
}

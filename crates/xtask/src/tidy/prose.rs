//! Pages written by people: the map of the code stays short and true, and links lead somewhere.
//! Invariant: what ARCHITECTURE.md names in backticks as a file or folder exists.
//! Planted violations: below.

use super::Finding;
use crate::tree::Tree;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const ARCHITECTURE_LINES_MAX: usize = 199;
const FILE_ENDS: [&str; 8] = [".rs", ".md", ".toml", ".proto", ".txt", ".sh", ".yaml", ".service"];

/// The map of the code is short, and every file it names exists.
pub(super) fn architecture(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.files.get(ARCHITECTURE) else {
        return vec![Finding::error(ARCHITECTURE, "the map of the code is missing")];
    };
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > ARCHITECTURE_LINES_MAX {
        let what = format!("{lines} lines, at most {ARCHITECTURE_LINES_MAX} are allowed: say only what changes rarely");
        findings.push(Finding::error(ARCHITECTURE, what));
    }
    for (index, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_place(name)) {
            if !exists(tree, name) {
                let at = format!("{ARCHITECTURE}:{}", index + 1);
                findings.push(Finding::error(at, format!("{name} is named, but there is no such file or folder")));
            }
        }
    }
    findings
}

fn is_place(name: &str) -> bool {
    let plain = name.chars().all(|character| character.is_alphanumeric() || "._-/".contains(character));
    plain && (name.ends_with('/') || FILE_ENDS.iter().any(|end| name.ends_with(end)))
}

/// Whether a file is named by its whole path or its end, or a folder by its whole path or a part of it.
fn exists(tree: &Tree, name: &str) -> bool {
    let part = format!("/{name}");
    tree.places().any(|place| {
        let rooted = format!("/{place}");
        if name.ends_with('/') { rooted.contains(&part) } else { rooted.ends_with(&part) }
    })
}

/// Every relative link of every page leads to a file or folder of the tree.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, text) in tree.ending(".md") {
        let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (index, line) in text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let path = target.split('#').next().unwrap_or(target);
                if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                    continue;
                }
                let resolved = resolve(folder, path);
                let below = format!("{resolved}/");
                if !tree.places().any(|known| known == resolved || known.starts_with(&below)) {
                    let at = format!("{place}:{}", index + 1);
                    findings.push(Finding::error(at, format!("the link to {target} leads nowhere")));
                }
            }
        }
    }
    findings
}

fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: (&str, &str) = ("crates/model/src/code.rs", "//! Codes.\n");

    #[test]
    fn a_named_file_must_exist() {
        let fine =
            "Start at `code.rs`, in `crates/model/`, or `model/src/code.rs`; `Code::ALL` and `a / b` are no files.\n";
        assert_eq!(architecture(&Tree::planted(&[(ARCHITECTURE, fine), SOURCE])), []);
        for gone in ["`cod.rs`", "`ode.rs`", "`crates/models/`", "`model/code.rs`"] {
            let findings = architecture(&Tree::planted(&[(ARCHITECTURE, gone), SOURCE]));
            assert_eq!(findings.len(), 1, "{gone}");
            assert!(findings[0].to_string().contains("ARCHITECTURE.md:1: "), "{findings:?}");
        }
    }

    #[test]
    fn a_long_or_missing_map_fails() {
        assert_eq!(architecture(&Tree::planted(&[(ARCHITECTURE, &"line\n".repeat(199))])), []);
        let long = architecture(&Tree::planted(&[(ARCHITECTURE, &"line\n".repeat(200))]));
        assert!(long[0].what.contains("200 lines"), "{long:?}");
        assert!(architecture(&Tree::planted(&[]))[0].what.contains("missing"));
    }

    #[test]
    fn a_link_must_lead_somewhere() {
        let page =
            "[a](README.md) [b](../crates/model/src/code.rs#L1) [c](../crates) [d](https://example.com) [e](#here)\n";
        assert_eq!(links(&Tree::planted(&[("docs/page.md", page), ("docs/README.md", ""), SOURCE])), []);
        let findings = links(&Tree::planted(&[("docs/page.md", "\n[a](gone.md)\n")]));
        assert_eq!(findings, [Finding::error("docs/page.md:2", "the link to gone.md leads nowhere")]);
    }
}

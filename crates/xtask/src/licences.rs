//! Licences and sources of everything we build on, from what cargo knows offline.
//! Invariant: a package passes only if its expression can be met with the licences listed here.
//! Advisories are not looked up: that needs a database from the network.
//! Tests: below.

use crate::graph::{Graph, Origin, Package};

/// Licences that ask for nothing but notices.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "CDLA-Permissive-2.0",
    "Apache-2.0 WITH LLVM-exception",
];

/// The one registry that packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What is wrong with each package, in the order of their names; empty when all is well.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    graph
        .packages
        .values()
        .filter_map(|package| wrong(package).map(|what| format!("{} {}: {what}", package.name, package.version)))
        .collect()
}

fn wrong(package: &Package) -> Option<String> {
    match &package.origin {
        Origin::Source(source) if source != REGISTRY => {
            return Some(format!("it comes from {source}, not from crates.io"));
        }
        Origin::Folder => return Some(String::from("it is a folder outside the workspace")),
        Origin::Own | Origin::Source(_) => {}
    }
    match &package.licence {
        None => Some(String::from("its manifest names no licence")),
        Some(expression) => match met(expression) {
            Some(true) => None,
            Some(false) => Some(format!("its licence {expression} is not on the list")),
            None => Some(format!("its licence {expression} is not a licence expression")),
        },
    }
}

/// Whether an expression can be met with the allowed licences; `None` when it is not an expression.
fn met(expression: &str) -> Option<bool> {
    // Old manifests write a slash where they mean a choice.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = choice(&mut rest)?;
    rest.is_empty().then_some(answer)
}

fn choice(words: &mut &[&str]) -> Option<bool> {
    let mut answer = both(words)?;
    while let Some((&"OR", rest)) = words.split_first() {
        *words = rest;
        answer |= both(words)?;
    }
    Some(answer)
}

fn both(words: &mut &[&str]) -> Option<bool> {
    let mut answer = one(words)?;
    while let Some((&"AND", rest)) = words.split_first() {
        *words = rest;
        answer &= one(words)?;
    }
    Some(answer)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    match *first {
        "(" => {
            let answer = choice(words)?;
            let (last, rest) = words.split_first()?;
            *words = rest;
            (*last == ")").then_some(answer)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => match words.split_first() {
            Some((&"WITH", rest)) => {
                let (exception, rest) = rest.split_first()?;
                *words = rest;
                Some(ALLOWED.contains(&licence) || ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()))
            }
            Some(_) | None => Some(ALLOWED.contains(&licence)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(licence: Option<&str>, origin: Origin) -> Graph {
        let licence = licence.map(String::from);
        let package = Package { name: String::from("leaf"), version: String::from("1.0.0"), licence, origin };
        Graph { packages: [(String::from("leaf"), package)].into(), ..Graph::default() }
    }

    #[test]
    fn a_choice_needs_one_side_and_a_sum_both() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert_eq!(met(fine), Some(true), "{fine}");
        }
        for foreign in
            ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", "GPL-2.0 WITH Classpath-exception-2.0"]
        {
            assert_eq!(met(foreign), Some(false), "{foreign}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT ISC", "WITH MIT", ")"] {
            assert_eq!(met(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_foreign_licence_or_source_fails_with_the_name() {
        let registry = || Origin::Source(String::from(REGISTRY));
        assert_eq!(check(&package(Some("MIT"), registry())), Vec::<String>::new());
        assert_eq!(
            check(&package(Some("AGPL-3.0"), registry())),
            ["leaf 1.0.0: its licence AGPL-3.0 is not on the list"]
        );
        assert_eq!(check(&package(None, Origin::Own)), ["leaf 1.0.0: its manifest names no licence"]);
        assert_eq!(check(&package(Some("MIT"), Origin::Folder)), ["leaf 1.0.0: it is a folder outside the workspace"]);
        let repository = Origin::Source(String::from("git+https://example.com/leaf"));
        assert_eq!(
            check(&package(Some("MIT"), repository)),
            ["leaf 1.0.0: it comes from git+https://example.com/leaf, not from crates.io"]
        );
    }
}

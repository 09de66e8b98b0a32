//! The walls: what the compiler cannot hold. Each check takes the tree and answers what it found.
//! Invariant: a check only reads; the same tree gives the same findings in the same order.
//! Called by `main`; each check is proved by a planted violation beside it and in `tests/planted.rs`.

mod clippy;
pub(crate) mod docs;
mod edges;
mod files;
mod manifests;
mod prose;
pub(crate) mod rights;

use std::fmt;

use crate::tree::Tree;

/// Whether a finding fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It does.
    Error,
    /// It is printed and the run goes on.
    Warning,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether it fails the run.
    pub(crate) weight: Weight,
    /// A file, a file with its line, or a crate.
    pub(crate) place: String,
    /// What is wrong and what would be right.
    pub(crate) what: String,
}

impl Finding {
    fn error(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { weight: Weight::Error, place: place.into(), what: what.into() }
    }

    fn warning(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        write!(f, "{weight}: {}: {}", self.place, self.what)
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

/// Every check, with the name it is printed under.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("edges between our crates", edges::allowed),
    ("banned crates", edges::banned),
    ("heads of files", files::heads),
    ("length of files", files::lengths),
    ("leftovers", files::leftovers),
    ("sleeping tests", files::sleeps),
    ("white space", files::white_space),
    ("machine paths", files::machine_paths),
    ("clippy files", clippy::thresholds),
    ("clippy bans", clippy::bans),
    ("reasons of dependencies", manifests::reasons),
    ("crate manifests", manifests::inherited),
    ("mutants off", manifests::mutants_are_off),
    ("docs/errors.md", docs::errors),
    ("docs/access.md", rights::access),
    ("ARCHITECTURE.md", prose::architecture),
    ("links", prose::links),
];

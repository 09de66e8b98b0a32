//! Packages and the edges between them, as `cargo metadata` resolves them for this machine.
//! Invariant: every edge names packages that are in `packages`.
//! Used by `tidy::edges` and `licences`; the tests there build small workspaces or small graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::process;

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A member of this workspace.
    Own,
    /// A folder outside the list of members.
    Folder,
    /// A registry or a repository.
    Source(String),
}

/// One package.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The licence expression of its manifest.
    pub(crate) licence: Option<String>,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// For what a package needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EdgeKind {
    /// To run.
    Normal,
    /// To be built.
    Build,
    /// To be tested.
    Dev,
}

impl EdgeKind {
    /// The word for it in a message.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Build => "build",
            Self::Dev => "dev",
        }
    }
}

/// One package needs another. Both are the ids that cargo gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// Who needs.
    pub(crate) from: String,
    /// What is needed.
    pub(crate) to: String,
    /// For what.
    pub(crate) kind: EdgeKind,
}

/// Packages by id, and their edges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// Packages by the id that cargo gives.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Every edge, each once.
    pub(crate) edges: BTreeSet<Edge>,
}

impl Graph {
    /// Asks cargo about the workspace at `root`, for the platform of this machine.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let version = process::output(root, "rustc", &["-vV"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc -vV names no host")?;
        let text = process::output(root, "cargo", &["metadata", "--format-version", "1", "--filter-platform", host])?;
        Self::parse(&text)
    }

    /// Reads what `cargo metadata` prints.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let metadata: Value = serde_json::from_str(text).map_err(|error| format!("cargo metadata: {error}"))?;
        let members: BTreeSet<&str> = list(&metadata, "workspace_members").iter().filter_map(Value::as_str).collect();
        let mut graph = Self::default();
        for package in list(&metadata, "packages") {
            let id = word(package, "id")?;
            let origin = match package["source"].as_str() {
                Some(source) => Origin::Source(String::from(source)),
                None if members.contains(id) => Origin::Own,
                None => Origin::Folder,
            };
            let licence = package["license"].as_str().map(String::from);
            let (name, version) = (String::from(word(package, "name")?), String::from(word(package, "version")?));
            graph.packages.insert(String::from(id), Package { name, version, licence, origin });
        }
        for node in list(&metadata["resolve"], "nodes") {
            let from = word(node, "id")?;
            for dependency in list(node, "deps") {
                graph.add_edges(from, dependency)?;
            }
        }
        Ok(graph)
    }

    fn add_edges(&mut self, from: &str, dependency: &Value) -> Result<(), String> {
        let to = word(dependency, "pkg")?;
        for place in [from, to] {
            if !self.packages.contains_key(place) {
                return Err(format!("cargo metadata: the graph names {place}, which is no package"));
            }
        }
        for kind in list(dependency, "dep_kinds") {
            let kind = match kind["kind"].as_str() {
                None | Some("normal") => EdgeKind::Normal,
                Some("build") => EdgeKind::Build,
                Some("dev") => EdgeKind::Dev,
                Some(other) => return Err(format!("cargo metadata: an edge of the unknown kind {other}")),
            };
            self.edges.insert(Edge { from: String::from(from), to: String::from(to), kind });
        }
        Ok(())
    }

    /// The members of the workspace, with their ids.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.packages
            .iter()
            .filter(|(_, package)| package.origin == Origin::Own)
            .map(|(id, package)| (id.as_str(), package))
    }

    /// The package of an id.
    pub(crate) fn package(&self, id: &str) -> &Package {
        self.packages.get(id).expect("every edge names packages of the graph")
    }

    /// The shortest way along normal edges from each reached package back towards `start`, `start` itself left out.
    pub(crate) fn reached(&self, start: &str) -> BTreeMap<&str, Vec<&str>> {
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut front: Vec<(&str, Vec<&str>)> = vec![(start, Vec::new())];
        while !front.is_empty() {
            let mut next = Vec::new();
            for (at, way) in front {
                for edge in self.edges.iter().filter(|edge| edge.from == at && edge.kind == EdgeKind::Normal) {
                    if ways.contains_key(edge.to.as_str()) {
                        continue;
                    }
                    let mut longer = way.clone();
                    longer.push(edge.to.as_str());
                    ways.insert(edge.to.as_str(), longer.clone());
                    next.push((edge.to.as_str(), longer));
                }
            }
            front = next;
        }
        ways
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("cargo metadata: a field {key} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_to_an_unknown_package_is_refused() {
        let text = r#"{"workspace_members": ["a"], "packages": [{"id": "a", "name": "a", "version": "1.0.0"}],
            "resolve": {"nodes": [{"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}]}]}]}}"#;
        let error = Graph::parse(text).expect_err("b is no package");
        assert!(error.contains("names b, which is no package"), "{error}");
    }
}

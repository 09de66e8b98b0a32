//! Which of our crates may use which, and which crates ours must never reach.
//! Invariant: arrows point down only. Think before adding a row: a new edge is the most expensive change there is.
//! Planted violations: below, and with real manifests in `tests/planted.rs`.

use super::Finding;
use crate::graph::{EdgeKind, Graph};
use crate::tree::Tree;

/// Each crate and those it may use, to run and to be built.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("mutant", &[]),
    ("storage", &["mutant"]),
    ("broker", &["model", "mutant"]),
    ("shard", &["storage", "broker", "model", "mutant"]),
    ("node", &["shard", "broker", "storage", "model"]),
    ("grpc", &["model"]),
    ("web", &["model"]),
    ("peer", &[]),
    ("rabbit", &["model"]),
    ("amqp", &["rabbit", "model"]),
    ("management", &["rabbit", "model"]),
    ("server", &["node", "grpc", "web", "amqp", "management", "peer", "model"]),
    ("sim", &["shard", "broker", "storage", "model", "mutant"]),
    ("xtask", &["mutant"]),
    // Stands in for a library's own dependency; none of our crates uses it: docs/adr/0008.
    ("base2histogram", &[]),
];

/// What a crate may use beyond `EDGES` in its tests. Empty on purpose: a test that needs a higher crate belongs to it.
const TEST_EDGES: &[(&str, &[&str])] = &[];

/// What a crate without clock, thread, socket, chance or async runtime cannot need.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "futures-executor",
    "mio",
    "socket2",
    "polling",
    "rand",
    "rand_core",
    "getrandom",
    "fastrand",
    "ahash",
    "uuid",
    "chrono",
    "time",
    "jiff",
    "rayon",
    "crossbeam-channel",
    "hyper",
    "openraft",
    "rustix",
];

/// What a crate that blocks on one thread cannot need.
const ASYNC: &[&str] = &["tokio", "async-std", "smol", "futures-executor", "mio", "socket2", "hyper", "openraft"];

/// Each walled crate, what it must not reach along normal edges, and why.
const BANNED: &[(&str, &[&str], &str)] = &[
    ("model", IMPURE, "model has no clock, thread, socket, chance or async"),
    ("broker", IMPURE, "broker has no clock, thread, socket, chance or async"),
    ("rabbit", IMPURE, "rabbit holds words and no clock, thread, socket, chance or async"),
    ("storage", ASYNC, "storage blocks and knows no async runtime"),
];

fn row<'a>(table: &'a [(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, uses)| *uses)
}

/// Every edge between our crates is in the table.
pub(super) fn allowed(tree: &Tree) -> Vec<Finding> {
    let graph = &tree.graph;
    let mut findings = Vec::new();
    for (id, package) in graph.own() {
        let Some(uses) = row(EDGES, &package.name) else {
            findings.push(Finding::error(
                &package.name,
                "this crate is not in the table of allowed edges: add its row in crates/xtask/src/tidy/edges.rs",
            ));
            continue;
        };
        findings.extend(wrong_edges(graph, id, &package.name, uses));
    }
    findings
}

fn wrong_edges(graph: &Graph, id: &str, name: &str, uses: &[&str]) -> Vec<Finding> {
    let in_tests = row(TEST_EDGES, name).unwrap_or(&[]);
    let own: Vec<&str> = graph.own().map(|(id, _)| id).collect();
    let edges = graph.edges.iter().filter(|edge| edge.from == id && own.contains(&edge.to.as_str()));
    let mut findings = Vec::new();
    for edge in edges {
        let target = graph.package(&edge.to).name.as_str();
        let fine = uses.contains(&target) || (edge.kind == EdgeKind::Dev && in_tests.contains(&target));
        if !fine {
            let may = if uses.is_empty() { String::from("nothing of ours") } else { uses.join(", ") };
            let kind = edge.kind.word();
            let what = format!("the {kind} edge {name} -> {target} is not allowed; {name} may use {may}");
            findings.push(Finding::error(format!("crates/{name}/Cargo.toml"), what));
        }
    }
    findings
}

/// No walled crate reaches what it must not.
pub(super) fn banned(tree: &Tree) -> Vec<Finding> {
    let graph = &tree.graph;
    let mut findings = Vec::new();
    for (id, package) in graph.own() {
        let rows = BANNED.iter().filter(|(name, _, _)| *name == package.name);
        for (name, banned, why) in rows {
            for (reached, way) in graph.reached(id) {
                let target = graph.package(reached).name.as_str();
                if banned.contains(&target) {
                    let way: Vec<&str> = way.iter().map(|id| graph.package(id).name.as_str()).collect();
                    let what = format!("{name} reaches {target} ({name} -> {}), but {why}", way.join(" -> "));
                    findings.push(Finding::error(format!("crates/{name}/Cargo.toml"), what));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Edge, Origin, Package};

    fn graph(own: &[&str], foreign: &[&str], edges: &[(&str, &str, EdgeKind)]) -> Tree {
        let mut graph = Graph::default();
        let origins = own.iter().map(|name| (name, Origin::Own));
        let foreign = foreign.iter().map(|name| (name, Origin::Source(String::from("registry"))));
        for (name, origin) in origins.chain(foreign) {
            let name = String::from(*name);
            graph
                .packages
                .insert(name.clone(), Package { name, version: String::from("1.0.0"), licence: None, origin });
        }
        for (from, to, kind) in edges {
            graph.edges.insert(Edge { from: String::from(*from), to: String::from(*to), kind: *kind });
        }
        Tree { graph, ..Tree::default() }
    }

    fn said(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edge_of_the_table_passes() {
        let tree = graph(&["broker", "model"], &[], &[("broker", "model", EdgeKind::Normal)]);
        assert_eq!(allowed(&tree), []);
    }

    #[test]
    fn an_edge_upwards_fails_with_both_names_whatever_its_kind() {
        for kind in [EdgeKind::Normal, EdgeKind::Build, EdgeKind::Dev] {
            let tree = graph(&["web", "node"], &[], &[("web", "node", kind)]);
            let word = kind.word();
            assert_eq!(
                said(&allowed(&tree)),
                [format!(
                    "error: crates/web/Cargo.toml: the {word} edge web -> node is not allowed; web may use model"
                )]
            );
        }
    }

    #[test]
    fn an_unknown_crate_needs_a_row() {
        let findings = said(&allowed(&graph(&["mqtt"], &[], &[])));
        assert!(findings[0].contains("mqtt: this crate is not in the table"), "{findings:?}");
    }

    #[test]
    fn a_banned_crate_is_found_behind_others_with_the_way_to_it() {
        let edges = [("broker", "innocent", EdgeKind::Normal), ("innocent", "getrandom", EdgeKind::Normal)];
        let tree = graph(&["broker"], &["innocent", "getrandom"], &edges);
        let findings = said(&banned(&tree));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("broker reaches getrandom (broker -> innocent -> getrandom)"), "{findings:?}");
    }

    #[test]
    fn storage_may_have_rustix_and_not_tokio_and_tests_may_have_anything() {
        let fine = [("storage", "rustix", EdgeKind::Normal), ("storage", "tokio", EdgeKind::Dev)];
        assert_eq!(banned(&graph(&["storage"], &["rustix", "tokio"], &fine)), []);
        let wrong = [("storage", "tokio", EdgeKind::Normal)];
        let findings = said(&banned(&graph(&["storage"], &["tokio"], &wrong)));
        assert!(findings[0].contains("storage reaches tokio"), "{findings:?}");
    }
}

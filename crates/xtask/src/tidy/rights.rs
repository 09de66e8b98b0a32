//! The table of operations in `docs/access.md`: `cargo xtask docs` writes it from the table in `operation.rs`.
//! Invariant: every operation has a row, in the order of the source.
//! Planted violations: below.

use super::Finding;
use crate::tree::Tree;

/// The source of the operations.
const OPERATIONS: &str = "crates/model/src/operation.rs";
/// The page that lists them.
pub(crate) const ACCESS: &str = "docs/access.md";

const START: &str = "<!-- Written by `cargo xtask docs` from crates/model/src/operation.rs. -->\n";
const END: &str = "<!-- The end of what is written. -->\n";

/// One row: the operation, the right it needs, over what.
fn row(line: &str) -> Result<String, String> {
    let strange = || format!("this row of the table `operations!` is not understood: {line}");
    let (name, rest) = line.split_once(" -> ").ok_or_else(strange)?;
    let (_, need) = rest.split_once(", Need::").ok_or_else(strange)?;
    let (need, resource) = need.strip_suffix(';').and_then(|need| need.rsplit_once(", ")).ok_or_else(strange)?;
    let right = need.split_once("Right::").and_then(|(_, right)| right.strip_suffix(')')).map(str::to_lowercase);
    let resource = resource.to_lowercase();
    match (need.split('(').next(), right) {
        (Some("SelfService"), None) => Ok(format!("| {name} | to be logged in | |\n")),
        (Some("Right"), Some(right)) => Ok(format!("| {name} | `{right}` | {resource} |\n")),
        (Some("Owner"), Some(right)) => Ok(format!("| {name} | `{right}`, or to own it | {resource} |\n")),
        _ => Err(strange()),
    }
}

/// What the page must say: as it is, with the table written anew.
pub(crate) fn access_page(tree: &Tree) -> Result<String, String> {
    let source = tree.text(OPERATIONS);
    let table = source.split_once("\noperations! {\n").ok_or("there is no table `operations! {`")?.1;
    let table = table.split_once("\n}").ok_or("the table `operations!` has no end")?.0;
    let page = tree.text(ACCESS);
    let (before, rest) = page.split_once(START).ok_or_else(|| format!("{ACCESS} does not say where the table goes"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("{ACCESS} does not say where the table ends"))?;
    let rows: Result<String, String> = table.lines().map(str::trim).filter(|line| !line.is_empty()).map(row).collect();
    Ok(format!("{before}{START}\n| operation | needs | over a |\n|---|---|---|\n{}\n{END}{after}", rows?))
}

/// The page of access says what the code says.
pub(super) fn access(tree: &Tree) -> Vec<Finding> {
    match access_page(tree) {
        Err(what) => vec![Finding::error(OPERATIONS, what)],
        Ok(page) if page == tree.text(ACCESS) => Vec::new(),
        Ok(_) => {
            vec![Finding::error(ACCESS, "it is not what crates/model/src/operation.rs says: run cargo xtask docs")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "macro_rules! operations { () => {} }\n\noperations! {\n    CreateQueue -> Created<QueueDescription>, Write, Need::Right(Right::Create), Queue;\n    DeleteTopic -> Removed, Write, Need::Owner(Right::Delete), Topic;\n\n    Login -> NewToken, Write, Need::SelfService, Broker;\n}\n";

    fn page(table: &str) -> String {
        format!("# Rights\n\n{START}{table}{END}\nMore.\n")
    }

    #[test]
    fn a_page_that_is_up_to_date_passes_and_any_other_fails() {
        let tree = Tree::planted(&[(OPERATIONS, SOURCE), (ACCESS, &page(""))]);
        let written = access_page(&tree).expect("the table is well formed");
        let rows = "| CreateQueue | `create` | queue |\n| DeleteTopic | `delete`, or to own it | topic |\n\
                    | Login | to be logged in | |\n";
        assert_eq!(written, page(&format!("\n| operation | needs | over a |\n|---|---|---|\n{rows}\n")));
        assert_eq!(access(&Tree::planted(&[(OPERATIONS, SOURCE), (ACCESS, &written)])), []);
        for stale in [page(""), written.replace("`create`", "`alter`")] {
            let findings = access(&Tree::planted(&[(OPERATIONS, SOURCE), (ACCESS, &stale)]));
            assert!(findings[0].what.contains("run cargo xtask docs"), "{findings:?}");
        }
    }

    #[test]
    fn a_table_or_a_page_that_is_not_understood_fails() {
        let whole = page("");
        for (source, page) in [
            ("", whole.as_str()),
            ("\noperations! {\n", &whole),
            ("\noperations! {\n Ack;\n}\n", &whole),
            ("\noperations! {\n Ack -> Settled, Write, Need::Maybe, Queue;\n}\n", &whole),
            (SOURCE, "# Rights\n"),
            (SOURCE, START),
        ] {
            let findings = access(&Tree::planted(&[(OPERATIONS, source), (ACCESS, page)]));
            assert_eq!(findings[0].place, OPERATIONS, "{source}");
        }
    }
}

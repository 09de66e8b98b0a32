//! Pages that are written by the code: `cargo xtask docs` writes them, tidy only compares.
//! Invariant: every code of `model::Code` has a row, in the order of the source.
//! Planted violations: below.

use super::Finding;
use crate::tree::Tree;

/// The source of the codes.
const CODES: &str = "crates/model/src/code.rs";
/// The page that lists them.
pub(crate) const ERRORS: &str = "docs/errors.md";

const ERRORS_HEAD: &str = "\
# Codes

Everything that can go wrong has one stable word, the same in every protocol, log line and command.
`recado explain CODE` prints the entry of one. A word once released keeps its meaning.

This page is written by `cargo xtask docs` from `crates/model/src/code.rs`; change it there.

| code | meaning | what to do |
|---|---|---|
";

/// One code as the source lists it.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    word: &'a str,
    title: &'a str,
    hint: &'a str,
}

/// The entries of the `codes!` table: a name, then three texts, then a semicolon.
fn entries(source: &str) -> Result<Vec<Entry<'_>>, String> {
    let start = source.find("\ncodes! {").ok_or("there is no table `codes! {`")?;
    let table = &source[start..];
    let table = &table[..table.find("\n}").ok_or("the table `codes!` has no end")?];
    // Every second piece between quotes is a text: none of them holds a quote of its own.
    if table.contains('\\') {
        return Err(String::from("a text with a backslash is not understood"));
    }
    let texts: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    if texts.is_empty() || !texts.len().is_multiple_of(3) {
        return Err(format!("the table holds {} texts, but each code has three", texts.len()));
    }
    Ok(texts.chunks_exact(3).map(|three| Entry { word: three[0], title: three[1], hint: three[2] }).collect())
}

/// What the page must say.
pub(crate) fn errors_page(tree: &Tree) -> Result<String, String> {
    let mut page = String::from(ERRORS_HEAD);
    for Entry { word, title, hint } in entries(tree.text(CODES))? {
        let row = format!("| `{word}` | {title} | {} |\n", hint.replace('|', "\\|"));
        page.push_str(&row);
    }
    Ok(page)
}

/// The page of codes says what the code says.
pub(super) fn errors(tree: &Tree) -> Vec<Finding> {
    match errors_page(tree) {
        Err(what) => vec![Finding::error(CODES, what)],
        Ok(page) if page == tree.text(ERRORS) => Vec::new(),
        Ok(_) => vec![Finding::error(ERRORS, "it is not what crates/model/src/code.rs says: run cargo xtask docs")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "macro_rules! codes { () => {} }\n\ncodes! {\n    QueueFull, \"queue_full\", \"the queue is full\",\n        \"consume, then retry\";\n    Busy, \"busy\", \"too much\", \"wait\";\n}\n\nfn other() -> &str { \"no code\" }\n";

    #[test]
    fn a_page_that_is_up_to_date_passes_and_any_other_fails() {
        let page = errors_page(&Tree::planted(&[(CODES, SOURCE)])).expect("the table is well formed");
        assert!(
            page.ends_with(
                "| `queue_full` | the queue is full | consume, then retry |\n| `busy` | too much | wait |\n"
            )
        );
        assert_eq!(errors(&Tree::planted(&[(CODES, SOURCE), (ERRORS, &page)])), []);
        for stale in ["", &page.replace("busy", "lazy"), &format!("{page}more\n")] {
            let findings = errors(&Tree::planted(&[(CODES, SOURCE), (ERRORS, stale)]));
            assert!(findings[0].what.contains("run cargo xtask docs"), "{findings:?}");
        }
    }

    #[test]
    fn a_table_that_is_not_understood_fails() {
        for wrong in [
            "",
            "\ncodes! {\n",
            "\ncodes! {\n Busy, \"busy\", \"too much\";\n}\n",
            "\ncodes! {\n Busy, \"b\\\"\", \"\", \"\";\n}\n",
        ] {
            let findings = errors(&Tree::planted(&[(CODES, wrong)]));
            assert_eq!(findings[0].place, CODES, "{wrong}");
        }
    }
}

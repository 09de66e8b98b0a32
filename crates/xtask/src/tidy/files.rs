//! What every file must be: headed, short, finished, and free of what belongs to one machine.
//! Invariant: the exceptions are lists in this file, each with its reason, and may only shrink.
//! Planted violations: below. The words looked for are put together from halves, so that this file passes.

use super::Finding;
use crate::tree::Tree;

/// A file longer than this is a question.
const LINES_ASKED: usize = 400;
/// A file longer than this is refused.
const LINES_MAX: usize = 600;
/// The list of tests that may sleep stays a list one can read at a glance.
const SLEEPS_MAX: usize = 4;
/// Tests that may sleep, each with its reason.
const SLEEPS: &[(&str, &str)] = &[(
    "crates/web/src/rest/streaming/tests.rs",
    "the clock is paused: a sleep waits until every task waits, and takes no time",
)];

/// Words that say that something is not finished.
const LEFTOVERS: [&str; 4] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X"), concat!("HA", "CK")];
const IGNORED: [&str; 2] = [concat!("#[ign", "ore]"), concat!("#[ign", "ore =")];
const SLEEP: &str = concat!("sle", "ep(");
/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 5] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/tm", "p/")];

/// Whether a path holds recorded bytes rather than prose or code: not ours to reformat.
fn recorded(place: &str) -> bool {
    place == "Cargo.lock" || place.split('/').any(|folder| folder == "fixtures")
}

fn lines(tree: &Tree) -> impl Iterator<Item = (String, &str, &str)> {
    let files = tree.files.iter().filter(|(place, _)| !recorded(place));
    files.flat_map(|(place, text)| {
        text.split('\n').enumerate().map(move |(index, line)| (format!("{place}:{}", index + 1), place.as_str(), line))
    })
}

/// Every Rust file starts by saying what it is.
pub(super) fn heads(tree: &Tree) -> Vec<Finding> {
    let headless = tree.ending(".rs").filter(|(_, text)| !text.starts_with("//! "));
    headless
        .map(|(place, _)| {
            Finding::error(
                place,
                "the file has no head: start it with //! lines that say what, invariant, who calls, tests",
            )
        })
        .collect()
}

/// No Rust file is too long to read.
pub(super) fn lengths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, text) in tree.ending(".rs") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(Finding::error(place, format!("{lines} lines, at most {LINES_MAX} are allowed: split it")));
        } else if lines > LINES_ASKED {
            findings
                .push(Finding::warning(place, format!("{lines} lines; above {LINES_ASKED}, ask what could move out")));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Nothing says that it is unfinished, and no test is switched off.
pub(super) fn leftovers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, place, line) in lines(tree) {
        for word in LEFTOVERS.iter().filter(|word| has_word(line, word)) {
            findings.push(Finding::error(&at, format!("{word} is left over: finish it, or write down the compromise")));
        }
        if place.ends_with(".rs") && IGNORED.iter().any(|ignored| line.contains(ignored)) {
            findings.push(Finding::error(&at, "an ignored test proves nothing: mend it or delete it"));
        }
    }
    findings
}

/// The part of a Rust file that is test code, with the number of its first line.
fn test_code<'a>(place: &str, text: &'a str) -> Option<(usize, &'a str)> {
    let whole = place.split('/').any(|folder| folder == "tests") || place.ends_with("/tests.rs");
    if whole {
        return Some((1, text));
    }
    let start = text.find("#[cfg(test)]")?;
    Some((text[..start].lines().count() + 1, &text[start..]))
}

/// No test waits for time to pass.
pub(super) fn sleeps(tree: &Tree) -> Vec<Finding> {
    sleeps_except(tree, SLEEPS)
}

fn sleeps_except(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for (place, text) in tree.ending(".rs") {
        let Some((first, code)) = test_code(place, text) else { continue };
        for (index, line) in code.lines().enumerate().filter(|(_, line)| calls_sleep(line)) {
            if allowed.iter().any(|(exception, _)| *exception == place) {
                used.push(place);
            } else {
                let what = format!("a test sleeps: wait for what must happen instead ({})", line.trim());
                findings.push(Finding::error(format!("{place}:{}", first + index), what));
            }
        }
    }
    findings.extend(exceptions(allowed, &used));
    findings
}

fn calls_sleep(line: &str) -> bool {
    line.match_indices(SLEEP)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_'))
}

fn exceptions(allowed: &[(&str, &str)], used: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if allowed.len() > SLEEPS_MAX {
        let what = format!("{} tests may sleep, at most {SLEEPS_MAX} are allowed", allowed.len());
        findings.push(Finding::error("crates/xtask/src/tidy/files.rs", what));
    }
    for (place, reason) in allowed {
        if reason.is_empty() {
            findings.push(Finding::error(*place, "it may sleep, but the list gives no reason"));
        }
        if !used.contains(place) {
            findings.push(Finding::error(*place, "it may sleep but does not: take it off the list"));
        }
    }
    findings
}

/// No line ends in white space, and no file has the line ends of another system.
pub(super) fn white_space(tree: &Tree) -> Vec<Finding> {
    lines(tree)
        .filter(|(_, _, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(at, _, _)| Finding::error(at, "the line ends in white space"))
        .collect()
}

fn names_machine_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| before.is_whitespace() || "\"'`(=:<".contains(before))
    })
}

/// Nothing refers to a folder that exists on one machine only.
pub(super) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _, line) in lines(tree) {
        for folder in MACHINE_FOLDERS.iter().filter(|folder| names_machine_folder(line, folder)) {
            findings.push(Finding::error(
                &at,
                format!("{folder} is a folder of one machine: use a relative or temporary one"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;

    const PLACE: &str = "crates/broker/src/queue.rs";

    fn planted(text: &str) -> Tree {
        Tree::planted(&[(PLACE, text)])
    }

    /// Exactly one finding, with this weight and these words in it.
    fn one(findings: &[Finding], weight: Weight, words: &str) {
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].weight, weight);
        assert!(findings[0].to_string().contains(words), "{findings:?}");
    }

    #[test]
    fn a_file_without_a_head_fails() {
        assert_eq!(heads(&planted("//! A queue.\n")), []);
        one(&heads(&planted("use std::fmt;\n//! late\n")), Weight::Error, "no head");
        one(&heads(&planted("// A queue.\n")), Weight::Error, "no head");
    }

    #[test]
    fn a_long_file_is_asked_about_and_a_longer_one_fails() {
        assert_eq!(lengths(&planted(&"x\n".repeat(400))), []);
        one(&lengths(&planted(&"x\n".repeat(401))), Weight::Warning, "401 lines");
        one(&lengths(&planted(&"x\n".repeat(600))), Weight::Warning, "600 lines");
        one(&lengths(&planted(&"x\n".repeat(601))), Weight::Error, "601 lines");
    }

    #[test]
    fn each_leftover_word_fails_and_a_part_of_a_word_does_not() {
        for word in LEFTOVERS {
            one(&leftovers(&planted(&format!("//! A queue.\n// {word}: later\n"))), Weight::Error, "queue.rs:2");
            one(&leftovers(&Tree::planted(&[("README.md", word)])), Weight::Error, "README.md:1");
            assert_eq!(leftovers(&planted(&format!("let {word}_SIZE = 1; // {word}{word}\n"))), []);
        }
    }

    #[test]
    fn an_ignored_test_fails() {
        for ignored in IGNORED {
            one(&leftovers(&planted(&format!("{ignored}\n"))), Weight::Error, "ignored test");
        }
    }

    #[test]
    fn a_sleep_fails_in_test_code_only() {
        let sleeps = |tree: &Tree| sleeps_except(tree, &[]);
        let sleep = format!("std::thread::{SLEEP}second);");
        assert_eq!(sleeps(&planted(&format!("fn wait() {{ {sleep} }}\n"))), []);
        one(
            &sleeps(&planted(&format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n"))),
            Weight::Error,
            "queue.rs:4",
        );
        one(&sleeps(&Tree::planted(&[("crates/node/tests/drain.rs", &sleep)])), Weight::Error, "drain.rs:1");
        one(&sleeps(&Tree::planted(&[("crates/node/src/peers/tests.rs", &sleep)])), Weight::Error, "tests.rs:1");
        assert_eq!(sleeps(&Tree::planted(&[("crates/node/tests/drain.rs", &format!("over{SLEEP}1)"))])), []);
    }

    #[test]
    fn the_list_of_sleepers_needs_reasons_and_only_shrinks() {
        let place = "crates/node/tests/drain.rs";
        let sleeper = Tree::planted(&[(place, &format!("{SLEEP}second)"))]);
        assert_eq!(sleeps_except(&sleeper, &[(place, "the peer is another process")]), []);
        one(&sleeps_except(&sleeper, &[(place, "")]), Weight::Error, "gives no reason");
        one(&sleeps_except(&planted("//! A queue.\n"), &[(place, "it had one")]), Weight::Error, "take it off");
        let crowd = [(place, "reason"); SLEEPS_MAX + 1];
        one(&sleeps_except(&sleeper, &crowd), Weight::Error, "at most 4");
    }

    #[test]
    fn white_space_at_the_end_of_a_line_fails_outside_fixtures() {
        one(&white_space(&planted("//! A queue.\nlet a = 1; \n")), Weight::Error, "queue.rs:2");
        one(&white_space(&planted("//! A queue.\r\n")), Weight::Error, "queue.rs:1");
        assert_eq!(white_space(&Tree::planted(&[("crates/web/tests/fixtures/form.txt", "a \n")])), []);
    }

    #[test]
    fn a_path_of_one_machine_fails_and_a_part_of_an_address_does_not() {
        for folder in MACHINE_FOLDERS {
            one(&machine_paths(&planted(&format!("let path = \"{folder}recado\";\n"))), Weight::Error, "one machine");
            assert_eq!(machine_paths(&planted(&format!("// https://example.com{folder}recado\n"))), []);
        }
    }
}

//! Everything that must hold before a change lands, short of the slow suites; `.ci/run` runs the same list.
//! Invariant: nothing here writes to the source.
//! Tests of the sum of results: below.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use crate::process;

/// One step: its name, its command line, and the variables it needs.
type Step = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// The steps, quickest verdict first.
const STEPS: &[Step] = &[
    ("format", &["cargo", "fmt", "--all", "--check"], &[]),
    ("tidy", &["cargo", "xtask", "tidy"], &[]),
    ("licences", &["cargo", "xtask", "licences"], &[]),
    ("clippy", &["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    (
        "fuzz targets",
        &[
            "cargo",
            "check",
            "--locked",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            "target",
            "--all-targets",
        ],
        &[],
    ),
    ("test", &["cargo", "test", "--locked", "--workspace", "--no-fail-fast"], &[]),
    ("doc", &["cargo", "doc", "--locked", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
];

/// Results of tests, summed over the lines that the test runner closes each of its programs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: u64,
    failed: u64,
}

impl Sum {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; …`; any other line is left alone.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                _ => {}
            }
        }
    }
}

/// Runs every step and stops at the first that fails, with its name. The last line is the sum of the tests.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut sum = Sum::default();
    let mut broken = None;
    for (name, line, variables) in STEPS {
        say(&format!("== {name}: {}", line.join(" ")))?;
        let start = Instant::now();
        let fine = process::watched(root, line, variables, |text| sum.add(text))
            .map_err(|error| format!("step {name}: {error}"))?;
        say(&format!("== {name}: {} after {} s", if fine { "passed" } else { "FAILED" }, start.elapsed().as_secs()))?;
        if !fine {
            broken = Some(format!("step {name} failed"));
            break;
        }
    }
    say(&format!("{} passed, {} failed", sum.passed, sum.failed))?;
    broken.map_or(Ok(()), Err)
}

fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot print: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closing_lines_are_summed() {
        let mut sum = Sum::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.02s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            "the text says 5 passed; 5 failed",
        ] {
            sum.add(line);
        }
        assert_eq!(sum, Sum { passed: 13, failed: 2 });
    }
}

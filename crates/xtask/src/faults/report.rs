//! What a campaign found: lines as it goes, and a verdict at its end.
//! Invariant: a violation always fails the run; a figure that is not met fails it unless only a report is asked for.
//! Used by every campaign.

use std::fmt::Display;

use super::limits::EXAMPLES_MAX;

/// Violations and figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) violations: Vec<String>,
    pub(super) missed: Vec<String>,
    pub(super) skipped: Vec<String>,
}

impl Report {
    pub(super) fn line(&self, text: impl Display) {
        // A reader that went away does not stop a campaign.
        let _closed = crate::say(&text.to_string());
    }

    /// Something that must never be.
    pub(super) fn violation(&mut self, text: impl Display) {
        self.line(format_args!("VIOLATION {text}"));
        self.violations.push(text.to_string());
    }

    /// Many of one kind: the first few are printed.
    pub(super) fn violations(&mut self, what: &str, examples: &[String]) {
        if !examples.is_empty() {
            let shown: Vec<&str> = examples.iter().take(EXAMPLES_MAX).map(String::as_str).collect();
            self.violation(format_args!("{what}: {} of them: {}", examples.len(), shown.join("; ")));
        }
    }

    /// What was not tried, loudly.
    pub(super) fn skip(&mut self, text: impl Display) {
        self.line(format_args!("SKIPPED {text}"));
        self.skipped.push(text.to_string());
    }

    /// A figure beside what is wanted.
    pub(super) fn at_most(&mut self, name: &str, measured: u64, wanted: u64, unit: &str) {
        let met = measured <= wanted;
        let verdict = if met { "met" } else { "NOT MET" };
        self.line(format_args!("  {name}: {measured} {unit}, wanted at most {wanted} {unit}: {verdict}"));
        if !met {
            self.missed.push(format!("{name}: {measured} {unit} instead of {wanted} {unit}"));
        }
    }
}

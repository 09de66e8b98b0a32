//! What a campaign found: lines as it goes, and a verdict at its end.
//! Invariant: a violation always fails the run; a figure that is not met fails it unless only a report is asked for.
//! Used by every campaign.

use std::fmt::Display;

use super::limits::EXAMPLES_MAX;

/// How a line ends whose figure is not as wanted.
pub(super) const NOT_MET: &str = "NOT MET";

/// What the ledger of a campaign holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Messages that clients were about to send.
    pub(super) intended: u64,
    pub(super) confirmed: u64,
    pub(super) refused: u64,
    /// Publishes without an answer: they may have been done.
    pub(super) unknown: u64,
    pub(super) delivered: u64,
    /// Deliveries of a message that had been delivered.
    pub(super) again: u64,
    /// Confirmed and gone.
    pub(super) lost: u64,
}

/// A line of the table at the end.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    name: String,
    runs: u64,
    counts: Counts,
}

/// Violations and figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) violations: Vec<String>,
    pub(super) missed: Vec<String>,
    pub(super) totals: Vec<Total>,
    /// Runs that were begun, and the one in which the first violation was found.
    runs: u64,
    pub(super) found_in: Option<u64>,
    quiet: bool,
}

impl Report {
    /// One that prints nothing, and has seen enough at the first violation.
    pub(super) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    pub(super) fn line(&self, text: impl Display) {
        if self.quiet {
            return;
        }
        // A reader that went away does not stop a campaign.
        let _closed = crate::say(&text.to_string());
    }

    /// Counts a run; false when one that looks for a single violation has found it.
    pub(super) fn begins_a_run(&mut self) -> bool {
        self.runs += 1;
        !self.quiet || self.violations.is_empty()
    }

    /// Something that must never be.
    pub(super) fn violation(&mut self, text: impl Display) {
        self.found_in = self.found_in.or(Some(self.runs.max(1)));
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

    /// A figure beside what is wanted.
    pub(super) fn at_most(&mut self, name: &str, measured: u64, wanted: u64, unit: &str) {
        let met = measured <= wanted;
        let verdict = if met { "met" } else { NOT_MET };
        self.line(format_args!("  {name}: {measured} {unit}, wanted at most {wanted} {unit}: {verdict}"));
        if !met {
            self.missed.push(format!("{name}: {measured} {unit} instead of {wanted} {unit}"));
        }
    }

    /// What the ledger of a campaign held at its end.
    pub(super) fn total(&mut self, name: &str, runs: u64, counts: Counts) {
        self.totals.push(Total { name: name.to_owned(), runs, counts });
    }
}

/// The table of all campaigns, as lines.
pub(super) fn table(totals: &[Total]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<28}{:>6}{:>10}{:>10}{:>9}{:>9}{:>10}{:>8}{:>6}  losing runs at 95 %",
        "campaign", "runs", "intended", "confirmed", "refused", "unknown", "delivered", "again", "lost"
    )];
    for Total { name, runs, counts } in totals {
        let Counts { intended, confirmed, refused, unknown, delivered, again, lost } = counts;
        let bound = if *lost == 0 && *runs > 0 { format!("< 3/{runs}") } else { String::from("-") };
        lines.push(format!(
            "{name:<28}{runs:>6}{intended:>10}{confirmed:>10}{refused:>9}{unknown:>9}{delivered:>10}{again:>8}{lost:>6}  {bound}"
        ));
    }
    lines
}

//! What runs of clusters found, as lines that a process of one cluster writes and the one beside it reads.
//! Invariant: a figure is judged over all runs of its kind, never over those that went well.
//! Written by the root of this folder, summed by `beside`; tests below.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::clients::Confirm;
use super::harm::{Expect, Harm, Wanted};
use crate::faults::limits::{CLUSTER_RATE, CUT_OFF_GAP_MS, KILLED_GAP_MS, PLANNED_GAP_MS};
use crate::faults::milliseconds;
use crate::faults::report::Report;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) harm: Harm,
    /// Confirmed messages a second before the harm and during it.
    rates: (u64, u64),
    confirmed: u64,
    /// Until a publish was confirmed that began after the harm, in milliseconds.
    next: u64,
    /// The longest silence of each publisher that ended after the harm began, from there on.
    silences: Vec<u64>,
    violations: u64,
}

impl Finding {
    pub(super) fn new(
        harm: Harm,
        rates: (u64, u64),
        confirmed: u64,
        confirms: &[Confirm],
        (struck, done, over): (Instant, Instant, Instant),
    ) -> Self {
        let after = |at: Instant| milliseconds(at.saturating_duration_since(struck));
        let next = confirms.iter().filter(|one| done <= one.sent).map(|one| after(one.at)).min();
        let mut last = BTreeMap::<u64, Instant>::new();
        let mut silences = BTreeMap::<u64, u64>::new();
        for confirm in confirms {
            let before = last.insert(confirm.client, confirm.at).unwrap_or(struck).max(struck);
            if struck < confirm.at && before < over {
                let silence = milliseconds(confirm.at - before);
                let longest = silences.entry(confirm.client).or_default();
                *longest = silence.max(*longest);
            }
        }
        let (next, silences) = (next.unwrap_or(u64::MAX), silences.into_values().collect());
        Self { harm, rates, confirmed, next, silences, violations: 0 }
    }

    /// The same with what the ledger says of it.
    pub(super) fn with_violations(self, found: usize) -> Self {
        Self { violations: u64::try_from(found).unwrap_or(u64::MAX), ..self }
    }

    /// The longest silence of any client.
    pub(super) fn longest_silence(&self) -> u64 {
        self.silences.iter().max().copied().unwrap_or_default()
    }

    /// A line for people.
    pub(super) fn line(&self) -> String {
        let Self { harm, rates, confirmed, next, .. } = self;
        let longest = self.longest_silence();
        format!(
            "{}: {confirmed} confirmed, {} a second before and {} during; the next after {next} ms, longest silence {longest} ms",
            harm.name(),
            rates.0,
            rates.1
        )
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"harm": self.harm.name(), "before": self.rates.0, "during": self.rates.1, "confirmed": self.confirmed,
            "next": self.next, "silences": self.silences, "violations": self.violations})
    }

    /// None when it is no line of ours.
    pub(super) fn from_json(line: &Value) -> Option<Self> {
        let number = |name: &str| line[name].as_u64();
        Some(Self {
            harm: Harm::parse(line["harm"].as_str()?)?,
            rates: (number("before")?, number("during")?),
            confirmed: number("confirmed")?,
            next: number("next")?,
            silences: line["silences"].as_array()?.iter().filter_map(Value::as_u64).collect(),
            violations: number("violations")?,
        })
    }
}

/// The figure that so many of a hundred are not above.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

fn quantiles(figures: impl Iterator<Item = u64>) -> [u64; 4] {
    let mut sorted: Vec<u64> = figures.collect();
    sorted.sort_unstable();
    [50, 90, 99, 100].map(|percent| quantile(&sorted, percent))
}

/// Tells of all runs, and judges their figures.
pub(super) fn sum(findings: &[Finding], report: &mut Report) {
    report.line("  kind                runs  confirmed  before/s  during/s   next ms p50 p90 p99 most   silence ms p50 p90 p99 most");
    for (name, harm) in Harm::ALL {
        let of: Vec<&Finding> = findings.iter().filter(|finding| finding.harm == harm).collect();
        if of.is_empty() {
            continue;
        }
        let [next50, next90, next99, next] = quantiles(of.iter().map(|one| one.next).filter(|next| *next != u64::MAX));
        let [silent50, silent90, silent99, silent] = quantiles(of.iter().flat_map(|one| one.silences.clone()));
        let (before, during) = (of.iter().map(|one| one.rates.0).min(), of.iter().map(|one| one.rates.1).min());
        report.line(format_args!(
            "  {name:<18}{:>6}{:>11}{:>10}{:>10}   {next50:>9} {next90} {next99} {next}   {silent50:>10} {silent90} {silent99} {silent}",
            of.len(),
            of.iter().map(|one| one.confirmed).sum::<u64>(),
            before.unwrap_or_default(),
            during.unwrap_or_default(),
        ));
    }
    let slow = |rate: u64, wanted: u64| rate < wanted;
    let before: Vec<&Finding> = findings.iter().filter(|one| slow(one.rates.0, CLUSTER_RATE.0)).collect();
    let works = |one: &&Finding| one.harm.expect() == Expect::Work;
    let during: Vec<&Finding> = findings.iter().filter(works).filter(|one| slow(one.rates.1, CLUSTER_RATE.1)).collect();
    for (name, rate, count) in [
        ("before the harm", CLUSTER_RATE.0, before.len()),
        ("during a harm that leaves a majority", CLUSTER_RATE.1, during.len()),
    ] {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        report.at_most(&format!("runs below {rate} confirmed a second {name}"), count, 0, "runs");
    }
    for (wanted, limit, name) in [
        (Wanted::Killed, KILLED_GAP_MS, "leader killed"),
        (Wanted::Planned, PLANNED_GAP_MS, "planned move"),
        (Wanted::CutOff, CUT_OFF_GAP_MS, "leader paused or cut off"),
    ] {
        let of: Vec<&Finding> = findings.iter().filter(|one| one.harm.wanted() == wanted).collect();
        if !of.is_empty() {
            let [_, _, most, _] = quantiles(of.iter().flat_map(|one| one.silences.clone()));
            let name = format!("{name}, longest silence of a client, p99 of {} runs", of.len());
            report.at_most(&name, most, limit, "ms");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_silence_counts_from_the_harm_on() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let confirm = |client, sent, came| Confirm { client, sent: at(sent), at: at(came) };
        let confirms =
            [confirm(0, 10, 20), confirm(1, 10, 30), confirm(0, 90, 700), confirm(1, 800, 900), confirm(0, 900, 950)];
        let finding = Finding::new(Harm::KillLeader, (600, 200), 5, &confirms, (at(100), at(120), at(1000)));
        assert_eq!((finding.next, finding.silences.as_slice()), (800, [600, 800].as_slice()));
        assert_eq!(Finding::from_json(&finding.to_json()), Some(finding));
    }

    #[test]
    fn a_quantile_is_one_of_the_figures() {
        let figures: Vec<u64> = (1..=200).collect();
        assert_eq!([50, 99, 100].map(|percent| quantile(&figures, percent)), [100, 198, 200]);
        assert_eq!(quantile(&[], 99), 0);
        assert_eq!(quantile(&[7], 50), 7);
    }
}

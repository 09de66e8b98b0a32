//! What a run is to do: a seed, and what is left out of it. Written as text, so that a failure can be kept.
//!
//! ```text
//! seed 4711
//! nodes 3
//! operations 812
//! without faults 3 5 6
//! without operations 10-200 300-301
//! ```
//! Invariant: reading what was written gives the same schedule.
//! Read from `tests/regressions/`, shrunk by `minimise`. Tests: below.

use std::collections::BTreeSet;
use std::fmt;

use crate::cluster::blows;
use crate::limits::{OPERATIONS, OPERATIONS_MAX};
use crate::nemesis::{self, Planned};

/// How many nodes seeds have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// All the same number.
    Exactly(u64),
    /// Each one, three or five: of ten seeds two have three nodes, and one has five.
    Any,
}

impl Nodes {
    /// Reads it from a word of the command line.
    ///
    /// # Errors
    /// When it is neither `1`, `3`, `5` nor `any`.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "1" => Ok(Self::Exactly(1)),
            "3" => Ok(Self::Exactly(3)),
            "5" => Ok(Self::Exactly(5)),
            "any" => Ok(Self::Any),
            _ => Err(format!("{word} is not 1, 3, 5 or any")),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The seed.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: u64,
    /// After how many operations the storm is over at the latest; it may be over from `OPERATIONS` on.
    pub operations: u64,
    /// Faults that are left out, by their numbers.
    pub without_faults: BTreeSet<u64>,
    /// Operations that are left out: from the first up to and with the second.
    pub without_operations: Vec<(u64, u64)>,
}

impl Schedule {
    /// Everything of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self {
            seed,
            nodes: 1,
            operations: OPERATIONS_MAX,
            without_faults: BTreeSet::new(),
            without_operations: Vec::new(),
        }
    }

    /// Everything of a seed among several nodes.
    #[must_use]
    pub fn among(seed: u64, nodes: Nodes) -> Self {
        let nodes = match nodes {
            Nodes::Exactly(nodes) => nodes,
            Nodes::Any => match seed % 10 {
                3 | 6 => 3,
                9 => 5,
                _ => 1,
            },
        };
        Self { nodes, ..Self::of(seed) }
    }

    fn planned(&self) -> Vec<Planned> {
        let plan = if self.nodes == 1 { nemesis::plan } else { blows::plan };
        plan(self.seed, OPERATIONS, OPERATIONS_MAX)
    }

    /// The faults that come.
    #[must_use]
    pub fn faults(&self) -> Vec<Planned> {
        let all = self.planned().into_iter();
        all.filter(|planned| planned.at < self.operations && !self.without_faults.contains(&planned.number)).collect()
    }

    /// Whether an operation is left out.
    #[must_use]
    pub fn leaves_out(&self, number: u64) -> bool {
        self.without_operations.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// The same with what is left out in as few words as possible.
    #[must_use]
    pub fn tidied(mut self) -> Self {
        let mut left_out: Vec<(u64, u64)> = Vec::new();
        self.without_operations.sort_unstable();
        for (first, last) in self.without_operations.iter().filter(|(first, _)| *first < self.operations).copied() {
            match left_out.last_mut() {
                Some((_, before)) if first <= *before + 1 => *before = last.max(*before),
                Some(_) | None => left_out.push((first, last)),
            }
        }
        let known: BTreeSet<u64> = self
            .planned()
            .iter()
            .filter(|planned| planned.at < self.operations)
            .map(|planned| planned.number)
            .collect();
        self.without_faults.retain(|number| known.contains(number));
        self.without_operations = left_out;
        self
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// What is wrong with which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut schedule = Self::of(0);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = || format!("this line of a schedule cannot be read: {line}");
            let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
            match words.as_slice() {
                ["seed", seed] => schedule.seed = number(seed)?,
                ["nodes", nodes] => schedule.nodes = number(nodes)?,
                ["operations", operations] => schedule.operations = number(operations)?,
                ["without", "faults", faults @ ..] => {
                    for fault in faults {
                        schedule.without_faults.insert(number(fault)?);
                    }
                }
                ["without", "operations", ranges @ ..] => {
                    for range in ranges {
                        let (first, last) = range.split_once('-').unwrap_or((range, range));
                        schedule.without_operations.push((number(first)?, number(last)?));
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(schedule)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        if self.nodes != 1 {
            writeln!(f, "nodes {}", self.nodes)?;
        }
        writeln!(f, "operations {}", self.operations)?;
        if !self.without_faults.is_empty() {
            let faults: Vec<String> = self.without_faults.iter().map(u64::to_string).collect();
            writeln!(f, "without faults {}", faults.join(" "))?;
        }
        if !self.without_operations.is_empty() {
            let ranges: Vec<String> =
                self.without_operations.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            writeln!(f, "without operations {}", ranges.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_survives_its_text_form() {
        let schedule = Schedule {
            seed: 4711,
            nodes: 5,
            operations: 812,
            without_faults: BTreeSet::from([3, 5]),
            without_operations: vec![(10, 200), (300, 300)],
        };
        assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        assert!(Schedule::parse("seed x").is_err());
    }

    #[test]
    fn a_tidied_schedule_leaves_the_same_out() {
        let ranges = vec![(200, 300), (10, 20), (15, 30), (31, 40), (900, 950)];
        let schedule = Schedule { operations: 812, without_operations: ranges, ..Schedule::of(4711) };
        let tidied = schedule.clone().tidied();
        assert_eq!(tidied.without_operations, vec![(10, 40), (200, 300)]);
        for operation in 0..812 {
            assert_eq!(tidied.leaves_out(operation), schedule.leaves_out(operation), "{operation}");
        }
        assert_eq!(tidied.faults(), schedule.faults());
    }
}

//! Shrinks a failure: drops faults, cuts the end off, drops operations, as long as a promise still breaks.
//! Invariant: the result fails, and was seen to.
//! Called by the program for a failing seed.

use crate::check::Property;
use crate::limits::MINIMISER_RUNS;
use crate::run::run;
use crate::schedule::Schedule;

/// A search for a smaller schedule that breaks the same promise.
struct Search {
    best: Schedule,
    property: Property,
    left: u64,
}

/// A smaller schedule that breaks the same promise; `None` when this one breaks none.
#[must_use]
pub fn minimise(schedule: &Schedule) -> Option<Schedule> {
    let property = run(schedule).violations.first()?.property;
    let mut search = Search { best: schedule.clone(), property, left: MINIMISER_RUNS };
    search.cut_end();
    search.drop_faults();
    search.drop_operations();
    search.drop_faults();
    search.cut_end();
    Some(search.best.tidied())
}

impl Search {
    fn accept(&mut self, candidate: Schedule) -> bool {
        if self.left == 0 || candidate == self.best {
            return false;
        }
        self.left -= 1;
        let fails = run(&candidate).violations.iter().any(|violation| violation.property == self.property);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// The fewest operations with which it still fails.
    fn cut_end(&mut self) {
        let (mut low, mut high) = (0, self.best.operations);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.accept(Schedule { operations: middle, ..self.best.clone() }) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
    }

    fn drop_faults(&mut self) {
        for planned in self.best.faults() {
            let mut candidate = self.best.clone();
            candidate.without_faults.insert(planned.number);
            self.accept(candidate);
        }
    }

    /// Drops operations in pieces that get smaller.
    fn drop_operations(&mut self) {
        let mut piece = self.best.operations / 2;
        while piece > 0 {
            let mut from = 0;
            while from < self.best.operations {
                let until = (from + piece - 1).min(self.best.operations.saturating_sub(1));
                if !self.best.leaves_out(from) {
                    let mut candidate = self.best.clone();
                    candidate.without_operations.push((from, until));
                    self.accept(candidate);
                }
                from += piece;
            }
            piece /= 2;
        }
    }
}

//! The newest entries of the log in memory: what is applied, sent to followers and consumed at the head
//! need not be read back.
//! Invariant: the entries are consecutive; their bytes are bounded, but the newest entry always stays.
//! Called by the log adapter and by `fetch`. Tests: below.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// An entry that the tail can hold.
pub(crate) trait TailEntry: Clone {
    /// Its place in the log.
    fn index(&self) -> u64;
    /// How many bytes it keeps alive.
    fn bytes(&self) -> usize;
}

#[derive(Debug)]
struct State<E> {
    entries: VecDeque<E>,
    bytes: usize,
}

/// The cache; clones of entries share their memory.
#[derive(Debug)]
pub(crate) struct Tail<E> {
    state: Mutex<State<E>>,
    bytes_max: usize,
}

impl<E: TailEntry> Tail<E> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::new(State { entries: VecDeque::new(), bytes: 0 }), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().expect("no holder panics")
    }

    /// Adds the next entries; a gap empties what was there before.
    pub(crate) fn push(&self, entries: &[E]) {
        let mut state = self.state();
        for entry in entries {
            if state.entries.back().is_some_and(|last| last.index() + 1 != entry.index()) {
                state.entries.clear();
                state.bytes = 0;
            }
            state.bytes += entry.bytes();
            state.entries.push_back(entry.clone());
        }
        while self.bytes_max < state.bytes && state.entries.len() > 1 {
            let oldest = state.entries.pop_front().map_or(0, |entry| entry.bytes());
            state.bytes -= oldest;
        }
    }

    /// Forgets the entries from `index` on.
    pub(crate) fn cut(&self, index: u64) {
        let mut state = self.state();
        while state.entries.back().is_some_and(|last| index <= last.index()) {
            let newest = state.entries.pop_back().map_or(0, |entry| entry.bytes());
            state.bytes -= newest;
        }
    }

    /// The entry at an index.
    pub(crate) fn get(&self, index: u64) -> Option<E> {
        let state = self.state();
        let first = state.entries.front()?.index();
        let place = usize::try_from(index.checked_sub(first)?).ok()?;
        state.entries.get(place).cloned()
    }

    /// The entries `from <= index < until` from the front, as long as their bytes are within the bound; the
    /// first one always. `None` when `from` is not here.
    pub(crate) fn range(&self, from: u64, until: u64, bytes_max: u64) -> Option<Vec<E>> {
        let state = self.state();
        let first = state.entries.front()?.index();
        let place = usize::try_from(from.checked_sub(first)?).ok()?;
        state.entries.get(place)?;
        let mut bytes: u64 = 0;
        let mut found = Vec::new();
        for entry in state.entries.iter().skip(place).take_while(|entry| entry.index() < until) {
            bytes = bytes.saturating_add(u64::try_from(entry.bytes()).unwrap_or(u64::MAX));
            if bytes_max < bytes && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TailEntry for (u64, usize) {
        fn index(&self) -> u64 {
            self.0
        }
        fn bytes(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn the_oldest_entries_go_when_the_bytes_are_used_up_and_the_newest_never() {
        let tail = Tail::new(10);
        tail.push(&[(1, 4), (2, 4), (3, 4)]);
        assert_eq!(tail.get(1), None);
        assert_eq!(tail.get(2), Some((2, 4)));
        tail.push(&[(4, 100)]);
        assert_eq!((tail.get(3), tail.get(4)), (None, Some((4, 100))));
    }

    #[test]
    fn a_range_is_bounded_by_bytes_and_has_at_least_one_entry() {
        let tail = Tail::new(100);
        tail.push(&[(5, 10), (6, 10), (7, 10)]);
        assert_eq!(tail.range(5, 8, 20), Some(vec![(5, 10), (6, 10)]));
        assert_eq!(tail.range(6, 8, 1), Some(vec![(6, 10)]));
        assert_eq!(tail.range(6, 7, 100), Some(vec![(6, 10)]));
        assert_eq!(tail.range(4, 8, 100), None);
        assert_eq!(tail.range(8, 9, 100), None);
    }

    #[test]
    fn a_cut_forgets_the_end_and_a_gap_forgets_the_start() {
        let tail = Tail::new(100);
        tail.push(&[(5, 10), (6, 10), (7, 10)]);
        tail.cut(6);
        assert_eq!((tail.get(5), tail.get(6)), (Some((5, 10)), None));
        tail.push(&[(9, 10)]);
        assert_eq!((tail.get(5), tail.get(9)), (None, Some((9, 10))));
    }
}

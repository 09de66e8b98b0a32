//! Texts that live for ever. Some refusals hold static text; a client that rebuilds one must make it static.
//! Invariant: a broker can make a client remember at most `REFUSAL_WORDS_MAX` texts of bounded length.
//! Called by `status`. Tests: below.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::limits::{PROBLEM_TEXT_BYTES_MAX, REFUSAL_WORDS_MAX};

static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The same text for ever, or a general one when too many were remembered.
pub(crate) fn remember(text: &str) -> &'static str {
    remember_in(&mut WORDS.lock().unwrap_or_else(PoisonError::into_inner), text)
}

fn remember_in(words: &mut BTreeSet<&'static str>, text: &str) -> &'static str {
    if let Some(word) = words.get(text) {
        return word;
    }
    if words.len() >= REFUSAL_WORDS_MAX || text.len() > PROBLEM_TEXT_BYTES_MAX {
        return "see the broker's own message";
    }
    let word: &'static str = Box::leak(Box::from(text));
    words.insert(word);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_texts_are_remembered() {
        let mut words = BTreeSet::new();
        for number in 0..REFUSAL_WORDS_MAX {
            let text = format!("word {number}");
            assert_eq!(remember_in(&mut words, &text), text);
        }
        assert_eq!(remember_in(&mut words, "one more"), "see the broker's own message");
        assert_eq!(remember_in(&mut words, "word 7"), "word 7");
    }
}

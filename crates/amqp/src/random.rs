//! Chance: names that nobody else has and nobody guesses.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 22 letters of chance: 132 bits.
pub(crate) fn token() -> String {
    let mut bytes = [0; 22];
    getrandom::fill(&mut bytes).expect("the system gives chance");
    bytes.into_iter().map(|byte| char::from(DIGITS[usize::from(byte & 63)])).collect()
}

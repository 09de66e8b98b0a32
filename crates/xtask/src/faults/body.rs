//! Message bodies that say which message they are, and can be checked to the last byte.
//! Invariant: a body follows from its label and number alone.
//! Used by every campaign; tests below.

use std::sync::LazyLock;

use super::chance::Chance;
use super::limits::{BODY_BYTES, LONG_BYTES};

/// Letters that bodies are cut from.
static LETTERS: LazyLock<String> = LazyLock::new(|| {
    let mut chance = Chance::new(0x007e_c4d0);
    let mut letters = String::new();
    while letters.len() < 64 << 10 {
        letters.push_str(&format!("{:016x}", chance.next()));
    }
    letters
});

/// The body of message `number` of `label`.
pub(super) fn body(label: &str, number: u64) -> String {
    let mut text = format!("{label}/{number}/");
    let fill = BODY_BYTES.saturating_sub(text.len());
    let room = u64::try_from(LETTERS.len() - fill).expect("the letters are few");
    let hash = label.bytes().fold(number, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let start = usize::try_from(Chance::new(hash).below(room)).expect("it is below the length");
    text.push_str(&LETTERS[start..start + fill]);
    text
}

/// A body so many times over, for messages that fill segments.
pub(super) fn long_body(label: &str, number: u64) -> String {
    body(label, number).repeat(LONG_BYTES / BODY_BYTES)
}

/// Which message a long body is; none when it is not one of ours, byte by byte.
pub(super) fn parse_long(text: &str) -> Option<u64> {
    let (label, number) = parse(text.get(..BODY_BYTES)?)?;
    (long_body(label, number) == text).then_some(number)
}

/// Which message a body is; none when it is not one of ours, byte by byte.
pub(super) fn parse(text: &str) -> Option<(&str, u64)> {
    let mut parts = text.splitn(3, '/');
    let label = parts.next()?;
    let number = parts.next()?.parse().ok()?;
    (body(label, number) == text).then_some((label, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_to_the_last_byte() {
        let text = body("backlog", 12);
        assert_eq!(text.len(), BODY_BYTES);
        assert_eq!(parse(&text), Some(("backlog", 12)));
        let mut wrong = text.clone();
        wrong.replace_range(1000..1001, "!");
        assert_eq!(parse(&wrong), None);
        assert_eq!(parse(&text[..1000]), None);
    }

    #[test]
    fn a_long_body_is_known_to_the_last_byte() {
        let mut text = long_body("filling", 7);
        assert_eq!(text.len(), LONG_BYTES);
        assert_eq!(parse_long(&text), Some(7));
        assert_eq!(parse_long(&text[..LONG_BYTES - 1]), None);
        text.replace_range(LONG_BYTES - 1.., "!");
        assert_eq!(parse_long(&text), None);
    }
}

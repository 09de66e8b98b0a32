//! Numbers, times and bytes as people read them.
//! Invariant: no rounding up past a bound: what is shown is at most what is there.
//! Used by every page; tests below.

use std::time::{SystemTime, UNIX_EPOCH};

use model::number::{ByteSize, Span, Timestamp};
use model::queue::Durability;

/// Bytes of a payload that a page shows; the rest is counted.
pub(super) const SHOWN_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a line of hex.
const HEX_LINE: usize = 16;

/// A count with thin groups of three.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A size in the unit that fits.
pub(super) fn size(bytes: ByteSize) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let bytes = bytes.get();
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A length of time in its two largest units.
pub(super) fn span(span: Span) -> String {
    let ms = span.get();
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 if ms.is_multiple_of(1000) => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, smaller: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {smaller}") }
}

/// A time of the flush, given in microseconds.
pub(super) fn micros(micros: u64) -> String {
    if micros < 1000 { format!("{micros} µs") } else { format!("{}.{} ms", micros / 1000, micros % 1000 / 100) }
}

/// The time now by this machine's clock; pages only, nothing is decided by it.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago something was.
pub(super) fn age(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), |at| span(Span::new(now().since(at).get() / 1000 * 1000)))
}

/// A time as UTC.
pub(super) fn date(at: Timestamp) -> String {
    let seconds = at.get() / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds % 86_400 / 3600, seconds % 3600 / 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date of a day after 1970-01-01, in the Gregorian calendar; eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

/// What a confirmed write has survived.
pub(super) const fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Fsync => "A confirmed message is flushed to this disk.",
        Durability::FsyncMajority => "A confirmed message is flushed to the disks of a majority of nodes.",
    }
}

/// A payload as it is best read, with the word for how it is shown and how many bytes are left out.
pub(super) fn payload(body: &[u8]) -> (&'static str, String, usize) {
    let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
    let rest = body.len() - shown.len();
    let Ok(text) = std::str::from_utf8(body) else { return ("hex", hex(shown), rest) };
    if text.chars().any(|letter| letter.is_control() && !letter.is_ascii_whitespace()) {
        return ("hex", hex(shown), rest);
    }
    if rest == 0
        && text.trim_start().starts_with(['{', '['])
        && let Ok(document) = serde_json::from_str::<serde_json::Value>(text)
    {
        return ("JSON", format!("{document:#}"), 0);
    }
    let end = (0..=shown.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    ("text", text[..end].to_owned(), body.len() - end)
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(HEX_LINE).enumerate().map(|(at, line)| {
        let codes: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain = line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' });
        format!("{:06x}  {:<47}  {}", at * HEX_LINE, codes.join(" "), plain.collect::<String>())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1\u{202f}234\u{202f}567"]);
        let sizes = [0, 1023, 1024, 1536, 1024 * 1024 - 1, u64::MAX].map(|bytes| size(ByteSize::new(bytes)));
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "15.9 EiB"]);
        let spans = [0, 999, 1000, 1500, 60_000, 3_661_000, 90_000_000].map(|ms| span(Span::new(ms)));
        assert_eq!(spans, ["0 ms", "999 ms", "1 s", "1.5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(Timestamp::new(seconds * 1000)), expected);
        }
    }

    #[test]
    fn a_payload_is_shown_as_what_it_is() {
        assert_eq!(payload(b"plain\n"), ("text", "plain\n".to_owned(), 0));
        assert_eq!(payload(br#"{"a":1}"#), ("JSON", "{\n  \"a\": 1\n}".to_owned(), 0));
        let (kind, text, _) = payload(b"\xff<b>\0");
        assert_eq!((kind, text.split_whitespace().last()), ("hex", Some(".<b>.")));
        let long = "é".repeat(SHOWN_BYTES_MAX);
        let (kind, text, rest) = payload(format!("x{long}").as_bytes());
        assert_eq!((kind, text.len() + rest), ("text", long.len() + 1));
    }
}

//! Lengths of time and sizes as people write and read them: `30s`, `7d`, `64MiB`.
//! Invariant: what `span` and `size` print, `parse_span` and `parse_size` read.
//! Called by the arguments, the configuration and the tables; tests below.

use model::number::{ByteSize, Span, Timestamp};

const SPANS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(word, _)| *word == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Reads `500ms`, `30s`, `5m`, `12h`, `7d` or `2w`; 0 needs no unit.
pub(crate) fn parse_span(text: &str) -> Result<Span, String> {
    if text == "0" {
        return Ok(Span::new(0));
    }
    parse(text, &SPANS)
        .map(Span::new)
        .ok_or_else(|| "write a whole number and a unit: 500ms, 30s, 5m, 12h, 7d or 2w".to_owned())
}

/// Reads `4096`, `64KiB`, `16MiB`, `2GiB`, or the same with powers of ten: `64kB`.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, String> {
    parse(text, &SIZES)
        .map(ByteSize::new)
        .ok_or_else(|| "write a whole number of bytes, or one with a unit: 64KiB, 16MiB or 2GiB".to_owned())
}

/// A bound that may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound<T>(pub(crate) Option<T>);

/// Reads a length of time, or `none`.
pub(crate) fn parse_span_bound(text: &str) -> Result<Bound<Span>, String> {
    if text == "none" { Ok(Bound(None)) } else { parse_span(text).map(Some).map(Bound) }
}

/// Reads a size, or `none`.
pub(crate) fn parse_size_bound(text: &str) -> Result<Bound<ByteSize>, String> {
    if text == "none" { Ok(Bound(None)) } else { parse_size(text).map(Some).map(Bound) }
}

/// Reads a number, or `none`.
pub(crate) fn parse_count_bound(text: &str) -> Result<Bound<u64>, String> {
    if text == "none" {
        return Ok(Bound(None));
    }
    text.parse().map(Some).map(Bound).map_err(|_| "write a whole number, or none".to_owned())
}

/// A length of time in the largest unit that divides it.
pub(crate) fn span(span: Span) -> String {
    let ms = span.get();
    if ms == 0 {
        return "0".to_owned();
    }
    let largest = SPANS.iter().rev().find(|(_, factor)| ms.is_multiple_of(*factor));
    largest.map_or_else(|| format!("{ms}ms"), |(unit, factor)| format!("{}{unit}", ms / factor))
}

/// A size in the largest binary unit that divides it.
pub(crate) fn size(size: ByteSize) -> String {
    let bytes = size.get();
    [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// A size for reading, rounded down to one decimal.
pub(crate) fn rough_size(size: ByteSize) -> String {
    let bytes = size.get();
    [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .iter()
        .find(|(_, factor)| bytes >= *factor)
        .map_or_else(
            || format!("{bytes} B"),
            |(unit, factor)| format!("{}.{} {unit}", bytes / factor, bytes % factor / (factor / 10)),
        )
}

/// A moment in UTC: `2026-01-31 13:05:09`.
pub(crate) fn moment(timestamp: Timestamp) -> String {
    let seconds = timestamp.get() / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Year, month and day of a day since 1970 (the algorithm of Howard Hinnant's `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        for text in ["0", "1ms", "1500ms", "30s", "5m", "12h", "1d", "2w"] {
            assert_eq!(span(parse_span(text).unwrap()), text);
        }
        for text in ["0", "1", "1000", "64KiB", "3GiB"] {
            assert_eq!(size(parse_size(text).unwrap()), text);
        }
        for text in ["", "s", "10", "1.5s", "-1s", "99999999999999999999s", "9999999999999999w"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert_eq!(parse_size("2 mb").unwrap().get(), 2_000_000);
        assert_eq!(rough_size(ByteSize::new(1_610_612_736)), "1.5 GiB");
    }

    #[test]
    fn moments_are_civil() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_827_696_000, "2000-02-29 12:34:56"),
            (1_356_998_400_000, "2013-01-01 00:00:00"),
        ] {
            assert_eq!(moment(Timestamp::new(ms)), text);
        }
    }
}

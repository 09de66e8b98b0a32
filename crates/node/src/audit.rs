//! The audit log: a topic of the system namespace, `$system/$audit`, that auditors read like any other.
//!
//! One JSON line an entry: when, who, from where, what, on what, and the outcome. No payloads, no secrets.
//! Logins good and bad, refusals for want of a right, and every change of people, queues and topics are in it.
//! Invariant: an entry never holds up what it is about; entries that find the log full are counted.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::caller::Origin;
use model::name::{NamespaceName, TopicName, TopicRef};
use model::number::Span;
use model::topic::TopicSettings;
use tokio::sync::mpsc;

/// Entries that wait to be written.
const ENTRIES_WAITING_MAX: usize = 4096;
/// Entries written together.
pub(crate) const ENTRIES_AT_ONCE: usize = 256;

/// Where entries are handed in.
#[derive(Clone)]
pub(crate) struct Audit {
    entries: mpsc::Sender<String>,
    lost: Arc<AtomicU64>,
}

/// The topic of the audit log.
pub(crate) fn topic() -> TopicRef {
    let name = TopicName::parse("$audit").expect("a name of the system's own");
    TopicRef { namespace: NamespaceName::system(), name }
}

/// A year of entries in one partition, so that they have one order.
pub(crate) fn topic_settings() -> TopicSettings {
    TopicSettings { retention: Some(Span::seconds(365 * 24 * 60 * 60)), ..TopicSettings::default() }
}

impl Audit {
    pub(crate) fn new() -> (Self, mpsc::Receiver<String>) {
        let (entries, writer) = mpsc::channel(ENTRIES_WAITING_MAX);
        (Self { entries, lost: Arc::new(AtomicU64::new(0)) }, writer)
    }

    /// Notes what somebody did or tried.
    pub(crate) fn note(&self, who: &str, origin: Origin, what: &str, on: &str, outcome: &str) {
        let mut line = String::with_capacity(128);
        let address = origin.address.map_or_else(|| "local".to_owned(), |address| address.to_string());
        line.push('{');
        for (key, value) in [
            ("who", who),
            ("protocol", origin.protocol.word()),
            ("address", &address),
            ("what", what),
            ("on", on),
            ("outcome", outcome),
        ] {
            if line.len() > 1 {
                line.push(',');
            }
            quote(&mut line, key);
            line.push(':');
            quote(&mut line, value);
        }
        line.push('}');
        if self.entries.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Entries that found the log full.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Writes a JSON string (RFC 8259, section 7).
fn quote(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            '\u{0}'..='\u{1f}' => {
                write!(line, "\\u{:04x}", u32::from(character)).expect("a string takes everything");
            }
            _ => line.push(character),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_of_json_whatever_it_quotes() {
        let (audit, mut writer) = Audit::new();
        let origin = Origin { protocol: model::caller::Protocol::Http, address: None };
        audit.note("a\"b", origin, "DeleteQueue", "line\nbreak", "forbidden");
        let line = writer.try_recv().expect("the entry was handed in");
        assert_eq!(
            line,
            r#"{"who":"a\"b","protocol":"http","address":"local","what":"DeleteQueue","on":"line\u000abreak","outcome":"forbidden"}"#
        );
    }
}

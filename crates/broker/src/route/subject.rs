//! What is routed: the keys of a message and, only where an exchange asks, its headers and properties.

use std::cell::OnceCell;
use std::hash::Hasher;

use bytes::Bytes;
use model::binding::RoutingKey;
use model::exchange::{HashOn, HashProperty};
use model::header::{HeaderValue, Headers, header};
use model::properties::Properties;
use siphasher::sip::SipHasher24;

use crate::record::Envelope;

/// What exchanges look at.
pub struct Subject<'a> {
    keys: &'a [RoutingKey],
    source: Source<'a>,
    known: OnceCell<(Headers, Option<Box<Properties>>)>,
}

enum Source<'a> {
    /// A stored record, read when somebody asks.
    Record(&'a Bytes),
    /// What was remembered of a message whose record is not at hand.
    Remembered(&'a Headers),
}

impl<'a> Subject<'a> {
    /// A message that is published.
    pub const fn of_record(keys: &'a [RoutingKey], record: &'a Bytes) -> Self {
        Self { keys, source: Source::Record(record), known: OnceCell::new() }
    }

    /// A message that was stored before, by what is remembered of it.
    pub const fn remembered(keys: &'a [RoutingKey], headers: &'a Headers) -> Self {
        Self { keys, source: Source::Remembered(headers), known: OnceCell::new() }
    }

    /// Its routing keys, the main one first.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.keys.iter().map(RoutingKey::as_str)
    }

    fn known(&self) -> &(Headers, Option<Box<Properties>>) {
        self.known.get_or_init(|| match self.source {
            Source::Remembered(headers) => (headers.clone(), None),
            // The record was encoded by the node, and its front was read before this.
            Source::Record(record) => Envelope::read(record)
                .map_or_else(|_| (Headers::new(), None), |envelope| (envelope.headers, envelope.properties)),
        })
    }

    /// Its headers.
    pub fn headers(&self) -> &Headers {
        &self.known().0
    }

    /// How long its header `x-delay` delays it, in milliseconds; zero without it.
    pub fn delay_ms(&self) -> u64 {
        let delay = header(self.headers(), "x-delay");
        let number = delay.and_then(|value| value.as_integer().or_else(|| value.as_text()?.parse().ok()));
        number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
    }

    /// The hash that an exchange spreads it by.
    pub(super) fn hash(&self, on: &HashOn) -> u64 {
        let mut hasher = SipHasher24::new();
        match on {
            HashOn::RoutingKey => hasher.write(self.keys.first().map_or("", RoutingKey::as_str).as_bytes()),
            HashOn::Header(name) => {
                if let Some(value) = header(self.headers(), name) {
                    write_value(&mut hasher, value);
                }
            }
            HashOn::Property(property) => {
                if let Some(properties) = &self.known().1 {
                    write_property(&mut hasher, *property, properties);
                }
            }
        }
        hasher.finish()
    }
}

fn write_value(hasher: &mut SipHasher24, value: &HeaderValue) {
    match (value.as_text(), value.as_integer()) {
        (Some(text), _) => hasher.write(text.as_bytes()),
        (None, Some(number)) => hasher.write(number.to_string().as_bytes()),
        (None, None) => {
            let mut writer = crate::wire::Writer::new();
            crate::codec::Wire::write(value, &mut writer);
            hasher.write(&writer.finish());
        }
    }
}

fn write_property(hasher: &mut SipHasher24, property: HashProperty, properties: &Properties) {
    let text = match property {
        HashProperty::MessageId => properties.message_id.clone(),
        HashProperty::CorrelationId => properties.correlation_id.clone(),
        HashProperty::MadeAt => properties.made_at.map(|at| at.to_string()),
    };
    hasher.write(text.unwrap_or_default().as_bytes());
}

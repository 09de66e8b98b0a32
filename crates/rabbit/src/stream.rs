//! Streams: the arguments of a declare, and lengths of time such as `7D`.
//! Invariant: an argument that a stream does not know, or that is wrong, is refused with RabbitMQ's words.
//! Used by the doors' declares; tests below.

use model::header::{HeaderValue, Headers, header};
use model::number::{ByteSize, Span};
use model::topic::TopicSettings;

use crate::queue::{KIND, QueueDeclare};
use crate::wrong::Wrong;

const MAX_AGE: &str = "x-max-age";
const MAX_BYTES: &str = "x-max-length-bytes";
/// What only other queues know.
const UNKNOWN: [&str; 10] = [
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-priority",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-message-deduplication",
];

const SECOND_MS: u64 = 1000;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Whether a declare is one of a stream.
pub fn is_stream(arguments: &Headers) -> bool {
    header(arguments, KIND).and_then(HeaderValue::as_text) == Some("stream")
}

/// A length of time with a unit: `1Y`, `2M`, `7D`, `12h`, `30m`, `10s`.
pub fn age(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        'Y' => 365 * DAY_SECONDS,
        'M' => 30 * DAY_SECONDS,
        'D' => DAY_SECONDS,
        'h' => 60 * 60,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(seconds)?.checked_mul(SECOND_MS).map(Span::new)
}

/// A length of time in the largest unit that tells it exactly; what is below a second counts as one.
fn shown_age(span: Span) -> String {
    let seconds = span.get().div_ceil(SECOND_MS);
    let units = [('D', DAY_SECONDS), ('h', 60 * 60), ('m', 60)];
    let fitting = units.into_iter().find(|(_, size)| seconds > 0 && seconds.is_multiple_of(*size));
    let (unit, size) = fitting.unwrap_or(('s', 1));
    format!("{}{unit}", seconds / size)
}

/// The settings that a declare asks for.
///
/// # Errors
/// What RabbitMQ would refuse too.
pub fn stream_settings(declare: &QueueDeclare<'_>) -> Result<TopicSettings, Wrong> {
    let arguments = declare.read();
    let (queue, host) = (arguments.queue, arguments.host);
    for (is_asked, property) in [
        (!declare.durable, "non-durable"),
        (declare.exclusive, "exclusive-owner"),
        (declare.auto_delete, "auto-delete"),
    ] {
        if is_asked {
            let text = format!("invalid property '{property}' for queue '{queue}' in vhost '{host}'");
            return Err(Wrong::Argument(text));
        }
    }
    if let Some(name) = UNKNOWN.into_iter().find(|name| arguments.get(name).is_some()) {
        let text = format!("invalid arg '{name}' for queue '{queue}' in vhost '{host}' of queue type stream");
        return Err(Wrong::Argument(text));
    }
    let retention = arguments.get(MAX_AGE).map(|value| {
        let span = value.as_text().and_then(age).filter(|span| span.get() > 0);
        span.ok_or_else(|| arguments.wrong(MAX_AGE, "a number and one of Y, M, D, h, m, s are needed"))
    });
    let retention_bytes = arguments.get(MAX_BYTES).map(|value| {
        let bytes = value.as_integer().and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
        bytes.map(ByteSize::new).ok_or_else(|| arguments.wrong(MAX_BYTES, "a number of bytes is needed, at least 1"))
    });
    Ok(TopicSettings {
        retention: retention.transpose()?,
        retention_bytes: retention_bytes.transpose()?,
        ..TopicSettings::default()
    })
}

/// The arguments that say what a stream is.
pub fn shown_stream(settings: &TopicSettings) -> Headers {
    let mut arguments = vec![(KIND.to_owned(), HeaderValue::Text("stream".to_owned()))];
    if let Some(retention) = settings.retention {
        arguments.push((MAX_AGE.to_owned(), HeaderValue::Text(shown_age(retention))));
    }
    if let Some(bytes) = settings.retention_bytes {
        let bytes = i64::try_from(bytes.get()).unwrap_or(i64::MAX);
        arguments.push((MAX_BYTES.to_owned(), HeaderValue::Integer(bytes)));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_rabbitmqs_units() {
        for (text, seconds) in
            [("1Y", 365 * DAY_SECONDS), ("2M", 60 * DAY_SECONDS), ("7D", 7 * DAY_SECONDS), ("90m", 5400), ("10s", 10)]
        {
            assert_eq!(age(text), Some(Span::seconds(seconds)), "{text}");
        }
        for shown in ["7D", "36h", "90m", "10s", "86401s"] {
            assert_eq!(age(shown).map(shown_age).as_deref(), Some(shown));
        }
        for wrong in ["", "7", "D", "7d", "-1D", "7 D", "99999999999999999999Y"] {
            assert_eq!(age(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_of_a_stream_can_be_declared() {
        let settings = TopicSettings {
            retention: Some(Span::seconds(3600)),
            retention_bytes: Some(ByteSize::new(1000)),
            ..TopicSettings::default()
        };
        let namespace = model::name::NamespaceName::default();
        let arguments = shown_stream(&settings);
        let declare = QueueDeclare {
            name: "log",
            namespace: &namespace,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: &arguments,
        };
        assert!(is_stream(&arguments));
        assert_eq!(stream_settings(&declare), Ok(settings));
        assert!(stream_settings(&QueueDeclare { durable: false, ..declare }).is_err());
    }
}

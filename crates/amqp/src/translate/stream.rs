//! Streams: what a declare asks for, offsets to start at, and in what a stream that is there differs.
//! Invariant: an argument that a stream does not know, or that is wrong, is refused with RabbitMQ's words.

use model::name::NamespaceName;
use model::number::{ByteSize, Offset, Span, Timestamp};
use model::queue::QueueSettings;
use model::topic::TopicSettings;
use rabbit::{age, queue_kind};

use super::queue::declared;
use super::table;
use crate::codec::class::queue::Declare;
use crate::codec::{ReplyCode, Table, Value};
use crate::session::Close;

const KIND: &str = "x-queue-type";
const MAX_AGE: &str = "x-max-age";
const MAX_BYTES: &str = "x-max-length-bytes";
const SECOND_MS: u64 = 1000;

/// Where a consumer of a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamOffset {
    /// At the oldest message.
    First,
    /// At the newest message.
    Last,
    /// Behind the newest message.
    Next,
    /// At this offset.
    At(Offset),
    /// At the first message since this moment.
    Since(Timestamp),
    /// At the first message of so long ago.
    Ago(Span),
}

/// Whether a declare is one of a stream.
pub(crate) fn is_stream(declare: &Declare) -> bool {
    declare.arguments.get(KIND).and_then(Value::as_text) == Some("stream")
}

fn precondition(text: String) -> Close {
    Close::new(ReplyCode::PreconditionFailed, text)
}

/// The settings that a declare asks for.
pub(crate) fn stream_settings(declare: &Declare, namespace: &NamespaceName) -> Result<TopicSettings, Close> {
    let arguments = table::headers(declare.arguments.clone());
    rabbit::stream_settings(&declared(declare, namespace, &arguments)).map_err(super::wrong)
}

/// Where a consumer begins: behind the newest message when it does not say.
pub(crate) fn stream_offset(arguments: &Table) -> Result<StreamOffset, Close> {
    let Some(value) = arguments.get("x-stream-offset") else { return Ok(StreamOffset::Next) };
    let wrong = || precondition(format!("Invalid offset arg: {value:?}"));
    if let Some(number) = value.as_integer() {
        return u64::try_from(number).map(|offset| StreamOffset::At(Offset::new(offset))).map_err(|_| wrong());
    }
    if let Value::Timestamp(seconds) = value {
        return Ok(StreamOffset::Since(table::moment(*seconds)));
    }
    match value.as_text().ok_or_else(wrong)? {
        "first" => Ok(StreamOffset::First),
        "last" => Ok(StreamOffset::Last),
        "next" => Ok(StreamOffset::Next),
        text => age(text).map(StreamOffset::Ago).ok_or_else(wrong),
    }
}

fn differs(declare: &Declare, host: &str, name: &str, asked: &str, there: &str) -> Close {
    let queue = &declare.queue;
    precondition(format!(
        "inequivalent arg '{name}' for queue '{queue}' in vhost '{host}': received '{asked}' but current is '{there}'"
    ))
}

/// A queue is where a stream was declared.
pub(crate) fn not_a_stream(declare: &Declare, there: &QueueSettings, host: &str) -> Close {
    differs(declare, host, KIND, "stream", queue_kind(there))
}

/// A stream is where a queue was declared.
pub(crate) fn not_a_queue(declare: &Declare, host: &str) -> Close {
    let asked = declare.arguments.get(KIND).and_then(Value::as_text).unwrap_or("classic");
    differs(declare, host, KIND, asked, "stream")
}

/// In what a stream differs from what was declared.
pub(crate) fn stream_inequivalence(
    declare: &Declare,
    asked: &TopicSettings,
    there: &TopicSettings,
    host: &str,
) -> Close {
    let seconds = |span: Option<Span>| span.map_or("none".to_owned(), |span| format!("{}s", span.get() / SECOND_MS));
    let bytes = |bytes: Option<ByteSize>| bytes.map_or("none".to_owned(), |bytes| bytes.get().to_string());
    if asked.retention == there.retention {
        let (asked, there) = (bytes(asked.retention_bytes), bytes(there.retention_bytes));
        return differs(declare, host, MAX_BYTES, &asked, &there);
    }
    differs(declare, host, MAX_AGE, &seconds(asked.retention), &seconds(there.retention))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(value: Value) -> Result<StreamOffset, Close> {
        stream_offset(&[("x-stream-offset", value)].into_iter().collect())
    }

    #[test]
    fn every_kind_of_offset_is_read() {
        assert_eq!(stream_offset(&Table::default()), Ok(StreamOffset::Next));
        for (text, expected) in [
            ("first", StreamOffset::First),
            ("last", StreamOffset::Last),
            ("next", StreamOffset::Next),
            ("1h", StreamOffset::Ago(Span::seconds(3600))),
            ("2D", StreamOffset::Ago(Span::seconds(2 * 24 * 60 * 60))),
        ] {
            assert_eq!(offset(Value::text(text)), Ok(expected));
        }
        assert_eq!(offset(Value::I32(7)), Ok(StreamOffset::At(Offset::new(7))));
        assert_eq!(offset(Value::Timestamp(3)), Ok(StreamOffset::Since(Timestamp::new(3000))));
        for wrong in [Value::text("soon"), Value::text(""), Value::text("é"), Value::I64(-1), Value::Boolean(true)] {
            assert_eq!(
                offset(wrong.clone()).map_err(|close| close.code),
                Err(ReplyCode::PreconditionFailed),
                "{wrong:?}"
            );
        }
    }
}

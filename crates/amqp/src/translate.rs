//! Where the words of AMQP and those of `model` meet.
//! Invariant: every failure is translated; what a property or header says survives the way in and out.

use model::failure::Failure;
use model::limits::DELIVERY_LIMIT_MAX;
use model::message::{Delivery, HeaderValue, MessageId, NewMessage};
use model::name::NamespaceName;
use model::number::{Priority, Span};
use model::queue::QueueSettings;

use crate::codec::class::queue;
use crate::codec::{Properties, ReplyCode, ShortText, Table, Value};
use crate::session::{Close, Delivered, Publication};

/// The virtual host of a namespace.
pub(crate) fn host(namespace: &NamespaceName) -> &str {
    if *namespace == NamespaceName::default() { "/" } else { namespace.as_str() }
}

/// A count as the wire has it.
pub(crate) fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A failure as the end of a channel or connection.
pub(crate) fn close(failure: &Failure) -> Close {
    Close::new(ReplyCode::PreconditionFailed, failure.to_string())
}

/// A direct reply, which does not touch the broker.
pub(crate) fn direct_reply(publication: Publication) -> (String, Delivered) {
    let address = publication.routing_key.as_str().to_owned();
    let message = Delivered {
        receipt: None,
        redelivered: false,
        exchange: publication.exchange,
        routing_key: publication.routing_key,
        properties: publication.properties,
        body: publication.body,
    };
    (address, message)
}

/// The settings of a queue that is declared.
pub(crate) fn queue_settings(_declare: &queue::Declare) -> Result<QueueSettings, Close> {
    Ok(QueueSettings { delivery_limit: DELIVERY_LIMIT_MAX, deduplication: Span::new(0), ..QueueSettings::default() })
}

/// A message on its way in.
pub(crate) fn new_message(publication: Publication) -> Result<NewMessage, Close> {
    let properties = publication.properties;
    let headers = properties.headers.unwrap_or_default().0;
    Ok(NewMessage {
        body: publication.body,
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string(), HeaderValue::Text(value.as_text()?.to_owned()))))
            .collect(),
        content_type: properties.content_type.map(ShortText::into_string),
        priority: properties.priority.and_then(Priority::new).unwrap_or_default(),
        id: properties.message_id.and_then(|id| MessageId::parse(id.as_str()).ok()),
        ..NewMessage::default()
    })
}

/// A message on its way out.
pub(crate) fn delivered(delivery: Delivery) -> Delivered {
    let message = delivery.message;
    let headers = message.headers.into_iter().filter_map(|(name, value)| match value {
        HeaderValue::Text(text) => Some((ShortText::cut(name), Value::text(text))),
        HeaderValue::Integer(_) | HeaderValue::Real(_) | HeaderValue::Boolean(_) | HeaderValue::Binary(_) => None,
    });
    let headers = Table(headers.collect());
    Delivered {
        receipt: delivery.receipt,
        redelivered: delivery.attempt.get() > 1,
        exchange: ShortText::default(),
        routing_key: ShortText::default(),
        properties: Properties {
            content_type: message.content_type.map(ShortText::cut),
            headers: (!headers.is_empty()).then_some(headers),
            priority: Some(message.priority.get()),
            message_id: Some(ShortText::cut(message.id.as_str())),
            ..Properties::default()
        },
        body: message.body,
    }
}

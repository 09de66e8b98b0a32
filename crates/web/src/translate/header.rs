//! Header values, properties and ways between the model and JSON.
//! Invariant: kind and width of a value survive both ways.
//! Used by `translate::message`, `translate::queue` and `translate::exchange`; tests in `translate/tests.rs`.

use model::header::{HeaderValue, Headers};
use model::message::Death;
use model::number::{Span, Timestamp};
use model::properties::{Properties, Routed};
use model::refusal::Refusal;

use super::message::{base64_of, from_base64};
use crate::wire;

impl TryFrom<wire::HeaderValue> for HeaderValue {
    type Error = Refusal;

    fn try_from(value: wire::HeaderValue) -> Result<Self, Refusal> {
        Ok(match value {
            wire::HeaderValue::Text(text) => Self::Text(text),
            wire::HeaderValue::Integer(value) => Self::Integer(value),
            wire::HeaderValue::Real(value) => Self::Real(value),
            wire::HeaderValue::Boolean(value) => Self::Boolean(value),
            wire::HeaderValue::Base64(base64) => Self::Binary(from_base64("headers", &base64)?),
            wire::HeaderValue::Null => Self::Null,
            wire::HeaderValue::Narrow(number) => Self::Narrow(number),
            wire::HeaderValue::Single(value) => Self::Single(value),
            wire::HeaderValue::Decimal(wire::Decimal { scale, digits }) => Self::Decimal { scale, digits },
            wire::HeaderValue::Time(time) => Self::Time(Timestamp::new(time)),
            wire::HeaderValue::List(values) => {
                Self::List(values.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            wire::HeaderValue::Table(headers) => Self::Table(headers.try_into()?),
        })
    }
}

impl From<HeaderValue> for wire::HeaderValue {
    fn from(value: HeaderValue) -> Self {
        match value {
            HeaderValue::Text(text) => Self::Text(text),
            HeaderValue::Integer(value) => Self::Integer(value),
            HeaderValue::Real(value) => Self::Real(value),
            HeaderValue::Boolean(value) => Self::Boolean(value),
            HeaderValue::Binary(bytes) => Self::Base64(base64_of(&bytes)),
            HeaderValue::Null => Self::Null,
            HeaderValue::Narrow(number) => Self::Narrow(number),
            HeaderValue::Single(value) => Self::Single(value),
            HeaderValue::Decimal { scale, digits } => Self::Decimal(wire::Decimal { scale, digits }),
            HeaderValue::Time(time) => Self::Time(time.get()),
            HeaderValue::List(values) => Self::List(values.into_iter().map(Self::from).collect()),
            HeaderValue::Table(headers) => Self::Table(headers.into()),
        }
    }
}

impl TryFrom<wire::Headers> for Headers {
    type Error = Refusal;

    fn try_from(headers: wire::Headers) -> Result<Self, Refusal> {
        headers.0.into_iter().map(|(name, value)| Ok((name, value.try_into()?))).collect()
    }
}

impl From<Headers> for wire::Headers {
    fn from(headers: Headers) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl From<wire::Properties> for Properties {
    fn from(properties: wire::Properties) -> Self {
        Self {
            content_encoding: properties.content_encoding,
            correlation_id: properties.correlation_id,
            reply_to: properties.reply_to,
            message_id: properties.message_id,
            made_at: properties.made_at.map(Timestamp::new),
            kind: properties.kind,
            user_id: properties.user_id,
            application: properties.application,
            cluster_id: properties.cluster_id,
            persistence: properties.persistence.map(Into::into),
        }
    }
}

impl From<Properties> for wire::Properties {
    fn from(properties: Properties) -> Self {
        Self {
            content_encoding: properties.content_encoding,
            correlation_id: properties.correlation_id,
            reply_to: properties.reply_to,
            message_id: properties.message_id,
            made_at: properties.made_at.map(Timestamp::get),
            kind: properties.kind,
            user_id: properties.user_id,
            application: properties.application,
            cluster_id: properties.cluster_id,
            persistence: properties.persistence.map(Into::into),
        }
    }
}

impl From<Routed> for wire::Routed {
    fn from(way: Routed) -> Self {
        Self { exchange: way.exchange.word().to_owned(), routing_key: way.routing_key.as_str().to_owned() }
    }
}

impl From<Death> for wire::Death {
    fn from(death: Death) -> Self {
        Self {
            reason: death.reason.into(),
            origin: death.origin,
            count: death.count,
            at: death.at.get(),
            exchange: death.exchange.map(|name| name.word().to_owned()),
            routing_keys: death.routing_keys,
            ttl_ms: death.ttl.map(Span::get),
        }
    }
}

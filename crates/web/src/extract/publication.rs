//! The body of a publish: JSON with many messages, or the raw bytes of one with its properties beside it.
//! Invariant: a property comes from the query or from its header, never from both.
//! Used by `rest::messages`; tests in `tests/parsing.rs`.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Code, Refusal};

use super::body::{media_type, parse, read};
use super::query::Query;
use crate::door::Door;
use crate::translate::idempotency_key;
use crate::translate::problem::Problem;
use crate::wire::{self, RawQuery};

/// What is published, as it came.
pub(crate) enum PublicationBody {
    /// JSON.
    Documents(Vec<wire::NewMessage>),
    /// One raw message: its properties without a body, and the body.
    Raw(Box<wire::NewMessage>, Bytes),
}

/// A publish.
pub(crate) struct Publication {
    /// The messages.
    pub(crate) body: PublicationBody,
    /// The key that makes a repeat harmless.
    pub(crate) idempotency_key: Option<String>,
}

/// The key alone, where the body has no raw form.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl axum::extract::FromRequestParts<Door> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, _door: &Door) -> Result<Self, Problem> {
        Ok(Self(idempotency_key(&parts.headers)?))
    }
}

impl FromRequest<Door> for Publication {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Query(query) =
            <Query<RawQuery> as axum::extract::FromRequestParts<Door>>::from_request_parts(&mut parts, door).await?;
        let idempotency_key = idempotency_key(&parts.headers)?;
        let limit = door.settings().publish_body_bytes_max;
        let body = match media_type(&parts.headers).as_deref() {
            Some("application/json") => {
                if query != RawQuery::default() {
                    let why = "with a JSON body the properties stand in the messages, not in the query";
                    return Err(Problem::new(Code::ArgumentInvalid, why));
                }
                let request: wire::PublishRequest = parse(&read(&parts.headers, body, limit).await?)?;
                PublicationBody::Documents(request.messages)
            }
            Some("application/octet-stream") => {
                let message = properties(query, &parts.headers)?;
                PublicationBody::Raw(Box::new(message), read(&parts.headers, body, limit).await?)
            }
            Some(_) | None => {
                let why = "publish JSON as application/json or one raw message as application/octet-stream";
                return Err(Problem::new(Code::MediaTypeUnsupported, why));
            }
        };
        Ok(Self { body, idempotency_key })
    }
}

fn properties(query: RawQuery, headers: &HeaderMap) -> Result<wire::NewMessage, Refusal> {
    let mut message = wire::NewMessage {
        key: query.key,
        priority: query.priority,
        ttl_ms: query.ttl_ms,
        delay_ms: query.delay_ms,
        deliver_at: query.deliver_at,
        id: query.id,
        content_type: query.content_type,
        partition: query.partition,
        ..wire::NewMessage::default()
    };
    for (name, value) in headers {
        if let Some(property) = name.as_str().strip_prefix("recado-") {
            set(&mut message, name, property, value)?;
        }
    }
    Ok(message)
}

fn set(message: &mut wire::NewMessage, name: &HeaderName, property: &str, value: &HeaderValue) -> Result<(), Refusal> {
    let bytes = value.as_bytes();
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::invalid(name.as_str(), "it must be UTF-8"))?;
    match property {
        "key" => once(name, &mut message.key, text.to_owned()),
        "id" => once(name, &mut message.id, text.to_owned()),
        "content-type" => once(name, &mut message.content_type, text.to_owned()),
        "priority" => once(name, &mut message.priority, number(name, text)?),
        "ttl-ms" => once(name, &mut message.ttl_ms, number(name, text)?),
        "delay-ms" => once(name, &mut message.delay_ms, number(name, text)?),
        "deliver-at" => once(name, &mut message.deliver_at, number(name, text)?),
        "partition" => once(name, &mut message.partition, number(name, text)?),
        other => match other.strip_prefix("header-") {
            Some(header) => {
                message.headers.0.push((header.to_owned(), wire::HeaderValue::Text(text.to_owned())));
                Ok(())
            }
            None => Err(Refusal::invalid(name.as_str(), "there is no such property of a message")),
        },
    }
}

fn once<T>(name: &HeaderName, slot: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::invalid(name.as_str(), "it is given twice")),
    }
}

fn number<T: std::str::FromStr>(name: &HeaderName, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::invalid(name.as_str(), "it must be a whole number in range"))
}

//! The body of a request: bounded, of the right media type, then parsed.
//! Invariant: nothing is parsed before its length is known to be within the bound.
//! Used by `rest` and `publication`; tests in `tests/parsing.rs`.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::Code;
use serde::de::DeserializeOwned;

use crate::door::Door;
use crate::translate::problem::Problem;
use crate::wire;

/// A JSON document that must be there.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON document; no body at all means the default one.
pub(crate) struct JsonOrDefault<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Door> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_json(&parts.headers)?;
        let bytes = read(&parts.headers, body, door.settings().body_bytes_max).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Door> for JsonOrDefault<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, door.settings().body_bytes_max).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_json(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// The media type of the body without parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type(headers).as_deref() {
        Some("application/json" | "application/merge-patch+json") => Ok(()),
        Some(_) => Err(Problem::new(Code::MediaTypeUnsupported, "this takes application/json only")),
        None => Err(Problem::new(Code::MediaTypeUnsupported, "there is no Content-Type; this takes application/json")),
    }
}

pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::MessageTooLarge, format!("the body has more than {limit} bytes"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Code::BodyInvalid, "the body broke off")),
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    match serde_json::from_slice(bytes) {
        Ok(wire::Object(read)) => Ok(read),
        Err(error) => Err(Problem::new(Code::BodyInvalid, format!("the body: {error}"))),
    }
}

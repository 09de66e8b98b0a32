//! The body of a request: bounded, then read as one JSON object. Tools send it with any media type, or with none.
//! Invariant: nothing is parsed before its length is known to be within the bound.
//! Used by the rooms that change something.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::Code;
use serde_json::{Map, Value};

use crate::answer::Trouble;
use crate::door::Door;
use crate::limits::BODY_BYTES_MAX;

/// A JSON object; no body at all is an empty one.
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl FromRequest<Door> for Object {
    type Rejection = Trouble;

    async fn from_request(request: Request, _: &Door) -> Result<Self, Trouble> {
        let (parts, body) = request.into_parts();
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
            return Err(too_large());
        }
        parse(&read(body).await?)
    }
}

fn too_large() -> Trouble {
    Trouble::new(Code::MessageTooLarge, format!("the body has more than {BODY_BYTES_MAX} bytes"))
}

async fn read(body: Body) -> Result<Bytes, Trouble> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Trouble::bad("the body broke off")),
    }
}

fn parse(bytes: &[u8]) -> Result<Object, Trouble> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Object(Map::new()));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(Object(fields)),
        Ok(_) => Err(Trouble::bad("the body must be a JSON object")),
        Err(error) => Err(Trouble::new(Code::BodyInvalid, format!("json_decode: {error}"))),
    }
}

/// Reads the fields of an object; a field of the wrong kind is refused by its name.
pub(crate) trait Fields {
    /// A text, when it is there.
    fn text(&self, name: &str) -> Result<Option<&str>, Trouble>;
    /// A text that must be there.
    fn needed(&self, name: &str) -> Result<&str, Trouble>;
    /// True or false; false when nothing is said.
    fn truth(&self, name: &str) -> Result<bool, Trouble>;
    /// A number that is not below zero.
    fn number(&self, name: &str) -> Result<Option<u64>, Trouble>;
    /// An object; empty when nothing is said. RabbitMQ writes an empty one as a list at times.
    fn object(&self, name: &str) -> Result<Map<String, Value>, Trouble>;
    /// A list of objects; empty when nothing is said.
    fn objects(&self, name: &str) -> Result<Vec<&Map<String, Value>>, Trouble>;
}

fn wrong(name: &str, kind: &str) -> Trouble {
    Trouble::bad(format!("{name} must be {kind}"))
}

impl Fields for Map<String, Value> {
    fn text(&self, name: &str) -> Result<Option<&str>, Trouble> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| wrong(name, "a text")),
        }
    }

    fn needed(&self, name: &str) -> Result<&str, Trouble> {
        self.text(name)?.ok_or_else(|| Trouble::bad(format!("key_missing: {name}")))
    }

    fn truth(&self, name: &str) -> Result<bool, Trouble> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(false),
            // Some tools send it as text.
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" || text.is_empty() => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "true or false")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Trouble> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong(name, "a number from zero")),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| wrong(name, "a number from zero")),
        }
    }

    fn object(&self, name: &str) -> Result<Map<String, Value>, Trouble> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Array(items)) if items.is_empty() => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields.clone()),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    fn objects(&self, name: &str) -> Result<Vec<&Map<String, Value>>, Trouble> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_object().ok_or_else(|| wrong(name, "a list of objects"))).collect()
            }
            Some(_) => Err(wrong(name, "a list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(parse(b" \n").is_ok_and(|Object(fields)| fields.is_empty()));
        let Ok(Object(fields)) = parse(br#"{"a": "b", "n": 3, "t": "true", "o": [], "l": [{}]}"#) else {
            panic!("this is an object")
        };
        assert_eq!((fields.needed("a"), fields.number("n")), (Ok("b"), Ok(Some(3))));
        assert_eq!((fields.truth("t"), fields.truth("none")), (Ok(true), Ok(false)));
        assert_eq!(fields.object("o").map(|inner| inner.len()), Ok(0));
        assert_eq!(fields.objects("l").map(|list| list.len()), Ok(1));
        assert!(fields.number("a").is_err() && fields.needed("none").is_err() && fields.objects("a").is_err());
        for wrong in ["[]", "{", "7", "{\"a\": 1} 2"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

//! The fields of a form: bounded, decoded, checked to come from a page of this session.
//! Invariant: a handler that has `Form` runs only when the form carries the session's own token.
//! Used by every action; tests below and in `tests/console.rs`.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::{Code, Refusal};

use super::session::Visitor;
use crate::door::Door;
use crate::translate::problem::Problem;

/// Largest form in bytes: a message of a few hundred kilobytes; larger ones go through REST.
const FORM_BYTES_MAX: usize = 1024 * 1024;

/// The fields of a form or query in their order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `name=value&…`; bytes that are not UTF-8 become the replacement character.
    pub(super) fn parse(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let read = pairs.map(|pair| {
            let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decode(&pair[..middle]), decode(pair.get(middle + 1..).unwrap_or_default()))
        });
        Self(read.collect())
    }

    /// The first value of a field; a field that is not there is empty.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The value without space around it, unless nothing is left.
    pub(super) fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// Every value of a field that may be ticked more than once.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, if one was given.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, Refusal> {
        let read = self.some(name).map(str::parse).transpose();
        read.map_err(|_| Refusal::invalid(name, "it must be a whole number within its range"))
    }

    /// Checks that the name was typed again before something is lost.
    pub(super) fn confirmed(&self, name: &str) -> Result<(), Refusal> {
        if self.text("confirm").trim() == name {
            return Ok(());
        }
        Err(Refusal::invalid("confirm", "type the name exactly as it stands there; nothing was changed"))
    }
}

fn decode(text: &[u8]) -> String {
    let digit =
        |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high * 16 + low);
                at += 3;
            }
            (b'+', _, _) => {
                bytes.push(b' ');
                at += 1;
            }
            (other, _, _) => {
                bytes.push(*other);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|text| text.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(Problem::new(Code::MediaTypeUnsupported, "the pages send forms only"));
    }
    let too_large = || Problem::new(Code::MessageTooLarge, "a form has at most 1 MiB; use REST for larger messages");
    let announced = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > FORM_BYTES_MAX) {
        return Err(too_large());
    }
    match Limited::new(body, FORM_BYTES_MAX).collect().await {
        Ok(collected) => Ok(Fields::parse(&collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Code::BodyInvalid, "the form broke off")),
    }
}

/// A form of somebody who has no session yet; `layers::own_site` has refused other sites.
pub(super) struct OpenForm(pub(super) Fields);

impl FromRequest<Door> for OpenForm {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Door) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read(&parts.headers, body).await.map(Self)
    }
}

/// A form that a page of this session holds.
pub(super) struct Form(pub(super) Visitor, pub(super) Fields);

impl FromRequest<Door> for Form {
    type Rejection = super::page::Turned;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let visitor = <Visitor as axum::extract::FromRequestParts<Door>>::from_request_parts(&mut parts, door).await?;
        let fields = read(&parts.headers, body).await.map_err(|problem| visitor.refuse(problem))?;
        if !visitor.holds(fields.text("form")) {
            let why = "the form does not belong to this session; load the page again and repeat";
            return Err(visitor.refuse(Problem::new(Code::Forbidden, why)));
        }
        Ok(Self(visitor, fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let fields = Fields::parse(b"a=1+2&b=%3Cb%3E%26&roles=x&roles=y&broken=%zz%4&bad=%ff&&flag");
        assert_eq!((fields.text("a"), fields.text("b"), fields.text("none")), ("1 2", "<b>&", ""));
        assert_eq!(fields.all("roles").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((fields.text("broken"), fields.text("bad"), fields.some("flag")), ("%zz%4", "\u{fffd}", None));
    }

    #[test]
    fn numbers_and_confirmations_are_strict() {
        let fields = Fields::parse(b"n=+7+&m=-1&confirm=orders");
        assert_eq!(fields.number::<u32>("n"), Ok(Some(7)));
        assert_eq!(fields.number::<u32>("none"), Ok(None));
        assert!(fields.number::<u32>("m").is_err());
        assert!(fields.confirmed("orders").is_ok());
        assert!(fields.confirmed("order").is_err());
    }
}

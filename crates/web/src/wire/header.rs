//! Headers of a message as JSON: an object from name to a typed value, or to several values of a repeated name.
//! Invariant: the type of a value survives: `1` is whole, `1.0` is real, bytes are `{"base64": "…"}`.
//! Order of names is kept. Used by `wire::message`; tests in `translate/tests.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// A JSON string.
    Text(String),
    /// A JSON number without fraction.
    Integer(i64),
    /// A JSON number with fraction; what JSON cannot say is `{"real": "NaN" | "Infinity" | "-Infinity"}`.
    Real(f64),
    /// A JSON boolean.
    Boolean(bool),
    /// `{"base64": "…"}`, not yet decoded.
    Base64(String),
}

/// The headers in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(pub Vec<(String, HeaderValue)>);

impl Headers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const WORDS: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// The word for a real that JSON has no number for.
fn word(real: f64) -> &'static str {
    if real.is_nan() {
        "NaN"
    } else if real > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// An object with one text in it.
struct Named(&'static str, String);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

const EXPECTED: &str =
    "a header value must be a string, a whole number of 64 bits, a real, a boolean, {\"base64\": \"…\"} or an array";

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(input)?;
        one(value).map_err(de::Error::custom)
    }
}

fn one(value: Value) -> Result<HeaderValue, &'static str> {
    match value {
        Value::String(text) => Ok(HeaderValue::Text(text)),
        Value::Bool(value) => Ok(HeaderValue::Boolean(value)),
        // A whole number above i64 would silently become a real: refuse it instead.
        Value::Number(number) if number.is_f64() => number.as_f64().map(HeaderValue::Real).ok_or(EXPECTED),
        Value::Number(number) => number.as_i64().map(HeaderValue::Integer).ok_or(EXPECTED),
        Value::Object(map) => named(map).ok_or(EXPECTED),
        Value::Null | Value::Array(_) => Err(EXPECTED),
    }
}

fn named(map: serde_json::Map<String, Value>) -> Option<HeaderValue> {
    let mut entries = map.into_iter();
    let (Some((name, Value::String(text))), None) = (entries.next(), entries.next()) else { return None };
    match name.as_str() {
        "base64" => Some(HeaderValue::Base64(text)),
        "real" => {
            let found = WORDS.into_iter().find(|(word, _)| *word == text);
            found.map(|(_, real)| HeaderValue::Real(real))
        }
        _ => None,
    }
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => output.serialize_str(text),
            Self::Integer(value) => output.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => output.serialize_f64(*value),
            Self::Real(value) => Named("real", word(*value).to_owned()).serialize(output),
            Self::Boolean(value) => output.serialize_bool(*value),
            Self::Base64(base64) => Named("base64", base64.clone()).serialize(output),
        }
    }
}

struct Repeated<'a>(&'a [&'a HeaderValue]);

impl Serialize for Repeated<'_> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        if let [only] = self.0 {
            return only.serialize(output);
        }
        let mut values = output.serialize_seq(Some(self.0.len()))?;
        for value in self.0 {
            values.serialize_element(value)?;
        }
        values.end()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut order: Vec<&str> = Vec::with_capacity(self.0.len());
        let mut values: BTreeMap<&str, Vec<&HeaderValue>> = BTreeMap::new();
        for (name, value) in &self.0 {
            let same = values.entry(name).or_default();
            if same.is_empty() {
                order.push(name);
            }
            same.push(value);
        }
        let mut map = output.serialize_map(Some(order.len()))?;
        for name in order {
            map.serialize_entry(name, &Repeated(&values[name]))?;
        }
        map.end()
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of header values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            // An array stands for a name that repeats.
            let values =
                if value.is_array() { serde_json::from_value(value).map_err(de::Error::custom)? } else { vec![value] };
            for value in values {
                headers.push((name.clone(), one(value).map_err(de::Error::custom)?));
            }
        }
        Ok(Headers(headers))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(InOrder)
    }
}

impl PartialSchema for HeaderValue {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new()
            .property("base64", ObjectBuilder::new().schema_type(Type::String))
            .required("base64")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let words = WORDS.map(|(word, _)| word);
        let real = ObjectBuilder::new()
            .property("real", ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)))
            .required("real")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::String))
            .item(ObjectBuilder::new().schema_type(Type::Number))
            .item(ObjectBuilder::new().schema_type(Type::Boolean))
            .item(bytes)
            .item(real)
            .description(Some("A typed value: a whole number stays whole, a real stays real, bytes go as base64."))
            .into()
    }
}

impl ToSchema for HeaderValue {
    fn name() -> std::borrow::Cow<'static, str> {
        "HeaderValue".into()
    }
}

impl PartialSchema for Headers {
    fn schema() -> RefOr<Schema> {
        let value = utoipa::openapi::Ref::from_schema_name("HeaderValue");
        let several = ArrayBuilder::new().items(value.clone()).max_items(Some(model::limits::HEADERS_MAX));
        let values: Schema = OneOfBuilder::new().item(value).item(several).into();
        ObjectBuilder::new()
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(values))))
            .max_properties(Some(model::limits::HEADERS_MAX))
            .description(Some("Named values beside the body; a name that repeats has an array of values."))
            .into()
    }
}

impl ToSchema for Headers {
    fn name() -> std::borrow::Cow<'static, str> {
        "Headers".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("HeaderValue".to_owned(), HeaderValue::schema()));
    }
}

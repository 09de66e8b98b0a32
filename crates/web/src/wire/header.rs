//! Headers of a message as JSON: an object from name to a typed value, or to several values of a repeated name.
//! Invariant: the type of a value survives: `1` is whole, `1.0` is real, bytes are `{"base64": "…"}`.
//! Order of names is kept. Used by `wire::message`; tests in `tests/translation.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Base64(Base64),
    Named(NamedReal),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    base64: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedReal {
    real: RealWord,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum RealWord {
    #[serde(rename = "NaN")]
    NotANumber,
    #[serde(rename = "Infinity")]
    Infinity,
    #[serde(rename = "-Infinity")]
    NegativeInfinity,
}

impl RealWord {
    const fn value(self) -> f64 {
        match self {
            Self::NotANumber => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegativeInfinity => f64::NEG_INFINITY,
        }
    }

    fn of(value: f64) -> Self {
        if value.is_nan() {
            Self::NotANumber
        } else if value > 0.0 {
            Self::Infinity
        } else {
            Self::NegativeInfinity
        }
    }
}

impl From<Scalar> for HeaderValue {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => Self::Text(text),
            Scalar::Boolean(value) => Self::Boolean(value),
            Scalar::Integer(value) => Self::Integer(value),
            Scalar::Real(value) => Self::Real(value),
            Scalar::Base64(Base64 { base64 }) => Self::Base64(base64),
            Scalar::Named(NamedReal { real }) => Self::Real(real.value()),
        }
    }
}

const EXPECTED: &str =
    "a header value must be a string, a whole number of 64 bits, a real, a boolean, {\"base64\": \"…\"} or an array";

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(input)?;
        one(value).map_err(de::Error::custom)
    }
}

fn one(value: serde_json::Value) -> Result<HeaderValue, &'static str> {
    // A whole number above i64 would silently become a real: refuse it instead.
    if value.is_u64() && !value.is_i64() {
        return Err(EXPECTED);
    }
    serde_json::from_value::<Scalar>(value).map(HeaderValue::from).map_err(|_| EXPECTED)
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => output.serialize_str(text),
            Self::Integer(value) => output.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => output.serialize_f64(*value),
            Self::Real(value) => NamedReal { real: RealWord::of(*value) }.serialize(output),
            Self::Boolean(value) => output.serialize_bool(*value),
            Self::Base64(base64) => Base64 { base64: base64.clone() }.serialize(output),
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
        while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
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
        let words: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
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

//! Headers of a message as JSON: an object from name to a typed value, or to several values of a repeated name.
//! Invariant: the type of a value survives: `1` is whole, `1.0` is real, bytes are `{"base64": "…"}`, and what JSON has
//! no word for is an object with the name of its type: `{"int32": 1}`, `{"time_ms": 1}`, `{"table": {…}}`.
//! Order of names is kept. Used by `wire::message`; tests in `translate/tests.rs`.

use std::collections::BTreeMap;
use std::fmt;

use model::header::Narrow;
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
    /// `null`.
    Null,
    /// `{"int8": …}` and the like, by its width.
    Narrow(Narrow),
    /// `{"single": …}`: a real of 32 bits.
    Single(f32),
    /// `{"decimal": {"scale": …, "digits": …}}`.
    Decimal(Decimal),
    /// `{"time_ms": …}`.
    Time(u64),
    /// `{"list": […]}`.
    List(Vec<HeaderValue>),
    /// `{"table": {…}}`.
    Table(Headers),
}

/// A decimal number: `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decimal {
    /// How many digits stand behind the point.
    pub scale: u8,
    /// All digits.
    pub digits: i32,
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
struct Named<T>(&'static str, T);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

const EXPECTED: &str = "a header value must be a string, a whole number of 64 bits, a real, a boolean, null, \
    {\"base64\": \"…\"}, another typed value such as {\"int32\": 1}, or an array";

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
        Value::Null => Ok(HeaderValue::Null),
        Value::Array(_) => Err(EXPECTED),
    }
}

fn named(map: serde_json::Map<String, Value>) -> Option<HeaderValue> {
    let mut entries = map.into_iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else { return None };
    let real = |value: &Value| {
        let named = || WORDS.into_iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, real)| real);
        value.as_f64().or_else(named)
    };
    Some(match name.as_str() {
        "base64" => HeaderValue::Base64(value.as_str()?.to_owned()),
        "real" => HeaderValue::Real(real(&value).filter(|real| !real.is_finite())?),
        "int8" => HeaderValue::Narrow(Narrow::I8(i8::try_from(value.as_i64()?).ok()?)),
        "uint8" => HeaderValue::Narrow(Narrow::U8(u8::try_from(value.as_i64()?).ok()?)),
        "int16" => HeaderValue::Narrow(Narrow::I16(i16::try_from(value.as_i64()?).ok()?)),
        "uint16" => HeaderValue::Narrow(Narrow::U16(u16::try_from(value.as_i64()?).ok()?)),
        "int32" => HeaderValue::Narrow(Narrow::I32(i32::try_from(value.as_i64()?).ok()?)),
        "uint32" => HeaderValue::Narrow(Narrow::U32(u32::try_from(value.as_i64()?).ok()?)),
        "single" => HeaderValue::Single(single(real(&value)?)?),
        "decimal" => HeaderValue::Decimal(serde_json::from_value(value).ok()?),
        "time_ms" => HeaderValue::Time(value.as_u64()?),
        "list" => {
            let Value::Array(values) = value else { return None };
            HeaderValue::List(values.into_iter().map(|value| one(value).ok()).collect::<Option<_>>()?)
        }
        "table" => HeaderValue::Table(serde_json::from_value(value).ok()?),
        _ => return None,
    })
}

/// The real of 32 bits that is written so; `None` when it is too large for one.
fn single(real: f64) -> Option<f32> {
    let near: f32 = real.to_string().parse().ok()?;
    (near.is_finite() == real.is_finite()).then_some(near)
}

fn name_of(number: Narrow) -> &'static str {
    match number {
        Narrow::I8(_) => "int8",
        Narrow::U8(_) => "uint8",
        Narrow::I16(_) => "int16",
        Narrow::U16(_) => "uint16",
        Narrow::I32(_) => "int32",
        Narrow::U32(_) => "uint32",
    }
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => output.serialize_str(text),
            Self::Integer(value) => output.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => output.serialize_f64(*value),
            Self::Real(value) => Named("real", word(*value)).serialize(output),
            Self::Boolean(value) => output.serialize_bool(*value),
            Self::Base64(base64) => Named("base64", base64).serialize(output),
            Self::Null => output.serialize_unit(),
            Self::Narrow(number) => Named(name_of(*number), number.get()).serialize(output),
            Self::Single(value) if value.is_finite() => Named("single", value).serialize(output),
            Self::Single(value) => Named("single", word(f64::from(*value))).serialize(output),
            Self::Decimal(decimal) => Named("decimal", decimal).serialize(output),
            Self::Time(time) => Named("time_ms", time).serialize(output),
            Self::List(values) => Named("list", values).serialize(output),
            Self::Table(headers) => Named("table", headers).serialize(output),
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

const WIDTHS: [(&str, i64, i64); 6] = [
    ("int8", -128, 127),
    ("uint8", 0, 255),
    ("int16", -32_768, 32_767),
    ("uint16", 0, 65_535),
    ("int32", -2_147_483_648, 2_147_483_647),
    ("uint32", 0, 4_294_967_295),
];

/// An object with one entry.
fn typed(name: &str, value: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    let free = Some(AdditionalProperties::FreeForm(false));
    ObjectBuilder::new().property(name, value).required(name).additional_properties(free)
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
        let mut all = OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::String))
            .item(ObjectBuilder::new().schema_type(Type::Number))
            .item(ObjectBuilder::new().schema_type(Type::Boolean))
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .item(bytes)
            .item(real);
        for (name, least, most) in WIDTHS {
            let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most));
            all = all.item(typed(name, number));
        }
        let integer = || ObjectBuilder::new().schema_type(Type::Integer);
        let decimal = ObjectBuilder::new().property("scale", integer()).property("digits", integer());
        let value = utoipa::openapi::Ref::from_schema_name("HeaderValue");
        all.item(typed(
            "single",
            OneOfBuilder::new()
                .item(ObjectBuilder::new().schema_type(Type::Number))
                .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))),
        ))
        .item(typed("decimal", decimal.required("scale").required("digits")))
        .item(typed("time_ms", integer().minimum(Some(0))))
        .item(typed("list", ArrayBuilder::new().items(value)))
        .item(typed("table", utoipa::openapi::Ref::from_schema_name("Headers")))
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
        // The headers of a message are fewer; a table among their values is bounded by the number of all values.
        let several = ArrayBuilder::new().items(value.clone()).max_items(Some(model::limits::HEADER_VALUES_MAX));
        let values: Schema = OneOfBuilder::new().item(value).item(several).into();
        ObjectBuilder::new()
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(values))))
            .max_properties(Some(model::limits::HEADER_VALUES_MAX))
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

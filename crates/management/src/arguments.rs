//! Arguments and headers: JSON in and out.
//! Invariant: what JSON can say comes back as it went in; what only AMQP can say is shown as the nearest that JSON has.
//! Used by `queues`, `exchanges`, `bindings`, `messages`; tests below.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::header::{HeaderValue, Headers};
use serde_json::{Map, Number, Value};

use crate::answer::Trouble;
use crate::limits::DEPTH_MAX;

/// Headers on their way in.
pub(crate) fn headers(fields: Map<String, Value>) -> Result<Headers, Trouble> {
    table(fields, DEPTH_MAX)
}

fn table(fields: Map<String, Value>, depth: usize) -> Result<Headers, Trouble> {
    fields.into_iter().map(|(name, value)| Ok((name, value_in(value, depth)?))).collect()
}

fn value_in(value: Value, depth: usize) -> Result<HeaderValue, Trouble> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Trouble::bad(format!("arguments nest at most {DEPTH_MAX} deep")));
    };
    Ok(match value {
        Value::Null => HeaderValue::Null,
        Value::Bool(truth) => HeaderValue::Boolean(truth),
        Value::String(text) => HeaderValue::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => HeaderValue::Integer(whole),
            (None, Some(real)) => HeaderValue::Real(real),
            (None, None) => return Err(Trouble::bad(format!("{number} is no number of 64 bits"))),
        },
        Value::Array(values) => {
            HeaderValue::List(values.into_iter().map(|value| value_in(value, depth)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => HeaderValue::Table(table(fields, depth)?),
    })
}

/// Headers on their way out; of a name that repeats the first is shown.
pub(crate) fn shown(headers: &Headers) -> Value {
    let mut fields = Map::new();
    for (name, value) in headers {
        if !fields.contains_key(name) {
            fields.insert(name.clone(), value_out(value));
        }
    }
    Value::Object(fields)
}

fn real(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn value_out(value: &HeaderValue) -> Value {
    match value {
        HeaderValue::Text(text) => Value::String(text.clone()),
        HeaderValue::Integer(number) => Value::from(*number),
        HeaderValue::Narrow(number) => Value::from(number.get()),
        HeaderValue::Real(number) => real(*number),
        HeaderValue::Single(number) => real(f64::from(*number)),
        HeaderValue::Decimal { scale, digits } => real(f64::from(*digits) / 10_f64.powi(i32::from(*scale))),
        HeaderValue::Boolean(truth) => Value::Bool(*truth),
        HeaderValue::Binary(bytes) => Value::String(STANDARD.encode(bytes)),
        HeaderValue::Null => Value::Null,
        HeaderValue::Time(at) => Value::from(at.get() / 1000),
        HeaderValue::List(values) => Value::Array(values.iter().map(value_out).collect()),
        HeaderValue::Table(headers) => shown(headers),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Headers, Trouble> {
        let Value::Object(fields) = value else { panic!("tests give objects") };
        headers(fields)
    }

    #[test]
    fn what_json_says_comes_back() {
        let value = json!({"x-max-length": 7, "ratio": 1.5, "on": true, "name": "n", "none": null,
            "list": [1, "two", {"three": 3}]});
        assert_eq!(read(value.clone()).map(|headers| shown(&headers)), Ok(value));
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        let nested = |levels: usize| (1..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(read(json!({"a": nested(DEPTH_MAX)})).is_ok());
        assert!(read(json!({"a": nested(DEPTH_MAX + 1)})).is_err());
    }
}

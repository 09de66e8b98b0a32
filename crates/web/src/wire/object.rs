//! Reads a struct from a JSON object only.
//! Derived readers also take an array with the fields in order, which no schema shows and no client should rely on.
//! Invariant: every struct of a request is read through here, at the top or inside.
//! Used by `extract::body` and the requests of `wire`; tested in `tests/parsing.rs`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A struct that was an object.
pub(crate) struct Object<T>(pub(crate) T);

struct FromMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FromMap<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(FromMap(PhantomData))
    }
}

/// A field that is an object.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    Object::deserialize(input).map(|Object(one)| one)
}

/// A field that is an object or null.
pub(super) fn object_or_null<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<Object<T>>::deserialize(input).map(|found| found.map(|Object(one)| one))
}

/// A field that is an array of objects.
pub(super) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(input).map(|all| all.into_iter().map(|Object(one)| one).collect())
}

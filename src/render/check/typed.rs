//! Checks values against types of k8s-openapi.
//!
//! Their `Deserialize` implementations pass over fields they do not know, but
//! tell the deserializer which ones they know, and ask it for a value of the
//! right type at every place. The deserializer here compares instead of
//! reading: whatever is in the document, each type is given an empty value of
//! what it asked for. So one pass visits every place, and finds everything.

use std::marker::PhantomData;

use serde::de::value::{Error, StrDeserializer, UnitDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::finding::{FieldPath, Findings, Problem};
use super::required;
use super::scalar::{self, Scalar};

/// Checks `value` against `T`.
pub(super) fn check<T: DeserializeOwned>(
    value: &Value,
    place: FieldPath<'_>,
    findings: &mut Findings,
) {
    let comparison = Comparison {
        value,
        place,
        findings,
    };
    // Types are given what they ask for, and cannot refuse it.
    let read = PhantomData::<T>.deserialize(comparison);
    debug_assert!(read.is_ok(), "{:?}", read.err());
}

/// Fields that releases of Kubernetes or schemas of operators have, and the
/// release that k8s-openapi describes has not: a type and its field.
const FORMER_FIELDS: [(&str, &str); 1] = [("PodSpec", "workloadRef")];

/// A time that every type of a time reads.
const SOME_TIME: &str = "1970-01-01T00:00:00Z";

struct Comparison<'a> {
    value: &'a Value,
    place: FieldPath<'a>,
    findings: &'a mut Findings,
}

impl Comparison<'_> {
    fn scalar(&mut self, scalar: Scalar) {
        scalar::check(scalar, self.value, self.place, self.findings);
    }

    /// Notes that the value is not what is expected. Null is the same as
    /// nothing.
    fn wrong(&mut self, expected: &'static str) {
        if !self.value.is_null() {
            self.findings.wrong_type(self.place, self.value, expected);
        }
    }

    /// Returns whether a field is the status of the document, which only
    /// controllers write.
    fn is_status(&self, field: &str) -> bool {
        field == "status" && matches!(self.place, FieldPath::Document)
    }

    fn check_fields(&mut self, name: &str, fields: &'static [&'static str]) {
        let Value::Object(object) = self.value else {
            return;
        };
        for key in object.keys() {
            if !fields.contains(&key.as_str()) && !FORMER_FIELDS.contains(&(name, key)) {
                self.findings
                    .unknown_field(self.place, key, fields.iter().copied());
            }
        }
        for field in required::fields_of(name) {
            if !object.contains_key(*field) {
                self.findings
                    .add(FieldPath::Field(&self.place, field), Problem::MissingField);
            }
        }
    }
}

impl<'de> Deserializer<'de> for Comparison<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.value.is_object() {
            self.wrong("an object");
        }
        self.check_fields(name, fields);
        let mut known = Vec::new();
        for (key, value) in self.value.as_object().into_iter().flatten() {
            // Types of whole objects compare these two with their own.
            if name == "Container" && key == "image" {
                self.findings
                    .image(FieldPath::Field(&self.place, key), value);
            }
            if matches!(key.as_str(), "apiVersion" | "kind") && fields.contains(&key.as_str()) {
                let place = FieldPath::Field(&self.place, key);
                scalar::check(Scalar::Text, value, place, self.findings);
            } else if fields.contains(&key.as_str()) && !self.is_status(key) {
                known.push((key.as_str(), value));
            }
        }
        visitor.visit_map(Entries {
            entries: known.into_iter(),
            next: None,
            place: self.place,
            findings: self.findings,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if !self.value.is_object() {
            self.wrong("an object");
        }
        let entries = self.value.as_object().into_iter().flatten();
        visitor.visit_map(Entries {
            entries: entries.map(|(key, value)| (key.as_str(), value)),
            next: None,
            place: self.place,
            findings: self.findings,
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if !self.value.is_array() {
            self.wrong("a list");
        }
        visitor.visit_seq(Items {
            items: self.value.as_array().into_iter().flatten().enumerate(),
            place: self.place,
            findings: self.findings,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let some = |text: &'static str| -> StrDeserializer<'de, Error> { text.into_deserializer() };
        match name {
            "Quantity" => {
                self.scalar(Scalar::Quantity);
                visitor.visit_newtype_struct(some("0"))
            }
            "Time" | "MicroTime" => {
                self.scalar(Scalar::Time);
                visitor.visit_newtype_struct(some(SOME_TIME))
            }
            // JSON of any form.
            _ => visitor.visit_newtype_struct(UnitDeserializer::<Error>::new()),
        }
    }

    /// Only `IntOrString` asks for this outside of the types above.
    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::IntOrString);
        visitor.visit_i64(0)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Boolean);
        visitor.visit_bool(false)
    }

    fn deserialize_i32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Int32);
        visitor.visit_i32(0)
    }

    fn deserialize_i64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Int64);
        visitor.visit_i64(0)
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Number);
        visitor.visit_f64(0.0)
    }

    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Text);
        visitor.visit_str("")
    }

    /// Only `ByteString` asks for this; texts are owned.
    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scalar(Scalar::Bytes);
        visitor.visit_str("")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier
    }
}

struct Entries<'a, I> {
    entries: I,
    next: Option<(&'a str, &'a Value)>,
    place: FieldPath<'a>,
    findings: &'a mut Findings,
}

impl<'de, 'a, I: Iterator<Item = (&'a str, &'a Value)>> MapAccess<'de> for Entries<'a, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next = self.entries.next();
        match self.next {
            Some((key, _)) => {
                let key: StrDeserializer<'_, Error> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.next.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Comparison {
            value,
            place: FieldPath::Field(&self.place, key),
            findings: self.findings,
        })
    }
}

struct Items<'a, I> {
    items: I,
    place: FieldPath<'a>,
    findings: &'a mut Findings,
}

impl<'de, 'a, I: Iterator<Item = (usize, &'a Value)>> SeqAccess<'de> for Items<'a, I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Comparison {
            value,
            place: FieldPath::Item(&self.place, index),
            findings: self.findings,
        })
        .map(Some)
    }
}

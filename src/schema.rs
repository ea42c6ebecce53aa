//! The types of files as JSON Schema (draft 2020-12), for editors and for
//! whoever checks files before kaiwo does.
//!
//! A schema takes whatever the type's parser takes; what is wrong only in its
//! details, such as a number that is too large, is left to the parser.

use serde_json::{Map, Value, json};

use crate::quantity::{ByteSize, Quantity};
use crate::time::Seconds;

#[cfg(test)]
pub mod testing;

/// A type that is read from a file.
pub trait Schema {
    /// Whether its key must be there.
    const REQUIRED: bool = true;

    /// Returns what may stand in the file.
    fn schema() -> Value;
}

/// Declares a mapping in a file once: the struct that is read, and its schema.
macro_rules! record {
    (
        $(#[$meta:meta])*
        struct $name:ident {
            $( $(#[doc = $doc:literal])+ $(#[serde($($serde:tt)+)])? $field:ident: $type:ty, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct $name {
            $( $(#[doc = $doc])+ $(#[serde($($serde)+)])? $field: $type, )+
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                $crate::schema::object([$((
                    stringify!($field),
                    concat!($($doc),+),
                    <$type as $crate::schema::Schema>::REQUIRED,
                    <$type as $crate::schema::Schema>::schema(),
                )),+])
            }
        }
    };
}
pub(crate) use record;

/// Returns the camelCase key of a field, as serde makes it.
pub fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let mut key = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (head, tail) = word.split_at(1);
        key += &head.to_uppercase();
        key += tail;
    }
    key
}

/// Returns a mapping of fields, each with its description and whether it must
/// be there, and of nothing else.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str, bool, Value)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (field, description, is_required, mut schema) in fields {
        schema["description"] = json!(description.trim());
        if is_required {
            required.push(camel_case(field));
        }
        properties.insert(camel_case(field), schema);
    }
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Returns a text that matches `pattern`, with examples. YAML calls some texts
/// numbers and booleans; they are read as they are written.
pub fn text(pattern: &str, examples: &[&str]) -> Value {
    json!({
        "type": ["string", "number", "boolean"],
        "pattern": pattern,
        "examples": examples,
    })
}

/// Lets `schema` take null as well: a key that is left empty says nothing.
pub fn or_null(mut schema: Value) -> Value {
    if let Some(forms) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        forms.push(json!({"type": "null"}));
        return schema;
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
    match schema.get_mut("type") {
        Some(Value::Array(types)) => types.push(json!("null")),
        Some(one) => *one = json!([one.clone(), "null"]),
        None => {}
    }
    schema
}

/// Makes `schema` a document of its own.
pub fn document(title: &str, description: &str, schema: Value) -> Value {
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
    });
    if let (Some(document), Value::Object(schema)) = (document.as_object_mut(), schema) {
        document.extend(schema);
    }
    document
}

impl Schema for String {
    fn schema() -> Value {
        json!({"type": ["string", "number", "boolean"]})
    }
}

impl Schema for std::path::PathBuf {
    fn schema() -> Value {
        String::schema()
    }
}

impl Schema for i64 {
    fn schema() -> Value {
        // YAML of other versions has more ways to write numbers than JSON.
        json!({"type": ["integer", "string"], "pattern": "^[-+]?[0-9][0-9A-Za-z_]*$"})
    }
}

impl<T: Schema> Schema for Option<T> {
    const REQUIRED: bool = false;

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Schema> Schema for crate::yaml::Located<T> {
    const REQUIRED: bool = T::REQUIRED;

    fn schema() -> Value {
        T::schema()
    }
}

/// Texts that are quantities: a number and a suffix or exponent.
const PATTERN: &str = r"^[-+]?[0-9_]*\.?[0-9_]*(n|u|m|k|[MGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$";

impl Schema for Quantity {
    fn schema() -> Value {
        json!({"type": ["string", "number"], "pattern": PATTERN, "examples": ["4", "500m", "32Gi"]})
    }
}

impl Schema for ByteSize {
    fn schema() -> Value {
        json!({"type": ["string", "number"], "minimum": 0, "pattern": PATTERN, "examples": ["8Mi"]})
    }
}

impl Schema for Seconds {
    fn schema() -> Value {
        let pattern = "^([-+]?[0-9]+|([0-9]+[smhd])+)$";
        json!({"type": ["string", "integer"], "minimum": 0, "pattern": pattern,
               "examples": ["90s", "30m", "1h30m", "2d"]})
    }
}

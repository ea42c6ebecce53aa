//! Values of settings, each read from the one text that a flag, a variable and
//! a file share.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{IntErrorKind, ParseIntError};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::secrecy::Confidential;
use crate::yaml::{self, deserialize_from_text};

/// What `--dry-run` asks for.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DryRun {
    /// Not a dry run: submit.
    #[cfg_attr(test, schemars(skip))]
    None,
    /// Render and print, without any connection.
    Client,
    /// Render, let the API server check it, and print its answer.
    Server,
}

impl FromStr for DryRun {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "none" | "false" => Ok(Self::None),
            "client" | "true" => Ok(Self::Client),
            "server" => Ok(Self::Server),
            _ => Err("expected none, client or server".to_owned()),
        }
    }
}

deserialize_from_text!(DryRun);

impl Schema for DryRun {
    fn schema() -> Value {
        json!({"enum": ["none", "client", "server", true, false, "true", "false"]})
    }
}

/// Something that is on or off, in the words of YAML 1.1 and in any case. Variables
/// are also set to 1 and 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "y" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "n" | "off" => Ok(Self(false)),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

impl Schema for Switch {
    fn schema() -> Value {
        // The words of YAML 1.1, which an editor takes for texts.
        let words =
            "^([yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF|[tT]rue|TRUE|[fF]alse|FALSE)$";
        json!({"type": ["boolean", "string"], "pattern": words})
    }
}

/// A list, in a variable with commas between its items, in a file as a
/// sequence or a single item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T>(pub Vec<T>);

impl<T: FromStr<Err = String>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|item| item.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for List<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(std::marker::PhantomData<T>);
        impl<'de, T: FromStr<Err = String>> serde::de::Visitor<'de> for Items<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item or a sequence of items")
            }
            fn visit_str<E: serde::de::Error>(self, item: &str) -> Result<List<T>, E> {
                item.parse().map(|item| List(vec![item])).map_err(E::custom)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element::<String>()? {
                    list.push(item.parse().map_err(serde::de::Error::custom)?);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(Items(std::marker::PhantomData))
    }
}

impl<T: Schema> Schema for List<T> {
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
}

/// Names and values, in a variable as `K=V,K=V` or as a YAML mapping, in a
/// file as a mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub BTreeMap<String, Confidential<String>>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A key with nothing below it, such as comments, says nothing.
        let pairs = Option::<BTreeMap<_, _>>::deserialize(deserializer)?;
        Ok(Self(pairs.unwrap_or_default()))
    }
}

impl FromStr for Pairs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return yaml::parse(Path::new("mapping"), text).map_err(|error| error.message);
        }
        // What is wrong is told by its number: it may be a secret.
        (1..)
            .zip(text.split(','))
            .map(|(number, item)| {
                pair(item).map_err(|_| format!("item {number}: expected KEY=VALUE"))
            })
            .collect::<Result<_, String>>()
            .map(Self)
    }
}

impl Schema for Pairs {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": String::schema()})
    }
}

/// Reads a whole number.
///
/// # Errors
/// What is wrong with it.
pub fn whole(text: &str) -> Result<i64, String> {
    let is_more = text.contains(|c: char| c.is_ascii_alphabetic() || ":=,".contains(c));
    text.parse().map_err(|error| match is_more {
        true => "expected a whole number without a unit".to_owned(),
        false => not_whole(&error),
    })
}

/// Says why a text is no number, in words for people.
pub fn not_whole(error: &ParseIntError) -> String {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "number too large",
        _ => "expected a whole number",
    }
    .to_owned()
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// What is wrong with it.
pub fn pair(text: &str) -> Result<(String, Confidential<String>), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "expected KEY=VALUE".to_owned())?;
    Ok((key.trim().to_owned(), Confidential::new(value.to_owned())))
}

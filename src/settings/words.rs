//! Words with a rule, each with what the help of its flag calls it. A value of such a type
//! has been checked, wherever it was given.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use clap::{Arg, ArgMatches};
use serde_json::Value;

use super::flag::{FlagValue, one};
use crate::names::{
    check_image, is_dns_1123_label, is_dns_1123_subdomain, is_label_value, is_qualified_name,
};
use crate::plan::Refusal;
use crate::plan::kaito::access_secret;
use crate::plan::name::check_chosen;
use crate::plan::request::schedule::{Schedule, check_time_zone};
use crate::schema::Schema;
use crate::secrecy::{is_name, named};
use crate::suggestion::{Connection, Suggestion};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A word that cannot be what it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", and(hints))]
pub struct WordError {
    /// What is wrong with it.
    pub message: String,
    /// What would be right, where the message does not say so.
    pub hints: Vec<Suggestion>,
}

impl From<String> for WordError {
    fn from(message: String) -> Self {
        Self {
            message,
            hints: Vec::new(),
        }
    }
}

impl From<Refusal> for WordError {
    fn from(refusal: Refusal) -> Self {
        Self {
            message: refusal.message,
            hints: refusal.hints,
        }
    }
}

/// Returns hints for behind a message.
fn and(hints: &[Suggestion]) -> String {
    let hints = hints
        .iter()
        .map(|hint| format!("; {}", hint.text(&Connection::NONE)));
    hints.collect()
}

macro_rules! words {
    ($( $(#[doc = $doc:literal])+ $name:ident $value:literal: $check:expr; )*) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                let check: fn(&str) -> Result<(), WordError> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl Schema for $name {
            fn schema() -> Value {
                String::schema()
            }
        }

        impl FlagValue for $name {
            fn flag(flag: Arg) -> Arg {
                flag.value_parser(Self::from_str).value_name($value)
            }

            fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
                one(matches, id)
            }
        }

        deserialize_from_text!($name);
        serialize_as_text!($name);
    )* };
}

words! {
    /// Name of a workload, which its kind may hold to fewer letters.
    WorkloadName "NAME": |text| Ok(check_chosen(text, 63, "")?);
    /// Path of the probes.
    HealthPath "PATH": health_path;
    /// When a CronJob starts its Jobs, perhaps with its time zone.
    CronText "CRON": |text| Ok(Schedule::new(text).map(|_| ())?);
    /// Time zone of that.
    TimeZone "ZONE": |text| Ok(check_time_zone(text)?);
    /// Secret with the token for a model, perhaps with its key.
    AccessSecret "SECRET": |text| Ok(access_secret(text).map(|_| ())?);
    /// Name of a namespace.
    Namespace "NAMESPACE": |text| rule(
        text,
        "namespace",
        is_dns_1123_label(text),
        "use up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    );
    /// Name of a LocalQueue or a ClusterQueue.
    QueueName "QUEUE": |text| rule(text, "queue", is_dns_1123_subdomain(text), NAME);
    /// Name of a WorkloadPriorityClass.
    PriorityClassName "NAME": |text| rule(text, "priority class", is_dns_1123_subdomain(text), NAME);
    /// Name of a ServiceAccount.
    ServiceAccountName "NAME": |text| rule(text, "service account", is_dns_1123_subdomain(text), NAME);
    /// Reference of an image.
    ImageRef "IMAGE": image;
    /// Extended resource of a GPU.
    GpuResource "NAME": |text| rule(
        text,
        "GPU resource",
        text.split_once('/').is_some_and(|(domain, name)| {
            is_dns_1123_subdomain(domain) && !name.is_empty() && is_label_value(name)
        }),
        "use an extended resource such as amd.com/gpu",
    );
    /// Key of a label.
    LabelKey "KEY": |text| rule(
        text,
        "GPU node label",
        is_qualified_name(text),
        "use the key of a label such as nvidia.com/gpu.count",
    );
    /// Version of Ray.
    RayVersion "VERSION": |text| rule(
        text,
        "Ray version",
        !text.is_empty() && is_label_value(text),
        "use a version such as 2.46.0",
    );
    /// A model, by its name in KAITO's catalogue or on Hugging Face.
    ModelRef "MODEL": |text| rule(
        text,
        "model",
        is_one_word(text),
        "use a model of KAITO's catalogue such as phi-4, or org/name",
    );
    /// Type of virtual machine.
    InstanceType "TYPE": |text| rule(
        text,
        "instance type",
        is_one_word(text),
        "use a type of virtual machine such as Standard_NC24ads_A100_v4",
    );
    /// A word that names and labels are made of.
    Part "VERSION": |text| rule(
        text,
        "word",
        !text.trim().is_empty() && !text.contains('\0'),
        "it must not be empty",
    );
}

/// What the names of most objects are made of.
const NAME: &str = "use a-z, 0-9, - and ., with a letter or digit at both ends";

fn rule(text: &str, what: &str, holds: bool, otherwise: &str) -> Result<(), WordError> {
    match holds {
        true => Ok(()),
        false => Err(format!("invalid {what} {}: {otherwise}", named(text)).into()),
    }
}

fn health_path(text: &str) -> Result<(), WordError> {
    let instead = match is_name(text) {
        true => format!("use /{text}"),
        false => "use a path such as /health".to_owned(),
    };
    let otherwise = format!("must begin with /; {instead}");
    rule(text, "health path", text.starts_with('/'), &otherwise)
}

fn image(text: &str) -> Result<(), WordError> {
    check_image(text).map_err(|error| {
        // What may be secret is not offered either.
        let instead = match error.instead.filter(|_| is_name(text)) {
            Some(instead) => format!("did you mean {instead}?"),
            None => "write it as registry/organisation/image:tag".to_owned(),
        };
        format!(
            "image {} cannot be pulled: {}; {instead}",
            named(text),
            error.reason
        )
        .into()
    })
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

//! How close together the pods of a workload are placed: `--topology`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::api::keys::{PREFERRED_TOPOLOGY_ANNOTATION, REQUIRED_TOPOLOGY_ANNOTATION};
use crate::names::is_qualified_name;
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A level of a topology in which all working pods are placed: `LEVEL[:required]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyWish {
    /// Label of nodes, or the last word of one, such as `rack`.
    pub level: String,
    /// Whether they wait where no domain holds them all. Otherwise Kueue then tries the
    /// next wider level.
    pub required: bool,
}

impl TopologyWish {
    /// Returns whether the level is a whole label, and not a word for one.
    pub fn is_label(&self) -> bool {
        self.level.contains('/')
    }

    /// Returns the annotation of pods by which Kueue is told.
    pub fn annotation(required: bool) -> &'static str {
        match required {
            true => REQUIRED_TOPOLOGY_ANNOTATION,
            false => PREFERRED_TOPOLOGY_ANNOTATION,
        }
    }
}

impl FromStr for TopologyWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (level, mode) = text.split_once(':').unwrap_or((text, "preferred"));
        let required = match mode {
            "required" => true,
            "preferred" => false,
            _ => return Err("after the colon, use \"required\" or \"preferred\"".to_owned()),
        };
        if !is_qualified_name(level) {
            return Err("expected LEVEL or LEVEL:required, such as rack:required".to_owned());
        }
        Ok(Self {
            level: level.to_owned(),
            required,
        })
    }
}

impl fmt::Display for TopologyWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.required { ":required" } else { "" };
        write!(f, "{}{mode}", self.level)
    }
}

deserialize_from_text!(TopologyWish);
serialize_as_text!(TopologyWish);

impl Schema for TopologyWish {
    fn schema() -> Value {
        let pattern = "^[A-Za-z0-9][A-Za-z0-9._/-]*(:(required|preferred))?$";
        schema::text(pattern, &["rack", "rack:required"])
    }
}

/// Label of the nodes of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelLabel(pub String);

impl FromStr for LevelLabel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match is_qualified_name(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(
                "expected the key of a label, such as cloud.example.com/topology-rack".to_owned(),
            ),
        }
    }
}

impl fmt::Display for LevelLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LevelLabel> for String {
    fn from(label: LevelLabel) -> Self {
        label.0
    }
}

deserialize_from_text!(LevelLabel);
serialize_as_text!(LevelLabel);

impl Schema for LevelLabel {
    fn schema() -> Value {
        String::schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_preferred_unless_it_is_required() {
        let parse = |text: &str| text.parse::<TopologyWish>();
        let rack = parse("rack").unwrap();
        assert!(!rack.required && !rack.is_label());
        let label = parse("cloud.example.com/rack:required").unwrap();
        assert!(label.required && label.is_label());
        assert_eq!(label.to_string(), "cloud.example.com/rack:required");
        assert_eq!(parse("rack:preferred").unwrap(), rack);
        for wrong in ["", ":required", "rack:must", "a b", "a/b/c"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! Findings of a check, each with its place in the document.

use std::fmt;

use serde_json::Value;

use crate::names::{ImageError, check_image, nearest};
use crate::secrecy::is_name;

/// Most findings that are kept of one document: who sees so many looks at
/// the first ones.
pub const MOST_FINDINGS: usize = 20;

/// What is wrong with one place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The place, as Kubernetes writes it:
    /// `spec.template.spec.containers[0].imagee`. Empty for the document.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The object has no such field.
    UnknownField {
        /// The field that was probably meant.
        nearest: Option<String>,
    },
    /// Something else belongs there.
    WrongType {
        /// What belongs there: `an integer`.
        expected: &'static str,
        /// What is there: `"3" is a string`.
        found: String,
    },
    /// It is the reference of an image, and no kubelet can pull it.
    NotAnImage(ImageError),
    /// A required field is not there; the path is the field's.
    MissingField,
    /// Of these fields exactly one has to be there.
    NotExactlyOne {
        /// The fields.
        of: &'static [&'static str],
        /// Whether several are there, rather than none.
        several: bool,
    },
}

impl Mismatch {
    /// Returns the names of the fields that lead to the object with the
    /// place in it, outermost first, without the indexes and keys in brackets.
    pub fn fields_above(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        let mut rest = self.path.as_str();
        while !rest.is_empty() {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            fields.extend(Some(&rest[..end]).filter(|field| !field.is_empty()));
            let behind_bracket = rest[end..].starts_with('[').then(|| rest[end..].find(']'));
            rest = match behind_bracket {
                Some(close) => &rest[close.map_or(rest.len(), |close| end + close + 1)..],
                None => rest.get(end + 1..).unwrap_or_default(),
            };
        }
        if !self.path.ends_with(']') {
            fields.pop();
        }
        fields
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.problem {
            Problem::UnknownField { nearest: None } => f.write_str("unknown field"),
            Problem::UnknownField {
                nearest: Some(nearest),
            } => write!(f, "unknown field; did you mean {nearest}?"),
            Problem::WrongType { expected, found } => {
                write!(f, "{found}, expected {expected}")
            }
            Problem::NotAnImage(ImageError { reason, instead }) => {
                write!(f, "invalid image: {reason}")?;
                match instead {
                    Some(instead) => write!(f, "; did you mean {instead}?"),
                    None => Ok(()),
                }
            }
            Problem::MissingField => f.write_str("required, but missing"),
            Problem::NotExactlyOne { of, several } => match several {
                true => write!(f, "{} are mutually exclusive", of.join(" and ")),
                false => write!(f, "one of {} is required", of.join(" or ")),
            },
        }
    }
}

/// A place in a document, as the chain of steps that lead there.
#[derive(Clone, Copy)]
pub(super) enum FieldPath<'a> {
    Document,
    /// A field of an object, or a key of a map.
    Field(&'a FieldPath<'a>, &'a str),
    /// An item of a list.
    Item(&'a FieldPath<'a>, usize),
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        match self {
            FieldPath::Document => Ok(()),
            FieldPath::Field(FieldPath::Document, name) if plain(name) => f.write_str(name),
            FieldPath::Field(above, name) if plain(name) => write!(f, "{above}.{name}"),
            FieldPath::Field(above, name) => write!(f, "{above}[{name}]"),
            FieldPath::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// Who reads a part of a document first at the API server, which decides what
/// passes for an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadBy {
    /// Go's decoder, for built-in kinds and all metadata: `3.0` is none.
    Decoder,
    /// The schema of a CustomResourceDefinition: `3.0` is one, and `1.5` is no
    /// quantity.
    Schema,
    /// Kueue's webhook, which writes quantities anew, and then the schema
    /// (Kueue v0.18, of a RayJob).
    WebhookAndSchema,
}

/// Collects what is found.
pub(super) struct Findings {
    pub(super) found: Vec<Mismatch>,
    pub(super) read_by: ReadBy,
    /// Whether values are left out of what is said.
    pub(super) secret: bool,
}

impl Findings {
    pub(super) fn new(read_by: ReadBy) -> Self {
        Self {
            found: Vec::new(),
            read_by,
            secret: false,
        }
    }

    pub(super) fn add(&mut self, place: FieldPath<'_>, problem: Problem) {
        if self.found.len() < MOST_FINDINGS {
            self.found.push(Mismatch {
                path: place.to_string(),
                problem,
            });
        }
    }

    /// Checks a container's image. One that is empty is filled in by who makes the
    /// pods: KubeRay does.
    pub(super) fn image(&mut self, place: FieldPath<'_>, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty())
            && let Err(mut error) = check_image(text)
        {
            // What may be secret is not offered.
            error.instead = error.instead.filter(|_| is_name(text));
            self.add(place, Problem::NotAnImage(error));
        }
    }

    pub(super) fn unknown_field<'k>(
        &mut self,
        place: FieldPath<'_>,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let nearest = nearest(name, known.into_iter().map(str::to_owned));
        self.add(
            FieldPath::Field(&place, name),
            Problem::UnknownField { nearest },
        );
    }

    pub(super) fn wrong_type(
        &mut self,
        place: FieldPath<'_>,
        value: &Value,
        expected: &'static str,
    ) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        // The value of a variable may be secret, too.
        let is_secret = self.secret || matches!(place, FieldPath::Field(_, "value"));
        let found = match value {
            Value::Bool(_) | Value::Number(_) if !is_secret => format!("{value} is {kind}"),
            // Numbers and amounts in quotes; other texts may be secret.
            Value::String(text) if !is_secret && is_amount(text) => format!("{value} is {kind}"),
            _ => format!("this is {kind}"),
        };
        self.add(place, Problem::WrongType { expected, found });
    }
}

/// Returns whether a text begins as a number does, and is as short.
fn is_amount(text: &str) -> bool {
    text.len() <= 10 && text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lead_to_a_place() {
        for (path, fields) in [
            ("sepc", &[][..]),
            ("spec.x", &["spec"]),
            ("spec.containers[0].imagee", &["spec", "containers"]),
            ("spec.args[10]", &["spec", "args"]),
            ("metadata.labels[a.b/c]", &["metadata", "labels"]),
            ("", &[]),
        ] {
            let problem = Problem::MissingField;
            let path = path.to_owned();
            assert_eq!(Mismatch { path, problem }.fields_above(), fields);
        }
    }
}

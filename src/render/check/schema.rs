//! What the fields of custom kinds may hold.

use serde_json::{Map, Value};

use super::finding::{FieldPath, Findings, Problem};
use super::scalar::{self, Scalar};

/// Checks a value against a type of k8s-openapi.
pub(super) type TypeCheck = fn(&Value, FieldPath<'_>, &mut Findings);

/// What may be at a place.
#[derive(Debug)]
pub enum Shape {
    /// A single value.
    Scalar(Scalar),
    /// A list of such values.
    List(Box<Shape>),
    /// Values under keys of any name.
    Map(Box<Shape>),
    /// An object of these fields.
    Object(ObjectSchema),
    /// An object of Kubernetes, such as a pod template.
    BuiltIn(BuiltIn),
    /// Anything; somebody else judges it.
    Anything,
}

/// A type of k8s-openapi.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn(pub(super) TypeCheck);

/// An object, its fields, and which of them exclude each other.
#[derive(Debug)]
pub struct ObjectSchema {
    pub fields: Vec<Field>,
    /// Of each of these groups exactly one field is there.
    pub exactly_one_of: Vec<&'static [&'static str]>,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// What may be there.
    pub shape: Shape,
    /// Whether it has to be there.
    pub required: bool,
}

impl Shape {
    pub(super) fn check(&self, value: &Value, place: FieldPath<'_>, findings: &mut Findings) {
        match (self, value) {
            // Null is the same as nothing.
            (Self::Anything, _) | (_, Value::Null) => {}
            (Self::Scalar(scalar), _) => scalar::check(*scalar, value, place, findings),
            (Self::BuiltIn(BuiltIn(check)), _) => check(value, place, findings),
            (Self::List(item), Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    item.check(value, FieldPath::Item(&place, index), findings);
                }
            }
            (Self::Map(item), Value::Object(entries)) => {
                for (key, value) in entries {
                    item.check(value, FieldPath::Field(&place, key), findings);
                }
            }
            (Self::Object(object), Value::Object(entries)) => {
                object.check(entries, &[], place, findings);
            }
            (Self::List(_), _) => findings.wrong_type(place, value, "a list"),
            (Self::Map(_) | Self::Object(_), _) => {
                findings.wrong_type(place, value, "an object");
            }
        }
    }
}

impl ObjectSchema {
    /// Returns the field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Checks the entries but those that are named `beside`.
    pub(super) fn check(
        &self,
        entries: &Map<String, Value>,
        beside: &[&str],
        place: FieldPath<'_>,
        findings: &mut Findings,
    ) {
        for (key, value) in entries {
            match self.field(key) {
                Some(field) => field
                    .shape
                    .check(value, FieldPath::Field(&place, key), findings),
                None if beside.contains(&key.as_str()) => {}
                None => {
                    let known = self.fields.iter().map(|field| field.name);
                    findings.unknown_field(place, key, known);
                }
            }
        }
        for field in &self.fields {
            if field.required && !entries.contains_key(field.name) {
                findings.add(FieldPath::Field(&place, field.name), Problem::MissingField);
            }
        }
        for group in &self.exactly_one_of {
            let given = group
                .iter()
                .filter(|name| entries.contains_key(**name))
                .count();
            if given != 1 {
                let several = given > 1;
                findings.add(place, Problem::NotExactlyOne { of: group, several });
            }
        }
    }
}

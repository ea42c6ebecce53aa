//! The custom kinds that are known here, by the table that `cargo xtask schemas` makes of
//! the operators' own definitions.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, PodTemplateSpec, ResourceRequirements, SecurityContext,
    Service, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::scalar::Scalar;
use super::schema::{BuiltIn, Field, ObjectSchema, Shape, TypeCheck};
use super::typed;
use crate::vocabulary::rows;

/// A custom kind: where its own fields are, and their schema.
#[derive(Debug)]
pub struct CustomKind {
    /// Group and version.
    pub api_version: &'static str,
    pub kind: &'static str,
    /// Whether the fields are under `spec`, rather than beside `metadata`.
    pub has_spec: bool,
    /// The fields.
    pub schema: ObjectSchema,
}

/// The custom kinds that are known here.
pub static CUSTOM_KINDS: LazyLock<Vec<CustomKind>> = LazyLock::new(|| {
    let all: Vec<Row> = rows(include_str!("../../../data/custom-kinds.tsv")).collect();
    let kinds = all.chunk_by(|one, other| one[0] == other[0]);
    let known = kinds.filter_map(|rows| {
        let (api_version, kind) = rows[0][0].rsplit_once('/')?;
        let has_spec = rows[0][1].starts_with("spec.");
        let place = if has_spec { "spec." } else { "" };
        Some(CustomKind {
            api_version,
            kind,
            has_spec,
            schema: object(rows, place),
        })
    });
    known.collect()
});

/// Kind, field, shape and presence.
type Row = [&'static str; 4];

/// Types of Kubernetes that are parts of custom kinds.
const BUILT_IN: [(&str, TypeCheck); 11] = [
    ("EnvFromSource", typed::check::<EnvFromSource>),
    ("EnvVar", typed::check::<EnvVar>),
    ("EnvVarSource", typed::check::<EnvVarSource>),
    ("LabelSelector", typed::check::<LabelSelector>),
    ("ObjectMeta", typed::check::<ObjectMeta>),
    ("PodTemplateSpec", typed::check::<PodTemplateSpec>),
    ("ResourceRequirements", typed::check::<ResourceRequirements>),
    ("SecurityContext", typed::check::<SecurityContext>),
    ("Service", typed::check::<Service>),
    // The sources of a volume are fields of the volume itself.
    ("Volume", typed::check::<Volume>),
    ("VolumeMount", typed::check::<VolumeMount>),
];

/// Fields of which the operator, or its webhook, takes exactly one, which the
/// definitions do not say: the kind, the object, the fields.
static EXACTLY_ONE: [(&str, &str, [&str; 2]); 5] = [
    ("RayJob", "spec.", ["rayClusterSpec", "clusterSelector"]),
    (
        "RayCronJob",
        "spec.jobTemplate.",
        ["rayClusterSpec", "clusterSelector"],
    ),
    (
        "",
        "deletionRules[].condition.",
        ["jobDeploymentStatus", "jobStatus"],
    ),
    ("Workspace", "", ["inference", "tuning"]),
    ("", "inference.", ["preset", "template"]),
];

/// Returns the object whose fields begin with `place`.
fn object(rows: &[Row], place: &str) -> ObjectSchema {
    let kind = rows[0][0].rsplit('/').next().unwrap_or_default();
    let fields = rows.iter().filter_map(|[_, path, shape, presence]| {
        let name = path.strip_prefix(place)?;
        (!name.contains('.')).then(|| Field {
            name,
            shape: self::shape(rows, path, shape),
            required: *presence == "required",
        })
    });
    let groups = EXACTLY_ONE.iter().filter(|(of, at, _)| match *of {
        "" => place.ends_with(at),
        of => of == kind && place == *at,
    });
    ObjectSchema {
        fields: fields.collect(),
        exactly_one_of: groups.map(|(.., group)| &group[..]).collect(),
    }
}

/// Returns what may be at the place `path`.
fn shape(rows: &[Row], path: &str, word: &str) -> Shape {
    if let Some((container, item)) = word.split_once(' ') {
        let item = Box::new(self::shape(rows, &format!("{path}[]"), item));
        return match container {
            "map" => Shape::Map(item),
            _ => Shape::List(item),
        };
    }
    match word {
        "text" => Shape::Scalar(Scalar::Text),
        "integer" => Shape::Scalar(Scalar::Int32),
        "long" => Shape::Scalar(Scalar::Int64),
        "number" => Shape::Scalar(Scalar::Number),
        "boolean" => Shape::Scalar(Scalar::Boolean),
        "quantity" => Shape::Scalar(Scalar::Quantity),
        "object" => Shape::Object(object(rows, &format!("{path}."))),
        word => match BUILT_IN.iter().find(|(name, _)| *name == word) {
            Some((_, check)) => Shape::BuiltIn(BuiltIn(*check)),
            None => Shape::Anything,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_the_table_is_known() {
        let table = include_str!("../../../data/custom-kinds.tsv");
        for [kind, field, shape, presence] in rows(table) {
            let shape = shape.split(' ').next_back().unwrap();
            let is_plain = matches!(
                shape,
                "text" | "integer" | "long" | "number" | "boolean" | "quantity" | "object"
            );
            let is_built_in = BUILT_IN.iter().any(|(name, _)| *name == shape);
            assert!(
                is_plain || is_built_in || shape == "anything",
                "{kind} {field}"
            );
            assert!(
                matches!(presence, "required" | "optional"),
                "{kind} {field}"
            );
        }
        let kinds: Vec<&str> = CUSTOM_KINDS.iter().map(|known| known.kind).collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
        for (kind, place, fields) in &EXACTLY_ONE {
            let mut all = rows(table);
            let whole = format!("{place}{}", fields[0]);
            let is = |[of, field, ..]: Row| of.ends_with(kind) && field.ends_with(&whole);
            assert!(all.any(is), "{kind} {whole}");
        }
    }
}

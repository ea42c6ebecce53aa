//! Our schemas of custom kinds against the CustomResourceDefinitions that
//! the operators publish.

use kaiwo::render::check::scalar::Scalar;
use kaiwo::render::check::schema::{ObjectSchema, Shape};
use kaiwo::render::check::{CUSTOM_KINDS, CustomKind, Problem, check};
use serde_json::{Map, Value, json};

use crate::common::skip;

/// Checks our schema of `kind` against a CustomResourceDefinition: the same
/// fields of the same types, and every field of its pod templates is known.
#[track_caller]
pub fn agree(kind: &CustomKind, definition: &Value) {
    let (_, version) = kind.api_version.split_once('/').unwrap();
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let whole = versions
        .iter()
        .find(|served| served["name"] == version)
        .map(|served| &served["schema"]["openAPIV3Schema"])
        .unwrap_or_else(|| panic!("upstream has no {} {}", kind.api_version, kind.kind));
    let (place, own) = match kind.has_spec {
        true => ("spec", &whole["properties"]["spec"]),
        false => ("", whole),
    };
    let mut differences = Vec::new();
    compare_objects(&kind.schema, own, place, &mut differences);
    assert!(
        differences.is_empty(),
        "{} {}:\n{}",
        kind.api_version,
        kind.kind,
        differences.join("\n")
    );

    let mut document = specimen(whole, &Value::Null);
    document["apiVersion"] = kind.api_version.into();
    document["kind"] = kind.kind.into();
    knows(&document);
}

/// Checks that nothing is found in a document that has every field.
#[track_caller]
pub fn knows(document: &Value) {
    let found: Vec<String> = check(document)
        .iter()
        .filter(|finding| !matches!(finding.problem, Problem::NotExactlyOne { .. }))
        .map(ToString::to_string)
        .collect();
    assert!(
        found.is_empty(),
        "{} {}:\n{}",
        document["apiVersion"],
        document["kind"],
        found.join("\n")
    );
}

fn compare_objects(
    ours: &ObjectSchema,
    theirs: &Value,
    place: &str,
    differences: &mut Vec<String>,
) {
    let properties = theirs["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let is_root = place.is_empty();
    for name in properties.keys() {
        let of_every_object = matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        if ours.field(name).is_none() && !(is_root && of_every_object) {
            differences.push(format!("{place}.{name} is upstream only"));
        }
    }
    for field in &ours.fields {
        let place = format!("{place}.{}", field.name);
        let Some(property) = properties.get(field.name) else {
            differences.push(format!("{place} is ours only"));
            continue;
        };
        let required = theirs["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name == field.name));
        // What has a default need not be written.
        if field.required != (required && property.get("default").is_none()) {
            differences.push(format!("{place} is required by one side only"));
        }
        compare_shapes(&field.shape, property, &place, differences);
    }
}

fn compare_shapes(ours: &Shape, theirs: &Value, place: &str, differences: &mut Vec<String>) {
    let is = |kind: &str| theirs["type"] == kind;
    let is_flagged = |flag: &str| theirs[flag] == true;
    let same = match ours {
        Shape::Scalar(Scalar::Text) => is("string"),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => is("integer"),
        Shape::Scalar(Scalar::Number) => is("number"),
        Shape::Scalar(Scalar::Boolean) => is("boolean"),
        Shape::Scalar(Scalar::Quantity) => is_flagged("x-kubernetes-int-or-string"),
        Shape::Scalar(_) => false,
        // The rest of it is in the specimen.
        Shape::BuiltIn(_) => is("object") || is_flagged("x-kubernetes-preserve-unknown-fields"),
        // The operator's part of the object.
        Shape::Anything => {
            is_flagged("x-kubernetes-preserve-unknown-fields") || place.ends_with(".status")
        }
        Shape::List(item) => {
            compare_items(item, &theirs["items"], place, differences);
            is("array")
        }
        Shape::Map(item) => {
            compare_shapes(item, &theirs["additionalProperties"], place, differences);
            is("object")
        }
        Shape::Object(object) => {
            compare_objects(object, theirs, place, differences);
            is("object")
        }
    };
    if !same {
        differences.push(format!(
            "{place} has another type upstream: {}",
            theirs["type"]
        ));
    }
}

fn compare_items(item: &Shape, theirs: &Value, place: &str, differences: &mut Vec<String>) {
    compare_shapes(item, theirs, &format!("{place}[]"), differences);
}

/// Returns a value that has every field of an OpenAPI schema. `components`
/// holds what the schema refers to.
pub fn specimen(schema: &Value, components: &Value) -> Value {
    let referred = schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = referred.and_then(|path| path.rsplit('/').next()) {
        return specimen(&components[name], components);
    }
    if schema["x-kubernetes-int-or-string"] == true || !schema["oneOf"].is_null() {
        return json!(1);
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        (Some("string"), Some("byte")) => json!("YQ=="),
        (Some("string"), _) => json!("a"),
        (Some("integer"), _) => json!(1),
        (Some("number"), _) => json!(1.5),
        (Some("boolean"), _) => json!(true),
        (Some("array"), _) => json!([specimen(&schema["items"], components)]),
        (Some("object"), _) if schema["properties"].is_object() => {
            let properties = schema["properties"].as_object().unwrap();
            let field = |(name, property): (&String, &Value)| {
                (name.clone(), specimen(property, components))
            };
            Value::Object(properties.iter().map(field).collect::<Map<_, _>>())
        }
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            json!({"key": specimen(&schema["additionalProperties"], components)})
        }
        _ => json!({}),
    }
}

/// Returns whether the operators' own definitions can be read.
pub fn is_at_hand() -> bool {
    std::env::var_os("KAIWO_UPSTREAM_CRDS").is_some()
}

/// Reads KAITO's definition of a kind, where `KAIWO_UPSTREAM_CRDS` says where
/// they are.
pub fn kaito(kind: &str) -> Option<Value> {
    let directory = std::env::var_os("KAIWO_UPSTREAM_CRDS")?;
    let name = format!("kaito.sh_{}s.yaml", kind.to_lowercase());
    let path = std::path::Path::new(&directory).join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    kaiwo::yaml::parse_documents(&path, &text)
        .unwrap()
        .into_iter()
        .next()
}

#[test]
fn schemas_of_kaito_are_those_upstream() {
    for kind in CUSTOM_KINDS.iter() {
        if !kind.api_version.starts_with("kaito.sh/") {
            continue;
        }
        let Some(definition) = kaito(kind.kind) else {
            return skip("KAIWO_UPSTREAM_CRDS names no directory with KAITO's own");
        };
        agree(kind, &definition);
    }
}

//! `docs/schemas/v1` and the goldens in `tests/json`: every golden is valid, and has
//! nothing that its schema does not mention. That the schemas are what the types say is
//! tested beside the types (`schemas_are_current`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::common::checkout;

/// Reads the committed schemas, by kind.
fn schemas() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(checkout("docs/schemas/v1")).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let kind = name.strip_suffix(".schema.json").unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (kind, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

/// Reads the goldens, each with its name.
fn goldens() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(checkout("tests/json")).unwrap();
    let goldens: Vec<(String, Value)> = files
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let body = text.splitn(3, "---\n").last().unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(body).unwrap())
        })
        .collect();
    assert!(goldens.len() > 50, "the goldens are read");
    goldens
}

/// Returns a schema that takes what this release writes and nothing more: the words that
/// are examples for programs are all there are, and no further fields.
fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(object) => {
            for value in object.values_mut() {
                *value = strict(value.take());
            }
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            if let Some(words) = object.remove("examples") {
                object.insert("enum".to_owned(), words);
            }
        }
        Value::Array(parts) => {
            for part in parts {
                *part = strict(part.take());
            }
        }
        _ => {}
    }
    schema
}

#[test]
fn every_golden_is_valid() {
    let validators: BTreeMap<String, _> = schemas()
        .into_iter()
        .map(|(kind, schema)| {
            jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
            let both = [schema.clone(), strict(schema)];
            (
                kind,
                both.map(|schema| jsonschema::validator_for(&schema).unwrap()),
            )
        })
        .collect();
    let mut seen = BTreeSet::new();
    for (name, report) in goldens() {
        let kind = report["kind"].as_str().unwrap();
        let both = validators.get(kind);
        for validator in both.unwrap_or_else(|| panic!("no schema of {kind}")) {
            let errors: Vec<String> = validator
                .iter_errors(&report)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
        seen.insert(kind.to_owned());
    }
    let kinds: BTreeSet<String> = validators.into_keys().collect();
    assert_eq!(kinds, seen, "a schema without a golden");
}

/// A later release may add fields and words, and break nothing that reads this one.
#[test]
fn schemas_take_what_later_releases_add() {
    let schemas = schemas();
    for (name, mut report) in goldens() {
        report["addedLater"] = json!({"a": [1]});
        for word in ["outcome", "status", "class"] {
            if report.get(word).is_some() {
                report[word] = json!("aWordOfLater");
            }
        }
        let schema = &schemas[report["kind"].as_str().unwrap()];
        assert!(jsonschema::is_valid(schema, &report), "{name}");
        report["kind"] = json!("Another");
        assert!(!jsonschema::is_valid(schema, &report), "{name}");
    }
}

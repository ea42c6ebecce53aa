//! The offline check of documents against a real API server.

use kaiwo::render::check::required::required_fields;
use kaiwo::render::check::{CUSTOM_KINDS, Finding, Problem, built_in_kinds, check};
use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use crate::upstream;

/// Returns the OpenAPI document of a group and version.
fn open_api(testbed: &Testbed, api_version: &str) -> Value {
    let root = if api_version.contains('/') {
        "apis"
    } else {
        "api"
    };
    testbed.get(&format!("/openapi/v3/{root}/{api_version}"))
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn every_field_that_the_api_server_knows_is_known() {
    let testbed = Testbed::new("fields");
    for (api_version, kind) in built_in_kinds() {
        let document = open_api(&testbed, api_version);
        let components = &document["components"]["schemas"];
        let (name, schema) = components
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, schema)| {
                let kinds = &schema["x-kubernetes-group-version-kind"];
                kinds
                    .as_array()
                    .is_some_and(|kinds| kinds.len() == 1 && kinds[0]["kind"] == kind)
            })
            .unwrap_or_else(|| panic!("{api_version} {kind} is not served"));
        assert!(!name.ends_with("List"));
        let mut document = upstream::specimen(schema, components);
        document["apiVersion"] = api_version.into();
        document["kind"] = kind.into();
        upstream::knows(&document);

        for (name, fields) in required_fields() {
            let schemas = components.as_object().unwrap().iter();
            for (full_name, schema) in schemas {
                if full_name.rsplit('.').next() == Some(name) {
                    for field in *fields {
                        let required = schema["required"].as_array();
                        assert!(
                            required.is_some_and(|names| names.iter().any(|name| name == field)),
                            "{full_name} does not require {field}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn schemas_of_kuberay_and_kueue_are_those_of_the_operators() {
    let testbed = Testbed::new("schemas");
    for kind in CUSTOM_KINDS {
        let (group, _) = kind.api_version.split_once('/').unwrap();
        if group == "kaito.sh" {
            continue;
        }
        let name = format!("{}s.{group}", kind.kind.to_lowercase());
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        upstream::agree(&kind, &testbed.get(&path));
    }
}

/// One change of a document, and what it was.
struct Mutation {
    what: String,
    document: Value,
}

/// Returns every change of one place of `document`: a field under another
/// name, a value of another type, nothing.
fn mutations(document: &Value) -> Vec<Mutation> {
    let mut pointers = Vec::new();
    collect_pointers(document, "", &mut pointers);
    // These two the API server takes from the path of the request too.
    pointers.retain(|pointer| !matches!(pointer.as_str(), "/apiVersion" | "/kind"));
    let mut mutations = Vec::new();
    for pointer in pointers {
        let value = document.pointer(&pointer).unwrap();
        let others = [
            json!(7),
            json!("text"),
            json!(true),
            json!([]),
            json!({}),
            json!(null),
            json!(1.5),
            json!(3.0),
            json!(5_000_000_000_u64),
        ];
        for other in others.into_iter().filter(|other| other != value) {
            let mut document = document.clone();
            let what = format!("{pointer} = {other}");
            *document.pointer_mut(&pointer).unwrap() = other;
            mutations.push(Mutation { what, document });
        }
        let (above, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        let mut removed = document.clone();
        if let Some(fields) = removed.pointer_mut(above).and_then(Value::as_object_mut) {
            let value = fields.remove(&name).unwrap();
            let mut renamed = removed.clone();
            renamed.pointer_mut(above).unwrap()[format!("{name}e")] = value;
            mutations.push(Mutation {
                what: format!("{pointer} renamed"),
                document: renamed,
            });
            mutations.push(Mutation {
                what: format!("{pointer} removed"),
                document: removed,
            });
        }
    }
    mutations
}

fn collect_pointers(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        let pointer = format!("{pointer}/{name}");
        pointers.push(pointer.clone());
        collect_pointers(value, &pointer, pointers);
    }
}

/// Returns whether the API server refuses for an unknown field or a type,
/// rather than for a value or a rule.
fn is_about_the_form(message: &str) -> bool {
    let words = [
        "unknown field",
        "cannot unmarshal",
        "must be of type",
        "quantities must match",
        "illegal base64",
    ];
    // Kueue's webhooks write lists and maps of a RayJob that are missing as
    // null, which its schema then refuses.
    words.iter().any(|words| message.contains(words)) && !message.contains("\"null\"")
}

/// Returns whether a finding is a missing field of a RayJob. Kueue's webhooks
/// fill those with empty values before the schema is asked, which then takes
/// what neither KubeRay nor a pod can have.
fn is_filled_by_kueue(kind: &str, finding: &Finding) -> bool {
    kind == "RayJob" && finding.problem == Problem::MissingField
}

/// Returns what kaiwo finds that the API server judges too.
fn judged_by_both(document: &Value) -> Vec<Finding> {
    let mut findings = check(document);
    findings.retain(|finding| !matches!(finding.problem, Problem::NotExactlyOne { .. }));
    findings
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_check_and_the_api_server_agree_on_every_mutation() {
    let testbed = Testbed::with_queue("mutations", Flavor::Amd, 32);
    testbed.namespace();
    testbed.sandbox.write("w/entrypoint", "python train.py\n");
    testbed.sandbox.write("w/data.bin", b"\xff\xfe");
    let settings = [
        "-p",
        "w",
        "--dry-run",
        "--image=a/b:1",
        "--gpu-resource=amd.com/gpu",
        "--env=A=1",
        "--secret=B=c/d",
        "--volume=data:/data:ro",
        "--storage=1Gi,fast",
        "--node-selector=a=b",
        "--toleration=gpu=yes:NoSchedule",
        "--service-account=trainer",
        "--image-pull-secret=e",
        "--label=f=g",
        "--annotation=h=i",
        "--retries=3",
        "--max-runtime=12h",
    ];
    let mut seen = std::collections::BTreeSet::new();
    let (mut sent, mut refused) = (0, 0);
    let mut disagreements = Vec::new();
    for arguments in [
        &["-g", "16"][..],
        &["-g", "16", "--ray"],
        &["-g", "8", "--schedule=0 3 * * *"],
    ] {
        let rendered = testbed.submit(&[&settings, arguments].concat()).exits(0);
        for document in rendered.documents() {
            let kind = document["kind"].as_str().unwrap().to_owned();
            if !seen.insert(kind.clone()) {
                continue;
            }
            assert_eq!(judged_by_both(&document), [], "{kind}");
            let mutations = mutations(&document);
            let documents = mutations.iter().map(|mutation| mutation.document.clone());
            let refusals = testbed.rehearse(&document, documents);
            for (mutation, refusal) in mutations.iter().zip(refusals) {
                let found = judged_by_both(&mutation.document);
                let what = format!("{kind} {}", mutation.what);
                sent += 1;
                refused += usize::from(refusal.is_some());
                match (refusal, found.first()) {
                    (None, Some(finding)) if !is_filled_by_kueue(&kind, finding) => {
                        disagreements.push(format!("{what}: taken, but kaiwo finds {finding}"));
                    }
                    (Some((code, message)), None) if is_about_the_form(&message) => {
                        disagreements.push(format!("{what}: nothing found, but {code} {message}"));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(
        seen.len() >= 5 && sent > 1_000 && refused > sent / 2,
        "{seen:?}: {sent} sent, {refused} refused"
    );
    assert!(
        disagreements.is_empty(),
        "{} of {sent}:\n{}",
        disagreements.len(),
        disagreements.join("\n")
    );
}

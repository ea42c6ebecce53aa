//! The offline check of documents against a real API server.

use std::collections::{BTreeMap, BTreeSet};

use kaiwo::render::check::required::required_fields;
use kaiwo::render::check::{CUSTOM_KINDS, Mismatch, Problem, built_in_kinds, check};
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
    for kind in CUSTOM_KINDS.iter() {
        let (group, _) = kind.api_version.split_once('/').unwrap();
        if group == "kaito.sh" {
            continue;
        }
        let name = format!("{}s.{group}", kind.kind.to_lowercase());
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        upstream::agree(kind, &testbed.get(&path));
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
fn is_filled_by_kueue(kind: &str, finding: &Mismatch) -> bool {
    kind == "RayJob" && finding.problem == Problem::MissingField
}

/// Returns whether a change is in a place that KAITO's schemas (v0.12) leave
/// open: the API server takes everything there, which KAITO then cannot read.
/// The definition that stands in for KAITO's own says nothing of selectors.
fn is_left_open(kind: &str, change: &str) -> bool {
    let (place, selector) = match kind {
        "Workspace" => (
            "/inference/adapters/0/source/volumeSource",
            "/resource/labelSelector",
        ),
        "InferenceSet" => ("/spec/template/metadata", "/spec/labelSelector"),
        _ => return false,
    };
    let stands_in = !upstream::is_at_hand();
    change.starts_with(place) || (stands_in && change.starts_with(selector))
}

/// Returns what kaiwo finds that the API server judges too.
fn judged_by_both(document: &Value) -> Vec<Mismatch> {
    let mut findings = check(document);
    findings.retain(|finding| !matches!(finding.problem, Problem::NotExactlyOne { .. }));
    findings
}

/// What pods of every kind can have.
const SETTINGS: [&str; 15] = [
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
];

/// The check and the API server, asked about the same documents.
#[derive(Default)]
struct Comparison {
    /// Kinds, with the fields of their specification: each is tried once.
    seen: BTreeMap<String, BTreeSet<String>>,
    sent: usize,
    refused: usize,
    disagreements: Vec<String>,
}

impl Comparison {
    /// Asks both about every mutation of documents that are new.
    fn compare(&mut self, testbed: &Testbed, documents: &[Value]) {
        for document in documents {
            let kind = document["kind"].as_str().unwrap();
            let fields: Vec<&String> = document["spec"]
                .as_object()
                .into_iter()
                .flat_map(|spec| spec.keys())
                .collect();
            let known = self.seen.entry(kind.to_owned()).or_default();
            if !known.insert(format!("{fields:?}")) {
                continue;
            }
            assert_eq!(judged_by_both(document), [], "{kind}");
            let mutations = mutations(document);
            let documents = mutations.iter().map(|mutation| mutation.document.clone());
            let refusals = testbed.rehearse(document, documents);
            for (mutation, refusal) in mutations.iter().zip(refusals) {
                let found = judged_by_both(&mutation.document);
                let what = format!("{kind} {}", mutation.what);
                self.sent += 1;
                self.refused += usize::from(refusal.is_some());
                let disagreement = match (refusal, found.first()) {
                    (None, Some(_)) if is_left_open(kind, &mutation.what) => continue,
                    (None, Some(finding)) if !is_filled_by_kueue(kind, finding) => {
                        format!("{what}: taken, but kaiwo finds {finding}")
                    }
                    (Some((code, message)), None) if is_about_the_form(&message) => {
                        format!("{what}: nothing found, but {code} {message}")
                    }
                    _ => continue,
                };
                self.disagreements.push(disagreement);
            }
        }
    }

    /// Fails unless both agreed about all of these kinds.
    #[track_caller]
    fn finish(self, kinds: &[&str]) {
        let Self {
            seen,
            sent,
            refused,
            disagreements,
        } = self;
        assert_eq!(seen.keys().collect::<Vec<_>>(), kinds);
        assert!(
            sent > 1_000 && refused > sent / 2,
            "{sent} sent, {refused} refused"
        );
        assert!(
            disagreements.is_empty(),
            "{} of {sent}:\n{}",
            disagreements.len(),
            disagreements.join("\n")
        );
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_check_and_the_api_server_agree_on_every_mutation() {
    let testbed = Testbed::with_queue("mutations", Flavor::Amd, 32);
    testbed.namespace();
    testbed.sandbox.write("w/entrypoint", "python train.py\n");
    testbed.sandbox.write("w/data.bin", b"\xff\xfe");
    let mut comparison = Comparison::default();
    for arguments in [
        &["-g", "16"][..],
        &["-g", "16", "--ray"],
        &["-g", "8", "--schedule=0 3 * * *"],
    ] {
        let once = ["--retries=3", "--max-runtime=12h"];
        let rendered = testbed
            .submit(&[&SETTINGS, &once[..], arguments].concat())
            .exits(0);
        comparison.compare(&testbed, &rendered.documents());
    }
    comparison.finish(&[
        "ConfigMap",
        "CronJob",
        "Job",
        "LocalQueue",
        "RayJob",
        "Service",
    ]);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn they_agree_on_every_mutation_of_what_serves() {
    let testbed = Testbed::new("served");
    testbed.namespace();
    super::kaito::install(&testbed);
    testbed.sandbox.write("w/__init__.py", "app = 1\n");
    testbed.sandbox.write(
        "w/serveconfig",
        "applications:\n- name: llm\n  import_path: app:app\n",
    );
    let mut comparison = Comparison::default();
    let reached = [
        "--port=8000",
        "--health-path=/health",
        "--ingress=chat.example.org,nginx",
        "--public",
        "--autoscale=2-4",
        "--target-cpu=70",
        "--target-metric=queue=5",
        "--min-available=1",
        "--preload=hf://org/model:/models",
    ];
    let pods = &SETTINGS[..];
    let model = [
        "--dry-run",
        "-m",
        "phi-4",
        "--instance-type=Standard_NC24ads_A100_v4",
    ];
    let adapted = [
        "--adapter=style=pvc:adapters",
        "--model-access-secret=hf-token",
    ];
    let machine = [
        "--kaito",
        "--instance-type=Standard_NC24ads_A100_v4",
        "-g",
        "1",
    ];
    for arguments in [
        [pods, &["-g", "4"], &reached].concat(),
        [pods, &["-g", "1", "--keep-storage"]].concat(),
        [pods, &["-g", "16", "--ray"]].concat(),
        [&model[..], &adapted].concat(),
        [&model[..], &["--replicas=2"]].concat(),
        [&["-p", "w", "--dry-run", "-i", "a/b:1"][..], &machine].concat(),
    ] {
        let rendered = super::serve::serve(&testbed, &arguments).exits(0);
        comparison.compare(&testbed, &rendered.documents());
    }
    comparison.finish(&[
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "InferenceSet",
        "Ingress",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "RayService",
        "Service",
        "Workspace",
    ]);
}

//! Dry runs against a real control plane, by kaiwo and by kubectl.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use k8s_openapi::ByteString;
use serde_json::Value;

use super::cluster::{Flavor, Testbed};
use super::kaito;
use super::objects::{example, uploads};
use crate::common::Outcome;
use crate::examples::{examples, words};

/// Returns whether there is a kubectl, and says so if there is none.
fn has_kubectl() -> bool {
    let Ok(kubectl) = std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
    else {
        super::skip("kubectl is not installed");
        return false;
    };
    let _ = Outcome::of(kubectl).exits(0);
    true
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubectl_accepts_every_document_of_every_example() {
    if !has_kubectl() {
        return;
    }
    let testbed = Testbed::new("kubectl");
    testbed.namespace();
    kaito::install(&testbed);
    let offline = crate::common::Sandbox::new();
    for example in examples() {
        for (_, mut arguments) in example.dry_runs() {
            arguments.push(format!("--namespace={}", testbed.name));
            let mut rendered = offline.kaiwo(&words(&arguments)).exits(0);
            kubectl_apply(&testbed, &rendered);
            // v1alpha1 has no field for the token, and kaiwo says so.
            if example.is_workspace() && !rendered.stdout.contains("modelAccessSecret") {
                // As kaiwo renders it where KAITO serves nothing newer.
                rendered.stdout = rendered
                    .stdout
                    .replace("kaito.sh/v1beta1", "kaito.sh/v1alpha1");
                kubectl_apply(&testbed, &rendered);
            }
        }
        let claim = format!("{}/claim.yaml", example.directory().display());
        if std::path::Path::new(&claim).exists() {
            kubectl(&testbed, &claim);
        }
    }
}

/// Files that are easily changed by one of the two YAML libraries on their
/// way, ours that writes them and kubectl's that reads them.
fn awkward_files() -> BTreeMap<&'static str, Vec<u8>> {
    let line = format!("{{\"weights\": [{}]}}", vec!["0.25"; 17_000].join(", "));
    assert!(line.len() > 100_000);
    BTreeMap::from([
        ("tab-first", b"\tall:\n\t\techo\nend\n".to_vec()),
        ("blank-lines-first", b"\n\n\n  indented\nnot\n".to_vec()),
        ("spaces-first", b"    four\n  two\n".to_vec()),
        ("trailing-spaces", b"one  \ntwo\t\n   \nend   ".to_vec()),
        ("blank-lines-last", b"text\n\n\n".to_vec()),
        ("crlf", b"one\r\ntwo\r\n\r\n".to_vec()),
        ("lone-cr", b"one\rtwo\r".to_vec()),
        ("newlines", b"\n\n\n".to_vec()),
        ("newline", b"\n".to_vec()),
        ("empty", Vec::new()),
        ("separators", "a\u{2028}b\u{2029}c\u{feff}\n".into()),
        ("byte-order-mark", "\u{feff}text\n".into()),
        ("nul", b"a\0b\n".to_vec()),
        ("control", b"\x1b[1mbold\x07\n".to_vec()),
        // The API server reads what is applied as YAML, in which these, even
        // written as JSON, are forbidden or, like NEL, turned into a space.
        ("delete", b"a\x7fb\n".to_vec()),
        ("next-line", "a\u{85}b\n".into()),
        ("c1", "a\u{80}b\u{9f}\n".into()),
        ("no-characters", "a\u{fffe}b\u{ffff}\n".into()),
        ("not-utf8", b"\xff\xfe\n".to_vec()),
        ("document", b"---\n- a: !!binary x\n...\n# end\n".to_vec()),
        ("markup", b"{{ Meta.Name }} {% raw %} ${A} $(A)\n".to_vec()),
        ("line.json", line.into_bytes()),
        ("tools/run.sh", b"#!/bin/sh\nexit 0\n".to_vec()),
    ])
}

/// Returns the files of the uploads among `objects`: where a pod finds them,
/// what is in them, and whether they are programs.
fn delivered(objects: &[Value]) -> BTreeMap<String, (Vec<u8>, bool)> {
    let mut files = BTreeMap::new();
    for object in objects {
        for source in config_map_sources(object) {
            let map = objects
                .iter()
                .find(|map| map["kind"] == "ConfigMap" && map["metadata"]["name"] == source["name"])
                .expect("every upload that is mounted is there");
            for item in source["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap();
                let content = match map["data"][key].as_str() {
                    Some(text) => text.as_bytes().to_vec(),
                    None => {
                        let bytes = map["binaryData"][key].clone();
                        serde_json::from_value::<ByteString>(bytes).unwrap().0
                    }
                };
                let program = item["mode"].as_u64().unwrap() & 0o111 != 0;
                let path = item["path"].as_str().unwrap().to_owned();
                files.insert(path, (content, program));
            }
        }
    }
    files
}

/// Returns all projections of ConfigMaps in an object, however deep its pods
/// are.
fn config_map_sources(value: &Value) -> Vec<&Value> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return Vec::new(),
    };
    let here = value.get("configMap").filter(|map| map["items"].is_array());
    let deeper = below.into_iter().flat_map(config_map_sources);
    here.into_iter().chain(deeper).collect()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubectl_reads_awkward_files_as_they_are_beside_what_kaiwo_has_made() {
    if !has_kubectl() {
        return;
    }
    let testbed = Testbed::with_queue("awkward", Flavor::Amd, 32);
    testbed.namespace();
    // The LocalQueue is kaiwo's own now, which kubectl must not contest.
    let path = example("hello");
    let _ = testbed.submit(&["-p", &path, "-g", "1"]).exits(0);
    assert!(testbed.find("LocalQueue", &testbed.name).is_some());

    testbed.sandbox.write("awkward/entrypoint", "true\n");
    let files = awkward_files();
    for (name, content) in &files {
        let file = testbed.sandbox.write(&format!("awkward/{name}"), content);
        if name.ends_with(".sh") {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    for (kind, arguments) in [
        ("Job", &["-g", "8"][..]),
        ("Job", &["-g", "16"]),
        ("RayJob", &["-g", "16", "--ray"]),
        ("CronJob", &["-g", "8", "--schedule", "0 3 * * *"]),
        ("CronJob", &["-g", "16", "--schedule", "0 3 * * *"]),
    ] {
        let rendered = testbed
            .submit(&[&["-p", "awkward", "--dry-run"], arguments].concat())
            .exits(0);
        let _ = rendered.document(kind);
        let _ = rendered.document("LocalQueue");
        let delivered = delivered(&kubectl_apply(&testbed, &rendered));
        for (name, content) in &files {
            let (arrived, program) = delivered
                .get(*name)
                .unwrap_or_else(|| panic!("{kind}: {name} is missing"));
            assert!(
                arrived == content,
                "{kind}: {name} arrives as {:?}",
                String::from_utf8_lossy(&arrived[..arrived.len().min(200)])
            );
            if name.ends_with(".sh") {
                assert!(program, "{kind}: {name} is no program any more");
            }
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_server_dry_run_checks_everything_and_creates_nothing() {
    let testbed = Testbed::with_queue("dryrun", Flavor::Amd, 32);
    let path = example("ray-gpus");
    let arguments = ["-p", &path, "-g", "16", "--ray", "--dry-run=server"];
    let missing = testbed
        .submit(&[&arguments[..], &["--create-namespace"]].concat())
        .exits(0);
    let _ = missing.says("could not check what would be created in it");
    assert_eq!(testbed.find("Namespace", &testbed.name), None);

    testbed.namespace();
    let outcome = testbed
        .submit(&arguments)
        .exits(0)
        .says("accepted by the API server");
    assert_eq!(
        outcome.document("RayJob")["metadata"]["name"],
        "alice-ray-gpus"
    );
    for kind in ["LocalQueue", "RayJob", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0]);
    }
    assert_eq!(uploads(&testbed), [] as [String; 0]);
}

/// Lets `kubectl apply` rehearse the documents of a dry run, and returns what
/// the API server would have made of them.
#[track_caller]
fn kubectl_apply(testbed: &Testbed, rendered: &Outcome) -> Vec<Value> {
    let file = testbed.sandbox.write("manifests.yaml", &rendered.stdout);
    let objects = kubectl(testbed, file.to_str().unwrap());
    let kinds = |objects: &[Value]| -> Vec<String> {
        let kind = |object: &Value| object["kind"].as_str().unwrap().to_owned();
        objects.iter().map(kind).collect()
    };
    assert_eq!(kinds(&objects), kinds(&rendered.documents()));
    objects
}

/// Lets `kubectl apply` rehearse the documents of a file, in the test's
/// namespace.
#[track_caller]
fn kubectl(testbed: &Testbed, file: &str) -> Vec<Value> {
    let applied = std::process::Command::new("kubectl")
        .args([
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-o",
            "json",
            "--namespace",
            &testbed.name,
            "-f",
            file,
        ])
        .output()
        .unwrap();
    let applied = Outcome::of(applied).exits(0);
    let mut objects = Vec::new();
    // One object is itself, several are a List.
    for document in serde_json::Deserializer::from_str(&applied.stdout).into_iter::<Value>() {
        let document = document.unwrap();
        match document["items"].as_array() {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(document),
        }
    }
    objects
}

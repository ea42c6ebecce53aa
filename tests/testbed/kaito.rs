//! KAITO's kinds on a control plane without KAITO.

use kaiwo::render::check::scalar::Scalar;
use kaiwo::render::check::schema::{ObjectSchema, Shape};
use kaiwo::render::check::{CUSTOM_KINDS, CustomKind};
use serde_json::{Map, Value, json};

use super::cluster::Testbed;
use crate::common::Outcome;
use crate::examples::{examples, words};
use crate::upstream;

/// KAITO's kinds: plural and short names.
const KINDS: [(&str, &str, &[&str]); 2] = [
    ("Workspace", "workspaces", &["wk", "wks"]),
    ("InferenceSet", "inferencesets", &["is", "isets"]),
];

/// Makes the API server take Workspaces and InferenceSets: by KAITO's own
/// definitions where `KAIWO_UPSTREAM_CRDS` says where those are, else by our
/// tables. They stay, for the tests besides and after. What the API server
/// says that it serves follows some time after it has taken them.
pub fn install(testbed: &Testbed) {
    for (kind, plural, _) in KINDS {
        let definition = upstream::kaito(kind).unwrap_or_else(|| definition(kind));
        let name = format!("{plural}.kaito.sh");
        assert_eq!(definition["metadata"]["name"], name);
        testbed.apply(definition);
        testbed.wait_for_condition("CustomResourceDefinition", &name, "Established");
    }
    let has = |list: &Value, key: &str, name: &str| {
        let list = list.as_array();
        list.is_some_and(|list| list.iter().any(|entry| entry[key] == name))
    };
    for version in ["v1beta1", "v1alpha1"] {
        testbed.wait(&format!("kaito.sh/{version} to be served"), || {
            let groups = testbed.get("/apis")["groups"].take();
            let group = groups.as_array()?;
            let group = group.iter().find(|group| group["name"] == "kaito.sh")?;
            if !has(&group["versions"], "version", version) {
                return None;
            }
            let served = testbed.get(&format!("/apis/kaito.sh/{version}"));
            let served = &served["resources"];
            KINDS
                .iter()
                .all(|(_, plural, _)| has(served, "name", plural))
                .then_some(())
        });
    }
}

/// Makes a CustomResourceDefinition of what the offline check knows of a kind.
fn definition(name: &str) -> Value {
    let versions: Vec<Value> = CUSTOM_KINDS
        .iter()
        .filter(|kind| kind.kind == name)
        .map(version)
        .collect();
    assert_eq!(versions.len(), 2);
    let (_, plural, short) = KINDS.into_iter().find(|(kind, ..)| *kind == name).unwrap();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.kaito.sh")},
        "spec": {
            "group": "kaito.sh", "scope": "Namespaced", "versions": versions,
            "names": {
                "kind": name, "listKind": format!("{name}List"),
                "singular": name.to_lowercase(), "plural": plural, "shortNames": short,
            },
        },
    })
}

fn version(kind: &CustomKind) -> Value {
    let (_, name) = kind.api_version.split_once('/').unwrap();
    let mut schema = match kind.has_spec {
        false => object(&kind.schema),
        true => {
            let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            json!({"type": "object", "properties": {"spec": object(&kind.schema), "status": any}})
        }
    };
    for field in ["apiVersion", "kind"] {
        schema["properties"][field] = json!({"type": "string"});
    }
    schema["properties"]["metadata"] = json!({"type": "object"});
    json!({
        "name": name, "served": true, "storage": name == "v1beta1",
        "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
    })
}

fn object(object: &ObjectSchema) -> Value {
    let properties: Map<String, Value> = object
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), schema(&field.shape)))
        .collect();
    let required: Vec<&str> = object
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Scalar(Scalar::Text) => json!({"type": "string"}),
        Shape::Scalar(Scalar::Boolean) => json!({"type": "boolean"}),
        Shape::Scalar(Scalar::Int32) => json!({"type": "integer", "format": "int32"}),
        Shape::Scalar(other) => panic!("no field of a Workspace is {other:?}"),
        Shape::List(item) => json!({"type": "array", "items": schema(item)}),
        Shape::Map(item) => json!({"type": "object", "additionalProperties": schema(item)}),
        Shape::Object(fields) => object(fields),
        Shape::BuiltIn(_) | Shape::Anything => {
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn our_tables_make_a_definition_that_the_api_server_takes() {
    let testbed = Testbed::new("kaito");
    // Where KAITO's own is installed, ours is only tried.
    install(&testbed);
    for kind in CUSTOM_KINDS.iter() {
        if KINDS.iter().any(|(name, ..)| *name == kind.kind) {
            let definition = definition(kind.kind);
            testbed.would_apply(definition.clone()).unwrap();
            upstream::agree(kind, &definition);
        }
    }
}

/// Returns what kaiwo makes of KAITO, and a field of it with a typing mistake.
fn made(rendered: &Outcome) -> (Value, &'static str) {
    let documents = rendered.documents().into_iter();
    let mut of_kaito = documents.filter(|document| {
        let version = document["apiVersion"].as_str().unwrap();
        version.starts_with("kaito.sh/")
    });
    let made = of_kaito.next().expect("something of KAITO");
    let mistake = match made["kind"].as_str().unwrap() {
        "Workspace" => "/resource",
        _ => "/spec/template/resource",
    };
    (made, mistake)
}

/// Every example, and what else there is to choose, under both versions: taken
/// as it is, and refused with a typing mistake or with a field too many.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kaito_is_given_is_taken_in_both_versions_and_typing_mistakes_in_none() {
    let testbed = Testbed::new("workspaces");
    testbed.namespace();
    install(&testbed);
    let sandbox = &testbed.sandbox;
    sandbox.write("w/entrypoint", "exec serve\n");
    sandbox.write("vllm.yaml", "vllm: {max-model-len: 4096}\n");
    let machine = "--instance-type=Standard_NC24ads_A100_v4";
    let mut commands: Vec<Vec<String>> = Vec::new();
    for arguments in [
        &[
            "serve",
            "-p=w",
            "-i=a/b:1",
            "--kaito",
            "--node-selector=pool=llm",
            "-g=16",
        ][..],
        &[
            "serve",
            "-m=phi-4",
            machine,
            "--runtime=transformers",
            "--public",
            "--adapter=a=registry/a:1@0.5",
            "--adapter=b=pvc:b",
            "--image-pull-secret=pull",
            "--inference-config=vllm.yaml",
        ],
        &[
            "serve",
            "-m=phi-4",
            machine,
            "--replicas=3",
            "--runtime=transformers",
            "--adapter=a=pvc:a@1",
            "--model-access-secret=hf",
            "--inference-config=vllm.yaml",
        ],
        &[
            "submit",
            "-m=phi-4",
            machine,
            "--tune=lora",
            "--tune-input=registry/data:1",
            "--image-pull-secret=pull",
            "--tune-output=registry/out:1",
            "--tune-push-secret=push",
        ],
    ] {
        let mut command: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        command.push("--dry-run".to_owned());
        commands.push(command);
    }
    let examples = examples();
    let of_kaito = examples.iter().filter(|example| example.is_workspace());
    commands.extend(
        of_kaito
            .flat_map(|example| example.dry_runs())
            .map(|(_, run)| run),
    );
    assert!(commands.len() >= 15, "{}", commands.len());
    for command in commands {
        let rendered = sandbox.kaiwo(&words(&command)).exits(0);
        let (whole, mistake) = made(&rendered);
        for version in ["kaito.sh/v1beta1", "kaito.sh/v1alpha1"] {
            let mut right = whole.clone();
            right["metadata"]["namespace"] = json!(testbed.name);
            right["apiVersion"] = json!(version);
            // What v1alpha1 never had is refused, and kaiwo says so first.
            let token = "/inference/preset/presetOptions/modelAccessSecret";
            if version.ends_with("v1alpha1") && right.pointer(token).is_some() {
                let answers = testbed.rehearse(&right, [right.clone()]);
                let (_, message) = answers[0].as_ref().expect("it is refused");
                assert!(message.contains("modelAccessSecret"), "{message}");
                continue;
            }
            let mut mistaken = right.clone();
            if mistaken.pointer(mistake).is_none() {
                continue;
            }
            mistaken.pointer_mut(mistake).unwrap()["instanceTyp"] = json!("x");
            let answers = testbed.rehearse(&right, [right.clone(), mistaken]);
            assert_eq!(answers[0], None, "{right}");
            let (code, message) = answers[1].as_ref().expect("a mistake is refused");
            assert_eq!(*code, 400);
            assert!(message.contains("resource.instanceTyp"), "{message}");
        }
    }
}

/// An ordinary user, who may not read CustomResourceDefinitions, nodes or
/// Secrets, chooses everything there is to choose.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_ordinary_user_serves_scales_and_tunes() {
    let testbed = Testbed::new("kaito-user");
    testbed.namespace();
    install(&testbed);
    let (name, sandbox) = (testbed.name.as_str(), &testbed.sandbox);
    let group = "rbac.authorization.k8s.io";
    testbed.apply(json!({
        "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "serve"},
        "rules": [
            {"apiGroups": ["kaito.sh"], "resources": ["workspaces", "inferencesets"],
             "verbs": ["get", "list", "create", "update", "delete"]},
            {"apiGroups": [""], "resources": ["configmaps"],
             "verbs": ["get", "create", "patch", "delete"]},
        ],
    }));
    testbed.grant(name, "Role", "serve");
    sandbox.write("vllm.yaml", "vllm: {max-model-len: 4096}\n");
    let machine = "--instance-type=Standard_NC24ads_A100_v4";
    let run = |command: &str, arguments: &[&str]| {
        let common = [command, "--as", name, "-n", name, machine];
        sandbox.kaiwo(&[&common, arguments].concat())
    };
    let llama = [
        "-m=llama-3.1-8b-instruct",
        "--model-access-secret=hf",
        "--inference-config=vllm.yaml",
    ];
    let _ = run("serve", &llama)
        .exits(0)
        .says("you may not read Secret \"hf\"")
        .says("created, with 1 upload");
    let workspace = testbed
        .find("Workspace", "alice-llama-3-1-8b-instruct")
        .unwrap();
    let config = workspace["inference"]["config"].as_str().unwrap();
    let upload = testbed.find("ConfigMap", config).unwrap();
    let owner = &upload["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], workspace["metadata"]["uid"]);
    let _ = run("serve", &llama).exits(0).says("unchanged");

    let replicas = |count: &str, more: &[&str]| {
        let count = format!("--replicas={count}");
        run("serve", &[&["-m=phi-4", count.as_str()], more].concat())
    };
    let set = || testbed.find("InferenceSet", "alice-phi-4").unwrap();
    let _ = replicas("1", &[])
        .exits(0)
        .says("inferenceset/alice-phi-4 created");
    let _ = replicas("1", &[]).exits(0).says("unchanged");
    let _ = replicas("3", &[])
        .exits(0)
        .says("spec.replicas: 1 → 3")
        .says("inferenceset/alice-phi-4 updated");
    assert_eq!(set()["spec"]["replicas"], 3);
    let _ = replicas("3", &["--adapter=a=registry/a:1"])
        .exits(5)
        .says("KAITO can only change the number of its replicas");
    let listed = sandbox.kaiwo(&["list", "--as", name, "-n", name]).exits(0);
    assert!(listed.stdout.contains("InferenceSet"), "{}", listed.stdout);

    let tune = [
        "-m=phi-4",
        "--tune=lora",
        "--tune-input=https://host/x",
        "--tune-output=pvc:out",
    ];
    let _ = run("submit", &tune)
        .exits(0)
        .says("workspace/alice-phi-4-lora created");
    // As the controller writes it when the Job has succeeded.
    testbed.merge_status(
        "Workspace",
        "alice-phi-4-lora",
        &json!({"state": "Succeeded"}),
    );
    let _ = run("submit", &tune).exits(5).says("has finished");
}

/// Who may read them is told of Secrets and claims that are not there.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_workspace_refers_to_is_looked_at() {
    let testbed = Testbed::new("kaito-refers");
    testbed.namespace();
    install(&testbed);
    let name = testbed.name.as_str();
    let serve = |arguments: &[&str]| {
        let common = [
            "serve",
            "-n",
            name,
            "-m=phi-4",
            "--instance-type=Standard_NC24ads_A100_v4",
        ];
        testbed.sandbox.kaiwo(&[&common, arguments].concat())
    };
    let secret = |key: &str| {
        testbed.apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf"},
                             "stringData": {key: "hf_not_told"}}),
        );
    };
    let token = "--model-access-secret=hf";
    let _ = serve(&[token])
        .exits(3)
        .says("Secret \"hf\" does not exist");
    secret("token");
    let wrong = serve(&[token]).exits(3).says("Secret \"hf\" has token");
    assert!(!wrong.stderr.contains("not_told"), "{}", wrong.stderr);
    secret("HF_TOKEN");
    let _ = serve(&[token, "--dry-run=server"]).exits(0);
    let _ = serve(&["--adapter=a=pvc:adapters"])
        .exits(3)
        .says("PersistentVolumeClaim \"adapters\" does not exist");
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "adapters"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }));
    let _ = serve(&["--adapter=a=pvc:adapters"]).exits(0);
}

/// The ConfigMap in which KAITO's chart publishes its presets.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_models_that_a_cluster_lists_are_merged() {
    let testbed = Testbed::new("kaito-models");
    testbed.namespace();
    // Others may have one, too; which is found first is not said.
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kaito-supported-models"},
        "data": {"SupportedModels": "models:\n- {name: phi-4, tag: 0.2.0}\n"},
    }));
    let models = ["models", "phi-4", "-o", "json", "--request-timeout", "600"];
    let outcome = testbed.sandbox.kaiwo(&models).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let place = report["cluster"]["configMap"].as_str().unwrap();
    assert!(place.ends_with("/kaito-supported-models"), "{place}");
    assert_eq!(report["models"][0]["listed"], true);
    // Who may read it nowhere is served by the catalogue alone.
    let nobody = [&models[..], &["--as", &testbed.name]].concat();
    let outcome = testbed
        .sandbox
        .kaiwo(&nobody)
        .exits(0)
        .says("you may not read");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(report.get("cluster").is_none());
}

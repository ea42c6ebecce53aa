//! KAITO's kinds on a control plane without KAITO.

use kaiwo::render::check::scalar::Scalar;
use kaiwo::render::check::schema::{Object, Shape};
use kaiwo::render::check::{CUSTOM_KINDS, CustomKind};
use serde_json::{Map, Value, json};

use super::cluster::Testbed;
use crate::upstream;

/// Name of the CustomResourceDefinition of Workspaces.
const WORKSPACES: &str = "workspaces.kaito.sh";

/// Makes the API server take Workspaces: by KAITO's own definition where
/// `KAIWO_UPSTREAM_CRDS` says where that is, else by our tables. It stays, for
/// the tests besides and after.
pub fn install(testbed: &Testbed) {
    let definition = upstream::kaito("Workspace").unwrap_or_else(definition);
    assert_eq!(definition["metadata"]["name"], WORKSPACES);
    testbed.apply(definition);
    testbed.wait_for_condition("CustomResourceDefinition", WORKSPACES, "Established");
}

/// Makes a CustomResourceDefinition of what the offline check knows of
/// Workspaces.
fn definition() -> Value {
    let versions: Vec<Value> = CUSTOM_KINDS
        .iter()
        .filter(|kind| kind.kind == "Workspace")
        .map(version)
        .collect();
    assert_eq!(versions.len(), 2);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": WORKSPACES},
        "spec": {
            "group": "kaito.sh", "scope": "Namespaced", "versions": versions,
            "names": {
                "kind": "Workspace", "listKind": "WorkspaceList", "singular": "workspace",
                "plural": "workspaces", "shortNames": ["wk", "wks"],
            },
        },
    })
}

fn version(kind: &CustomKind) -> Value {
    let (_, name) = kind.api_version.split_once('/').unwrap();
    let mut schema = object(kind.schema);
    for field in ["apiVersion", "kind"] {
        schema["properties"][field] = json!({"type": "string"});
    }
    schema["properties"]["metadata"] = json!({"type": "object"});
    json!({
        "name": name, "served": true, "storage": name == "v1beta1",
        "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
    })
}

fn object(object: &Object) -> Value {
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
    testbed.would_apply(definition()).unwrap();
    for kind in CUSTOM_KINDS {
        if kind.kind == "Workspace" {
            upstream::agree(&kind, &definition());
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn workspaces_are_taken_in_both_versions_and_typing_mistakes_in_none() {
    let testbed = Testbed::new("workspaces");
    testbed.namespace();
    install(&testbed);
    let sandbox = &testbed.sandbox;
    sandbox.write("w/entrypoint", "exec serve\n");
    for arguments in [
        &["-m", "phi-4", "--instance-type", "Standard_NC24ads_A100_v4"][..],
        &[
            "-p",
            "w",
            "-i",
            "a/b:1",
            "--kaito",
            "--node-selector=pool=llm",
            "-g",
            "16",
        ],
    ] {
        let rendered = sandbox
            .kaiwo(&[&["serve", "--dry-run"], arguments].concat())
            .exits(0);
        for version in ["kaito.sh/v1beta1", "kaito.sh/v1alpha1"] {
            let mut workspace = rendered.document("Workspace");
            workspace["metadata"]["namespace"] = json!(testbed.name);
            workspace["apiVersion"] = json!(version);
            let mut mistaken = workspace.clone();
            mistaken["resource"]["instanceTyp"] = json!("x");
            let answers = testbed.rehearse(&workspace, [workspace.clone(), mistaken]);
            assert_eq!(answers[0], None, "{workspace}");
            let (code, message) = answers[1].as_ref().expect("a mistake is refused");
            assert_eq!(*code, 400);
            assert!(message.contains("resource.instanceTyp"), "{message}");
        }
    }
}

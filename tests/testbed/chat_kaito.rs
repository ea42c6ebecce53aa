//! `kaiwo chat` with Workspaces and InferenceSets, and what KAITO makes for
//! them.

use serde_json::{Value, json};

use super::chat::{answered, chat};
use super::cluster::Testbed;
use super::workspaces::workspace;
use super::{kaito, lacks, serve};

/// Makes what KAITO makes for a Workspace that is ready.
pub fn make_ready(testbed: &Testbed, name: &str) {
    let labels = json!({"kaito.sh/workspace": name});
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 5000}]},
    }));
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{name}-0"), "labels": labels},
        "spec": {"containers": [{"name": "a", "image": "testbed/forever"}]},
    }));
    let is = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "ready", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let conditions = ["ResourceReady", "InferenceReady", "WorkspaceSucceeded"].map(is);
    testbed.merge_status("Workspace", name, &json!({"conditions": conditions}));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_workspace_is_asked_both_ways() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = workspace("chat-kaito");
    _ = chat(&testbed, &["own", "hello"])
        .exits(8)
        .says("workspace/own has no Service own")
        .says(&format!("kaiwo status -n {} workspace/own", testbed.name));
    make_ready(&testbed, "own");
    for way in ["service", "pod"] {
        let question = ["own", "What sport should I play?", "--via", way];
        let outcome = answered(&testbed, &question);
        assert_eq!(outcome.stdout, "What sport should I play?\n");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_inferenceset_is_asked_at_a_workspace_that_is_ready() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("chat-set");
    kaito::install(&testbed);
    let arguments = ["-m", "phi-4", "--replicas", "2", "--name", "set"];
    let node = ["--node-selector", "kubernetes.io/hostname=cpu-0"];
    _ = serve::serve(&testbed, &[&arguments[..], &node].concat()).exits(0);
    let ask = || chat(&testbed, &["set", "hello", "--json"]);
    _ = ask()
        .exits(8)
        .says("no Workspace of inferenceset/set is ready; it has 0");
    for name in ["set-a1b2c", "set-d3e4f"] {
        testbed.create(json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": {"name": name, "labels": {"inferenceset.kaito.sh/created-by": "set"}},
            "resource": {"labelSelector": {"matchLabels": {"a": "b"}}},
            "inference": {"preset": {"name": "phi-4"}},
        }));
    }
    _ = ask().exits(8).says("is ready; it has 2").says(&format!(
        "kaiwo status -n {} inferenceset/set",
        testbed.name
    ));
    make_ready(&testbed, "set-d3e4f");
    let outcome = answered(&testbed, &["set", "hello", "--json"]);
    let outcome = outcome.says("inferenceset/set at its workspace/set-d3e4f");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&report["workload"], &report["part"], &report["answer"]),
        (
            &json!("inferenceset/set"),
            &json!("workspace/set-d3e4f"),
            &json!("hello")
        )
    );
    let endpoint = ["endpoint", "set", "-n", &testbed.name];
    let endpoint = testbed.sandbox.kaiwo(&endpoint).exits(0);
    let endpoint = endpoint.says("→ workspace/set-d3e4f of inferenceset/set");
    for line in [
        format!("cluster  http://set-d3e4f.{}.svc\n", testbed.name),
        format!(
            "local    kaiwo port-forward workspace/set-d3e4f -n {}\n",
            testbed.name
        ),
        "curl http://127.0.0.1:5000/v1/models\n".to_owned(),
    ] {
        assert!(
            endpoint.stdout.contains(&line),
            "{line}: {}",
            endpoint.stdout
        );
    }
}

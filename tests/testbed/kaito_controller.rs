//! KAITO's own controller on the testbed (`cargo xtask test --kaito BINARY`), with
//! nodes that are there already (`byo`): what it makes of Workspaces and
//! InferenceSets, and what kaiwo makes of that. The rest of their life is replayed
//! in `mock_api::kaito_life`, whose recording is compared here.

use serde_json::{Value, json};

use super::cluster::{Testbed, condition};
use super::{serve, skip};
use crate::mock_api::kaito_life::recorded;

/// Connects, with a namespace; nothing where the testbed has no KAITO.
fn testbed(test: &str) -> Option<Testbed> {
    match std::env::var("KAIWO_TESTBED_KAITO") {
        Ok(version) if !version.is_empty() => Some(Testbed::with_namespace(test)),
        _ => {
            skip("this testbed has no controller of KAITO: cargo xtask test --kaito BINARY");
            None
        }
    }
}

/// Returns the label of the test's node, `key=value`, which no node has yet.
fn selector(testbed: &Testbed) -> String {
    format!("testbed.kaiwo/{}=here", testbed.name)
}

/// Gives a node the test's label.
fn have_node(testbed: &Testbed) {
    let key = format!("testbed.kaiwo/{}", testbed.name);
    testbed.merge(
        "Node",
        "cpu-0",
        &json!({"metadata": {"labels": {key: "here"}}}),
    );
}

fn own(testbed: &Testbed, image: &str) {
    let selector = selector(testbed);
    let arguments = [
        "-i",
        image,
        "--kaito",
        "--name",
        "own",
        "--node-selector",
        &selector,
    ];
    _ = serve::serve(testbed, &arguments).exits(0);
}

fn stands(testbed: &Testbed, kind: &str) -> (String, String) {
    let arguments = [
        "list",
        "-n",
        &testbed.name,
        "--any",
        "--kind",
        kind,
        "-o",
        "json",
    ];
    let listed = testbed.sandbox.kaiwo(&arguments).exits(0).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let items = listed["items"].as_array().unwrap();
    let own = items.iter().find(|item| item["name"] == "own").unwrap();
    let text = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[track_caller]
fn wait_to_stand(testbed: &Testbed, kind: &str, status: &str, reason: &str) {
    testbed.wait(&format!("{status}: {reason}"), || {
        let (now, why) = stands(testbed, kind);
        (now == status && why.contains(reason)).then_some(())
    });
}

/// Compares a condition with the recorded one.
#[track_caller]
fn is_as_recorded(testbed: &Testbed, state: &str, kind: &str) {
    let recorded = recorded("workspace", state);
    let recorded = recorded["conditions"].as_array().unwrap().iter();
    let recorded = recorded.clone().find(|it| it["type"] == kind).unwrap();
    let workspace = testbed.find("Workspace", "own").unwrap();
    let told = condition(&workspace, kind).unwrap();
    for key in ["status", "reason", "message"] {
        assert_eq!(told[key], recorded[key], "{kind}.{key} in {state:?}");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test --kaito BINARY"]
fn a_workspace_waits_for_its_node_then_serves() {
    let Some(testbed) = testbed("kaitolife") else {
        return;
    };
    own(&testbed, "testbed/forever");
    wait_to_stand(
        &testbed,
        "workspace",
        "Starting",
        "NodesReady: Not enough Nodes are ready",
    );
    for kind in [
        "NodesReady",
        "ResourceReady",
        "InferenceReady",
        "WorkspaceSucceeded",
    ] {
        is_as_recorded(&testbed, "a node is missing", kind);
    }
    have_node(&testbed);
    let wait = [
        "wait",
        "workspace/own",
        "-n",
        &testbed.name,
        "--timeout",
        "5m",
    ];
    _ = testbed.sandbox.kaiwo(&wait).exits(0);
    for kind in [
        "NodesReady",
        "ResourceReady",
        "InferenceReady",
        "WorkspaceSucceeded",
    ] {
        is_as_recorded(&testbed, "it serves", kind);
    }
    let delete = ["delete", "workspace/own", "-n", &testbed.name, "--yes"];
    _ = testbed.sandbox.kaiwo(&delete).exits(0);
    assert_eq!(testbed.find("Workspace", "own"), None);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test --kaito BINARY"]
fn a_workspace_that_crashes_says_so() {
    let Some(testbed) = testbed("kaitocrash") else {
        return;
    };
    have_node(&testbed);
    own(&testbed, "testbed/crash-turns");
    wait_to_stand(&testbed, "workspace", "Starting", "exit code 5, restarted");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test --kaito BINARY"]
fn the_workspaces_of_a_set_come_and_go() {
    let Some(testbed) = testbed("kaitoset") else {
        return;
    };
    let key = format!("testbed.kaiwo/{}", testbed.name);
    testbed.create(json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "InferenceSet", "metadata": {"name": "own"},
        "spec": {
            "replicas": 2, "labelSelector": {"matchLabels": {key: "here"}},
            "template": {"inference": {"template": {"spec": {"containers": [
                {"name": "own", "image": "testbed/forever"},
            ]}}}},
        },
    }));
    wait_to_stand(
        &testbed,
        "inferenceset",
        "Starting",
        "NodesReady: Not enough Nodes are ready",
    );
    have_node(&testbed);
    let wait = [
        "wait",
        "inferenceset/own",
        "-n",
        &testbed.name,
        "--timeout",
        "5m",
    ];
    _ = testbed.sandbox.kaiwo(&wait).exits(0);
    assert_eq!(testbed.list("Workspace").len(), 2);
    testbed.merge("InferenceSet", "own", &json!({"spec": {"replicas": 1}}));
    testbed.wait("one Workspace to go", || {
        (testbed.list("Workspace").len() == 1).then_some(())
    });
    _ = testbed.sandbox.kaiwo(&wait).exits(0);
    let delete = [
        "delete",
        "inferenceset/own",
        "-n",
        &testbed.name,
        "--yes",
        "--force",
    ];
    _ = testbed.sandbox.kaiwo(&delete).exits(0);
    assert_eq!(testbed.list("Workspace"), [] as [Value; 0]);
}

//! Workspaces whose conditions are written as KAITO's controller writes them,
//! in its words of v0.12 and of v0.2: what `list`, `status`, `why` and `wait`
//! make of them.

use serde_json::{Value, json};

use super::cluster::Testbed;
use super::{kaito, serve};
use crate::common::Outcome;

fn is(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// What a Workspace goes through: its conditions, the status that kaiwo gives
/// it, a part of the reason, and KAITO's columns.
fn life() -> Vec<(Vec<Value>, &'static str, &'static str, [&'static str; 3])> {
    let waits = "wait for node claims (last reconcile error: creating node claim: quota of Standard_NC24ads_A100_v4 exceeded)";
    vec![
        (vec![], "Starting", "", ["", "", ""]),
        (
            vec![
                is("NodeClaimReady", "False", "NodeClaimNotReady", waits),
                is("ResourceReady", "False", "NodeClaimNotReady", waits),
            ],
            "Starting",
            "quota of Standard_NC24ads_A100_v4 exceeded",
            ["False", "", ""],
        ),
        (
            vec![
                is("NodeClaimReady", "True", "NodeClaimsReady", ""),
                is(
                    "ResourceReady",
                    "True",
                    "workspaceResourceStatusSuccess",
                    "",
                ),
                is(
                    "InferenceReady",
                    "False",
                    "WorkspaceInferenceStatusPending",
                    "0 of 1 pods are ready",
                ),
                is(
                    "WorkspaceSucceeded",
                    "False",
                    "workspacePending",
                    "inference is not ready",
                ),
            ],
            "Starting",
            "0 of 1 pods are ready",
            ["True", "False", "False"],
        ),
        (
            vec![
                is(
                    "ResourceReady",
                    "True",
                    "workspaceResourceStatusSuccess",
                    "",
                ),
                is(
                    "InferenceReady",
                    "True",
                    "WorkspaceInferenceStatusSuccess",
                    "",
                ),
                is("WorkspaceSucceeded", "True", "workspaceSucceeded", ""),
            ],
            "Ready",
            "",
            ["True", "True", "True"],
        ),
        // The names of v0.2.
        (
            vec![
                is("MachineReady", "True", "ready", ""),
                is("ResourceReady", "True", "ready", ""),
                is(
                    "InferenceReady",
                    "False",
                    "WorkspaceInferenceStatusPending",
                    "still loading",
                ),
                is("WorkspaceReady", "False", "workspacePending", "pending"),
            ],
            "Starting",
            "still loading",
            ["True", "False", "False"],
        ),
        (
            vec![
                is("ResourceReady", "True", "ready", ""),
                is("InferenceReady", "True", "ready", ""),
                is("WorkspaceReady", "True", "workspaceReady", ""),
            ],
            "Ready",
            "",
            ["True", "True", "True"],
        ),
        (
            vec![
                is("ResourceReady", "True", "ready", ""),
                is(
                    "InferenceReady",
                    "False",
                    "ContainerCrashLoopBackOff",
                    "exit code 1",
                ),
                is(
                    "WorkspaceSucceeded",
                    "False",
                    "workspaceFailed",
                    "inference has failed: exit code 1",
                ),
            ],
            "Failed",
            "exit code 1",
            ["True", "False", "False"],
        ),
    ]
}

/// Asks, again where another test has just changed what KAITO's kinds are.
fn ask(testbed: &Testbed, command: &str, arguments: &[&str]) -> Outcome {
    let first = [command, "-n", &testbed.name];
    testbed.wait("the kind to be served", || {
        let outcome = testbed.sandbox.kaiwo(&[&first[..], arguments].concat());
        let is_served = !outcome.stderr.contains("storage is (re)initializing");
        is_served.then_some(outcome)
    })
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// Serves a Workspace called `own`, of a container of its own.
pub fn workspace(test: &str) -> Testbed {
    let testbed = Testbed::with_namespace(test);
    kaito::install(&testbed);
    let own = ["-i", "testbed/forever", "--kaito", "--name", "own"];
    let node = ["--node-selector", "kubernetes.io/hostname=cpu-0"];
    _ = serve::serve(&testbed, &[&own[..], &node].concat()).exits(0);
    testbed
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn every_step_of_a_workspace_is_shown_rightly() {
    let testbed = workspace("steps");
    for (conditions, status, reason, columns) in life() {
        testbed.merge_status("Workspace", "own", &json!({"conditions": conditions}));
        let list = ask(&testbed, "list", &["--kind", "workspace", "-o", "json"]).exits(0);
        let item = &document(&list)["items"][0];
        assert_eq!(item["status"], status, "{conditions:?}");
        let why_not = item["reason"].as_str().unwrap_or_default();
        assert!(why_not.contains(reason), "{why_not:?} lacks {reason:?}");

        let table = ask(&testbed, "list", &["--kind", "workspace"]).exits(0);
        let mut lines = table.stdout.lines();
        let titles = lines.next().unwrap();
        let row = lines.next().unwrap();
        for (title, value) in ["RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY"]
            .iter()
            .zip(columns)
        {
            let at = titles.find(title).unwrap();
            let cell = row.get(at..).unwrap_or_default().split("  ").next();
            assert_eq!(cell.unwrap_or_default().trim(), value, "{title}: {row}");
        }

        // Every condition is shown with its words, the error of KAITO's last
        // attempt among them.
        let shown = ask(&testbed, "status", &["own"]).exits(0).stdout;
        for condition in &conditions {
            let text = |field: &str| condition[field].as_str().unwrap();
            for words in [text("type"), text("message")] {
                assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
            }
        }

        let why = document(&ask(&testbed, "why", &["own", "-o", "json"]).exits(0));
        assert_eq!(why["status"], status, "{why}");
        assert!(why.to_string().contains(reason), "{why}");

        let exit = match status {
            "Ready" => 0,
            "Failed" => 1,
            _ => 8,
        };
        let told = ask(&testbed, "status", &["own", "--exit-status"]);
        assert_eq!(told.code, exit, "{told:?}");
        if status == "Ready" {
            _ = ask(&testbed, "wait", &["own", "--timeout", "10m"]).exits(0);
        }
        if status == "Starting" {
            let waited = ask(&testbed, "wait", &["own", "--timeout", "1s"]);
            _ = waited.exits(124);
        }
    }
}

/// KAITO before v0.12 says ready and does not look again.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ready_is_not_enough_while_a_pod_crashes() {
    let testbed = workspace("crashes");
    let (conditions, ..) = &life()[3];
    testbed.merge_status("Workspace", "own", &json!({"conditions": conditions}));
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "own-0", "labels": {"kaito.sh/workspace": "own"}},
        "spec": {"containers": [{"name": "own", "image": "testbed/crash-loop"}]},
    }));
    testbed.wait("the pod to crash", || {
        let list = ask(&testbed, "list", &["-o", "json"]).exits(0);
        (document(&list)["items"][0]["status"] == "Degraded").then_some(())
    });
    _ = ask(&testbed, "status", &["own", "--exit-status"]).exits(8);
    let why = ask(&testbed, "why", &["own"]).exits(0);
    assert!(why.stdout.contains("own-0"), "{}", why.stdout);
    _ = ask(&testbed, "wait", &["own", "--timeout", "2s"]).exits(124);
}

//! Workspaces and InferenceSets against a stand-in for KAITO's controller, which
//! replays what that writes (`recorded/`, which names the release and the place):
//! `list`, `status`, `why`, `wait`, `serve --wait` and `delete` in every state.

use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, groups, list};
use crate::common::Outcome;

mod life;

use life::Life;

static RECORDED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("recorded/kaito_v0.12.json")).unwrap());

/// A status that KAITO writes, by the kind and the name of the state.
pub(crate) fn recorded(kind: &str, state: &str) -> Value {
    let status = RECORDED[kind][state].clone();
    assert!(
        status.is_object(),
        "no state {state:?} of a {kind} is recorded"
    );
    status
}

/// What there is at one moment: objects by their collection.
type Moment = Vec<(&'static str, Value)>;

fn object(name: &str, status: Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("uid-of-{name}"), "generation": 1,
            "labels": {"app.kubernetes.io/managed-by": "kaiwo"}, "finalizers": ["workspace.finalizer.kaito.sh"],
        },
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {}},
        "inference": {"preset": {"name": "phi-4"}},
        "status": status,
    })
}

/// A moment with a Workspace in this state, and its pods.
fn workspace(state: &str, pods: &[Value]) -> Moment {
    let mut moment = vec![("workspaces", object("own", recorded("workspace", state)))];
    moment.extend(pods.iter().map(|pod| ("pods", pod.clone())));
    moment
}

/// A pod of a Workspace's StatefulSet, whose container is in this state.
fn pod(workspace: &str, state: Value, before: Value, ready: bool) -> Value {
    let is_ready = if ready { "True" } else { "False" };
    json!({
        "metadata": {
            "name": format!("{workspace}-0"), "namespace": "kaiwo", "uid": format!("pod-of-{workspace}"),
            "labels": {"kaito.sh/workspace": workspace}, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"nodeName": "ws1", "restartPolicy": "Always", "containers": [{"name": "own", "image": "r/x"}]},
        "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": is_ready}],
            "containerStatuses": [{"name": "own", "image": "r/x", "ready": ready, "state": state,
                                   "restartCount": if before["terminated"].is_null() { 0 } else { 4 }, "lastState": before}],
        },
    })
}

fn loading() -> Value {
    pod(
        "own",
        json!({"running": {"startedAt": "2026-01-01T00:00:10Z"}}),
        json!({}),
        false,
    )
}

fn serving(workspace: &str) -> Value {
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:10Z"}});
    pod(workspace, running, json!({}), true)
}

fn crashing() -> Value {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}});
    let ended = json!({"terminated": {"exitCode": 5, "reason": "Error",
        "startedAt": "2026-01-01T00:00:10Z", "finishedAt": "2026-01-01T00:00:12Z"}});
    pod("own", waiting, ended, false)
}

/// A Workspace of an InferenceSet.
fn replica(name: &str, state: &str) -> (&'static str, Value) {
    let mut workspace = object(name, recorded("workspace", state));
    workspace["metadata"]["labels"] = json!({"inferenceset.kaito.sh/created-by": "own"});
    workspace["metadata"]["ownerReferences"] =
        json!([{"kind": "InferenceSet", "name": "own", "uid": "uid-of-own", "controller": true}]);
    ("workspaces", workspace)
}

/// A moment with an InferenceSet in this state, and its Workspaces.
fn set(state: &str, replicas: &[(&'static str, Value)]) -> Moment {
    let mut own = object("own", recorded("inferenceSet", state));
    // A set has all of that in its `spec`.
    let fields = own.as_object_mut().unwrap();
    fields.retain(|key, _| matches!(key.as_str(), "metadata" | "status"));
    own["spec"] = json!({"replicas": 2, "template": {"inference": {"preset": {"name": "phi-4"}}}});
    let mut moment = vec![("inferencesets", own)];
    moment.extend(replicas.iter().cloned());
    moment
}

#[test]
fn every_state_of_a_workspace_is_told_alike() {
    for (state, pods, status, reason) in [
        (
            "a node is missing",
            vec![],
            "Starting",
            "NodesReady: Not enough Nodes are ready",
        ),
        (
            "node claims are made",
            vec![],
            "Starting",
            "NodeClaimReady: Ready NodeClaims are not enough",
        ),
        (
            "the cloud refuses a node",
            vec![],
            "Starting",
            "NodeClaimReady: creating instance, PUT https://management.azure.com/subscriptions/0/agentPools/ws1",
        ),
        (
            "nodes lack their plugins",
            vec![],
            "Starting",
            "NodesReady: waiting all node plugins to be ready",
        ),
        (
            "the model loads",
            vec![loading()],
            "Starting",
            "InferenceReady: Inference workload is not ready",
        ),
        ("it serves", vec![serving("own")], "Ready", ""),
        (
            "its container crashes",
            vec![crashing()],
            "Starting",
            "exit code 5, restarted 4 times in pod own-0",
        ),
        (
            "it serves",
            vec![crashing()],
            "Degraded",
            "exit code 5, restarted 4 times in pod own-0",
        ),
        (
            "its benchmark fails",
            vec![serving("own")],
            "Failed",
            "no benchmark result in the log",
        ),
        ("tuning runs", vec![], "Running", ""),
        ("tuning has ended", vec![], "Succeeded", ""),
        ("tuning has failed", vec![], "Failed", "tuning job failed"),
    ] {
        let life = Life::of(vec![workspace(state, &pods)]);
        let stands = life.stands("workspace");
        assert_eq!(stands, (status.to_owned(), reason.to_owned()), "{state}");
    }
    // What the cloud said is in `why`, whole for programs.
    let life = Life::of(vec![workspace("the cloud refuses a node", &[])]);
    let why = life.kaiwo(&["why", "workspace/own"]).exits(0).stdout;
    assert!(
        why.contains("KAITO is waiting: NodeClaimReady is not true"),
        "{why}"
    );
    assert!(
        why.contains("the cloud's quota, the instance type"),
        "{why}"
    );
    let told = life
        .kaiwo(&["why", "workspace/own", "-o", "json"])
        .exits(0)
        .stdout;
    assert!(told.contains("ErrCode_InsufficientVCPUQuota"), "{told}");
}

#[test]
fn a_workspace_is_waited_for_from_its_node_claims_on() {
    let life = || {
        vec![
            workspace("made", &[]),
            workspace("node claims are made", &[]),
            workspace("node claims are made", &[]),
            workspace("nodes lack their plugins", &[]),
            workspace("the model loads", &[loading()]),
            workspace("it serves", &[serving("own")]),
        ]
    };
    let arguments = [
        "serve",
        "-m=phi-4",
        "--instance-type=Standard_NC24ads_A100_v4",
        "--name=own",
        "--wait",
    ];
    let outcome = Life::from(life(), false).kaiwo(&arguments).exits(0);
    let outcome = outcome
        .says("workspace/own created")
        .says("starting: NodeClaimReady: Ready NodeClaims are not enough\n")
        .says("starting: NodesReady: waiting all node plugins to be ready\n")
        .says("starting: InferenceReady: Inference workload is not ready\n");
    assert!(
        outcome.stderr.ends_with("workspace/own ready\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        outcome.stderr.matches("NodeClaimReady").count(),
        1,
        "{}",
        outcome.stderr
    );
    let _ = Life::of(life()).kaiwo(&["wait", "workspace/own"]).exits(0);
}

#[test]
fn a_tuning_workspace_is_waited_for_to_its_end() {
    let runs = || workspace("tuning runs", &[]);
    let well = vec![runs(), runs(), workspace("tuning has ended", &[])];
    let _ = Life::of(well)
        .kaiwo(&["wait", "workspace/own", "--for", "done"])
        .exits(0);
    let badly = vec![runs(), runs(), workspace("tuning has failed", &[])];
    let _ = Life::of(badly)
        .kaiwo(&["wait", "workspace/own", "--for", "done"])
        .exits(1)
        .says("tuning job failed");
}

/// It never heals: what crashes again and again is not waited for without end.
#[test]
fn a_workspace_whose_container_crashes_is_given_up() {
    let life = Life::of(vec![workspace("its container crashes", &[crashing()])]);
    let outcome = life.kaiwo(&["wait", "workspace/own", "--timeout", "2s"]);
    // The patience for a crash loop is minutes; until then it is told.
    let _ = outcome
        .exits(124)
        .says("exit code 5, restarted 4 times in pod own-0");
}

#[test]
fn a_set_says_what_its_workspaces_wait_for() {
    let waiting = [
        replica("own-a", "it serves"),
        replica("own-b", "node claims are made"),
    ];
    let life = Life::of(vec![set("1 of 2", &waiting)]);
    assert_eq!(
        life.stands("inferenceset"),
        (
            "Degraded".to_owned(),
            "1 of 2 replicas ready: NodeClaimReady: Ready NodeClaims are not enough".to_owned()
        )
    );
    let why = life.kaiwo(&["why", "inferenceset/own"]).exits(0).stdout;
    for words in [
        "KAITO is waiting: NodeClaimReady is not true",
        "workspace/own-b",
        "kaiwo why workspace/own-b -n kaiwo",
    ] {
        assert!(why.contains(words), "{words:?} is missing:\n{why}");
    }
    assert!(!why.contains("own-a"), "{why}");

    // Its Workspaces are asked for once, whatever is made of the answer.
    let life = Life::of(vec![set("1 of 2", &waiting)]);
    let _ = life.kaiwo(&["status", "inferenceset/own"]).exits(0);
    let requests = life.api.requests();
    let of_parts = |request: &&Request| request.line().ends_with("/namespaces/kaiwo/workspaces");
    assert_eq!(requests.iter().filter(of_parts).count(), 1);
}

#[test]
fn a_set_is_waited_for_while_its_workspaces_come() {
    let life = || {
        vec![
            set("made", &[]),
            set("0 of 2", &[]),
            set(
                "0 of 2",
                &[replica("own-a", "made"), replica("own-b", "made")],
            ),
            set(
                "0 of 2",
                &[
                    replica("own-a", "node claims are made"),
                    replica("own-b", "made"),
                ],
            ),
            set(
                "1 of 2",
                &[
                    replica("own-a", "it serves"),
                    replica("own-b", "the model loads"),
                    ("pods", serving("own-a")),
                ],
            ),
            set(
                "2 of 2",
                &[replica("own-a", "it serves"), replica("own-b", "it serves")],
            ),
        ]
    };
    let arguments = [
        "serve",
        "-m=phi-4",
        "--instance-type=Standard_NC24ads_A100_v4",
        "--replicas=2",
        "--name=own",
        "--wait",
    ];
    let outcome = Life::from(life(), false).kaiwo(&arguments).exits(0);
    let outcome = outcome
        .says("inferenceset/own created")
        .says("starting: 0 of 2 replicas ready\n")
        .says("starting: 0 of 2 replicas ready: NodeClaimReady: Ready NodeClaims are not enough\n")
        .says("degraded: 1 of 2 replicas ready: InferenceReady: Inference workload is not ready\n");
    assert!(
        outcome.stderr.ends_with("inferenceset/own ready\n"),
        "{}",
        outcome.stderr
    );
    let _ = Life::of(life())
        .kaiwo(&["wait", "inferenceset/own"])
        .exits(0);
}

/// KAITO takes its finalizer off a set as soon as it has deleted the Workspaces,
/// whose node claims go later.
#[test]
fn a_deleted_set_is_gone_when_its_workspaces_are() {
    let both = [replica("own-a", "it serves"), replica("own-b", "it serves")];
    let mut last_one = vec![replica("own-b", "it serves")];
    last_one[0].1["metadata"]["deletionTimestamp"] = json!("2026-01-01T01:00:00Z");
    let mut moments = vec![set("2 of 2", &both); 12];
    moments.extend(vec![last_one; 3]);
    moments.push(Vec::new());
    // The deletion itself is one.
    let looks = moments.len() - 1;
    let life = Life::of(moments);
    let outcome = life.kaiwo(&["delete", "inferenceset/own", "--yes"]);
    let asked: Vec<String> = life.api.requests().iter().map(Request::line).collect();
    assert_eq!(outcome.code, 0, "{outcome:?} {asked:#?}");
    let requests = life.api.requests();
    let of_set = |request: &&Request| {
        request
            .line()
            .ends_with("GET /apis/kaito.sh/v1beta1/namespaces/kaiwo/inferencesets/own")
    };
    let seen = requests.iter().filter(of_set).count();
    assert!(seen >= looks, "it was gone after {seen} of {looks} looks");
}

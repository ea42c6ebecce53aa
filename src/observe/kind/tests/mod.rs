mod jobs;
mod services;

use serde_json::{Value, json};

use super::*;
use crate::api::event::Event;
use crate::api::workload::ray::RayCluster;
use crate::kind::WorkloadKind;

fn job(spec: Value, status: Value) -> Value {
    json!({
        "metadata": {"name": "x", "labels": {"kueue.x-k8s.io/queue-name": "q"}},
        "spec": spec, "status": status,
    })
}

fn read(kind: WorkloadKind, object: Value) -> Workload {
    Workload::read(kind, kind.api_version(), &object).unwrap()
}

fn standing_of(kind: WorkloadKind, object: Value) -> (Status, String) {
    with(kind, object, &[], &[])
}

fn with(
    kind: WorkloadKind,
    object: Value,
    queued: &[KueueWorkload],
    pods: &[Pod],
) -> (Status, String) {
    let known = WorkloadContext {
        queued,
        pods,
        ..WorkloadContext::default()
    };
    let Standing { status, reason } = standing(&read(kind, object), &known);
    (status, reason)
}

fn is(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message})
}

fn is_not(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "False", "reason": reason, "message": message})
}

fn queued(conditions: Value) -> KueueWorkload {
    serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap()
}

fn pulling() -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
        {"name": "c", "image": "r/x", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r/x\": no such image"}}},
    ]}}))
    .unwrap()
}

#[test]
fn pods_that_are_refused_are_told_of_by_whoever_is_to_make_them() {
    let refused = "Error creating: pods \"x-1-\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1";
    let words =
        "pods are rejected: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1";
    let event = |about: &str, second: u8| -> Event {
        serde_json::from_value(json!({
            "type": "Warning", "reason": "FailedCreate", "message": refused,
            "involvedObject": {"kind": "Job", "uid": about},
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        }))
        .unwrap()
    };
    let one: Pod = serde_json::from_value(json!({
        "metadata": {"name": "x-0", "creationTimestamp": "2026-01-01T00:00:10Z"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .unwrap();
    let job = |pods: Vec<Pod>, event: Event| {
        let object = json!({
            "metadata": {"name": "x", "uid": "u"}, "spec": {"parallelism": 2, "completions": 2},
            "status": {"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:09Z"},
        });
        let known = WorkloadContext {
            pods: &pods,
            events: &[event],
            ..WorkloadContext::default()
        };
        standing(&read(WorkloadKind::Job, object), &known).reason
    };
    // One pod of two is there, and the other is refused.
    assert_eq!(job(vec![one.clone()], event("u", 10)), words);
    assert_eq!(job(vec![], event("u", 10)), words);
    // It was refused before, and is there by now.
    assert_eq!(job(vec![one.clone()], event("u", 9)), "1 of 2 pods ready");
    assert_eq!(job(vec![one.clone(), one], event("u", 10)), "");

    let cluster: RayCluster = serde_json::from_value(json!({
        "metadata": {"name": "x-1", "uid": "c"},
        "status": {"conditions": [is("ReplicaFailure", "FailedCreateHeadPod", refused)]},
    }))
    .unwrap();
    let known = WorkloadContext {
        clusters: &[cluster],
        ..WorkloadContext::default()
    };
    for (kind, status) in [
        (
            WorkloadKind::RayJob,
            json!({"jobDeploymentStatus": "Initializing", "rayClusterName": "x-1"}),
        ),
        (
            WorkloadKind::RayService,
            json!({"pendingServiceStatus": {"rayClusterName": "x-1"}}),
        ),
    ] {
        let object = json!({"metadata": {"name": "x"}, "status": status});
        assert_eq!(
            standing(&read(kind, object), &known).reason,
            words,
            "{kind:?}"
        );
    }
    let deployment = json!({
        "metadata": {"name": "x"},
        "status": {"conditions": [is("ReplicaFailure", "FailedCreate", refused)]},
    });
    assert_eq!(
        standing_of(WorkloadKind::Deployment, deployment),
        (Status::Starting, words.to_owned())
    );
}

#[test]
fn what_no_controller_has_looked_at_says_so_after_a_minute() {
    use WorkloadKind::{Deployment, InferenceSet, Job, RayJob, RayService, Workspace};
    for kind in [Job, RayJob, Deployment, RayService, Workspace, InferenceSet] {
        let at = |seconds: i64, status: Value| {
            let object = json!({
                "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status,
            });
            let created: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            let known = WorkloadContext {
                now: Timestamp::from_second(created.as_second() + seconds).unwrap(),
                ..WorkloadContext::default()
            };
            standing(&read(kind, object), &known).reason
        };
        let words = "no controller has processed it";
        assert_ne!(at(59, json!({})), words, "{kind:?}");
        assert_eq!(at(60, json!({})), words, "{kind:?}");
        let touched = json!({
            "conditions": [is_not("x", "y", "z")], "startTime": "2026-01-01T00:00:00Z",
            "jobDeploymentStatus": "Initializing", "observedGeneration": 1,
        });
        assert_ne!(at(60, touched), words, "{kind:?}");
    }
}

/// What other programs say in several lines is told in one, the last word of a
/// traceback first.
#[test]
fn a_reason_is_one_line_whoever_gives_it() {
    const TRACEBACK: &str = "it failed:\n\u{1b}[36mray::f()\u{1b}[39m (pid=7)\n  File \"a.py\", line 1, in f\nRuntimeError: weights missing\n";
    let failed = |kind: &str, reason: &str| json!([is(kind, reason, TRACEBACK)]);
    let not_yet = |kind: &str, reason: &str| json!([is_not(kind, reason, TRACEBACK)]);
    let application = json!({"activeServiceStatus": {"rayClusterName": "c", "applicationStatuses": {
        "chat": {"status": "DEPLOY_FAILED", "message": TRACEBACK},
    }}});
    for (kind, status) in [
        (
            WorkloadKind::Job,
            json!({"conditions": failed("Failed", "x")}),
        ),
        (
            WorkloadKind::Job,
            json!({"conditions": failed("FailureTarget", "x")}),
        ),
        (
            WorkloadKind::RayJob,
            json!({"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": TRACEBACK}),
        ),
        (
            WorkloadKind::Deployment,
            json!({"conditions": not_yet("Progressing", "x")}),
        ),
        (
            WorkloadKind::RayService,
            json!({"conditions": not_yet("Ready", "x")}),
        ),
        (WorkloadKind::RayService, application),
        (
            WorkloadKind::Workspace,
            json!({"conditions": not_yet("WorkspaceSucceeded", "workspaceFailed")}),
        ),
        (
            WorkloadKind::Workspace,
            json!({"conditions": not_yet("InferenceReady", "x")}),
        ),
    ] {
        let object = json!({"metadata": {"name": "x"}, "spec": {}, "status": status});
        let (_, reason) = standing_of(kind, object);
        assert!(
            reason.ends_with("RuntimeError: weights missing"),
            "{kind:?}: {reason:?}"
        );
        assert!(!reason.contains(['\n', '\u{1b}']), "{kind:?}: {reason:?}");
    }
    let pending = queued(json!([is_not("QuotaReserved", "Pending", TRACEBACK)]));
    let suspended = job(json!({"suspend": true}), json!({}));
    let (_, reason) = with(WorkloadKind::Job, suspended, &[pending], &[]);
    assert_eq!(reason, "RuntimeError: weights missing");
}

mod evictions;
mod kueue;
mod nodes;
mod pods;

use serde_json::{Value, json};

use super::*;
use crate::api::Readable;
use crate::api::event::Event;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::node::Node;
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::kind::WorkloadKind;
use crate::observe::Snapshot;
use crate::observe::snapshot::Position;
use crate::plan::facts::ClusterFacts;
use crate::plan::occupation::Occupation;
use crate::suggestion::Connection;

/// What Kueue says where quota is short.
const SHORT: &str = "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor a, 8 more needed";

/// A pod of a service that runs and is not ready.
fn unready(restarts: i64, state: Value, last: Value) -> Value {
    json!({
        "metadata": {"name": "p", "uid": "p", "creationTimestamp": at(1)},
        "spec": {"nodeName": "n", "restartPolicy": "Always"},
        "status": {"phase": "Running", "startTime": at(2), "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state, "lastState": last}]},
    })
}

fn at(second: u8) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

fn evidence(kind: WorkloadKind, object: &Value) -> Evidence {
    Evidence {
        snapshot: Snapshot::new(
            Workload::read(kind, kind.api_version(), object).unwrap(),
            Readable::Known(Vec::new()),
            at(59).parse().unwrap(),
        ),
        autoscaler: None,
        finalizers: Vec::new(),
        now: at(59).parse().unwrap(),
        has_kueue: true,
        facts: None,
        kueue: None,
        waiting: Vec::new(),
        neighbours: Vec::new(),
        occupation: None,
        removed_nodes: [].into(),
        claims: Default::default(),
        pending_addresses: Vec::new(),
        last_words: Vec::new(),
        unseen: Default::default(),
    }
}

/// A Job whose pods may run.
fn started() -> Evidence {
    evidence(
        WorkloadKind::Job,
        &json!({
            "metadata": {"name": "x", "namespace": "ml", "uid": "u"},
            "spec": {"parallelism": 2, "completions": 2},
            "status": {"active": 2, "startTime": at(10)},
        }),
    )
}

/// A Job that waits in queue q, with these conditions of its Workload.
fn waits(conditions: Value) -> Evidence {
    let mut evidence = evidence(
        WorkloadKind::Job,
        &json!({
            "metadata": {"name": "x", "namespace": "ml", "uid": "u", "creationTimestamp": at(0),
                "labels": {"kueue.x-k8s.io/queue-name": "q"}},
            "spec": {"suspend": true},
        }),
    );
    evidence.snapshot.queued = Readable::Known(vec![queued(json!({
        "metadata": {"name": "job-x", "namespace": "ml", "creationTimestamp": at(0)},
        "spec": {"queueName": "q"},
        "status": {
            "conditions": conditions,
            "resourceRequests": [{"name": "main", "resources": {"amd.com/gpu": "16", "cpu": "8"}}],
        },
    }))]);
    evidence
}

fn queued(object: Value) -> KueueWorkload {
    serde_json::from_value(object).unwrap()
}

fn not_reserved(reason: &str, message: &str) -> Value {
    json!([{"type": "QuotaReserved", "status": "False", "reason": reason, "message": message}])
}

fn pods(evidence: &mut Evidence, pods: Vec<Value>) {
    let pods: Vec<Pod> = pods
        .into_iter()
        .map(|pod| serde_json::from_value(pod).unwrap())
        .collect();
    evidence.snapshot.pods = Readable::Known(pods);
}

fn facts() -> ClusterFacts {
    ClusterFacts {
        context_namespace: String::new(),
        kueue: None,
        ray: false,
        kaito: None,
        kaito_facts: Default::default(),
        namespace: Readable::Forbidden,
        local_queues: Readable::Forbidden,
        cluster_queues: Readable::Forbidden,
        flavors: Readable::Forbidden,
        priority_classes: None,
        nodes: None,
        cohorts: None,
        is_sent_away: false,
        admission_checks: None,
        topologies: None,
        occupation: None,
        claims: None,
        running: None,
    }
}

fn causes(evidence: &Evidence) -> Vec<Cause> {
    let findings = diagnose(evidence).findings;
    findings.iter().map(|finding| finding.cause).collect()
}

fn text(evidence: &Evidence) -> String {
    let mut lines = Vec::new();
    for finding in diagnose(evidence).findings {
        lines.push(finding.summary);
        lines.extend(finding.evidence);
        for remedy in finding.remedies {
            let who = if remedy.who == Who::Admin {
                "an admin "
            } else {
                ""
            };
            lines.push(format!("{who}{}", remedy.text));
            let command = remedy.command.as_ref();
            lines.extend(command.map(|command| command.line(&Connection::NONE)));
        }
    }
    lines.join("\n")
}

#[test]
fn each_kind_speaks_for_itself() {
    let rayjob = evidence(
        WorkloadKind::RayJob,
        &json!({"metadata": {"name": "x"}, "status": {
            "jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed",
            "message": "Job entrypoint command failed with exit code 3, last available logs (truncated to 20,000 chars):\nTraceback\nValueError: no\n",
        }}),
    );
    assert_eq!(causes(&rayjob), [Cause::DriverFailed]);
    assert!(text(&rayjob).contains("exit code 3"));
    assert!(text(&rayjob).contains("| ValueError: no"));
    let service = evidence(
        WorkloadKind::RayService,
        &json!({"metadata": {"name": "x"}, "status": {"activeServiceStatus": {"applicationStatuses": {
            "llm": {"status": "DEPLOY_FAILED", "message": "Traceback\nImportError: vllm"},
        }}}}),
    );
    assert_eq!(causes(&service), [Cause::ApplicationFailed]);
    assert!(text(&service).contains("ImportError"));
    let upgrade = evidence(
        WorkloadKind::RayService,
        &json!({"metadata": {"name": "x", "namespace": "ml", "annotations": {"kaiwo-cli/previous": "x-1"}}, "status": {
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "UpgradeInProgress", "status": "True"}],
            "activeServiceStatus": {"rayClusterName": "x-old"},
            "pendingServiceStatus": {"rayClusterName": "x-new", "applicationStatuses": {
                "llm": {"status": "DEPLOY_FAILED", "message": "no"},
            }},
        }}),
    );
    assert_eq!(causes(&upgrade), [Cause::ApplicationFailed]);
    let told = text(&upgrade);
    assert!(told.contains("on cluster x-new, which should take over; x-old keeps serving"));
    assert!(told.contains("kaiwo serve --rollback rayservice/x -n ml"));
    let workspace = evidence(
        WorkloadKind::Workspace,
        &json!({"metadata": {"name": "x"}, "status": {"conditions": [
            {"type": "NodeClaimReady", "status": "False", "reason": "NotReady", "message": "node claim is not ready"},
            {"type": "ResourceReady", "status": "False", "reason": "x", "message": "last reconcile error: quota exceeded for Standard_NC24"},
        ]}}),
    );
    assert_eq!(causes(&workspace), [Cause::Workspace]);
    assert!(text(&workspace).contains("quota exceeded for Standard_NC24"));
    let stuck = evidence(
        WorkloadKind::Deployment,
        &json!({"metadata": {"name": "x"}, "spec": {"replicas": 1}, "status": {"replicas": 1, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
        ]}}),
    );
    assert_eq!(causes(&stuck), [Cause::RolloutStuck]);
    let mut deleted = evidence(
        WorkloadKind::Job,
        &json!({"metadata": {"name": "x", "deletionTimestamp": at(9)}}),
    );
    deleted.finalizers = vec!["example.com/x".into()];
    assert_eq!(causes(&deleted)[0], Cause::BeingDeleted);
    assert!(text(&deleted).contains("example.com/x"));
    let late = evidence(
        WorkloadKind::Job,
        &json!({"metadata": {"name": "x"}, "status": {"conditions": [
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "m"},
        ]}}),
    );
    assert_eq!(causes(&late), [Cause::DeadlineExceeded]);
}

#[test]
fn what_runs_has_no_cause() {
    let mut evidence = evidence(
        WorkloadKind::Job,
        &json!({"metadata": {"name": "x"}, "status": {"active": 1, "ready": 1, "startTime": at(4)}}),
    );
    assert_eq!(causes(&evidence), []);
    assert_eq!(diagnose(&evidence).since, Some(at(4).parse().unwrap()));
    // Memory that a container once lacked is no trouble of the one that runs.
    pods(
        &mut evidence,
        vec![json!({
            "metadata": {"name": "p"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{
                "name": "c", "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }]},
        })],
    );
    assert_eq!(causes(&evidence), []);
}

#[test]
fn an_autoscaler_says_why_it_does_not_scale() {
    let scaled = |available: i64, message: &str| {
        let mut evidence = evidence(
            WorkloadKind::Deployment,
            &json!({
                "metadata": {"name": "x", "namespace": "ml", "uid": "u"},
                "spec": {"replicas": 2},
                "status": {"replicas": 2, "updatedReplicas": 2, "readyReplicas": available, "availableReplicas": available},
            }),
        );
        let failed = json!({"type": "ScalingActive", "status": "False",
                            "reason": "FailedGetResourceMetric", "message": message});
        evidence.autoscaler = Some(
            serde_json::from_value(json!({
                "metadata": {"name": "x"},
                "spec": {"maxReplicas": 4, "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"averageUtilization": 70}}}]},
                "status": {"currentReplicas": 2, "desiredReplicas": 2, "conditions": [failed]},
            }))
            .unwrap(),
        );
        evidence
    };
    let unserved = "unable to fetch metrics from resource metrics API: the server could not find the requested resource";
    for (message, words) in [
        (unserved, "install"),
        (
            "no metrics returned from resource metrics API",
            "kubectl -n ml describe hpa x",
        ),
        (
            "missing request for cpu in container c of Pod x-1",
            "request cpu, or scale by --target-metric",
        ),
        ("something else", "it is not scaled: something else"),
    ] {
        let evidence = scaled(2, message);
        assert_eq!(causes(&evidence), [Cause::NotScaled], "{message}");
        let text = text(&evidence);
        assert!(text.contains(words), "{text}");
        assert!(
            text.contains("horizontalpodautoscaler/x: 2 of 1 to 4 pods"),
            "{text}"
        );
    }
    // Pods that are on their way cannot be measured, which is no news.
    assert_eq!(causes(&scaled(0, unserved)), [Cause::Starting]);
}

#[test]
fn a_rayservice_that_is_ready_is_healthy() {
    let worker = unready(0, json!({"running": {"startedAt": at(20)}}), json!({}));
    let service = |conditions: Value| {
        let mut evidence = evidence(
            WorkloadKind::RayService,
            &json!({"metadata": {"name": "x", "namespace": "ml", "annotations": {"kaiwo-cli/previous": "x-1"}}, "status": {
                "conditions": conditions,
                "activeServiceStatus": {"rayClusterName": "x-1", "applicationStatuses": {"llm": {"status": "RUNNING"}}},
            }}),
        );
        pods(&mut evidence, vec![worker.clone()]);
        causes(&evidence)
    };
    assert_eq!(service(json!([{"type": "Ready", "status": "True"}])), []);
    assert_eq!(service(json!([])), [Cause::NotReady]);
}

#[test]
fn a_controller_that_is_missing_is_named() {
    for (kind, who) in [
        (WorkloadKind::Workspace, "KAITO's controller"),
        (WorkloadKind::RayJob, "KubeRay's operator"),
        (WorkloadKind::Deployment, "kube-controller-manager"),
    ] {
        let mut evidence = evidence(
            kind,
            &json!({"metadata": {"name": "x", "namespace": "ml", "creationTimestamp": at(0)}}),
        );
        assert_eq!(causes(&evidence), [Cause::Starting], "{kind:?}");
        evidence.snapshot.now = "2026-01-01T00:03:00Z".parse().unwrap();
        assert_eq!(causes(&evidence), [Cause::ControllerMissing]);
        let told = text(&evidence);
        assert!(told.contains(who) && told.contains("in 180 s"), "{told}");
    }
}

#[test]
fn an_address_that_nobody_gave_is_told_of() {
    let mut evidence = evidence(
        WorkloadKind::Deployment,
        &json!({"metadata": {"name": "x", "namespace": "ml"}, "spec": {"replicas": 1}, "status": {"replicas": 1, "availableReplicas": 1, "updatedReplicas": 1, "readyReplicas": 1}}),
    );
    assert!(!causes(&evidence).contains(&Cause::NoAddress));
    evidence.pending_addresses = vec!["no address yet: so".to_owned()];
    assert!(causes(&evidence).contains(&Cause::NoAddress));
    assert!(text(&evidence).contains("no address yet: so"));
}

use serde_json::{Value, json};

use super::*;
use crate::kind::WorkloadKind;

fn read(kind: WorkloadKind, object: Value) -> Workload {
    Workload::read(kind, kind.api_version(), &object).unwrap()
}

fn of(kind: WorkloadKind, object: Value) -> (Status, String) {
    with(kind, object, &[], &[])
}

fn with(
    kind: WorkloadKind,
    object: Value,
    queued: &[KueueWorkload],
    pods: &[Pod],
) -> (Status, String) {
    let Standing { status, reason } = standing(&read(kind, object), queued, pods);
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
        {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
    ]}}))
    .unwrap()
}

fn job(spec: Value, status: Value) -> Value {
    json!({
        "metadata": {"name": "x", "labels": {"kueue.x-k8s.io/queue-name": "q"}},
        "spec": spec, "status": status,
    })
}

#[test]
fn a_job_passes_through_kueue_and_its_pods() {
    let kind = WorkloadKind::Job;
    let suspended = || job(json!({"suspend": true}), json!({}));
    let pending = is_not(
        "QuotaReserved",
        "Pending",
        "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor a, 8 more needed",
    );
    let lacks = "insufficient unused quota for amd.com/gpu in flavor a, 8 more needed";
    assert_eq!(of(kind, suspended()), (Status::Pending, String::new()));
    for (conditions, status, reason) in [
        (json!([pending]), Status::Pending, lacks),
        (
            json!([is("QuotaReserved", "", "")]),
            Status::Pending,
            "has quota, waits for admission",
        ),
        (
            json!([is("QuotaReserved", "", ""), is("Admitted", "", "")]),
            Status::Admitted,
            "",
        ),
        (
            json!([pending, is("Evicted", "Preempted", "to make room for y")]),
            Status::Preempted,
            "to make room for y",
        ),
        (
            json!([
                pending,
                is("Evicted", "PodsReadyTimeout", "not ready in time")
            ]),
            Status::Pending,
            "evicted: not ready in time",
        ),
    ] {
        let found = with(kind, suspended(), &[queued(conditions)], &[]);
        assert_eq!(found, (status, reason.to_owned()));
    }
    let running = json!({"parallelism": 2, "completions": 2});
    for (status, expected, reason) in [
        (json!({"active": 2}), Status::Starting, "0 of 2 pods ready"),
        (
            json!({"active": 2, "ready": 1}),
            Status::Starting,
            "1 of 2 pods ready",
        ),
        (json!({"active": 2, "ready": 2}), Status::Running, ""),
        (
            json!({"active": 1, "ready": 1, "succeeded": 1}),
            Status::Running,
            "",
        ),
        (
            json!({"conditions": [is("Complete", "", "")]}),
            Status::Succeeded,
            "",
        ),
        (
            json!({"conditions": [is("Failed", "BackoffLimitExceeded", "has reached it")]}),
            Status::Failed,
            "has reached it",
        ),
    ] {
        assert_eq!(
            of(kind, job(running.clone(), status)),
            (expected, reason.to_owned())
        );
    }
    assert_eq!(
        with(kind, job(running, json!({"active": 2})), &[], &[pulling()]),
        (
            Status::Starting,
            "ImagePullBackOff in pod p: no such image".to_owned()
        )
    );
}

#[test]
fn without_a_queue_suspended_means_suspended() {
    let plain = json!({"metadata": {"name": "x"}, "spec": {"suspend": true}});
    assert_eq!(of(WorkloadKind::Job, plain).0, Status::Suspended);
    let cron = |spec: Value, status: Value| {
        of(
            WorkloadKind::CronJob,
            json!({"metadata": {}, "spec": spec, "status": status}),
        )
    };
    let schedule = json!({"schedule": "0 2 * * *"});
    assert_eq!(
        cron(schedule.clone(), json!({})),
        (Status::Ready, "runs at 0 2 * * *".to_owned())
    );
    assert_eq!(
        cron(schedule, json!({"active": [{"name": "y"}]})).0,
        Status::Running
    );
    assert_eq!(
        cron(json!({"suspend": true}), json!({})).0,
        Status::Suspended
    );
}

#[test]
fn a_rayjob_follows_operator_and_ray() {
    let of = |deployment: &str, ray: &str, message: &str| {
        of(
            WorkloadKind::RayJob,
            json!({"metadata": {}, "status": {
                "jobDeploymentStatus": deployment, "jobStatus": ray, "message": message,
            }}),
        )
    };
    assert_eq!(of("", "", "").0, Status::Starting);
    assert_eq!(of("Initializing", "", "").0, Status::Starting);
    assert_eq!(of("Running", "PENDING", "").0, Status::Starting);
    assert_eq!(of("Running", "RUNNING", "").0, Status::Running);
    assert_eq!(of("Complete", "SUCCEEDED", "").0, Status::Succeeded);
    assert_eq!(of("Complete", "STOPPED", "").0, Status::Failed);
    assert_eq!(
        of("Failed", "FAILED", "exit code 3\nlogs"),
        (Status::Failed, "exit code 3".to_owned())
    );
    assert_eq!(of("ValidationFailed", "", "too long").0, Status::Failed);
}

#[test]
fn a_deployment_is_ready_when_all_of_it_is() {
    let of = |status: Value, pods: &[Pod]| {
        with(
            WorkloadKind::Deployment,
            json!({"metadata": {"name": "x"}, "spec": {"replicas": 2}, "status": status}),
            &[],
            pods,
        )
    };
    let counts = |replicas: i64, updated: i64, available: i64| json!({"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
    assert_eq!(of(counts(2, 2, 2), &[]), (Status::Ready, String::new()));
    assert_eq!(
        of(counts(3, 1, 2), &[]),
        (Status::Ready, "rolling out: 1 of 2 updated".to_owned())
    );
    assert_eq!(
        of(counts(3, 1, 2), &[pulling()]),
        (
            Status::Ready,
            "rollout hangs: ImagePullBackOff in pod p: no such image".to_owned()
        )
    );
    assert_eq!(of(counts(2, 2, 1), &[]).0, Status::Degraded);
    assert_eq!(of(counts(2, 2, 0), &[]).0, Status::Starting);
    let stuck = json!({"replicas": 2, "conditions": [
        is_not("Progressing", "ProgressDeadlineExceeded", "timed out"),
    ]});
    assert_eq!(of(stuck, &[]), (Status::Failed, "timed out".to_owned()));
}

#[test]
fn a_rayservice_is_as_well_as_its_applications() {
    let of = |conditions: Value, application: &str| {
        of(
            WorkloadKind::RayService,
            json!({"metadata": {}, "status": {
                "conditions": conditions,
                "activeServiceStatus": {"applicationStatuses": {"llm": {"status": application, "message": "why\nmore"}}},
            }}),
        )
    };
    let ready = json!([is("Ready", "NonZeroServeEndpoints", "")]);
    assert_eq!(of(ready.clone(), "RUNNING"), (Status::Ready, String::new()));
    assert_eq!(
        of(ready, "UNHEALTHY"),
        (Status::Degraded, "application llm: why".to_owned())
    );
    // Another configuration of Ray Serve is taken up by the cluster there is.
    let ready = json!([is("Ready", "NonZeroServeEndpoints", "")]);
    assert_eq!(
        of(ready, "DEPLOYING"),
        (Status::Ready, "application llm: DEPLOYING".to_owned())
    );
    assert_eq!(of(json!([]), "DEPLOYING").0, Status::Starting);
    assert_eq!(of(json!([]), "DEPLOY_FAILED").0, Status::Failed);
}

#[test]
fn what_keeps_the_next_cluster_does_not_keep_the_one_that_serves() {
    let of = |application: &str, cluster: &str| {
        let mut pod = pulling();
        let labels = [("ray.io/cluster".to_owned(), cluster.to_owned())];
        pod.metadata.labels = labels.into();
        with(
            WorkloadKind::RayService,
            json!({"metadata": {}, "status": {
                "conditions": [is("Ready", "", ""), is("UpgradeInProgress", "", "")],
                "activeServiceStatus": {"rayClusterName": "old"},
                "pendingServiceStatus": {"rayClusterName": "new", "applicationStatuses": {
                    "llm": {"status": application, "message": "no module"},
                }},
            }}),
            &[],
            &[pod],
        )
    };
    for (application, cluster, reason) in [
        ("DEPLOYING", "old", "rolling out a new cluster"),
        (
            "DEPLOY_FAILED",
            "old",
            "rollout hangs: application llm: no module",
        ),
        (
            "DEPLOYING",
            "new",
            "rollout hangs: ImagePullBackOff in pod p: no such image",
        ),
    ] {
        assert_eq!(of(application, cluster), (Status::Ready, reason.to_owned()));
    }
}

#[test]
fn a_workspace_is_ready_only_with_its_pods() {
    let of = |conditions: Value, pods: &[Pod]| {
        with(
            WorkloadKind::Workspace,
            json!({"metadata": {}, "status": {"conditions": conditions}}),
            &[],
            pods,
        )
    };
    for name in ["WorkspaceSucceeded", "WorkspaceReady"] {
        let conditions = json!([is(name, "", "")]);
        assert_eq!(of(conditions.clone(), &[]).0, Status::Ready);
        assert_eq!(of(conditions, &[pulling()]).0, Status::Degraded);
    }
    let tuned = json!([is("JobStarted", "", ""), is("WorkspaceSucceeded", "", "")]);
    assert_eq!(of(tuned, &[]).0, Status::Succeeded);
    let waits = json!([
        is_not(
            "ResourceReady",
            "x",
            "quota exceeded (last reconcile error: no)"
        ),
        is_not("NodeClaimReady", "NodeClaimNotReady", "no capacity"),
    ]);
    assert_eq!(
        of(waits, &[]),
        (Status::Starting, "NodeClaimReady: no capacity".to_owned())
    );
}

#[test]
fn an_inference_set_is_as_well_as_its_replicas() {
    let of = |replicas: Value, ready: i64| {
        of(
            WorkloadKind::InferenceSet,
            json!({"metadata": {}, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}}),
        )
    };
    assert_eq!(of(json!(2), 2).0, Status::Ready);
    assert_eq!(
        of(json!(3), 1),
        (Status::Degraded, "1 of 3 replicas ready".to_owned())
    );
    assert_eq!(of(Value::Null, 0).0, Status::Starting);
}

#[test]
fn a_deployment_has_the_pods_of_its_own_replica_sets() {
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    });
    let kind = WorkloadKind::Deployment;
    let web = Workload::read(kind, kind.api_version(), &deployment).unwrap();
    assert_eq!(meaning(&web).pod_labels(&[])[0].selector(), "app=web");
    for (owner, own) in [
        (json!({"kind": "ReplicaSet", "name": "web-7c9d"}), true),
        (json!({"kind": "ReplicaSet", "name": "web-2-7c9d"}), false),
        (json!({"kind": "Job", "name": "web-1"}), false),
    ] {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"ownerReferences": [owner]}})).unwrap();
        assert_eq!(meaning(&web).owns(&pod), own, "{owner}");
    }
    let everything = json!({"metadata": {"name": "web"}});
    let web = Workload::read(kind, kind.api_version(), &everything).unwrap();
    assert_eq!(meaning(&web).pod_labels(&[]), []);
}

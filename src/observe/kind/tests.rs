use serde_json::{Value, json};

use super::*;
use crate::api::event::Event;
use crate::api::workload::ray::RayCluster;
use crate::kind::WorkloadKind;

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
    assert_eq!(
        standing_of(kind, suspended()),
        (Status::Pending, String::new())
    );
    for (conditions, status, reason) in [
        (json!([pending]), Status::Pending, lacks),
        (
            json!([is("QuotaReserved", "", "")]),
            Status::Pending,
            "quota reserved, waiting for admission",
        ),
        (
            json!([is("QuotaReserved", "", ""), is("Admitted", "", "")]),
            Status::Admitted,
            "",
        ),
        (
            json!([pending, is("Evicted", "Preempted", "to make room for y")]),
            Status::Preempted,
            "preempted by a workload that you may not see",
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
            standing_of(kind, job(running.clone(), status)),
            (expected, reason.to_owned())
        );
    }
    assert_eq!(
        with(kind, job(running, json!({"active": 2})), &[], &[pulling()]),
        (
            Status::Starting,
            "ImagePullBackOff in pod p: the registry has no image r/x".to_owned()
        )
    );
}

#[test]
fn without_a_queue_suspended_means_suspended() {
    let plain = json!({"metadata": {"name": "x"}, "spec": {"suspend": true}});
    assert_eq!(standing_of(WorkloadKind::Job, plain).0, Status::Suspended);
    let cron = |spec: Value, status: Value| {
        standing_of(
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
        standing_of(
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
    let ending = |words: &str| (Status::Running, words.to_owned());
    assert_eq!(of("Running", "SUCCEEDED", ""), ending("is ending"));
    assert_eq!(
        of("Running", "FAILED", "exit code 3"),
        ending("is ending: the driver ended with exit code 3")
    );
    assert_eq!(of("Complete", "SUCCEEDED", "").0, Status::Succeeded);
    assert_eq!(of("Complete", "STOPPED", "").0, Status::Failed);
    assert_eq!(
        of("Failed", "FAILED", "exit code 3\nlogs"),
        (
            Status::Failed,
            "the driver ended with exit code 3".to_owned()
        )
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
            "rollout is stuck: ImagePullBackOff in pod p: the registry has no image r/x".to_owned()
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
        standing_of(
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
            "rollout is stuck: application llm: no module",
        ),
        (
            "DEPLOYING",
            "new",
            "rollout is stuck: ImagePullBackOff in pod p: the registry has no image r/x",
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
        standing_of(
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
    assert_eq!(rules(&web).pod_labels(&[])[0].selector(), "app=web");
    for (owner, own) in [
        (json!({"kind": "ReplicaSet", "name": "web-7c9d"}), true),
        (json!({"kind": "ReplicaSet", "name": "web-2-7c9d"}), false),
        (json!({"kind": "Job", "name": "web-1"}), false),
    ] {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"ownerReferences": [owner]}})).unwrap();
        assert_eq!(rules(&web).owns(&pod), own, "{owner}");
    }
    let everything = json!({"metadata": {"name": "web"}});
    let web = Workload::read(kind, kind.api_version(), &everything).unwrap();
    assert_eq!(rules(&web).pod_labels(&[]), []);
}

/// Replays what the API server got of a Job and its pods, and returns how it
/// stands at each moment, each way it stands once.
fn replay(spec: &Value, recorded: &str) -> Vec<(Status, String)> {
    let items: Vec<Value> = serde_json::from_str(recorded).unwrap();
    let (mut status, mut pods) = (json!({}), Vec::<Pod>::new());
    let mut told = Vec::new();
    for item in items {
        if let Some(job) = item.get("job") {
            status = job.clone();
        } else {
            let pod: Pod = serde_json::from_value(item["pod"].clone()).unwrap();
            pods.retain(|known| known.metadata.name != pod.metadata.name);
            pods.push(pod);
        }
        let job = json!({"metadata": {"name": "x"}, "spec": spec, "status": status});
        let stands = with(WorkloadKind::Job, job, &[], &pods);
        if told.last() != Some(&stands) {
            told.push(stands);
        }
    }
    told
}

#[test]
fn a_job_that_is_tried_again_says_which_try_it_is() {
    let spec = json!({"backoffLimit": 2, "completions": 1, "parallelism": 1});
    let told = replay(&spec, include_str!("recorded/retried_job.json"));
    let says = |status: Status, words: &str| (status, words.to_owned());
    let again = |of: u8, pod: &str| format!("retrying ({of} of 3): exit code 9 in pod {pod}");
    assert_eq!(
        told,
        [
            says(Status::Starting, "0 of 1 pods ready"),
            says(Status::Running, ""),
            says(Status::Starting, &again(2, "retry-1")),
            says(Status::Running, &again(2, "retry-1")),
            says(Status::Starting, &again(3, "retry-2")),
            says(Status::Running, &again(3, "retry-2")),
            says(Status::Running, "is ending: exit code 9 in pod retry-1"),
            says(Status::Failed, "exit code 9 in pod retry-1"),
        ]
    );
}

#[test]
fn a_job_that_ends_well_only_goes_forward() {
    let spec = json!({"backoffLimit": 0, "completions": 2, "parallelism": 2});
    let told = replay(&spec, include_str!("recorded/indexed_job.json"));
    let says = |status: Status, words: &str| (status, words.to_owned());
    let (from, to) = (
        says(Status::Starting, "0 of 2 pods ready"),
        says(Status::Succeeded, ""),
    );
    assert_eq!((told.first(), told.last()), (Some(&from), Some(&to)));
    let since = |stands: &(Status, String)| match (stands.0, stands.1.as_str()) {
        (Status::Starting, _) => 0,
        (Status::Running, "") => 1,
        (Status::Running, "is ending") => 2,
        (Status::Succeeded, _) => 3,
        other => panic!("{other:?}"),
    };
    assert!(told.iter().map(since).is_sorted(), "{told:?}");
    assert!(told.iter().any(|stands| since(stands) == 2), "{told:?}");
}

#[test]
fn a_job_that_ends_badly_says_why_before_it_has_failed() {
    let ended = |code: i64| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"}, "spec": {"restartPolicy": "Never"},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "c", "state": {"terminated": {"exitCode": code, "reason": "Error"}}},
            ]},
        }))
        .unwrap()
    };
    let leaving = |reason: &str| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Running", "conditions": [
                {"type": "DisruptionTarget", "status": "True", "reason": reason},
            ]},
        }))
        .unwrap()
    };
    for (status, pod, expected, reason) in [
        // Its containers have ended, and nobody has counted that yet.
        (
            json!({"active": 1, "ready": 1}),
            Some(ended(7)),
            Status::Running,
            "is ending: exit code 7 in pod p",
        ),
        (
            json!({"active": 1, "ready": 1}),
            Some(ended(0)),
            Status::Running,
            "is ending",
        ),
        (
            json!({"uncountedTerminatedPods": {"succeeded": ["u"]}}),
            None,
            Status::Running,
            "is ending",
        ),
        (
            json!({"conditions": [is("SuccessCriteriaMet", "", "")]}),
            None,
            Status::Running,
            "is ending",
        ),
        (
            json!({"terminating": 1, "conditions": [is("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")]}),
            Some(leaving("")),
            Status::Running,
            "is ending: ran for longer than its deadline",
        ),
        (
            json!({"conditions": [is("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")]}),
            None,
            Status::Failed,
            "ran for longer than its deadline",
        ),
        (
            json!({"terminating": 1}),
            Some(leaving("")),
            Status::Starting,
            "pod p is being deleted",
        ),
        (
            json!({"terminating": 1}),
            Some(leaving("PreemptionByScheduler")),
            Status::Starting,
            "pod p is preempted by a pod of higher priority",
        ),
    ] {
        let object =
            json!({"metadata": {"name": "x"}, "spec": {"backoffLimit": 0}, "status": status});
        let pods: Vec<Pod> = pod.into_iter().collect();
        let found = with(WorkloadKind::Job, object, &[], &pods);
        assert_eq!(found, (expected, reason.to_owned()));
    }
}

#[test]
fn a_preempted_job_names_who_it_made_room_for() {
    let victim = json!({"metadata": {"namespace": "ml"}, "status": {"conditions": [
        is("Evicted", "Preempted", "m"),
        is("Preempted", "InClusterQueue", "Preempted to accommodate a workload (UID: 4af8, JobUID: 5dbb) due to prioritization in the ClusterQueue"),
    ]}});
    let victim: KueueWorkload = serde_json::from_value(victim).unwrap();
    let of = |namespace: &str| -> KueueWorkload {
        serde_json::from_value(json!({"metadata": {
            "name": "job-hi", "namespace": namespace, "uid": "4af8",
            "ownerReferences": [{"kind": "Job", "name": "hi", "uid": "5dbb", "controller": true}],
        }}))
        .unwrap()
    };
    for (preemptors, suspend, words) in [
        (vec![of("ml")], true, "preempted by job/hi"),
        // Kueue says so before it stops it.
        (vec![of("ml")], false, "preempted by job/hi"),
        (
            vec![of("other")],
            true,
            "preempted by job/hi in namespace other",
        ),
        (vec![], true, "preempted by a workload that you may not see"),
    ] {
        let job = read(
            WorkloadKind::Job,
            job(
                json!({"suspend": suspend}),
                json!({"active": 1, "ready": 1}),
            ),
        );
        let known = WorkloadContext {
            queued: std::slice::from_ref(&victim),
            preemptors: &preemptors,
            ..WorkloadContext::default()
        };
        let standing = standing(&job, &known);
        assert_eq!(
            (standing.status, standing.reason.as_str()),
            (Status::Preempted, words)
        );
    }
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

#[test]
fn a_service_that_has_crashed_before_and_serves_says_so_for_a_while() {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "c", "ready": true, "restartCount": 4,
            "state": {"running": {"startedAt": "2026-01-01T00:10:00Z"}},
            "lastState": {"terminated": {"exitCode": 5, "reason": "Error",
                "startedAt": "2026-01-01T00:09:00Z", "finishedAt": "2026-01-01T00:09:30Z"}},
        }]},
    }))
    .unwrap();
    let at = |now: &str| {
        let object = json!({
            "metadata": {"name": "x"},
            "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": [
                {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:10:00Z"},
            ]},
        });
        let known = WorkloadContext {
            pods: std::slice::from_ref(&pod),
            now: now.parse().unwrap(),
            ..WorkloadContext::default()
        };
        let Standing { status, reason } = standing(&read(WorkloadKind::Deployment, object), &known);
        (status, reason)
    };
    let words = "exit code 5, restarted 4 times in pod p";
    assert_eq!(
        at("2026-01-01T00:10:20Z"),
        (Status::Ready, words.to_owned())
    );
    assert_eq!(at("2026-01-01T00:11:00Z"), (Status::Ready, String::new()));
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

#[test]
fn an_inference_set_says_what_its_workspaces_wait_for() {
    let workspace = |name: &str, conditions: Value| {
        let object = json!({"metadata": {"name": name}, "status": {"conditions": conditions}});
        read(WorkloadKind::Workspace, object)
    };
    let workspaces = [
        workspace(
            "set-a",
            json!([is("WorkspaceSucceeded", "workspaceSucceeded", "")]),
        ),
        workspace("set-b", json!([])),
        workspace(
            "set-c",
            json!([
                is_not(
                    "WorkspaceSucceeded",
                    "workspacePending",
                    "workspace is waiting for inference workload readiness"
                ),
                is_not(
                    "NodeClaimReady",
                    "NodeClaimNotReady",
                    "Ready NodeClaims are not enough"
                ),
            ]),
        ),
    ];
    let of = |replicas: i64, ready: i64| {
        let object = json!({"metadata": {}, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}});
        let known = WorkloadContext {
            workspaces: &workspaces,
            ..WorkloadContext::default()
        };
        let Standing { status, reason } =
            standing(&read(WorkloadKind::InferenceSet, object), &known);
        (status, reason)
    };
    assert_eq!(
        of(3, 1),
        (
            Status::Degraded,
            "1 of 3 replicas ready: NodeClaimReady: Ready NodeClaims are not enough".to_owned()
        )
    );
    assert_eq!(of(0, 0), (Status::Suspended, "scaled to 0".to_owned()));
}

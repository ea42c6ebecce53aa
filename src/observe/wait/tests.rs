mod patience;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::api::Readable;
use crate::kind::WorkloadKind;

fn workload(kind: WorkloadKind, spec: Value, status: Value) -> Workload {
    let object = json!({
        "metadata": {"name": "x", "uid": "u", "generation": 2, "labels": {"kueue.x-k8s.io/queue-name": "q"}},
        "spec": spec,
        "status": status,
    });
    Workload::read(kind, kind.api_version(), &object).unwrap()
}

fn snapshot(kind: WorkloadKind, spec: Value, status: Value, pods: &[Value]) -> Snapshot {
    let pods = pods
        .iter()
        .map(|pod| serde_json::from_value(pod.clone()).unwrap());
    Snapshot::new(
        workload(kind, spec, status),
        Readable::Known(pods.collect()),
        Timestamp::UNIX_EPOCH,
    )
}

fn job(suspend: bool, status: Value, pods: &[Value]) -> Snapshot {
    snapshot(WorkloadKind::Job, json!({"suspend": suspend}), status, pods)
}

fn failed(reason: &str) -> Value {
    json!({"conditions": [{"type": "Failed", "status": "True", "reason": reason, "message": "why"}]})
}

fn ended(name: &str, code: i64, at: &str) -> Value {
    json!({"metadata": {"name": name}, "status": {"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}}},
    ]}})
}

fn waiting(reason: &str) -> Value {
    json!({"metadata": {"name": "p", "uid": "pod"}, "status": {"phase": "Pending", "containerStatuses": [
        {"name": "c", "state": {"waiting": {"reason": reason}}},
    ]}})
}

fn unschedulable(message: &str) -> Value {
    json!({"metadata": {"name": "p", "uid": "pod"}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},
    ]}})
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn vigil(goal: Goal) -> WaitTracker {
    WaitTracker::new(goal, Limits::default())
}

/// Shows the same again and again; returns after how many seconds it is found
/// hopeless, if it is within an hour.
fn patience(goal: Goal, snapshot: &Snapshot) -> Option<u64> {
    let mut vigil = vigil(goal);
    (0..3_600).find(|at| {
        matches!(
            vigil.judge(snapshot, seconds(*at)),
            WaitVerdict::Hopeless { .. }
        )
    })
}

#[test]
fn a_goal_is_reached_by_what_is_past_it() {
    let running = job(false, json!({"active": 1, "ready": 1}), &[]);
    let done = job(
        false,
        json!({"conditions": [{"type": "Complete", "status": "True"}]}),
        &[],
    );
    let starting = job(false, json!({"active": 1}), &[]);
    for (goal, reached) in [
        (Goal::Running, [false, true, true]),
        (Goal::Ready, [false, true, true]),
        (Goal::Done, [false, false, true]),
    ] {
        for (snapshot, reached) in [&starting, &running, &done].into_iter().zip(reached) {
            let verdict = vigil(goal).judge(snapshot, seconds(0));
            let expected = if reached {
                WaitVerdict::Reached
            } else {
                WaitVerdict::GoOn(None)
            };
            assert_eq!(verdict, expected, "{goal} {:?}", snapshot.standing());
        }
    }
}

#[test]
fn a_job_has_the_exit_code_of_the_first_container_that_failed() {
    let mut disrupted = ended("drained", 137, "2026-01-01T00:00:00Z");
    disrupted["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True"}]);
    let mut deleted = ended("deleted", 143, "2026-01-01T00:00:01Z");
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let pods = [
        ended("second", 1, "2026-01-01T00:00:05Z"),
        ended("first", 42, "2026-01-01T00:00:04Z"),
        disrupted,
        deleted,
    ];
    let code = |status: Value| container_exit_code(&job(false, status, &pods));
    assert_eq!(code(failed("BackoffLimitExceeded")), Some(42));
    // Its own time was over; the pods were ended for that.
    assert_eq!(code(failed("DeadlineExceeded")), None);
    let verdict = vigil(Goal::Done).judge(
        &job(false, failed("BackoffLimitExceeded"), &pods[..1]),
        seconds(0),
    );
    assert_eq!(
        verdict,
        WaitVerdict::Failed {
            container_exit_code: Some(1),
            reason: "exit code 1 in pod second".to_owned()
        }
    );
    // Whose pods may not be read.
    let mut blind = job(false, failed("BackoffLimitExceeded"), &[]);
    blind.pods = Readable::Forbidden;
    let verdict = vigil(Goal::Done).judge(&blind, seconds(0));
    assert!(
        matches!(
            verdict,
            WaitVerdict::Failed {
                container_exit_code: None,
                ..
            }
        ),
        "{verdict:?}"
    );
}

#[test]
fn an_array_has_the_exit_code_that_its_failed_tasks_share() {
    let task = |index: &str, code: i64, at: &str| {
        let mut pod = ended(&format!("task-{index}"), code, at);
        pod["metadata"]["labels"] = json!({"batch.kubernetes.io/job-completion-index": index});
        pod["metadata"]["creationTimestamp"] = json!(at);
        pod
    };
    let pods = [
        task("3", 3, "2026-01-01T00:00:02Z"),
        task("3", 7, "2026-01-01T00:00:01Z"),
        task("4", 3, "2026-01-01T00:00:03Z"),
        task("5", 9, "2026-01-01T00:00:00Z"),
    ];
    let code = |failed_indexes: &str, reason: &str| {
        let spec =
            json!({"completionMode": "Indexed", "completions": 9, "backoffLimitPerIndex": 1});
        let mut status = failed(reason);
        status["failedIndexes"] = json!(failed_indexes);
        container_exit_code(&snapshot(WorkloadKind::Job, spec, status, &pods))
    };
    // The last pod of a task counts.
    assert_eq!(code("3", "FailedIndexes"), Some(3));
    assert_eq!(code("3-4", "FailedIndexes"), Some(3));
    // They differ; one is not known; their time was over.
    assert_eq!(code("3-5", "FailedIndexes"), None);
    assert_eq!(code("3-4,8", "FailedIndexes"), None);
    assert_eq!(code("3", "DeadlineExceeded"), None);
}

#[test]
fn a_ray_job_has_the_exit_code_of_its_driver() {
    let submitter = ended("submitter", 1, "2026-01-01T00:00:00Z");
    let mut worker = ended("worker", 9, "2026-01-01T00:00:00Z");
    worker["metadata"]["labels"] = json!({"ray.io/cluster": "x"});
    for (reason, message, code) in [
        (
            "AppFailed",
            "Job entrypoint command failed with exit code 42, last available logs (truncated to 20,000 chars):\nexit code 7",
            Some(42),
        ),
        (
            "AppFailed",
            "Job entrypoint command failed with exit code -9, last available logs",
            Some(137),
        ),
        ("AppFailed", "exit code 256", None),
        ("SubmissionFailed", "backoff limit", Some(1)),
        (
            "DeadlineExceeded",
            "The RayJob has passed the activeDeadlineSeconds",
            None,
        ),
    ] {
        let status = json!({
            "jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": reason, "message": message,
        });
        let pods = [worker.clone(), submitter.clone()];
        let snapshot = snapshot(WorkloadKind::RayJob, json!({}), status, &pods);
        assert_eq!(container_exit_code(&snapshot), code, "{message}");
    }
}

#[test]
fn the_limits_hold() {
    let limits = Limits {
        total: Some(seconds(100)),
        queue: Some(seconds(10)),
    };
    let queued = job(true, json!({}), &[]);
    let running = job(false, json!({"active": 1, "ready": 1}), &[]);
    let mut vigil = WaitTracker::new(Goal::Done, limits);
    let mut at = |snapshot: &Snapshot, after: u64| vigil.judge(snapshot, seconds(after));
    assert_eq!(at(&queued, 5), WaitVerdict::GoOn(Some(seconds(10))));
    assert_eq!(at(&queued, 14), WaitVerdict::GoOn(Some(seconds(1))));
    assert_eq!(at(&running, 15), WaitVerdict::GoOn(Some(seconds(85))));
    // Admitted, it may still wait for nodes, and preempted, it waits as if it were new.
    let full = unschedulable("0/1 nodes are available: 1 Insufficient cpu.");
    let admitted = job(false, json!({"active": 1}), &[full]);
    assert_eq!(at(&admitted, 20), WaitVerdict::GoOn(Some(seconds(10))));
    assert_eq!(at(&running, 25), WaitVerdict::GoOn(Some(seconds(75))));
    assert_eq!(at(&queued, 50), WaitVerdict::GoOn(Some(seconds(10))));
    assert_eq!(
        at(&queued, 60),
        WaitVerdict::TimedOut(PassedLimit::Queue(seconds(10)))
    );
    assert_eq!(
        at(&running, 100),
        WaitVerdict::TimedOut(PassedLimit::Total(seconds(100)))
    );
}

#[test]
fn a_rollout_is_complete_when_nothing_old_is_left() {
    let status = |observed: i64, replicas: i64, updated: i64, available: i64| {
        json!({"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
               "readyReplicas": available, "availableReplicas": available})
    };
    for (status, reached) in [
        (status(2, 2, 2, 2), true),
        (status(1, 2, 2, 2), false),
        (status(2, 3, 2, 3), false),
        (status(2, 3, 1, 2), false),
        (status(2, 2, 2, 1), false),
    ] {
        let snapshot = snapshot(
            WorkloadKind::Deployment,
            json!({"replicas": 2}),
            status.clone(),
            &[],
        );
        let verdict = vigil(Goal::Ready).judge(&snapshot, seconds(0));
        assert_eq!(verdict == WaitVerdict::Reached, reached, "{status}");
    }
}

#[test]
fn a_rollout_that_hangs_names_the_pod_though_the_old_ones_serve() {
    let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1,
                        "readyReplicas": 2, "availableReplicas": 2});
    let pods = [waiting("ImagePullBackOff")];
    let snapshot = snapshot(
        WorkloadKind::Deployment,
        json!({"replicas": 2}),
        status,
        &pods,
    );
    let mut vigil = vigil(Goal::Ready);
    let _ = vigil.judge(&snapshot, seconds(0));
    assert_eq!(
        vigil.judge(&snapshot, seconds(30)),
        WaitVerdict::Hopeless {
            container_exit_code: None,
            reason: "ImagePullBackOff in pod p".to_owned()
        }
    );
}

#[test]
fn a_service_that_says_it_failed_is_believed_after_a_while() {
    let status = |observed: i64| {
        json!({"observedGeneration": observed, "activeServiceStatus": {
            "applicationStatuses": {"llm": {"status": "DEPLOY_FAILED", "message": "no module"}},
        }})
    };
    let at = |observed: i64| snapshot(WorkloadKind::RayService, json!({}), status(observed), &[]);
    assert_eq!(patience(Goal::Ready, &at(2)), Some(30));
    // What it says is about an older version.
    assert_eq!(patience(Goal::Ready, &at(1)), None);
}

#[test]
fn a_next_cluster_that_cannot_serve_is_not_waited_for() {
    let hangs = |application: &str| {
        let status = json!({
            "observedGeneration": 2,
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "UpgradeInProgress", "status": "True"}],
            "activeServiceStatus": {"rayClusterName": "old"},
            "pendingServiceStatus": {"rayClusterName": "new", "applicationStatuses": {
                "llm": {"status": application, "message": "no module"},
            }},
        });
        let snapshot = snapshot(WorkloadKind::RayService, json!({}), status, &[]);
        patience(Goal::Ready, &snapshot)
    };
    assert_eq!(hangs("DEPLOY_FAILED"), Some(30));
    // Replicas may come back.
    assert_eq!(hangs("UNHEALTHY"), None);
    assert_eq!(hangs("DEPLOYING"), None);
}

#[test]
fn the_first_answer_after_a_change_may_be_about_what_was_before() {
    let at = |observed: i64, application: &str| {
        let status = json!({
            "observedGeneration": observed,
            "conditions": [{"type": "Ready", "status": "True"}],
            "activeServiceStatus": {"applicationStatuses": {"llm": {"status": application}}},
        });
        snapshot(WorkloadKind::RayService, json!({}), status, &[])
    };
    let on = |verdict: WaitVerdict| matches!(verdict, WaitVerdict::GoOn(_));
    let mut vigil = vigil(Goal::Ready);
    let mut judge = |snapshot: Snapshot, at: u64| vigil.judge(&snapshot, seconds(at));
    assert!(on(judge(at(1, "RUNNING"), 0)));
    assert_eq!(
        judge(at(2, "RUNNING"), 1),
        WaitVerdict::GoOn(Some(seconds(5)))
    );
    assert!(on(judge(at(2, "DEPLOYING"), 3)));
    assert_eq!(judge(at(2, "RUNNING"), 4), WaitVerdict::Reached);

    // Where nothing changes, it is believed after a while.
    let mut vigil = self::vigil(Goal::Ready);
    let mut judge = |snapshot: Snapshot, at: u64| vigil.judge(&snapshot, seconds(at));
    assert!(on(judge(at(2, "RUNNING"), 1)));
    assert_eq!(judge(at(2, "RUNNING"), 6), WaitVerdict::Reached);
    let mut first = at(1, "RUNNING");
    first.workload.metadata.generation = 1;
    assert_eq!(
        self::vigil(Goal::Ready).judge(&first, seconds(0)),
        WaitVerdict::Reached
    );
    assert_eq!(
        self::vigil(Goal::Running).judge(&at(2, "RUNNING"), seconds(0)),
        WaitVerdict::Reached
    );
}

#[test]
fn what_kueue_has_given_up_is_over_and_what_somebody_stopped_is_not() {
    for (reason, hopeless) in [
        ("DeactivatedDueToRequeuingLimitExceeded", true),
        ("Deactivated", false),
    ] {
        let mut snapshot = job(true, json!({}), &[]);
        let queued = json!([{"spec": {"active": false}, "status": {"conditions": [
            {"type": "Evicted", "status": "True", "reason": reason, "message": "too often"},
        ]}}]);
        snapshot.queued = Readable::Known(serde_json::from_value(queued).unwrap());
        let verdict = vigil(Goal::Done).judge(&snapshot, seconds(0));
        assert_eq!(
            matches!(verdict, WaitVerdict::Hopeless { .. }),
            hopeless,
            "{verdict:?}"
        );
    }
}

#[test]
fn goals_fit_their_kinds() {
    for kind in WorkloadKind::ALL {
        assert!(kind.descriptor().goal.is_in_reach(kind));
    }
    assert!(!Goal::Done.is_in_reach(WorkloadKind::Deployment));
    assert!(!Goal::Done.is_in_reach(WorkloadKind::CronJob));
    for goal in [Goal::Running, Goal::Ready, Goal::Done] {
        assert_eq!(goal.name().parse(), Ok(goal));
    }
    assert!("finished".parse::<Goal>().is_err());
}

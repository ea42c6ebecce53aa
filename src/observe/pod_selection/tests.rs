use serde_json::{Value, json};

use super::*;
use crate::api::Readable;
use crate::api::workload::Workload;
use crate::kind::WorkloadKind;

fn pod(name: &str, created: u8, phase: &str, labels: Value) -> Value {
    json!({
        "metadata": {"name": name, "uid": name, "labels": labels,
                     "creationTimestamp": format!("2026-01-01T00:00:{created:02}Z")},
        "spec": {"containers": [{"name": "main"}, {"name": "sidecar"}],
                 "initContainers": [{"name": "init"}]},
        "status": {"phase": phase},
    })
}

fn snapshot(kind: WorkloadKind, object: Value, pods: &[Value]) -> Snapshot {
    let mut object = object;
    object["metadata"] = json!({"name": "x", "uid": "u"});
    Snapshot::new(
        Workload::read(kind, kind.api_version(), &object).unwrap(),
        Readable::Known(
            pods.iter()
                .map(|pod| serde_json::from_value(pod.clone()).unwrap())
                .collect(),
        ),
        Default::default(),
    )
}

fn names(snapshot: &Snapshot, choice: &PodChoice) -> Vec<String> {
    let pods = snapshot.chosen(choice).unwrap();
    pods.iter().map(|pod| pod.name().to_owned()).collect()
}

fn all() -> PodChoice {
    PodChoice {
        all: true,
        ..PodChoice::default()
    }
}

#[test]
fn of_a_job_those_that_count() {
    let retried = snapshot(
        WorkloadKind::Job,
        json!({}),
        &[
            pod("x-a", 1, "Failed", json!({})),
            pod("x-b", 2, "Running", json!({})),
        ],
    );
    assert_eq!(names(&retried, &PodChoice::default()), ["x-b"]);
    assert_eq!(names(&retried, &all()), ["x-a", "x-b"]);
    let failed = snapshot(
        WorkloadKind::Job,
        json!({}),
        &[
            pod("x-b", 1, "Failed", json!({})),
            pod("x-a", 2, "Failed", json!({})),
        ],
    );
    assert_eq!(names(&failed, &PodChoice::default()), ["x-a"]);
    let index = |index: u8| json!({COMPLETION_INDEX_LABEL: index.to_string()});
    let indexed = snapshot(
        WorkloadKind::Job,
        json!({"spec": {"parallelism": 11, "completions": 11}}),
        &[
            pod("x-10-a", 1, "Running", index(10)),
            pod("x-2-b", 1, "Failed", index(2)),
            pod("x-2-a", 2, "Running", index(2)),
            pod("x-0-z", 1, "Failed", index(0)),
        ],
    );
    assert_eq!(
        names(&indexed, &PodChoice::default()),
        ["x-0-z", "x-2-a", "x-10-a"]
    );
}

#[test]
fn pods_in_another_cluster_are_said_to_be_there() {
    let away = |status: Value, pods: &[Value]| {
        let object = json!({"spec": {}, "status": status});
        let mut away = snapshot(WorkloadKind::Job, object, pods);
        let queued = json!({"metadata": {"name": "w"}, "status": {"clusterName": "far"}});
        away.queued = Readable::Known(vec![serde_json::from_value(queued).unwrap()]);
        away
    };
    let says = |snapshot: &Snapshot| {
        let chosen = snapshot.chosen(&PodChoice::default()).unwrap_err();
        assert_eq!(snapshot.running(&Single::Main).unwrap_err(), chosen);
        chosen.to_string()
    };
    assert_eq!(
        says(&away(json!({"ready": 1}), &[])),
        "job/x runs in cluster \"far\" (MultiKueue): its pods and logs are there until it ends"
    );
    let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    assert_eq!(
        says(&away(complete, &[])),
        "job/x ran in cluster \"far\" (MultiKueue): its pods and logs were deleted there when it ended"
    );
    // Pods that are here are shown.
    let here = away(json!({}), &[pod("x-a", 1, "Running", json!({}))]);
    assert_eq!(names(&here, &PodChoice::default()), ["x-a"]);
}

#[test]
fn of_a_cron_job_the_active_jobs_else_the_last_ones() {
    let of = |mut pod: Value, job: &str| {
        pod["metadata"]["ownerReferences"] = json!([{"kind": "Job", "uid": job}]);
        pod
    };
    let pods = [
        of(pod("x-1-a", 1, "Succeeded", json!({})), "one"),
        of(pod("x-2-a", 2, "Running", json!({})), "two"),
        of(pod("x-3-a", 3, "Succeeded", json!({})), "three"),
    ];
    let active = json!({"status": {"active": [{"uid": "two"}]}});
    let active = snapshot(WorkloadKind::CronJob, active, &pods);
    assert_eq!(names(&active, &PodChoice::default()), ["x-2-a"]);
    let idle = snapshot(WorkloadKind::CronJob, json!({}), &pods);
    assert_eq!(names(&idle, &PodChoice::default()), ["x-3-a"]);
    assert_eq!(names(&idle, &all()).len(), 3);
}

fn ray() -> Snapshot {
    let of = |part: &str| json!({RAY_CLUSTER_LABEL: "x-k2", RAY_NODE_TYPE_LABEL: part});
    snapshot(
        WorkloadKind::RayJob,
        json!({}),
        &[
            pod("x-k2-gpus-worker-b", 1, "Running", of("worker")),
            pod("x-k2-gpus-worker-a", 1, "Running", of("worker")),
            pod("x-k2-head-c", 1, "Running", of("head")),
            pod("x-old", 2, "Failed", json!({})),
            pod("x-new", 3, "Running", json!({})),
        ],
    )
}

#[test]
fn of_a_ray_job_the_driver_and_on_demand_the_others() {
    let ray = ray();
    assert_eq!(names(&ray, &PodChoice::default()), ["x-new"]);
    let workers = PodChoice {
        workers: true,
        ..PodChoice::default()
    };
    assert_eq!(
        names(&ray, &workers),
        ["x-k2-head-c", "x-k2-gpus-worker-a", "x-k2-gpus-worker-b"]
    );
    assert_eq!(names(&ray, &all()).len(), 5);
    let labels: Vec<String> = ray.pods().iter().map(|pod| ray.label(pod)).collect();
    assert_eq!(
        labels,
        [
            "gpus-worker-b",
            "gpus-worker-a",
            "head-c",
            "driver-old",
            "driver-new"
        ]
    );
}

#[test]
fn a_pod_is_named_in_full_or_in_short() {
    let ray = ray();
    for wanted in ["x-k2-head-c", "head-c"] {
        let choice = PodChoice {
            pod: Some(wanted.to_owned()),
            ..PodChoice::default()
        };
        assert_eq!(names(&ray, &choice), ["x-k2-head-c"]);
    }
    let choice = PodChoice {
        pod: Some("head".to_owned()),
        ..PodChoice::default()
    };
    let error = ray.chosen(&choice).unwrap_err();
    assert_eq!(error.to_string(), "rayjob/x has no pod head");
}

#[test]
fn commands_run_in_the_head_the_first_pod_or_one_that_is_ready() {
    let one = |snapshot: &Snapshot, single: Single| {
        snapshot
            .running(&single)
            .map(|pod| pod.name().to_owned())
            .map_err(|error| error.to_string())
    };
    let cluster = ray();
    assert_eq!(one(&cluster, Single::Main), Ok("x-k2-head-c".to_owned()));
    assert_eq!(one(&cluster, Single::Head), Ok("x-k2-head-c".to_owned()));
    assert_eq!(
        one(&cluster, Single::Worker(1)),
        Ok("x-k2-gpus-worker-b".to_owned())
    );
    assert!(one(&cluster, Single::Worker(2)).is_err());
    assert_eq!(
        one(&cluster, Single::Pod("driver-old".to_owned())),
        Err("pod x-old is not running (Failed)".to_owned())
    );
    let index = |index: u8| json!({COMPLETION_INDEX_LABEL: index.to_string()});
    let indexed = snapshot(
        WorkloadKind::Job,
        json!({"spec": {"parallelism": 3, "completions": 3}}),
        &[
            pod("x-2-a", 1, "Running", index(2)),
            pod("x-1-a", 1, "Running", index(1)),
            pod("x-0-a", 1, "Failed", index(0)),
            pod("x-0-b", 2, "Pending", index(0)),
        ],
    );
    assert_eq!(one(&indexed, Single::Main), Ok("x-1-a".to_owned()));
    assert_eq!(one(&indexed, Single::Worker(2)), Ok("x-2-a".to_owned()));
    assert_eq!(
        one(&indexed, Single::Worker(0)),
        Err("pod x-0-b is not running (Pending)".to_owned())
    );
    assert_eq!(
        one(&indexed, Single::Worker(3)),
        Err("job/x has no pod that is worker 3".to_owned())
    );
    assert!(one(&indexed, Single::Head).is_err());
    let mut ready = pod("x-z", 1, "Running", json!({}));
    ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let served = snapshot(
        WorkloadKind::Deployment,
        json!({}),
        &[pod("x-a", 1, "Running", json!({})), ready],
    );
    assert_eq!(one(&served, Single::Main), Ok("x-z".to_owned()));
    let none = snapshot(WorkloadKind::Job, json!({}), &[]);
    assert!(matches!(
        none.running(&Single::Main),
        Err(PodChoiceError::NoneRuns { .. })
    ));
}

#[test]
fn containers_are_the_first_or_the_one_that_is_named() {
    let pod: Pod = serde_json::from_value(pod("x", 1, "Running", json!({}))).unwrap();
    assert_eq!(pod.container(None), Ok("main"));
    assert_eq!(pod.container(Some("init")), Ok("init"));
    let Err(PodChoiceError::NoContainer { known, .. }) = pod.container(Some("main2")) else {
        panic!("there is no main2");
    };
    assert_eq!(known, ["main", "sidecar", "init"]);
}

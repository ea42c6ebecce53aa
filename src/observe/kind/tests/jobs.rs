use super::*;

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
    let told = replay(&spec, include_str!("../recorded/retried_job.json"));
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
    let told = replay(&spec, include_str!("../recorded/indexed_job.json"));
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
fn a_job_is_ending_once_its_controller_deletes_its_pods() {
    let pod = |name: &str, code: Option<i64>| -> Pod {
        let mut pod = json!({
            "metadata": {"name": name}, "spec": {"restartPolicy": "Never"},
            "status": {"phase": "Running"},
        });
        match code {
            Some(code) => {
                pod["status"]["containerStatuses"] = json!([
                    {"name": "main", "state": {"terminated": {"exitCode": code, "reason": "Error"}}},
                ]);
            }
            None => pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z".into(),
        }
        serde_json::from_value(pod).unwrap()
    };
    let rule = |operator: &str, container: &str| {
        json!({"rules": [
            {"action": "Ignore", "onPodConditions": [
                {"type": "DisruptionTarget", "status": "True"},
            ]},
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [1, 42]}},
            {"action": "FailJob", "onExitCodes": {
                "containerName": container, "operator": operator, "values": [42, 43],
            }},
        ]})
    };
    let begun = json!({"startTime": "2026-01-01T00:00:00Z", "active": 2, "terminating": 1});
    let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
    let array = json!({"completionMode": "Indexed", "backoffLimitPerIndex": 0});
    for (spec, own, code, expected) in [
        (
            json!({"activeDeadlineSeconds": 60}),
            json!({}),
            None,
            (
                Status::Running,
                "is ending: ran for longer than its deadline",
            ),
        ),
        // Somebody deletes it, and there is time for another.
        (
            json!({"activeDeadlineSeconds": 61}),
            json!({}),
            None,
            (Status::Starting, "pod p is being deleted"),
        ),
        (
            json!({"activeDeadlineSeconds": 60}),
            array.clone(),
            None,
            (
                Status::Running,
                "is ending: 0/2; ran for longer than its deadline",
            ),
        ),
        (
            json!({"podFailurePolicy": rule("In", "main")}),
            json!({}),
            Some(43),
            (Status::Running, "is ending: exit code 43 in pod p"),
        ),
        (
            json!({"podFailurePolicy": rule("NotIn", "main")}),
            json!({}),
            Some(7),
            (Status::Running, "is ending: exit code 7 in pod p"),
        ),
        (
            json!({"podFailurePolicy": rule("In", "main")}),
            array,
            Some(43),
            (Status::Running, "is ending: 0/2; exit code 43 in pod p"),
        ),
        // An earlier rule counts it, or none is about this code or container.
        (
            json!({"podFailurePolicy": rule("In", "main")}),
            json!({}),
            Some(42),
            (Status::Starting, "retrying (2 of 7): exit code 42 in pod p"),
        ),
        (
            json!({"podFailurePolicy": rule("In", "main")}),
            json!({}),
            Some(7),
            (Status::Starting, "retrying (2 of 7): exit code 7 in pod p"),
        ),
        (
            json!({"podFailurePolicy": rule("In", "other")}),
            json!({}),
            Some(43),
            (Status::Starting, "retrying (2 of 7): exit code 43 in pod p"),
        ),
    ] {
        let mut object = json!({
            "metadata": {"name": "x"},
            "spec": {"parallelism": 2, "completions": 2, "backoffLimit": 6},
            "status": begun,
        });
        for part in [&spec, &own] {
            let fields = part.as_object().unwrap().clone();
            object["spec"].as_object_mut().unwrap().extend(fields);
        }
        let pods = [pod("p", code)];
        let known = WorkloadContext {
            pods: &pods,
            now,
            ..WorkloadContext::default()
        };
        let Standing { status, reason } = standing(&read(WorkloadKind::Job, object), &known);
        assert_eq!((status, reason.as_str()), expected, "{spec}");
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

//! What Kueue accepts and then does wrongly is refused, with what to do instead.

use serde_json::{Value, json};

use super::*;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::queue::{ClusterQueue, LocalQueue, WorkloadPriorityClass};
use crate::plan::facts::ClusterFacts;
use crate::plan::testing::{cluster_queue, facts};

fn job(labels: Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "x", "namespace": "ml", "uid": "u", "resourceVersion": "7", "labels": labels},
        "spec": {"suspend": true, "template": {"spec": {"containers": [
            {"name": "c", "resources": {"requests": {"cpu": "4", "amd.com/gpu": "8"}}},
        ]}}},
    })
}

fn read(object: &Value) -> Workload {
    Workload::read(WorkloadKind::Job, "batch/v1", object).unwrap()
}

/// Kueue's Workload with these conditions.
fn queued(conditions: Value, spec: Value) -> KueueWorkload {
    let mut whole = json!({"queueName": "a", "priority": 10});
    let fields = spec.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(json!({
        "metadata": {"name": "job-x", "namespace": "ml", "uid": "w", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": whole,
        "status": {"conditions": conditions},
    }))
    .unwrap()
}

fn is(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": ""})
}

fn local(name: &str, target: &str, stop: &str) -> LocalQueue {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"clusterQueue": target, "stopPolicy": stop},
    }))
    .unwrap()
}

fn gpus(name: &str, gpus: i64, checks: Value) -> ClusterQueue {
    let spec = json!({"admissionChecks": checks, "resourceGroups": [{
        "coveredResources": ["cpu", "amd.com/gpu"],
        "flavors": [{"name": "f", "resources": [
            {"name": "cpu", "nominalQuota": 100},
            {"name": "amd.com/gpu", "nominalQuota": gpus},
        ]}],
    }]});
    cluster_queue(name, spec, json!({}))
}

fn cluster() -> ClusterFacts {
    let queues = vec![
        gpus("cq-a", 16, json!([])),
        gpus("cq-b", 16, json!([])),
        gpus("small", 4, json!([])),
        gpus("away", 16, json!(["mk"])),
    ];
    let check = json!({"metadata": {"name": "mk"}, "spec": {"controllerName": MULTIKUEUE}});
    ClusterFacts {
        local_queues: Readable::Known(vec![
            local("a", "cq-a", "None"),
            local("b", "cq-b", "None"),
            local("small", "small", "None"),
            local("parking", "cq-b", "Hold"),
            local("away", "away", "None"),
        ]),
        admission_checks: Some(Readable::Known(vec![
            serde_json::from_value(check).unwrap(),
        ])),
        ..facts(queues, vec![])
    }
}

const MULTIKUEUE: &str = crate::api::keys::MULTIKUEUE_CONTROLLER;

/// Tries a move, and returns the patch, or the refusal in words.
fn moved(
    object: &Value,
    own: &KueueWorkload,
    to: &str,
    force: bool,
) -> Result<QueueingDecision, String> {
    let workload = read(object);
    let all = [own.clone()];
    let subject = QueuedSubject::new(&workload, object, &all, &[], Wish::Move).unwrap();
    match queue::to(&subject, to, &cluster(), force) {
        Ok(moved) => Ok(moved.verdict),
        Err(refusal) => {
            assert!(!refusal.hints.is_empty(), "{refusal}");
            Err(refusal.message)
        }
    }
}

#[test]
fn what_waits_is_moved_by_its_label() {
    let object = job(json!({"kueue.x-k8s.io/queue-name": "a"}));
    let waits = queued(json!([is("QuotaReserved", "False", "Pending")]), json!({}));
    let Ok(QueueingDecision::Patch(patch)) = moved(&object, &waits, "b", false) else {
        panic!("it is not moved");
    };
    assert_eq!(patch.target.display_name(), "job/x");
    assert_eq!(
        patch.content,
        json!({"metadata": {"uid": "u", "resourceVersion": "7", "labels": {"kueue.x-k8s.io/queue-name": "b"}}})
    );
    // A ClusterQueue means the LocalQueue that leads to it.
    assert_eq!(
        moved(&object, &waits, "cq-a", false),
        Ok(QueueingDecision::Unchanged)
    );
    // Moved once before, and Kueue did not follow.
    let label_only = job(json!({"kueue.x-k8s.io/queue-name": "b"}));
    assert!(matches!(
        moved(&label_only, &waits, "b", false),
        Ok(QueueingDecision::Patch(_))
    ));
}

#[test]
fn what_kueue_would_not_follow_is_not_moved() {
    let object = job(json!({"kueue.x-k8s.io/queue-name": "a"}));
    let waits = || json!([is("QuotaReserved", "False", "Pending")]);
    let admitted = json!([is("QuotaReserved", "True", ""), is("Admitted", "True", "")]);
    let mut evicted = waits();
    let preempted = is("Evicted", "True", "Preempted");
    evicted.as_array_mut().unwrap().push(preempted);
    let words = |own: KueueWorkload, to: &str| moved(&object, &own, to, false).unwrap_err();
    for (own, to, expected) in [
        (queued(admitted, json!({})), "b", "it is running"),
        (
            queued(json!([is("QuotaReserved", "True", "")]), json!({})),
            "b",
            "it already has quota",
        ),
        (
            queued(waits(), json!({"active": false})),
            "b",
            "it is paused",
        ),
        (
            queued(evicted, json!({})),
            "b",
            "it was evicted once (Preempted)",
        ),
        (
            queued(waits(), json!({})),
            "nope",
            "\"nope\" does not exist",
        ),
        (queued(waits(), json!({})), "parking", "is stopped"),
        (
            queued(waits(), json!({})),
            "small",
            "8 amd.com/gpu can never be admitted",
        ),
        (
            queued(waits(), json!({})),
            "away",
            "rejects what was not submitted to it",
        ),
    ] {
        let said = words(own, to);
        assert!(said.contains(expected), "{to}: {said}");
    }
    let parked = moved(&object, &queued(waits(), json!({})), "parking", true);
    assert!(matches!(parked, Ok(QueueingDecision::Patch(_))));
    let mut sent = object.clone();
    sent["spec"]["managedBy"] = json!(MULTIKUEUE);
    let said = moved(&sent, &queued(waits(), json!({})), "b", false).unwrap_err();
    assert!(said.contains("hold quota and never run"), "{said}");
}

#[test]
fn what_cannot_be_checked_of_another_cluster_is_said() {
    let object = job(json!({"kueue.x-k8s.io/queue-name": "a"}));
    let workload = read(&object);
    let all = [queued(json!([]), json!({}))];
    let subject = QueuedSubject::new(&workload, &object, &all, &[], Wish::Move).unwrap();
    let blind = ClusterFacts {
        admission_checks: Some(Readable::Forbidden),
        ..cluster()
    };
    let moved = queue::to(&subject, "away", &blind, false).unwrap();
    assert!(moved.warnings[0].contains("MultiKueue"), "{moved:?}");
}

#[test]
fn only_what_is_queued_as_a_whole_is_changed() {
    let object = job(json!({}));
    let workload = read(&object);
    let ended = [queued(
        json!([is("Finished", "True", "Succeeded")]),
        json!({}),
    )];
    let none = QueuedSubject::new(&workload, &object, &[], &[], Wish::Pause).unwrap_err();
    assert!(none.message.ends_with("it is not in a queue"), "{none}");
    let over = QueuedSubject::new(&workload, &object, &ended, &[], Wish::Pause).unwrap_err();
    assert!(over.message.ends_with("it has ended"), "{over}");
    for (kind, api_version, expected) in [
        (
            WorkloadKind::Deployment,
            "apps/v1",
            "each pod of a Deployment",
        ),
        (WorkloadKind::CronJob, "batch/v1", "each Job that it starts"),
        (
            WorkloadKind::Workspace,
            "kaito.sh/v1beta1",
            "Kueue does not queue it",
        ),
    ] {
        let object = json!({"metadata": {"name": "x", "namespace": "ml", "uid": "u"}});
        let workload = Workload::read(kind, api_version, &object).unwrap();
        for wish in [Wish::Move, Wish::Priority, Wish::Pause, Wish::Resume] {
            let refusal = QueuedSubject::new(&workload, &object, &[], &[], wish).unwrap_err();
            assert!(refusal.message.contains(expected), "{refusal}");
        }
    }
}

fn classes() -> Readable<Vec<WorkloadPriorityClass>> {
    let class = |name: &str, value: i64| {
        serde_json::from_value(json!({"metadata": {"name": name}, "value": value})).unwrap()
    };
    Readable::Known(vec![class("low", 10), class("high", 1000)])
}

#[test]
fn a_class_that_exists_is_set_and_another_is_not() {
    let object = job(json!({"kueue.x-k8s.io/priority-class": "low"}));
    let workload = read(&object);
    let spec = json!({"priorityClassRef": {"name": "low"}});
    let all = [queued(json!([is("Admitted", "True", "")]), spec)];
    let subject = QueuedSubject::new(&workload, &object, &all, &[], Wish::Priority).unwrap();
    let same = priority::to_class(&subject, "low", &classes()).unwrap();
    assert_eq!(same.verdict, QueueingDecision::Unchanged);
    let new = priority::to_class(&subject, "high", &classes()).unwrap();
    assert_eq!(new.value, Some(1000));
    let QueueingDecision::Patch(patch) = new.verdict else {
        panic!("unchanged");
    };
    assert_eq!(
        patch.content,
        json!({"metadata": {"uid": "u", "labels": {"kueue.x-k8s.io/priority-class": "high"}}})
    );
    let wrong = priority::to_class(&subject, "hihg", &classes()).unwrap_err();
    assert_eq!(
        wrong.hints,
        ["did you mean high?", "classes: high (1000), low (10)"]
    );
    let blind = priority::to_class(&subject, "hihg", &Readable::Forbidden).unwrap();
    assert_eq!(blind.value, None);
    assert!(priority::back(&subject).is_some());
}

#[test]
fn what_runs_without_a_class_gets_none() {
    let object = job(json!({}));
    let workload = read(&object);
    let all = [queued(json!([is("Admitted", "True", "")]), json!({}))];
    let subject = QueuedSubject::new(&workload, &object, &all, &[], Wish::Priority).unwrap();
    let refusal = priority::to_class(&subject, "high", &classes()).unwrap_err();
    assert!(refusal.message.contains("adds none to what is running"));
    assert_eq!(priority::back(&subject), None);
}

#[test]
fn pausing_changes_the_workload_of_kueue_alone() {
    let object = job(json!({}));
    let workload = read(&object);
    // It stays evicted after it was resumed: only the field tells.
    let conditions = json!([is("Evicted", "True", "Deactivated")]);
    let all = [queued(conditions, json!({}))];
    let subject = QueuedSubject::new(&workload, &object, &all, &[], Wish::Pause).unwrap();
    let kueue = "kueue.x-k8s.io/v1beta2";
    assert_eq!(
        activity::set(&subject, true, kueue),
        QueueingDecision::Unchanged
    );
    let QueueingDecision::Patch(patch) = activity::set(&subject, false, kueue) else {
        panic!("unchanged");
    };
    assert_eq!(patch.target.display_name(), "workload/job-x");
    assert_eq!(
        patch.content,
        json!({"metadata": {"uid": "w"}, "spec": {"active": false}})
    );
}

/// A Workload that holds GPUs of a queue.
fn holder(name: &str, queue: &str, priority: i64, gpus: i64, since: &str) -> KueueWorkload {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ml", "uid": name, "creationTimestamp": since},
        "spec": {"priority": priority},
        "status": {
            "conditions": [
                {"type": "QuotaReserved", "status": "True", "lastTransitionTime": since},
                {"type": "Admitted", "status": "True", "lastTransitionTime": since},
            ],
            "admission": {"clusterQueue": queue, "podSetAssignments": [
                {"name": "main", "count": 1, "flavors": {"amd.com/gpu": "f"},
                 "resourceUsage": {"amd.com/gpu": gpus.to_string()}},
            ]},
        },
    }))
    .unwrap()
}

fn shared(name: &str, preemption: Value, used: i64) -> ClusterQueue {
    let spec = json!({"cohortName": "all", "preemption": preemption, "resourceGroups": [{
        "coveredResources": ["amd.com/gpu"],
        "flavors": [{"name": "f", "resources": [{"name": "amd.com/gpu", "nominalQuota": 16}]}],
    }]});
    let usage = json!({"flavorsReservation": [
        {"name": "f", "resources": [{"name": "amd.com/gpu", "total": used.to_string()}]},
    ]});
    cluster_queue(name, spec, usage)
}

#[test]
fn the_lowest_and_newest_make_room_and_no_more_than_needed() {
    let mut own = queued(json!([]), json!({}));
    own.spec.pod_sets =
        serde_json::from_value(json!([{"name": "main", "count": 1, "template": {"spec": {
            "containers": [{"name": "c", "resources": {"requests": {"amd.com/gpu": "8"}}}],
        }}}]))
        .unwrap();
    let within = json!({"withinClusterQueue": "LowerPriority"});
    let mut known = facts(
        vec![shared("mine", within, 16), shared("other", json!({}), 16)],
        vec![],
    );
    known.cohorts = Some(Readable::Known(Vec::new()));
    let admitted = [
        holder("old", "mine", 10, 4, "2026-01-01T00:00:00Z"),
        holder("new", "mine", 10, 8, "2026-01-02T00:00:00Z"),
        holder("equal", "mine", 500, 4, "2026-01-03T00:00:00Z"),
        holder("stranger", "other", 0, 16, "2026-01-03T00:00:00Z"),
    ];
    let names = |priority: i64, known: &ClusterFacts, admitted: &[KueueWorkload]| -> Vec<String> {
        let queue = &known.cluster_queues.known().unwrap()[0];
        let found = preempted::by(&own, priority, queue, known, admitted);
        found.iter().map(|it| it.metadata.name.clone()).collect()
    };
    assert_eq!(names(500, &known, &admitted), ["new"]);
    assert_eq!(names(10, &known, &admitted), [""; 0]);
    // A cohort that lent what is this queue's gives it back first.
    let reclaims = json!({"withinClusterQueue": "LowerPriority", "reclaimWithinCohort": "Any"});
    known.cluster_queues = Readable::Known(vec![
        shared("mine", reclaims, 8),
        shared("other", json!({}), 24),
    ]);
    let admitted = [
        holder("mine", "mine", 10, 8, "2026-01-02T00:00:00Z"),
        holder("big", "other", 900, 16, "2026-01-02T00:00:00Z"),
        holder("borrower", "other", 900, 8, "2026-01-03T00:00:00Z"),
    ];
    assert_eq!(names(500, &known, &admitted), ["borrower"]);
    // What fits preempts nobody.
    known.cluster_queues = Readable::Known(vec![shared("mine", json!({}), 0)]);
    assert_eq!(names(500, &known, &admitted), [""; 0]);
}

#[test]
fn a_prediction_says_where_it_can_be_wrong() {
    let doubted = |preemption: Value, cohorts: Value, fair: Option<bool>| {
        let mut known = facts(vec![shared("mine", preemption, 16)], vec![]);
        known.cohorts = Some(Readable::Known(serde_json::from_value(cohorts).unwrap()));
        let queue = &known.cluster_queues.known().unwrap()[0];
        preempted::doubt(queue, &known, fair).unwrap_or_default()
    };
    let reclaims = json!({"reclaimWithinCohort": "LowerPriority"});
    let within = json!({"withinClusterQueue": "LowerPriority"});
    let borrows =
        json!({"reclaimWithinCohort": "Any", "borrowWithinCohort": {"policy": "LowerPriority"}});
    let tree = json!([{"metadata": {"name": "all"}, "spec": {"parentName": "root"}}]);
    let none = || json!([]);
    for (preemption, cohorts, fair, why) in [
        (&reclaims, none(), Some(false), ""),
        (&within, none(), Some(true), ""),
        (&reclaims, none(), Some(true), "shares fairly, and chooses"),
        (&reclaims, none(), None, "which you may not read"),
        (&reclaims, tree, Some(false), "part of a tree"),
        (&borrows, none(), Some(false), "borrowWithinCohort"),
    ] {
        let doubt = doubted(preemption.clone(), cohorts, fair);
        assert!(
            doubt.contains(why) && doubt.is_empty() == why.is_empty(),
            "{doubt}"
        );
    }
}

#[test]
fn an_array_is_moved_where_its_fewest_slots_fit() {
    let mut array = job(json!({"kueue.x-k8s.io/queue-name": "a"}));
    array["spec"]["parallelism"] = 1_000.into();
    array["spec"]["completions"] = 1_000.into();
    let own = queued(json!([]), json!({"queueName": "a"}));
    let refused = moved(&array, &own, "b", false).unwrap_err();
    assert!(refused.contains("cq-b"), "{refused}");
    array["metadata"]["annotations"] = json!({"kueue.x-k8s.io/job-min-parallelism": "1"});
    assert!(moved(&array, &own, "b", false).is_ok());
}

#[test]
fn slots_that_the_queue_never_has_are_refused_with_the_most() {
    let mut array = job(json!({"kueue.x-k8s.io/queue-name": "a"}));
    array["spec"]["parallelism"] = 1.into();
    array["spec"]["completions"] = 100.into();
    let check = |slots| slots::check_quota(&read(&array), &array, slots, &cluster());
    assert!(check(2).is_ok());
    let refusal = check(50).unwrap_err();
    assert_eq!(
        refusal.message,
        "job/x can never have 50 slots: ClusterQueue \"cq-a\" has quota for at most 2"
    );
    assert_eq!(refusal.hints.len(), 1);
}

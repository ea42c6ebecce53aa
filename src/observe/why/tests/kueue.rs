use super::*;

/// Queue q leads to ClusterQueue c of this spec and reservation.
fn with_queue(evidence: &mut Evidence, spec: Value, reserved: i64, others: Vec<Value>) {
    let queue = |name: &str, spec: &Value, reserved: i64| {
        json!({
            "metadata": {"name": name}, "spec": spec,
            "status": {"flavorsReservation": [
                {"name": "a", "resources": [{"name": "amd.com/gpu", "total": reserved}]},
            ]},
        })
    };
    let mut queues = vec![queue("c", &spec, reserved)];
    queues.extend(others);
    evidence.facts = Some(ClusterFacts {
        local_queues: Readable::Known(
            serde_json::from_value(
                json!([{"metadata": {"name": "q"}, "spec": {"clusterQueue": "c"}}]),
            )
            .unwrap(),
        ),
        cluster_queues: Readable::Known(serde_json::from_value(json!(queues)).unwrap()),
        cohorts: Some(Readable::Known(Vec::new())),
        ..facts()
    });
}

fn groups(gpus: i64) -> Value {
    json!([{"coveredResources": ["cpu", "amd.com/gpu"], "flavors": [{"name": "a", "resources": [
        {"name": "cpu", "nominalQuota": 100}, {"name": "amd.com/gpu", "nominalQuota": gpus},
    ]}]}])
}

#[test]
fn quota_is_counted_and_rivals_are_named() {
    let holder = |name: &str, queue: &str, priority: i64, gpus: i64| {
        queued(json!({
            "metadata": {"name": name, "namespace": "ml", "ownerReferences": [
                {"kind": "Job", "name": name, "controller": true},
            ]},
            "spec": {"priority": priority, "podSets": [{"name": "main", "template": {
                "metadata": {"labels": {"kaiwo-cli/username": "bob"}},
            }}]},
            "status": {
                "admission": {"clusterQueue": queue, "podSetAssignments": [
                    {"name": "main", "resourceUsage": {"amd.com/gpu": gpus}},
                ]},
                "conditions": [
                    {"type": "QuotaReserved", "status": "True", "lastTransitionTime": at(3)},
                    {"type": "Admitted", "status": "True"},
                ],
            },
        }))
    };
    let mut evidence = waits(not_reserved("Pending", SHORT));
    evidence.snapshot.position = Some(Position { place: 2, of: 3 });
    let spec = json!({
        "cohortName": "all", "resourceGroups": groups(24),
        "preemption": {"withinClusterQueue": "LowerPriority", "reclaimWithinCohort": "Any"},
    });
    let other = json!({
        "metadata": {"name": "d"}, "spec": {"cohortName": "all", "resourceGroups": groups(8)},
        "status": {"flavorsReservation": [{"name": "a", "resources": [{"name": "amd.com/gpu", "total": 8}]}]},
    });
    with_queue(&mut evidence, spec, 16, vec![other]);
    evidence.neighbours = vec![
        holder("small", "d", 0, 8),
        holder("large", "c", -5, 16),
        holder("elsewhere", "z", 0, 64),
    ];
    evidence.waiting = serde_json::from_value(json!([
        {"metadata": {"name": "job-y", "namespace": "ml", "ownerReferences": [{"kind": "Job", "name": "y", "controller": true}]}, "positionInClusterQueue": 0},
        {"metadata": {"name": "job-x", "namespace": "ml"}, "positionInClusterQueue": 1},
    ]))
    .unwrap();
    let diagnosis = diagnose(&evidence);
    assert_eq!(diagnosis.findings[0].cause, Cause::WaitingForQuota);
    assert_eq!(
        diagnosis.findings[0].summary,
        "it is waiting for quota: 8 more amd.com/gpu in flavor a"
    );
    let contest = serde_json::to_value(diagnosis.contest.unwrap()).unwrap();
    assert_eq!(
        contest,
        json!({
            "localQueue": "q", "clusterQueue": "c", "place": 2, "of": 3, "cohort": "all",
            "quota": [{"flavor": "a", "resource": "amd.com/gpu", "requested": "16", "free": "8", "nominal": "24", "most": "32"}],
            "ahead": [{"workload": "job/y", "namespace": "ml", "place": 1}],
            "holders": [
                {"workload": "job/large", "namespace": "ml", "gpus": 16, "user": "bob", "since": at(3)},
                {"workload": "job/small", "namespace": "ml", "gpus": 8, "user": "bob", "since": at(3), "clusterQueue": "d"},
            ],
            "rules": [
                "it can borrow up to 8 amd.com/gpu from cohort all: no queue there has unused quota",
                "it can preempt workloads of lower priority: they hold 16 GPUs; it can reclaim what others in the cohort have borrowed",
            ],
        })
    );
    // All of it is free, and nobody is ahead: Kueue has not looked again.
    let mut free = evidence.clone();
    let spec = json!({"resourceGroups": groups(24)});
    with_queue(&mut free, spec, 0, Vec::new());
    free.neighbours.clear();
    free.waiting.clear();
    free.snapshot.position = Some(Position { place: 1, of: 1 });
    let first = diagnose(&free).findings.remove(0);
    assert_eq!(first.cause, Cause::WaitingForQuota);
    assert_eq!(
        first.summary,
        "all the quota that it requests is free, and Kueue has not admitted it yet"
    );
    let commands = first.remedies.iter().filter_map(|it| it.command.as_ref());
    let commands: Vec<String> = commands.map(|it| it.line(&Connection::NONE)).collect();
    assert_eq!(
        commands,
        ["kaiwo pause job/x -n ml", "kaiwo resume job/x -n ml"]
    );
    // Those ahead could need it.
    free.snapshot.position = Some(Position { place: 2, of: 2 });
    let first = diagnose(&free).findings.remove(0);
    assert_eq!(first.summary, "it is waiting for quota");
    // A batch-user has Kueue's words.
    evidence.facts = None;
    evidence.neighbours.clear();
    let diagnosis = diagnose(&evidence);
    assert_eq!(
        diagnosis.findings[0].summary,
        "it is waiting for quota: 8 more amd.com/gpu in flavor a"
    );
    assert_eq!(
        serde_json::to_value(&diagnosis.contest.unwrap().quota).unwrap(),
        json!([{"flavor": "a", "resource": "amd.com/gpu", "requested": "16", "free": "8"}])
    );
}

#[test]
fn what_kueue_says_decides_while_its_queue_is_well() {
    for (reason, message, cause) in [
        ("WaitingForQuota", SHORT, Cause::WaitingForQuota),
        ("ExceedsMaxQuota", "new words", Cause::ExceedsMaximum),
        ("NoMatchingFlavor", "new words", Cause::NoMatchingFlavor),
        (
            "TopologyPlacementFailed",
            "new words",
            Cause::TopologyPlacement,
        ),
        (
            "WaitingForPreemptedWorkloads",
            "new words",
            Cause::WaitingForPreempted,
        ),
        ("WaitingForPodsReady", "new words", Cause::OthersNotReady),
        ("Misconfigured", "new words", Cause::NotAdmitted),
        ("PendingEvaluation", "new words", Cause::NotEvaluated),
        ("Pending", "", Cause::NotEvaluated),
        (
            "Inadmissible",
            "resources didn't satisfy LimitRange constraints: x",
            Cause::InvalidRequests,
        ),
        (
            "Inadmissible",
            "LocalQueue q doesn't exist",
            Cause::LocalQueueMissing,
        ),
        (
            "Inadmissible",
            "ClusterQueue c is inactive",
            Cause::ClusterQueueInactive,
        ),
        (
            "Pending",
            "Workload namespace doesn't match ClusterQueue selector",
            Cause::NamespaceNotSelected,
        ),
    ] {
        let evidence = waits(not_reserved(reason, message));
        assert_eq!(causes(&evidence), [cause], "{reason}: {message}");
    }
    // The queue that Kueue found inactive is open again, and Kueue about to look.
    let mut evidence = waits(not_reserved("Inadmissible", "ClusterQueue c is inactive"));
    evidence.facts = Some(ClusterFacts {
        local_queues: Readable::Known(
            serde_json::from_value(json!([{
                "metadata": {"name": "q"}, "spec": {"clusterQueue": "c"},
                "status": {"conditions": [{"type": "Active", "status": "True"}]},
            }]))
            .unwrap(),
        ),
        ..facts()
    });
    assert_eq!(causes(&evidence), [Cause::NotEvaluated]);
    // And one that was well has been stopped since.
    let mut evidence = waits(not_reserved("Pending", SHORT));
    with_queue(
        &mut evidence,
        json!({"resourceGroups": groups(8), "stopPolicy": "Hold"}),
        0,
        vec![],
    );
    assert_eq!(causes(&evidence), [Cause::QueueStopped]);
}

#[test]
fn what_kueue_says_of_an_equal_workload_goes_for_this_one() {
    let bypassed = "Bypassed scheduling evaluation because an equivalent workload recently failed";
    let mut evidence = waits(not_reserved("WaitingForQuota", bypassed));
    assert_eq!(causes(&evidence), [Cause::WaitingForQuota]);
    let mut twin = evidence.snapshot.queued()[0].clone();
    twin.metadata.name = "job-y".into();
    twin.status.conditions[0].message = SHORT.into();
    evidence.neighbours = vec![twin];
    let told = text(&evidence);
    assert!(told.contains("8 more amd.com/gpu in flavor a"), "{told}");
}

/// An array that runs with two slots of 4 GPUs each and wants `slots`, in a queue of 24 of
/// which 12 are held.
fn grows(slots: i64) -> Evidence {
    let mut evidence = waits(not_reserved("Pending", SHORT));
    let slice = |name: &str, count: i64| {
        let mut slice = queued(json!({
            "metadata": {
                "name": name, "namespace": "ml", "creationTimestamp": at(0),
                "annotations": {"kueue.x-k8s.io/elastic-job": "true"},
                "ownerReferences": [{"kind": "Job", "name": "x", "uid": "u", "controller": true}],
            },
            "spec": {"queueName": "q", "podSets": [{"name": "main", "count": count, "template": {"spec": {
                "containers": [{"resources": {"requests": {"amd.com/gpu": "4"}}}],
            }}}]},
            "status": {"conditions": not_reserved("Pending", SHORT)},
        }));
        slice.status.resource_requests = Vec::new();
        slice
    };
    let mut running = slice("job-x-1", 2);
    running.status = serde_json::from_value(json!({
        "conditions": [{"type": "Admitted", "status": "True"}],
        "admission": {"clusterQueue": "c", "podSetAssignments": [{
            "name": "main", "count": 2, "flavors": {"amd.com/gpu": "a"}, "resourceUsage": {"amd.com/gpu": "8"},
        }]},
    }))
    .unwrap();
    evidence.snapshot.queued = Readable::Known(vec![running.clone(), slice("job-x-2", slots)]);
    let spec = json!({"resourceGroups": groups(24)});
    with_queue(&mut evidence, spec, 12, vec![]);
    evidence.neighbours = vec![running];
    evidence
}

#[test]
fn an_array_that_grows_counts_what_it_has_and_says_how_many_slots_fit() {
    let evidence = grows(6);
    assert_eq!(causes(&evidence), [Cause::WaitingForQuota]);
    let told = text(&evidence);
    for words in [
        "it runs with 2 of 6 slots; the others wait for quota: 4 more amd.com/gpu in flavor a",
        "kaiwo resize job/x -n ml --slots 5",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    let contest = diagnose(&evidence).contest.unwrap();
    assert!(contest.holders.is_empty());
    let evidence = grows(7);
    assert_eq!(causes(&evidence), [Cause::ExceedsMaximum]);
    let told = text(&evidence);
    assert!(
        told.contains("can never have all of them: they need 28 amd.com/gpu"),
        "{told}"
    );
}

#[test]
fn gates_are_named_with_the_command_that_lifts_them() {
    let mut evidence = waits(not_reserved(
        "AdmissionGated",
        "Admission is gated by: ex.com/budget,ex.com/data",
    ));
    if let Readable::Known(queued) = &mut evidence.snapshot.queued {
        queued[0].metadata.owner_references = serde_json::from_value(json!([
            {"kind": "RayJob", "name": "x", "uid": "u", "controller": true},
        ]))
        .unwrap();
    }
    assert_eq!(causes(&evidence), [Cause::AdmissionGated]);
    let told = text(&evidence);
    for words in [
        "its admission gates ex.com/budget and ex.com/data are removed",
        "kubectl -n ml annotate rayjob x kueue.x-k8s.io/admission-gated-by-",
        "if you may patch the rayjob",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    // Words that are new still have their reason.
    assert_eq!(
        causes(&waits(not_reserved("AdmissionGated", "new words"))),
        [Cause::AdmissionGated]
    );
}

#[test]
fn where_kueue_is_silent_the_queue_tells_what_it_does_not_cover() {
    let silent = |created: u8, asked: &str| {
        let mut evidence =
            waits(json!([{"type": "PodsReady", "status": "False", "reason": "WaitForStart"}]));
        evidence.snapshot.queued = Readable::Known(vec![queued(json!({
            "metadata": {"name": "job-x", "namespace": "ml", "creationTimestamp": at(created)},
            "spec": {"queueName": "q", "podSets": [{"name": "main", "count": 2, "template": {"spec": {
                "containers": [{"resources": {"requests": {"amd.com/gpu": "4"}, "limits": {asked: "1"}}}],
            }}}]},
        }))]);
        with_queue(
            &mut evidence,
            json!({"resourceGroups": groups(32)}),
            0,
            vec![],
        );
        evidence
    };
    let evidence = silent(0, "example.com/x");
    assert_eq!(causes(&evidence), [Cause::ExceedsMaximum]);
    assert!(text(&evidence).contains("has no quota for example.com/x"));
    // A moment ago it was made, and Kueue has said nothing yet of anything.
    assert_eq!(causes(&silent(58, "example.com/x")), [Cause::NotEvaluated]);
    // Kueue is told not to count it.
    let mut excluded = silent(0, "example.com/x");
    excluded.kueue =
        serde_json::from_value(json!({"resources": {"excludeResourcePrefixes": ["example.com/"]}}))
            .ok();
    assert_eq!(causes(&excluded), [Cause::NotEvaluated]);
    let covered = silent(0, "amd.com/gpu");
    assert_eq!(causes(&covered), [Cause::NotEvaluated]);
    let told = text(&covered);
    assert!(
        told.contains("Kueue has reported nothing about it for 59 s"),
        "{told}"
    );
    assert!(told.contains("grep job-x"), "{told}");
    // Who may not read ClusterQueues has what the LocalQueue counts.
    let mut blind = silent(0, "example.com/x");
    blind.facts = Some(ClusterFacts {
        local_queues: Readable::Known(
            serde_json::from_value(json!([{
                "metadata": {"name": "q"}, "spec": {"clusterQueue": "c"},
                "status": {"flavorsReservation": [{"name": "a", "resources": [{"name": "amd.com/gpu", "total": "0"}]}]},
            }]))
            .unwrap(),
        ),
        ..facts()
    });
    assert_eq!(causes(&blind), [Cause::ExceedsMaximum]);
}

#[test]
fn a_strict_queue_lets_nobody_overtake() {
    let mut evidence = waits(json!([]));
    evidence.snapshot.position = Some(Position { place: 3, of: 3 });
    with_queue(
        &mut evidence,
        json!({"resourceGroups": groups(32), "queueingStrategy": "StrictFIFO"}),
        0,
        vec![],
    );
    assert_eq!(causes(&evidence), [Cause::BehindOthers]);
    assert!(text(&evidence).contains("no workload overtakes"));
}

#[test]
fn what_kueue_does_not_know_says_why() {
    let job = |labels: Value, created: u8| {
        let mut evidence = evidence(
            WorkloadKind::Job,
            &json!({
                "metadata": {"name": "x", "namespace": "ml", "creationTimestamp": at(created), "labels": labels},
                "spec": {"suspend": true},
            }),
        );
        evidence.facts = Some(ClusterFacts {
            priority_classes: Some(Readable::Known(vec!["low".into()])),
            namespace: Readable::Known(Some(
                serde_json::from_value(json!({"metadata": {"name": "ml"}})).unwrap(),
            )),
            ..facts()
        });
        evidence
    };
    let queue = json!({"kueue.x-k8s.io/queue-name": "q"});
    let classy = json!({"kueue.x-k8s.io/queue-name": "q", "kueue.x-k8s.io/priority-class": "high"});
    assert_eq!(
        causes(&job(classy.clone(), 0)),
        [Cause::UnknownPriorityClass]
    );
    assert_eq!(causes(&job(queue.clone(), 58)), [Cause::NotEvaluated]);
    assert_eq!(causes(&job(queue.clone(), 0)), [Cause::NoWorkload]);
    assert_eq!(causes(&job(json!({}), 0)), [Cause::Suspended]);
    let mut unread = job(classy, 0);
    unread.facts = None;
    assert_eq!(causes(&unread), [Cause::NoWorkload]);
    assert!(text(&unread).contains("if that does not exist, it is the cause"));
    let mut configured = job(queue.clone(), 0);
    let kueue = |configuration: Value| serde_json::from_value(configuration).ok();
    configured.kueue = kueue(json!({"integrations": {"frameworks": ["ray.io/rayjob"]}}));
    assert_eq!(causes(&configured), [Cause::KindNotManaged]);
    configured.kueue = kueue(json!({
        "integrations": {"frameworks": ["batch/job"]},
        "managedJobsNamespaceSelector": {"matchLabels": {"a": "b"}},
    }));
    assert_eq!(causes(&configured), [Cause::NamespaceNotManaged]);
    let mut without = job(queue, 0);
    without.has_kueue = false;
    assert_eq!(causes(&without), [Cause::KueueMissing]);
}

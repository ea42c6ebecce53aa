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

fn at(second: u8) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

fn evidence(kind: WorkloadKind, object: &Value) -> Evidence {
    Evidence {
        snapshot: Snapshot {
            workload: Workload::read(kind, kind.api_version(), object).unwrap(),
            parts: Vec::new(),
            queued: Readable::Known(Vec::new()),
            pods: Readable::Known(Vec::new()),
            position: None,
        },
        autoscaler: None,
        finalizers: Vec::new(),
        now: at(59).parse().unwrap(),
        has_kueue: true,
        facts: None,
        kueue: None,
        waiting: Vec::new(),
        neighbours: Vec::new(),
        occupation: None,
        events: Vec::new(),
        claims: Default::default(),
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
        admission_checks: None,
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
    serde_json::to_string(&diagnose(evidence).findings).unwrap()
}

fn unscheduled(name: &str, message: &str, gpus: i64) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "ml", "uid": name},
        "spec": {
            "nodeSelector": {"kind": "gpu"},
            "containers": [{"name": "c", "resources": {
                "limits": {"amd.com/gpu": gpus}, "requests": {"amd.com/gpu": gpus},
            }}],
        },
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},
        ]},
    })
}

fn node(name: &str, kind: &str, gpus: i64, taints: Value) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kind": kind}},
        "spec": {"taints": taints},
        "status": {"allocatable": {"amd.com/gpu": gpus}},
    }))
    .unwrap()
}

fn occupied(nodes: &[(&str, i64)]) -> Occupation {
    let mut occupation = Occupation::default();
    for (node, gpus) in nodes {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": format!("on-{node}"), "namespace": "other"},
            "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {
                "limits": {"amd.com/gpu": gpus}, "requests": {"amd.com/gpu": gpus},
            }}]},
        }))
        .unwrap();
        occupation.add(&pod);
    }
    occupation
}

#[test]
fn nodes_say_why_no_node_takes_a_pod() {
    let message = "0/2 nodes are available: 2 Insufficient amd.com/gpu.";
    let free = json!([]);
    let ours = json!([{"key": "dedicated", "value": "team", "effect": "NoSchedule"}]);
    for (nodes, taken, cause, says) in [
        (
            vec![
                node("a", "gpu", 8, free.clone()),
                node("b", "gpu", 8, free.clone()),
            ],
            &[("a", 4), ("b", 4)][..],
            Cause::Fragmented,
            "8 amd.com/gpu are free as 4+4, but a pod needs 8 on one node",
        ),
        (
            vec![node("a", "gpu", 8, free.clone())],
            &[("a", 8)],
            Cause::NodesFull,
            "other/on-a (8)",
        ),
        (
            vec![
                node("a", "gpu", 4, free.clone()),
                node("b", "other", 8, free.clone()),
            ],
            &[],
            Cause::NodesTooSmall,
            "no node it may use has more than 4",
        ),
        (
            vec![node("a", "gpu", 8, ours)],
            &[],
            Cause::Taints,
            "--toleration dedicated=team:NoSchedule",
        ),
        (
            vec![node("a", "other", 8, free)],
            &[],
            Cause::NodeSelector,
            "kind=gpu",
        ),
    ] {
        let mut evidence = started();
        pods(&mut evidence, vec![unscheduled("p", message, 8)]);
        evidence.facts = Some(ClusterFacts {
            nodes: Some(Readable::Known(nodes)),
            ..facts()
        });
        evidence.occupation = Some(occupied(taken));
        assert_eq!(causes(&evidence), [cause]);
        assert!(text(&evidence).contains(says), "{}", text(&evidence));
    }
}

#[test]
fn without_nodes_the_scheduler_says_why() {
    for (message, cause) in [
        (
            "0/2 nodes are available: 2 Insufficient amd.com/gpu.",
            Cause::NodesFull,
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            Cause::NodeSelector,
        ),
        (
            "0/2 nodes are available: 2 node(s) had untolerated taint {dedicated: team}.",
            Cause::Taints,
        ),
        (
            "0/2 nodes are available: persistentvolumeclaim \"data\" not found.",
            Cause::ClaimMissing,
        ),
        (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            Cause::ClaimUnbound,
        ),
        ("something new", Cause::Unschedulable),
    ] {
        let mut evidence = started();
        pods(&mut evidence, vec![unscheduled("p", message, 8)]);
        assert_eq!(causes(&evidence), [cause], "{message}");
    }
}

#[test]
fn a_gang_that_is_incomplete_says_so_and_why() {
    let mut evidence = started();
    let placed = json!({
        "metadata": {"name": "a"}, "spec": {"nodeName": "n"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let message = "0/2 nodes are available: 2 Insufficient amd.com/gpu.";
    pods(&mut evidence, vec![placed, unscheduled("b", message, 8)]);
    assert_eq!(causes(&evidence), [Cause::GangPartlyPlaced]);
    let told = text(&evidence);
    assert!(
        told.contains("1 of 2 pods have a node, and 1 find none"),
        "{told}"
    );
    assert!(told.contains("cause: nodesFull"), "{told}");
    let by_kueue = "Kueue takes it off and queues it again";
    assert!(!told.contains(by_kueue), "it is in no queue: {told}");
    let labels = &mut evidence.snapshot.workload.metadata.labels;
    labels.insert("kueue.x-k8s.io/queue-name".to_owned(), "q".to_owned());
    assert!(text(&evidence).contains(by_kueue));
}

fn event(about: &str, reason: &str, message: &str, second: u8) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": "e"}, "type": "Warning", "reason": reason, "message": message,
        "involvedObject": {"uid": about}, "lastTimestamp": at(second),
    }))
    .unwrap()
}

/// The newest event of a Job that had been in trouble must not outlive it.
#[test]
fn a_stale_event_never_wins_over_the_present() {
    let refused = "Error creating: pods \"x-\" is forbidden: error looking up service account ml/a: serviceaccount \"a\" not found";
    // Younger than the start, and about the Job itself: it tells.
    let mut evidence = started();
    evidence.events = vec![event("u", "FailedCreate", refused, 20)];
    assert_eq!(causes(&evidence), [Cause::PodsRefused]);
    assert!(text(&evidence).contains("create serviceaccount a"));
    // From before the Job was resumed, or about another object.
    for stale in [
        event("u", "FailedCreate", refused, 5),
        event("another", "FailedCreate", refused, 20),
    ] {
        let mut evidence = started();
        evidence.events = vec![stale];
        assert_eq!(causes(&evidence), [Cause::Starting]);
    }
    // It has pods by now.
    let mut evidence = started();
    evidence.events = vec![event("u", "FailedCreate", refused, 20)];
    let creating = json!({
        "metadata": {"name": "p", "uid": "p"}, "spec": {"nodeName": "n"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(25)},
        ]},
    });
    pods(&mut evidence, vec![creating]);
    assert_eq!(causes(&evidence), [Cause::Starting]);
    // A mount that failed before the pod had this node is none of its.
    let mount = "MountVolume.SetUp failed for volume \"key\" : secret \"hf\" not found";
    evidence.events = vec![event("p", "FailedMount", mount, 24)];
    assert_eq!(causes(&evidence), [Cause::Starting]);
    evidence.events = vec![event("p", "FailedMount", mount, 30)];
    assert_eq!(causes(&evidence), [Cause::ConfigurationMissing]);
    evidence.events = vec![event("p", "FailedMount", "timed out", 30)];
    assert_eq!(causes(&evidence), [Cause::VolumeMount]);
}

#[test]
fn the_words_of_registries_are_told_apart() {
    for (message, cause) in [
        ("Back-off pulling image \"r/x:1\"", Cause::ImagePull),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/r/x:1\": failed to resolve reference \"docker.io/r/x:1\": docker.io/r/x:1: not found",
            Cause::ImageNotFound,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: reading manifest 1 in quay.io/r/x: manifest unknown",
            Cause::ImageNotFound,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            Cause::ImageDenied,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            Cause::ImageDenied,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: failed to do request: Head \"https://r/v2\": dial tcp: lookup r: no such host",
            Cause::ImagePull,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: 429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
            Cause::ImagePull,
        ),
        ("Back-off pulling image \"not found/404\"", Cause::ImagePull),
    ] {
        let mut evidence = started();
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p", "uid": "p"},
                "status": {"phase": "Pending", "containerStatuses": [
                    {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}},
                ]},
            })],
        );
        assert_eq!(causes(&evidence), [cause], "{message}");
    }
    // Older kubelets say why in an event only.
    let mut evidence = started();
    pods(
        &mut evidence,
        vec![json!({
            "metadata": {"name": "p", "uid": "p"},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r/x\""}}},
            ]},
        })],
    );
    evidence.events = vec![event(
        "p",
        "Failed",
        "Failed to pull image \"r/x\": r/x: not found",
        20,
    )];
    assert_eq!(causes(&evidence), [Cause::ImageNotFound]);
}

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

const SHORT: &str = "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor a, 8 more needed";

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
        "it waits for quota: 8 more amd.com/gpu in flavor a"
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
                "it may borrow up to 8 amd.com/gpu from cohort all: nobody there has any unused",
                "it may preempt workloads of lower priority with 16 GPUs; what others of the cohort have borrowed it takes back",
            ],
        })
    );
    // A batch-user has Kueue's words.
    evidence.facts = None;
    evidence.neighbours.clear();
    let diagnosis = diagnose(&evidence);
    assert_eq!(
        diagnosis.findings[0].summary,
        "it waits for quota: 8 more amd.com/gpu in flavor a"
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
    assert!(text(&evidence).contains("nobody overtakes"));
}

#[test]
fn what_kueue_took_off_says_so_first() {
    let preempted = json!([
        {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": SHORT},
        {"type": "Evicted", "status": "True", "reason": "Preempted", "message": "m", "lastTransitionTime": at(30)},
        {"type": "Preempted", "status": "True", "reason": "InCohortReclamation", "message":
            "Preempted to accommodate a workload (UID: 1, JobUID: 2) due to reclamation within the cohort; preemptor path: /all/prod; preemptee path: /all/c"},
    ]);
    let mut evidence = waits(preempted);
    assert_eq!(
        causes(&evidence),
        [Cause::Preempted, Cause::WaitingForQuota]
    );
    assert!(text(&evidence).contains("by a workload that you may not see, in ClusterQueue prod"));
    assert_eq!(diagnose(&evidence).since, Some(at(30).parse().unwrap()));
    evidence.neighbours = vec![queued(json!({
        "metadata": {"name": "w", "namespace": "ml", "uid": "1", "ownerReferences": [{"kind": "RayJob", "name": "big", "uid": "2", "controller": true}]},
    }))];
    assert!(text(&evidence).contains("by rayjob/big"));
    let given_up = |reason: &str| {
        let mut evidence = waits(json!([
            {"type": "Evicted", "status": "True", "reason": reason, "message": "m"},
        ]));
        if let Readable::Known(queued) = &mut evidence.snapshot.queued {
            queued[0].spec.active = Some(false);
        }
        causes(&evidence)
    };
    for (reason, cause) in [
        ("Deactivated", Cause::Deactivated),
        (
            "DeactivatedDueToAdmissionCheck",
            Cause::AdmissionCheckRejected,
        ),
        (
            "DeactivatedDueToRequeuingLimitExceeded",
            Cause::RequeuingLimit,
        ),
        (
            "DeactivatedDueToMaximumExecutionTimeExceeded",
            Cause::MaximumExecutionTime,
        ),
    ] {
        assert_eq!(given_up(reason), [cause], "{reason}");
    }
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
    assert!(text(&unread).contains("if there is none of that name, that is why"));
    let mut configured = job(queue.clone(), 0);
    configured.kueue = Some(KueueConfiguration {
        frameworks: vec!["ray.io/rayjob".into()],
        namespaces: None,
    });
    assert_eq!(causes(&configured), [Cause::KindNotManaged]);
    configured.kueue = Some(KueueConfiguration {
        frameworks: vec!["batch/job".into()],
        namespaces: Some(serde_json::from_value(json!({"matchLabels": {"a": "b"}})).unwrap()),
    });
    assert_eq!(causes(&configured), [Cause::NamespaceNotManaged]);
    let mut without = job(queue, 0);
    without.has_kueue = false;
    assert_eq!(causes(&without), [Cause::KueueMissing]);
}

#[test]
fn a_service_is_served_again_and_what_serves_is_not_deleted_for_it() {
    let told = |kind: WorkloadKind, queue: Option<&str>| {
        let labels = json!({"kueue.x-k8s.io/queue-name": queue.unwrap_or_default()});
        let mut evidence = evidence(
            kind,
            &json!({"metadata": {"name": "x", "namespace": "ml", "labels": labels}}),
        );
        // A head and a worker: one image, one cause.
        let pods = ["ray-head", "ray-worker"].map(|container| {
            json!({
                "metadata": {"name": container},
                "spec": {"containers": [{"name": container, "image": "r/x:1"}]},
                "status": {"phase": "Pending", "containerStatuses": [{"name": container, "state": {
                    "waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r/x:1\": not found"},
                }}]},
            })
        });
        evidence.snapshot.pods = Readable::Known(serde_json::from_value(json!(pods)).unwrap());
        let mut findings = diagnose(&evidence).findings;
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .evidence
                .contains(&"pods: 2 of 2, the first is ray-head".to_owned())
        );
        findings[0].remedies.remove(0).text
    };
    assert_eq!(
        told(WorkloadKind::RayService, None),
        "serve it again with the right -i IMAGE"
    );
    assert_eq!(
        told(WorkloadKind::RayService, Some("q")),
        "serve it again with --replace and the right -i IMAGE"
    );
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
    assert!(told.contains("on cluster x-new, which was to take over; x-old serves on"));
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
        (unserved, "an admin installs"),
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
        let text = text(&evidence).replace(r#"{"who":"admin","text":""#, "an admin ");
        assert!(text.contains(words), "{text}");
        assert!(
            text.contains("horizontalpodautoscaler/x: 2 of 1 to 4 pods"),
            "{text}"
        );
    }
    // Pods that are on their way cannot be measured, which is no news.
    assert_eq!(causes(&scaled(0, unserved)), [Cause::Starting]);
}

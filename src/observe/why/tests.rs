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
    let cordoned = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
    let ours = json!([{"key": "dedicated", "value": "team", "effect": "NoSchedule"}]);
    for (nodes, taken, cause, says) in [
        (
            vec![
                node("a", "gpu", 8, free.clone()),
                node("b", "gpu", 8, free.clone()),
            ],
            &[("a", 4), ("b", 4)][..],
            Cause::Fragmented,
            "8 amd.com/gpu are free, as 4+4, but a pod needs 8 on one node",
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
            "no node it can use has more than 4",
        ),
        (
            vec![node("a", "gpu", 8, ours)],
            &[],
            Cause::Taints,
            "--toleration dedicated=team:NoSchedule",
        ),
        (
            vec![
                node("a", "gpu", 8, cordoned.clone()),
                node("b", "gpu", 8, cordoned),
            ],
            &[],
            Cause::Taints,
            "kubectl uncordon a b",
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
        told.contains("1 of 2 pods have a node, and 1 have none"),
        "{told}"
    );
    assert!(told.contains("cause: nodesFull"), "{told}");
    let by_kueue = "Kueue evicts it and queues it again";
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
    evidence.snapshot.events = Readable::Known(vec![event("u", "FailedCreate", refused, 20)]);
    assert_eq!(causes(&evidence), [Cause::PodsRefused]);
    assert!(text(&evidence).contains("create serviceaccount a"));
    // From before the Job was resumed, or about another object.
    for stale in [
        event("u", "FailedCreate", refused, 5),
        event("another", "FailedCreate", refused, 20),
    ] {
        let mut evidence = started();
        evidence.snapshot.events = Readable::Known(vec![stale]);
        assert_eq!(causes(&evidence), [Cause::Starting]);
    }
    // It has pods by now.
    let mut evidence = started();
    evidence.snapshot.events = Readable::Known(vec![event("u", "FailedCreate", refused, 20)]);
    let creating = json!({
        "metadata": {"name": "p", "uid": "p", "creationTimestamp": at(25)}, "spec": {"nodeName": "n"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(25)},
        ]},
    });
    pods(&mut evidence, vec![creating]);
    assert_eq!(causes(&evidence), [Cause::Starting]);
    // A mount that failed before the pod had this node is none of its.
    let mount = "MountVolume.SetUp failed for volume \"key\" : secret \"hf\" not found";
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", mount, 24)]);
    assert_eq!(causes(&evidence), [Cause::Starting]);
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", mount, 30)]);
    assert_eq!(causes(&evidence), [Cause::ConfigurationMissing]);
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", "timed out", 30)]);
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
    evidence.snapshot.events = Readable::Known(vec![event(
        "p",
        "Failed",
        "Failed to pull image \"r/x\": r/x: not found",
        20,
    )]);
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
                "it can borrow up to 8 amd.com/gpu from cohort all: no queue there has any unused",
                "it can preempt workloads of lower priority with 16 GPUs; it reclaims what others in the cohort have borrowed",
            ],
        })
    );
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
fn an_eviction_for_readiness_says_how_long_and_what_to_change() {
    let mut evidence = waits(json!([
        {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": SHORT},
        {"type": "Evicted", "status": "True", "reason": "PodsReadyTimeout",
            "message": "Exceeded the PodsReady timeout ml/job-x"},
    ]));
    let told = text(&evidence);
    assert!(!told.contains("had been loading"), "{told}");
    if let Readable::Known(queued) = &mut evidence.snapshot.queued {
        let own = &mut queued[0];
        own.status.accumulated_past_execution_time_seconds = Some(3_600);
        own.status.scheduling_stats = serde_json::from_value(json!({"evictions": [
            {"reason": "PodsReadyTimeout", "count": 2},
        ]}))
        .unwrap();
        own.spec.pod_sets =
            serde_json::from_value(json!([{"name": "main", "count": 1, "template": {"spec": {
                "containers": [{"startupProbe": {"periodSeconds": 10, "failureThreshold": 360}}],
            }}}]))
            .unwrap();
    }
    evidence.kueue = serde_json::from_value(json!({"waitForPodsReady": {"timeout": "30m"}})).ok();
    let told = text(&evidence);
    for words in [
        "its pods have been loading for 60 min in total, in 2 attempts",
        "Kueue allows 30 min (waitForPodsReady.timeout)",
        "their startup probe allows 60 min",
        "allow as long as the probe, 60 min",
        "kubectl -n kueue-system edit configmap kueue-manager-config",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    assert!(EvidenceReads::about(&evidence.snapshot).configuration);
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
        "serve it again with the correct -i IMAGE"
    );
    assert_eq!(
        told(WorkloadKind::RayService, Some("q")),
        "serve it again with --replace and the correct -i IMAGE"
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

/// A pod of a service that runs and is not ready.
fn unready(restarts: i64, state: Value, last: Value) -> Value {
    json!({
        "metadata": {"name": "p", "uid": "p", "creationTimestamp": at(1)},
        "spec": {"nodeName": "n", "restartPolicy": "Always"},
        "status": {"phase": "Running", "startTime": at(2), "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state, "lastState": last}]},
    })
}

#[test]
fn a_failing_probe_is_quoted() {
    let told = |message: &str| {
        let mut evidence = started();
        let running = json!({"running": {"startedAt": at(20)}});
        pods(&mut evidence, vec![unready(0, running, json!({}))]);
        evidence.snapshot.events = Readable::Known(vec![event("p", "Unhealthy", message, 30)]);
        assert_eq!(causes(&evidence), [Cause::NotReady]);
        text(&evidence)
    };
    let answers = told("Startup probe failed: HTTP probe failed with statuscode: 500");
    for words in [
        "1 of 1 pods are running but not ready",
        // The container's time, not the pod's.
        "pod p has been running for 39 s",
        "HTTP probe failed with statuscode: 500",
        "HTTP 500 does not mean that it is loading",
    ] {
        assert!(answers.contains(words), "{words}: {answers}");
    }
    assert!(!answers.contains("loading a large model"), "{answers}");
    for loading in [
        "Startup probe failed: dial tcp 10.2.0.8:8000: connect: connection refused",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    ] {
        assert!(told(loading).contains("loading a large model"), "{loading}");
    }
}

/// Asked at every moment of ten turns, it says the same but for the count.
#[test]
fn a_crash_loop_has_one_answer() {
    let ended = json!({"exitCode": 5, "reason": "Error", "startedAt": at(3), "finishedAt": at(7)});
    let last = json!({"terminated": ended});
    let mut told = Vec::new();
    for turn in 0..10 {
        let states = [
            (json!({"terminated": ended}), turn),
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container=c pod=p_ml(uid)"}}),
                turn,
            ),
            (json!({"running": {"startedAt": at(50)}}), turn + 1),
        ];
        for (state, restarts) in states {
            let mut evidence = started();
            pods(&mut evidence, vec![unready(restarts, state, last.clone())]);
            let questions = EvidenceReads::about(&evidence.snapshot);
            let log = questions.log.unwrap();
            assert_eq!((log.pod.as_str(), log.container.as_str()), ("p", "c"));
            evidence.last_words = vec!["boom: no such weights".to_owned()];
            let finding = diagnose(&evidence).findings.remove(0);
            let evidence: Vec<String> = finding.evidence;
            let count = |line: &&String| !line.starts_with("restarted ");
            let rest: Vec<String> = evidence.iter().filter(count).cloned().collect();
            told.push((finding.cause, finding.summary, rest));
        }
    }
    told.dedup();
    let lines = ["| boom: no such weights", "pod: p"].map(str::to_owned);
    let summary = "container c keeps ending: exit code 5".to_owned();
    assert_eq!(told, [(Cause::CrashLoop, summary, lines.to_vec())]);
}

#[test]
fn the_log_that_is_read_is_that_of_what_ended() {
    let last = json!({"terminated": {"exitCode": 5}});
    for (state, previous) in [
        (json!({"terminated": {"exitCode": 5}}), false),
        (json!({"waiting": {"reason": "CrashLoopBackOff"}}), true),
        (json!({"running": {}}), true),
    ] {
        let mut evidence = started();
        pods(&mut evidence, vec![unready(1, state.clone(), last.clone())]);
        let log = EvidenceReads::about(&evidence.snapshot).log.unwrap();
        assert_eq!(log.previous, previous, "{state}");
    }
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
fn an_image_without_a_shell_cannot_copy_the_uploads() {
    let told = |command: &[&str]| {
        let mut evidence = started();
        let message =
            "failed to create containerd task: exec: \"sh\": executable file not found in $PATH";
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p"},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "command": command}]},
                "status": {"phase": "Failed", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}},
                ]},
            })],
        );
        text(&evidence)
    };
    let flag = "--replace and --read-only-workdir, which copies nothing";
    let copy = "cp -R /kaiwo/uploads/..data/. .";
    let direct = told(&["sh", "-c", copy, "/workload/entrypoint"]);
    assert!(direct.contains(flag), "{direct}");
    let script = told(&["sh", "-c", copy, "sh", "/workload/entrypoint"]);
    assert!(
        script.contains("--replace and an image that has sh"),
        "{script}"
    );
    let own = told(&["sh", "-c", "true"]);
    assert!(own.contains("check its command"), "{own}");
}

#[test]
fn what_programs_print_tells_known_mistakes() {
    let failed = |lines: &[&str]| {
        let mut evidence = started();
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p"}, "spec": {"restartPolicy": "Never"},
                "status": {"phase": "Failed", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}},
                ]},
            })],
        );
        evidence.last_words = lines.iter().map(|line| (*line).to_owned()).collect();
        text(&evidence)
    };
    let told = failed(&["OSError: [Errno 30] Read-only file system: 'outputs'"]);
    assert!(
        told.contains("it cannot write there: write to /scratch ($KAIWO_SCRATCH)"),
        "{told}"
    );
    let told = failed(&["exec /workload/run: exec format error"]);
    assert!(
        told.contains("the program is for a different architecture"),
        "{told}"
    );
    assert!(!failed(&["no"]).contains("/scratch"));
}

#[test]
fn a_claim_names_the_class_that_is_missing() {
    let mut evidence = started();
    let mut pod = unscheduled(
        "x-1",
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        1,
    );
    pod["spec"]["volumes"] = json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}]);
    pods(&mut evidence, vec![pod]);
    assert_eq!(
        EvidenceReads::about(&evidence.snapshot).claims,
        ["x-1-scratch".to_owned()].into()
    );
    let claim = Claim {
        class: Some("rt2".to_owned()),
        lacks_class: true,
        ..Claim::default()
    };
    evidence
        .claims
        .insert("x-1-scratch".to_owned(), Some(claim));
    assert_eq!(causes(&evidence), [Cause::ClaimUnbound]);
    let told = text(&evidence);
    for words in [
        "PersistentVolumeClaim x-1-scratch has no volume yet",
        "it names StorageClass rt2, which does not exist",
        "kubectl get storageclasses",
        "--storage SIZE,CLASS",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // It is made for the pod, by nobody's hand.
    evidence.claims.insert("x-1-scratch".to_owned(), None);
    assert_eq!(causes(&evidence), [Cause::ClaimUnbound]);
}

#[test]
fn who_is_on_the_way_out_of_a_node_is_told_as_that() {
    let message = "0/1 nodes are available: 1 Insufficient amd.com/gpu.";
    let mut evidence = started();
    pods(&mut evidence, vec![unscheduled("p", message, 8)]);
    evidence.facts = Some(ClusterFacts {
        nodes: Some(Readable::Known(vec![node("a", "gpu", 8, json!([]))])),
        ..facts()
    });
    let mut occupation = occupied(&[("a", 8)]);
    evidence.occupation = Some(occupation.clone());
    let told = text(&evidence);
    assert!(
        told.contains("the only node it can use has none free"),
        "{told}"
    );
    assert!(told.contains("other/on-a (8)") && told.contains("check who uses them"));
    occupation.occupants[0].is_leaving = true;
    evidence.occupation = Some(occupation);
    let told = text(&evidence);
    assert!(told.contains("other/on-a (8, terminating)"), "{told}");
    assert!(
        told.contains("it starts once the pods that are terminating there have ended"),
        "{told}"
    );
    assert!(!told.contains("check who uses them"), "{told}");
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
fn the_last_word_of_a_driver_comes_first() {
    let rayjob = evidence(
        WorkloadKind::RayJob,
        &json!({"metadata": {"name": "x"}, "status": {
            "jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed",
            "message": "Job entrypoint command failed with exit code 17, last available logs (truncated to 20,000 chars):\nTraceback (most recent call last):\nValueError: bad sample 3\n\u{1b}[36m(f pid=644)\u{1b}[0m task 0\ntask 1\ntask 2\ntask 3\n",
        }}),
    );
    let diagnosis = diagnose(&rayjob);
    assert_eq!(
        diagnosis.standing.reason,
        "the driver ended with exit code 17: ValueError: bad sample 3"
    );
    assert_eq!(
        diagnosis.findings[0].evidence[0],
        "| ValueError: bad sample 3"
    );
    assert!(!text(&rayjob).contains('\u{1b}'));
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

#[test]
fn a_gang_that_no_nodes_hold_says_so() {
    let mut evidence = started();
    let words = "0/2 nodes are available: 2 Insufficient amd.com/gpu.";
    pods(
        &mut evidence,
        vec![
            unscheduled("a", words, 8),
            unscheduled("b", words, 8),
            unscheduled("c", words, 8),
        ],
    );
    let mut known = facts();
    known.nodes = Some(Readable::Known(vec![
        node("one", "gpu", 8, json!([])),
        node("two", "gpu", 8, json!([])),
    ]));
    evidence.facts = Some(known);
    let told = text(&evidence);
    assert!(
        told.contains(
            "its pods request 24 amd.com/gpu, and the 2 nodes they can use have 16 in total"
        ),
        "{told}"
    );
    assert!(told.contains("-g 16"), "{told}");
}

#[test]
fn a_claim_of_one_pod_is_named() {
    let mut evidence = started();
    let words = "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.";
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let (mut first, mut second) = (unscheduled("a", "", 1), unscheduled("b", words, 1));
    first["spec"]["nodeName"] = json!("one");
    first["status"] = json!({"phase": "Running"});
    first["spec"]["volumes"] = volumes.clone();
    second["spec"]["volumes"] = volumes;
    pods(&mut evidence, vec![first, second]);
    let claim = Claim {
        is_bound: true,
        is_of_one_pod: true,
        ..Claim::default()
    };
    evidence.claims = [("data".to_owned(), Some(claim))].into();
    let told = text(&evidence);
    assert!(
        told.contains("only one pod at a time can mount PersistentVolumeClaim data"),
        "{told}"
    );
    assert!(told.contains("its pod a has the claim"), "{told}");
}

#[test]
fn a_lost_node_is_named_before_and_after_its_pods_are_deleted() {
    let lost = json!({
        "metadata": {"name": "x-0"},
        "spec": {"nodeName": "n", "tolerations": [
            {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 300},
        ]},
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"},
        ]},
    });
    let well = json!({
        "metadata": {"name": "x-1"}, "spec": {"nodeName": "m"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let mut evidence = started();
    pods(&mut evidence, vec![lost.clone(), well.clone()]);
    let diagnosis = diagnose(&evidence);
    assert_eq!(diagnosis.standing.status, Status::Running);
    let reason = "pod x-0 is on node n, which is not responding";
    assert_eq!(diagnosis.standing.reason, reason);
    let [finding] = &diagnosis.findings[..] else {
        panic!("{diagnosis:?}")
    };
    assert_eq!(finding.cause, Cause::NodeLost);
    assert_eq!(finding.summary, "node n is not responding");
    assert_eq!(finding.evidence, ["pod: x-0, one of 2"]);
    assert!(
        finding.remedies[0]
            .text
            .contains("5 min after the node was lost")
    );

    let mut deleted = lost;
    deleted["metadata"]["deletionTimestamp"] = at(30).into();
    pods(&mut evidence, vec![deleted, well]);
    let diagnosis = diagnose(&evidence);
    let reason = "pod x-0 was deleted, and its node n is not responding";
    assert_eq!(diagnosis.standing.reason, reason);
    assert_eq!(diagnosis.findings[0].summary, reason);
    let text = text(&evidence);
    assert!(text.contains("kubectl delete node n"), "{text}");
}

/// A workload of `count` pods of 8 GPUs that wants a rack of two; the first has two
/// nodes, of one of which a GPU is taken, the second has one.
fn racks(count: i64, level: &Value) -> Evidence {
    let message = "couldn't assign flavors to pod set main: topology \"dc\" allows to fit only 1 out of 2 pod(s)";
    let mut evidence = waits(not_reserved("Pending", message));
    if let Readable::Known(queued) = &mut evidence.snapshot.queued {
        queued[0].spec.pod_sets = serde_json::from_value(json!([{
            "name": "main", "count": count, "topologyRequest": level,
            "template": {"spec": {"containers": [
                {"name": "c", "resources": {"requests": {"amd.com/gpu": "8"}}},
            ]}},
        }]))
        .unwrap();
    }
    let node = |name: &str, rack: &str| {
        json!({
            "metadata": {"name": name, "labels": {"x/rack": rack}},
            "status": {"allocatable": {"amd.com/gpu": "8"}},
        })
    };
    let flavors =
        [json!({"name": "f", "resources": [{"name": "amd.com/gpu", "nominalQuota": 64}]})];
    evidence.facts = Some(ClusterFacts {
        local_queues: Readable::Known(vec![
            serde_json::from_value(
                json!({"metadata": {"name": "q"}, "spec": {"clusterQueue": "c"}}),
            )
            .unwrap(),
        ]),
        cluster_queues: Readable::Known(vec![serde_json::from_value(json!({
            "metadata": {"name": "c"},
            "spec": {"resourceGroups": [{"coveredResources": ["amd.com/gpu"], "flavors": flavors}]},
        }))
        .unwrap()]),
        flavors: Readable::Known(vec![
            serde_json::from_value(
                json!({"metadata": {"name": "f"}, "spec": {"topologyName": "dc"}}),
            )
            .unwrap(),
        ]),
        topologies: Some(Readable::Known(vec![
            serde_json::from_value(
                json!({"metadata": {"name": "dc"}, "spec": {"levels": [{"nodeLabel": "x/rack"}]}}),
            )
            .unwrap(),
        ])),
        nodes: Some(Readable::Known(
            [node("a", "r1"), node("b", "r1"), node("c", "r2")]
                .into_iter()
                .map(|node| serde_json::from_value(node).unwrap())
                .collect(),
        )),
        ..facts()
    });
    let mut occupation = Occupation::default();
    let pod = json!({
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"nodeName": "a", "containers": [
            {"name": "c", "resources": {"requests": {"amd.com/gpu": "1"}}},
        ]},
    });
    occupation.add(&serde_json::from_value(pod).unwrap());
    evidence.occupation = Some(occupation);
    evidence
}

#[test]
fn racks_that_are_full_are_told_from_racks_that_are_too_small() {
    let required = json!({"required": "x/rack"});
    let now = racks(2, &required);
    assert_eq!(causes(&now), [Cause::TopologyPlacement]);
    let told = text(&now);
    for line in [
        "no rack has room for its 2 pods now: at most for 1",
        "rack r1: room for 1 of 2 pods now, 2 when empty (15 of 16 amd.com/gpu free on 2 nodes)",
        "rack r2: room for 1 of 2 pods now, 1 when empty (8 of 8 amd.com/gpu free on 1 node)",
        "topology \"dc\" allows to fit only 1 out of 2 pod(s)",
    ] {
        assert!(told.contains(line), "{line} in\n{told}");
    }
    let never = racks(3, &required);
    assert_eq!(causes(&never), [Cause::TopologyTooSmall]);
    assert!(text(&never).contains("no rack can ever hold its 3 pods: the largest holds 2"));
    // What is preferred may be in both.
    let preferred = json!({"preferred": "x/rack"});
    let spread = racks(3, &preferred);
    assert_eq!(causes(&spread), [Cause::TopologyPlacement]);
    assert!(text(&spread).contains("the racks have no room for its 3 pods now: only for 2"));
    assert_eq!(causes(&racks(4, &preferred)), [Cause::TopologyTooSmall]);

    let mut blind = racks(3, &required);
    let facts = blind.facts.as_mut().unwrap();
    facts.nodes = Some(Readable::Forbidden);
    assert_eq!(causes(&blind), [Cause::TopologyPlacement]);
    let told = text(&blind);
    assert!(
        told.contains("the rights to list nodes, topologies"),
        "{told}"
    );
    // Without the pods of others only what never fits is known.
    let mut without_pods = racks(2, &required);
    without_pods.occupation = None;
    let told = text(&without_pods);
    assert!(
        told.contains("rack r1: room for 2 of 2 pods when empty"),
        "{told}"
    );
}

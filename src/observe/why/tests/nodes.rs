use super::*;

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
            vec![node("a", "gpu", 8, ours.clone())],
            &[],
            Cause::Taints,
            "--toleration dedicated=team:NoSchedule",
        ),
        (
            vec![
                node("a", "gpu", 8, cordoned.clone()),
                node("b", "gpu", 8, cordoned.clone()),
            ],
            &[],
            Cause::Taints,
            "the 2 nodes it can use are cordoned",
        ),
        (
            vec![node("a", "gpu", 8, cordoned.clone())],
            &[],
            Cause::Taints,
            "kubectl uncordon a",
        ),
        (
            vec![
                node("a", "gpu", 8, cordoned),
                node("b", "gpu", 8, ours.clone()),
            ],
            &[],
            Cause::Taints,
            "dedicated=team:NoSchedule; cordoned: a",
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
    assert!(told.contains("only 1 of 2 pods have a node"), "{told}");
    assert!(told.contains("cause: nodesFull"), "{told}");
    let by_kueue = "Kueue evicts it and requeues it";
    assert!(!told.contains(by_kueue), "it is in no queue: {told}");
    let labels = &mut evidence.snapshot.workload.metadata.labels;
    labels.insert("kueue.x-k8s.io/queue-name".to_owned(), "q".to_owned());
    assert!(text(&evidence).contains(by_kueue));
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
    let claim = ClaimState {
        class: Some("rt2".to_owned()),
        lacks_class: true,
        ..ClaimState::default()
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
    let claim = ClaimState {
        is_bound: true,
        is_of_one_pod: true,
        ..ClaimState::default()
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

    evidence.removed_nodes = ["n".to_owned()].into();
    let text = super::text(&evidence);
    let words = "pod x-0 was deleted, and its node n was removed from the cluster";
    assert!(text.contains(words), "{text}");
    assert!(!text.contains("kubectl"), "{text}");
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
        "no rack has room for its 2 pods now: at most 1 would fit",
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
    assert!(text(&spread).contains("the racks have no room for its 3 pods now: only 2 would fit"));
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

use serde_json::json;

use super::*;
use crate::kind::WorkloadKind;
use crate::plan::occupation::Occupation;
use crate::plan::testing::{cluster_queue, facts, node, request};

/// A cluster of these nodes, and pods of a kind of owner on the first.
fn cluster(nodes: &[&[(&str, &str)]], resident: &[(&str, &str, &str)]) -> ClusterFacts {
    let names = ["a", "b", "c"];
    let nodes: Vec<Node> = names
        .iter()
        .zip(nodes)
        .map(|(name, has)| node(name, has))
        .collect();
    let mut occupation = Occupation::default();
    for (owner, cpu, memory) in resident {
        let pod = json!({
            "metadata": {"name": "p", "ownerReferences": [{"kind": owner, "name": "o", "controller": true}]},
            "spec": {"nodeName": "a", "containers": [
                {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}},
            ]},
        });
        occupation.add(&serde_json::from_value(pod).unwrap());
    }
    ClusterFacts {
        nodes: Some(Readable::Known(nodes)),
        occupation: Some(Readable::Known(occupation)),
        ..facts(vec![], vec![])
    }
}

fn layout(replicas: i64, gpus_per_replica: i64) -> GpuLayout {
    GpuLayout {
        replicas,
        gpus_per_replica,
    }
}

/// Sizes so many pods, and returns the flags that state what is not usual.
fn sized(request: &WorkloadRequest, layout: GpuLayout, facts: &ClusterFacts) -> (String, bool) {
    let pods = Pods {
        request,
        layout,
        gpu_resource: Some("amd.com/gpu"),
        pin: &BTreeMap::new(),
    };
    let queues = facts.cluster_queues.known().unwrap();
    let room = queues.first().map(|queue| QueueCapacity::new(queue, facts));
    let sizing = pods.sized(facts, room.as_ref(), &[]);
    let usual = Sizing::usual(request, layout).sizes;
    (sizing.sizes.flags(&usual).join(" "), sizing.is_tight)
}

fn flags(kind: WorkloadKind, (replicas, gpus): (i64, i64), facts: &ClusterFacts) -> String {
    sized(
        &request(kind, replicas * gpus),
        layout(replicas, gpus),
        facts,
    )
    .0
}

const KIND: &[(&str, &str)] = &[("cpu", "4"), ("memory", "8Gi"), ("pods", "110")];
/// What kind, Kueue and KubeRay request of its only node.
const CONTROLLERS: &[(&str, &str, &str)] = &[
    ("Node", "650m", "100Mi"),
    ("DaemonSet", "100m", "50Mi"),
    ("ReplicaSet", "200m", "140Mi"),
    ("ReplicaSet", "500m", "512Mi"),
    ("ReplicaSet", "100m", "512Mi"),
];
const GPUS_OF_2: &[(&str, &str)] = &[("cpu", "16"), ("memory", "128Gi"), ("amd.com/gpu", "8")];
const GPUS_OF_16: &[(&str, &str)] = &[("cpu", "128"), ("memory", "2Ti"), ("amd.com/gpu", "8")];

#[test]
fn a_laptop_runs_what_has_no_gpus() {
    let laptop = cluster(&[KIND], CONTROLLERS);
    assert_eq!(flags(WorkloadKind::Job, (1, 0), &laptop), "");
    // 2450m are left: 500m for the submitter, 1 for the worker.
    assert_eq!(
        flags(WorkloadKind::RayJob, (1, 0), &laptop),
        "--head-cpus 750m --head-memory 2Gi"
    );
    assert_eq!(
        flags(WorkloadKind::RayService, (1, 0), &laptop),
        "--head-cpus 1 --head-memory 2Gi"
    );
    // More pods need more nodes: their size stays.
    assert_eq!(flags(WorkloadKind::Job, (8, 0), &laptop), "");
    let small = cluster(
        &[&[("cpu", "2"), ("memory", "2200Mi")]],
        &[("Node", "850m", "300Mi")],
    );
    assert_eq!(flags(WorkloadKind::Job, (1, 0), &small), "--memory 1Gi");
}

#[test]
fn a_node_that_is_down_or_drained_has_its_size() {
    for key in ["not-ready", "unreachable", "unschedulable"] {
        let mut laptop = cluster(&[KIND], CONTROLLERS);
        let Some(Readable::Known(nodes)) = &mut laptop.nodes else {
            unreachable!()
        };
        nodes[0].spec.unschedulable = key == "unschedulable";
        let key = format!("node.kubernetes.io/{key}");
        let taint = json!({"key": key, "effect": "NoSchedule"});
        nodes[0].spec.taints = vec![serde_json::from_value(taint).unwrap()];
        assert_eq!(
            flags(WorkloadKind::RayJob, (1, 0), &laptop),
            "--head-cpus 750m --head-memory 2Gi",
            "{key}"
        );
    }
}

#[test]
fn a_gpu_has_its_share_of_the_node() {
    let two = cluster(&[GPUS_OF_2], &[]);
    for layout in [(1, 1), (1, 8)] {
        assert_eq!(
            flags(WorkloadKind::Job, layout, &two),
            "--cpus-per-gpu 2 --memory-per-gpu 16Gi"
        );
    }
    assert_eq!(
        flags(WorkloadKind::Job, (1, 8), &cluster(&[GPUS_OF_16], &[])),
        ""
    );
    // The pods of DaemonSets have their part of it, those of others come and go.
    let daemons = cluster(
        &[GPUS_OF_2],
        &[("DaemonSet", "1", "4Gi"), ("Job", "8", "64Gi")],
    );
    assert_eq!(
        flags(WorkloadKind::Job, (1, 1), &daemons),
        "--cpus-per-gpu 1 --memory-per-gpu 15Gi"
    );
    let less = cluster(
        &[&[("cpu", "7"), ("memory", "7Gi"), ("amd.com/gpu", "8")]],
        &[],
    );
    assert_eq!(
        flags(WorkloadKind::Job, (1, 8), &less),
        "--cpus-per-gpu 750m --memory-per-gpu 768Mi"
    );
    // Too little for anything: it is as large as usual, and told.
    let none = cluster(
        &[&[("cpu", "1"), ("memory", "1Gi"), ("amd.com/gpu", "8")]],
        &[],
    );
    assert_eq!(flags(WorkloadKind::Job, (1, 8), &none), "");
}

#[test]
fn the_head_of_a_ray_cluster_finds_its_place_beside_the_gpus() {
    let tight: &[(&str, &str)] = &[("cpu", "32"), ("memory", "512Gi"), ("amd.com/gpu", "8")];
    let one = cluster(&[tight], &[]);
    assert_eq!(
        flags(WorkloadKind::RayJob, (1, 8), &one),
        "--cpus-per-gpu 3"
    );
    assert_eq!(flags(WorkloadKind::Job, (1, 8), &one), "");
    let with_another = cluster(&[tight, &[("cpu", "8"), ("memory", "32Gi")]], &[]);
    assert_eq!(flags(WorkloadKind::RayJob, (1, 8), &with_another), "");
}

#[test]
fn mixed_nodes_are_used_as_far_as_the_workload_needs_them() {
    let mixed = cluster(&[GPUS_OF_16, GPUS_OF_2], &[]);
    assert_eq!(flags(WorkloadKind::Job, (1, 8), &mixed), "");
    assert_eq!(
        flags(WorkloadKind::Job, (2, 8), &mixed),
        "--cpus-per-gpu 2 --memory-per-gpu 16Gi"
    );
    // Today's nodes have no GPUs for it: those that come are like these.
    assert_eq!(
        flags(WorkloadKind::Job, (3, 8), &mixed),
        "--cpus-per-gpu 2 --memory-per-gpu 16Gi"
    );
    // Of larger nodes nothing is known.
    assert_eq!(flags(WorkloadKind::Job, (1, 16), &mixed), "");
}

#[test]
fn what_is_stated_stays() {
    let mut request = request(WorkloadKind::Job, 8);
    request.pods.sizes.cpus = Some(Quantity::units(24));
    request.pods.memory_per_gpu = Some(Quantity::gib(64));
    let (flags, _) = sized(&request, layout(1, 8), &cluster(&[GPUS_OF_2], &[]));
    assert_eq!(flags, "");
}

#[test]
fn the_quota_is_a_bound_as_well() {
    let queue = |cpu: &str, memory: &str| {
        cluster_queue(
            "kaiwo",
            json!({"resourceGroups": [{"coveredResources": ["cpu", "memory"], "flavors": [
                {"name": "a", "resources": [
                    {"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": memory},
                ]},
            ]}]}),
            json!({}),
        )
    };
    let of = |cpu: &str, memory: &str| facts(vec![queue(cpu, memory)], vec![]);
    assert_eq!(
        flags(WorkloadKind::RayJob, (1, 0), &of("3", "6Gi")),
        "--memory 3Gi --head-cpus 1 --head-memory 2Gi"
    );
    // Every pod counts here: a queue does not grow.
    assert_eq!(
        flags(WorkloadKind::Job, (4, 0), &of("2", "16Gi")),
        "--cpus 500m"
    );
    assert_eq!(flags(WorkloadKind::Job, (1, 0), &of("100m", "16Gi")), "");
}

#[test]
fn pods_are_read_only_where_they_may_matter() {
    let tight = |nodes: &[&[(&str, &str)]], gpus| {
        let facts = ClusterFacts {
            occupation: None,
            ..cluster(nodes, &[])
        };
        sized(&request(WorkloadKind::Job, gpus), layout(1, gpus), &facts)
    };
    assert_eq!(tight(&[GPUS_OF_16], 8), (String::new(), false));
    let nine_tenths = "--cpus-per-gpu 1 --memory-per-gpu 14Gi".to_owned();
    assert_eq!(tight(&[GPUS_OF_2], 8), (nine_tenths, true));
    assert_eq!(tight(&[KIND], 0), (String::new(), false));
    // A node that does not say what it has is not small.
    assert_eq!(tight(&[&[("amd.com/gpu", "8")]], 8), (String::new(), false));
}

//! What pods request. Requests equal limits, so that a pod gets what Kueue
//! has counted for it.

use std::collections::BTreeMap;

use super::Plan;
use super::capacity::PodSet;
use super::gpu::GpuLayout;
use super::name::WorkloadKind;
use super::quantity::Quantity;

/// CPU and memory of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodResources {
    /// CPUs.
    pub cpu: Quantity,
    /// Memory in bytes.
    pub memory: Quantity,
}

/// A Ray head coordinates and computes nothing, as in the original kaiwo.
pub const RAY_HEAD: PodResources = PodResources {
    cpu: Quantity::units(2),
    memory: Quantity::gib(16),
};

/// KubeRay's submitter pod; its own default, which Kueue counts (Kueue #3729).
pub const RAY_SUBMITTER: PodResources = PodResources {
    cpu: Quantity::milli(500),
    memory: Quantity::units(200 << 20),
};

/// Returns the resources of a pod with so many GPUs: 4 CPUs and 32Gi for
/// each, as in the original kaiwo; without GPUs 1 CPU and 4Gi.
pub fn worker(gpus: i64) -> PodResources {
    match gpus {
        0 => PodResources {
            cpu: Quantity::units(1),
            memory: Quantity::gib(4),
        },
        gpus => PodResources {
            cpu: Quantity::units(4) * gpus,
            memory: Quantity::gib(32) * gpus,
        },
    }
}

/// Returns the pods that do the work.
pub fn working_set(layout: GpuLayout, gpu_resource: Option<&str>) -> PodSet {
    let PodResources { cpu, memory } = worker(layout.gpus_per_replica);
    let mut set = plain_set(layout.replicas, PodResources { cpu, memory });
    if let Some(resource) = gpu_resource.filter(|_| layout.gpus_per_replica > 0) {
        set.requests.insert(
            resource.to_owned(),
            Quantity::units(layout.gpus_per_replica),
        );
    }
    set
}

/// Returns all pod sets of a plan, as Kueue will see them.
pub fn pod_sets(plan: &Plan) -> Vec<PodSet> {
    let mut sets = vec![working_set(plan.layout, plan.gpu_resource.as_deref())];
    if plan.request.kind == WorkloadKind::RayJob {
        sets.push(plain_set(1, RAY_HEAD));
        sets.push(plain_set(1, RAY_SUBMITTER));
    }
    sets
}

fn plain_set(count: i64, PodResources { cpu, memory }: PodResources) -> PodSet {
    PodSet {
        count,
        requests: BTreeMap::from([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)]),
    }
}

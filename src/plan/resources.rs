//! What pods request. Requests equal limits, so that a pod gets what Kueue
//! has counted for it.

use std::collections::BTreeMap;

use super::Plan;
use super::capacity::PodSet;
use super::gpu::GpuLayout;
use super::name::WorkloadKind;
use super::pod::PodSettings;
use crate::quantity::Quantity;

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

/// What comes with each GPU, unless the user says other: as in the original
/// kaiwo.
const PER_GPU: PodResources = PodResources {
    cpu: Quantity::units(4),
    memory: Quantity::gib(32),
};

/// Returns the resources of a pod with so many GPUs; without GPUs 1 CPU and
/// 4Gi.
pub fn worker(gpus: i64, pods: &PodSettings) -> PodResources {
    match gpus {
        0 => PodResources {
            cpu: Quantity::units(1),
            memory: Quantity::gib(4),
        },
        gpus => PodResources {
            cpu: pods.cpus_per_gpu.unwrap_or(PER_GPU.cpu) * gpus,
            memory: pods.memory_per_gpu.unwrap_or(PER_GPU.memory) * gpus,
        },
    }
}

/// Returns the pods that do the work.
pub fn working_set(layout: GpuLayout, gpu_resource: Option<&str>, pods: &PodSettings) -> PodSet {
    let mut set = plain_set(layout.replicas, worker(layout.gpus_per_replica, pods));
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
    let mut sets = vec![working_set(
        plan.layout,
        plan.gpu_resource.as_deref(),
        &plan.request.pods,
    )];
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

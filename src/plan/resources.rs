//! Computes what pods request. Requests equal limits, so that a pod gets what
//! Kueue has counted for it.

use std::collections::BTreeMap;

use super::gpu::GpuLayout;
use super::kueue::placement::PodSet;
use super::request::WorkloadRequest;
use super::request::pod::PodSettings;
use super::request::toleration;
use crate::kind::WorkloadKind;
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

/// Returns all pod sets of a workload, as Kueue will see them, those that do
/// the work first. `pin` are labels that only these must find on their nodes.
pub fn pod_sets(
    request: &WorkloadRequest,
    layout: GpuLayout,
    gpu_resource: Option<&str>,
    pin: &BTreeMap<String, String>,
) -> Vec<PodSet> {
    let pods = &request.pods;
    let mut workers = plain_set(layout.replicas, worker(layout.gpus_per_replica, pods), pods);
    workers.node_selector.extend(pin.clone());
    if let Some(resource) = gpu_resource.filter(|_| layout.gpus_per_replica > 0) {
        workers.tolerations.extend(toleration::of_gpus(resource));
        workers.requests.insert(
            resource.to_owned(),
            Quantity::units(layout.gpus_per_replica),
        );
    }
    let mut sets = vec![workers];
    if request.kind.is_ray() {
        sets.push(plain_set(1, RAY_HEAD, pods));
    }
    if request.kind == WorkloadKind::RayJob {
        sets.push(plain_set(1, RAY_SUBMITTER, pods));
    }
    sets
}

fn plain_set(count: i64, PodResources { cpu, memory }: PodResources, pods: &PodSettings) -> PodSet {
    PodSet {
        count,
        requests: BTreeMap::from([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)]),
        node_selector: pods.node_selector.clone(),
        tolerations: pods.tolerations.clone(),
    }
}

//! Computes what pods request. Requests equal limits, so that a pod gets what
//! Kueue has counted for it.

use std::collections::BTreeMap;

use super::gpu::GpuLayout;
use super::kueue::placement::PodSet;
use super::request::WorkloadRequest;
use super::request::pod::PodSettings;
use super::request::toleration;
use super::sizes::{PodResources, PodSizes};
use crate::kind::WorkloadKind;
use crate::quantity::Quantity;

/// KubeRay's submitter pod; its own default, which Kueue counts (Kueue #3729).
pub const RAY_SUBMITTER: PodResources = PodResources {
    cpu: Quantity::milli(500),
    memory: Quantity::units(200 << 20),
};

/// The sidecar with which KubeRay scales a Ray cluster; its own default, which
/// Kueue counts from v0.19 on.
pub const RAY_AUTOSCALER: PodResources = PodResources {
    cpu: Quantity::milli(500),
    memory: Quantity::units(512 << 20),
};

/// Returns all pod sets of a workload, as Kueue will see them, those that do
/// the work first. `pin` are labels that only these must find on their nodes.
pub fn pod_sets(
    request: &WorkloadRequest,
    layout: GpuLayout,
    gpu_resource: Option<&str>,
    pin: &BTreeMap<String, String>,
    sizes: &PodSizes,
) -> Vec<PodSet> {
    let pods = &request.pods;
    // An array starts with as few of its tasks as it says.
    let array = request.array.as_ref();
    let count = array.map_or(layout.replicas, |array| array.at_least);
    let mut workers = plain_set(count, sizes.worker.resources(), pods);
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
        sets.push(plain_set(1, sizes.head.resources(), pods));
    }
    if request.kind == WorkloadKind::RayJob {
        sets.push(submitter(sets.last()));
    }
    sets
}

/// Returns the pod with which KubeRay submits a RayJob: it goes where the head,
/// the last of the cluster's pods, may go.
pub fn submitter(head: Option<&PodSet>) -> PodSet {
    PodSet {
        count: 1,
        requests: requests(RAY_SUBMITTER),
        node_selector: head
            .map(|head| head.node_selector.clone())
            .unwrap_or_default(),
        tolerations: head
            .map(|head| head.tolerations.clone())
            .unwrap_or_default(),
    }
}

fn requests(PodResources { cpu, memory }: PodResources) -> BTreeMap<String, Quantity> {
    BTreeMap::from([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)])
}

fn plain_set(count: i64, each: PodResources, pods: &PodSettings) -> PodSet {
    PodSet {
        count,
        requests: requests(each),
        node_selector: pods.node_selector.clone(),
        tolerations: pods.tolerations.clone(),
    }
}

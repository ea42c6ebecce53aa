//! How the GPUs of a workload are split.

use serde::Serialize;

use crate::api::kueue_workload::WorkloadPodSet;
use crate::api::pod_template::PodTemplate;
use crate::api::vendor::is_gpu_resource;
use crate::api::workload::{Details, Workload};

/// Pods with equally many GPUs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuGroup {
    pub pods: i64,
    /// GPUs of each.
    pub per_pod: i64,
    /// Such as `amd.com/gpu`.
    pub resource: String,
}

/// Returns the pods of a workload that have GPUs.
pub(super) fn all(workload: &Workload) -> Vec<GpuGroup> {
    let group = |(pods, template): &(i64, &PodTemplate)| {
        let limits = template
            .spec
            .containers
            .iter()
            .flat_map(|container| container.resources.limits.keys());
        Some(GpuGroup {
            pods: *pods,
            per_pod: Some(template.gpus()).filter(|gpus| *gpus > 0)?,
            resource: limits
                .into_iter()
                .find(|name| is_gpu_resource(name))?
                .clone(),
        })
    };
    if let Details::Queued(spec, _) = &workload.details {
        return spec.pod_sets.iter().filter_map(of_set).collect();
    }
    workload.pod_groups().iter().filter_map(group).collect()
}

/// Returns the GPUs of a set of equal pods, as Kueue counts them.
fn of_set(set: &WorkloadPodSet) -> Option<GpuGroup> {
    let requests = set.template.spec.requests();
    let mut gpus = requests.iter();
    let (resource, amount) = gpus.find(|(resource, _)| is_gpu_resource(resource))?;
    Some(GpuGroup {
        pods: set.count,
        per_pod: Some(amount.whole()).filter(|gpus| *gpus > 0)?,
        resource: resource.clone(),
    })
}

//! Reads the objects that an operator puts between a workload and its pods: the
//! Jobs of a CronJob, the Job that submits a RayJob, the Workspaces of an
//! InferenceSet.

use std::collections::HashMap;

use super::api_versions::Served;
use crate::api::Readable;
use crate::api::keys::{INFERENCE_SET_LABEL, RAY_ORIGIN_LABEL};
use crate::api::metadata::{Metadata, Named};
use crate::api::resource::Resource;
use crate::api::workload::Details;
use crate::api::workload::Workload;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;

/// Reads the parts of a workload; none where they may not be read.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn parts_of(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
) -> Result<Vec<Metadata>, ClusterError> {
    let Metadata {
        namespace, name, ..
    } = &workload.metadata;
    let listed = match &workload.details {
        // KubeRay makes it of this name, and another Job may have it.
        Details::RayJob(_, status) if !status.ray_cluster_name.is_empty() => {
            let jobs = Resource::known("batch/v1", "Job");
            let found = cluster.find::<Named>(&jobs, namespace, name).await;
            found.map(|found| found.into_iter().collect())
        }
        _ => {
            let Some((resource, selector)) = collection(served, workload.kind) else {
                return Ok(Vec::new());
            };
            let selector = match workload.kind {
                WorkloadKind::InferenceSet => format!("{selector}={name}"),
                _ => selector,
            };
            cluster.list::<Named>(&resource, namespace, &selector).await
        }
    };
    let Readable::Known(listed) = readable(listed)? else {
        return Ok(Vec::new());
    };
    let listed = listed.into_iter().map(|part| part.metadata);
    Ok(listed.filter(|part| is_of(part, workload)).collect())
}

/// Reads the parts of many workloads of one place with a request for each kind,
/// and returns them by the UID of the workload; not those of CronJobs, of which
/// a listing shows none.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn of_all(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    workloads: &[&Workload],
) -> Result<HashMap<String, Vec<Metadata>>, ClusterError> {
    let mut parts: HashMap<String, Vec<Metadata>> = HashMap::new();
    for kind in [WorkloadKind::RayJob, WorkloadKind::InferenceSet] {
        let of_kind: Vec<&&Workload> = workloads.iter().filter(|one| one.kind == kind).collect();
        let Some((resource, selector)) = collection(served, kind).filter(|_| !of_kind.is_empty())
        else {
            continue;
        };
        let listed = cluster.list::<Named>(&resource, namespace, &selector).await;
        let Readable::Known(listed) = readable(listed)? else {
            continue;
        };
        for Named { metadata } in listed {
            if let Some(workload) = of_kind.iter().find(|one| is_of(&metadata, one)) {
                let uid = workload.metadata.uid.clone();
                parts.entry(uid).or_default().push(metadata);
            }
        }
    }
    Ok(parts)
}

/// Returns where the parts of a kind are, and the labels by which they are
/// told.
fn collection(served: &Served, kind: WorkloadKind) -> Option<(Resource, String)> {
    let jobs = || Resource::known("batch/v1", "Job");
    match kind {
        WorkloadKind::CronJob => Some((jobs(), String::new())),
        WorkloadKind::RayJob => Some((jobs(), format!("{RAY_ORIGIN_LABEL}=RayJob"))),
        WorkloadKind::InferenceSet => {
            let kind = WorkloadKind::Workspace;
            let resource = Resource::known(served.version(kind)?, kind.name());
            Some((resource, INFERENCE_SET_LABEL.to_owned()))
        }
        _ => None,
    }
}

/// Returns whether a part belongs to the workload. Workspaces are told by a
/// label, and by their owner where they have one.
fn is_of(part: &Metadata, workload: &Workload) -> bool {
    let Metadata {
        namespace,
        name,
        uid,
        ..
    } = &workload.metadata;
    let mut owners = part.owner_references.iter();
    match workload.kind {
        _ if part.namespace != *namespace => false,
        WorkloadKind::InferenceSet if part.owner_references.is_empty() => {
            part.label(INFERENCE_SET_LABEL) == Some(name)
        }
        _ => owners.any(|owner| owner.uid == *uid),
    }
}

//! Reads the objects that an operator puts between a workload and its pods: the
//! Jobs of a CronJob, the Job that submits a RayJob, the Workspaces of an
//! InferenceSet, the Ray cluster of a RayJob or RayService.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::Value;

use super::api_versions::Served;
use crate::api::Readable;
use crate::api::keys::{INFERENCE_SET_LABEL, RAY_ORIGIN_LABEL};
use crate::api::metadata::{Metadata, Named};
use crate::api::resource::Resource;
use crate::api::workload::Details;
use crate::api::workload::Workload;
use crate::api::workload::ray::RayCluster;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;

/// What stands between a workload and its pods.
#[derive(Debug, Default)]
pub struct Dependents {
    /// Names and labels of all.
    pub metadata: Vec<Metadata>,
    /// The Workspaces of an InferenceSet, which tell what it waits for.
    pub workspaces: Vec<Workload>,
}

/// One of them, and the Workspace that it is.
struct Part {
    metadata: Metadata,
    workspace: Option<Workload>,
}

impl Extend<Part> for Dependents {
    fn extend<T: IntoIterator<Item = Part>>(&mut self, parts: T) {
        for part in parts {
            self.metadata.push(part.metadata);
            self.workspaces.extend(part.workspace);
        }
    }
}

/// Reads the parts of a workload; none where they may not be read.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn dependents_of(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
) -> Result<Dependents, ClusterError> {
    let Metadata {
        namespace, name, ..
    } = &workload.metadata;
    let listed = match &workload.details {
        // KubeRay makes it of this name, and another Job may have it.
        Details::RayJob(_, status) if !status.ray_cluster_name.is_empty() => {
            let jobs = Resource::known("batch/v1", "Job");
            let found = readable(cluster.find::<Named>(&jobs, namespace, name).await)?;
            found.or_default().into_iter().map(Part::from).collect()
        }
        _ => {
            let Some((resource, selector)) = collection(served, workload.kind) else {
                return Ok(Dependents::default());
            };
            let selector = match workload.kind {
                WorkloadKind::InferenceSet => format!("{selector}={name}"),
                _ => selector,
            };
            listed(cluster, &resource, namespace, &selector).await?
        }
    };
    let mut parts = Dependents::default();
    let own = listed.into_iter();
    parts.extend(own.filter(|part| is_of(&part.metadata, workload)));
    Ok(parts)
}

impl From<Named> for Part {
    fn from(named: Named) -> Self {
        Self {
            metadata: named.metadata,
            workspace: None,
        }
    }
}

/// Reads a collection of parts, of Workspaces all that they say.
async fn listed(
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    selector: &str,
) -> Result<Vec<Part>, ClusterError> {
    if resource.kind != WorkloadKind::Workspace.name() {
        let listed = cluster.list::<Named>(resource, namespace, selector).await;
        return Ok(readable(listed)?
            .or_default()
            .into_iter()
            .map(Part::from)
            .collect());
    }
    let listed = cluster.list::<Value>(resource, namespace, selector).await;
    let version = &resource.api_version;
    let read = |object: Value| {
        let workspace = Workload::read(WorkloadKind::Workspace, version, &object).ok();
        let named: Named = serde_json::from_value(object).ok()?;
        Some(Part {
            workspace,
            ..named.into()
        })
    };
    Ok(readable(listed)?
        .or_default()
        .into_iter()
        .filter_map(read)
        .collect())
}

/// Reads the Ray clusters of these names; none where they may not be read.
pub(super) async fn clusters(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    names: &[String],
) -> Result<Vec<RayCluster>, ClusterError> {
    let Some(version) = served.version(WorkloadKind::RayJob) else {
        return Ok(Vec::new());
    };
    let resource = Resource::known(version, "RayCluster");
    let found = names
        .iter()
        .map(|name| cluster.find::<RayCluster>(&resource, namespace, name));
    let mut clusters = Vec::new();
    for found in join_all(found).await {
        if let Readable::Known(Some(found)) = readable(found)? {
            clusters.push(found);
        }
    }
    Ok(clusters)
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
) -> Result<HashMap<String, Dependents>, ClusterError> {
    let mut parts: HashMap<String, Dependents> = HashMap::new();
    for kind in [WorkloadKind::RayJob, WorkloadKind::InferenceSet] {
        let of_kind: Vec<&&Workload> = workloads.iter().filter(|one| one.kind == kind).collect();
        let Some((resource, selector)) = collection(served, kind).filter(|_| !of_kind.is_empty())
        else {
            continue;
        };
        for part in listed(cluster, &resource, namespace, &selector).await? {
            if let Some(workload) = of_kind.iter().find(|one| is_of(&part.metadata, one)) {
                let uid = workload.metadata.uid.clone();
                parts.entry(uid).or_default().extend([part]);
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

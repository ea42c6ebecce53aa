//! Reads everything about one workload at one moment.

use futures_util::future::join_all;
use serde::Deserialize;

use super::api_versions::Served;
use super::lookup::{self, Found};
use super::parts;
use super::watch::ChangeWatcher;
use crate::api::Readable;
use crate::api::event::Event;
use crate::api::keys::JOB_UID_LABEL;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::kueue_workload::{PendingWorkload, QueueState};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::kind::meaning;
use crate::observe::pod_labels::{AT_ONCE, PodLabels};
use crate::observe::snapshot::Position;

#[derive(Deserialize)]
struct PendingSummary {
    #[serde(default)]
    items: Vec<PendingWorkload>,
}

/// Reads what belongs to a workload that was just found.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What the user may not read
/// is left unknown.
pub async fn read_snapshot(
    cluster: &Cluster,
    served: &Served,
    workload: Workload,
) -> Result<Snapshot, ClusterError> {
    let parts = parts::parts_of(cluster, served, &workload).await?;
    let pods = readable(pods(cluster, &workload, &parts).await)?;
    let known = pods.known().map_or(&[][..], Vec::as_slice);
    let queued = readable(queued(cluster, served, &workload, known, &parts).await)?;
    let position = match queued.known().and_then(|queued| {
        queued.iter().find(|queued| {
            queued.state() != QueueState::Admitted && !queued.spec.queue_name.is_empty()
        })
    }) {
        Some(queued) => position(cluster, served, queued).await,
        None => None,
    };
    Ok(Snapshot {
        workload,
        parts,
        queued,
        pods,
        position,
    })
}

/// Reads a workload again with all that belongs to it; `None` if it is gone,
/// or another one has its name.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn read_snapshot_again(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
) -> Result<Option<Snapshot>, ClusterError> {
    let Metadata {
        namespace,
        name,
        uid,
        ..
    } = &workload.metadata;
    match lookup::read(cluster, served, namespace, workload.kind, name).await? {
        Some(Found { workload, .. }) if workload.metadata.uid == *uid => {
            read_snapshot(cluster, served, workload).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Watches what this snapshot is made of.
pub fn watch(pulse: &mut ChangeWatcher<'_>, served: &Served, snapshot: &Snapshot) {
    let workload = &snapshot.workload;
    let Metadata {
        namespace, name, ..
    } = &workload.metadata;
    let own = Resource::known(&workload.api_version, workload.kind.name());
    let named = Selection::fields(format!("metadata.name={name}"));
    pulse.watch(&own, namespace, &named);
    // A CronJob has other Jobs each time, which would be watched for ever.
    let kind = workload.kind.descriptor();
    let parts = match kind.is_recurring {
        true => &[][..],
        false => &snapshot.parts,
    };
    for selection in pod_selections(workload, parts) {
        pulse.watch(&Resource::known("v1", "Pod"), namespace, &selection);
    }
    if let Some(kueue) = served.kueue.as_ref().filter(|_| kind.workload_has_its_uid) {
        let own = Selection::labels(format!("{JOB_UID_LABEL}={}", workload.metadata.uid));
        pulse.watch(&Resource::known(kueue, "Workload"), namespace, &own);
    }
}

/// Reads what happened around a workload, what belongs to it, and what scales
/// it, latest last.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn events(
    cluster: &Cluster,
    snapshot: &Snapshot,
    autoscaler: Option<&String>,
) -> Result<Readable<Vec<Event>>, ClusterError> {
    let uids = std::iter::once(&snapshot.workload.metadata.uid)
        .chain(autoscaler)
        .chain(snapshot.queued().iter().map(|queued| &queued.metadata.uid))
        .chain(snapshot.pods().iter().map(|pod| &pod.metadata.uid))
        .take(AT_ONCE);
    let namespace = &snapshot.workload.metadata.namespace;
    let mut events = events_about(cluster, namespace, uids).await?;
    if let Readable::Known(events) = &mut events {
        events.sort_by_key(Event::last);
    }
    Ok(events)
}

/// Reads what happened around pods of a namespace; nothing where it may not be
/// read.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn pod_events(
    cluster: &Cluster,
    namespace: &str,
    pods: impl IntoIterator<Item = &Pod>,
) -> Result<Vec<Event>, ClusterError> {
    let uids = pods.into_iter().map(|pod| &pod.metadata.uid);
    Ok(match events_about(cluster, namespace, uids).await? {
        Readable::Known(events) => events,
        Readable::Forbidden => Vec::new(),
    })
}

/// Reads what happened around objects, of all at once.
async fn events_about(
    cluster: &Cluster,
    namespace: &str,
    uids: impl Iterator<Item = &String>,
) -> Result<Readable<Vec<Event>>, ClusterError> {
    let resource = Resource::known("v1", "Event");
    let listed = uids.map(async |uid| {
        let about = Selection::fields(format!("involvedObject.uid={uid}"));
        cluster
            .list_selected::<Event>(&resource, namespace, &about)
            .await
    });
    let mut events: Vec<Event> = Vec::new();
    for listed in join_all(listed).await {
        match readable(listed)? {
            Readable::Known(listed) => events.extend(listed),
            Readable::Forbidden => return Ok(Readable::Forbidden),
        }
    }
    Ok(Readable::Known(events))
}

/// Returns which pods are a workload's.
fn pod_selections(workload: &Workload, parts: &[Metadata]) -> Vec<Selection> {
    let labels = meaning(workload).pod_labels(parts);
    let selectors = labels.iter().map(PodLabels::selector);
    selectors.map(Selection::labels).collect()
}

pub(in crate::cluster) async fn pods(
    cluster: &Cluster,
    workload: &Workload,
    parts: &[Metadata],
) -> Result<Vec<Pod>, ClusterError> {
    let resource = Resource::known("v1", "Pod");
    let mut pods: Vec<Pod> = Vec::new();
    for selection in pod_selections(workload, parts) {
        let namespace = &workload.metadata.namespace;
        pods.extend(
            cluster
                .list_selected::<Pod>(&resource, namespace, &selection)
                .await?,
        );
    }
    pods.retain(|pod| meaning(workload).owns(pod));
    Ok(pods)
}

async fn queued(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
    pods: &[Pod],
    parts: &[Metadata],
) -> Result<Vec<KueueWorkload>, ClusterError> {
    let Some(kueue) = &served.kueue else {
        return Ok(Vec::new());
    };
    let resource = Resource::known(kueue, "Workload");
    // Kueue queues a Deployment's pods each by itself.
    let uids: Vec<&str> = std::iter::once(&workload.metadata.uid)
        .chain(parts.iter().map(|part| &part.uid))
        .chain(pods.iter().map(|pod| &pod.metadata.uid))
        .map(String::as_str)
        .collect();
    let mut queued = Vec::new();
    for uids in uids.chunks(AT_ONCE) {
        let selector = format!("{JOB_UID_LABEL} in ({})", uids.join(","));
        let namespace = &workload.metadata.namespace;
        queued.extend(cluster.list(&resource, namespace, &selector).await?);
    }
    Ok(queued)
}

/// Reads who waits in a LocalQueue, first come first; nothing where the
/// visibility API is not served or may not be read.
pub async fn pending(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    local_queue: &str,
) -> Option<Vec<PendingWorkload>> {
    let queue = format!("namespaces/{namespace}/localqueues/{local_queue}");
    pending_in(cluster, served, &queue).await
}

/// Reads who waits for a ClusterQueue, first come first; nothing where that
/// may not be read.
pub async fn pending_in_cluster_queue(
    cluster: &Cluster,
    served: &Served,
    cluster_queue: &str,
) -> Option<Vec<PendingWorkload>> {
    pending_in(cluster, served, &format!("clusterqueues/{cluster_queue}")).await
}

async fn pending_in(
    cluster: &Cluster,
    served: &Served,
    queue: &str,
) -> Option<Vec<PendingWorkload>> {
    let version = served.visibility.as_deref()?;
    let path = format!("/apis/{version}/{queue}/pendingworkloads?limit=10000");
    // An aggregated API may be down while everything else is well.
    let summary: PendingSummary = cluster.get_at_once(&path).await.ok()?;
    Some(summary.items)
}

async fn position(cluster: &Cluster, served: &Served, queued: &KueueWorkload) -> Option<Position> {
    let metadata = &queued.metadata;
    let queue = &queued.spec.queue_name;
    let pending = pending(cluster, served, &metadata.namespace, queue).await?;
    Position::among(&pending, |pending| pending.metadata.name == metadata.name)
}

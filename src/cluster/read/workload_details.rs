//! Reads what `kaiwo status` reports beside a snapshot: the queue of a workload, its
//! uploads, addresses and events.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value;

use super::api_versions::Served;
use super::usage::progress;
use super::{autoscaler, endpoint, snapshot};
use crate::api::Readable;
use crate::api::event::Event;
use crate::api::keys::{
    APP_COMPONENT_LABEL, APP_INSTANCE_LABEL, BYTES_ANNOTATION, IMAGES_ANNOTATION, REVISION,
};
use crate::api::queue::LocalQueue;
use crate::api::resource::Resource;
use crate::change::metadata::{annotation_of, owners};
use crate::change::version::History;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::description::{ServedVersion, WorkloadDetails};
use crate::observe::log::progress::{Progress, log_place};
use crate::observe::scaling::Autoscaler;

/// A ConfigMap that carries uploads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UploadedFiles {
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

impl UploadedFiles {
    /// Returns how many bytes it carries; what is binary is in base64.
    fn bytes(&self) -> u64 {
        let text = self.data.values().map(String::len).sum::<usize>();
        let binary = self.binary_data.values().map(|encoded| {
            let padding = encoded
                .bytes()
                .rev()
                .take_while(|byte| *byte == b'=')
                .count();
            encoded.len() / 4 * 3 - padding.min(encoded.len() / 4 * 3)
        });
        (text + binary.sum::<usize>()) as u64
    }
}

/// Reads all of it at once.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What the user may not read
/// is left out.
pub async fn read(
    cluster: &Cluster,
    served: &Served,
    snapshot: &Snapshot,
) -> Result<WorkloadDetails, ClusterError> {
    let (cluster_queue, uploads, endpoint, scaled, versions, array, progress) = tokio::join!(
        cluster_queue(cluster, served, snapshot),
        uploads(cluster, snapshot),
        endpoint::endpoint_of(cluster, &snapshot.workload),
        scaled(cluster, snapshot),
        versions(cluster, snapshot),
        snapshot::array::details(cluster, &snapshot.workload),
        progress_of(cluster, snapshot),
    );
    let (autoscaler, events) = scaled?;
    Ok(WorkloadDetails {
        cluster_queue: cluster_queue?,
        uploads: uploads?,
        // What is not there yet, or may not be read, is not told.
        endpoint: endpoint.ok(),
        events: events.or_default(),
        autoscaler,
        usage: Vec::new(),
        versions: versions?,
        array: array?,
        progress,
    })
}

/// Returns how far the workload is, if it has told and its log may be read.
pub async fn progress_of(cluster: &Cluster, snapshot: &Snapshot) -> Option<Progress> {
    let workload = &snapshot.workload;
    let log = log_place(workload, snapshot.standing().status, snapshot.pods())?;
    let namespace = &workload.metadata.namespace;
    match progress::progress(cluster, namespace, &log).await {
        Readable::Known(progress) => progress,
        Readable::Forbidden => None,
    }
}

/// Returns the versions of a service that are kept.
async fn versions(
    cluster: &Cluster,
    snapshot: &Snapshot,
) -> Result<Vec<ServedVersion>, ClusterError> {
    let workload = &snapshot.workload;
    let metadata = &workload.metadata;
    let annotations = &metadata.annotations;
    if !workload.kind.keeps_versions()
        || annotations.versions.is_empty() && annotations.previous.is_empty()
    {
        return Ok(Vec::new());
    }
    let history = History::new(
        &metadata.name,
        &annotations.digest,
        &annotations.versions,
        &annotations.previous,
    );
    let selector = format!(
        "{APP_COMPONENT_LABEL}={REVISION},{APP_INSTANCE_LABEL}={}",
        metadata.name
    );
    let resource = Resource::known("v1", "ConfigMap");
    let listed = cluster.list_metadata::<Value>(&resource, &metadata.namespace, &selector);
    let listed = match listed.await {
        Err(error) if error.is_not_found() => Vec::new(),
        listed => readable(listed)?.or_default(),
    };
    let version = |name: &String| {
        let mut records = listed.iter();
        let record = records.find(|record| record["metadata"]["name"] == name.as_str());
        let images = record.and_then(|record| annotation_of(record, IMAGES_ANNOTATION));
        let made = record.and_then(|record| record["metadata"]["creationTimestamp"].as_str());
        ServedVersion {
            version: history.version(name).to_owned(),
            present: name == history.present(),
            images: images
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            recorded_at: made.and_then(|made| made.parse().ok()),
        }
    };
    Ok(history.names().iter().map(version).collect())
}

/// Returns what scales the workload, and what happened to either.
async fn scaled(
    cluster: &Cluster,
    snapshot: &Snapshot,
) -> Result<(Option<Autoscaler>, Readable<Vec<Event>>), ClusterError> {
    let autoscaler = autoscaler::autoscaler_of(cluster, &snapshot.workload).await?;
    let uid = autoscaler.as_ref().map(|it| &it.metadata.uid);
    let events = snapshot::events(cluster, snapshot, uid).await?;
    Ok((autoscaler, events))
}

/// Returns the ClusterQueue that has admitted the workload, else the one behind
/// its LocalQueue.
async fn cluster_queue(
    cluster: &Cluster,
    served: &Served,
    snapshot: &Snapshot,
) -> Result<Option<String>, ClusterError> {
    let mut admissions = snapshot
        .queued()
        .iter()
        .filter_map(|queued| queued.status.admission.as_ref());
    if let Some(admission) = admissions.next() {
        return Ok(Some(admission.cluster_queue.clone()));
    }
    let (Some(kueue), Some(queue)) = (&served.kueue, snapshot.workload.queue()) else {
        return Ok(None);
    };
    let resource = Resource::known(kueue, "LocalQueue");
    let namespace = &snapshot.workload.metadata.namespace;
    let found = cluster
        .find::<LocalQueue>(&resource, namespace, queue)
        .await;
    let found = match readable(found)? {
        Readable::Known(found) => found,
        Readable::Forbidden => None,
    };
    Ok(found.map(|queue| queue.spec.cluster_queue))
}

/// Returns the bytes of each upload that pods of the workload mount; those of
/// the version before may still be there.
async fn uploads(cluster: &Cluster, snapshot: &Snapshot) -> Result<Vec<u64>, ClusterError> {
    let metadata = &snapshot.workload.metadata;
    let Some(instance) = metadata.label(APP_INSTANCE_LABEL) else {
        return Ok(Vec::new());
    };
    let selector = format!("{APP_COMPONENT_LABEL}=upload,{APP_INSTANCE_LABEL}={instance}");
    let resource = Resource::known("v1", "ConfigMap");
    let listed = cluster.list_metadata::<Value>(&resource, &metadata.namespace, &selector);
    let listed = readable(listed.await)?.or_default();
    let own = listed.iter().filter(|upload| {
        let name = upload["metadata"]["name"].as_str().unwrap_or_default();
        owners(upload).any(|uid| uid == metadata.uid) && snapshot.workload.mounts(name)
    });
    let sizes = own.map(async |upload| {
        let stated = annotation_of(upload, BYTES_ANNOTATION);
        if let Some(bytes) = stated.and_then(|stated| stated.parse().ok()) {
            return Ok(bytes);
        }
        // Those of 0.1.0 do not state it.
        let name = upload["metadata"]["name"].as_str().unwrap_or_default();
        let found = cluster.find::<UploadedFiles>(&resource, &metadata.namespace, name);
        Ok(found.await?.map_or(0, |files| files.bytes()))
    });
    join_all(sizes).await.into_iter().collect()
}

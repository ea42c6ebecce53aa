//! Reads the pods of an array, which can be thousands: the first ones, those of one
//! task, or page by page those that failed, of which little is kept.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::api::keys::{COMPLETION_INDEX_LABEL, CONTROLLER_UID_LABEL, ROWS_FILE};
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::kind::tasks::{ArrayDetails, FailedPod, record};

/// Pods of an array that are read where all would tell the same.
const FIRST: usize = 20;

/// Pods that have not ended.
const LIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// Those of them that have begun.
const RUNNING: &str = "status.phase=Running";
/// Pods that failed.
const FAILED: &str = "status.phase=Failed";

fn pods_in(workload: &Workload, fields: &str) -> Selection {
    Selection {
        labels: format!("{CONTROLLER_UID_LABEL}={}", workload.metadata.uid),
        fields: fields.to_owned(),
    }
}

/// Selects the pods of an index.
pub(super) fn of_index(workload: &Workload, index: i64) -> Selection {
    let uid = &workload.metadata.uid;
    Selection::labels(format!(
        "{CONTROLLER_UID_LABEL}={uid},{COMPLETION_INDEX_LABEL}={index}"
    ))
}

/// Reads the first pods that have not ended, and the first that failed, if some did. Of
/// many that wait, those that run are not missed.
pub(super) async fn first_pods(
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Vec<Pod>, ClusterError> {
    let resource = Resource::known("v1", "Pod");
    let namespace = &workload.metadata.namespace;
    let first = async |fields: &str| {
        let selection = pods_in(workload, fields);
        let mut pages = Pages::with_size(FIRST, cluster, &resource, namespace, &selection);
        let page = pages.next::<Pod>().await?;
        Ok::<_, ClusterError>(page.unwrap_or_default())
    };
    let failed = async {
        match workload.has_failed_pods() {
            true => first(FAILED).await,
            false => Ok(Vec::new()),
        }
    };
    let (live, failed) = tokio::join!(first(LIVE), failed);
    let mut pods = live?;
    if pods.len() == FIRST && !pods.iter().any(Pod::runs) {
        pods.extend(first(RUNNING).await?);
    }
    pods.extend(failed?);
    Ok(pods)
}

/// Reads the pods of an index.
///
/// # Errors
/// [`ClusterError`] if they may not be read.
pub async fn pods_of_index(
    cluster: &Cluster,
    workload: &Workload,
    index: i64,
) -> Result<Vec<Pod>, ClusterError> {
    let resource = Resource::known("v1", "Pod");
    let namespace = &workload.metadata.namespace;
    let selection = of_index(workload, index);
    cluster
        .list_selected::<Pod>(&resource, namespace, &selection)
        .await
}

/// Reads the pods that failed, and hands each to `take`, in no order.
///
/// # Errors
/// [`ClusterError`] if they may not be read.
pub async fn failed_pods(
    cluster: &Cluster,
    workload: &Workload,
    mut take: impl FnMut(Pod),
) -> Result<(), ClusterError> {
    let resource = Resource::known("v1", "Pod");
    let namespace = &workload.metadata.namespace;
    let selection = pods_in(workload, FAILED);
    let mut pages = Pages::new(cluster, &resource, namespace, &selection);
    while let Some(page) = pages.next::<Pod>().await? {
        page.into_iter().for_each(&mut take);
    }
    Ok(())
}

/// Reads what is told of the tasks that failed; nothing if it is no array, or none did.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What may not be read is unknown.
pub async fn details(
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Option<ArrayDetails>, ClusterError> {
    if !workload.is_array() {
        return Ok(None);
    }
    if !workload.has_failed_tasks() {
        return Ok(Some(ArrayDetails::default()));
    }
    let mut failed: BTreeMap<i64, FailedPod> = BTreeMap::new();
    let now = Timestamp::now();
    let pods = failed_pods(cluster, workload, |pod| {
        let Some(index) = pod.index().and_then(|index| i64::try_from(index).ok()) else {
            return;
        };
        let pod = FailedPod::new(&pod, now);
        match failed.get(&index) {
            Some(other) if other.created_at > pod.created_at => {}
            _ => _ = failed.insert(index, pod),
        }
    });
    let (pods, rows) = tokio::join!(pods, rows(cluster, workload));
    let may_read = readable(pods)?.known().is_some();
    Ok(Some(ArrayDetails {
        failed,
        may_read,
        rows: rows?,
    }))
}

/// Reads the table of parameters, if the tasks have one that may be read.
async fn rows(cluster: &Cluster, workload: &Workload) -> Result<Option<String>, ClusterError> {
    #[derive(Deserialize)]
    struct Table {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    let Some(name) = record(workload).and_then(|record| Some(record.rows?.config_map)) else {
        return Ok(None);
    };
    let resource = Resource::known("v1", "ConfigMap");
    let namespace = &workload.metadata.namespace;
    let found = readable(cluster.find::<Table>(&resource, namespace, &name).await)?;
    let table = found.or_default();
    Ok(table.and_then(|mut table| table.data.remove(ROWS_FILE)))
}

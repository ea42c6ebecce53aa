//! Finds what Kueue queues and kaiwo does not know by itself, by the Workloads that
//! stand for it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::keys::MANAGED_LABEL;
use crate::api::kueue_workload::QueuedObject;
use crate::api::metadata::{Metadata, Named};
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::change::existing::resource;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::client::request::readable;
use crate::cluster::read::api_versions::Served;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;
use crate::observe::WorkloadRef;

/// Returns whether kaiwo knows the object by itself, or the Workload was replaced by
/// another one of the same object.
fn is_known(workload: &Workload) -> bool {
    let of_known_kind = |object: &QueuedObject| {
        WorkloadKind::named(&object.kind).is_some_and(|kind| {
            let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
            group(kind.api_version()) == group(&object.api_version)
        })
    };
    let was_replaced = |conditions: &[crate::api::condition::Condition]| {
        let mut conditions = conditions.iter();
        conditions.any(|it| it.kind == "Finished" && it.reason == "WorkloadSliceReplaced")
    };
    workload.stands_for.as_ref().is_none_or(of_known_kind) || was_replaced(workload.conditions())
}

/// Removes from a page of Workloads those of objects that kaiwo knows by themselves,
/// and of the pods of Deployments, of which each has one.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn retain_unknown(
    cluster: &Cluster,
    namespace: &str,
    page: &mut Vec<Workload>,
) -> Result<(), ClusterError> {
    page.retain(|workload| !is_known(workload));
    let is_pod = |workload: &Workload| workload.kind_name() == "Pod";
    if !page.iter().any(is_pod) {
        return Ok(());
    }
    let pods = Resource::known("v1", "Pod");
    let managed = format!("{MANAGED_LABEL}=true");
    let listed = cluster.list_metadata::<Named>(&pods, namespace, &managed);
    let listed = readable(listed.await)?.or_default();
    let is_of_deployment = |metadata: &Metadata| {
        let mut owners = metadata.owner_references.iter();
        owners.any(|owner| owner.kind == "ReplicaSet")
    };
    let others: BTreeSet<String> = listed
        .into_iter()
        .filter(|pod| !is_of_deployment(&pod.metadata))
        .map(|pod| pod.metadata.uid)
        .collect();
    page.retain(|workload| {
        let mut owners = workload.metadata.owner_references.iter();
        !is_pod(workload) || owners.any(|owner| others.contains(&owner.uid))
    });
    Ok(())
}

/// Returns whether a Job or the like is listed though another object owns it: one
/// that kaiwo does not know, while Kueue queues the Job itself.
pub fn is_queued_itself(workload: &Workload) -> bool {
    let owners = &workload.metadata.owner_references;
    let is_known = |kind: &str| WorkloadKind::named(kind).is_some();
    !owners.is_empty()
        && workload.queue().is_some()
        && !owners.iter().any(|owner| is_known(&owner.kind))
}

/// Finds all that has this name, and this kind if one was typed, with the objects of
/// their Workloads.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked, or Workloads may not be listed.
pub(in crate::cluster::read) async fn find(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Vec<(Workload, Value)>, ClusterError> {
    let kind = WorkloadKind::Queued;
    let Some(version) = served.version(kind) else {
        return Ok(Vec::new());
    };
    let resource = resource(kind, version);
    let mut pages = Pages::new(cluster, &resource, namespace, &Selection::default());
    let mut found = Vec::new();
    loop {
        let page: Vec<Value> = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(error),
        };
        for object in page {
            let read = Workload::read_as(kind, version, &object, cluster.reading());
            let Ok(workload) = read else {
                continue;
            };
            if is_meant(&workload, wanted) {
                found.push((workload, object));
            }
        }
    }
    let mut kept: Vec<Workload> = found.iter().map(|(workload, _)| workload.clone()).collect();
    retain_unknown(cluster, namespace, &mut kept).await?;
    let uids: BTreeSet<String> = kept.into_iter().map(|one| one.metadata.uid).collect();
    found.retain(|(workload, _)| uids.contains(&workload.metadata.uid));
    // One of several groups of an object may be named, or all by the object's name.
    let is_exact = |(workload, _): &(Workload, Value)| workload.name() == wanted.name;
    if found.iter().any(is_exact) {
        found.retain(is_exact);
    }
    Ok(found)
}

fn is_meant(workload: &Workload, wanted: &WorkloadRef) -> bool {
    let Some(object) = &workload.stands_for else {
        return false;
    };
    let mut parts = object.objects.iter();
    let has_name = object.name == wanted.name
        || object.objects.len() == 1 && parts.any(|part| part.name == wanted.name);
    has_name && wanted.is_of(&object.api_version, &object.kind)
}

/// Finds the workloads that an object of the kind that was typed owns, such as the
/// Job of a KaiwoJob.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub(in crate::cluster::read) async fn owned_by(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Vec<(WorkloadKind, String)>, ClusterError> {
    let mut found = Vec::new();
    for kind in WorkloadKind::ALL {
        let Some(version) = served.version(kind) else {
            continue;
        };
        let resource = resource(kind, version);
        let listed = cluster.list_metadata::<Named>(&resource, namespace, "");
        let listed = match listed.await {
            Err(error) if error.is_not_found() => Vec::new(),
            listed => readable(listed)?.or_default(),
        };
        let is_owned = |metadata: &Metadata| {
            let mut owners = metadata.owner_references.iter();
            owners.any(|owner| {
                owner.name == wanted.name && wanted.is_of(&owner.api_version, &owner.kind)
            })
        };
        let own = listed.into_iter().filter(|one| is_owned(&one.metadata));
        found.extend(own.map(|one| (kind, one.metadata.name)));
    }
    Ok(found)
}

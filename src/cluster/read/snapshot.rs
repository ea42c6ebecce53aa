//! Reads everything about one workload at one moment, and again and again.

pub mod array;
mod followed;
mod pending;

pub use followed::{FollowedWorkload, LostTrack, UNANSWERED};
pub use pending::{pending, pending_in_cluster_queue};

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;

use super::api_versions::Served;
use super::dependents;
use super::kueue::queues;
use super::lookup::{self, Found};
use super::watch::{Outage, Polled, Poller};
use crate::api::Readable;
use crate::api::event::Event;
use crate::api::keys::JOB_UID_LABEL;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::kind::pod_labels::{AT_ONCE, PodLabels};
use crate::observe::kind::rules;
use crate::observe::snapshot_reads::SnapshotReads;

/// Time after which an object that is not found is believed to be gone: an API
/// server that has just started may not know its custom resources yet.
const GONE: Duration = Duration::from_secs(2);

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
    read_of_index(cluster, served, workload, None).await
}

/// Reads what belongs to a workload that was just found; of an array only the pods of
/// this index, if one is given.
///
/// # Errors
/// As [`read_snapshot`].
pub async fn read_of_index(
    cluster: &Cluster,
    served: &Served,
    workload: Workload,
    index: Option<i64>,
) -> Result<Snapshot, ClusterError> {
    let found = dependents::dependents_of(cluster, served, &workload).await?;
    let (parts, workspaces) = (found.metadata, found.workspaces);
    let pods = match index {
        Some(index) => array::pods_of_index(cluster, &workload, index).await,
        None => pods(cluster, &workload, &parts).await,
    };
    let pods = readable(pods)?;
    let known = pods.known().map_or(&[][..], Vec::as_slice);
    let queued = readable(queued(cluster, served, &workload, known, &parts).await)?;
    let position = match queued.known().and_then(|queued| {
        queued.iter().find(|queued| {
            queued.state() != QueueState::Admitted && !queued.spec.queue_name.is_empty()
        })
    }) {
        Some(queued) => pending::position(cluster, served, queued).await,
        None => None,
    };
    let queued_known = queued.known().map_or(&[][..], Vec::as_slice);
    let preemptors = queues::preemptors(cluster, served, queued_known).await?;
    let mut snapshot = Snapshot {
        parts,
        workspaces,
        queued,
        position,
        preemptors,
        index,
        ..Snapshot::new(workload, pods, Timestamp::now())
    };
    // Of pods that may not be read nobody can tell whether they are missing.
    if snapshot.pods != Readable::Forbidden {
        let around = SnapshotReads::new(&snapshot.workload, &snapshot.parts, &snapshot.known());
        let namespace = &snapshot.workload.metadata.namespace;
        snapshot.clusters =
            dependents::clusters(cluster, served, namespace, &around.clusters).await?;
        let clusters = snapshot.clusters.iter();
        let clusters = clusters.map(|cluster| &cluster.metadata.uid);
        let about = around.events_about.iter().chain(clusters);
        snapshot.events = events_about(cluster, namespace, about).await?;
    }
    Ok(snapshot)
}

/// What is seen of a workload that is followed.
#[derive(Debug)]
pub enum Seen<E = ()> {
    /// How it is now, and what else was asked for.
    Now(Box<Snapshot>, E),
    /// It is gone, or another one has its name.
    Gone,
    /// The cluster cannot be asked, or can again.
    Outage(Outage),
}

/// One workload as it is, again and again.
pub struct SnapshotStream<'a> {
    cluster: Cluster,
    served: &'a Served,
    /// Which workload; its identity is known from the first sight on.
    pub subject: FollowedWorkload,
    poller: Poller,
    first: Option<Snapshot>,
    gone_since: Option<Instant>,
}

impl<'a> SnapshotStream<'a> {
    /// Follows a workload that may have yet to appear.
    pub fn new(cluster: &Cluster, served: &'a Served, subject: FollowedWorkload) -> Self {
        let mut poller = Poller::new(cluster);
        poller.look_at_once();
        Self {
            cluster: cluster.failing_at_once(),
            served,
            subject,
            poller,
            first: None,
            gone_since: None,
        }
    }

    /// Follows the workload of a snapshot, which is the first that is seen.
    pub fn beginning_with(cluster: &Cluster, served: &'a Served, first: Snapshot) -> Self {
        let subject = FollowedWorkload {
            index: first.index,
            ..FollowedWorkload::of_workload(&first.workload)
        };
        Self {
            first: Some(first),
            ..Self::new(cluster, served, subject)
        }
    }

    /// Returns what to notify of something that only a look can tell.
    pub fn changed(&self) -> Rc<Notify> {
        self.poller.changed()
    }

    /// Has the next look not wait for a change.
    pub fn look_at_once(&mut self) {
        self.poller.look_at_once();
    }

    /// Returns how it is as soon as that may have changed, at the latest after
    /// `longest`, with what `more` reads of it. Nothing is lost if this is
    /// dropped before its end.
    ///
    /// # Errors
    /// [`LostTrack`] if the cluster stays away.
    pub async fn next<E>(
        &mut self,
        longest: Duration,
        more: impl AsyncFn(&Cluster, &Snapshot) -> Result<E, ClusterError>,
    ) -> Result<Seen<E>, LostTrack> {
        loop {
            let Self {
                cluster,
                served,
                subject,
                first,
                ..
            } = self;
            let longest = self.gone_since.map_or(longest, |_| GONE.min(longest));
            let look = async || {
                let snapshot = match first.take() {
                    Some(first) => Some(first),
                    None => read_subject(cluster, served, subject).await?,
                };
                let Some(snapshot) = snapshot else {
                    return Ok(None);
                };
                let more = more(cluster, &snapshot).await?;
                Ok(Some((snapshot, more)))
            };
            match self.poller.next(longest, look).await {
                Ok(Polled::Now(Some((snapshot, more)))) => {
                    self.gone_since = None;
                    self.subject.uid = Some(snapshot.workload.metadata.uid.clone());
                    watch(&mut self.poller, self.served, &snapshot);
                    return Ok(Seen::Now(Box::new(snapshot), more));
                }
                Ok(Polled::Now(None)) => {
                    let since = *self.gone_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= GONE {
                        return Ok(Seen::Gone);
                    }
                }
                Ok(Polled::Outage(outage)) => return Ok(Seen::Outage(outage)),
                Err(error) => return Err(self.subject.lost(UNANSWERED, Some(error))),
            }
        }
    }
}

/// Reads a workload with all that belongs to it; `None` if it is gone, or
/// another one has its name.
async fn read_subject(
    cluster: &Cluster,
    served: &Served,
    subject: &FollowedWorkload,
) -> Result<Option<Snapshot>, ClusterError> {
    let FollowedWorkload {
        kind,
        namespace,
        name,
        uid,
        index,
        ..
    } = subject;
    let is_it = |workload: &Workload| uid.as_ref().is_none_or(|uid| workload.metadata.uid == *uid);
    match lookup::read(cluster, served, namespace, *kind, name).await? {
        Some(Found { workload, .. }) if is_it(&workload) => {
            let snapshot = read_of_index(cluster, served, workload, *index).await?;
            Ok(Some(snapshot))
        }
        _ => Ok(None),
    }
}

/// Watches what this snapshot is made of.
fn watch(poller: &mut Poller, served: &Served, snapshot: &Snapshot) {
    let workload = &snapshot.workload;
    let Metadata {
        namespace, name, ..
    } = &workload.metadata;
    let own = Resource::known(&workload.api_version, workload.kind.name());
    let named = Selection::fields(format!("metadata.name={name}"));
    poller.watch(&own, namespace, &named);
    // A CronJob has other Jobs each time, which would be watched for ever.
    let kind = workload.kind.descriptor();
    let parts = match kind.is_recurring {
        true => &[][..],
        false => &snapshot.parts,
    };
    // Those of an array are many, and its own status changes with each.
    let is_array = workload.is_array() && snapshot.index.is_none();
    let selections = match is_array {
        true => Vec::new(),
        false => pod_selections(workload, parts),
    };
    for selection in selections {
        let selection = match snapshot.index {
            Some(index) => array::of_index(workload, index),
            None => selection,
        };
        poller.watch(&Resource::known("v1", "Pod"), namespace, &selection);
    }
    if let Some(kueue) = served.kueue.as_ref().filter(|_| kind.workload_has_its_uid) {
        let own = Selection::labels(format!("{JOB_UID_LABEL}={}", workload.metadata.uid));
        poller.watch(&Resource::known(kueue, "Workload"), namespace, &own);
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
    let own = &snapshot.workload.metadata.uid;
    // What is known by Kueue's Workload is this itself.
    let queued = snapshot.queued().iter().map(|it| &it.metadata.uid);
    let uids = std::iter::once(own)
        .chain(autoscaler)
        .chain(queued.filter(|uid| *uid != own))
        .chain(snapshot.pods().iter().map(|pod| &pod.metadata.uid))
        .take(AT_ONCE);
    let namespace = &snapshot.workload.metadata.namespace;
    let mut events = events_about(cluster, namespace, uids).await?;
    if let Readable::Known(events) = &mut events {
        events.sort_by_key(Event::last);
    }
    Ok(events)
}

/// Reads what happened around objects, of all at once.
pub(super) async fn events_about(
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
        // Where nobody keeps events, none tells anything.
        let listed = match listed {
            Err(error) if error.is_not_found() => continue,
            listed => listed,
        };
        match readable(listed)? {
            Readable::Known(listed) => events.extend(listed),
            Readable::Forbidden => return Ok(Readable::Forbidden),
        }
    }
    Ok(Readable::Known(events))
}

/// Returns which pods are a workload's.
fn pod_selections(workload: &Workload, parts: &[Metadata]) -> Vec<Selection> {
    let labels = rules(workload).pod_labels(parts);
    let selectors = labels.iter().map(PodLabels::selector);
    selectors.map(Selection::labels).collect()
}

pub(in crate::cluster) async fn pods(
    cluster: &Cluster,
    workload: &Workload,
    parts: &[Metadata],
) -> Result<Vec<Pod>, ClusterError> {
    if workload.is_array() {
        return array::first_pods(cluster, workload).await;
    }
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
    let rules = rules(workload);
    let mut seen = BTreeSet::new();
    // Several selections may find the same one.
    pods.retain(|pod| rules.owns(pod) && seen.insert(pod.metadata.uid.clone()));
    Ok(pods)
}

async fn queued(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
    pods: &[Pod],
    parts: &[Metadata],
) -> Result<Vec<KueueWorkload>, ClusterError> {
    if let Some(own) = workload.queued() {
        return Ok(vec![own]);
    }
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

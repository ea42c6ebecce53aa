//! Reads what a listing shows beside the workloads themselves, with few requests
//! for many of them: Kueue's Workloads, places in queues, pods.

mod owners;

use std::collections::{BTreeSet, HashMap};

use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt as _};
use k8s_openapi::jiff::Timestamp;

use super::super::api_versions::Served;
use super::super::dependents::{self, Dependents};
use super::super::kueue::{queues, workloads};
use super::super::snapshot;
use crate::api::Readable;
use crate::api::event::Event;
use crate::api::keys::{ARRAY_LABEL, JOB_UID_LABEL};
use crate::api::kueue_workload::{KueueWorkload, WithoutPods};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::queue::LocalQueue;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::api::workload::ray::RayCluster;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;
use crate::observe::Listed;
use crate::observe::kind::pod_labels::AT_ONCE;
use crate::observe::listed::RowReads;
use crate::observe::preemption;
use crate::observe::snapshot::{Places, Position, WorkloadContext};
use crate::observe::snapshot_reads::SnapshotReads;

/// Workloads of one page whose pods are asked for one by one; of more, those
/// of the whole place are read, once.
const FEW: usize = 8;

/// Reads on demand, and at most once.
pub struct RowLoader<'a> {
    cluster: &'a Cluster,
    served: &'a Served,
    /// The namespace; empty for all.
    namespace: &'a str,
    /// Whether nodes and ClusterQueues are asked for.
    in_full: bool,
    /// Whether logs are asked for.
    with_logs: bool,
    /// Kueue's Workloads by the UID of what they stand for, once all are read.
    queued: Option<HashMap<String, Vec<KueueWorkload>>>,
    /// Pods that have not succeeded, once all are read.
    pods: Option<Vec<Pod>>,
    /// Warnings of the place, once all are read.
    warnings: Option<Vec<Event>>,
    /// Who waits, by namespace and LocalQueue.
    pending: HashMap<(String, String), Option<Places>>,
    /// ClusterQueue by namespace and LocalQueue.
    cluster_queues: Option<HashMap<(String, String), String>>,
}

impl<'a> RowLoader<'a> {
    /// Knows nothing yet. `in_full` asks for nodes and ClusterQueues, too.
    pub fn new(
        cluster: &'a Cluster,
        served: &'a Served,
        namespace: &'a str,
        in_full: bool,
    ) -> Self {
        Self {
            cluster,
            served,
            namespace,
            in_full,
            with_logs: false,
            queued: None,
            pods: None,
            warnings: None,
            pending: HashMap::new(),
            cluster_queues: None,
        }
    }

    /// Has rows of running jobs know in which log these tell how far they are.
    #[must_use]
    pub fn with_logs(self, with_logs: bool) -> Self {
        Self { with_logs, ..self }
    }

    /// Makes rows of a page of workloads.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked. What the user may not
    /// read is left blank.
    pub async fn rows(&mut self, page: Vec<Workload>) -> Result<Vec<Listed>, ClusterError> {
        let now = Timestamp::now();
        let needs: Vec<RowReads> = page
            .iter()
            .map(|workload| RowReads::for_workload(workload, self.in_full || self.with_logs, now))
            .collect();
        let mut pods = self.pods_of(&page, &needs).await?;
        let mut queued = self.queued_of(&page, &needs, &pods).await?;
        let mut all: Vec<Belongings> = Vec::with_capacity(page.len());
        for (index, workload) in page.iter().enumerate() {
            let (pods, parts) = pods.remove(&index).unwrap_or_default();
            // Kueue queues a Deployment's pods each by itself.
            let uids = std::iter::once(&workload.metadata.uid)
                .chain(pods.iter().map(|pod| &pod.metadata.uid));
            let queued = match (workload.queued(), needs[index].queued) {
                (Some(own), _) => vec![own],
                (None, true) => uids
                    .filter_map(|uid| queued.remove(uid))
                    .flatten()
                    .collect(),
                (None, false) => Vec::new(),
            };
            all.push(Belongings {
                pods_are_read: needs[index].pods,
                queued,
                pods,
                parts: parts.metadata,
                workspaces: parts.workspaces,
                ..Belongings::default()
            });
        }
        let preempted = all.iter().flat_map(|own| &own.queued);
        let preempted = preempted.filter(|queued| preemption::preemptor(queued).is_some());
        let preempted: Vec<KueueWorkload> = preempted.cloned().collect();
        let preemptors = queues::preemptors(self.cluster, self.served, &preempted).await?;
        self.add_surroundings(&page, &mut all, now).await?;
        let mut rows = Vec::with_capacity(page.len());
        for (index, (workload, own)) in page.into_iter().zip(&all).enumerate() {
            let known = WorkloadContext {
                preemptors: &preemptors,
                ..own.known(now)
            };
            let mut row = Listed::new(workload, &known);
            if needs[index].queued && row.standing.status.is_waiting() {
                row.position = self.position(&row.workload, &own.queued).await;
            }
            if self.in_full {
                row.cluster_queue = self.cluster_queue(&row.workload).await?;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Adds what else tells of those whose pods were read and say too little.
    async fn add_surroundings(
        &mut self,
        page: &[Workload],
        all: &mut [Belongings],
        now: Timestamp,
    ) -> Result<(), ClusterError> {
        let around: Vec<SnapshotReads> = page
            .iter()
            .zip(all.iter())
            .map(|(workload, own)| match own.pods_are_read {
                true => SnapshotReads::new(workload, &own.parts, &own.known(now)),
                false => SnapshotReads::default(),
            })
            .collect();
        let of_each = || page.iter().zip(&around);
        let names = of_each().flat_map(|(workload, around)| {
            let namespace = &workload.metadata.namespace;
            let names = around.clusters.iter();
            names.map(move |name| (namespace.clone(), name.clone()))
        });
        let clusters = self.clusters(&names.collect::<Vec<_>>()).await?;
        for ((workload, around), own) in of_each().zip(all.iter_mut()) {
            let namespace = &workload.metadata.namespace;
            let is_own = |cluster: &&RayCluster| {
                let metadata = &cluster.metadata;
                metadata.namespace == *namespace && around.clusters.contains(&metadata.name)
            };
            own.clusters = clusters.iter().filter(is_own).cloned().collect();
        }
        let uids = |around: &SnapshotReads, own: &Belongings| -> Vec<String> {
            let clusters = own.clusters.iter();
            let clusters = clusters.map(|cluster| cluster.metadata.uid.clone());
            around
                .events_about
                .iter()
                .cloned()
                .chain(clusters)
                .collect()
        };
        let each = around.iter().zip(all.iter());
        let asked: Vec<String> = each.flat_map(|(around, own)| uids(around, own)).collect();
        let events = self.events_about(&asked).await?;
        for (around, own) in around.iter().zip(all.iter_mut()) {
            let own_uids = uids(around, own);
            let told = events.iter();
            let told = told.filter(|event| own_uids.contains(&event.involved_object.uid));
            own.events = told.cloned().collect();
        }
        Ok(())
    }

    /// Reads the Ray clusters of these namespaces and names.
    async fn clusters(&self, names: &[(String, String)]) -> Result<Vec<RayCluster>, ClusterError> {
        let Some(version) = self.served.version(WorkloadKind::RayJob) else {
            return Ok(Vec::new());
        };
        if names.len() > FEW {
            let resource = Resource::known(version, "RayCluster");
            let all = self.cluster.list(&resource, self.namespace, "").await;
            return known(all);
        }
        let each = join_all(names.iter().map(|(namespace, name)| {
            let name = std::slice::from_ref(name);
            dependents::clusters(self.cluster, self.served, namespace, name)
        }));
        let found: Result<Vec<_>, _> = each.await.into_iter().collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// Reads the events about objects of these UIDs; of many of them, or in all
    /// namespaces, the warnings, once.
    async fn events_about(&mut self, uids: &[String]) -> Result<Vec<Event>, ClusterError> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        if uids.len() <= FEW && !self.namespace.is_empty() {
            let told = snapshot::events_about(self.cluster, self.namespace, uids.iter()).await?;
            return Ok(told.or_default());
        }
        if self.warnings.is_none() {
            let resource = Resource::known("v1", "Event");
            let warnings = Selection::fields("type=Warning");
            let listed = self
                .cluster
                .list_selected(&resource, self.namespace, &warnings);
            self.warnings = Some(match listed.await {
                Err(error) if error.is_not_found() => Vec::new(),
                listed => known(listed)?,
            });
        }
        let warnings = self.warnings.iter().flatten();
        let told = warnings.filter(|event| uids.contains(&event.involved_object.uid));
        Ok(told.cloned().collect())
    }

    /// Returns the pods and parts of those that need them, by their place in the
    /// page.
    async fn pods_of(
        &mut self,
        page: &[Workload],
        needs: &[RowReads],
    ) -> Result<HashMap<usize, (Vec<Pod>, Dependents)>, ClusterError> {
        let wanted = (0..page.len()).filter(|index| needs[*index].pods);
        // The pods of an array are many, and few of them are read.
        let (arrays, wanted): (Vec<usize>, Vec<usize>) =
            wanted.partition(|index| page[*index].is_array());
        let arrays = join_all(arrays.into_iter().take(FEW).map(async |index| {
            let pods = known(snapshot::pods(self.cluster, &page[index], &[]).await)?;
            Ok::<_, ClusterError>((index, (pods, Dependents::default())))
        }));
        let arrays: Result<HashMap<_, _>, _> = arrays.await.into_iter().collect();
        let mut all = arrays?;
        if !wanted.is_empty() {
            all.extend(self.pods_of_few(page, wanted).await?);
        }
        Ok(all)
    }

    async fn pods_of_few(
        &mut self,
        page: &[Workload],
        wanted: Vec<usize>,
    ) -> Result<HashMap<usize, (Vec<Pod>, Dependents)>, ClusterError> {
        if self.pods.is_none() && wanted.len() <= FEW {
            let each = join_all(wanted.iter().map(async |index| {
                let workload = &page[*index];
                // What a CronJob's Jobs do is theirs to tell.
                let parts = match workload.kind.descriptor().is_recurring {
                    true => Dependents::default(),
                    false => dependents::dependents_of(self.cluster, self.served, workload).await?,
                };
                let pods = snapshot::pods(self.cluster, workload, &parts.metadata).await;
                Ok::<_, ClusterError>((*index, (known(pods)?, parts)))
            }));
            return each.await.into_iter().collect();
        }
        if self.pods.is_none() {
            self.pods = Some(self.all_pods().await?);
        }
        let workloads: Vec<&Workload> = wanted.iter().map(|index| &page[*index]).collect();
        let mut parts =
            dependents::of_all(self.cluster, self.served, self.namespace, &workloads).await?;
        let pods = self.pods.as_deref().unwrap_or_default();
        let mut sorted = owners::sorted_out(page, &wanted, &parts, pods);
        let each = wanted.into_iter().map(|index| {
            let pods = sorted.remove(&index).unwrap_or_default();
            let parts = parts.remove(&page[index].metadata.uid).unwrap_or_default();
            (index, (pods, parts))
        });
        Ok(each.collect())
    }

    /// Reads all pods that have not succeeded: those that failed say why.
    async fn all_pods(&self) -> Result<Vec<Pod>, ClusterError> {
        let resource = Resource::known("v1", "Pod");
        let selection = Selection {
            labels: format!("!{ARRAY_LABEL}"),
            fields: "status.phase!=Succeeded".to_owned(),
        };
        known(
            self.cluster
                .list_selected(&resource, self.namespace, &selection)
                .await,
        )
    }

    /// Returns Kueue's Workloads of those that need them, and perhaps others,
    /// by the UID of what they stand for.
    async fn queued_of(
        &mut self,
        page: &[Workload],
        needs: &[RowReads],
        pods: &HashMap<usize, (Vec<Pod>, Dependents)>,
    ) -> Result<HashMap<String, Vec<KueueWorkload>>, ClusterError> {
        let Some(kueue) = &self.served.kueue else {
            return Ok(HashMap::new());
        };
        let is_wanted =
            |index: &usize| needs[*index].queued && page[*index].kind != WorkloadKind::Queued;
        let wanted = (0..page.len()).filter(is_wanted);
        let uids: Vec<&str> = wanted
            .clone()
            .flat_map(|index| {
                let pods = pods.get(&index).into_iter().flat_map(|(pods, _)| pods);
                std::iter::once(&page[index].metadata.uid)
                    .chain(pods.map(|pod| &pod.metadata.uid))
                    .map(String::as_str)
            })
            .collect();
        let resource = Resource::known(kueue, "Workload");
        if uids.is_empty() {
            return Ok(HashMap::new());
        }
        if self.queued.is_none() && uids.len() <= AT_ONCE {
            let selector = format!("{JOB_UID_LABEL} in ({})", uids.join(","));
            let listed = self.cluster.list(&resource, self.namespace, &selector);
            return Ok(by_uid(known(listed.await)?));
        }
        if self.queued.is_none() {
            let places = wanted.filter_map(|index| place_of(&page[index]));
            let places: BTreeSet<_> = places.collect();
            let pending = stream::iter(places).map(async |place| {
                let places = self.places(&place).await;
                (place, places)
            });
            let pending = pending.buffer_unordered(FEW).collect::<HashMap<_, _>>();
            let (all, pending) = join(self.all_queued(kueue), pending).await;
            self.pending.extend(pending);
            self.queued = Some(all?);
        }
        // Each is asked for once.
        let mut all = self.queued.as_mut();
        Ok(uids
            .into_iter()
            .filter_map(|uid| all.as_mut()?.remove_entry(uid))
            .collect())
    }

    /// Reads all Workloads of Kueue's. There may be very many.
    async fn all_queued(
        &self,
        kueue: &str,
    ) -> Result<HashMap<String, Vec<KueueWorkload>>, ClusterError> {
        let mut pages = workloads::all(self.cluster, kueue, self.namespace);
        let mut all = HashMap::new();
        while let Readable::Known(Some(page)) = readable(pages.next::<WithoutPods>().await)? {
            let page = page.into_iter().map(|queued| queued.0).collect();
            for (uid, queued) in by_uid(page) {
                all.entry(uid).or_insert_with(Vec::new).extend(queued);
            }
        }
        Ok(all)
    }

    /// Reads who waits in a LocalQueue.
    async fn places(&self, (namespace, queue): &(String, String)) -> Option<Places> {
        let pending = snapshot::pending(self.cluster, self.served, namespace, queue).await;
        pending.as_deref().map(Places::new)
    }

    async fn position(
        &mut self,
        workload: &Workload,
        queued: &[KueueWorkload],
    ) -> Option<Position> {
        let place = place_of(workload)?;
        if !self.pending.contains_key(&place) {
            let places = self.places(&place).await;
            self.pending.insert(place.clone(), places);
        }
        let places = self.pending.get(&place)?.as_ref()?;
        // Who may not read Workloads may still ask for places.
        let names = queued.iter().map(|queued| queued.metadata.name.as_str());
        places.first_of(&workload.metadata.uid, names)
    }

    async fn cluster_queue(&mut self, workload: &Workload) -> Result<Option<String>, ClusterError> {
        let (Some(queue), Some(kueue)) = (workload.queue(), &self.served.kueue) else {
            return Ok(None);
        };
        if self.cluster_queues.is_none() {
            let resource = Resource::known(kueue, "LocalQueue");
            let listed = self
                .cluster
                .list::<LocalQueue>(&resource, self.namespace, "");
            let queues = known(listed.await)?.into_iter().map(|queue| {
                let place = (queue.metadata.namespace, queue.metadata.name);
                (place, queue.spec.cluster_queue)
            });
            self.cluster_queues = Some(queues.collect());
        }
        let place = (workload.metadata.namespace.clone(), queue.to_owned());
        let queues = self.cluster_queues.as_ref();
        Ok(queues.and_then(|queues| queues.get(&place)).cloned())
    }
}

/// What belongs to a workload of a page.
#[derive(Default)]
struct Belongings {
    pods_are_read: bool,
    queued: Vec<KueueWorkload>,
    pods: Vec<Pod>,
    parts: Vec<Metadata>,
    workspaces: Vec<Workload>,
    clusters: Vec<RayCluster>,
    events: Vec<Event>,
}

impl Belongings {
    fn known(&self, now: Timestamp) -> WorkloadContext<'_> {
        WorkloadContext {
            queued: &self.queued,
            workspaces: &self.workspaces,
            pods: &self.pods,
            preemptors: &[],
            clusters: &self.clusters,
            events: &self.events,
            now,
        }
    }
}

/// Returns the namespace and LocalQueue that a workload is in.
fn place_of(workload: &Workload) -> Option<(String, String)> {
    let namespace = workload.metadata.namespace.clone();
    Some((namespace, workload.queue()?.to_owned()))
}

/// Makes nothing of what may not be read.
fn known<T>(listed: Result<Vec<T>, ClusterError>) -> Result<Vec<T>, ClusterError> {
    Ok(readable(listed)?.or_default())
}

fn by_uid(queued: Vec<KueueWorkload>) -> HashMap<String, Vec<KueueWorkload>> {
    let mut sorted: HashMap<String, Vec<KueueWorkload>> = HashMap::new();
    for queued in queued {
        if let Some(uid) = queued.metadata.label(JOB_UID_LABEL) {
            sorted.entry(uid.to_owned()).or_default().push(queued);
        }
    }
    sorted
}

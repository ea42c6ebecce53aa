//! Everything about one workload at one moment.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::upstream::api_server;
use crate::api::Readable;
use crate::api::condition::{Condition, holds};
use crate::api::event::Event;
use crate::api::kueue_workload::{KueueWorkload, PendingWorkload};
use crate::api::metadata::{Metadata, ObjectName};
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::api::workload::ray::RayCluster;

/// Condition of a Ray cluster (KubeRay v1.6) and of a Deployment whose pods are
/// refused.
pub(super) const REPLICA_FAILURE: &str = "ReplicaFailure";

/// A workload and what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub workload: Workload,
    /// What its operator has put between it and its pods: the Jobs of a
    /// CronJob, the Job that submits a RayJob, the Workspaces of an
    /// InferenceSet.
    pub parts: Vec<Metadata>,
    /// The Workspaces of an InferenceSet that is not ready.
    pub workspaces: Vec<Workload>,
    /// Kueue's Workloads of it: one, or one for each pod of a Deployment and
    /// each Job of a CronJob, or none outside of queues.
    pub queued: Readable<Vec<KueueWorkload>>,
    pub pods: Readable<Vec<Pod>>,
    /// Where it is in the queue, while it waits.
    pub position: Option<Position>,
    /// Kueue's Workloads that took the quota of those above.
    pub preemptors: Vec<KueueWorkload>,
    /// The Ray clusters that are to make pods which are missing.
    pub clusters: Vec<RayCluster>,
    /// What happened around what is on its way or missing, as far as it can be
    /// read.
    pub events: Readable<Vec<Event>>,
    /// When all this was read.
    pub now: Timestamp,
    /// Index of the Job whose pods alone were read; of an array without it, the first
    /// ones that have not ended and that have failed.
    pub index: Option<i64>,
}

/// What is known around a workload when it is judged: of a listing less than of
/// a snapshot. With less known, a judgement is less precise, never another one
/// that is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkloadContext<'a> {
    /// See [`Snapshot::queued`].
    pub queued: &'a [KueueWorkload],
    /// See [`Snapshot::workspaces`].
    pub workspaces: &'a [Workload],
    /// See [`Snapshot::pods`].
    pub pods: &'a [Pod],
    /// See [`Snapshot::preemptors`].
    pub preemptors: &'a [KueueWorkload],
    /// See [`Snapshot::clusters`].
    pub clusters: &'a [RayCluster],
    /// See [`Snapshot::events`].
    pub events: &'a [Event],
    /// See [`Snapshot::now`]; before everything if nobody has said it.
    pub now: Timestamp,
}

impl<'a> WorkloadContext<'a> {
    /// Returns the events about an object of this UID.
    pub fn events_about(&self, uid: &'a str) -> impl Iterator<Item = &'a Event> {
        let events = self.events.iter();
        events.filter(move |event| event.involved_object.uid == uid)
    }

    /// Returns why the API server refuses pods, in the words of whoever is to make
    /// them: a condition of a Ray cluster, or an event not older than `since` and
    /// the newest pod, about the object of this UID, a Ray cluster or a Job
    /// between it and its pods.
    pub fn refusal(&self, uid: &str, since: Option<Timestamp>) -> Option<&'a str> {
        let clusters = self.clusters.iter();
        let mut failures = clusters.filter_map(|it| holds(&it.status.conditions, REPLICA_FAILURE));
        let newest = self.pods.iter().map(|pod| pod.metadata.creation_timestamp);
        let since = since.max(newest.max().flatten());
        let is_maker = |object: &ObjectName| {
            let mut clusters = self.clusters.iter();
            object.uid == uid
                || matches!(object.kind.as_str(), "Job" | "StatefulSet")
                || clusters.any(|cluster| cluster.metadata.uid == object.uid)
        };
        let told = self.events.iter().filter(|event| {
            event.is_warning() && event.last() >= since && is_maker(&event.involved_object)
        });
        let told = told.filter(|event| api_server::is_refusal(&event.reason));
        let told = told.max_by_key(|event| event.last());
        let told = told.map(|event| event.message.as_str());
        told.or_else(|| failures.next().map(Condition::words))
    }

    /// Returns how many seconds ago that was; none if it is not known.
    pub fn since(&self, then: Option<Timestamp>) -> i64 {
        then.map_or(0, |then| self.now.as_second() - then.as_second())
    }
}

/// A place in a queue, counted from 1.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Among all that wait for the ClusterQueue.
    pub place: i64,
    /// How many of them are known to wait; at least those of one's own
    /// LocalQueue.
    pub of: i64,
}

/// Where everything is that waits in a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// Place by the name of a Workload, and by the UID of what it stands for.
    places: HashMap<String, i64>,
    last: i64,
}

impl Places {
    /// Takes what waits.
    pub fn new(pending: &[PendingWorkload]) -> Self {
        let mut places = HashMap::with_capacity(2 * pending.len());
        let mut last = 0;
        for one in pending {
            let place = one.position_in_cluster_queue + 1;
            last = last.max(place);
            let owners = one.metadata.owner_references.iter();
            let names = owners.map(|owner| &owner.uid).chain([&one.metadata.name]);
            for name in names {
                let first: &mut i64 = places.entry(name.clone()).or_insert(place);
                *first = place.min(*first);
            }
        }
        Self { places, last }
    }

    /// Returns where the first is of what has this UID or one of these Workloads.
    pub fn first_of<'n>(
        &self,
        uid: &'n str,
        workloads: impl IntoIterator<Item = &'n str>,
    ) -> Option<Position> {
        let names = std::iter::once(uid).chain(workloads);
        let place = names.filter_map(|name| self.places.get(name)).min();
        Some(Position {
            place: *place?,
            of: self.last,
        })
    }
}

impl Snapshot {
    /// Returns that of a workload with its pods and nothing else.
    pub fn new(workload: Workload, pods: Readable<Vec<Pod>>, now: Timestamp) -> Self {
        Self {
            workload,
            parts: Vec::new(),
            workspaces: Vec::new(),
            queued: Readable::Known(Vec::new()),
            pods,
            position: None,
            preemptors: Vec::new(),
            clusters: Vec::new(),
            events: Readable::Known(Vec::new()),
            now,
            index: None,
        }
    }

    /// Returns Kueue's Workloads, as far as they are known.
    pub fn queued(&self) -> &[KueueWorkload] {
        self.queued.known().map_or(&[], Vec::as_slice)
    }

    /// Returns the pods, as far as they are known.
    pub fn pods(&self) -> &[Pod] {
        self.pods.known().map_or(&[], Vec::as_slice)
    }

    /// Returns what happened, as far as it is known.
    pub fn events(&self) -> &[Event] {
        self.events.known().map_or(&[], Vec::as_slice)
    }

    /// Returns the cluster that Kueue has sent it to (MultiKueue): its pods are there.
    pub fn cluster_name(&self) -> Option<&str> {
        cluster_name(self.queued())
    }

    /// Returns all that is known around the workload.
    pub fn known(&self) -> WorkloadContext<'_> {
        WorkloadContext {
            queued: self.queued(),
            workspaces: &self.workspaces,
            pods: self.pods(),
            preemptors: &self.preemptors,
            clusters: &self.clusters,
            events: self.events(),
            now: self.now,
        }
    }
}

/// Returns the cluster that Kueue has sent one of these to (MultiKueue).
pub fn cluster_name(queued: &[KueueWorkload]) -> Option<&str> {
    let mut names = queued.iter().flat_map(|queued| &queued.status.cluster_name);
    names.find(|name| !name.is_empty()).map(String::as_str)
}

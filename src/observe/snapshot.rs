//! Everything about one workload at one moment.

use serde::Serialize;

use crate::api::Readable;
use crate::api::kueue_workload::{KueueWorkload, PendingWorkload};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::workload::Workload;

/// A workload and what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The workload.
    pub workload: Workload,
    /// What its operator has put between it and its pods: the Jobs of a
    /// CronJob, the Job that submits a RayJob, the Workspaces of an
    /// InferenceSet.
    pub parts: Vec<Metadata>,
    /// Kueue's Workloads of it: one, or one for each pod of a Deployment and
    /// each Job of a CronJob, or none outside of queues.
    pub queued: Readable<Vec<KueueWorkload>>,
    /// Its pods.
    pub pods: Readable<Vec<Pod>>,
    /// Where it is in the queue, while it waits.
    pub position: Option<Position>,
}

/// A place in a queue, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Among all that wait for the ClusterQueue.
    pub place: i64,
    /// How many of them are known to wait; at least those of one's own
    /// LocalQueue.
    pub of: i64,
}

impl Position {
    /// Returns where the first of `pending` is that is one's own.
    pub fn among(
        pending: &[PendingWorkload],
        is_own: impl Fn(&PendingWorkload) -> bool,
    ) -> Option<Self> {
        let places = || pending.iter().map(|one| one.position_in_cluster_queue + 1);
        let own = pending.iter().filter(|one| is_own(one));
        Some(Self {
            place: own.map(|one| one.position_in_cluster_queue + 1).min()?,
            of: places().max()?,
        })
    }
}

impl Snapshot {
    /// Returns Kueue's Workloads, as far as they are known.
    pub fn queued(&self) -> &[KueueWorkload] {
        self.queued.known().map_or(&[], Vec::as_slice)
    }

    /// Returns the pods, as far as they are known.
    pub fn pods(&self) -> &[Pod] {
        self.pods.known().map_or(&[], Vec::as_slice)
    }
}

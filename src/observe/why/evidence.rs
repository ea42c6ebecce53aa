//! Keeps what is known about a workload and its surroundings, and decides which
//! of that is worth asking for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use crate::api::Readable;
use crate::api::condition::{Condition, condition, holds};
use crate::api::kueue_configuration::KueueConfiguration;
use crate::api::kueue_workload::{KueueWorkload, PendingWorkload, QueueState};
use crate::api::node::Node;
use crate::api::pod::Pod;
use crate::observe::scaling::Autoscaler;
use crate::observe::snapshot::Snapshot;
use crate::observe::status::{Status, farthest};
use crate::observe::trouble::TroubleKind;
use crate::observe::upstream::kueue::{Deactivation, Eviction, eviction};
use crate::plan::facts::ClusterFacts;
use crate::plan::occupation::Occupation;

/// Everything that a diagnosis is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The workload and what belongs to it.
    pub snapshot: Snapshot,
    /// What scales it.
    pub autoscaler: Option<Autoscaler>,
    /// Who keeps it from going, once it is deleted.
    pub finalizers: Vec<String>,
    /// The time of it all.
    pub now: Timestamp,
    /// Whether Kueue is there.
    pub has_kueue: bool,
    /// Queues, flavors, priority classes and so on; `None` unless asked for.
    pub facts: Option<ClusterFacts>,
    /// What Kueue is told to do, where that can be read.
    pub kueue: Option<KueueConfiguration>,
    /// Who waits for the ClusterQueue, first come first, as far as known.
    pub waiting: Vec<PendingWorkload>,
    /// Workloads of Kueue's that wait or hold quota, as far as known.
    pub neighbours: Vec<KueueWorkload>,
    /// What is taken of the nodes; unknown unless the cluster's pods can be
    /// read.
    pub occupation: Option<Occupation>,
    /// Claims that the pods mount; `None` if it is missing.
    pub claims: BTreeMap<String, Option<ClaimState>>,
    /// Nodes of its pods that were removed from the cluster.
    pub removed_nodes: BTreeSet<String>,
    /// Which addresses were asked for and are not there yet.
    pub pending_addresses: Vec<String>,
    /// What a failed container printed last.
    pub last_words: Vec<String>,
    /// What may not be read and would have helped.
    pub unseen: BTreeSet<&'static str>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimState {
    /// Whether it has a volume.
    pub is_bound: bool,
    /// Whether one pod at a time may mount it (ReadWriteOncePod).
    pub is_of_one_pod: bool,
    /// The StorageClass that is to provide one; `None` if it names none.
    pub class: Option<String>,
    /// Whether that class is known to be missing.
    pub lacks_class: bool,
}

/// What is worth asking for, as things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidenceReads {
    /// Queues and who shares them.
    pub queues: bool,
    /// The priority classes.
    pub classes: bool,
    /// What Kueue is told to do.
    pub configuration: bool,
    /// Nodes, and the pods on them.
    pub nodes: bool,
    /// How the nodes are arranged.
    pub topologies: bool,
    /// Nodes that do not answer.
    pub lost_nodes: BTreeSet<String>,
    /// Claims of the pods.
    pub claims: BTreeSet<String>,
    /// The log of a container.
    pub log: Option<Log>,
    /// Where it is reached.
    pub addresses: bool,
}

/// Whose last words are worth reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub pod: String,
    pub container: String,
    /// Whether the container has been started again since.
    pub previous: bool,
}

impl EvidenceReads {
    /// Returns what is worth asking for. Kueue need not be asked about what
    /// runs, nor the nodes about what has not been admitted.
    pub fn about(snapshot: &Snapshot) -> Self {
        let mut questions = Self::default();
        let standing = snapshot.standing();
        if standing.status == Status::Succeeded {
            return questions;
        }
        let kind = snapshot.workload.kind;
        questions.addresses = !kind.is_batch() && kind.descriptor().service.is_some();
        let queued = snapshot.queued();
        let waits = match farthest(queued) {
            Some(queued) => !matches!(queued.state(), QueueState::Admitted | QueueState::Finished),
            None => {
                let is_idle = matches!(standing.status, Status::Pending | Status::Suspended);
                questions.classes = is_idle && snapshot.workload.queue().is_some();
                questions.classes
            }
        };
        questions.queues = waits && snapshot.workload.queue().is_some();
        // Kueue does not say which racks there are, and what each lacks.
        questions.topologies =
            questions.queues && farthest(queued).is_some_and(KueueWorkload::asks_for_topology);
        questions.nodes = questions.topologies;
        // What it manages, whether it counts a resource, how soon pods have to
        // be ready.
        questions.configuration = questions.classes
            || farthest(queued).is_some_and(|own| {
                let conditions = &own.status.conditions;
                let evicted = holds(conditions, "Evicted");
                let is_silent = condition(conditions, "QuotaReserved").is_none();
                waits && (is_silent || evicted.is_some_and(is_about_readiness))
            });
        for pod in snapshot.pods() {
            let trouble = pod.trouble(&snapshot.known());
            let kind = trouble.as_ref().map(|trouble| trouble.kind);
            questions.nodes |= kind == Some(TroubleKind::Unschedulable);
            questions
                .lost_nodes
                .extend(pod.lost_node().map(str::to_owned));
            if pod.status.phase == "Pending" {
                questions.claims.extend(pod.claims());
            }
            if let (Some(trouble), None) = (&trouble, &questions.log)
                && let Some(container) = &trouble.container
                && matches!(
                    trouble.kind,
                    TroubleKind::Failed | TroubleKind::CrashLoop | TroubleKind::Init
                )
            {
                questions.log = Some(Log {
                    pod: trouble.pod.clone(),
                    container: container.clone(),
                    previous: is_started_again(pod, container),
                });
            }
        }
        questions
    }
}

/// Returns whether a Workload was taken off because its pods were not ready.
fn is_about_readiness(evicted: &Condition) -> bool {
    matches!(
        eviction(&evicted.reason, &evicted.message),
        Eviction::PodsReadyTimeout | Eviction::Deactivated(Deactivation::RequeuingLimit)
    )
}

/// Returns whether the log of what ended is that of a container's life before.
pub(super) fn is_started_again(pod: &Pod, container: &str) -> bool {
    let status = pod.container_status(container);
    status.is_some_and(|status| status.state.terminated.is_none())
}

impl Evidence {
    /// Returns the namespace.
    pub fn namespace(&self) -> &str {
        &self.snapshot.workload.metadata.namespace
    }

    /// Returns when the workload was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.snapshot.workload.metadata.creation_timestamp
    }

    /// Returns the nodes, where they can be read.
    pub fn nodes(&self) -> Option<&[Node]> {
        let nodes = self.facts.as_ref()?.nodes.as_ref()?;
        nodes.known().map(Vec::as_slice)
    }

    /// Returns the answer to a question about what is around, if there is one.
    pub fn fact<'a, T>(
        &'a self,
        of: impl FnOnce(&'a ClusterFacts) -> Option<&'a Readable<T>>,
    ) -> Option<&'a T> {
        of(self.facts.as_ref()?)?.known()
    }
}

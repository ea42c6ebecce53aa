//! Keeps what is known about a workload and its surroundings, and decides which
//! of that is worth asking for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use crate::api::Readable;
use crate::api::event::Event;
use crate::api::kueue_workload::{KueueWorkload, PendingWorkload, QueueState};
use crate::api::node::Node;
use crate::api::pod::Pod;
use crate::api::selector::LabelSelector;
use crate::api::workload::Details;
use crate::observe::scaling::Autoscaler;
use crate::observe::snapshot::Snapshot;
use crate::observe::status::{Status, farthest};
use crate::observe::trouble::TroubleKind;
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
    /// What Kueue is told to manage, where that can be read.
    pub kueue: Option<KueueConfiguration>,
    /// Who waits for the ClusterQueue, first come first, as far as known.
    pub waiting: Vec<PendingWorkload>,
    /// Workloads of Kueue's that wait or hold quota, as far as known.
    pub neighbours: Vec<KueueWorkload>,
    /// What is taken of the nodes; unknown unless the cluster's pods can be
    /// read.
    pub occupation: Option<Occupation>,
    /// What happened, latest last.
    pub events: Vec<Event>,
    /// Claims that the pods mount: the phase of each, `None` if it is missing.
    pub claims: BTreeMap<String, Option<String>>,
    /// What a failed container printed last.
    pub last_words: Vec<String>,
    /// What may not be read and would have helped.
    pub unseen: BTreeSet<&'static str>,
}

/// What Kueue is told to manage (`config.kueue.x-k8s.io` Configuration).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KueueConfiguration {
    /// Kinds it queues: `batch/job`.
    pub frameworks: Vec<String>,
    /// Namespaces whose workloads it manages.
    pub namespaces: Option<LabelSelector>,
}

/// What is worth asking for, as things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// Queues and who shares them.
    pub queues: bool,
    /// The priority classes, and what Kueue manages.
    pub classes: bool,
    /// Nodes, and the pods on them.
    pub nodes: bool,
    /// What happened.
    pub events: bool,
    /// Claims of the pods.
    pub claims: BTreeSet<String>,
    /// The log of a container.
    pub log: Option<Log>,
}

/// Whose last words are worth reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the container has been started again since.
    pub previous: bool,
}

impl Questions {
    /// Returns what is worth asking for. Kueue need not be asked about what
    /// runs, nor the nodes about what has not been admitted.
    pub fn about(snapshot: &Snapshot) -> Self {
        let mut questions = Self::default();
        let standing = snapshot.standing();
        if standing.status == Status::Succeeded {
            return questions;
        }
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
        questions.events = standing.status == Status::Failed;
        for pod in snapshot.pods() {
            let trouble = pod.trouble();
            let kind = trouble.as_ref().map(|trouble| trouble.kind);
            let is_pending = pod.status.phase == "Pending";
            questions.nodes |= kind == Some(TroubleKind::Unschedulable);
            questions.events |= is_pending || matches!(kind, Some(TroubleKind::ImagePull));
            if is_pending {
                let volumes = pod.spec.volumes.iter();
                questions.claims.extend(volumes.filter_map(|volume| {
                    let claim = volume.persistent_volume_claim.as_ref()?;
                    Some(claim.claim_name.clone())
                }));
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
                    previous: is_between_restarts(pod, container),
                });
            }
        }
        // Pods that nobody could create are told of by events only.
        questions.events |= snapshot.pods().is_empty()
            && !waits
            && matches!(standing.status, Status::Starting | Status::Admitted);
        questions.events |= matches!(snapshot.workload.details, Details::Workspace(..));
        questions
    }
}

fn is_between_restarts(pod: &Pod, container: &str) -> bool {
    let status = pod.container_status(container);
    status.is_some_and(|status| status.state.waiting.is_some())
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

    /// Returns the events about an object of this UID, latest first.
    pub fn events_about<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a Event> {
        let events = self.events.iter().rev();
        events.filter(move |event| event.involved_object.uid == uid)
    }

    /// Returns the answer to a question about what is around, if there is one.
    pub fn fact<'a, T>(
        &'a self,
        of: impl FnOnce(&'a ClusterFacts) -> Option<&'a Readable<T>>,
    ) -> Option<&'a T> {
        of(self.facts.as_ref()?)?.known()
    }
}

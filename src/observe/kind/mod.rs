//! Interprets the status of a workload, by its kind: how it stands and since
//! when, which pods are its own, whether it is over, and what is wrong. A kind
//! is a file here, and a line in [`meaning`].

mod cron_job;
mod deployment;
mod inference_set;
mod job;
mod ray_job;
mod ray_service;
mod workspace;

use core::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::pod_labels::PodLabels;
use super::snapshot::Snapshot;
use super::status::{Standing, Status, farthest};
use super::why::evidence::Evidence;
use super::why::finding::Finding;
use super::why::lifecycle;
use crate::api::condition::{Condition, holds};
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::workload::{Details, Workload};

pub use workspace::progress as workspace_progress;

/// What the status of a workload of one kind means. It is implemented for what is
/// needed of the workload, its specification and its status.
pub trait Meaning {
    /// See [`standing`].
    fn standing(&self, queued: &[KueueWorkload], pods: &[Pod]) -> Standing;

    /// Returns by which labels its pods are found; `parts` are the Jobs of a
    /// CronJob or RayJob, or the Workspaces of an InferenceSet. None, if it has
    /// no pods yet.
    fn pod_labels(&self, parts: &[Metadata]) -> Vec<PodLabels>;

    /// Returns whether a pod that has its labels is really its own: other
    /// workloads may have a label that a Deployment selects.
    fn owns(&self, _pod: &Pod) -> bool {
        true
    }

    /// Returns whether the pods of its Ray cluster are beside the one that
    /// submits it, whose log is meant.
    fn has_driver(&self) -> bool {
        false
    }

    /// Returns those of its pods that do its present work.
    fn present_pods<'p>(&self, pods: Vec<&'p Pod>) -> Vec<&'p Pod> {
        let mut alive = pods.clone();
        alive.retain(|pod| !pod.is_terminating() && !pod.has_ended());
        if alive.is_empty() { pods } else { alive }
    }

    /// Returns whether it will write nothing more. Services can heal from
    /// everything but their deletion.
    fn is_over(&self, _status: Status) -> bool {
        false
    }

    /// Returns since when it runs or serves.
    fn running_since(&self) -> Option<Timestamp> {
        None
    }

    /// Returns when it ended.
    fn ended_at(&self) -> Option<Timestamp> {
        None
    }

    /// Returns which `metadata.generation` its status is about, where it tells.
    fn observed_generation(&self) -> Option<i64> {
        None
    }

    /// Returns whether all of a service is of its newest version, and nothing of
    /// an older one serves any more, as far as its status is about the newest.
    fn is_rolled_out(&self) -> bool {
        true
    }

    /// Returns how long after a change it may still say that it is ready when it
    /// means the version before.
    fn settles_in(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns why a service that has not failed will not come up by itself.
    fn hangs(&self, _standing: &Standing) -> Option<String> {
        None
    }

    /// Returns the exit code of the container that made it fail: of several, the
    /// first to fail.
    fn exit_code(&self, _pods: &[Pod]) -> Option<i64> {
        None
    }

    /// Returns what keeps it, where no queue does.
    fn findings(&self, evidence: &Evidence, _standing: &Standing) -> Vec<Finding> {
        lifecycle::with_pods(Vec::new(), evidence, evidence.created())
    }
}

/// Returns what a workload's status means.
pub fn meaning(workload: &Workload) -> Box<dyn Meaning + '_> {
    match &workload.details {
        Details::Job(spec, status) => Box::new((workload, spec, status)),
        Details::CronJob(spec, status) => Box::new((spec, status)),
        Details::RayJob(spec, status) => Box::new((workload, spec, status)),
        Details::Deployment(spec, status) => Box::new((workload, spec, status)),
        Details::RayService(spec, status) => Box::new((workload, spec, status)),
        Details::Workspace(_, status) => Box::new((workload, status)),
        Details::InferenceSet(spec, status) => Box::new((spec, status)),
    }
}

/// Returns how a workload stands. `queued` and `pods` are what is known of it
/// in Kueue and on nodes; with less known, the answer is less precise, never
/// another one that is wrong.
pub fn standing(workload: &Workload, queued: &[KueueWorkload], pods: &[Pod]) -> Standing {
    let mut standing = meaning(workload).standing(queued, pods);
    if workload.metadata.deletion_timestamp.is_some() {
        standing.reason = "is being deleted".to_owned();
    }
    standing
}

impl Snapshot {
    /// Returns how it stands.
    pub fn standing(&self) -> Standing {
        standing(&self.workload, self.queued(), self.pods())
    }
}

/// What is suspended waits for Kueue, or for whoever suspended it.
fn suspended(workload: &Workload, queued: &[KueueWorkload]) -> Standing {
    let Some(queued) = farthest(queued) else {
        return match workload.queue() {
            Some(_) => Standing::new(Status::Pending, ""),
            None => Standing::new(Status::Suspended, "`suspend` is set, and it is in no queue"),
        };
    };
    let reason = queued.reason();
    match queued.state() {
        QueueState::Pending | QueueState::Reserved => Standing::new(Status::Pending, reason),
        QueueState::Evicted => Standing::new(Status::Pending, format!("evicted: {reason}")),
        QueueState::Preempted => Standing::new(Status::Preempted, reason),
        QueueState::Inactive => Standing::new(Status::Suspended, reason),
        QueueState::Admitted | QueueState::Finished => Standing::new(Status::Admitted, ""),
    }
}

/// Returns whether Kueue holds a part of a service back.
fn waits(queued: &[KueueWorkload]) -> bool {
    let admitted = [QueueState::Admitted, QueueState::Finished];
    queued
        .iter()
        .any(|queued| !admitted.contains(&queued.state()))
}

/// Returns what is wrong with the first pod that has something.
fn troubles(pods: &[Pod]) -> String {
    let mut troubles = pods
        .iter()
        .filter(|pod| !pod.is_terminating())
        .filter_map(Pod::trouble);
    troubles
        .next()
        .map_or_else(String::new, |trouble| trouble.to_string())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Returns when the last of these conditions came true.
fn turned(conditions: &[Condition], kinds: &[&str]) -> Option<Timestamp> {
    let held = kinds.iter().filter_map(|kind| holds(conditions, kind));
    held.filter_map(|condition| condition.last_transition_time)
        .max()
}

/// Returns the pod that was made last, one that lives before one that does not.
fn newest<'p>(pods: &[&'p Pod]) -> Option<&'p Pod> {
    pods.iter().copied().max_by_key(|pod| {
        let lives = !pod.is_terminating() && pod.status.phase != "Failed";
        (lives, pod.metadata.creation_timestamp, pod.name())
    })
}

/// Returns the exit code of the first container to fail.
fn first_exit_code<'p>(pods: impl Iterator<Item = &'p Pod>) -> Option<i64> {
    let disrupted = |pod: &Pod| holds(&pod.status.conditions, "DisruptionTarget").is_some();
    let failures = pods
        .filter(|pod| !pod.is_terminating() && !disrupted(pod))
        .filter_map(Pod::first_failure);
    let (_, ended) = failures.min_by_key(|(_, ended)| ended.finished_at)?;
    Some(ended.exit_code)
}

#[cfg(test)]
mod tests;

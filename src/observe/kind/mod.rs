//! Interprets the status of a workload, by its kind: how it stands and since
//! when, which pods are its own, whether it is over, and what is wrong. A kind
//! is a file here, and a line in [`rules`].

mod array;
mod cron_job;
mod deployment;
mod doom;
mod inference_set;
mod job;
pub mod pod_labels;
pub mod queued;
mod ray_job;
mod ray_service;
pub mod rerun;
pub mod task_choice;
pub mod tasks;
mod workspace;

use core::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::preemption;
use super::snapshot::{Snapshot, WorkloadContext, cluster_name};
use super::status::{Standing, Status, farthest};
use super::trouble::{Trouble, TroubleKind, Turn};
use super::upstream::{api_server, kubelet, output};
use super::why::evidence::Evidence;
use super::why::finding::Finding;
use super::why::lifecycle;
use crate::api::condition::{Condition, holds};
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::workload::{Details, Workload};
use pod_labels::PodLabels;

pub use workspace::progress as workspace_progress;

/// What the status of a workload of one kind means. It is implemented for what is
/// needed of the workload, its specification and its status.
pub trait KindRules {
    /// See [`standing`].
    fn standing(&self, known: &WorkloadContext) -> Standing;

    /// Returns whether its controller has not written anything into its status,
    /// though there is something to do.
    fn is_untouched(&self) -> bool;

    /// Returns how many pods it is to have now, where that can be told and events
    /// say why one is missing.
    fn wanted_pods(&self) -> Option<i64> {
        None
    }

    /// Returns why its pods are refused, where its own status says so.
    fn told_refusal(&self) -> Option<&str> {
        None
    }

    /// Returns whether a service serves for so short a time that it may be one that
    /// crashes again and again.
    fn is_new(&self, _known: &WorkloadContext) -> bool {
        false
    }

    /// Returns whether only its pods tell more about this status: why it failed, whether
    /// it has begun, or whether something is wrong in what runs.
    fn pods_tell(&self, _status: Status) -> bool {
        false
    }

    /// Returns the names of the Ray clusters that make its pods.
    fn cluster_names(&self) -> Vec<&str> {
        Vec::new()
    }

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
        with_pods(Vec::new(), evidence)
    }
}

/// Returns what a workload's status means.
pub fn rules(workload: &Workload) -> Box<dyn KindRules + '_> {
    match &workload.details {
        Details::Job(spec, status) => Box::new((workload, spec, status)),
        Details::CronJob(spec, status) => Box::new((spec, status)),
        Details::RayJob(spec, status) => Box::new((workload, spec, status)),
        Details::Deployment(spec, status) => Box::new((workload, spec, status)),
        Details::RayService(spec, status) => Box::new((workload, spec, status)),
        Details::Workspace(_, status) => Box::new((workload, status)),
        Details::InferenceSet(spec, status) => Box::new((spec, status)),
        Details::Queued(spec, status) => Box::new(KueueWorkload {
            metadata: workload.metadata.clone(),
            spec: spec.clone(),
            status: status.clone(),
        }),
    }
}

/// Returns how a workload stands.
pub fn standing(workload: &Workload, known: &WorkloadContext) -> Standing {
    let mut standing = rules(workload).standing(known);
    let is_on_its_way = matches!(standing.status, Status::Starting | Status::Admitted);
    if workload.metadata.deletion_timestamp.is_some() {
        // What ends does not begin.
        if is_on_its_way && known.pods.iter().any(Pod::is_terminating) {
            standing.status = Status::Running;
        }
        DELETED.clone_into(&mut standing.reason);
    } else if is_on_its_way && is_ignored(workload, known) {
        IGNORED.clone_into(&mut standing.reason);
    }
    standing
}

/// Reason of what is being deleted.
pub const DELETED: &str = "is being deleted";
/// Reason of what is ending, to which may be added why.
pub const ENDING: &str = "is ending";
/// Reason of what no controller has taken up.
const IGNORED: &str = "no controller has processed it";
/// Seconds in which a controller that runs has looked at everything: one that was
/// just started reads all objects first.
pub(super) const ATTENTION: i64 = 60;

/// Returns whether no controller looks at a workload: the one of its kind does
/// not run, or leaves its namespace alone.
pub(super) fn is_ignored(workload: &Workload, known: &WorkloadContext) -> bool {
    let created = workload.metadata.creation_timestamp;
    // In another cluster, one may.
    let is_away = cluster_name(known.queued).is_some();
    !is_away && rules(workload).is_untouched() && known.since(created) >= ATTENTION
}

impl Snapshot {
    /// Returns how it stands.
    pub fn standing(&self) -> Standing {
        standing(&self.workload, &self.known())
    }
}

/// What is suspended waits for Kueue, or for whoever suspended it.
fn suspended(workload: &Workload, known: &WorkloadContext) -> Standing {
    let Some(queued) = farthest(known.queued) else {
        return match workload.queue() {
            Some(_) => Standing::new(Status::Pending, ""),
            None => Standing::new(
                Status::Suspended,
                "`suspend` is set, but it is not in a queue",
            ),
        };
    };
    in_queue(queued, known)
}

/// Says how what is not admitted stands in Kueue.
fn in_queue(queued: &KueueWorkload, known: &WorkloadContext) -> Standing {
    let reason = output::on_one_line(&queued.reason()).into_owned();
    match queued.state() {
        QueueState::Pending | QueueState::Reserved => Standing::new(Status::Pending, reason),
        QueueState::Evicted => Standing::new(Status::Pending, format!("evicted: {reason}")),
        QueueState::Preempted => Standing::new(Status::Preempted, preempted(queued, known)),
        QueueState::Inactive => Standing::new(Status::Suspended, reason),
        QueueState::Admitted | QueueState::Finished => Standing::new(Status::Admitted, ""),
    }
}

/// Returns whether Kueue has taken its quota from a workload that is not stopped
/// yet.
fn is_taken_off(known: &WorkloadContext) -> bool {
    farthest(known.queued).is_some_and(|queued| queued.state() == QueueState::Preempted)
}

/// Says for which workload this one made room.
fn preempted(queued: &KueueWorkload, known: &WorkloadContext) -> String {
    match preemption::by(queued, known.preemptors) {
        Some(whom) => format!("preempted by {whom}"),
        None => "preempted by a workload that you may not see".to_owned(),
    }
}

/// Returns whether Kueue holds a part of a service back.
fn waits(queued: &[KueueWorkload]) -> bool {
    let admitted = [QueueState::Admitted, QueueState::Finished];
    queued
        .iter()
        .any(|queued| !admitted.contains(&queued.state()))
}

/// Returns what is wrong with the first pod that has something, if one has, one
/// that is not ready again.
fn troubles<'p>(
    pods: impl IntoIterator<Item = &'p Pod>,
    known: &WorkloadContext,
) -> Option<Trouble> {
    let pods = pods.into_iter().filter(|pod| !pod.is_terminating());
    let troubles: Vec<Trouble> = pods.filter_map(|pod| pod.trouble(known)).collect();
    troubles.into_iter().min_by_key(|trouble| {
        // What took a pod off is no trouble of the one that replaces it.
        let is_over = trouble.kind == TroubleKind::Disrupted;
        (is_over, trouble.turn == Turn::Ready)
    })
}

/// Returns what is wrong with them, in words.
fn trouble_of<'p>(
    pods: impl IntoIterator<Item = &'p Pod>,
    known: &WorkloadContext,
) -> Option<String> {
    Some(troubles(pods, known)?.to_string())
}

/// Returns what is wrong with the pods of a service now; not that one has crashed and is
/// ready again.
fn ill(pods: &[Pod], known: &WorkloadContext) -> Option<String> {
    let trouble = troubles(pods, known).filter(|trouble| trouble.turn != Turn::Ready);
    trouble.map(|trouble| trouble.to_string())
}

/// Says why pods that are to be there are not.
pub(super) fn refused(workload: &Workload, known: &WorkloadContext) -> Option<String> {
    let refusal = refusal(workload, known)?;
    Some(format!(
        "pods are rejected: {}",
        api_server::reason(&refusal)
    ))
}

/// Returns why the API server refuses pods that are to be there, in the words of
/// whoever is to make them.
pub(super) fn refusal(workload: &Workload, known: &WorkloadContext) -> Option<String> {
    let rules = rules(workload);
    if let Some(told) = rules.told_refusal() {
        return Some(told.to_owned());
    }
    if !are_missing(rules.wanted_pods(), known.pods) {
        return None;
    }
    let started = rules.running_since().filter(|_| workload.kind.is_batch());
    let since = started.or(workload.metadata.creation_timestamp);
    known
        .refusal(&workload.metadata.uid, since)
        .map(str::to_owned)
}

/// Adds to a kind's `own` findings those of its pods, and why some are missing.
fn with_pods(own: Vec<Finding>, evidence: &Evidence) -> Vec<Finding> {
    let snapshot = &evidence.snapshot;
    let refusal = refusal(&snapshot.workload, &snapshot.known());
    lifecycle::with_pods(own, evidence, refusal)
}

/// Returns whether fewer pods are there than `wanted`; if that is not known,
/// whether there is none at all.
pub(super) fn are_missing(wanted: Option<i64>, pods: &[Pod]) -> bool {
    let there = pods.iter().filter(|pod| !pod.has_ended()).count();
    usize::try_from(wanted.unwrap_or(1)).is_ok_and(|wanted| there < wanted)
}

/// Says what becomes of a pod that is being deleted.
fn leaving(pods: &[Pod]) -> Option<String> {
    let leaving = || {
        let pods = pods.iter();
        pods.filter(|pod| pod.is_terminating() && !pod.has_ended())
    };
    // Nobody ends it there.
    if let Some(held) = leaving().find_map(Pod::held) {
        return Some(held);
    }
    let pod = leaving().next()?;
    let target = pod.disruption_target();
    let words = target.and_then(|target| kubelet::disruption(&target.reason));
    let words = words.unwrap_or("being deleted");
    Some(format!("pod {} is {words}", pod.name()))
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

/// Returns whether nobody deletes a pod, or takes it off its node.
fn is_left_alone(pod: &Pod) -> bool {
    !pod.is_terminating() && pod.disruption_target().is_none()
}

/// Returns the pod of which a container failed first, with its exit code; not one
/// that was taken off or deleted because of another.
fn first_to_fail<'p>(pods: impl Iterator<Item = &'p Pod>) -> Option<(&'p Pod, i64)> {
    let failures = pods.filter_map(|pod| Some((pod, own_failure(pod)?)));
    let (pod, (_, code)) = failures.min_by_key(|(_, (ended, _))| *ended)?;
    Some((pod, code))
}

/// Returns when the first container of a pod failed, and its exit code; not of one
/// that was taken off or deleted because of another.
pub(super) fn own_failure(pod: &Pod) -> Option<(Option<Timestamp>, i64)> {
    let (_, ended) = pod.first_failure().filter(|_| is_left_alone(pod))?;
    Some((ended.finished_at, ended.exit_code))
}

#[cfg(test)]
mod tests;

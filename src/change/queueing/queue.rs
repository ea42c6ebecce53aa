//! Moves a workload to another queue.
//!
//! Kueue v0.19 follows the label of what waits (`reconciler.go`,
//! `handleQueueNameChange`) and keeps the Workload with its age. It does not follow
//! the label of what was evicted once, and admits what it cannot run where a queue
//! sends workloads to other clusters.

use super::{QueuedSubject, QueueingDecision};
use crate::api::Readable;
use crate::api::condition::holds;
use crate::api::keys::{MULTIKUEUE_CONTROLLER, QUEUE_NAME_LABEL};
use crate::api::kueue_workload::QueueState;
use crate::plan::Refusal;
use crate::plan::facts::ClusterFacts;
use crate::plan::kueue::capacity::QueueCapacity;
use crate::plan::kueue::counted::least_pod_sets;
use crate::plan::kueue::queue::{self, QueueChoice};
use crate::suggestion::kaiwo;

/// A move that Kueue will carry out.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// What does it.
    pub verdict: QueueingDecision,
    /// The queue that it goes to.
    pub to: QueueChoice,
    /// What could not be checked.
    pub warnings: Vec<String>,
}

/// Decides whether a workload can go to the queue `wanted`. With `force` it also
/// goes to one that admits nothing at the moment, or has no quota for it.
///
/// # Errors
/// [`Refusal`] if Kueue would refuse it, ignore it, or never run it there.
pub fn to(
    subject: &QueuedSubject,
    wanted: &str,
    facts: &ClusterFacts,
    force: bool,
) -> Result<Move, Refusal> {
    let target = target(subject, wanted, facts, force)?;
    let here = subject.queued.spec.queue_name == target.local_queue;
    let is_labelled = subject.workload.queue() == Some(&target.local_queue);
    if here && is_labelled {
        return Ok(Move {
            verdict: QueueingDecision::Unchanged,
            to: target,
            warnings: Vec::new(),
        });
    }
    check_state(subject, &target.local_queue)?;
    let warnings = check_clusters(subject, &target, facts)?;
    if let Some(queue) = target.cluster_queue.as_ref().filter(|_| !force) {
        QueueCapacity::new(queue, facts).check(&least_pod_sets(subject.object), None)?;
    }
    Ok(Move {
        verdict: subject.label(QUEUE_NAME_LABEL, &target.local_queue, false),
        to: target,
        warnings,
    })
}

/// Finds the queue: unlike a submission, a move creates none.
fn target(
    subject: &QueuedSubject,
    wanted: &str,
    facts: &ClusterFacts,
    force: bool,
) -> Result<QueueChoice, Refusal> {
    let namespace = subject.namespace();
    let Readable::Known(locals) = &facts.local_queues else {
        return Err(subject
            .refuse(format!(
                "you may not list the LocalQueues of namespace {namespace}, so kaiwo cannot check queue {wanted:?}"
            ))
            .hint("ask an admin for the role of cluster-admins/rbac/researchers.yaml"));
    };
    let choice = queue::choose(wanted, facts, namespace, force)?;
    let Some(cluster_queue) = &choice.create_for else {
        return Ok(choice);
    };
    let names: Vec<&str> = locals.iter().map(|it| it.metadata.name.as_str()).collect();
    let refusal = Refusal::new(format!(
        "queue {wanted:?} does not exist: no LocalQueue in namespace {namespace:?} has that name or points at a ClusterQueue with that name"
    ))
    .about(format!("localqueue/{wanted}"));
    let refusal = match names.is_empty() {
        true => refusal,
        false => refusal.hint(format!("queues: {}", names.join(", "))),
    };
    Err(match &choice.cluster_queue {
        Some(_) => refusal.hint(format!(
            "ask an admin to create a LocalQueue for ClusterQueue {cluster_queue:?} in the namespace"
        )),
        None => refusal,
    })
}

/// Checks that Kueue will follow the label.
fn check_state(subject: &QueuedSubject, to: &str) -> Result<(), Refusal> {
    let name = subject.workload.display_name();
    let namespace = subject.namespace();
    let again = || {
        format!(
            "{} with -q {to} and --replace: it starts at the end of the queue",
            subject.resubmission()
        )
    };
    match subject.queued.state() {
        QueueState::Admitted => Err(subject
            .refuse(format!(
                "{name} cannot be moved: it is running, and Kueue moves only what waits"
            ))
            .hint(kaiwo("wait {} -n {}", &[&name, namespace]).to("let it finish"))
            .hint(again())),
        QueueState::Reserved => Err(subject
            .refuse(format!(
                "{name} cannot be moved: it already has quota, and is waiting for an admission check"
            ))
            .hint(kaiwo("why {} -n {}", &[&name, namespace]).to("show which check"))
            .hint(again())),
        QueueState::Inactive => Err(subject
            .refuse(format!(
                "{name} cannot be moved: it is paused, and Kueue would change its label but leave it in its queue"
            ))
            .hint(again())),
        _ if holds(&subject.queued.status.conditions, "Evicted").is_some() => Err(subject
            .refuse(format!(
                "{name} cannot be moved: it was evicted once ({}), and until it runs again Kueue would change its label but leave it in its queue",
                holds(&subject.queued.status.conditions, "Evicted")
                    .map_or("", |evicted| evicted.reason.as_str())
            ))
            .hint(again())),
        _ => Ok(()),
    }
}

/// Checks that both queues are of this cluster; returns what could not be checked.
fn check_clusters(
    subject: &QueuedSubject,
    to: &QueueChoice,
    facts: &ClusterFacts,
) -> Result<Vec<String>, Refusal> {
    let name = subject.workload.display_name();
    let from = &subject.queued.spec.queue_name;
    let is_sent = subject.object["spec"]["managedBy"] == MULTIKUEUE_CONTROLLER
        || queue::choose(from, facts, subject.namespace(), true)
            .is_ok_and(|from| from.sends_away(facts));
    let again = format!(
        "{} with -q {} and --replace",
        subject.resubmission(),
        to.local_queue
    );
    if is_sent && !to.sends_away(facts) {
        return Err(subject
            .refuse(format!(
                "{name} cannot be moved: queue {from:?} sends workloads to other clusters (MultiKueue); in another queue it would hold quota and never run"
            ))
            .hint(again));
    }
    if to.sends_away(facts) && !is_sent {
        return Err(subject
            .refuse(format!(
                "{name} cannot be moved: queue {:?} sends workloads to other clusters (MultiKueue), and rejects what was not submitted to it",
                to.local_queue
            ))
            .hint(again));
    }
    let has_checks = to
        .cluster_queue
        .as_ref()
        .is_some_and(|queue| queue.spec.admission_checks().next().is_some());
    let are_unseen = facts.admission_checks == Some(Readable::Forbidden);
    Ok(match has_checks && are_unseen {
        true => vec![format!(
            "queue {:?} has admission checks that you may not read: if one is MultiKueue's, it will reject the workload",
            to.local_queue
        )],
        false => Vec::new(),
    })
}

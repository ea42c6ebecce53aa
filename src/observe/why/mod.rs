//! Explains why a workload does not run, or why it failed: the causes, what
//! shows them, and who mends them. `docs/why.md` explains each cause with the
//! source of its rule.
//!
//! The present state decides. Events add details to it, and only those about
//! the very object and not older than the state they explain.

mod broken;
mod coverage;
mod eviction;
pub mod evidence;
pub mod finding;
mod image;
pub(super) mod lifecycle;
mod node;
mod node_loss;
mod node_supply;
pub(super) mod pods;
mod queue;
mod quota;
mod quota_contention;
pub(super) mod scaling;
mod unqueued;

pub use evidence::{ClaimState, Evidence, EvidenceReads, Log};
pub use finding::{Cause, Finding, Remedy, Who};
pub use quota_contention::{Contest, QuotaRow, Rival};

use k8s_openapi::jiff::Timestamp;

use super::kind::{is_ignored, rules};
use super::status::{Standing, Status};
use crate::api::condition::holds;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// How the workload stands.
    pub standing: Standing,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// The cluster that MultiKueue sent it to.
    pub cluster: Option<String>,
    /// What keeps it, what weighs most first; nothing if all is well.
    pub findings: Vec<Finding>,
    /// Who competes for the quota it waits for.
    pub contest: Option<Contest>,
    /// What may not be read and would have helped.
    pub unseen: Vec<&'static str>,
}

/// Returns why a workload does not run, or why it failed.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let standing = evidence.snapshot.standing();
    let mut findings = Vec::new();
    findings.extend(lifecycle::deletion(evidence));
    let mut contest = None;
    if standing.status != Status::Succeeded {
        // What waits for Kueue has no pods that matter yet.
        let (in_queue, rivals) = queue::findings(evidence);
        contest = rivals;
        if in_queue.is_empty() {
            let workload = &evidence.snapshot.workload;
            findings.extend(rules(workload).findings(evidence, &standing));
            offer_way_back(evidence, &mut findings);
        }
        findings.extend(in_queue);
        findings.extend(lifecycle::without_address(evidence));
        if findings.is_empty() && matches!(standing.status, Status::Starting | Status::Admitted) {
            let snapshot = &evidence.snapshot;
            findings.push(match is_ignored(&snapshot.workload, &snapshot.known()) {
                true => lifecycle::ignored(evidence),
                false => lifecycle::on_its_way(evidence, &standing),
            });
        }
    }
    let workload = &evidence.snapshot.workload;
    for finding in &mut findings {
        let remedies = std::mem::take(&mut finding.remedies).into_iter();
        finding.remedies = remedies.map(|remedy| remedy.worded(workload)).collect();
    }
    Diagnosis {
        since: since(evidence, standing.status),
        cluster: evidence.snapshot.cluster_name().map(str::to_owned),
        standing,
        findings,
        contest,
        unseen: evidence.unseen.iter().copied().collect(),
    }
}

/// Offers the version before, where what is wrong with a service began with the
/// present one, or may have.
fn offer_way_back(evidence: &Evidence, findings: &mut [Finding]) {
    let Some(command) = evidence.snapshot.workload.way_back() else {
        return;
    };
    let command = Some(command);
    let mut remedies = findings.iter().flat_map(|finding| &finding.remedies);
    if remedies.any(|remedy| remedy.command == command) {
        return;
    }
    if let Some(finding) = findings.first_mut() {
        finding.remedies.push(Remedy {
            who: Who::You,
            text: "roll back to the previous version".to_owned(),
            command,
            anew: None,
        });
    }
}

/// Returns since when a workload stands as it does, where an object tells.
fn since(evidence: &Evidence, status: Status) -> Option<Timestamp> {
    let snapshot = &evidence.snapshot;
    let workload = &snapshot.workload;
    let created = workload.metadata.creation_timestamp;
    if let Some(deleted) = workload.metadata.deletion_timestamp {
        return Some(deleted);
    }
    let turned = |kinds: &[&str]| {
        let conditions = workload.conditions().iter();
        conditions
            .filter(|condition| condition.holds() && kinds.contains(&condition.kind.as_str()))
            .filter_map(|condition| condition.last_transition_time)
            .max()
    };
    let queued = |kind: &str| {
        let mut queued = snapshot.queued().iter();
        queued.find_map(|queued| holds(&queued.status.conditions, kind)?.last_transition_time)
    };
    match status {
        Status::Pending => queued("Evicted").or(created),
        Status::Preempted => queued("Evicted"),
        Status::Suspended => queued("Evicted").or_else(|| turned(&["Suspended"])),
        Status::Admitted => queued("Admitted"),
        Status::Succeeded | Status::Failed => rules(workload).ended_at(),
        Status::Starting | Status::Running | Status::Ready | Status::Degraded => {
            rules(workload).running_since()
        }
    }
    .or(match status {
        Status::Starting => created,
        _ => None,
    })
}

#[cfg(test)]
mod tests;

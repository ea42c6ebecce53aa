//! Finds what evicted or deactivated a workload, or has not let it in yet.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::message;
use super::quota_contention::Rival;
use crate::api::condition::{Condition, condition, holds};
use crate::api::kueue_workload::KueueWorkload;

/// Says why a Workload is not considered any more, and how it is again.
pub(super) fn deactivated(evidence: &Evidence, own: &KueueWorkload) -> Finding {
    let evicted = condition(&own.status.conditions, "Evicted");
    let (reason, words) = evicted.map_or(("", ""), |evicted| {
        (evicted.reason.as_str(), evicted.words())
    });
    // Kueue's reason is `Deactivated`, with what led to it appended.
    let (cause, summary) = match reason.strip_prefix("DeactivatedDueTo").unwrap_or("") {
        "AdmissionCheck" => {
            let check = words
                .split_once("Rejected state: ")
                .map_or("", |(_, check)| check);
            (
                Cause::AdmissionCheckRejected,
                match check {
                    "" => "an admission check has rejected it".to_owned(),
                    check => format!("admission check {check} has rejected it"),
                },
            )
        }
        "RequeuingLimitExceeded" => (
            Cause::RequeuingLimit,
            "Kueue has given up: its pods did not get ready in time, again and again".to_owned(),
        ),
        "MaximumExecutionTimeExceeded" => (
            Cause::MaximumExecutionTime,
            "it ran for longer than its maximum execution time".to_owned(),
        ),
        _ => (
            Cause::Deactivated,
            "it is deactivated: somebody has set spec.active of its Workload to false".to_owned(),
        ),
    };
    let finding = Finding::new(cause, summary).shows(match (cause, words) {
        (_, "The workload is deactivated") | (Cause::AdmissionCheckRejected, _) => "",
        (_, words) => words,
    });
    let again = Some(format!(
        "kubectl -n {} patch workloads.kueue.x-k8s.io {} --type merge -p '{{\"spec\":{{\"active\":true}}}}'",
        evidence.namespace(),
        own.metadata.name
    ));
    let finding = match cause {
        Cause::RequeuingLimit => {
            finding.you("find out why its pods do not get ready: image, volumes, readiness probe")
        }
        _ => finding,
    };
    finding
        .remedy(Who::Admin, "puts it back into the queue", again)
        .resubmit("")
}

/// Says which admission checks are missing.
pub(super) fn checks(evidence: &Evidence, own: &KueueWorkload) -> Finding {
    let missing: Vec<_> = own
        .status
        .admission_checks
        .iter()
        .filter(|check| check.state != "Ready")
        .collect();
    let names: Vec<&str> = missing.iter().map(|check| check.name.as_str()).collect();
    let rejected = missing.iter().any(|check| check.state == "Rejected");
    let (cause, summary) = match (names.is_empty(), rejected) {
        (true, _) => (
            Cause::NotEvaluated,
            "it has quota, and is about to be admitted".to_owned(),
        ),
        (_, true) => (
            Cause::AdmissionCheckRejected,
            format!(
                "it has quota, and admission check {} rejects it",
                names.join(", ")
            ),
        ),
        (_, false) => (
            Cause::AdmissionCheckPending,
            format!(
                "it has quota, and waits for admission check {}",
                names.join(", ")
            ),
        ),
    };
    let mut finding = Finding::new(cause, summary);
    for check in &missing {
        if !check.message.is_empty() {
            finding = finding.shows(format!("{}: {}", check.name, check.message));
        }
    }
    match names.first() {
        None => finding.nobody("ask again in a moment"),
        Some(name) => finding.nobody("it starts when the check passes").remedy(
            Who::Admin,
            "sees what the check waits for",
            Some(format!("kubectl get admissionchecks {name} -o yaml")),
        ),
    }
    .shows_since(evidence, own, "QuotaReserved")
}

impl Finding {
    fn shows_since(self, evidence: &Evidence, own: &KueueWorkload, kind: &str) -> Self {
        let since = holds(&own.status.conditions, kind).and_then(|held| held.last_transition_time);
        match since {
            Some(since) => {
                let minutes = (evidence.now.as_second() - since.as_second()) / 60;
                match minutes {
                    0 => self,
                    minutes => self.shows(format!("it has held its quota for {minutes} min")),
                }
            }
            None => self,
        }
    }
}

/// Says what took a workload off.
pub(super) fn evicted(evidence: &Evidence, own: &KueueWorkload) -> Option<Finding> {
    let conditions = &own.status.conditions;
    let evicted = holds(conditions, "Evicted")?;
    if evicted.reason == "Preempted" {
        let words = holds(conditions, "Preempted").map_or(evicted.words(), Condition::words);
        let Some(preemptor) = message::preemptor(words) else {
            return Some(Finding::new(Cause::Preempted, "it was preempted").shows(words));
        };
        let known = evidence.neighbours.iter().find(|queued| {
            queued.metadata.uid == preemptor.uid
                || queued
                    .metadata
                    .owner_references
                    .iter()
                    .any(|owner| owner.uid == preemptor.job_uid)
        });
        let whom = match known.map(Rival::new) {
            Some(rival) => {
                let user = rival
                    .user
                    .map_or(String::new(), |user| format!(" of {user}"));
                format!("{}{user}", rival.workload)
            }
            None => "a workload that you may not see".to_owned(),
        };
        let elsewhere = preemptor
            .cluster_queue
            .map_or(String::new(), |queue| format!(", in ClusterQueue {queue}"));
        return Some(
            Finding::new(
                Cause::Preempted,
                format!("it was preempted by {whom}{elsewhere}"),
            )
            .shows(format!("the rule: {}", preemptor.rule))
            .nobody("it starts again from its beginning when quota is free"),
        );
    }
    let (cause, summary) = match evicted.reason.as_str() {
        "PodsReadyTimeout" => (
            Cause::PodsReadyTimeout,
            "it was evicted: not all of its pods got ready in time",
        ),
        "AdmissionCheck" => (
            Cause::AdmissionCheckPending,
            "it was evicted: an admission check wants to look at it again",
        ),
        "ClusterQueueStopped" | "LocalQueueStopped" => (
            Cause::QueueStopped,
            "it was evicted when its queue was stopped",
        ),
        "NodeFailures" => (Cause::Evicted, "it was evicted: a node of it failed"),
        _ => (Cause::Evicted, "it was evicted"),
    };
    let mut finding = Finding::new(cause, summary).shows(evicted.words());
    if let Some(state) = &own.status.requeue_state {
        let wait = state
            .requeue_at
            .map(|at| at.as_second() - evidence.now.as_second())
            .filter(|seconds| *seconds > 0);
        finding = finding.shows(match wait {
            Some(seconds) => format!(
                "put back {} times so far; it queues again in {seconds} s",
                state.count
            ),
            None => format!("put back {} times so far", state.count),
        });
    }
    if cause == Cause::PodsReadyTimeout {
        finding = finding
            .you("find out why its pods do not get ready: image, volumes, readiness probe")
            .admin("gives pods longer: waitForPodsReady in Kueue's configuration");
    }
    Some(finding)
}

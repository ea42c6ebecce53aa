//! Finds what evicted or deactivated a workload, or has not let it in yet.

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who, span};
use super::quota_contention::Rival;
use crate::api::condition::{Condition, condition, holds};
use crate::api::kueue_workload::KueueWorkload;
use crate::names::counted;
use crate::observe::kind::tasks::job;
use crate::observe::preemption;
use crate::observe::upstream::kueue::{self, Deactivation, Eviction};
use crate::suggestion::kubectl;

/// Says why a Workload is not considered any more, and how it is again.
pub(super) fn deactivated(evidence: &Evidence, own: &KueueWorkload) -> Finding {
    let evicted = condition(&own.status.conditions, "Evicted");
    let (reason, words) = evicted.map_or(("", ""), |evicted| {
        (evicted.reason.as_str(), evicted.words())
    });
    let (cause, summary) = match kueue::eviction(reason, words) {
        Eviction::Deactivated(Deactivation::Rejected(check)) => (
            Cause::AdmissionCheckRejected,
            match check.as_str() {
                "" => "an admission check has rejected it".to_owned(),
                check => format!("admission check {check} has rejected it"),
            },
        ),
        Eviction::Deactivated(Deactivation::RequeuingLimit) => (
            Cause::RequeuingLimit,
            "Kueue has given up: its pods repeatedly did not become ready in time".to_owned(),
        ),
        Eviction::Deactivated(Deactivation::MaximumExecutionTime) => (
            Cause::MaximumExecutionTime,
            "it ran for longer than its maximum execution time".to_owned(),
        ),
        _ => (
            Cause::Deactivated,
            "it is paused: spec.active of its Workload was set to false".to_owned(),
        ),
    };
    let finding = Finding::new(cause, summary).shows(match (cause, words) {
        (_, "The workload is deactivated") | (Cause::AdmissionCheckRejected, _) => "",
        (_, words) => words,
    });
    let workload = &evidence.snapshot.workload;
    let is_whole = workload.kind.descriptor().workload_has_its_uid;
    let again = match is_whole {
        true => workload.command("resume {} -n {}"),
        false => kubectl(
            "-n {} patch workloads.kueue.x-k8s.io {} --type merge -p {}",
            &[
                evidence.namespace(),
                &own.metadata.name,
                r#"{"spec":{"active":true}}"#,
            ],
        ),
    };
    let finding = match cause {
        Cause::RequeuingLimit => not_ready_in_time(finding, evidence, own),
        _ => finding,
    };
    let who = match cause {
        Cause::Deactivated if is_whole => Who::You,
        _ => Who::Admin,
    };
    finding
        .remedy(who, "return it to its queue", again)
        .resubmit(Anew::Said, "")
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
            "it has quota and is about to be admitted".to_owned(),
        ),
        (_, true) => (
            Cause::AdmissionCheckRejected,
            format!(
                "it has quota, but admission check {} rejects it",
                names.join(", ")
            ),
        ),
        (_, false) => (
            Cause::AdmissionCheckPending,
            format!(
                "it has quota and is waiting for admission check {}",
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
        Some(name) => finding.nobody("it starts once the check passes").remedy(
            Who::Admin,
            "show what the check is waiting for",
            kubectl("get admissionchecks {} -o yaml", &[name]),
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
    let taken_off = kueue::eviction(&evicted.reason, &evicted.message);
    if taken_off == Eviction::Preempted {
        let words = holds(conditions, "Preempted").map_or(evicted.words(), Condition::words);
        let Some(preemptor) = kueue::preemptor(words) else {
            return Some(Finding::new(Cause::Preempted, "it was preempted").shows(words));
        };
        let known = preemption::among(own, &evidence.neighbours);
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
            .shows(format!("reason: {}", preemptor.rule))
            .nobody("it restarts from the beginning when quota is free"),
        );
    }
    let (cause, summary) = match taken_off {
        Eviction::PodsReadyTimeout => (
            Cause::PodsReadyTimeout,
            "it was evicted: not all of its pods became ready in time",
        ),
        Eviction::AdmissionCheck => (
            Cause::AdmissionCheckPending,
            "it was evicted: an admission check requested a retry",
        ),
        Eviction::QueueStopped => (
            Cause::QueueStopped,
            "it was evicted when its queue was stopped",
        ),
        Eviction::NodeFailure => (Cause::Evicted, "it was evicted: one of its nodes failed"),
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
                "requeued {} so far; it is queued again in {seconds} s",
                counted(state.count, "time")
            ),
            None => format!("requeued {} so far", counted(state.count, "time")),
        });
    }
    if cause == Cause::PodsReadyTimeout {
        finding = match job(&evidence.snapshot.workload) {
            Some((_, status)) if status.failed_indexes.count() > 0 => {
                failed_tasks(finding, evidence, status.failed_indexes.count())
            }
            _ => not_ready_in_time(finding, evidence, own),
        };
    }
    Some(finding)
}

/// Adds that Kueue counts the failed tasks of an array as pods that are not ready.
fn failed_tasks(finding: Finding, evidence: &Evidence, failed: i64) -> Finding {
    let window = evidence.kueue.as_ref().and_then(|told| told.readiness());
    let allowed = window.and_then(|window| window.recovery).map(span);
    finding
        .shows(format!(
            "{failed} of its tasks failed, which Kueue counts as not ready{} (waitForPodsReady.recoveryTimeout)",
            allowed.map(|it| format!(" and allows for {it}")).unwrap_or_default()
        ))
        .nobody("the tasks that had neither failed nor succeeded start again from the beginning")
        .resubmit(Anew::With, "fewer --slots than tasks, or --max-failed")
        .remedy(
            Who::Admin,
            "turn that off: set waitForPodsReady.recoveryTimeout to 0s in Kueue's configuration, and restart Kueue",
            kubectl("-n kueue-system edit configmap kueue-manager-config", &[]),
        )
}

/// Adds how long pods had to get ready, and how they get longer.
fn not_ready_in_time(finding: Finding, evidence: &Evidence, own: &KueueWorkload) -> Finding {
    let finding = match own.status.accumulated_past_execution_time_seconds {
        None | Some(0) => finding,
        Some(loaded) => {
            let evictions = own.status.scheduling_stats.evictions.iter();
            let attempts: i64 = evictions.map(|eviction| eviction.count).sum();
            finding.shows(match attempts {
                ..2 => format!("its pods had been loading for {}", span(loaded)),
                _ => format!(
                    "its pods have been loading for {} in total, in {attempts} attempts",
                    span(loaded)
                ),
            })
        }
    };
    let window = evidence.kueue.as_ref().and_then(|told| told.readiness());
    let finding = match window {
        None => finding,
        Some(window) => {
            let source = match window.is_default {
                true => "the default",
                false => "waitForPodsReady.timeout",
            };
            finding.shows(format!("Kueue allows {} ({source})", span(window.start)))
        }
    };
    let probe = own.startup_seconds();
    let finding = match probe {
        None => finding,
        Some(allowed) => finding.shows(format!("their startup probe allows {}", span(allowed))),
    };
    let longer = match probe {
        Some(allowed) if window.is_none_or(|window| window.start < allowed) => format!(
            "allow as long as the probe, {}: set waitForPodsReady.timeout in Kueue's configuration, and restart Kueue",
            span(allowed)
        ),
        _ => "allow more time: raise waitForPodsReady.timeout in Kueue's configuration, and restart Kueue".to_owned(),
    };
    finding
        .you("find out why its pods do not become ready: image, volumes, readiness probe")
        .remedy(
            Who::Admin,
            longer,
            kubectl("-n kueue-system edit configmap kueue-manager-config", &[]),
        )
}

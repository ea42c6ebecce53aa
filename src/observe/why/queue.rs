//! Finds what keeps a workload waiting in Kueue.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::quota_contention::Contest;
use super::{broken, coverage, eviction, quota, unqueued};
use crate::api::condition::{Condition, condition, holds};
use crate::api::keys::ADMISSION_GATED_BY_ANNOTATION;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::observe::kind::tasks::running_slice;
use crate::observe::status::{Status, farthest};
use crate::observe::upstream::kueue::{self, QuotaBlocker};
use crate::suggestion::kubectl;

/// Returns what keeps a workload from being admitted, and who competes with
/// it; nothing once it is admitted, or where it is in no queue.
pub(super) fn findings(evidence: &Evidence) -> (Vec<Finding>, Option<Contest>) {
    let snapshot = &evidence.snapshot;
    let Some(own) = farthest(snapshot.queued()) else {
        let status = snapshot.standing().status;
        let waits = matches!(status, Status::Pending | Status::Suspended);
        return match snapshot.workload.queue() {
            Some(queue) if waits => (vec![unqueued::no_workload(evidence, queue)], None),
            _ => (Vec::new(), None),
        };
    };
    match own.state() {
        QueueState::Admitted | QueueState::Finished => (Vec::new(), None),
        QueueState::Inactive => (vec![eviction::deactivated(evidence, own)], None),
        QueueState::Reserved => (vec![eviction::checks(evidence, own)], None),
        QueueState::Pending => waiting(evidence, own),
        QueueState::Preempted | QueueState::Evicted => {
            let past = eviction::evicted(evidence, own);
            // Its pods are still leaving; Kueue has not looked at it anew.
            if holds(&own.status.conditions, "QuotaReserved").is_some() {
                return (past.into_iter().collect(), None);
            }
            let (present, contest) = waiting(evidence, own);
            // What keeps it now matters more than what took it off, unless
            // that is why it waits.
            let only_quota = present.iter().all(|finding| {
                matches!(
                    finding.cause,
                    Cause::WaitingForQuota
                        | Cause::BehindOthers
                        | Cause::NotEvaluated
                        | Cause::NotAdmitted
                )
            });
            let findings = match only_quota {
                true => past.into_iter().chain(present).collect(),
                false => present.into_iter().chain(past).collect(),
            };
            (findings, contest)
        }
    }
}

/// Says why a workload waits: what is wrong with its queue now, else what
/// Kueue said when it looked last.
fn waiting(evidence: &Evidence, own: &KueueWorkload) -> (Vec<Finding>, Option<Contest>) {
    let quota_blockers = quota_blockers(evidence, own);
    let uncontested = broken::broken_queue(evidence, own)
        .or_else(|| {
            let mut quota_blockers = quota_blockers.iter();
            quota_blockers.find_map(|blocker| broken::told_of_queue(evidence, own, blocker))
        })
        .or_else(|| before_quota(evidence, own, &quota_blockers));
    if let Some(finding) = uncontested {
        return (vec![finding], None);
    }
    let contest = Contest::new(evidence, own, &quota_blockers);
    let finding = for_quota(evidence, own, &quota_blockers, &contest);
    let contest = contest.narrowed_to(finding.cause);
    (vec![finding], Some(contest))
}

/// Returns what keeps a workload from quota in Kueue's words, or in those about
/// its twin where it has none of its own, or where Kueue stays silent, what the
/// queue itself tells.
fn quota_blockers(evidence: &Evidence, own: &KueueWorkload) -> Vec<QuotaBlocker> {
    let reserved = condition(&own.status.conditions, "QuotaReserved");
    let quota_blockers = reserved.map_or_else(
        || kueue::quota_blockers("", ""),
        |reserved| kueue::quota_blockers(&reserved.reason, &reserved.message),
    );
    let is_of_twin = reserved.is_some_and(|reserved| kueue::is_of_twin(&reserved.message));
    if quota_blockers != [QuotaBlocker::NotEvaluated] && !is_of_twin {
        return quota_blockers;
    }
    if let Some(twin) = twin(evidence, own) {
        return kueue::quota_blockers(&twin.reason, &twin.message);
    }
    match coverage::uncovered(evidence, own) {
        Some(resource) if reserved.is_none() => vec![QuotaBlocker::Uncovered(resource)],
        _ => quota_blockers,
    }
}

/// Says what Kueue minds before it looks at any quota.
fn before_quota(
    evidence: &Evidence,
    own: &KueueWorkload,
    quota_blockers: &[QuotaBlocker],
) -> Option<Finding> {
    quota_blockers.iter().find_map(|blocker| match blocker {
        QuotaBlocker::Invalid(words) => Some(
            Finding::new(
                Cause::InvalidRequests,
                "what it requests is not allowed in this namespace",
            )
            .shows(words)
            .remedy(
                Who::You,
                "request what the limits allow",
                kubectl("-n {} describe limitranges", &[evidence.namespace()]),
            ),
        ),
        QuotaBlocker::OthersNotReady => Some(
            Finding::new(
                Cause::OthersNotReady,
                "Kueue admits nothing until the pods of all admitted workloads are ready",
            )
            .nobody("it continues once they are ready, or Kueue gives up on them")
            .admin("turn that off: waitForPodsReady.blockAdmission"),
        ),
        QuotaBlocker::Gated(gates) => Some(gated(evidence, own, gates)),
        _ => None,
    })
}

/// Says which gates keep a workload out of the queue, and how they are lifted:
/// they are in an annotation of what Kueue queues, so that whoever may patch that
/// lifts them (v0.19, KEP-6915).
fn gated(evidence: &Evidence, own: &KueueWorkload, gates: &[String]) -> Finding {
    let (kind, name) = own
        .owner()
        .unwrap_or(("Workload", own.metadata.name.as_str()));
    let kind = kind.to_lowercase();
    let summary = match gates {
        [] => "it is not queued until its admission gates are removed".to_owned(),
        [gate] => format!("it is not queued until its admission gate {gate} is removed"),
        gates => format!(
            "it is not queued until its admission gates {} are removed",
            gates.join(" and ")
        ),
    };
    Finding::new(Cause::AdmissionGated, summary)
        .shows(format!(
            "annotation {ADMISSION_GATED_BY_ANNOTATION} of {kind}/{name}"
        ))
        .nobody("it is queued once those who set them have removed them")
        .remedy(
            Who::You,
            format!("remove them all, if you may patch the {kind}"),
            kubectl(
                "-n {} annotate {} {} {}-",
                &[
                    evidence.namespace(),
                    &kind,
                    name,
                    ADMISSION_GATED_BY_ANNOTATION,
                ],
            ),
        )
}

/// Says why a workload waits for quota; the first of these that holds.
fn for_quota(
    evidence: &Evidence,
    own: &KueueWorkload,
    quota_blockers: &[QuotaBlocker],
    contest: &Contest,
) -> Finding {
    let any = |wanted: fn(&QuotaBlocker) -> bool| quota_blockers.iter().any(wanted);
    let is_not_evaluated = any(|o| *o == QuotaBlocker::NotEvaluated);
    if let Some(running) = running_slice(evidence.snapshot.queued()) {
        quota::growth::waiting(evidence, running, own, contest)
    } else if any(|o| matches!(o, QuotaBlocker::Preempting(_))) {
        quota::preempting(quota_blockers)
    } else if any(|o| matches!(o, QuotaBlocker::Short { .. })) && contest.is_free() {
        quota::overlooked(evidence)
    } else if any(|o| matches!(o, QuotaBlocker::Short { .. }))
        || (is_not_evaluated && contest.is_short())
    {
        quota::short(contest, own, evidence.namespace())
    } else if any(|o| matches!(o, QuotaBlocker::Exceeds { .. } | QuotaBlocker::Uncovered(_))) {
        quota::exceeds(contest, quota_blockers)
    } else if any(|o| matches!(o, QuotaBlocker::Topology(_))) {
        quota::topology::placement(evidence, own, quota_blockers)
    } else if any(|o| matches!(o, QuotaBlocker::Closed(_))) {
        quota::no_flavor(quota_blockers)
    } else {
        quota::not_evaluated(evidence, own, contest, quota_blockers)
    }
}

/// Returns what Kueue says of another Workload of the queue that asks for the
/// same: it says nothing of those that come later, since they could not be
/// admitted either (v0.18 and v0.19, `cluster_queue.go`, equivalence classes).
fn twin<'a>(evidence: &'a Evidence, own: &KueueWorkload) -> Option<&'a Condition> {
    let requests = own.requests();
    let twins = evidence.neighbours.iter().filter(|queued| {
        queued.metadata.namespace == own.metadata.namespace
            && queued.metadata.name != own.metadata.name
            && queued.spec.queue_name == own.spec.queue_name
            && queued.spec.priority == own.spec.priority
            && queued.state() == QueueState::Pending
            && queued.requests() == requests
    });
    twins
        .filter_map(|queued| condition(&queued.status.conditions, "QuotaReserved"))
        .find(|condition| !condition.message.is_empty() && !kueue::is_of_twin(&condition.message))
}

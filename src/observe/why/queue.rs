//! Finds what keeps a workload waiting in Kueue.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::message::{self, Obstacle};
use super::quota_contention::Contest;
use super::{broken, eviction, quota, unqueued};
use crate::api::condition::{Condition, condition, holds};
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::observe::status::{Status, farthest};

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
    let obstacles = obstacles(evidence, own);
    let uncontested = broken::broken_queue(evidence, own)
        .or_else(|| {
            let mut obstacles = obstacles.iter();
            obstacles.find_map(|obstacle| broken::told_of_queue(evidence, own, obstacle))
        })
        .or_else(|| before_quota(evidence, &obstacles));
    if let Some(finding) = uncontested {
        return (vec![finding], None);
    }
    let contest = Contest::new(evidence, own, &obstacles);
    let finding = for_quota(evidence, own, &obstacles, &contest);
    let contest = contest.narrowed_to(finding.cause);
    (vec![finding], Some(contest))
}

/// Returns what keeps a workload from quota in Kueue's words, or in those about
/// its twin where it has none of its own.
fn obstacles(evidence: &Evidence, own: &KueueWorkload) -> Vec<Obstacle> {
    let reserved = condition(&own.status.conditions, "QuotaReserved");
    let obstacles = reserved.map_or_else(
        || message::obstacles("", ""),
        |reserved| message::obstacles(&reserved.reason, &reserved.message),
    );
    if obstacles == [Obstacle::NotEvaluated]
        && let Some(twin) = twin(evidence, own)
    {
        return message::obstacles(&twin.reason, &twin.message);
    }
    obstacles
}

/// Says what Kueue minds before it looks at any quota.
fn before_quota(evidence: &Evidence, obstacles: &[Obstacle]) -> Option<Finding> {
    obstacles.iter().find_map(|obstacle| match obstacle {
        Obstacle::Invalid(words) => Some(
            Finding::new(
                Cause::InvalidRequests,
                "what it requests is not allowed in this namespace",
            )
            .shows(words)
            .remedy(
                Who::You,
                "ask for what the limits allow",
                Some(format!(
                    "kubectl -n {} describe limitranges",
                    evidence.namespace()
                )),
            ),
        ),
        Obstacle::OthersNotReady => Some(
            Finding::new(
                Cause::OthersNotReady,
                "Kueue admits nobody until the pods of all that it admitted are ready",
            )
            .nobody("it goes on when they are ready, or have been given up")
            .admin("switches that off: waitForPodsReady.blockAdmission"),
        ),
        _ => None,
    })
}

/// Says why a workload waits for quota; the first of these that holds.
fn for_quota(
    evidence: &Evidence,
    own: &KueueWorkload,
    obstacles: &[Obstacle],
    contest: &Contest,
) -> Finding {
    let any = |wanted: fn(&Obstacle) -> bool| obstacles.iter().any(wanted);
    let is_not_evaluated = any(|o| *o == Obstacle::NotEvaluated);
    if any(|o| matches!(o, Obstacle::Preempting(_))) {
        quota::preempting(obstacles)
    } else if any(|o| matches!(o, Obstacle::Short { .. }))
        || (is_not_evaluated && contest.is_short())
    {
        quota::short(contest, own, evidence.namespace())
    } else if any(|o| matches!(o, Obstacle::Exceeds { .. } | Obstacle::Uncovered(_))) {
        quota::exceeds(contest, obstacles)
    } else if any(|o| matches!(o, Obstacle::Topology(_))) {
        quota::topology(obstacles)
    } else if any(|o| matches!(o, Obstacle::Closed(_))) {
        quota::no_flavor(obstacles)
    } else {
        quota::not_evaluated(evidence, own, contest, obstacles)
    }
}

/// Returns what Kueue says of another Workload of the queue that asks for the
/// same: up to v0.18 it says nothing of those that come later, since they
/// could not be admitted either (`cluster_queue.go`, equivalence classes).
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
        .find(|condition| !condition.message.is_empty())
}

//! What ends a Job before its status says so (batch/v1, Kubernetes v1.36).

use super::{Pod, WorkloadContext, first_to_fail, is_left_alone, lifecycle};
use crate::api::workload::job::{JobSpec, JobStatus};

/// Returns why a Job fails whose controller has not said so yet: it deletes the pods
/// first, and writes `FailureTarget` after that (`syncJob`, v1.36).
pub(super) fn of_job(
    spec: &JobSpec,
    status: &JobStatus,
    known: &WorkloadContext,
) -> Option<String> {
    let is_over = |limit| status.start_time.is_some() && known.since(status.start_time) >= limit;
    if spec.active_deadline_seconds.is_some_and(is_over)
        && known.pods.iter().any(Pod::is_terminating)
    {
        return Some(lifecycle::PAST_DEADLINE.to_owned());
    }
    let policy = &spec.pod_failure_policy;
    let fatal = |pod: &&Pod| has_failed(pod) && policy.fails_job(pod);
    let (culprit, _) = first_to_fail(known.pods.iter().filter(fatal))?;
    Some(culprit.trouble(known)?.to_string())
}

/// Returns whether a pod failed by itself.
pub(super) fn has_failed(pod: &Pod) -> bool {
    pod.ended_well() == Some(false) && is_left_alone(pod)
}

//! Conditions and counts of a Job (batch/v1, Kubernetes v1.36).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::doom::{self, has_failed};
use super::{
    ENDING, Evidence, Finding, KindRules, Metadata, Pod, PodLabels, Standing, Status, Timestamp,
    Workload, WorkloadContext, array, first_to_fail, is_taken_off, leaving, lifecycle, refused,
    suspended, trouble_of, turned, with_pods,
};
use crate::api::Readable;
use crate::api::condition::{Condition, holds};
use crate::api::keys::CONTROLLER_UID_LABEL;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::observe::trouble::TroubleKind;
use crate::observe::upstream::output;
use crate::observe::why::finding::Cause;
use crate::observe::why::pods as of_pods;

/// Reason of the conditions of a Job that ran for longer than it may.
const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

impl KindRules for (&Workload, &JobSpec, &JobStatus) {
    /// `SuccessCriteriaMet` and `FailureTarget` come first (since v1.31),
    /// `Complete` and `Failed` once all pods have ended; in between, and where
    /// the counts say as much before the conditions do, it is ending.
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (workload, spec, status) = self;
        if spec.is_array() {
            return array::standing((workload, spec, status), known);
        }
        let conditions = &status.conditions;
        if holds(conditions, "Complete").is_some() {
            return Standing::new(Status::Succeeded, "");
        }
        if let Some(failed) = holds(conditions, "Failed") {
            return Standing::new(Status::Failed, failure(failed, known));
        }
        // Kueue says so before it stops it.
        if spec.suspend || is_taken_off(known) {
            return suspended(workload, known);
        }
        let tally = Tally::new(spec, status, known.pods);
        if let Some(ending) = tally.ending(spec, status, known) {
            return Standing::new(Status::Running, ending);
        }
        let alive = known.pods.iter().filter(|pod| pod.ended_well().is_none());
        let trouble = trouble_of(alive, known);
        let again = || tally.tries_again(spec, known);
        if tally.up >= tally.wanted {
            let reason = trouble.or_else(again);
            return Standing::new(Status::Running, reason.unwrap_or_default());
        }
        let reason = trouble
            .or_else(again)
            .or_else(|| refused(workload, known))
            .or_else(|| leaving(known.pods))
            .unwrap_or_else(|| format!("{} of {} pods ready", tally.up, tally.wanted));
        Standing::new(Status::Starting, reason)
    }

    fn is_untouched(&self) -> bool {
        let (_, spec, status) = self;
        !spec.suspend && status.start_time.is_none() && status.conditions.is_empty()
    }

    fn wanted_pods(&self) -> Option<i64> {
        let (_, spec, status) = self;
        match spec.is_array() {
            // Only its first pods are read.
            true => None,
            false => Some(spec.at_once(status.succeeded)),
        }
    }

    /// Its containers may have been started again, which its own counts do not tell.
    fn pods_tell(&self, status: Status) -> bool {
        match status {
            Status::Failed => true,
            Status::Running => self.1.template.spec.restart_policy == "OnFailure",
            _ => false,
        }
    }

    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        vec![PodLabels::one(CONTROLLER_UID_LABEL, &self.0.metadata.uid)]
    }

    fn present_pods<'p>(&self, pods: Vec<&'p Pod>) -> Vec<&'p Pod> {
        attempt(self.1, pods)
    }

    fn is_over(&self, status: Status) -> bool {
        status.is_final()
    }

    fn running_since(&self) -> Option<Timestamp> {
        self.2.start_time
    }

    fn ended_at(&self) -> Option<Timestamp> {
        turned(&self.2.conditions, &["Complete", "Failed"])
    }

    /// One that ran out of its own time has none: what its pods say then is that
    /// they were ended.
    fn exit_code(&self, pods: &[Pod]) -> Option<i64> {
        if self.1.is_array() {
            return array::exit_code(self.2, pods);
        }
        let failed = holds(&self.2.conditions, "Failed")?;
        match failed.reason.as_str() {
            DEADLINE_EXCEEDED => None,
            _ => Some(first_to_fail(pods.iter())?.1),
        }
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let (_, spec, status) = self;
        let conditions = &status.conditions;
        let failed = holds(conditions, "Failed").or(holds(conditions, "FailureTarget"));
        if let Some(failed) = failed {
            return failures(evidence, failed);
        }
        if spec.suspend && standing.status == Status::Suspended {
            return vec![lifecycle::suspended(evidence)];
        }
        if standing.reason == ENDING {
            return Vec::new();
        }
        let mut findings = with_pods(Vec::new(), evidence);
        let again = standing.reason.split(':').next();
        let again = again.filter(|words| words.starts_with("retrying"));
        if let (Some(first), Some(again)) = (findings.first_mut(), again) {
            first.evidence.push(format!("the Job {again}"));
        }
        findings
    }
}

/// How many pods of a Job have ended and how many run. Its pods say so before its
/// status does, which counts those that are gone, too.
struct Tally {
    /// Pods that succeeded.
    succeeded: i64,
    /// Pods that failed, and are not ignored because they were taken off.
    failed: i64,
    /// Pods that run, or are at their end.
    up: i64,
    /// Pods that are to run now.
    wanted: i64,
}

impl Tally {
    fn new(spec: &JobSpec, status: &JobStatus, pods: &[Pod]) -> Self {
        let count = |is: &dyn Fn(&Pod) -> bool| pods.iter().filter(|pod| is(pod)).count() as i64;
        let uncounted = &status.uncounted_terminated_pods;
        let counted = status.succeeded + uncounted.succeeded.len() as i64;
        let succeeded = counted.max(count(&|pod| pod.ended_well() == Some(true)));
        let counted = status.failed + uncounted.failed.len() as i64;
        let failed = counted.max(count(&has_failed));
        // Of those that its status still counts as ready.
        let ended = (succeeded - status.succeeded) + (failed - status.failed);
        let is_there = |pod: &Pod| !pod.is_terminating() && pod.ended_well().is_none();
        let up = count(&|pod| is_there(pod) && is_up(pod));
        Self {
            succeeded,
            failed,
            up: up.max(status.ready - ended),
            wanted: spec.at_once(succeeded),
        }
    }

    /// Returns that it is ending, and why if it fails.
    fn ending(
        &self,
        spec: &JobSpec,
        status: &JobStatus,
        known: &WorkloadContext,
    ) -> Option<String> {
        let conditions = &status.conditions;
        if holds(conditions, "SuccessCriteriaMet").is_some() {
            return Some(ENDING.to_owned());
        }
        if let Some(target) = holds(conditions, "FailureTarget") {
            return Some(format!("{ENDING}: {}", failure(target, known)));
        }
        if let Some(doom) = doom::of_job(spec, status, known) {
            return Some(format!("{ENDING}: {doom}"));
        }
        let completions = spec.completions.or(spec.parallelism).unwrap_or(1);
        if self.succeeded >= completions.max(1) {
            return Some(ENDING.to_owned());
        }
        let too_many = spec.backoff_limit_per_index.is_none()
            && spec.backoff_limit.is_some_and(|limit| self.failed > limit);
        let culprit = first_to_fail(known.pods.iter()).filter(|_| too_many)?.0;
        let trouble = culprit.trouble(known)?;
        Some(format!("{ENDING}: {trouble}"))
    }

    /// Returns that some of its pods have failed and others take their place.
    fn tries_again(&self, spec: &JobSpec, known: &WorkloadContext) -> Option<String> {
        if self.failed == 0 {
            return None;
        }
        let tries = spec
            .backoff_limit
            .filter(|_| spec.backoff_limit_per_index.is_none());
        let tries = tries.map_or(String::new(), |limit| {
            format!(" ({} of {})", self.failed + 1, limit + 1)
        });
        let failed = known.pods.iter().filter(|pod| has_failed(pod));
        let last = failed.max_by_key(|pod| pod.metadata.creation_timestamp);
        let trouble = last.and_then(|pod| pod.trouble(known));
        let trouble = trouble.map_or(String::new(), |trouble| format!(": {trouble}"));
        Some(format!("retrying{tries}{trouble}"))
    }
}

/// Returns whether a pod is past its start: it is ready, or not any more, because
/// one of its containers is done.
fn is_up(pod: &Pod) -> bool {
    let mut containers = pod.status.container_statuses.iter();
    let is_done = |code: i64| code == 0 && pod.spec.restart_policy != "Always";
    pod.is_ready()
        // What its node does not tell is not known to have changed.
        || pod.lost_node().is_some()
        || pod.status.phase == "Running"
            && containers.any(|container| {
                let ended = container.state.terminated.as_ref();
                ended.is_some_and(|ended| is_done(ended.exit_code))
            })
}

/// Returns why a Job failed: of its pods, the first to fail says most.
fn failure(failed: &Condition, known: &WorkloadContext) -> String {
    if failed.reason == DEADLINE_EXCEEDED {
        return lifecycle::PAST_DEADLINE.to_owned();
    }
    let first = first_to_fail(known.pods.iter()).map(|(pod, _)| pod);
    let trouble = first.and_then(|pod| pod.trouble(known)).or_else(|| {
        let troubles = known.pods.iter().filter_map(|pod| pod.trouble(known));
        let mut troubles = troubles.filter(|trouble| trouble.kind != TroubleKind::Disrupted);
        troubles.next()
    });
    trouble.map_or_else(
        || output::gist(failed.words()),
        |trouble| trouble.to_string(),
    )
}

/// Returns the pods of a Job's present attempt: those that did not fail, and
/// of those that did, the ones that nothing has replaced.
pub(super) fn attempt<'p>(spec: &JobSpec, pods: Vec<&'p Pod>) -> Vec<&'p Pod> {
    let mut by_index: BTreeMap<Option<u64>, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        by_index.entry(pod.index()).or_default().push(pod);
    }
    let mut chosen = Vec::new();
    for (index, pods) in by_index {
        let (mut lives, mut failed): (Vec<&Pod>, Vec<&Pod>) = pods
            .into_iter()
            .partition(|pod| pod.status.phase != "Failed" && !pod.is_terminating());
        let wanted = match index {
            Some(_) => 1,
            None => usize::try_from(spec.pods()).unwrap_or(1),
        };
        failed.sort_by_key(|pod| Reverse((pod.metadata.creation_timestamp, pod.name())));
        failed.truncate(wanted.saturating_sub(lives.len()));
        lives.append(&mut failed);
        chosen.append(&mut lives);
    }
    chosen
}

fn failures(evidence: &Evidence, failed: &Condition) -> Vec<Finding> {
    if failed.reason == DEADLINE_EXCEEDED {
        return vec![lifecycle::deadline_exceeded(&failed.message)];
    }
    let found = of_pods::in_trouble(evidence);
    if !found.is_empty() {
        return found
            .into_iter()
            .map(|finding| finding.shows(format!("the Job: {}", failed.words())))
            .collect();
    }
    let finding = Finding::new(Cause::Failed, "its pods failed").shows(failed.words());
    vec![match evidence.snapshot.pods {
        Readable::Forbidden => lifecycle::let_see_pods(
            finding.shows("you may not read its pods, which would show the cause"),
            evidence,
        ),
        Readable::Known(_) => finding.shows("its pods are gone, and so are their logs"),
    }]
}

//! Conditions and counts of a Job (batch/v1, Kubernetes v1.36).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{
    Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing, Status,
    Timestamp, Workload, first_exit_code, lifecycle, suspended, troubles, turned,
};
use crate::api::Readable;
use crate::api::condition::{Condition, holds};
use crate::api::keys::CONTROLLER_UID_LABEL;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::observe::trouble::TroubleKind;
use crate::observe::why::finding::Cause;
use crate::observe::why::pods as of_pods;

impl Meaning for (&Workload, &JobSpec, &JobStatus) {
    fn standing(&self, queued: &[KueueWorkload], pods: &[Pod]) -> Standing {
        let (workload, spec, status) = self;
        let conditions = &status.conditions;
        if holds(conditions, "Complete").is_some() {
            return Standing::new(Status::Succeeded, "");
        }
        // `FailureTarget` comes first, `Failed` once all pods have ended.
        if let Some(failed) = holds(conditions, "Failed") {
            let reason = pods
                .iter()
                .filter_map(Pod::trouble)
                .find(|trouble| trouble.kind != TroubleKind::Disrupted)
                .map_or_else(|| failed.words().to_owned(), |trouble| trouble.to_string());
            return Standing::new(Status::Failed, reason);
        }
        if spec.suspend {
            return suspended(workload, queued);
        }
        let wanted = spec.pods() - status.succeeded.min(spec.pods() - 1).max(0);
        let (ready, trouble) = (status.ready, troubles(pods));
        match trouble.is_empty() {
            _ if ready >= wanted => Standing::new(Status::Running, trouble),
            true => Standing::new(Status::Starting, format!("{ready} of {wanted} pods ready")),
            false => Standing::new(Status::Starting, trouble),
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
        let failed = holds(&self.2.conditions, "Failed")?;
        match failed.reason.as_str() {
            "DeadlineExceeded" => None,
            _ => first_exit_code(pods.iter()),
        }
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let (_, spec, status) = self;
        if let Some(failed) = holds(&status.conditions, "Failed") {
            return failures(evidence, failed);
        }
        if spec.suspend && standing.status == Status::Suspended {
            return vec![lifecycle::suspended(evidence)];
        }
        lifecycle::with_pods(Vec::new(), evidence, status.start_time)
    }
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
    if failed.reason == "DeadlineExceeded" {
        return vec![lifecycle::deadline_exceeded(&failed.message)];
    }
    let found = of_pods::findings(evidence);
    if !found.is_empty() {
        return found
            .into_iter()
            .map(|finding| finding.shows(format!("the Job: {}", failed.words())))
            .collect();
    }
    let finding = Finding::new(Cause::Failed, "its pods failed").shows(failed.words());
    vec![match evidence.snapshot.pods {
        Readable::Forbidden => lifecycle::let_see_pods(
            finding.shows("you may not read its pods, which would say more"),
            evidence,
        ),
        Readable::Known(_) => finding.shows("its pods are gone, and with them what they printed"),
    }]
}

//! Counts and conditions of a Deployment (apps/v1, Kubernetes v1.36).

use super::{
    Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing, Status,
    Timestamp, Workload, lifecycle, suspended, troubles, turned, waits,
};
use crate::api::condition::{Condition, condition, holds};
use crate::api::workload::deployment::{DeploymentSpec, DeploymentStatus};
use crate::observe::why::finding::{Cause, Who};
use crate::observe::why::{pods as of_pods, scaling};

impl Meaning for (&Workload, &DeploymentSpec, &DeploymentStatus) {
    fn standing(&self, queued: &[KueueWorkload], pods: &[Pod]) -> Standing {
        let (workload, spec, status) = self;
        let wanted = spec.replicas.unwrap_or(1);
        if wanted == 0 {
            return Standing::new(Status::Suspended, "scaled to 0");
        }
        if status.observed_generation < workload.metadata.generation {
            return Standing::new(Status::Starting, "");
        }
        let available = status.available_replicas;
        let stuck = stuck(self.2);
        let reason = || match (troubles(pods), stuck) {
            (trouble, _) if !trouble.is_empty() => trouble,
            (_, Some(stuck)) => stuck.words().to_owned(),
            _ => format!("{available} of {wanted} pods ready"),
        };
        if available >= wanted {
            let updated = status.updated_replicas;
            let rolling = updated < wanted || status.replicas > wanted;
            let reason = match (rolling, troubles(pods)) {
                (true, trouble) if trouble.is_empty() => {
                    format!("rolling out: {updated} of {wanted} updated")
                }
                (true, trouble) => format!("rollout hangs: {trouble}"),
                (false, _) => String::new(),
            };
            return Standing::new(Status::Ready, reason);
        }
        if available > 0 {
            return Standing::new(Status::Degraded, reason());
        }
        if waits(queued) {
            return suspended(workload, queued);
        }
        match stuck {
            Some(_) => Standing::new(Status::Failed, reason()),
            None => Standing::new(Status::Starting, reason()),
        }
    }

    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        // No labels at all would be every pod; whoever selects by expressions
        // only did not get the Deployment from kaiwo.
        let labels = &self.1.selector.match_labels;
        let all = (!labels.is_empty()).then(|| PodLabels::all(labels));
        all.into_iter().collect()
    }

    fn owns(&self, pod: &Pod) -> bool {
        let mut owners = pod.metadata.owner_references.iter();
        owners.any(|owner| {
            let of = owner.name.rsplit_once('-').map_or("", |(of, _)| of);
            owner.kind == "ReplicaSet" && of == self.0.metadata.name
        })
    }

    fn running_since(&self) -> Option<Timestamp> {
        turned(&self.2.conditions, &["Available"])
    }

    fn observed_generation(&self) -> Option<i64> {
        Some(self.2.observed_generation)
    }

    /// The rules of `kubectl rollout status` (v1.36, `DeploymentStatusViewer`).
    fn is_rolled_out(&self) -> bool {
        let (_, spec, status) = self;
        status.updated_replicas >= spec.replicas.unwrap_or(1)
            && status.replicas <= status.updated_replicas
            && status.available_replicas >= status.updated_replicas
    }

    fn hangs(&self, standing: &Standing) -> Option<String> {
        let stuck = stuck(self.2).filter(|_| !standing.status.is_waiting())?;
        Some(match standing.reason.as_str() {
            "" => stuck.words().to_owned(),
            reason => reason.to_owned(),
        })
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let (_, spec, status) = self;
        if spec.replicas == Some(0) {
            return vec![lifecycle::suspended(evidence)];
        }
        let refused = holds(&status.conditions, "ReplicaFailure");
        let refused = refused.map(|refused| lifecycle::refused_pods(evidence, &refused.message));
        let mut findings: Vec<Finding> = refused.into_iter().collect();
        findings.extend(of_pods::findings(evidence));
        findings.extend(stuck(self.2).map(|stuck| rollout_stuck(evidence, stuck)));
        findings.extend(scaling::finding(evidence, standing));
        findings
    }
}

/// Returns the condition that says that a rollout makes no progress.
fn stuck(status: &DeploymentStatus) -> Option<&Condition> {
    condition(&status.conditions, "Progressing").filter(|progressing| progressing.status == "False")
}

fn rollout_stuck(evidence: &Evidence, stuck: &Condition) -> Finding {
    let workload = &evidence.snapshot.workload;
    // Of a Deployment that was not made by kaiwo.
    let undo = || {
        let (namespace, name) = (evidence.namespace(), &workload.metadata.name);
        format!("kubectl -n {namespace} rollout undo deployment {name}")
    };
    Finding::new(
        Cause::RolloutStuck,
        "the rollout has made no progress for longer than its progressDeadlineSeconds",
    )
    .shows(&stuck.message)
    .remedy(
        Who::You,
        "mend what keeps the new pods, or go back",
        Some(workload.way_back().unwrap_or_else(undo)),
    )
}

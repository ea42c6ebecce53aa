//! Counts and conditions of a Deployment (apps/v1, Kubernetes v1.36).

use super::{
    Evidence, Finding, KindRules, Metadata, Pod, PodLabels, Standing, Status, Timestamp, Workload,
    WorkloadContext, lifecycle, refused, suspended, troubles, turned, waits, with_pods,
};
use crate::api::condition::{Condition, condition, holds};
use crate::api::workload::deployment::{DeploymentSpec, DeploymentStatus};
use crate::observe::snapshot::REPLICA_FAILURE;
use crate::observe::trouble::Turn;
use crate::observe::upstream::output;
use crate::observe::why::finding::{Cause, Who};
use crate::observe::why::scaling;
use crate::suggestion::kubectl;

/// Seconds for which a Deployment that has become available may be one that
/// crashes again and again: as long as a container needs to prove that it is well.
const PROVEN: i64 = 600;

impl KindRules for (&Workload, &DeploymentSpec, &DeploymentStatus) {
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (workload, spec, status) = self;
        let wanted = spec.replicas.unwrap_or(1);
        if wanted == 0 {
            return Standing::new(Status::Suspended, "scaled to 0");
        }
        if status.observed_generation < workload.metadata.generation {
            return Standing::new(Status::Starting, "");
        }
        let available = status.available_replicas;
        let (stuck, refused) = (stuck(self.2), refused(workload, known));
        let trouble = troubles(known.pods, known);
        let serves_again = |turn: Turn| turn == Turn::Ready;
        let ill = trouble.as_ref().filter(|it| !serves_again(it.turn));
        let ill = ill.map(|trouble| trouble.to_string()).or(refused);
        if available >= wanted {
            let updated = status.updated_replicas;
            let rolling = updated < wanted || status.replicas > wanted;
            let reason = match (rolling, ill, trouble) {
                (true, None, _) => format!("rolling out: {updated} of {wanted} updated"),
                (true, Some(ill), _) => format!("rollout is stuck: {ill}"),
                // It serves, and has crashed before, and again, and again.
                (false, _, Some(trouble)) if self.is_new(known) => trouble.to_string(),
                (false, ..) => String::new(),
            };
            return Standing::new(Status::Ready, reason);
        }
        let reason = || {
            ill.or(trouble.map(|trouble| trouble.to_string()))
                .or_else(|| Some(output::gist(stuck?.words())))
                .unwrap_or_else(|| format!("{available} of {wanted} pods ready"))
        };
        if available > 0 {
            return Standing::new(Status::Degraded, reason());
        }
        if waits(known.queued) {
            return suspended(workload, known);
        }
        match stuck {
            Some(_) => Standing::new(Status::Failed, reason()),
            None => Standing::new(Status::Starting, reason()),
        }
    }

    fn is_untouched(&self) -> bool {
        self.2.observed_generation == 0 && self.2.conditions.is_empty()
    }

    /// Its controller repeats what its ReplicaSets say.
    fn told_refusal(&self) -> Option<&str> {
        Some(holds(&self.2.conditions, REPLICA_FAILURE)?.words())
    }

    fn pods_tell(&self, status: Status) -> bool {
        status == Status::Failed
    }

    fn is_new(&self, known: &WorkloadContext) -> bool {
        let available = condition(&self.2.conditions, "Available");
        let since = available.and_then(|available| available.last_transition_time);
        since.is_some() && known.since(since) < PROVEN
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
            "" => output::gist(stuck.words()),
            reason => reason.to_owned(),
        })
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        if self.1.replicas == Some(0) {
            return vec![lifecycle::suspended(evidence)];
        }
        let mut findings = with_pods(Vec::new(), evidence);
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
        kubectl("-n {} rollout undo deployment {}", &[namespace, name])
    };
    Finding::new(
        Cause::RolloutStuck,
        "the rollout has made no progress for longer than its progressDeadlineSeconds",
    )
    .shows(&stuck.message)
    .remedy(
        Who::You,
        "fix the new pods, or roll back",
        workload.way_back().unwrap_or_else(undo),
    )
}

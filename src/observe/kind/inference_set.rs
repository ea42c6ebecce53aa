//! Counts of an InferenceSet (KAITO v0.12): each replica is a Workspace, which
//! tells more.

use super::{
    Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing, Status,
};
use crate::api::condition::Condition;
use crate::api::keys::WORKSPACE_LABEL;
use crate::api::workload::kaito::{InferenceSetSpec, InferenceSetStatus};
use crate::observe::why::finding::{Cause, Who};
use crate::observe::why::{pods as of_pods, scaling};

impl Meaning for (&InferenceSetSpec, &InferenceSetStatus) {
    fn standing(&self, _queued: &[KueueWorkload], _pods: &[Pod]) -> Standing {
        let (wanted, ready) = (self.0.replicas.unwrap_or(1), self.1.ready_replicas);
        let status = match ready {
            _ if ready >= wanted => return Standing::new(Status::Ready, ""),
            0 => Status::Starting,
            _ => Status::Degraded,
        };
        Standing::new(status, format!("{ready} of {wanted} replicas ready"))
    }

    fn pod_labels(&self, workspaces: &[Metadata]) -> Vec<PodLabels> {
        PodLabels::of_each(WORKSPACE_LABEL, workspaces, |workspace| &workspace.name)
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let mut findings = of_pods::findings(evidence);
        if findings.is_empty() && standing.status != Status::Ready {
            findings.extend(missing(evidence, &self.1.conditions));
        }
        findings.extend(scaling::finding(evidence, standing));
        findings
    }
}

/// Says which condition is not true.
fn missing(evidence: &Evidence, conditions: &[Condition]) -> Option<Finding> {
    let missing = conditions.iter().find(|condition| !condition.holds())?;
    Some(
        Finding::new(
            Cause::Workspace,
            format!("KAITO waits: {} is not true", missing.kind),
        )
        .shows(missing.words().lines().next().unwrap_or_default())
        .remedy(
            Who::You,
            "ask about the Workspace of a replica: kaiwo why workspace/NAME",
            Some(format!(
                "kubectl -n {} get workspaces",
                evidence.namespace()
            )),
        ),
    )
}

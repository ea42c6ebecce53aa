//! Counts of an InferenceSet (KAITO v0.12): each replica is a Workspace, which
//! tells more.

use super::{
    Evidence, Finding, KindRules, Metadata, PodLabels, Standing, Status, WorkloadContext, ill,
    lifecycle, rules, with_pods, workspace,
};
use crate::api::keys::WORKSPACE_LABEL;
use crate::api::workload::kaito::{InferenceSetSpec, InferenceSetStatus};
use crate::api::workload::{Details, Workload};
use crate::observe::why::finding::Who;
use crate::observe::why::scaling;
use crate::suggestion::{kaiwo, kubectl};

impl KindRules for (&InferenceSetSpec, &InferenceSetStatus) {
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (wanted, ready) = (self.0.wanted(), self.1.ready_replicas);
        if wanted == 0 {
            return Standing::new(Status::Suspended, "scaled to 0");
        }
        let trouble = ill(known.pods, known);
        let status = match ready {
            // Its word is that of its Workspaces.
            _ if ready >= wanted && trouble.is_none() => return Standing::new(Status::Ready, ""),
            0 => Status::Starting,
            _ => Status::Degraded,
        };
        let waits = || {
            let told = unready(known.workspaces).find_map(|(_, words)| words);
            let told = told.map_or(String::new(), |words| format!(": {words}"));
            format!("{ready} of {wanted} replicas ready{told}")
        };
        Standing::new(status, trouble.unwrap_or_else(waits))
    }

    fn is_untouched(&self) -> bool {
        self.1.ready_replicas == 0 && self.1.conditions.is_empty()
    }

    fn pods_tell(&self, status: Status) -> bool {
        status == Status::Ready
    }

    fn pod_labels(&self, workspaces: &[Metadata]) -> Vec<PodLabels> {
        PodLabels::of_each(WORKSPACE_LABEL, workspaces, |workspace| &workspace.name)
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        if self.0.wanted() == 0 {
            return vec![lifecycle::suspended(evidence)];
        }
        let mut findings = with_pods(Vec::new(), evidence);
        if findings.is_empty() && standing.status != Status::Ready {
            findings.extend(waits(evidence, self.1));
        }
        findings.extend(scaling::finding(evidence, standing));
        findings
    }
}

/// Returns the Workspaces that are not ready, each with what it says of that.
fn unready(workspaces: &[Workload]) -> impl Iterator<Item = (&Workload, Option<String>)> {
    let standings = workspaces.iter().map(|workspace| {
        let standing = rules(workspace).standing(&WorkloadContext::default());
        (workspace, standing)
    });
    let unready = standings.filter(|(_, standing)| standing.status != Status::Ready);
    unready.map(|(workspace, standing)| {
        let words = Some(standing.reason).filter(|words| !words.is_empty());
        (workspace, words)
    })
}

/// Says what KAITO waits for: in the words of the first Workspace that has some,
/// else in its own.
fn waits(evidence: &Evidence, status: &InferenceSetStatus) -> Option<Finding> {
    let namespace = evidence.namespace();
    let own = || {
        Some(
            workspace::missing(&status.conditions)?
                .remedy(
                    Who::You,
                    "list its Workspaces",
                    kubectl("-n {} get workspaces", &[namespace]),
                )
                .remedy(
                    Who::You,
                    "diagnose the Workspace of a replica",
                    kaiwo("why workspace/{NAME} -n {}", &[namespace]),
                ),
        )
    };
    let told = unready(&evidence.snapshot.workspaces).find_map(|(workspace, _)| {
        let Details::Workspace(_, status) = &workspace.details else {
            return None;
        };
        let name = workspace.metadata.name.as_str();
        let finding = workspace::missing(&status.conditions)?;
        Some(finding.shows(format!("workspace/{name}")).remedy(
            Who::You,
            "diagnose this Workspace",
            kaiwo("why workspace/{} -n {}", &[name, namespace]),
        ))
    });
    told.or_else(own)
}

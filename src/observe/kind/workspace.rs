//! Conditions of a Workspace of KAITO v0.12 (`api/v1beta1/condition_types.go`),
//! under their names of v0.1 to v0.12.

use super::{
    Evidence, Finding, KindRules, Metadata, PodLabels, Standing, Status, Timestamp, Workload,
    WorkloadContext, ill, refused, turned, with_pods,
};
use crate::api::condition::{Condition, condition, holds};
use crate::api::keys::WORKSPACE_LABEL;
use crate::api::workload::kaito::WorkspaceStatus;
use crate::observe::upstream::output;
use crate::observe::why::finding::{Cause, Who};
use crate::suggestion::kubectl;

/// Conditions on its way, in the order in which they come true.
const STEPS: [&str; 7] = [
    "MachineReady",
    "NodeClaimReady",
    "NodesReady",
    "ModelMirrorReady",
    "ResourceReady",
    "InferenceReady",
    "JobStarted",
];
/// Conditions that say that all is done.
const GOALS: [&str; 2] = ["WorkspaceSucceeded", "WorkspaceReady"];

impl KindRules for (&Workload, &WorkspaceStatus) {
    /// KAITO's word `Ready` is not enough: a pod that crashes again and again is
    /// behind some of them (KAITO issues 931 and 1493).
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (workload, status) = self;
        let conditions = &status.conditions;
        let of = |kind: &str| condition(conditions, kind);
        let succeeded = GOALS.into_iter().find_map(of);
        let trouble = ill(known.pods, known);
        let trouble = trouble
            .or_else(|| refused(workload, known))
            .unwrap_or_default();
        // KAITO says so of a Job that tunes once one of its pods has been ready.
        let has_run = holds(conditions, "JobStarted").is_some();
        if succeeded.is_some_and(Condition::holds) || status.state == "Succeeded" {
            // A tuning Workspace has this condition, and ends.
            let tunes = of("JobStarted").is_some();
            return match (tunes, trouble) {
                (true, _) => Standing::new(Status::Succeeded, ""),
                (false, trouble) if trouble.is_empty() => Standing::new(Status::Ready, ""),
                (false, trouble) => Standing::new(Status::Degraded, trouble),
            };
        }
        if !trouble.is_empty() {
            let status = match has_run {
                true => Status::Running,
                false => Status::Starting,
            };
            return Standing::new(status, trouble);
        }
        if let Some(failed) = succeeded.filter(|succeeded| {
            matches!(
                succeeded.reason.as_str(),
                "workspaceFailed" | "BenchmarkFailed"
            )
        }) {
            return Standing::new(Status::Failed, output::gist(failed.words()));
        }
        if status.state == "Failed" {
            return Standing::new(Status::Failed, "");
        }
        if has_run {
            return Standing::new(Status::Running, "");
        }
        let mut steps = STEPS.into_iter().filter_map(of);
        let missing = steps.find(|condition| !condition.holds());
        let reason = missing.map_or(String::new(), |missing| {
            format!("{}: {}", missing.kind, output::gist(missing.words()))
        });
        Standing::new(Status::Starting, reason)
    }

    fn is_untouched(&self) -> bool {
        self.1.conditions.is_empty() && self.1.state.is_empty()
    }

    fn pods_tell(&self, status: Status) -> bool {
        status == Status::Ready
    }

    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        vec![PodLabels::one(WORKSPACE_LABEL, &self.0.metadata.name)]
    }

    fn is_over(&self, status: Status) -> bool {
        status == Status::Succeeded
    }

    fn running_since(&self) -> Option<Timestamp> {
        turned(&self.1.conditions, &GOALS)
    }

    fn ended_at(&self) -> Option<Timestamp> {
        turned(&self.1.conditions, &["WorkspaceSucceeded"])
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let mut findings = with_pods(Vec::new(), evidence);
        if !matches!(standing.status, Status::Ready | Status::Running) {
            let metadata = &self.0.metadata;
            findings.extend(missing(&self.1.conditions).map(|finding| {
                finding.remedy(
                    Who::You,
                    "show everything that KAITO reports",
                    kubectl(
                        "-n {} describe workspace {}",
                        &[&metadata.namespace, &metadata.name],
                    ),
                )
            }));
        }
        findings
    }
}

/// Returns how far a Workspace is: its nodes, what runs on them, and the whole,
/// as `True` or `False`; empty before KAITO has said it. The last two are called
/// otherwise for a Workspace that tunes, and before v0.3.1.
pub fn progress(conditions: &[Condition]) -> [&str; 3] {
    [
        &["ResourceReady"][..],
        &["InferenceReady", "JobStarted"],
        &GOALS,
    ]
    .map(|names| {
        let known = names.iter().find_map(|name| condition(conditions, name));
        known.map_or("", |condition| condition.status.as_str())
    })
}

/// Says what KAITO waits for: the first of its conditions that is not true, in
/// the order in which they come true, with the error of its last attempt.
pub(super) fn missing(conditions: &[Condition]) -> Option<Finding> {
    let missing = STEPS
        .into_iter()
        .chain(GOALS)
        .chain(["InferenceSetReady"])
        .filter_map(|kind| condition(conditions, kind))
        .filter(|condition| !condition.holds())
        .collect::<Vec<_>>();
    let first = missing.first()?;
    let finding = Finding::new(
        Cause::Workspace,
        format!("KAITO is waiting: {} is not true", first.kind),
    );
    // The error of the last attempt may be told by another condition.
    let mut words: Vec<&str> = missing.iter().map(|condition| condition.words()).collect();
    words.dedup();
    let finding = words
        .into_iter()
        .take(3)
        .fold(finding, |finding, words| finding.shows(words));
    Some(match first.kind.as_str() {
        "MachineReady" | "NodeClaimReady" | "NodesReady" | "ResourceReady" => finding
            .admin("check the nodes that KAITO requests: the cloud's quota, the instance type")
            .you("choose another --instance-type"),
        _ => finding.nobody("it continues when that is true"),
    })
}

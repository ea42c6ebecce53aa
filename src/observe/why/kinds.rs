//! What each kind of workload says of itself, and its pods of it.

use super::{Cause, Evidence, Finding, Who, pods, scaling};
use crate::api::Readable;
use crate::api::condition::{Condition, condition, holds};
use crate::api::ray::{RayJobStatus, RayServiceStatus};
use crate::api::workload::Details;
use crate::observe::status::{Standing, Status, WORKSPACE_STEPS};

/// Lines of a driver's log that are shown.
const LAST_LINES: usize = 4;

/// Says that a workload is being deleted, and who keeps it.
pub(super) fn deletion(evidence: &Evidence) -> Option<Finding> {
    let metadata = &evidence.snapshot.workload.metadata;
    let deleted = metadata.deletion_timestamp?;
    let seconds = evidence.now.as_second() - deleted.as_second();
    let finding = Finding::new(
        Cause::BeingDeleted,
        format!("it was deleted {seconds} s ago and is not gone yet"),
    );
    let pods = evidence.snapshot.pods().len();
    let finding = match (evidence.finalizers.is_empty(), pods) {
        (true, 0) => finding.nobody("it is gone in a moment"),
        (true, pods) => finding
            .shows(format!("{pods} pods are ending"))
            .nobody("it is gone when they have ended"),
        (false, _) => finding
            .shows(format!("finalizers: {}", evidence.finalizers.join(", ")))
            .nobody("whoever set a finalizer takes it away when all is cleared up")
            .remedy(
                Who::Admin,
                "looks why that does not happen, if it stays",
                Some(format!(
                    "kubectl -n {} get {} -o jsonpath='{{.metadata.finalizers}}'",
                    metadata.namespace,
                    evidence.snapshot.workload.display_name()
                )),
            ),
    };
    Some(finding)
}

/// Returns what keeps a workload that no queue keeps.
pub(super) fn findings(evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
    let workload = &evidence.snapshot.workload;
    let mut findings = Vec::new();
    match &workload.details {
        Details::Job(spec, status) => {
            if let Some(failed) = holds(&status.conditions, "Failed") {
                findings.extend(job_failed(evidence, failed));
                return findings;
            }
            if spec.suspend && standing.status == Status::Suspended {
                findings.push(suspended(evidence, "Job"));
                return findings;
            }
        }
        Details::CronJob(spec, _) if spec.suspend => {
            findings.push(suspended(evidence, "CronJob"));
        }
        Details::CronJob(..) => {}
        Details::RayJob(spec, status) => {
            if standing.status == Status::Failed {
                findings.push(ray_job_failed(evidence, status));
                return findings;
            }
            if spec.suspend && standing.status == Status::Suspended {
                findings.push(suspended(evidence, "RayJob"));
                return findings;
            }
        }
        Details::Deployment(spec, status) => {
            if spec.replicas == Some(0) {
                findings.push(suspended(evidence, "Deployment"));
                return findings;
            }
            let stuck = condition(&status.conditions, "Progressing")
                .filter(|progressing| progressing.status == "False");
            let refused = holds(&status.conditions, "ReplicaFailure");
            findings.extend(refused.map(|refused| refused_pods(evidence, &refused.message)));
            findings.extend(pods::findings(evidence));
            findings.extend(stuck.map(|stuck| rollout_stuck(evidence, stuck)));
            findings.extend(scaling::finding(evidence, standing));
            return findings;
        }
        Details::RayService(_, status) => {
            findings.extend(applications(evidence, status));
        }
        Details::InferenceSet(_, status) => {
            findings.extend(pods::findings(evidence));
            if findings.is_empty() && standing.status != Status::Ready {
                findings.extend(inference_set(evidence, &status.conditions));
            }
            findings.extend(scaling::finding(evidence, standing));
            return findings;
        }
        Details::Workspace(_, status) => {
            findings.extend(pods::findings(evidence));
            if !matches!(standing.status, Status::Ready | Status::Running) {
                findings.extend(workspace(evidence, &status.conditions));
            }
            return findings;
        }
    }
    findings.extend(pods::findings(evidence));
    if findings.is_empty() && evidence.snapshot.pods().is_empty() {
        findings.extend(no_pods(evidence));
    }
    findings
}

/// Says that all is well so far.
pub(super) fn on_its_way(evidence: &Evidence, standing: &Standing) -> Finding {
    let words = match (standing.reason.as_str(), standing.status) {
        ("", Status::Admitted) => "Kueue has admitted it, and its pods are being made",
        ("", _) => "its pods are on their way",
        (words, _) => words,
    };
    let finding = Finding::new(Cause::Starting, words);
    let waiting = evidence
        .snapshot
        .pods()
        .iter()
        .filter(|pod| !pod.is_ready() && !pod.has_ended())
        .take(3)
        .map(|pod| {
            let node = pod
                .node()
                .map_or(String::new(), |node| format!(" on {node}"));
            format!("pod {}: {}{node}", pod.metadata.name, pod.state())
        });
    let finding = waiting.fold(finding, Finding::shows);
    match evidence.snapshot.pods {
        Readable::Forbidden => let_see_pods(finding, evidence),
        Readable::Known(_) => finding.nobody("nothing is wrong so far; ask again in a while"),
    }
}

fn let_see_pods(finding: Finding, evidence: &Evidence) -> Finding {
    finding.remedy(
        Who::Admin,
        "lets you see what is wrong with pods",
        Some(format!(
            "kubectl -n {} create rolebinding viewers --clusterrole view --user <you>",
            evidence.namespace()
        )),
    )
}

fn suspended(evidence: &Evidence, kind: &str) -> Finding {
    let workload = &evidence.snapshot.workload;
    let (namespace, name) = (evidence.namespace(), &workload.metadata.name);
    let (summary, command) = match kind {
        "Deployment" => (
            "it is scaled to 0".to_owned(),
            format!("kubectl -n {namespace} scale deployment {name} --replicas 1"),
        ),
        kind => (
            format!("somebody has suspended it, and no queue takes care of the {kind}"),
            format!(
                "kubectl -n {namespace} patch {} {name} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
                kind.to_lowercase()
            ),
        ),
    };
    Finding::new(Cause::Suspended, summary).remedy(Who::You, "let it go on", Some(command))
}

fn job_failed(evidence: &Evidence, failed: &Condition) -> Vec<Finding> {
    if failed.reason == "DeadlineExceeded" {
        return vec![
            Finding::new(
                Cause::DeadlineExceeded,
                "it ran for longer than its deadline and was stopped",
            )
            .shows(&failed.message)
            .again("with a longer --max-runtime"),
        ];
    }
    let found = pods::findings(evidence);
    if !found.is_empty() {
        return found
            .into_iter()
            .map(|finding| finding.shows(format!("the Job: {}", failed.words())))
            .collect();
    }
    let finding = Finding::new(Cause::Failed, "its pods failed").shows(failed.words());
    vec![match evidence.snapshot.pods {
        Readable::Forbidden => let_see_pods(
            finding.shows("you may not read its pods, which would say more"),
            evidence,
        ),
        Readable::Known(_) => finding.shows("its pods are gone, and with them what they printed"),
    }]
}

/// Reads the exit code and the last lines of a driver (KubeRay v1.6 and Ray
/// v2.50: `Job entrypoint command failed with exit code 1, last available logs
/// (truncated to 20,000 chars):`).
fn ray_job_failed(evidence: &Evidence, status: &RayJobStatus) -> Finding {
    let mut lines = status.message.lines();
    let first = lines.next().unwrap_or_default();
    let code = first
        .split_once("exit code ")
        .map(|(_, rest)| {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            &rest[..end]
        })
        .filter(|code| !code.is_empty());
    let rest: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    let last = &rest[rest.len().saturating_sub(LAST_LINES)..];
    let logs = Some(format!(
        "kaiwo logs {} -n {}",
        evidence.snapshot.workload.display_name(),
        evidence.namespace()
    ));
    let finding = match (code, status.reason.as_str()) {
        (_, "DeadlineExceeded") => {
            return Finding::new(
                Cause::DeadlineExceeded,
                "it ran for longer than its deadline and was stopped",
            )
            .shows(first)
            .again("with a longer --max-runtime");
        }
        (Some(code), _) => Finding::new(
            Cause::DriverFailed,
            format!("its driver ended with exit code {code}"),
        ),
        (None, "") => Finding::new(Cause::DriverFailed, "its driver failed").shows(first),
        (None, reason) => {
            Finding::new(Cause::DriverFailed, format!("its driver failed: {reason}")).shows(first)
        }
    };
    let finding = last
        .iter()
        .fold(finding, |finding, line| finding.shows(format!("| {line}")));
    finding.remedy(Who::You, "read what it says", logs)
}

/// Says which applications of Ray Serve are unwell (`ApplicationStatus` of Ray
/// v2.50).
fn applications(evidence: &Evidence, status: &RayServiceStatus) -> Vec<Finding> {
    let active = &status.active_service_status.application_statuses;
    let upcoming = &status.pending_service_status.application_statuses;
    let active = active.iter().map(|application| (application, None));
    // The cluster that serves goes on meanwhile.
    let upcoming = upcoming
        .iter()
        .map(|application| (application, status.upcoming()));
    let all = active.chain(upcoming);
    all.filter(|((_, application), _)| {
        matches!(application.status.as_str(), "DEPLOY_FAILED" | "UNHEALTHY")
    })
    .map(|((name, application), upcoming)| {
        let finding = Finding::new(
            Cause::ApplicationFailed,
            match application.status.as_str() {
                "UNHEALTHY" => format!("application {name} is unhealthy"),
                _ => format!("application {name} could not be deployed"),
            },
        );
        let lines: Vec<&str> = application
            .message
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        let finding = last
            .iter()
            .fold(finding, |finding, line| finding.shows(format!("| {line}")));
        let finding = match upcoming {
            Some(upcoming) => finding.shows(format!(
                "on cluster {}, which was to take over; {} serves on",
                upcoming.ray_cluster_name, status.active_service_status.ray_cluster_name
            )),
            None => finding,
        };
        finding.remedy(
            Who::You,
            "read what it says",
            Some(format!(
                "kaiwo logs {} -n {}",
                evidence.snapshot.workload.display_name(),
                evidence.namespace()
            )),
        )
    })
    .collect()
}

/// Says what KAITO waits for: the first of its conditions that is not true, in
/// the order in which they come true, with the error of its last attempt
/// (KAITO v0.12, `api/v1beta1/condition_types.go`).
fn workspace(evidence: &Evidence, conditions: &[Condition]) -> Option<Finding> {
    let missing = WORKSPACE_STEPS
        .into_iter()
        .chain(["WorkspaceSucceeded", "WorkspaceReady"])
        .filter_map(|kind| condition(conditions, kind))
        .filter(|condition| !condition.holds())
        .collect::<Vec<_>>();
    let first = missing.first()?;
    let finding = Finding::new(
        Cause::Workspace,
        format!("KAITO waits: {} is not true", first.kind),
    );
    // The error of the last attempt may be told by another condition.
    let mut words: Vec<&str> = missing.iter().map(|condition| condition.words()).collect();
    words.dedup();
    let finding = words.into_iter().take(3).fold(finding, |finding, words| {
        finding.shows(words.lines().next().unwrap_or_default())
    });
    let finding = match first.kind.as_str() {
        "MachineReady" | "NodeClaimReady" | "NodesReady" | "ResourceReady" => finding
            .admin("looks at the nodes that KAITO asks for: quota of the cloud, instance type")
            .you("choose another --instance-type"),
        _ => finding.nobody("it goes on when that is true"),
    };
    let metadata = &evidence.snapshot.workload.metadata;
    Some(finding.remedy(
        Who::You,
        "see all that KAITO says",
        Some(format!(
            "kubectl -n {} describe workspace {}",
            metadata.namespace, metadata.name
        )),
    ))
}

/// Says which condition of an InferenceSet is not true; each of its replicas is
/// a Workspace, which says more.
fn inference_set(evidence: &Evidence, conditions: &[Condition]) -> Option<Finding> {
    let missing = conditions.iter().find(|condition| !condition.holds())?;
    let metadata = &evidence.snapshot.workload.metadata;
    Some(
        Finding::new(
            Cause::Workspace,
            format!("KAITO waits: {} is not true", missing.kind),
        )
        .shows(missing.words().lines().next().unwrap_or_default())
        .remedy(
            Who::You,
            "ask about the Workspace of a replica: kaiwo why workspace/NAME",
            Some(format!("kubectl -n {} get workspaces", metadata.namespace)),
        ),
    )
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

/// Says why there are no pods, which only an event about the workload tells:
/// one that is not older than its start.
fn no_pods(evidence: &Evidence) -> Option<Finding> {
    let workload = &evidence.snapshot.workload;
    let start = match &workload.details {
        Details::Job(_, status) => status.start_time,
        Details::RayJob(_, status) => status.start_time,
        _ => workload.metadata.creation_timestamp,
    };
    let event = evidence
        .events_about(&workload.metadata.uid)
        .filter(|event| event.is_warning() && event.last() >= start)
        .find(|event| {
            event.reason.starts_with("FailedCreate") || event.reason.starts_with("FailedToCreate")
        })?;
    Some(refused_pods(evidence, &event.message))
}

/// Says why the API server refuses pods.
fn refused_pods(evidence: &Evidence, message: &str) -> Finding {
    let namespace = evidence.namespace();
    let account = message
        .split_once("serviceaccount \"")
        .and_then(|(_, rest)| rest.split_once("\" not found"))
        .map(|(name, _)| name);
    let finding =
        Finding::new(Cause::PodsRefused, "the API server refuses its pods").shows(message);
    if let Some(account) = account {
        return finding.remedy(
            Who::You,
            "make the service account; then the pods start by themselves",
            Some(format!(
                "kubectl -n {namespace} create serviceaccount {account}"
            )),
        );
    }
    if message.contains("exceeded quota") {
        return finding
            .remedy(
                Who::You,
                "see what the ResourceQuota allows",
                Some(format!("kubectl -n {namespace} describe resourcequotas")),
            )
            .admin("raises it");
    }
    if message.contains("admission webhook") || message.contains("PodSecurity") {
        return finding.admin("knows the policy that refuses them");
    }
    finding.again("asking for what is allowed")
}

//! Finds what can be said of workloads of any kind: that they are being deleted,
//! are stopped, are on their way, or get no pods.

use k8s_openapi::jiff::Timestamp;

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::pods;
use crate::api::Readable;
use crate::observe::status::{Standing, Status};

/// Lines that are shown of what something printed.
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

/// Adds to a kind's `own` findings those of its pods; if there are none of either,
/// why it has no pods, which only an event not older than `start` tells.
pub(in crate::observe) fn with_pods(
    own: Vec<Finding>,
    evidence: &Evidence,
    start: Option<Timestamp>,
) -> Vec<Finding> {
    let mut findings = own;
    findings.extend(pods::findings(evidence));
    if findings.is_empty() && evidence.snapshot.pods().is_empty() {
        findings.extend(no_pods(evidence, start));
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

/// Says who lets the pods be seen.
pub(in crate::observe) fn let_see_pods(finding: Finding, evidence: &Evidence) -> Finding {
    finding.remedy(
        Who::Admin,
        "lets you see what is wrong with pods",
        Some(format!(
            "kubectl -n {} create rolebinding viewers --clusterrole view --user <you>",
            evidence.namespace()
        )),
    )
}

/// Says that somebody has stopped it, and how it goes on.
pub(in crate::observe) fn suspended(evidence: &Evidence) -> Finding {
    let workload = &evidence.snapshot.workload;
    let (namespace, name) = (evidence.namespace(), &workload.metadata.name);
    let (kind, word) = (workload.kind.name(), workload.kind.word());
    let (summary, command) = match workload.kind.is_batch() {
        false => (
            "it is scaled to 0".to_owned(),
            format!("kubectl -n {namespace} scale {word} {name} --replicas 1"),
        ),
        true => (
            format!("somebody has suspended it, and no queue takes care of the {kind}"),
            format!(
                "kubectl -n {namespace} patch {word} {name} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
            ),
        ),
    };
    Finding::new(Cause::Suspended, summary).remedy(Who::You, "let it go on", Some(command))
}

/// Says that it had more time than it may.
pub(in crate::observe) fn deadline_exceeded(words: &str) -> Finding {
    Finding::new(
        Cause::DeadlineExceeded,
        "it ran for longer than its deadline and was stopped",
    )
    .shows(words)
    .resubmit("with a longer --max-runtime")
}

/// Shows the last lines of what something printed, and where the rest is.
pub(in crate::observe) fn last_lines(finding: Finding, text: &str, evidence: &Evidence) -> Finding {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter();
    let finding = last.fold(finding, |finding, line| finding.shows(format!("| {line}")));
    finding.remedy(
        Who::You,
        "read what it says",
        Some(format!(
            "kaiwo logs {} -n {}",
            evidence.snapshot.workload.display_name(),
            evidence.namespace()
        )),
    )
}

/// Says why there are no pods, by an event about the workload.
fn no_pods(evidence: &Evidence, start: Option<Timestamp>) -> Option<Finding> {
    let event = evidence
        .events_about(&evidence.snapshot.workload.metadata.uid)
        .filter(|event| event.is_warning() && event.last() >= start)
        .find(|event| {
            event.reason.starts_with("FailedCreate") || event.reason.starts_with("FailedToCreate")
        })?;
    Some(refused_pods(evidence, &event.message))
}

/// Says why the API server refuses pods.
pub(in crate::observe) fn refused_pods(evidence: &Evidence, message: &str) -> Finding {
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
    finding.resubmit("asking for what is allowed")
}

//! Finds what can be said of workloads of any kind: that they are being deleted,
//! are stopped, are on their way, or get no pods.

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use super::{node_loss, pods};
use crate::api::Readable;
use crate::kind::Operator;
use crate::names::counted;
use crate::observe::status::{Standing, Status};
use crate::observe::upstream::api_server::Rejection;
use crate::observe::upstream::output;
use crate::suggestion::kubectl;

/// Lines that are shown of what something printed.
const LAST_LINES: usize = 4;

/// Says that a workload is being deleted, and who keeps it.
pub(super) fn deletion(evidence: &Evidence) -> Option<Finding> {
    let metadata = &evidence.snapshot.workload.metadata;
    let deleted = metadata.deletion_timestamp?;
    let seconds = evidence.now.as_second() - deleted.as_second();
    let finding = Finding::new(
        Cause::BeingDeleted,
        format!("it was deleted {seconds} s ago and still exists"),
    );
    let pods = evidence.snapshot.pods().len();
    if let Some(held) = node_loss::held(evidence) {
        return Some(Finding {
            cause: Cause::BeingDeleted,
            ..held
        });
    }
    let finding = match (evidence.finalizers.is_empty(), pods) {
        (true, 0) => finding.nobody("it will be gone in a moment"),
        (true, pods) => finding
            .shows(format!("{} still terminating", counted(pods, "pod")))
            .nobody("it is gone once they have ended"),
        (false, _) => finding
            .shows(format!("finalizers: {}", evidence.finalizers.join(", ")))
            .nobody("the controller that set a finalizer removes it after cleaning up")
            .remedy(
                Who::Admin,
                "if the finalizers stay, find out why",
                kubectl(
                    "-n {} get {} -o jsonpath={}",
                    &[
                        &metadata.namespace,
                        &evidence.snapshot.workload.display_name(),
                        "{.metadata.finalizers}",
                    ],
                ),
            ),
    };
    Some(finding)
}

/// Adds to a kind's `own` findings those of its pods, and why some are missing:
/// the `refusal` of the API server, in the words of whoever is to make them.
pub(in crate::observe) fn with_pods(
    own: Vec<Finding>,
    evidence: &Evidence,
    refusal: Option<String>,
) -> Vec<Finding> {
    let mut findings = own;
    findings.extend(pods::in_trouble(evidence));
    findings.extend(refusal.map(|message| refused_pods(evidence, &message)));
    if findings.is_empty() {
        findings.extend(pods::not_ready(evidence));
        findings.extend(node_loss::held(evidence));
    }
    findings
}

/// Says that all is well so far.
pub(super) fn on_its_way(evidence: &Evidence, standing: &Standing) -> Finding {
    let words = match (standing.reason.as_str(), standing.status) {
        ("", Status::Admitted) => "Kueue has admitted it, and its pods are being created",
        ("", _) => "its pods are starting",
        (words, _) => words,
    };
    let finding = Finding::new(Cause::Starting, words);
    if let Some(cluster) = evidence.snapshot.cluster_name() {
        return finding
            .shows(format!(
                "its pods are in cluster {cluster:?}, and only its status is copied from there"
            ))
            .nobody("nothing is wrong as far as can be seen here; ask again later")
            .remedy(
                Who::You,
                "show more with a context for that cluster",
                evidence
                    .snapshot
                    .workload
                    .command("why {} -n {} --context {CONTEXT}"),
            );
    }
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
        Readable::Known(_) => finding.nobody("nothing is wrong so far; ask again later"),
    }
}

/// Says who lets the pods be seen.
pub(in crate::observe) fn let_see_pods(finding: Finding, evidence: &Evidence) -> Finding {
    finding.remedy(
        Who::Admin,
        "grant you the right to read pods",
        kubectl(
            "-n {} create rolebinding viewers --clusterrole view --user {USER}",
            &[evidence.namespace()],
        ),
    )
}

/// Says that somebody has stopped it, and how it goes on.
pub(in crate::observe) fn suspended(evidence: &Evidence) -> Finding {
    let workload = &evidence.snapshot.workload;
    let (namespace, name) = (evidence.namespace(), &workload.metadata.name);
    let (kind, word) = (workload.kind.name(), workload.kind.word());
    let (summary, text, command) = match workload.kind.is_batch() {
        false => (
            "it is scaled to 0".to_owned(),
            "scale it up",
            kubectl("-n {} scale {} {} --replicas 1", &[namespace, &word, name]),
        ),
        true => (
            format!("it was suspended, and no queue manages the {kind}"),
            "resume it",
            kubectl(
                "-n {} patch {} {} --type merge -p {}",
                &[namespace, &word, name, r#"{"spec":{"suspend":false}}"#],
            ),
        ),
    };
    Finding::new(Cause::Suspended, summary).remedy(Who::You, text, Some(command))
}

/// Reason of what ran for longer than it may.
pub(in crate::observe) const PAST_DEADLINE: &str = "ran for longer than its deadline";

/// Says that it had more time than it may.
pub(in crate::observe) fn deadline_exceeded(words: &str) -> Finding {
    Finding::new(
        Cause::DeadlineExceeded,
        "it ran for longer than its deadline and was stopped",
    )
    .shows(words)
    .resubmit(Anew::With, "a longer --max-runtime")
}

/// Shows the lines of what something printed that say most, and where the rest is.
pub(in crate::observe) fn last_lines(finding: Finding, text: &str, evidence: &Evidence) -> Finding {
    let lines = output::telling(text, LAST_LINES);
    let finding = pods::with_last_words(finding, &lines);
    finding.remedy(
        Who::You,
        "read its logs",
        evidence.snapshot.workload.command("logs {} -n {}"),
    )
}

/// Says why the API server refuses pods.
pub(in crate::observe) fn refused_pods(evidence: &Evidence, message: &str) -> Finding {
    let namespace = evidence.namespace();
    let finding =
        Finding::new(Cause::PodsRefused, "the API server rejects its pods").shows(message);
    match Rejection::read(message) {
        Rejection::ServiceAccount(account) => finding.remedy(
            Who::You,
            "create the service account; the pods then start automatically",
            kubectl("-n {} create serviceaccount {}", &[namespace, account]),
        ),
        Rejection::Quota => finding
            .remedy(
                Who::You,
                "show what the ResourceQuota allows",
                kubectl("-n {} describe resourcequotas", &[namespace]),
            )
            .admin("raise the ResourceQuota"),
        Rejection::Policy => {
            finding.admin("change the policy that rejects them, or grant an exception")
        }
        Rejection::Terminating => finding.remedy(
            Who::You,
            "submit it to another namespace: this one is being deleted",
            kubectl("get namespace {}", &[namespace]),
        ),
        Rejection::Unsized | Rejection::Other => {
            finding.resubmit(Anew::Said, "requesting what is allowed")
        }
    }
}

/// Says that no controller looks at it, and which one should.
pub(super) fn ignored(evidence: &Evidence) -> Finding {
    let workload = &evidence.snapshot.workload;
    let seconds = evidence.snapshot.known().since(evidence.created());
    let who = match workload.kind.descriptor().operator {
        Operator::Kubernetes => "kube-controller-manager",
        Operator::KubeRay => "KubeRay's operator",
        Operator::Kaito => "KAITO's controller",
    };
    Finding::new(
        Cause::ControllerMissing,
        format!("no controller has processed it in {seconds} s: its status is empty"),
    )
    .remedy(
        Who::Admin,
        format!(
            "check that {who} is running and watches namespace {}",
            evidence.namespace()
        ),
        kubectl("get pods -A", &[]),
    )
}

/// Says which address of a service nobody has given.
pub(super) fn without_address(evidence: &Evidence) -> Option<Finding> {
    let mut pending = evidence.pending_addresses.iter();
    let finding = Finding::new(Cause::NoAddress, pending.next()?);
    let namespace = evidence.namespace();
    let finding = pending.fold(finding, |finding, more| finding.shows(more));
    Some(
        finding
            .remedy(
                Who::Admin,
                "install what assigns addresses: a load balancer or an ingress controller",
                kubectl("-n {} get services,ingresses", &[namespace]),
            )
            .remedy(
                Who::You,
                "reach it without one",
                evidence.snapshot.workload.command("port-forward {} -n {}"),
            ),
    )
}

//! Says that a node does not answer, and what becomes of its pods.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who, span};
use crate::api::pod::Pod;
use crate::suggestion::kubectl;

/// Says that the node of a pod does not answer.
pub(super) fn finding(evidence: &Evidence, pod: &Pod, node: &str) -> Finding {
    if evidence.removed_nodes.contains(node) {
        return removed(format!("node {node} was removed from the cluster"));
    }
    let finding = Finding::new(Cause::NodeLost, format!("node {node} is not responding"));
    let finding = match pod.stays_for() {
        Some(stays) => finding.nobody(format!(
            "the pod continues if the node is back in time; Kubernetes deletes it {} after the node was lost",
            span(i64::try_from(stays.as_secs()).unwrap_or(i64::MAX))
        )),
        None => finding.nobody("the pod continues when the node is back"),
    };
    finding.remedy(
        Who::Admin,
        "check what is wrong with the node",
        kubectl("describe node {}", &[node]),
    )
}

/// Says that a node is there no more, as after a spot instance was reclaimed.
fn removed(words: String) -> Finding {
    Finding::new(Cause::NodeLost, words)
        .nobody("Kubernetes deletes its pods in about a minute; others are created then")
}

/// Says that pods were deleted and stay, because nobody ends them on their node:
/// a Job does not replace them before.
pub(super) fn held(evidence: &Evidence) -> Option<Finding> {
    let pods = evidence.snapshot.pods().iter();
    let mut held = pods.filter_map(|pod| Some((pod.held()?, pod.lost_node()?)));
    let (words, node) = held.next()?;
    if evidence.removed_nodes.contains(node) {
        return Some(removed(
            words.replace("is not responding", "was removed from the cluster"),
        ));
    }
    Some(
        Finding::new(Cause::NodeLost, words)
            .nobody("the pod ends when the node is back")
            .remedy(
                Who::Admin,
                "if the node does not come back, remove it; that ends its pods",
                kubectl("delete node {}", &[node]),
            ),
    )
}

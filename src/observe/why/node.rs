//! Explains why no node takes a pod: from the scheduler's words, and where nodes
//! and pods can be read, from what they have and hold.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::node_supply::Supply;
use super::scheduler::SchedulerMessage;
use crate::api::keys::CORDONED_TAINT;
use crate::api::node::{FlavorToleration, Node};
use crate::api::pod::Pod;
use crate::api::vendor::is_gpu_resource;
use crate::plan::request::toleration::untolerated;
use crate::quantity::Quantity;

/// Says why no node takes `pod`, whose condition has these words.
pub(super) fn finding(evidence: &Evidence, pod: &Pod, message: &str) -> Finding {
    if let Some(finding) = claims(evidence, pod, message) {
        return finding;
    }
    let verdict = SchedulerMessage::read(message);
    let words = match verdict.reasons.is_empty() {
        true => message.to_owned(),
        false => {
            let each = verdict
                .reasons
                .iter()
                .map(|(count, why)| format!("{count}: {why}"));
            let each: Vec<String> = each.collect();
            format!("of {} nodes, {}", verdict.nodes, each.join("; "))
        }
    };
    let finding = match evidence.nodes() {
        Some(nodes) => by_nodes(evidence, pod, nodes),
        None => None,
    };
    let finding = finding.unwrap_or_else(|| by_words(evidence, pod, &verdict));
    finding.shows(format!("the scheduler: {words}"))
}

/// Says which claim keeps a pod from being placed.
fn claims(evidence: &Evidence, pod: &Pod, message: &str) -> Option<Finding> {
    let namespace = evidence.namespace();
    let mounts = pod.spec.volumes.iter().filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str())
    });
    let mounts: BTreeSet<&str> = mounts.collect();
    let told_missing = message
        .split_once("persistentvolumeclaim \"")
        .and_then(|(_, rest)| rest.split_once("\" not found"))
        .map(|(name, _)| name);
    let known = |name: &str| evidence.claims.get(name);
    let missing = mounts
        .iter()
        .copied()
        .find(|name| known(name).is_some_and(Option::is_none))
        .or_else(|| told_missing.filter(|name| known(name).is_none()));
    if let Some(name) = missing {
        return Some(
            Finding::new(
                Cause::ClaimMissing,
                format!("there is no PersistentVolumeClaim {name} in namespace {namespace}"),
            )
            .remedy(
                Who::You,
                "make the claim; then the pods start by themselves",
                Some(format!("kubectl -n {namespace} get persistentvolumeclaims")),
            )
            .resubmit("with another --volume"),
        );
    }
    let unbound = mounts
        .iter()
        .copied()
        .find(|name| known(name).is_some_and(|phase| phase.as_deref() != Some("Bound")));
    let told = message.contains("unbound immediate PersistentVolumeClaims");
    // A claim that waits for its first pod is bound only once that has a node.
    if !told {
        return None;
    }
    let name = unbound.map_or("a claim of it".to_owned(), |name| {
        format!("PersistentVolumeClaim {name}")
    });
    let command = unbound
        .map(|name| format!("kubectl -n {namespace} describe persistentvolumeclaims {name}"));
    Some(
        Finding::new(Cause::ClaimUnbound, format!("{name} has no volume yet"))
            .remedy(Who::You, "see what it waits for", command)
            .admin("provides a volume, or the StorageClass that the claim names"),
    )
}

/// Says why from the nodes themselves; nothing where they look well.
fn by_nodes(evidence: &Evidence, pod: &Pod, nodes: &[Node]) -> Option<Finding> {
    let selector = &pod.spec.node_selector;
    let labelled: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.has_labels(selector))
        .collect();
    if labelled.is_empty() {
        return Some(no_labels(evidence, pod, Some(nodes)));
    }
    let tolerations = &pod.spec.tolerations;
    let tolerated = labelled
        .iter()
        .filter(|node| untolerated(&node.spec.taints, &[], tolerations).is_none());
    let open: Vec<&Node> = tolerated.copied().collect();
    if open.is_empty() {
        return Some(tainted(&labelled, tolerations));
    }
    let requests = pod.requests();
    let mut requests: Vec<_> = requests
        .iter()
        .filter(|(_, request)| **request != Quantity::default())
        .collect();
    // GPUs first: what is scarce.
    requests.sort_by_key(|(resource, _)| !is_gpu_resource(resource));
    requests
        .into_iter()
        .find_map(|(resource, request)| Supply::new(evidence, &open, resource, *request).shortage())
}

/// Says that no node has the labels, and who asks for them.
fn no_labels(evidence: &Evidence, pod: &Pod, nodes: Option<&[Node]>) -> Finding {
    let selector = &pod.spec.node_selector;
    let text = |labels: &BTreeMap<String, String>| {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        labels.join(",")
    };
    let flavors: BTreeSet<&str> = evidence
        .snapshot
        .queued()
        .iter()
        .filter_map(|queued| queued.status.admission.as_ref())
        .flat_map(|admission| &admission.pod_set_assignments)
        .flat_map(|set| set.flavors.values())
        .map(String::as_str)
        .collect();
    // Whose nodes are gone altogether.
    let absent = evidence
        .fact(|facts| Some(&facts.flavors))
        .into_iter()
        .flatten()
        .filter(|flavor| flavors.contains(flavor.metadata.name.as_str()))
        .find(|flavor| {
            let labels = &flavor.spec.node_labels;
            !labels.is_empty()
                && nodes.is_some_and(|nodes| !nodes.iter().any(|node| node.has_labels(labels)))
        });
    if let Some(flavor) = absent {
        let labels = text(&flavor.spec.node_labels);
        return Finding::new(
            Cause::FlavorNodesAbsent,
            format!(
                "it was admitted to flavor {}, and the cluster has no node with {labels}",
                flavor.metadata.name
            ),
        )
        .remedy(
            Who::Admin,
            "adds or labels the nodes, or takes the flavor's quota away",
            Some(format!("kubectl get nodes -l {labels}")),
        )
        .resubmit("with another -q QUEUE");
    }
    let finding = Finding::new(
        Cause::NodeSelector,
        match selector.is_empty() {
            true => "no node matches the node affinity of its pods".to_owned(),
            false => format!(
                "no node has the labels that its pods ask for: {}",
                text(&absent_labels(selector, nodes))
            ),
        },
    );
    let finding = match flavors.is_empty() {
        true => finding,
        false => {
            let flavors: Vec<&str> = flavors.into_iter().collect();
            finding.shows(format!(
                "Kueue adds those of the flavor it was admitted to: {}",
                flavors.join(", ")
            ))
        }
    };
    finding.resubmit("with another --node-selector").remedy(
        Who::Admin,
        "labels the nodes",
        Some("kubectl get nodes --show-labels".to_owned()),
    )
}

/// Returns the labels that no node has; all of them if each is somewhere, but
/// nowhere together.
fn absent_labels(
    selector: &BTreeMap<String, String>,
    nodes: Option<&[Node]>,
) -> BTreeMap<String, String> {
    let absent: BTreeMap<String, String> = selector
        .iter()
        .filter(|(key, value)| {
            let is_there = |node: &Node| node.metadata.labels.get(*key) == Some(*value);
            nodes.is_some_and(|nodes| !nodes.iter().any(is_there))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    match absent.is_empty() {
        true => selector.clone(),
        false => absent,
    }
}

/// Says which taints keep the pods away.
fn tainted(nodes: &[&Node], tolerations: &[FlavorToleration]) -> Finding {
    let taints: BTreeSet<String> = nodes
        .iter()
        .filter_map(|node| untolerated(&node.spec.taints, &[], tolerations))
        .collect();
    let taints: Vec<String> = taints.into_iter().collect();
    let mine = taints
        .iter()
        .find(|taint| !taint.starts_with("node.kubernetes.io/"));
    let finding = Finding::new(
        Cause::Taints,
        format!(
            "the {} nodes it may use have taints that its pods do not tolerate",
            nodes.len()
        ),
    )
    .shows(taints.join(", "));
    match mine {
        Some(taint) => finding.resubmit(format!("with --toleration {taint}")),
        None if taints.iter().any(|taint| taint.starts_with(CORDONED_TAINT)) => {
            finding.admin("has cordoned them, and uncordons them: kubectl uncordon NODE")
        }
        None => finding.admin("looks at the nodes: they are not well"),
    }
}

/// Says why from the scheduler's words alone.
fn by_words(evidence: &Evidence, pod: &Pod, verdict: &SchedulerMessage) -> Finding {
    let unmatched = verdict.nodes_with("node affinity/selector");
    let tainted = verdict.nodes_with("untolerated taint");
    let cordoned = verdict.nodes_with("unschedulable");
    let insufficient = verdict.insufficient();
    if verdict.nodes > 0 && unmatched == verdict.nodes {
        return no_labels(evidence, pod, None);
    }
    if let Some(resource) = insufficient.first() {
        let request = pod.requests().get(*resource).copied().unwrap_or_default();
        let nodes = verdict.nodes_with("Insufficient");
        return Finding::new(
            Cause::NodesFull,
            format!("a pod needs {request} {resource} on one node, and none of the {nodes} nodes it may use has so many free"),
        )
        .nobody("it starts when a node has enough free")
        .resubmit("in smaller pods: --gpus-per-node");
    }
    if tainted > 0 {
        let taint = verdict
            .reasons
            .iter()
            .find_map(|(_, why)| why.split_once("untolerated taint"))
            .map(|(_, taint)| taint.trim())
            // Newer schedulers do not say which.
            .filter(|taint| taint.starts_with('{'))
            .unwrap_or_default();
        return Finding::new(
            Cause::Taints,
            format!("{tainted} nodes have taints that its pods do not tolerate"),
        )
        .shows(taint)
        .resubmit("with --toleration KEY=VALUE:EFFECT");
    }
    if cordoned > 0 {
        return Finding::new(Cause::Taints, format!("{cordoned} nodes are cordoned"))
            .admin("uncordons them");
    }
    Finding::new(Cause::Unschedulable, "no node takes its pods")
}

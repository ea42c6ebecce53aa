//! Explains why no node takes a pod: from the scheduler's words, and where nodes
//! and pods can be read, from what they have and hold.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use super::node_supply::Supply;
use crate::api::keys::{self, CORDONED_TAINT};
use crate::api::node::{FlavorToleration, Node};
use crate::api::pod::Pod;
use crate::api::vendor::is_gpu_resource;
use crate::observe::upstream::scheduler::{self, SchedulerMessage};
use crate::plan::gang::{self, GangShortfall, Group};
use crate::plan::request::sizes::Sizes;
use crate::plan::request::toleration::untolerated;
use crate::plan::sizes::{Dimension, Role};
use crate::quantity::Quantity;
use crate::suggestion::kubectl;

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
            match verdict.nodes {
                1 => format!("of 1 node, {}", each.join("; ")),
                nodes => format!("of {nodes} nodes, {}", each.join("; ")),
            }
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
    let mounts: BTreeSet<String> = pod.claims().collect();
    // Those of ephemeral volumes are made for the pod.
    let is_made = |name: &str| name.starts_with(&format!("{}-", pod.name()));
    let told_missing = scheduler::missing_claim(message);
    let known = |name: &str| evidence.claims.get(name);
    let missing = mounts
        .iter()
        .map(String::as_str)
        .find(|name| !is_made(name) && known(name).is_some_and(Option::is_none))
        .or_else(|| told_missing.filter(|name| !is_made(name) && known(name).is_none()));
    if let Some(name) = missing {
        return Some(
            Finding::new(
                Cause::ClaimMissing,
                format!("PersistentVolumeClaim {name} does not exist in namespace {namespace}"),
            )
            .remedy(
                Who::You,
                "create the claim; the pods then start automatically",
                kubectl("-n {} get persistentvolumeclaims", &[namespace]),
            )
            .resubmit(Anew::With, "another --volume"),
        );
    }
    if message.contains(ONE_POD) {
        return Some(claim_in_use(evidence, &mounts));
    }
    // A claim that waits for its first pod is bound only once that has a node.
    if !scheduler::has_unbound_claims(message) {
        return None;
    }
    let unbound = mounts.iter().find_map(|name| {
        let claim = known(name)?.as_ref();
        claim.filter(|claim| !claim.is_bound).map(|it| (name, it))
    });
    let Some((name, claim)) = unbound else {
        let summary = "one of its claims has no volume yet";
        return Some(
            Finding::new(Cause::ClaimUnbound, summary)
                .remedy(
                    Who::You,
                    "show what its claims are waiting for",
                    kubectl("-n {} get persistentvolumeclaims", &[namespace]),
                )
                .admin("provide a volume, or the StorageClass that the claim names"),
        );
    };
    let summary = format!("PersistentVolumeClaim {name} has no volume yet");
    let finding = Finding::new(Cause::ClaimUnbound, summary);
    let describe = kubectl(
        "-n {} describe persistentvolumeclaims {}",
        &[namespace, name],
    );
    Some(match &claim.class {
        Some(class) if claim.lacks_class => {
            let missing = format!("it names StorageClass {class}, which does not exist");
            let classes = kubectl("get storageclasses", &[]);
            let finding = finding.shows(missing);
            let finding = finding.remedy(Who::You, "list those that exist", classes);
            match is_made(name) {
                true => finding.resubmit(Anew::With, "another --storage SIZE,CLASS"),
                false => finding.resubmit(Anew::With, "another --volume"),
            }
            .admin(format!("create StorageClass {class}"))
        }
        class => {
            let named = class.as_ref();
            let named = named.map(|class| format!("its StorageClass is {class}"));
            finding
                .shows(named.unwrap_or_default())
                .remedy(Who::You, "show what it is waiting for", Some(describe))
                .admin("provide a volume, or the StorageClass that the claim names")
        }
    })
}

/// What the scheduler says of a claim that another pod has (kube-scheduler v1.36,
/// `volume_restrictions.go`).
const ONE_POD: &str = "ReadWriteOncePod access mode";

/// Says which claim only one pod may mount, and which pod of the workload has it.
fn claim_in_use(evidence: &Evidence, mounts: &BTreeSet<String>) -> Finding {
    let of_one_pod = |name: &&String| {
        let claim = evidence.claims.get(*name).and_then(Option::as_ref);
        claim.is_some_and(|claim| claim.is_of_one_pod)
    };
    let only = mounts.first().filter(|_| mounts.len() == 1);
    let name = mounts.iter().find(of_one_pod).or(only);
    let name = name.map_or("", String::as_str);
    let holds = |pod: &&Pod| {
        let mut volumes = pod.spec.volumes.iter();
        pod.node().is_some()
            && volumes.any(|volume| {
                let claim = volume.persistent_volume_claim.as_ref();
                claim.is_some_and(|claim| claim.claim_name == name)
            })
    };
    let namespace = evidence.namespace();
    let own = evidence.snapshot.pods().iter().find(holds);
    let shown = match name {
        "" => "one of its claims".to_owned(),
        name => format!("PersistentVolumeClaim {name}"),
    };
    let finding = Finding::new(
        Cause::ClaimInUse,
        format!(
            "only one pod at a time can mount {shown} (ReadWriteOncePod), and another pod has it"
        ),
    );
    let finding = match own {
        Some(pod) => finding
            .shows(format!("its pod {} has the claim", pod.metadata.name))
            .resubmit(
                Anew::Said,
                "as one pod, or with a claim that is ReadWriteMany",
            ),
        None => finding
            .nobody("it starts once that pod has ended")
            .resubmit(Anew::With, "another --volume"),
    };
    let command = match name {
        "" => kubectl("-n {} get persistentvolumeclaims", &[namespace]),
        name => kubectl(
            "-n {} describe persistentvolumeclaims {}",
            &[namespace, name],
        ),
    };
    finding.remedy(Who::You, "show who uses it", Some(command))
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
    if let Some(misfit) = misfit(evidence, pod, nodes) {
        let cause = match misfit {
            GangShortfall::TooMany { .. } => Cause::NodesTooFew,
            _ => Cause::NodesTooSmall,
        };
        let (anew, less) = match misfit.flags() {
            Some(flags) => (Anew::With, flags),
            None => (Anew::Said, "requesting less".to_owned()),
        };
        let finding = Finding::new(cause, misfit.to_string());
        return Some(finding.resubmit(anew, less).admin("add such nodes"));
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

/// Says why the nodes would not hold the pod, or all pods of the workload at once,
/// were they empty.
fn misfit(evidence: &Evidence, pod: &Pod, nodes: &[Node]) -> Option<GangShortfall> {
    let group = |pod: &Pod, count: i64| Group {
        count,
        role: role(pod),
        requests: pod.requests(),
        nodes: nodes
            .iter()
            .filter(|node| {
                node.has_labels(&pod.spec.node_selector)
                    && untolerated(&node.spec.taints, &[], &pod.spec.tolerations).is_none()
            })
            .collect(),
    };
    if let Some(misfit) = gang::misfit(&[group(pod, 1)]) {
        return Some(misfit);
    }
    let all = evidence.snapshot.pods().iter();
    let mut alike: Vec<(&Pod, i64)> = Vec::new();
    for pod in all.filter(|pod| !pod.has_ended() && !pod.is_terminating()) {
        let known = alike.iter_mut().find(|(known, _)| {
            known.spec.node_selector == pod.spec.node_selector
                && known.spec.tolerations == pod.spec.tolerations
                && known.requests() == pod.requests()
        });
        match known {
            Some((_, count)) => *count += 1,
            None => alike.push((pod, 1)),
        }
    }
    let groups: Vec<Group> = alike
        .into_iter()
        .map(|(pod, count)| group(pod, count))
        .collect();
    // What runs has a place, wherever that is.
    gang::misfit(&groups).filter(|misfit| *misfit != GangShortfall::NoNodes)
}

/// Returns what a pod is for; of its size nothing is known but what it has.
fn role(pod: &Pod) -> Role {
    match pod.metadata.label(keys::RAY_NODE_TYPE_LABEL) {
        Some("head") => Role::Head,
        _ => Role::Worker(Sizes::default()),
    }
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
                "it was admitted to flavor {}, but the cluster has no node with {labels}",
                flavor.metadata.name
            ),
        )
        .remedy(
            Who::Admin,
            "add or label the nodes, or remove the flavor's quota",
            kubectl("get nodes -l {}", &[&labels]),
        )
        .resubmit(Anew::Queue, "another -q QUEUE");
    }
    let finding = Finding::new(
        Cause::NodeSelector,
        match selector.is_empty() {
            true => "no node matches the node affinity of its pods".to_owned(),
            false => format!(
                "no node has the labels that its pods require: {}",
                text(&absent_labels(selector, nodes))
            ),
        },
    );
    let finding = match flavors.is_empty() {
        true => finding,
        false => {
            let flavors: Vec<&str> = flavors.into_iter().collect();
            finding.shows(format!(
                "added by Kueue for the flavor it was admitted to: {}",
                flavors.join(", ")
            ))
        }
    };
    finding
        .resubmit(Anew::With, "another --node-selector")
        .remedy(
            Who::Admin,
            "label the nodes",
            kubectl("get nodes --show-labels", &[]),
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

/// Says which taints keep the pods away. A cordon is one, and has a name of its own.
fn tainted(nodes: &[&Node], tolerations: &[FlavorToleration]) -> Finding {
    let is_cordon = |taint: &String| taint.starts_with(CORDONED_TAINT);
    let (mut cordoned, mut taints) = (Vec::new(), BTreeSet::new());
    for node in nodes {
        match untolerated(&node.spec.taints, &[], tolerations) {
            Some(taint) if is_cordon(&taint) => cordoned.push(node.metadata.name.as_str()),
            Some(taint) => _ = taints.insert(taint),
            None => {}
        }
    }
    let only = match nodes.len() {
        1 => "the only node it can use".to_owned(),
        many => format!("the {many} nodes it can use"),
    };
    if taints.is_empty() {
        let verb = if nodes.len() == 1 { "is" } else { "are" };
        return Finding::new(Cause::Taints, format!("{only} {verb} cordoned")).remedy(
            Who::Admin,
            "uncordon the nodes after their maintenance",
            kubectl("uncordon", &[]).args(cordoned),
        );
    }
    let mine = taints
        .iter()
        .find(|taint| !taint.starts_with("node.kubernetes.io/"))
        .map(|taint| format!("--toleration {taint}"));
    let mut shown: Vec<String> = taints.into_iter().collect();
    if !cordoned.is_empty() {
        shown.push(format!("cordoned: {}", cordoned.join(", ")));
    }
    let finding = match nodes.len() {
        1 => format!("{only} has taints that its pods do not tolerate"),
        _ if cordoned.is_empty() => format!("{only} have taints that its pods do not tolerate"),
        _ => format!("{only} have taints that its pods do not tolerate, or are cordoned"),
    };
    let finding = Finding::new(Cause::Taints, finding).shows(shown.join("; "));
    match mine {
        Some(flag) => finding.resubmit(Anew::With, flag),
        None => finding.admin("check why the nodes are unhealthy"),
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
    if !insufficient.is_empty() {
        let requests = pod.requests();
        let needs = insufficient.iter().map(|resource| {
            let request = requests.get(*resource).copied().unwrap_or_default();
            format!("{} {resource}", request.shown(resource))
        });
        let flags = insufficient.iter().filter_map(|resource| {
            let of_size = Dimension::named(resource);
            let of_size = of_size.and_then(|it| role(pod).flag(it, pod.gpus()));
            let of_size = of_size.map(|(flag, _)| flag);
            of_size.or_else(|| is_gpu_resource(resource).then_some("--gpus-per-node"))
        });
        let (needs, flags): (Vec<String>, Vec<&str>) = (needs.collect(), flags.collect());
        let nodes = verdict.nodes_with("Insufficient");
        let finding = Finding::new(
            Cause::NodesFull,
            match nodes {
                1 => format!("a pod needs {}, but the only node it can use does not have that much free", needs.join(" and ")),
                _ => format!("a pod needs {} on one node, but none of the {nodes} nodes it can use has that much free", needs.join(" and ")),
            },
        )
        .nobody("it starts once a node has enough free");
        return finding.resubmit(
            Anew::Said,
            match flags.is_empty() {
                true => "requesting less".to_owned(),
                false => format!("in smaller pods, with a smaller {}", flags.join(" or ")),
            },
        );
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
            match tainted {
                1 => "1 node has taints that its pods do not tolerate".to_owned(),
                _ => format!("{tainted} nodes have taints that its pods do not tolerate"),
            },
        )
        .shows(taint)
        .resubmit(Anew::With, "--toleration KEY=VALUE:EFFECT");
    }
    if cordoned > 0 {
        let cordoned = match cordoned {
            1 => "1 node is cordoned".to_owned(),
            many => format!("{many} nodes are cordoned"),
        };
        return Finding::new(Cause::Taints, cordoned).admin("uncordon them");
    }
    Finding::new(Cause::Unschedulable, "no node accepts its pods")
}

//! Explains why pods cannot be placed as close together as they ask to be: which racks
//! there are, what each has room for, and whether any could ever hold them.
//!
//! Kueue v0.19 says "not now" and "never" in the same words, and names no rack.

use crate::api::Readable;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::vendor::is_gpu_resource;
use crate::names::counted;
use crate::observe::upstream::kueue::QuotaBlocker;
use crate::observe::why::evidence::Evidence;
use crate::observe::why::finding::{Anew, Cause, Finding};
use crate::observe::why::quota_contention::cluster_queue;
use crate::plan::kueue::placement::PodSet;
use crate::plan::kueue::topology::domains::{self, Domains, word};

/// Domains that are shown; the others are counted.
const SHOWN: usize = 6;

/// Says why a workload has no place in the topology of its queue.
pub(in crate::observe::why) fn placement(
    evidence: &Evidence,
    own: &KueueWorkload,
    quota_blockers: &[QuotaBlocker],
) -> Finding {
    let said: Vec<&str> = quota_blockers
        .iter()
        .filter_map(|blocker| match blocker {
            QuotaBlocker::Topology(words) => Some(words.as_str()),
            _ => None,
        })
        .collect();
    let mut sets = own.spec.pod_sets.iter();
    let asks = sets.find_map(|set| Some((set, set.topology_request.as_ref()?.level()?)));
    let Some((set, (label, required))) = asks else {
        let finding = Finding::new(
            Cause::TopologyPlacement,
            "quota is free, but no node of the topology has room for its pods",
        );
        return finish(
            said.iter().fold(finding, |finding, it| finding.shows(*it)),
            "",
        );
    };
    let pods = PodSet::of_queued(set);
    match nearest_domains(evidence, own, &pods, label) {
        Some(domains) if !domains.domains.is_empty() => seen(&domains, required, &said),
        Some(_) => finish(
            Finding::new(
                Cause::TopologyTooSmall,
                format!(
                    "no node of its flavor has a {}: no node that fits its pods has the label {label}",
                    word(label)
                ),
            ),
            word(label),
        ),
        None => unseen(label, pods.count, &said),
    }
}

/// Counts for the flavor that comes nearest; nothing where that cannot be seen.
fn nearest_domains(
    evidence: &Evidence,
    own: &KueueWorkload,
    pods: &PodSet,
    label: &str,
) -> Option<Domains> {
    let facts = evidence.facts.as_ref()?;
    let queue = cluster_queue(evidence, own)?;
    let mut resources = pods.requests.keys();
    let gpus = resources.find(|resource| is_gpu_resource(resource));
    let mut facts = facts.clone();
    facts.occupation = evidence.occupation.clone().map(Readable::Known);
    let found = domains::of_queue(queue, gpus.map(String::as_str), pods, label, &facts);
    found.into_iter().max_by_key(Domains::most)
}

/// Says what each domain has room for. What is only preferred may be spread over several.
fn seen(found: &Domains, required: bool, said: &[&str]) -> Finding {
    let (word, pods) = (found.word(), found.pods);
    let its = format!("its {}", counted(pods, "pod"));
    let now = || found.domains.iter().filter_map(|domain| domain.now);
    let is_known = now().next().is_some();
    let (most, room) = match required {
        true => (found.most(), now().max()),
        false => (found.total(), is_known.then(|| now().sum())),
    };
    let is_never = most < pods;
    let (cause, summary) = match (is_never, required, room) {
        (true, true, _) => (
            Cause::TopologyTooSmall,
            format!("no {word} can ever hold {its}: the largest holds {most} when empty"),
        ),
        (true, false, _) => (
            Cause::TopologyTooSmall,
            format!("all {word}s together cannot hold {its}: they hold {most} when empty"),
        ),
        (false, true, Some(room)) => (
            Cause::TopologyPlacement,
            format!("no {word} has room for {its} now: at most {room} would fit"),
        ),
        (false, false, Some(room)) => (
            Cause::TopologyPlacement,
            format!("the {word}s have no room for {its} now: only {room} would fit"),
        ),
        (false, _, None) => (
            Cause::TopologyPlacement,
            format!("no {word} has room for {its} now"),
        ),
    };
    let mut finding = Finding::new(cause, summary);
    for domain in found.domains.iter().take(SHOWN) {
        finding = finding.shows(domain.line(word, pods));
    }
    if found.domains.len() > SHOWN {
        finding = finding.shows(format!("and {} more", found.domains.len() - SHOWN));
    }
    for words in said {
        finding = finding.shows(*words);
    }
    match is_never {
        true => finish(finding, word),
        false => finding
            .nobody("it starts once enough is free")
            .resubmit(Anew::With, "fewer GPUs, or a wider --topology"),
    }
}

/// Says that the racks cannot be seen, and what would show them.
fn unseen(label: &str, pods: i64, said: &[&str]) -> Finding {
    let word = word(label);
    let finding = Finding::new(
        Cause::TopologyPlacement,
        format!(
            "quota is free, but no {word} has room for its {}",
            counted(pods, "pod")
        ),
    );
    said.iter()
        .fold(finding, |finding, words| finding.shows(*words))
        .shows("Kueue's message is the same whether or not that can change")
        .nobody(format!("it starts once enough is free in one {word}, if one is large enough"))
        .resubmit(Anew::With, "fewer GPUs, or a wider --topology")
        .admin(
            "grant you the rights to list nodes, topologies and resourceflavors (role kaiwo-queues), which show what each has",
        )
}

/// Adds what changes something where no waiting does.
fn finish(finding: Finding, word: &str) -> Finding {
    let finding = finding.resubmit(Anew::With, "fewer GPUs, or a wider --topology");
    match word {
        "" => finding.nobody("it starts once enough is free"),
        word => finding.admin(format!("add nodes to a {word}, with its label")),
    }
}

//! Finds which GPUs a queue hands out, how many of them one node holds, and
//! which of the queue's flavors the pods must land on.

use std::collections::BTreeMap;

use super::capacity::{QueueCapacity, flavors_with};
use super::cohort::FlavorResource;
use super::placement::PodSet;
use super::queue::QueueChoice;
use crate::api::Readable;
use crate::api::queue::ResourceFlavor;
use crate::api::vendor::count_label;
use crate::api::vendor::is_gpu_resource;
use crate::plan::Refusal;
use crate::plan::facts::ClusterFacts;
use crate::plan::gpu::{GpuLayout, GpuRequest};
use crate::quantity::Quantity;

/// Finds the extended resource that the queue hands out. One that it covers
/// and could never give any of, it does not hand out: where flavors of several
/// vendors share a resource group, each has a quota of 0 for the others'.
///
/// # Errors
/// [`Refusal`] if it hands out several, and the user must choose.
pub fn detect_resource(
    choice: &QueueChoice,
    facts: &ClusterFacts,
) -> Result<Option<String>, Refusal> {
    let room = choice
        .cluster_queue
        .as_ref()
        .map(|queue| QueueCapacity::new(queue, facts));
    let covered = room.iter().flat_map(handed_out);
    // Who cannot see the quotas goes by what the LocalQueue counts.
    let counted = choice.resources.iter().filter(|_| room.is_none());
    let mut found: Vec<&String> = covered
        .chain(counted)
        .filter(|resource| is_gpu_resource(resource))
        .collect();
    found.sort();
    found.dedup();
    match found[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        _ => {
            let names: Vec<String> = found
                .iter()
                .map(|name| format!("--gpu-resource {name}"))
                .collect();
            Err(Refusal::new(format!(
                "queue {:?} provides several kinds of GPU",
                choice.local_queue
            ))
            .about(format!("localqueue/{}", choice.local_queue))
            .hint(format!("choose one: {}", names.join(" or "))))
        }
    }
}

/// Returns what the queue covers and could ever give.
pub fn handed_out<'a>(room: &'a QueueCapacity<'a>) -> impl Iterator<Item = &'a String> {
    let groups = room.queue.spec.resource_groups.iter();
    let resources = groups.flat_map(|group| &group.covered_resources);
    resources.filter(|resource| {
        flavors_with(room.queue, resource).any(|flavor| gives(room, &flavor.name, resource))
    })
}

/// Returns whether the queue could ever get any of `resource` in a flavor.
fn gives(room: &QueueCapacity, flavor: &str, resource: &str) -> bool {
    let most = room.quotas.most(FlavorResource { flavor, resource });
    most.is_none_or(|most| most > Quantity::default())
}

/// One flavor of a queue, seen from a GPU resource.
#[derive(Debug, Clone, PartialEq)]
pub struct FlavorOption {
    /// The ResourceFlavor.
    pub flavor: String,
    /// GPUs on one of its nodes, where that is known.
    pub per_node: Option<i64>,
    /// Whether it is known of today's nodes alone, and of no label.
    pub is_seen: bool,
    /// Node labels that select this flavor among others.
    pub node_labels: BTreeMap<String, String>,
}

/// Lists the flavors that offer `resource` to pods like `pods`.
///
/// # Errors
/// [`Refusal`] if the queue has such flavors and none of them takes the pods;
/// with `force` these are listed then.
pub fn offers(
    room: &QueueCapacity,
    resource: &str,
    label_key: Option<&str>,
    pods: &PodSet,
    force: bool,
) -> Result<Vec<FlavorOption>, Refusal> {
    let (mut offers, mut shut, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for quotas in flavors_with(room.queue, resource) {
        let flavor = &quotas.name;
        if !gives(room, flavor, resource) {
            continue;
        }
        let offer = offer(flavor, room.facts, resource, label_key);
        match pods.closed_to(flavor, room.facts) {
            Some(reason) => {
                shut.push(offer);
                reasons.push(reason);
            }
            None => offers.push(offer),
        }
    }
    match (offers.is_empty(), shut.is_empty(), force) {
        (true, false, false) => Err(room.closed(&reasons)),
        (true, false, true) => Ok(shut),
        _ => Ok(offers),
    }
}

fn offer(
    name: &str,
    facts: &ClusterFacts,
    resource: &str,
    label_key: Option<&str>,
) -> FlavorOption {
    let known = facts.flavors.known().map_or(&[][..], Vec::as_slice);
    let flavor = known.iter().find(|flavor| flavor.metadata.name == name);
    let labels = flavor
        .map(|flavor| flavor.spec.node_labels.clone())
        .unwrap_or_default();
    let key = label_key
        .map(str::to_owned)
        .or_else(|| count_label(resource));
    let counted = key.and_then(|key| {
        let count = labels.get(&key)?.parse::<i64>().ok()?;
        Some((key, count))
    });
    let per_node = match &counted {
        Some((_, count)) => Some(*count),
        None => flavor.and_then(|_| on_nodes(facts, resource, &labels)),
    };
    let is_seen = counted.is_none();
    // The count label alone is enough to keep pods off smaller nodes, and
    // says why they are pinned.
    let node_labels = match counted {
        Some((key, count)) => BTreeMap::from([(key, count.to_string())]),
        None => labels,
    };
    FlavorOption {
        flavor: name.to_owned(),
        per_node,
        is_seen,
        node_labels,
    }
}

/// Returns the GPUs of the largest node with these labels, if nodes are known.
pub fn on_nodes(
    facts: &ClusterFacts,
    resource: &str,
    labels: &BTreeMap<String, String>,
) -> Option<i64> {
    let nodes = facts.nodes.as_ref().and_then(Readable::known)?;
    nodes
        .iter()
        .filter(|node| node.has_labels(labels))
        .filter_map(|node| node.status.allocatable.get(resource))
        .map(|count| count.whole())
        .filter(|count| *count > 0)
        .max()
}

/// Returns the GPUs of the largest node that flavors with these labels tell of.
pub fn on_flavors(
    facts: &ClusterFacts,
    resource: &str,
    label_key: Option<&str>,
    labels: &BTreeMap<String, String>,
) -> Option<i64> {
    let contradicts = |flavor: &&ResourceFlavor| {
        labels.iter().any(|(key, value)| {
            let of_nodes = flavor.spec.node_labels.get(key);
            of_nodes.is_some_and(|of_nodes| of_nodes != value)
        })
    };
    let flavors = facts.flavors.known()?.iter();
    flavors
        .filter(|flavor| !contradicts(flavor))
        .filter_map(|flavor| offer(&flavor.metadata.name, facts, resource, label_key).per_node)
        .filter(|count| *count > 0)
        .max()
}

/// The split of a workload over the nodes of one flavor.
#[derive(Debug, Clone, PartialEq)]
pub struct FlavorSplit {
    /// Pods, and GPUs of each.
    pub layout: GpuLayout,
    /// Labels the pods must find on their node, so that they stay off nodes
    /// too small for them.
    pub node_selector: BTreeMap<String, String>,
    /// Flavors that can hold one pod; empty where flavors are unknown.
    pub flavors: Vec<String>,
}

/// Splits `request` over the queue's flavors, on the largest nodes first, and
/// takes the first split for which `fits` finds room.
///
/// # Errors
/// [`Refusal`] if the size of a node is needed and unknown, if no size
/// allows an even split, or, without `force`, if `fits` refuses each.
pub fn shape(
    request: &GpuRequest,
    stated_per_node: Option<i64>,
    offers: &[FlavorOption],
    fallback_per_node: Option<i64>,
    force: bool,
    fits: impl Fn(GpuLayout, &FlavorOption) -> Result<(), Refusal>,
) -> Result<FlavorSplit, Refusal> {
    let mut refused = None;
    let mut forced = None;
    for size in node_sizes(request, stated_per_node, offers, fallback_per_node)? {
        let layout = match request.split(size) {
            Ok(layout) => layout,
            Err(refusal) => {
                refused.get_or_insert(refusal);
                continue;
            }
        };
        let mut candidates = Candidates::new(offers, layout, stated_per_node.is_some());
        if let Some(refusal) = candidates.drop_unpinnable() {
            refused.get_or_insert(refusal);
        }
        let mut fitting = Vec::new();
        for offer in &candidates.offers {
            match fits(layout, offer) {
                Ok(()) => fitting.push(*offer),
                Err(refusal) => _ = refused.get_or_insert(refusal),
            }
        }
        if !fitting.is_empty() || offers.is_empty() {
            return Ok(candidates.shape(&fitting));
        }
        if !candidates.offers.is_empty() {
            forced.get_or_insert_with(|| candidates.shape(&candidates.offers));
        }
    }
    match (force, forced) {
        (true, Some(shape)) => Ok(shape),
        _ => Err(refused.unwrap_or_else(|| Refusal::new("no flavor of the queue has these GPUs"))),
    }
}

/// Returns how many GPUs a node may have, the most first: what the user says,
/// else what the offers say.
fn node_sizes(
    request: &GpuRequest,
    stated: Option<i64>,
    offers: &[FlavorOption],
    fallback: Option<i64>,
) -> Result<Vec<i64>, Refusal> {
    match stated {
        Some(stated) if stated < 1 => {
            return Err(Refusal::new(format!(
                "invalid --gpus-per-node {stated}: must be 1 or more"
            ))
            .hint("try --gpus-per-node 8"));
        }
        Some(stated) => return Ok(vec![stated]),
        None => {}
    }
    let offered = offers.iter().filter_map(|offer| offer.per_node);
    let mut sizes: Vec<i64> = offered.chain(fallback).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    match sizes.is_empty() {
        true if request.needs_node_size() => Err(Refusal::new("cannot determine how many GPUs a node has: no flavor or node shows it, or you may not read them")
            .hint("set it with --gpus-per-node 8, or gpusPerNode in ~/.config/kaiwo/config.yaml")),
        true => Ok(vec![1]),
        false => Ok(sizes),
    }
}

/// The offers whose nodes hold a pod of a layout, and those whose do not.
struct Candidates<'a> {
    layout: GpuLayout,
    offers: Vec<&'a FlavorOption>,
    too_small: Vec<&'a FlavorOption>,
}

impl<'a> Candidates<'a> {
    fn new(offers: &'a [FlavorOption], layout: GpuLayout, is_stated: bool) -> Self {
        let holds = |offer: &&FlavorOption| {
            let per_node = offer.per_node;
            per_node.is_none_or(|count| count >= layout.gpus_per_replica)
        };
        let (large, small): (Vec<_>, Vec<_>) = offers.iter().partition(holds);
        let (offers, too_small) = match large.is_empty() && is_stated {
            // The user knows better than the labels.
            true => (small, Vec::new()),
            false => (large, small),
        };
        Self {
            layout,
            offers,
            too_small,
        }
    }

    /// Drops what has no labels, without which nothing can keep the pods off
    /// the smaller nodes, and returns the refusal that tells of it.
    fn drop_unpinnable(&mut self) -> Option<Refusal> {
        let small = self.too_small.first()?;
        let bare = self
            .offers
            .iter()
            .find(|offer| offer.node_labels.is_empty())?;
        let refusal = cannot_pin(bare, small);
        self.offers.retain(|offer| !offer.node_labels.is_empty());
        Some(refusal)
    }

    /// Returns the layout on those of the candidates that are `chosen`.
    fn shape(&self, chosen: &[&FlavorOption]) -> FlavorSplit {
        // Kueue picks the flavor by quota alone; a pod on a flavor whose
        // nodes are too small would be admitted and wait for ever.
        let pin = chosen
            .first()
            .filter(|_| !self.too_small.is_empty())
            .map(|offer| &offer.node_labels);
        FlavorSplit {
            layout: self.layout,
            node_selector: pin.cloned().unwrap_or_default(),
            flavors: chosen
                .iter()
                .filter(|offer| pin.is_none_or(|labels| offer.node_labels == *labels))
                .map(|offer| offer.flavor.clone())
                .collect(),
        }
    }
}

fn cannot_pin(large: &FlavorOption, small: &FlavorOption) -> Refusal {
    let (large, small) = (&large.flavor, &small.flavor);
    Refusal::new(format!(
        "flavor {large:?} has larger nodes than {small:?} but no node labels, so pods could be placed on the smaller ones"
    ))
    .about(format!("resourceflavor/{large}"))
    .hint("ask its admin to add nodeLabels to the flavor")
    .hint("use --gpus-per-node with the smaller count for pods that fit both")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(flavor: &str, per_node: i64) -> FlavorOption {
        FlavorOption {
            flavor: flavor.to_owned(),
            per_node: Some(per_node),
            is_seen: false,
            node_labels: BTreeMap::from([("count".to_owned(), per_node.to_string())]),
        }
    }

    fn total(total: i64) -> GpuRequest {
        GpuRequest {
            total: Some(total),
            ..GpuRequest::default()
        }
    }

    fn roomy(_: GpuLayout, _: &FlavorOption) -> Result<(), Refusal> {
        Ok(())
    }

    #[test]
    fn flavors_that_differ_pin_the_pods_to_the_largest() {
        let offers = [offer("small", 4), offer("big", 8)];
        let shape = shape(&total(16), None, &offers, None, false, roomy).unwrap();
        assert_eq!(shape.layout.to_string(), "2 × 8");
        assert_eq!(shape.flavors, ["big"]);
        assert_eq!(shape.node_selector["count"], "8");
    }

    #[test]
    fn without_room_on_the_largest_the_next_is_tried() {
        let offers = [offer("small", 4), offer("big", 8)];
        let fits = |_: GpuLayout, offer: &FlavorOption| match offer.flavor.as_str() {
            "big" => Err(Refusal::new("big is too small")),
            _ => Ok(()),
        };
        let planned = shape(&total(16), None, &offers, None, false, fits).unwrap();
        assert_eq!(
            (planned.layout.to_string(), planned.flavors),
            ("4 × 4".to_owned(), vec!["small".to_owned()])
        );
        assert!(planned.node_selector.is_empty(), "pods of 4 fit both");

        let none = |_: GpuLayout, _: &FlavorOption| Err(Refusal::new("no room"));
        assert_eq!(
            shape(&total(16), None, &offers, None, false, none)
                .unwrap_err()
                .message,
            "no room"
        );
        assert_eq!(
            shape(&total(16), None, &offers, None, true, none)
                .unwrap()
                .layout
                .to_string(),
            "2 × 8"
        );
    }

    #[test]
    fn what_fits_everywhere_is_not_pinned() {
        let offers = [offer("a", 8), offer("b", 8)];
        let shape = shape(&total(16), None, &offers, None, false, roomy).unwrap();
        assert!(shape.node_selector.is_empty());
        assert_eq!(shape.flavors, ["a", "b"]);
    }

    #[test]
    fn an_unknown_size_is_asked_for_only_when_it_matters() {
        assert!(shape(&total(2), None, &[], None, false, roomy).is_err());
        assert_eq!(
            shape(&total(1), None, &[], None, false, roomy)
                .unwrap()
                .layout
                .to_string(),
            "1 × 1"
        );
        assert_eq!(
            shape(&total(0), None, &[], None, false, roomy)
                .unwrap()
                .layout
                .to_string(),
            "1 × 0"
        );
        assert_eq!(
            shape(&total(16), Some(8), &[], None, false, roomy)
                .unwrap()
                .layout
                .to_string(),
            "2 × 8"
        );
        assert_eq!(
            shape(&total(16), None, &[], Some(4), false, roomy)
                .unwrap()
                .layout
                .to_string(),
            "4 × 4"
        );
        assert!(shape(&total(16), Some(0), &[], None, false, roomy).is_err());
    }

    #[test]
    fn without_labels_the_pods_are_made_to_fit_everywhere() {
        let mut bare = offer("big", 8);
        bare.node_labels.clear();
        let offers = [bare, offer("small", 4)];
        let planned = shape(&total(16), None, &offers, None, false, roomy).unwrap();
        assert_eq!(planned.layout.to_string(), "4 × 4");
        assert!(planned.node_selector.is_empty());

        let eight = GpuRequest {
            gpus_per_replica: Some(8),
            ..total(16)
        };
        let refusal = shape(&eight, None, &offers, None, false, roomy).unwrap_err();
        assert!(refusal.message.contains("no node labels"), "{refusal}");
    }
}

//! Which GPUs a queue hands out, how many of them one node holds, and which
//! of the queue's flavors the pods must land on.

use std::collections::BTreeMap;

use super::Refusal;
use super::facts::{
    ClusterFacts, ClusterQueue, FlavorQuotas, Readable, ResourceFlavor, ResourceQuota,
};
use super::gpu::{GpuLayout, GpuRequest};
use super::queue::QueueChoice;
use crate::k8s;
use crate::quantity::Quantity;

/// Makers of GPUs, as far as they matter to kaiwo: for labels and images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// `amd.com/…`
    Amd,
    /// `nvidia.com/…`
    Nvidia,
    /// Any other device plugin.
    Other,
}

impl Vendor {
    /// Returns the vendor of an extended resource.
    pub fn of(resource: &str) -> Self {
        match resource.split('/').next() {
            Some("amd.com") => Self::Amd,
            Some("nvidia.com") => Self::Nvidia,
            _ => Self::Other,
        }
    }

    /// Returns the node label with the GPU count that the vendor's own
    /// labeller sets.
    pub fn count_label(self) -> Option<&'static str> {
        match self {
            Self::Amd => Some(k8s::AMD_GPU_COUNT_LABEL),
            Self::Nvidia => Some(k8s::NVIDIA_GPU_COUNT_LABEL),
            Self::Other => None,
        }
    }
}

/// Returns whether `resource` names GPUs, whole or in slices.
pub fn is_gpu_resource(resource: &str) -> bool {
    resource.ends_with("/gpu")
        || resource.starts_with("nvidia.com/mig-")
        || resource.starts_with("gpu.intel.com/")
}

/// Finds the extended resource that the queue hands out.
///
/// # Errors
/// [`Refusal`] if it hands out several, and the user must choose.
pub fn detect_resource(choice: &QueueChoice) -> Result<Option<String>, Refusal> {
    let covered = choice.cluster_queue.iter().flat_map(|queue| {
        queue
            .spec
            .resource_groups
            .iter()
            .flat_map(|group| group.covered_resources.iter())
    });
    let mut found: Vec<&String> = covered
        .chain(&choice.resources)
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
                "queue {:?} hands out several kinds of GPU",
                choice.local_queue
            ))
            .hint(format!("choose one: {}", names.join(" or "))))
        }
    }
}

/// One flavor of a queue, seen from a GPU resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The ResourceFlavor.
    pub flavor: String,
    /// GPUs on one of its nodes, where that is known.
    pub per_node: Option<i64>,
    /// Node labels that select this flavor among others.
    pub node_labels: BTreeMap<String, String>,
    /// Most that one workload could ever get, by resource; `None` where
    /// borrowing has no limit.
    pub most: BTreeMap<String, Option<Quantity>>,
}

/// Lists the flavors of `queue` that offer `resource`.
pub fn offers(
    queue: &ClusterQueue,
    facts: &ClusterFacts,
    resource: &str,
    label_key: Option<&str>,
) -> Vec<Offer> {
    let flavors = facts.flavors.known().map_or(&[][..], Vec::as_slice);
    queue
        .spec
        .resource_groups
        .iter()
        .filter(|group| {
            group
                .covered_resources
                .iter()
                .any(|covered| covered == resource)
        })
        .flat_map(|group| &group.flavors)
        .filter(|quotas| quotas.resources.iter().any(|quota| quota.name == resource))
        .map(|quotas| {
            let flavor = flavors
                .iter()
                .find(|flavor| flavor.metadata.name == quotas.name);
            offer(quotas, flavor, queue, facts, resource, label_key)
        })
        .collect()
}

fn offer(
    quotas: &FlavorQuotas,
    flavor: Option<&ResourceFlavor>,
    queue: &ClusterQueue,
    facts: &ClusterFacts,
    resource: &str,
    label_key: Option<&str>,
) -> Offer {
    let labels = flavor
        .map(|flavor| flavor.spec.node_labels.clone())
        .unwrap_or_default();
    let key = label_key.or_else(|| Vendor::of(resource).count_label());
    let counted = key.and_then(|key| Some((key, labels.get(key)?.parse::<i64>().ok()?)));
    let per_node = counted
        .map(|(_, count)| count)
        .or_else(|| flavor.and_then(|_| on_nodes(facts, resource, &labels)));
    // The count label alone is enough to keep pods off smaller nodes, and
    // says why they are pinned.
    let node_labels = match counted {
        Some((key, count)) => BTreeMap::from([(key.to_owned(), count.to_string())]),
        None => labels,
    };
    let in_cohort = queue.spec.cohort_name.is_some();
    let most = quotas
        .resources
        .iter()
        .map(|quota| (quota.name.clone(), most(quota, in_cohort)))
        .collect();
    Offer {
        flavor: quotas.name.clone(),
        per_node,
        node_labels,
        most,
    }
}

/// Returns the most a queue may ever hold of a quota, as Kueue's
/// ClusterQueue defines it: nominal, plus what may be borrowed in a cohort.
/// `None` where borrowing has no limit that the queue itself states.
pub fn most(quota: &ResourceQuota, in_cohort: bool) -> Option<Quantity> {
    match (in_cohort, quota.borrowing_limit) {
        (false, _) => Some(quota.nominal_quota),
        (true, Some(limit)) => Some(quota.nominal_quota + limit),
        (true, None) => None,
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
        .filter(|node| {
            labels
                .iter()
                .all(|(key, value)| node.metadata.labels.get(key) == Some(value))
        })
        .filter_map(|node| node.status.allocatable.get(resource))
        .map(|count| count.whole())
        .filter(|count| *count > 0)
        .max()
}

/// The split of a workload over the nodes of one flavor.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
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
    offers: &[Offer],
    fallback_per_node: Option<i64>,
    force: bool,
    fits: impl Fn(GpuLayout, &Offer) -> Result<(), Refusal>,
) -> Result<Shape, Refusal> {
    let mut sizes: Vec<i64> = match stated_per_node {
        Some(stated) if stated < 1 => {
            return Err(Refusal::new(format!(
                "--gpus-per-node {stated}: a node has at least one GPU"
            ))
            .hint("try --gpus-per-node 8"));
        }
        Some(stated) => vec![stated],
        None => offers
            .iter()
            .filter_map(|offer| offer.per_node)
            .chain(fallback_per_node)
            .collect(),
    };
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    if sizes.is_empty() {
        if request.needs_node_size() {
            return Err(Refusal::new("cannot tell how many GPUs a node has: no flavor or node says it, or you may not read them")
                .hint("say it: --gpus-per-node 8 (or gpusPerNode in ~/.config/kaiwo/config.yaml)"));
        }
        sizes.push(1);
    }

    let mut refused = None;
    let mut forced = None;
    for size in sizes {
        let layout = match request.split(size) {
            Ok(layout) => layout,
            Err(refusal) => {
                refused.get_or_insert(refusal);
                continue;
            }
        };
        let holds = |offer: &Offer| {
            offer
                .per_node
                .is_none_or(|count| count >= layout.gpus_per_replica)
        };
        let (mut candidates, mut too_small): (Vec<&Offer>, Vec<&Offer>) =
            offers.iter().partition(|offer| holds(offer));
        if candidates.is_empty() && stated_per_node.is_some() {
            // The user knows better than the labels.
            (candidates, too_small) = (too_small, Vec::new());
        }
        let mut fitting = Vec::new();
        for offer in &candidates {
            match fits(layout, offer) {
                Ok(()) => fitting.push(*offer),
                Err(refusal) => _ = refused.get_or_insert(refusal),
            }
        }
        let chosen = |offers: &[&Offer]| {
            // Kueue picks the flavor by quota alone; a pod on a flavor whose
            // nodes are too small would be admitted and wait for ever.
            let pin = offers
                .first()
                .filter(|_| !too_small.is_empty())
                .map(|offer| &offer.node_labels);
            Shape {
                layout,
                node_selector: pin.cloned().unwrap_or_default(),
                flavors: offers
                    .iter()
                    .filter(|offer| pin.is_none_or(|labels| offer.node_labels == *labels))
                    .map(|offer| offer.flavor.clone())
                    .collect(),
            }
        };
        if !fitting.is_empty() || offers.is_empty() {
            return Ok(chosen(&fitting));
        }
        if !candidates.is_empty() {
            forced.get_or_insert_with(|| chosen(&candidates));
        }
    }
    match (force, forced) {
        (true, Some(shape)) => Ok(shape),
        _ => {
            Err(refused.unwrap_or_else(|| Refusal::new("no flavor of the queue holds these GPUs")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(flavor: &str, per_node: i64) -> Offer {
        Offer {
            flavor: flavor.to_owned(),
            per_node: Some(per_node),
            node_labels: BTreeMap::from([("count".to_owned(), per_node.to_string())]),
            most: BTreeMap::new(),
        }
    }

    fn total(total: i64) -> GpuRequest {
        GpuRequest {
            total: Some(total),
            ..GpuRequest::default()
        }
    }

    fn roomy(_: GpuLayout, _: &Offer) -> Result<(), Refusal> {
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
        let fits = |_: GpuLayout, offer: &Offer| match offer.flavor.as_str() {
            "big" => Err(Refusal::new("big is too small")),
            _ => Ok(()),
        };
        let planned = shape(&total(16), None, &offers, None, false, fits).unwrap();
        assert_eq!(
            (planned.layout.to_string(), planned.flavors),
            ("4 × 4".to_owned(), vec!["small".to_owned()])
        );
        assert!(planned.node_selector.is_empty(), "pods of 4 fit both");

        let none = |_: GpuLayout, _: &Offer| Err(Refusal::new("no room"));
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
    fn resources_are_recognised() {
        for name in ["amd.com/gpu", "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"] {
            assert!(is_gpu_resource(name));
        }
        for name in ["cpu", "memory", "ephemeral-storage", "rdma/hca"] {
            assert!(!is_gpu_resource(name));
        }
        assert_eq!(Vendor::of("nvidia.com/mig-1g.10gb"), Vendor::Nvidia);
    }
}

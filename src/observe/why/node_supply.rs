//! Decides whether the nodes that a pod may use have room for what it requests
//! of one resource, and if not, why.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// What nodes have of a resource that a pod requests.
pub(super) struct Supply<'a> {
    evidence: &'a Evidence,
    nodes: &'a [&'a Node],
    resource: &'a str,
    request: Quantity,
    /// What is free on each node, most first; unknown unless the cluster's pods
    /// can be read.
    free: Option<Vec<(&'a str, Quantity)>>,
}

impl<'a> Supply<'a> {
    /// Looks at `nodes`, which the pod may use.
    pub(super) fn new(
        evidence: &'a Evidence,
        nodes: &'a [&'a Node],
        resource: &'a str,
        request: Quantity,
    ) -> Self {
        let free = evidence.occupation.as_ref().map(|occupation| {
            let mut free: Vec<(&str, Quantity)> = nodes
                .iter()
                .map(|node| (node.metadata.name.as_str(), occupation.free(node, resource)))
                .collect();
            free.sort_by_key(|(_, free)| std::cmp::Reverse(*free));
            free
        });
        Self {
            evidence,
            nodes,
            resource,
            request,
            free,
        }
    }

    /// Says why no node has room for the pod; nothing if one has, or if what is
    /// free is unknown.
    pub(super) fn shortage(&self) -> Option<Finding> {
        let nodes = self.nodes.iter();
        let largest = nodes.map(|node| node.allocatable(self.resource)).max();
        let largest = largest.unwrap_or_default();
        if largest < self.request {
            return Some(self.too_small(largest));
        }
        let free = self.free.as_ref()?;
        let most = free.first()?.1;
        if most >= self.request {
            return None;
        }
        let sum = free
            .iter()
            .fold(Quantity::default(), |sum, (_, free)| sum + *free);
        let some: Vec<_> = free
            .iter()
            .filter(|(_, free)| *free > Quantity::default())
            .copied()
            .collect();
        Some(match sum >= self.request {
            true => self.fragmented(&some, sum, most),
            false => self.full(sum),
        })
    }

    fn too_small(&self, largest: Quantity) -> Finding {
        let (request, resource) = (self.request, self.resource);
        Finding::new(
            Cause::NodesTooSmall,
            format!(
                "a pod asks for {request} {resource}, and no node it may use has more than {largest}"
            ),
        )
        .resubmit(self.smaller(largest, "asking for less"))
        .admin("adds such nodes")
    }

    fn fragmented(&self, some: &[(&str, Quantity)], sum: Quantity, most: Quantity) -> Finding {
        let (request, resource) = (self.request, self.resource);
        let parts = some.iter().take(8).map(|(_, free)| free.to_string());
        let parts: Vec<String> = parts.collect();
        let places = some.iter().take(4);
        let places: Vec<String> = places
            .map(|(name, free)| format!("{name} has {free}"))
            .collect();
        Finding::new(
            Cause::Fragmented,
            format!(
                "{sum} {resource} are free as {}, but a pod needs {request} on one node",
                parts.join("+")
            ),
        )
        .shows(format!("free: {}", places.join(", ")))
        .nobody("it starts when a node has enough free")
        .resubmit(self.smaller(most, "in smaller pods"))
    }

    fn full(&self, sum: Quantity) -> Finding {
        let free = match sum > Quantity::default() {
            false => "none has any free".to_owned(),
            true => format!("all together have {sum} free"),
        };
        Finding::new(
            Cause::NodesFull,
            format!(
                "a pod needs {} {}, and of the {} nodes it may use {free}",
                self.request,
                self.resource,
                self.nodes.len()
            ),
        )
        .shows(self.occupants())
        .nobody("it starts when pods there end")
        .remedy(
            Who::Admin,
            "looks at who is on them",
            Some("kubectl get pods -A --field-selector status.phase=Running -o wide".to_owned()),
        )
    }

    /// Says which smaller pods would fit; in `other` words where no GPU would.
    fn smaller(&self, fits: Quantity, other: &str) -> String {
        match is_gpu_resource(self.resource) && fits.whole() > 0 {
            true => format!("with --gpus-per-node {}", fits.whole()),
            false => other.to_owned(),
        }
    }

    /// Says who holds the GPUs of these nodes, those with most first.
    fn occupants(&self) -> String {
        let mut here: Vec<_> = self
            .evidence
            .occupation
            .iter()
            .flat_map(|occupation| &occupation.occupants)
            .filter(|one| self.nodes.iter().any(|node| node.metadata.name == one.node))
            .collect();
        here.sort_by_key(|one| std::cmp::Reverse(one.gpus));
        let named: Vec<String> = here
            .iter()
            .take(3)
            .map(|one| format!("{} ({})", one.pod, one.gpus))
            .collect();
        match (named.is_empty(), here.len().saturating_sub(named.len())) {
            (true, _) => String::new(),
            (_, 0) => format!("who holds GPUs there: {}", named.join(", ")),
            (_, more) => format!(
                "who holds GPUs there: {}, and {more} more",
                named.join(", ")
            ),
        }
    }
}

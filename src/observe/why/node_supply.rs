//! Decides whether the nodes that a pod may use have room for what it requests
//! of one resource, and if not, why.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::plan::occupation::Occupant;
use crate::quantity::Quantity;
use crate::suggestion::kubectl;

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

    /// Says why no node has room now for a pod that each could hold; nothing if one has, or if what is
    /// free is unknown.
    pub(super) fn shortage(&self) -> Option<Finding> {
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

    fn fragmented(&self, some: &[(&str, Quantity)], sum: Quantity, most: Quantity) -> Finding {
        let (request, resource) = (self.request, self.resource);
        let parts = some.iter().take(8).map(|(_, free)| free.shown(resource));
        let parts: Vec<String> = parts.collect();
        let places = some.iter().take(4);
        let places: Vec<String> = places
            .map(|(name, free)| format!("{name} has {free}"))
            .collect();
        let (anew, smaller) = match is_gpu_resource(resource) && most.whole() > 0 {
            true => (Anew::With, format!("--gpus-per-node {}", most.whole())),
            false => (Anew::Said, "in smaller pods".to_owned()),
        };
        Finding::new(
            Cause::Fragmented,
            format!(
                "{} {resource} are free, as {}, but a pod needs {} on one node",
                sum.shown(resource),
                parts.join("+"),
                request.shown(resource)
            ),
        )
        .shows(format!("free: {}", places.join(", ")))
        .nobody("it starts once a node has enough free")
        .resubmit(anew, smaller)
    }

    fn full(&self, sum: Quantity) -> Finding {
        let (request, resource) = (self.request, self.resource);
        let has_some = sum > Quantity::default();
        let some = sum.shown(resource);
        let free = match (self.nodes.len(), has_some) {
            (1, false) => "the only node it can use has none free".to_owned(),
            (1, true) => format!("the only node it can use has {some} free"),
            (many, false) => format!("none of the {many} nodes it can use has any free"),
            (many, true) => format!("the {many} nodes it can use have {some} free in total"),
        };
        let finding = Finding::new(
            Cause::NodesFull,
            format!(
                "a pod needs {} {resource}, but {free}",
                request.shown(resource)
            ),
        )
        .shows(self.occupants());
        // What is on its way out makes room, and needs nobody to look.
        let leaving = self.here().filter(|one| one.is_leaving);
        match leaving.map(|one| one.gpus).sum::<i64>() {
            gpus if is_gpu_resource(resource) && Quantity::units(gpus) + sum >= request => {
                finding.nobody("it starts once the pods that are terminating there have ended")
            }
            _ => finding.nobody("it starts once pods there end").remedy(
                Who::Admin,
                "check who uses them",
                kubectl(
                    "get pods -A --field-selector status.phase=Running -o wide",
                    &[],
                ),
            ),
        }
    }

    /// Returns the pods that hold GPUs of these nodes.
    fn here(&self) -> impl Iterator<Item = &'a Occupant> {
        let occupation = self.evidence.occupation.iter();
        let all = occupation.flat_map(|occupation| &occupation.occupants);
        all.filter(|one| self.nodes.iter().any(|node| node.metadata.name == one.node))
    }

    /// Says who else holds the GPUs of these nodes, those with most first.
    fn occupants(&self) -> String {
        let own = self.evidence.snapshot.pods().iter();
        let own: BTreeSet<String> = own
            .map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name))
            .collect();
        let others = self.here().filter(|one| !own.contains(&one.pod));
        let mut here: Vec<&Occupant> = others.collect();
        here.sort_by_key(|one| std::cmp::Reverse(one.gpus));
        let named: Vec<String> = here
            .iter()
            .take(3)
            .map(|one| match one.is_leaving {
                true => format!("{} ({}, terminating)", one.pod, one.gpus),
                false => format!("{} ({})", one.pod, one.gpus),
            })
            .collect();
        match (named.is_empty(), here.len().saturating_sub(named.len())) {
            (true, _) => String::new(),
            (_, 0) => format!("GPUs there are held by: {}", named.join(", ")),
            (_, more) => format!(
                "GPUs there are held by: {}, and {more} more",
                named.join(", ")
            ),
        }
    }
}

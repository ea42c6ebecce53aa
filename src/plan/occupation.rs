//! Adds up what the pods of the cluster have taken of its nodes, and what is
//! left.

use std::collections::BTreeMap;

use crate::api::node::Node;
use crate::api::pod::Pod;
use crate::quantity::Quantity;

/// What pods have taken of the nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Occupation {
    /// What is set aside, by node and resource.
    taken: BTreeMap<String, BTreeMap<String, Quantity>>,
    /// What pods that stay have set aside, likewise.
    resident: BTreeMap<String, BTreeMap<String, Quantity>>,
    /// Pods that hold GPUs.
    pub occupants: Vec<Occupant>,
}

impl Occupation {
    /// Adds what a pod takes of its node.
    pub fn add(&mut self, pod: &Pod) {
        let metadata = &pod.metadata;
        let node = &pod.spec.node_name;
        if pod.gpus() > 0 {
            self.occupants.push(Occupant {
                pod: format!("{}/{}", metadata.namespace, metadata.name),
                node: node.clone(),
                gpus: pod.gpus(),
                is_leaving: pod.is_terminating(),
            });
        }
        let resident = pod.stays().then(|| self.resident.entry(node.clone()));
        let taken = self.taken.entry(node.clone());
        for sums in resident.into_iter().chain([taken]) {
            let sums = sums.or_default();
            for (resource, amount) in pod.requests() {
                let sum = sums.entry(resource).or_default();
                *sum = *sum + amount;
            }
        }
    }

    /// Returns a node with what pods that stay leave of it.
    pub fn beside_residents(&self, node: &Node) -> Node {
        let mut node = node.clone();
        for (resource, amount) in self.resident.get(&node.metadata.name).into_iter().flatten() {
            if let Some(left) = node.status.allocatable.get_mut(resource) {
                *left = (*left - *amount).at_least_zero();
            }
        }
        node
    }

    /// Returns what of a resource is left on a node.
    pub fn free(&self, node: &Node, resource: &str) -> Quantity {
        let taken = self.taken.get(&node.metadata.name);
        let taken = taken.and_then(|taken| taken.get(resource).copied());
        (node.allocatable(resource) - taken.unwrap_or_default()).at_least_zero()
    }
}

/// A pod that holds GPUs of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// `namespace/name`.
    pub pod: String,
    /// Where it is.
    pub node: String,
    /// How many.
    pub gpus: i64,
    /// Whether it has been deleted, and is about to give them back.
    pub is_leaving: bool,
}

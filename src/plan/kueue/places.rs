//! Finds the nodes that pods may use: those of a flavor, or any.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::capacity::flavors_with;
use super::placement::PodSet;
use crate::api::Readable;
use crate::api::node::{FlavorToleration, Node};
use crate::api::queue::ClusterQueue;
use crate::plan::facts::ClusterFacts;
use crate::plan::gang::Group;
use crate::plan::request::toleration::untolerated;
use crate::plan::sizes::Role;

/// What a flavor says of its nodes.
#[derive(Debug, Clone)]
pub struct FlavorNodes<'a> {
    /// The ResourceFlavor; nothing for any node.
    pub flavor: Option<&'a str>,
    labels: Cow<'a, BTreeMap<String, String>>,
    tolerations: &'a [FlavorToleration],
}

impl<'a> FlavorNodes<'a> {
    /// Returns the places of the flavors that are named, or where none is, of those that
    /// have CPUs in `queue`; any node where no flavor is known.
    pub fn list(
        flavors: &[String],
        queue: Option<&ClusterQueue>,
        facts: &'a ClusterFacts,
    ) -> Vec<Self> {
        let with_cpus = || {
            queue
                .into_iter()
                .flat_map(|queue| flavors_with(queue, "cpu"))
        };
        let is_meant = |name: &str| match flavors {
            [] => with_cpus().any(|flavor| flavor.name == name),
            flavors => flavors.iter().any(|flavor| flavor == name),
        };
        let known = facts.flavors.known().into_iter().flatten();
        let places = known.filter(|flavor| is_meant(&flavor.metadata.name));
        let mut places: Vec<Self> = places
            .map(|flavor| Self {
                flavor: Some(&flavor.metadata.name),
                labels: Cow::Borrowed(&flavor.spec.node_labels),
                tolerations: &flavor.spec.tolerations,
            })
            .collect();
        if places.is_empty() {
            places.push(Self {
                flavor: None,
                labels: Cow::default(),
                tolerations: &[],
            });
        }
        places
    }

    /// Returns the pods of a plan with the nodes that they may use, those that work, the
    /// first, here.
    pub fn groups<'n>(&self, sets: &[PodSet], roles: &[Role], nodes: &'n [Node]) -> Vec<Group<'n>> {
        let sets = sets
            .iter()
            .zip(roles.iter().chain(std::iter::repeat(&Role::Other)));
        let groups = sets.enumerate().map(|(index, (set, role))| {
            let (mut set, mut tolerated) = (set.clone(), &[][..]);
            if index == 0 {
                set.node_selector.extend(
                    self.labels
                        .iter()
                        .map(|(key, value)| (key.clone(), value.clone())),
                );
                tolerated = self.tolerations;
            }
            let takes = |node: &&Node| {
                !node.spec.unschedulable
                    && node.has_labels(&set.node_selector)
                    && untolerated(&node.spec.taints, &set.tolerations, tolerated).is_none()
            };
            Group {
                count: set.count,
                nodes: nodes.iter().filter(takes).collect(),
                role: *role,
                requests: set.requests,
            }
        });
        groups.collect()
    }
}

/// Returns what the nodes have for pods that come and go, where the nodes are known: as far
/// as their pods are, without what those hold that stay.
pub fn nodes(facts: &ClusterFacts) -> Option<Cow<'_, [Node]>> {
    let nodes = facts.nodes.as_ref().and_then(Readable::known)?;
    Some(match facts.occupation.as_ref().and_then(Readable::known) {
        None => Cow::Borrowed(nodes),
        Some(occupation) => nodes
            .iter()
            .map(|node| occupation.beside_residents(node))
            .collect(),
    })
}

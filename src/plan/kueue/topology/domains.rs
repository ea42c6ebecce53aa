//! Counts how many pods each domain of a topology can hold: now, and with nothing
//! else on its nodes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::Readable;
use crate::api::condition::holds;
use crate::api::node::Node;
use crate::api::queue::{ClusterQueue, ResourceFlavor};
use crate::api::topology::Topology;
use crate::api::vendor::is_gpu_resource;
use crate::names::counted;
use crate::plan::facts::ClusterFacts;
use crate::plan::kueue::capacity::flavors_with;
use crate::plan::kueue::placement::PodSet;
use crate::plan::occupation::Occupation;
use crate::plan::request::toleration::untolerated;
use crate::quantity::Quantity;

/// The domains of one level of a flavor's topology, the emptiest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Domains {
    /// The ResourceFlavor.
    pub flavor: String,
    /// Label of the level.
    pub label: String,
    /// Pods that are to be placed.
    pub pods: i64,
    pub domains: Vec<Domain>,
}

/// Nodes that are close together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// Values of the labels down to this level.
    pub name: String,
    /// Nodes that the pods may use.
    pub nodes: i64,
    /// Pods that it holds when nothing else is there.
    pub empty: i64,
    /// Pods that it holds now; unknown if the pods of the cluster may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
    /// The resource that is scarcest for these pods.
    pub resource: String,
    /// What its nodes have of that.
    pub total: Quantity,
    /// What of it is free now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<Quantity>,
}

impl Domains {
    /// Returns the domain that holds most pods when it is empty.
    pub fn largest(&self) -> Option<&Domain> {
        self.domains.iter().max_by_key(|domain| domain.empty)
    }

    /// Returns how many pods that are.
    pub fn most(&self) -> i64 {
        self.largest().map_or(0, |domain| domain.empty)
    }

    /// Returns how many pods all domains hold together when they are empty.
    pub fn total(&self) -> i64 {
        self.domains.iter().map(|domain| domain.empty).sum()
    }

    /// Returns the word for the level.
    pub fn word(&self) -> &str {
        word(&self.label)
    }
}

impl Domain {
    /// Returns what it lacks, in a line.
    pub fn line(&self, word: &str, pods: i64) -> String {
        let Self {
            name,
            nodes,
            empty,
            resource,
            total,
            ..
        } = self;
        let of_nodes = counted(nodes, "node");
        match (self.now, self.free) {
            (Some(now), Some(free)) => format!(
                "{word} {name}: room for {now} of {pods} pods now, {empty} when empty ({} of {} {resource} free on {of_nodes})",
                free.shown(resource),
                total.shown(resource)
            ),
            _ => format!(
                "{word} {name}: room for {empty} of {pods} pods when empty ({} {resource} on {of_nodes})",
                total.shown(resource)
            ),
        }
    }
}

/// Returns the word for a level: `rack` for `cloud.example.com/topology-rack`.
pub fn word(label: &str) -> &str {
    let name = label.rsplit_once('/').map_or(label, |(_, name)| name);
    match name.strip_prefix("topology-").unwrap_or(name) {
        "hostname" => "node",
        word => word,
    }
}

/// Returns the flavors of a queue that have a topology, those with GPUs if these are
/// asked for.
pub fn with_topology<'f>(
    queue: &ClusterQueue,
    gpu_resource: Option<&str>,
    flavors: &'f [ResourceFlavor],
) -> Vec<&'f ResourceFlavor> {
    let groups = queue.spec.resource_groups.iter();
    let names: Vec<&str> = match gpu_resource {
        Some(resource) => flavors_with(queue, resource)
            .map(|flavor| flavor.name.as_str())
            .collect(),
        None => groups
            .flat_map(|group| group.flavors.iter().map(|it| it.name.as_str()))
            .collect(),
    };
    let known = flavors.iter().filter(|it| it.spec.topology_name.is_some());
    known
        .filter(|flavor| names.contains(&flavor.metadata.name.as_str()))
        .collect()
}

/// Counts for each flavor of a queue that has the level. Nothing where the flavors, the
/// topologies or the nodes may not be read.
pub fn of_queue(
    queue: &ClusterQueue,
    gpu_resource: Option<&str>,
    pods: &PodSet,
    label: &str,
    facts: &ClusterFacts,
) -> Vec<Domains> {
    let topologies = facts.topologies.as_ref().and_then(Readable::known);
    let nodes = facts.nodes.as_ref().and_then(Readable::known);
    let (Some(flavors), Some(topologies), Some(nodes)) = (facts.flavors.known(), topologies, nodes)
    else {
        return Vec::new();
    };
    let occupation = facts.occupation.as_ref().and_then(Readable::known);
    let mut found = Vec::new();
    for flavor in with_topology(queue, gpu_resource, flavors) {
        let is_its = |it: &&Topology| Some(&it.metadata.name) == flavor.spec.topology_name.as_ref();
        let Some(topology) = topologies.iter().find(is_its) else {
            continue;
        };
        let levels: Vec<&str> = topology.labels().collect();
        let Some(depth) = levels.iter().position(|level| *level == label) else {
            continue;
        };
        let nodes: Vec<&Node> = nodes
            .iter()
            .filter(|node| takes(node, flavor, &levels, pods))
            .collect();
        found.push(Domains {
            flavor: flavor.metadata.name.clone(),
            label: label.to_owned(),
            pods: pods.count,
            domains: count(&levels[..=depth], pods, &nodes, occupation),
        });
    }
    found
}

/// Returns whether Kueue counts a node of a flavor for these pods: it has a label of each
/// level, is ready, and has no taint that keeps them away.
fn takes(node: &Node, flavor: &ResourceFlavor, levels: &[&str], pods: &PodSet) -> bool {
    let labels = &node.metadata.labels;
    let ready =
        node.status.conditions.is_empty() || holds(&node.status.conditions, "Ready").is_some();
    ready
        && !node.spec.unschedulable
        && levels.iter().all(|level| labels.contains_key(*level))
        && node.has_labels(&flavor.spec.node_labels)
        && node.has_labels(&pods.node_selector)
        && untolerated(
            &node.spec.taints,
            &pods.tolerations,
            &flavor.spec.tolerations,
        )
        .is_none()
}

/// Counts for the domains of these levels.
fn count(
    levels: &[&str],
    pods: &PodSet,
    nodes: &[&Node],
    occupation: Option<&Occupation>,
) -> Vec<Domain> {
    let mut by_name: BTreeMap<String, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        let labels = &node.metadata.labels;
        let values: Vec<&str> = levels
            .iter()
            .filter_map(|level| labels.get(*level).map(String::as_str))
            .collect();
        by_name.entry(values.join("/")).or_default().push(node);
    }
    let mut domains: Vec<Domain> = by_name
        .into_iter()
        .map(|(name, nodes)| domain(name, &nodes, pods, occupation))
        .collect();
    domains.sort_by_key(|domain| (-domain.now.unwrap_or(domain.empty), -domain.empty));
    domains
}

fn domain(name: String, nodes: &[&Node], pods: &PodSet, occupation: Option<&Occupation>) -> Domain {
    let wanted: Vec<(&str, Quantity)> = pods
        .requests
        .iter()
        .filter(|(_, amount)| **amount > Quantity::default())
        .map(|(resource, amount)| (resource.as_str(), *amount))
        .collect();
    let on = |node: &Node, amount: &dyn Fn(&Node, &str) -> Quantity| {
        let each = wanted
            .iter()
            .map(|(resource, each)| amount(node, resource).holds(*each));
        each.min().unwrap_or_default()
    };
    let allocatable = |node: &Node, resource: &str| node.allocatable(resource);
    let free = |node: &Node, resource: &str| match occupation {
        Some(occupation) => occupation.free(node, resource),
        None => node.allocatable(resource),
    };
    // Of those that are as scarce as each other, GPUs.
    let scarcest = wanted.iter().min_by_key(|(resource, each)| {
        let room: i64 = nodes
            .iter()
            .map(|node| free(node, resource).holds(*each))
            .sum();
        (room, !is_gpu_resource(resource))
    });
    let resource = scarcest.map_or("", |(resource, _)| resource);
    let sum = |amount: &dyn Fn(&Node, &str) -> Quantity| {
        nodes
            .iter()
            .map(|node| amount(node, resource))
            .fold(Quantity::default(), |sum, amount| sum + amount)
    };
    Domain {
        name,
        nodes: i64::try_from(nodes.len()).unwrap_or(i64::MAX),
        empty: nodes.iter().map(|node| on(node, &allocatable)).sum(),
        now: occupation.map(|_| nodes.iter().map(|node| on(node, &free)).sum()),
        resource: resource.to_owned(),
        total: sum(&allocatable),
        free: occupation.map(|_| sum(&free)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::testing::pods;

    fn node(name: &str, rack: &str, gpus: i64) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"x/block": "b", "x/rack": rack}},
            "status": {"allocatable": {"cpu": "64", "amd.com/gpu": gpus.to_string()}},
        }))
        .unwrap()
    }

    fn taken(node: &str, gpus: i64) -> Occupation {
        let mut occupation = Occupation::default();
        let pod = json!({
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {"nodeName": node, "containers": [
                {"name": "c", "resources": {"requests": {"amd.com/gpu": gpus.to_string()}}},
            ]},
        });
        occupation.add(&serde_json::from_value(pod).unwrap());
        occupation
    }

    #[test]
    fn a_rack_holds_what_its_nodes_hold_each() {
        let nodes = [
            node("a", "r1", 8),
            node("b", "r1", 8),
            node("c", "r2", 8),
            node("d", "r2", 4),
        ];
        let nodes: Vec<&Node> = nodes.iter().collect();
        let set = pods(2, &[("cpu", 4), ("amd.com/gpu", 8)]);
        let levels = ["x/block", "x/rack"];
        let racks = count(&levels, &set, &nodes, Some(&taken("b", 1)));
        let numbers: Vec<_> = racks
            .iter()
            .map(|it| (it.name.as_str(), it.nodes, it.now, it.empty))
            .collect();
        // Seven free GPUs of b and four of d hold no pod of eight.
        assert_eq!(numbers, [("b/r1", 2, Some(1), 2), ("b/r2", 2, Some(1), 1)]);
        assert_eq!(
            racks[0].line("rack", 2),
            "rack b/r1: room for 1 of 2 pods now, 2 when empty (15 of 16 amd.com/gpu free on 2 nodes)"
        );
        let blocks = count(&levels[..1], &set, &nodes, None);
        assert_eq!((blocks[0].empty, blocks[0].now), (3, None));
        assert_eq!(
            blocks[0].line("block", 4),
            "block b: room for 3 of 4 pods when empty (28 amd.com/gpu on 4 nodes)"
        );
    }

    #[test]
    fn what_is_scarcest_is_named() {
        let nodes = [node("a", "r1", 8)];
        let nodes: Vec<&Node> = nodes.iter().collect();
        let set = pods(2, &[("cpu", 40), ("amd.com/gpu", 1)]);
        let racks = count(&["x/block", "x/rack"], &set, &nodes, None);
        assert_eq!((racks[0].resource.as_str(), racks[0].empty), ("cpu", 1));
    }

    #[test]
    fn only_nodes_of_the_flavor_with_all_levels_count() {
        let flavor: ResourceFlavor = serde_json::from_value(json!({
            "metadata": {"name": "f"},
            "spec": {"nodeLabels": {"x/rack": "r1"}, "topologyName": "t"},
        }))
        .unwrap();
        let set = pods(1, &[("cpu", 1)]);
        let levels = ["x/block", "x/rack"];
        let mut one = node("a", "r1", 8);
        assert!(takes(&one, &flavor, &levels, &set));
        assert!(!takes(&node("a", "r2", 8), &flavor, &levels, &set));
        one.spec.unschedulable = true;
        assert!(!takes(&one, &flavor, &levels, &set));
        let mut bare = node("a", "r1", 8);
        bare.metadata.labels.remove("x/block");
        assert!(!takes(&bare, &flavor, &levels, &set));
    }
}

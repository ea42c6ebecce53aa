//! Decides whether all pods of a workload have a place on the nodes at once, by
//! every resource that they request, were these nodes empty. Nodes come and go,
//! so this is a statement about today.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::plan::sizes::{Dimension, Role};
use crate::quantity::Quantity;

/// The resource that counts pods, which no pod requests.
const PODS: &str = "pods";
/// Percent of a node's CPU and memory that a workload can count on: the pods of
/// DaemonSets need the rest.
pub const USABLE: i64 = 90;

/// Pods that are alike, and the nodes that they may use.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Number of pods.
    pub count: i64,
    /// What they are for.
    pub role: Role,
    /// Requests of one pod.
    pub requests: BTreeMap<String, Quantity>,
    pub nodes: Vec<&'a Node>,
}

/// Why not all pods have a place at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GangShortfall {
    /// There are no nodes that they may use.
    NoNodes,
    /// One pod is larger than every node.
    TooLarge {
        /// What it is for.
        role: Role,
        /// GPUs of that pod.
        gpus: i64,
        /// In which resources.
        short: Vec<Short>,
    },
    /// The nodes have too little of a resource for all of them.
    TooMany {
        /// Of which; what all pods request together, and what all nodes have.
        short: Short,
        /// How many nodes.
        nodes: usize,
        /// How many pods, alike or not.
        pods: i64,
        /// How many of them have a place.
        placed: i64,
        /// GPUs for which there is a place.
        gpus: i64,
        /// The flags with which smaller pods all have a place.
        smaller: Option<String>,
    },
}

/// A resource of which there is too little.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Short {
    pub resource: String,
    /// What is requested.
    #[cfg_attr(test, schemars(with = "String"))]
    pub request: Quantity,
    /// What there is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub has: Quantity,
}

impl Group<'_> {
    /// Returns what is requested of each resource, GPUs first: what is scarce.
    fn requested(&self) -> Vec<(&str, Quantity)> {
        let mut requested: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, amount)| **amount > Quantity::default())
            .map(|(resource, amount)| (resource.as_str(), *amount))
            .collect();
        requested.sort_by_key(|(resource, _)| !is_gpu_resource(resource));
        requested
    }

    fn gpus(&self) -> i64 {
        let requested = self.requests.iter();
        let gpus = requested.filter(|(resource, _)| is_gpu_resource(resource));
        gpus.map(|(_, amount)| amount.whole()).sum()
    }

    /// Returns in which resources a pod is larger than every node: of the nodes
    /// that have its GPUs, where there are some.
    fn too_large(&self) -> Vec<Short> {
        let requested = self.requested();
        let short_of = |node: &Node| -> Vec<(&str, Quantity)> {
            let short = requested.iter().copied();
            short
                .filter(|(resource, amount)| node.allocatable(resource) < *amount)
                .collect()
        };
        let lacks_gpus = |short: &[(&str, Quantity)]| {
            let mut short = short.iter();
            short.any(|(resource, _)| is_gpu_resource(resource))
        };
        let each = self.nodes.iter().map(|node| short_of(node));
        let best = each.min_by_key(|short| (lacks_gpus(short), short.len()));
        let best = best.unwrap_or_default();
        let have_gpus = self
            .nodes
            .iter()
            .filter(|node| !lacks_gpus(&short_of(node)));
        let mut suited: Vec<&&Node> = have_gpus.collect();
        if suited.is_empty() {
            suited = self.nodes.iter().collect();
        }
        best.into_iter()
            .map(|(resource, request)| {
                let nodes = suited.iter().map(|node| node.allocatable(resource));
                Short {
                    resource: resource.to_owned(),
                    request,
                    has: nodes.max().unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Returns of which resource there is least for all the pods.
    fn scarcest(&self) -> Option<Short> {
        let requested = self.requested();
        let scarcest = requested.into_iter().min_by_key(|(resource, amount)| {
            let places = self.nodes.iter();
            places
                .map(|node| node.allocatable(resource).holds(*amount))
                .fold(0_i64, i64::saturating_add)
        });
        let (resource, amount) = scarcest?;
        let has = self.nodes.iter().map(|node| node.allocatable(resource));
        Some(Short {
            resource: resource.to_owned(),
            request: amount * self.count,
            has: has.fold(Quantity::default(), |sum, has| sum + has),
        })
    }
}

/// Returns why the pods do not have a place each at the same time; nothing if
/// they do.
pub fn misfit(groups: &[Group<'_>]) -> Option<GangShortfall> {
    for group in groups.iter().filter(|group| group.count > 0) {
        if group.nodes.is_empty() {
            return Some(GangShortfall::NoNodes);
        }
        let short = group.too_large();
        if !short.is_empty() {
            return Some(GangShortfall::TooLarge {
                role: group.role,
                gpus: group.gpus(),
                short,
            });
        }
    }
    let in_order = placed(groups.iter());
    if all_placed(groups) {
        return None;
    }
    let mut short = groups.iter().zip(&in_order);
    let (group, fitting) = short.find(|(group, placed)| group.count > **placed)?;
    Some(GangShortfall::TooMany {
        smaller: smaller(groups),
        short: group.scarcest()?,
        nodes: group.nodes.len(),
        pods: groups.iter().map(|group| group.count).sum(),
        placed: in_order.iter().sum(),
        gpus: group.gpus().saturating_mul(*fitting),
    })
}

/// Returns whether all pods have a place at once. The small ones first may fit where the
/// large ones first do not.
fn all_placed(groups: &[Group<'_>]) -> bool {
    let is_all = |placed: &[i64]| {
        let counts = groups.iter().map(|group| group.count);
        placed.iter().copied().eq(counts)
    };
    let mut reversed = placed(groups.iter().rev());
    reversed.reverse();
    is_all(&reversed) || is_all(&placed(groups.iter()))
}

/// Returns the flags with which the pods that work, the first, are so small that all have a
/// place.
fn smaller(groups: &[Group<'_>]) -> Option<String> {
    let mut groups = groups.to_vec();
    let (role, gpus) = (groups.first()?.role, groups.first()?.gpus());
    let mut flags = Vec::new();
    for dimension in Dimension::ALL {
        let resource = dimension.resource();
        let (_, times) = role.flag(dimension, gpus)?;
        let Some(asked) = groups[0].requests.get(resource).copied() else {
            continue;
        };
        let mut alone = groups.clone();
        for group in &mut alone {
            group
                .requests
                .retain(|name, _| name == resource || is_gpu_resource(name));
        }
        if all_placed(&alone) {
            continue;
        }
        let mut steps = dimension.steps(dimension.within(asked.part(times))?);
        let step = steps.find(|step| {
            alone[0].requests.insert(resource.to_owned(), *step * times);
            all_placed(&alone)
        })?;
        groups[0].requests.insert(resource.to_owned(), step * times);
        flags.extend(role.at_most(resource, gpus, step * times));
    }
    (!flags.is_empty() && all_placed(&groups)).then(|| flags.join(" "))
}

/// Puts one group after another onto the nodes, and returns how many pods of
/// each have a place.
fn placed<'a>(groups: impl Iterator<Item = &'a Group<'a>>) -> Vec<i64> {
    let mut taken: BTreeMap<&str, BTreeMap<&str, Quantity>> = BTreeMap::new();
    let one = Quantity::units(1);
    groups
        .map(|group| {
            let requested = group.requested();
            let mut left = group.count;
            for node in &group.nodes {
                let taken = taken.entry(&node.metadata.name).or_default();
                let room = |resource: &str, amount: Quantity| {
                    let taken = taken.get(resource).copied().unwrap_or_default();
                    (node.allocatable(resource) - taken).holds(amount)
                };
                let pods = match node.status.allocatable.contains_key(PODS) {
                    true => room(PODS, one),
                    false => i64::MAX,
                };
                let rooms = requested
                    .iter()
                    .map(|(resource, amount)| room(resource, *amount));
                let fitting = rooms.fold(pods, i64::min).clamp(0, left);
                let counted = std::iter::once((PODS, one));
                for (resource, amount) in requested.iter().copied().chain(counted) {
                    let sum = taken.entry(resource).or_default();
                    *sum = *sum + amount * fitting;
                }
                left -= fitting;
            }
            group.count - left
        })
        .collect()
}

impl GangShortfall {
    /// Returns the flags with which it would fit, if there are some.
    pub fn flags(&self) -> Option<String> {
        let flags: Vec<String> = match self {
            Self::NoNodes => Vec::new(),
            Self::TooLarge { role, gpus, short } => {
                let flags = short.iter().map(|short| flag(short, *role, *gpus));
                flags.collect::<Option<_>>()?
            }
            Self::TooMany {
                smaller: Some(flag),
                ..
            } => vec![flag.clone()],
            Self::TooMany { gpus: ..=0, .. } => Vec::new(),
            Self::TooMany { gpus, .. } => vec![format!("-g {gpus}")],
        };
        (!flags.is_empty()).then(|| flags.join(" "))
    }
}

/// Returns the flag with which a pod asks for less.
fn flag(short: &Short, role: Role, gpus: i64) -> Option<String> {
    if is_gpu_resource(&short.resource) {
        let has = short.has.whole();
        return (has > 0).then(|| format!("--gpus-per-node {has}"));
    }
    role.at_most(&short.resource, gpus, short.has.percent(USABLE))
}

impl fmt::Display for GangShortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |short: &Short, amount: Quantity| {
            format!("{} {}", amount.shown(&short.resource), short.resource)
        };
        match self {
            Self::NoNodes => f.write_str("the cluster has no node that its pods can use"),
            Self::TooLarge { short, .. } => {
                let requests = short.iter().map(|short| shown(short, short.request));
                let requests: Vec<String> = requests.collect();
                let has: Vec<String> = match &short[..] {
                    [only] if only.has == Quantity::default() => {
                        let request = requests.join(" and ");
                        return write!(
                            f,
                            "a pod requests {request}, and no node it can use has any"
                        );
                    }
                    [only] => vec![only.has.shown(&only.resource)],
                    short => short.iter().map(|short| shown(short, short.has)).collect(),
                };
                write!(
                    f,
                    "a pod requests {}, and no node it can use has more than {}",
                    requests.join(" and "),
                    has.join(" and ")
                )
            }
            Self::TooMany {
                short,
                nodes,
                pods,
                placed,
                ..
            } => {
                let nodes = match nodes {
                    1 => "the only node they can use has".to_owned(),
                    nodes => format!("the {nodes} nodes they can use have"),
                };
                let request = shown(short, short.request);
                match short.has < short.request {
                    true => write!(
                        f,
                        "its pods request {request}, and {nodes} {} in total",
                        short.has.shown(&short.resource)
                    ),
                    false => write!(f, "{nodes} room for {placed} of its {pods} pods at once"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::request::sizes::Sizes;

    fn node(name: &str, allocatable: Value) -> Node {
        let status = json!({"allocatable": allocatable});
        serde_json::from_value(json!({"metadata": {"name": name}, "status": status})).unwrap()
    }

    fn look(nodes: &[Node], groups: &[(i64, &[(&str, &str)])]) -> Option<GangShortfall> {
        let groups: Vec<Group> = groups
            .iter()
            .map(|(count, requests)| Group {
                count: *count,
                role: Role::Worker(Sizes::default()),
                requests: requests
                    .iter()
                    .map(|(name, amount)| ((*name).to_owned(), amount.parse().unwrap()))
                    .collect(),
                nodes: nodes.iter().collect(),
            })
            .collect();
        misfit(&groups)
    }

    fn told(misfit: Option<GangShortfall>) -> (String, String) {
        let misfit = misfit.unwrap();
        (misfit.to_string(), misfit.flags().unwrap_or_default())
    }

    #[test]
    fn a_whole_gang_is_counted_against_all_nodes() {
        let nodes = ["a", "b", "c", "d"].map(|name| node(name, json!({"amd.com/gpu": "8"})));
        assert_eq!(look(&nodes, &[(4, &[("amd.com/gpu", "8")])]), None);
        let (words, flags) = told(look(&nodes, &[(8, &[("amd.com/gpu", "8")])]));
        assert_eq!(
            words,
            "its pods request 64 amd.com/gpu, and the 4 nodes they can use have 32 in total"
        );
        assert_eq!(flags, "-g 32");
        // 5 of 8 leave 3 of each idle.
        let (words, flags) = told(look(&nodes, &[(6, &[("amd.com/gpu", "5")])]));
        assert_eq!(
            words,
            "the 4 nodes they can use have room for 4 of its 6 pods at once"
        );
        assert_eq!(flags, "-g 20");
        assert_eq!(
            told(look(&[], &[(1, &[("cpu", "1")])])).0,
            GangShortfall::NoNodes.to_string()
        );
    }

    #[test]
    fn all_that_is_too_small_is_named_with_its_flags() {
        let small = json!({"cpu": "4", "memory": "15Gi", "amd.com/gpu": "1"});
        // Room without GPUs helps nobody.
        let large = json!({"cpu": "64", "memory": "512Gi"});
        let nodes = [node("a", small), node("b", large)];
        let pod: &[(&str, &str)] = &[("cpu", "8"), ("memory", "32Gi"), ("amd.com/gpu", "1")];
        let (words, flags) = told(look(&nodes, &[(1, pod)]));
        assert_eq!(
            words,
            "a pod requests 8 cpu and 32Gi memory, and no node it can use has more than 4 cpu and 15Gi memory"
        );
        assert_eq!(flags, "--cpus-per-gpu 3 --memory-per-gpu 13Gi");
        let (words, flags) = told(look(&nodes, &[(1, &[("amd.com/gpu", "2")])]));
        assert!(
            words.ends_with("no node it can use has more than 1"),
            "{words}"
        );
        assert_eq!(flags, "--gpus-per-node 1");
    }

    #[test]
    fn groups_share_the_nodes_in_whichever_order_fits() {
        let nodes = [
            node("a", json!({"cpu": "34", "amd.com/gpu": "8"})),
            node("b", json!({"cpu": "32", "amd.com/gpu": "8"})),
        ];
        let workers: (i64, &[(&str, &str)]) = (2, &[("cpu", "32"), ("amd.com/gpu", "8")]);
        assert_eq!(look(&nodes, &[workers, (1, &[("cpu", "2")])]), None);
        let (words, _) = told(look(&nodes, &[workers, (1, &[("cpu", "3")])]));
        assert_eq!(
            words,
            "the 2 nodes they can use have room for 2 of its 3 pods at once"
        );
        // A large pod of few is better placed before many small ones.
        let nodes = [
            node("a", json!({"cpu": "4"})),
            node("b", json!({"cpu": "8"})),
        ];
        assert_eq!(
            look(&nodes, &[(4, &[("cpu", "1")]), (1, &[("cpu", "8")])]),
            None
        );
        // What is not the GPUs' can be smaller.
        let nodes = [node("a", json!({"cpu": "3050m", "memory": "6Gi"}))];
        let (_, flags) = told(look(&nodes, &[(4, &[("cpu", "1"), ("memory", "1Gi")])]));
        assert_eq!(flags, "--cpus 750m");
        // The kubelet takes so many pods and no more.
        let nodes = [node("a", json!({"cpu": "64", "pods": "3"}))];
        assert!(look(&nodes, &[(4, &[("cpu", "1")])]).is_some());
    }
}

//! Nodes, and what the pods on them take.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::metadata::Metadata;
use crate::quantity::Quantity;

/// A taint of nodes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A toleration as Kubernetes writes it; what is empty tolerates any.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FlavorToleration {
    /// Key of the taint.
    pub key: String,
    /// `Equal`, also where empty, or `Exists`.
    pub operator: String,
    /// Value of the taint.
    pub value: String,
    /// Effect of the taint.
    pub effect: String,
}

/// `v1` Node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Node {
    /// Name and labels.
    pub metadata: Metadata,
    /// Whom it takes.
    #[serde(default)]
    pub spec: NodeSpec,
    /// What it offers.
    #[serde(default)]
    pub status: NodeStatus,
}

impl Node {
    /// Returns whether it has all of these labels.
    pub fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let own = &self.metadata.labels;
        labels
            .iter()
            .all(|(key, value)| own.get(key) == Some(value))
    }
}

/// `spec` of a Node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether it takes no pods, being drained.
    pub unschedulable: bool,
}

/// `v1` Pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Pod {
    /// Where it runs, with what.
    #[serde(default)]
    pub spec: PodSpec,
}

/// `spec` of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Its node, once it has one.
    pub node_name: Option<String>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Containers that begin before those.
    pub init_containers: Vec<Container>,
}

/// A container of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// What it takes.
    pub resources: ContainerResources,
    /// `Always` if it goes on beside the others, though it begins before them.
    pub restart_policy: String,
}

/// `resources` of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainerResources {
    /// Requests, by resource.
    pub requests: BTreeMap<String, Quantity>,
}

impl Pod {
    /// Returns how many of `resource` are set aside for it.
    pub fn requests(&self, resource: &str) -> i64 {
        let containers = self.spec.containers.iter();
        let init = self.spec.init_containers.iter();
        let requests = set_aside(
            containers.map(|container| &container.resources.requests),
            init.map(|init| (init.restart_policy == "Always", &init.resources.requests)),
        );
        requests.get(resource).map_or(0, |amount| amount.whole())
    }
}

/// Returns what is set aside on a node for a pod of these containers: all that
/// run beside each other together, or what one that runs before them needs, if
/// that is more. Init containers come with whether they stay, as sidecars
/// (k8s.io/component-helpers `PodRequests`, v1.36).
pub fn set_aside<'a>(
    containers: impl Iterator<Item = &'a BTreeMap<String, Quantity>>,
    init: impl Iterator<Item = (bool, &'a BTreeMap<String, Quantity>)>,
) -> BTreeMap<String, Quantity> {
    let add = |total: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>| {
        for (resource, amount) in more {
            let sum = total.entry(resource.clone()).or_default();
            *sum = *sum + *amount;
        }
    };
    let (mut sidecars, mut most) = (BTreeMap::new(), BTreeMap::<String, Quantity>::new());
    let mut at_least = |now: &BTreeMap<String, Quantity>| {
        for (resource, amount) in now {
            let most = most.entry(resource.clone()).or_default();
            *most = (*most).max(*amount);
        }
    };
    for (stays, requests) in init {
        let mut now = sidecars.clone();
        add(&mut now, requests);
        at_least(&now);
        if stays {
            sidecars = now;
        }
    }
    for requests in containers {
        add(&mut sidecars, requests);
    }
    at_least(&sidecars);
    most
}

/// `status` of a Node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// What pods may request, by resource.
    pub allocatable: BTreeMap<String, Quantity>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_that_run_one_after_the_other_share() {
        let container =
            |gpus: i64| json!({"resources": {"requests": {"amd.com/gpu": gpus.to_string()}}});
        let sidecar = |gpus: i64| {
            let mut container = container(gpus);
            container["restartPolicy"] = json!("Always");
            container
        };
        for (containers, init, all) in [
            (json!([container(2), container(1)]), json!([]), 3),
            (
                json!([container(2)]),
                json!([container(1), container(3)]),
                3,
            ),
            (
                json!([container(4)]),
                json!([container(1), container(3)]),
                4,
            ),
            (json!([container(2)]), json!([sidecar(1), container(3)]), 4),
            (json!([container(2)]), json!([container(3), sidecar(1)]), 3),
        ] {
            let pod: Pod = serde_json::from_value(
                json!({"spec": {"containers": containers, "initContainers": init}}),
            )
            .unwrap();
            assert_eq!(pod.requests("amd.com/gpu"), all, "{pod:?}");
        }
    }
}

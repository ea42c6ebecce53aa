//! Tells what nodes have, who holds it, and why they take no more pods.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::condition::condition;
use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::names::counted;
use crate::plan::occupation::Occupation;
use crate::quantity::Quantity;

/// Labels that say what machine a node is, the most telling first.
const MACHINE_LABELS: [&str; 4] = [
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "beta.amd.com/gpu.product-name",
    "node.kubernetes.io/instance-type",
];

/// A node.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLine {
    pub name: String,
    /// What machine it is, where a label says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Its GPUs, if it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Amount>,
    pub cpu: Amount,
    /// Its memory in bytes.
    pub memory: Amount,
    /// Pods that hold GPUs, those with most first.
    pub holders: Vec<Holder>,
    /// Why it takes no more pods, or none that want GPUs.
    pub closed: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// What a node has of a resource.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    pub resource: String,
    /// How much its pods may request together.
    #[cfg_attr(test, schemars(with = "String"))]
    pub total: Quantity,
    /// How much of that no pod holds; `None` if the pods may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub free: Option<Quantity>,
}

/// A pod that holds GPUs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// `namespace/name`.
    pub pod: String,
    /// How many.
    pub gpus: i64,
}

impl NodeLine {
    /// Looks at a node. `occupation` is what pods hold, where they may be read.
    pub fn new(node: &Node, occupation: Option<&Occupation>) -> Self {
        let amount = |resource: &str| Amount {
            resource: resource.to_owned(),
            total: node.allocatable(resource),
            free: occupation.map(|occupation| occupation.free(node, resource)),
        };
        let mut resources = node.status.allocatable.iter();
        let gpus =
            resources.find(|(resource, total)| is_gpu_resource(resource) && total.whole() > 0);
        let name = &node.metadata.name;
        let occupants = occupation.into_iter().flat_map(|known| &known.occupants);
        let mut holders: Vec<Holder> = occupants
            .filter(|one| one.node == *name)
            .map(|one| Holder {
                pod: one.pod.clone(),
                gpus: one.gpus,
            })
            .collect();
        holders.sort_by(|a, b| b.gpus.cmp(&a.gpus).then_with(|| a.pod.cmp(&b.pod)));
        let mut line = Self {
            name: name.clone(),
            machine: MACHINE_LABELS
                .iter()
                .find_map(|label| node.metadata.label(label).map(str::to_owned)),
            gpus: gpus.map(|(resource, _)| amount(resource)),
            cpu: amount("cpu"),
            memory: amount("memory"),
            holders,
            closed: shut(node),
            labels: node.metadata.labels.clone(),
        };
        line.closed.extend(line.used_up());
        line
    }

    /// Says what of the node is used up: the GPUs, or what every pod needs beside
    /// them.
    fn used_up(&self) -> Option<String> {
        let is_used_up = |amount: &&Amount| {
            let least = match amount.resource.as_str() {
                "memory" => Quantity::gib(1),
                _ => Quantity::units(1),
            };
            amount.free.is_some_and(|free| free < least)
        };
        if let Some(gpus) = self.gpus.as_ref().filter(is_used_up) {
            let gpus = counted(gpus.total.whole(), "GPU");
            return Some(format!("0 of {gpus} free"));
        }
        let rest = [&self.cpu, &self.memory].into_iter().find(is_used_up)?;
        let free = rest.free.unwrap_or_default().shown(&rest.resource);
        Some(match self.gpus.as_ref().and_then(|gpus| gpus.free) {
            Some(gpus) => format!(
                "{} free, but only {free} {} for them",
                counted(gpus.whole(), "GPU"),
                rest.resource
            ),
            None => format!("{free} {} is free", rest.resource),
        })
    }
}

/// Says what keeps every pod off a node, or those that do not tolerate it.
fn shut(node: &Node) -> Vec<String> {
    let mut shut = Vec::new();
    if node.metadata.deletion_timestamp.is_some() {
        shut.push("being deleted".to_owned());
    }
    if node.spec.unschedulable {
        shut.push("cordoned".to_owned());
    }
    if let Some(ready) = condition(&node.status.conditions, "Ready").filter(|ready| !ready.holds())
    {
        let since = match ready.words() {
            "" => String::new(),
            words => format!(": {words}"),
        };
        shut.push(format!("not ready{since}"));
    }
    for kind in ["MemoryPressure", "DiskPressure", "PIDPressure"] {
        let held = condition(&node.status.conditions, kind).filter(|held| held.holds());
        shut.extend(held.map(|_| kind.to_owned()));
    }
    let taints = node.spec.taints.iter();
    let own = taints.filter(|taint| {
        // Kubernetes' own say once more what is said already.
        !taint.key.starts_with("node.kubernetes.io/") && taint.effect != "PreferNoSchedule"
    });
    shut.extend(own.map(|taint| {
        let value = match taint.value.as_str() {
            "" => String::new(),
            value => format!("={value}"),
        };
        format!("taint {}{value}:{}", taint.key, taint.effect)
    }));
    shut
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(spec: Value, conditions: Value) -> Node {
        let allocatable = json!({"cpu": "16", "memory": "64Gi", "amd.com/gpu": "8"});
        serde_json::from_value(json!({
            "metadata": {"name": "gpu-1", "labels": {"amd.com/gpu.product-name": "MI300X"}},
            "spec": spec,
            "status": {"allocatable": allocatable, "conditions": conditions},
        }))
        .unwrap()
    }

    fn held(gpus: i64, cpu: &str) -> Occupation {
        let requests = json!({"amd.com/gpu": gpus.to_string(), "cpu": cpu});
        let mut occupation = Occupation::default();
        let pod = json!({
            "metadata": {"name": "a-0", "namespace": "ml"},
            "spec": {"nodeName": "gpu-1", "containers": [{"resources": {"requests": requests}}]},
        });
        occupation.add(&serde_json::from_value(pod).unwrap());
        occupation
    }

    #[test]
    fn what_a_node_has_and_who_holds_it() {
        let line = NodeLine::new(&node(json!({}), json!([])), Some(&held(6, "4")));
        assert_eq!(line.machine.as_deref(), Some("MI300X"));
        let gpus = line.gpus.unwrap();
        assert_eq!((gpus.total.whole(), gpus.free.unwrap().whole()), (8, 2));
        assert_eq!(line.holders[0].pod, "ml/a-0");
        assert!(line.closed.is_empty(), "{:?}", line.closed);
        let unseen = NodeLine::new(&node(json!({}), json!([])), None);
        assert_eq!(unseen.gpus.unwrap().free, None);
    }

    #[test]
    fn why_it_takes_no_more() {
        let closed = |spec, conditions, occupation| {
            NodeLine::new(&node(spec, conditions), Some(&occupation)).closed
        };
        assert_eq!(
            closed(json!({}), json!([]), held(8, "4")),
            ["0 of 8 GPUs free"]
        );
        assert_eq!(
            closed(json!({}), json!([]), held(4, "16")),
            ["4 GPUs free, but only 0 cpu for them"]
        );
        let taints = json!([
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
            {"key": "team", "value": "vision", "effect": "NoSchedule"},
        ]);
        let not_ready =
            json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]);
        assert_eq!(
            closed(
                json!({"unschedulable": true, "taints": taints}),
                not_ready,
                held(0, "0")
            ),
            [
                "cordoned",
                "not ready: NodeStatusUnknown",
                "taint team=vision:NoSchedule"
            ]
        );
    }
}

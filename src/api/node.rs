//! Nodes, and which pods they take.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::Condition;
use super::metadata::Metadata;
use crate::quantity::Quantity;

/// A taint of nodes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Taint {
    pub key: String,
    /// Value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A toleration as Kubernetes writes it; what is empty tolerates any.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlavorToleration {
    /// Key of the taint.
    pub key: String,
    /// `Equal`, also where empty, or `Exists`.
    pub operator: String,
    /// Value of the taint.
    pub value: String,
    /// Effect of the taint.
    pub effect: String,
    /// For how many seconds a `NoExecute` is tolerated; for ever, if it does not say.
    pub toleration_seconds: Option<i64>,
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

    /// Returns it as it is while nothing is wrong with it: ready, and not being drained.
    /// Kubernetes and cloud providers write what passes on a node as taints of these
    /// prefixes ("Well-Known Labels, Annotations and Taints").
    pub fn while_healthy(&self) -> Self {
        let mut node = self.clone();
        node.spec.unschedulable = false;
        let passing = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
        let passes = |taint: &Taint| passing.iter().any(|prefix| taint.key.starts_with(prefix));
        node.spec.taints.retain(|taint| !passes(taint));
        node
    }

    /// Returns how much of a resource its pods may request together.
    pub fn allocatable(&self, resource: &str) -> Quantity {
        let allocatable = self.status.allocatable.get(resource);
        allocatable.copied().unwrap_or_default()
    }
}

/// `spec` of a Node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    pub taints: Vec<Taint>,
    /// Whether it takes no pods, being drained.
    pub unschedulable: bool,
}

/// `status` of a Node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// What pods may request, by resource.
    pub allocatable: BTreeMap<String, Quantity>,
    /// Conditions, `Ready` among them.
    pub conditions: Vec<Condition>,
}

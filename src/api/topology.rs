//! Kueue's Topology: how the nodes of a flavor are arranged (`v1beta1`, `v1beta2`).

use serde::Deserialize;

use super::metadata::Metadata;

/// `kueue.x-k8s.io` Topology.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Topology {
    /// Name and labels.
    pub metadata: Metadata,
    /// Its levels.
    pub spec: TopologySpec,
}

/// `spec` of a Topology.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TopologySpec {
    /// Levels, the widest first.
    pub levels: Vec<TopologyLevel>,
}

/// A level of a Topology.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopologyLevel {
    /// Label of the nodes whose value names the domain.
    pub node_label: String,
}

impl Topology {
    /// Returns the labels of the levels, the widest first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.spec.levels.iter().map(|it| it.node_label.as_str())
    }
}

//! Sets of equal pods that Kueue admits together.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::pod_template::PodTemplateSpec;

/// A set of equal pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadPodSet {
    pub name: String,
    /// Pods.
    pub count: i64,
    /// Pods that are enough for it to be admitted, where that may be fewer.
    pub min_count: Option<i64>,
    /// What the pods are like.
    pub template: PodSetTemplate,
    /// How close together they are placed.
    pub topology_request: Option<TopologyRequest>,
}

/// `topologyRequest` of a set of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TopologyRequest {
    /// Label of the level in one domain of which they must be.
    pub required: Option<String>,
    /// Label of the level in one domain of which they are preferably.
    pub preferred: Option<String>,
}

impl TopologyRequest {
    /// Returns the label of the level, and whether it is required.
    pub fn level(&self) -> Option<(&str, bool)> {
        let required = self.required.as_deref().map(|label| (label, true));
        required.or(self.preferred.as_deref().map(|label| (label, false)))
    }
}

/// `template` of a set of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodSetTemplate {
    /// Their labels.
    pub metadata: PodSetMetadata,
    /// Their containers.
    pub spec: PodTemplateSpec,
}

/// `metadata` of a template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodSetMetadata {
    pub labels: BTreeMap<String, String>,
}

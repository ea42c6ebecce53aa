//! Deployments.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::condition::Condition;
use crate::api::pod_template::PodTemplate;

/// `spec` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeploymentSpec {
    /// Which pods are its own.
    pub selector: Selector,
    /// Pods; 1 unless it says otherwise.
    pub replicas: Option<i64>,
    /// Its pods.
    pub template: PodTemplate,
}

/// `spec.selector` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that have to match.
    pub match_labels: BTreeMap<String, String>,
}

/// `status` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// The `metadata.generation` that the rest is about.
    pub observed_generation: i64,
    /// Pods.
    pub replicas: i64,
    /// Pods of the newest template.
    pub updated_replicas: i64,
    /// Pods that are ready.
    pub ready_replicas: i64,
    /// Pods that have been ready for long enough.
    pub available_replicas: i64,
    pub conditions: Vec<Condition>,
}

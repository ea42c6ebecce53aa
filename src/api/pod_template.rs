//! Templates of pods.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// Template of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Their `spec`.
    pub spec: PodTemplateSpec,
}

/// `spec` of a template of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodTemplateSpec {
    /// Containers.
    pub containers: Vec<TemplateContainer>,
    /// What they can mount.
    pub volumes: Vec<TemplateVolume>,
}

/// A volume of a template, as far as ConfigMaps are concerned.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateVolume {
    /// One ConfigMap.
    pub config_map: ConfigMapSource,
    /// Several of them.
    pub projected: ProjectedSources,
}

/// `projected` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ProjectedSources {
    /// What is put together.
    pub sources: Vec<ProjectedSource>,
}

/// Entry of `projected.sources`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource {
    /// A ConfigMap.
    pub config_map: ConfigMapSource,
}

/// `configMap` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ConfigMapSource {
    /// Its name; empty if it is none.
    pub name: String,
}

/// A container of a template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateContainer {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// What it asks for.
    pub resources: Resources,
    /// Ports that it names.
    pub ports: Vec<ContainerPort>,
    /// Of one that begins before the others: `Always` if it stays with them.
    pub restart_policy: String,
}

impl TemplateContainer {
    /// Returns whether a container that begins before the others stays with
    /// them (Kubernetes 1.29 and later).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy == "Always"
    }
}

/// A port of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name; may be empty.
    pub name: String,
    /// Number.
    pub container_port: i64,
}

/// `resources` of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What it may have at most; of GPUs, what it has.
    pub limits: BTreeMap<String, Quantity>,
    /// What is set aside for it.
    pub requests: BTreeMap<String, Quantity>,
}

impl PodTemplate {
    /// Returns the GPUs of one pod.
    pub fn gpus(&self) -> i64 {
        self.spec
            .containers
            .iter()
            .map(|container| container.resources.gpus())
            .sum()
    }
}

impl Resources {
    /// Returns the GPUs among them. The API server takes extended resources
    /// only with limits equal to requests, and fills in the latter.
    pub fn gpus(&self) -> i64 {
        self.limits
            .iter()
            .filter(|(resource, _)| is_gpu_resource(resource))
            .map(|(_, count)| count.whole())
            .sum()
    }
}

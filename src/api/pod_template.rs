//! Templates of pods.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::keys::UPLOADS_DIRECTORY;
use super::node::FlavorToleration;
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
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplateSpec {
    /// What is started again when it ends: `Always`, `OnFailure` or `Never`.
    pub restart_policy: String,
    pub containers: Vec<TemplateContainer>,
    /// Containers that run before those.
    pub init_containers: Vec<TemplateContainer>,
    /// What the node itself needs for a pod (RuntimeClass).
    pub overhead: BTreeMap<String, Quantity>,
    /// What they can mount.
    pub volumes: Vec<TemplateVolume>,
    /// Labels that their nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that they tolerate.
    pub tolerations: Vec<FlavorToleration>,
    /// What has to be removed before its pods are placed on nodes.
    pub scheduling_gates: Vec<SchedulingGate>,
}

/// Entry of `schedulingGates`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SchedulingGate {
    /// Who holds it.
    pub name: String,
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
    pub name: String,
    pub image: String,
    /// What it runs instead of the image's own program.
    pub command: Vec<String>,
    /// What it asks for.
    pub resources: Resources,
    /// Ports that it names.
    pub ports: Vec<ContainerPort>,
    /// Where it mounts the pod's volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Of one that begins before the others: `Always` if it stays with them.
    pub restart_policy: String,
    /// Until it succeeds, nothing else is asked of the container.
    pub startup_probe: Option<Probe>,
    /// What tells whether it is ready, where something does.
    pub readiness_probe: Option<Probe>,
    /// What is run when it begins and ends.
    pub lifecycle: Lifecycle,
}

/// Entry of `volumeMounts`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// Name of the volume.
    pub name: String,
    /// Where.
    pub mount_path: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// The part of the volume that is mounted; all of it if empty.
    pub sub_path: String,
}

/// A probe, as far as it says how long something may take, and what is asked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// Seconds before it begins.
    pub initial_delay_seconds: i64,
    /// Seconds from one try to the next; 10 if nothing is said.
    pub period_seconds: Option<i64>,
    /// Tries that may fail; 3 if nothing is said.
    pub failure_threshold: Option<i64>,
    /// By a request.
    pub http_get: Option<HttpGet>,
}

/// A request to a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpGet {
    /// Path; the root if empty.
    pub path: String,
}

impl Probe {
    /// Returns the seconds after which a container that has not answered is
    /// ended (Kubernetes `SetDefaults_Probe`, v1.36).
    pub fn seconds(&self) -> i64 {
        let period = self.period_seconds.unwrap_or(10);
        let tries = self.failure_threshold.unwrap_or(3);
        period
            .saturating_mul(tries)
            .saturating_add(self.initial_delay_seconds)
    }
}

/// `lifecycle` of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    /// Run as soon as it has begun.
    pub post_start: Option<LifecycleHandler>,
}

/// What a container runs besides its command, whatever that is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LifecycleHandler {}

impl TemplateContainer {
    /// Returns the command that the shell runs with which kaiwo has a container copy
    /// its uploads; nothing if it has none.
    pub fn command_after_copy(&self) -> Option<&[String]> {
        match &self.command[..] {
            [shell, option, script, command @ ..]
                if shell == "sh" && option == "-c" && script.contains(UPLOADS_DIRECTORY) =>
            {
                Some(command)
            }
            _ => None,
        }
    }

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

impl PodTemplateSpec {
    /// Returns what Kueue counts for one pod: what is set aside on its node,
    /// where limits stand in for requests that are missing (v0.19,
    /// `pkg/workload/resources.go`).
    pub fn requests(&self) -> BTreeMap<String, Quantity> {
        let counted = |containers: &[TemplateContainer]| -> Vec<_> {
            let resources = containers.iter().map(|container| &container.resources);
            resources.map(Resources::counted).collect()
        };
        let (containers, init) = (counted(&self.containers), counted(&self.init_containers));
        let stays = self
            .init_containers
            .iter()
            .map(TemplateContainer::is_sidecar);
        let mut requests = set_aside(containers.iter(), stays.zip(&init));
        add(&mut requests, &self.overhead);
        requests
    }

    /// Returns how many seconds a container of it may take to start before it is
    /// ended, where its probes say that.
    pub fn startup_seconds(&self) -> Option<i64> {
        let sidecars = self.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.is_sidecar());
        let running = self.containers.iter().chain(sidecars);
        running
            .filter_map(|container| container.startup_probe.as_ref())
            .map(Probe::seconds)
            .max()
    }
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
    /// Returns the requests, and the limits of what is not requested.
    fn counted(&self) -> BTreeMap<String, Quantity> {
        let mut all = self.limits.clone();
        all.extend(self.requests.clone());
        all
    }

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

fn add(total: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
    for (resource, amount) in more {
        let sum = total.entry(resource.clone()).or_default();
        *sum = *sum + *amount;
    }
}

/// Returns what is set aside on a node for a pod of these containers: all that
/// run beside each other together, or what one that runs before them needs, if
/// that is more. Init containers come with whether they stay, as sidecars
/// (k8s.io/component-helpers `PodRequests`, v1.36).
pub(super) fn set_aside<'a>(
    containers: impl Iterator<Item = &'a BTreeMap<String, Quantity>>,
    init: impl Iterator<Item = (bool, &'a BTreeMap<String, Quantity>)>,
) -> BTreeMap<String, Quantity> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kueue_counts_all_containers_and_limits_where_nothing_is_requested() {
        let spec: PodTemplateSpec = serde_json::from_value(json!({
            "containers": [
                {"name": "ray-head", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "4", "memory": "16Gi"}}},
                {"name": "autoscaler", "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}}},
            ],
            "initContainers": [
                {"name": "fetch", "resources": {"requests": {"cpu": "1", "example.com/x": "1"}}},
                {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
            ],
            "overhead": {"cpu": "50m"},
        }))
        .unwrap();
        let requests = spec.requests();
        let told: Vec<String> = requests
            .iter()
            .map(|(resource, amount)| format!("{resource}={amount}"))
            .collect();
        assert_eq!(told, ["cpu=2650m", "example.com/x=1", "memory=16896Mi"]);
    }

    #[test]
    fn the_longest_startup_probe_says_how_long_pods_may_take() {
        let spec: PodTemplateSpec = serde_json::from_value(json!({"containers": [
            {"name": "a", "startupProbe": {"periodSeconds": 10, "failureThreshold": 360}},
            {"name": "b", "startupProbe": {"initialDelaySeconds": 5}},
            {"name": "c"},
        ]}))
        .unwrap();
        assert_eq!(spec.startup_seconds(), Some(3_600));
        assert_eq!(PodTemplateSpec::default().startup_seconds(), None);
    }
}

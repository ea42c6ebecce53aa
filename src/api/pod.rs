//! A pod.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::condition::{Condition, holds};
use super::metadata::Metadata;
use super::node::FlavorToleration;
use super::pod_template::TemplateContainer;
use super::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// `v1` Pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Name, labels and so on.
    pub metadata: Metadata,
    /// What it is to be.
    pub spec: PodSpec,
    /// What it is.
    pub status: PodStatus,
}

/// `spec` of a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Where it runs; empty until it is scheduled.
    pub node_name: String,
    /// Containers.
    pub containers: Vec<TemplateContainer>,
    /// Containers that run before those.
    pub init_containers: Vec<TemplateContainer>,
    /// What keeps it from being scheduled.
    pub scheduling_gates: Vec<SchedulingGate>,
    /// Labels that its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it stands.
    pub tolerations: Vec<FlavorToleration>,
    /// What it mounts.
    pub volumes: Vec<Volume>,
}

impl PodSpec {
    /// Returns all containers, those that run before the others last.
    pub fn all(&self) -> impl Iterator<Item = &TemplateContainer> + Clone {
        self.containers.iter().chain(&self.init_containers)
    }
}

/// Entry of `volumes`; most kinds of volume are always there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// A claim.
    pub persistent_volume_claim: Option<ClaimSource>,
}

/// `persistentVolumeClaim` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSource {
    /// Its name.
    pub claim_name: String,
}

/// Entry of `schedulingGates`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SchedulingGate {
    /// Who holds it.
    pub name: String,
}

/// `status` of a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Word for programs about the phase.
    pub reason: String,
    /// Words for people about it.
    pub message: String,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Containers that run before those.
    pub init_container_statuses: Vec<ContainerStatus>,
    /// When a kubelet took it on.
    pub start_time: Option<Timestamp>,
}

/// `status` of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Whether it answers its readiness probe.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: i64,
    /// What it does now.
    pub state: ContainerState,
    /// What it did before.
    pub last_state: ContainerState,
}

/// What a container does; one of them, or none yet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It waits.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Running>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
}

/// Since when a container runs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    /// Since when.
    pub started_at: Option<Timestamp>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// Exit code; 128 and more for signals.
    pub exit_code: i64,
    /// Word for programs: `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// Words for people; the container's own, if it wrote some.
    pub message: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Pod {
    /// Returns whether all its containers are ready.
    pub fn is_ready(&self) -> bool {
        holds(&self.status.conditions, "Ready").is_some()
    }

    /// Returns whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Returns whether it has been deleted, but is still there.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns the node that it is on.
    pub fn node(&self) -> Option<&str> {
        Some(self.spec.node_name.as_str()).filter(|node| !node.is_empty())
    }

    /// Returns the GPUs that are set aside for it on its node.
    pub fn gpus(&self) -> i64 {
        let requests = self.requests();
        let gpus = requests.iter().filter(|(name, _)| is_gpu_resource(name));
        gpus.map(|(_, amount)| amount.whole()).sum()
    }

    /// Returns what is set aside for it on its node, by resource.
    pub fn requests(&self) -> BTreeMap<String, Quantity> {
        let containers = self.spec.containers.iter();
        let init = self.spec.init_containers.iter();
        set_aside(
            containers.map(|container| &container.resources.requests),
            init.map(|init| (init.is_sidecar(), &init.resources.requests)),
        )
    }

    /// Returns what is known of the containers that run before the others, and
    /// of those that run: sidecars begin with the former and stay with the
    /// latter.
    pub fn in_turn(&self) -> (Vec<&ContainerStatus>, Vec<&ContainerStatus>) {
        let sidecars = self.spec.init_containers.iter();
        let sidecars: Vec<&str> = sidecars
            .filter(|init| init.is_sidecar())
            .map(|init| init.name.as_str())
            .collect();
        let init = self.status.init_container_statuses.iter();
        let (stay, first): (Vec<_>, Vec<_>) =
            init.partition(|init| sidecars.contains(&init.name.as_str()));
        let run = self.status.container_statuses.iter().chain(stay);
        (first, run.collect())
    }

    /// Returns how a container fares.
    pub fn container_status(&self, name: &str) -> Option<&ContainerStatus> {
        let status = &self.status;
        let mut all = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses);
        all.find(|container| container.name == name)
    }

    /// Returns how often its containers were started again.
    pub fn restarts(&self) -> i64 {
        let containers = self.status.container_statuses.iter();
        containers.map(|container| container.restart_count).sum()
    }

    /// Returns the word that `kubectl get pods` shows as STATUS.
    pub fn state(&self) -> String {
        if self.is_terminating() {
            return "Terminating".to_owned();
        }
        if !self.spec.scheduling_gates.is_empty() {
            return "SchedulingGated".to_owned();
        }
        let (init, _) = self.in_turn();
        let failing = init.into_iter().find_map(|init| {
            let state = &init.state;
            let waiting = state.waiting.as_ref().map(|waiting| &waiting.reason);
            let failed = state
                .terminated
                .as_ref()
                .filter(|terminated| terminated.exit_code != 0)
                .map(|terminated| &terminated.reason);
            waiting
                .filter(|reason| *reason != "PodInitializing")
                .or(failed)
                .map(|reason| format!("Init:{reason}"))
        });
        let container = self
            .status
            .container_statuses
            .iter()
            .find_map(|container| {
                let state = &container.state;
                let waiting = state.waiting.as_ref().map(|waiting| &waiting.reason);
                let ended = state.terminated.as_ref().map(|ended| &ended.reason);
                waiting.or(ended)
            })
            .filter(|reason| !reason.is_empty());
        failing
            .or_else(|| (!self.status.reason.is_empty()).then(|| self.status.reason.clone()))
            .or_else(|| container.cloned())
            .unwrap_or_else(|| self.status.phase.clone())
    }
}

/// Returns what is set aside on a node for a pod of these containers: all that
/// run beside each other together, or what one that runs before them needs, if
/// that is more. Init containers come with whether they stay, as sidecars
/// (k8s.io/component-helpers `PodRequests`, v1.36).
fn set_aside<'a>(
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn its_gpus_are_those_that_its_node_sets_aside() {
        let container = |gpus: &str| {
            let gpus = json!({"amd.com/gpu": gpus, "cpu": "4"});
            json!({"resources": {"limits": gpus, "requests": gpus}})
        };
        let mut sidecar = container("1");
        sidecar["restartPolicy"] = json!("Always");
        for (init, expected) in [
            (json!([]), 2),
            (json!([container("1")]), 2),
            (json!([container("8")]), 8),
            (json!([sidecar]), 3),
            (json!([sidecar, container("8")]), 9),
        ] {
            let spec = json!({"containers": [container("2"), {}], "initContainers": init});
            let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
            assert_eq!(pod.gpus(), expected, "{init}");
        }
    }

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
            assert_eq!(pod.gpus(), all, "{pod:?}");
        }
    }
}

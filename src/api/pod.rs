//! A pod.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::condition::{Condition, holds};
use super::keys;
use super::metadata::Metadata;
use super::node::FlavorToleration;
use super::pod_template::{SchedulingGate, TemplateContainer, set_aside};
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
    pub containers: Vec<TemplateContainer>,
    /// Containers that run before those.
    pub init_containers: Vec<TemplateContainer>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: String,
    /// What keeps it from being scheduled.
    pub scheduling_gates: Vec<SchedulingGate>,
    /// Labels that its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it stands.
    pub tolerations: Vec<FlavorToleration>,
    /// What it mounts.
    pub volumes: Vec<Volume>,
    /// Conditions without which it is not ready, besides its containers.
    pub readiness_gates: Vec<ReadinessGate>,
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
    pub name: String,
    pub persistent_volume_claim: Option<ClaimSource>,
    /// A claim that is made for the pod and goes with it.
    pub ephemeral: Option<EphemeralSource>,
}

/// `ephemeral` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct EphemeralSource {}

/// `persistentVolumeClaim` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSource {
    pub claim_name: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// Entry of `readinessGates`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadinessGate {
    pub condition_type: String,
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
    pub conditions: Vec<Condition>,
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
    pub name: String,
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
    pub waiting: Option<ContainerWaiting>,
    /// It runs.
    pub running: Option<Running>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainerWaiting {
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

    /// Returns how it has ended: whether well. The kubelet says first that its
    /// containers have, and half a second later that it has (v1.36).
    pub fn ended_well(&self) -> Option<bool> {
        match self.status.phase.as_str() {
            "Succeeded" => return Some(true),
            "Failed" => return Some(false),
            _ => {}
        }
        let containers = &self.status.container_statuses;
        let codes: Option<Vec<i64>> = containers
            .iter()
            .map(|container| Some(container.state.terminated.as_ref()?.exit_code))
            .collect();
        let codes = codes.filter(|codes| !codes.is_empty())?;
        let is_well = codes.iter().all(|code| *code == 0);
        match self.spec.restart_policy.as_str() {
            "Never" => Some(is_well),
            "OnFailure" if is_well => Some(true),
            _ => None,
        }
    }

    /// Returns whether it has been deleted, but is still there.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns the node that it is on.
    pub fn node(&self) -> Option<&str> {
        Some(self.spec.node_name.as_str()).filter(|node| !node.is_empty())
    }

    /// Returns whether it stays where it is, as part of the node or the cluster, and is no
    /// workload that ends: it has no GPUs, no queue, and belongs to what runs for good.
    pub fn stays(&self) -> bool {
        let metadata = &self.metadata;
        let is_workload = metadata.is_kaiwos() || metadata.label(keys::QUEUE_NAME_LABEL).is_some();
        let for_good = ["DaemonSet", "Node", "ReplicaSet", "StatefulSet"];
        let mut owners = metadata.owner_references.iter();
        !is_workload
            && self.gpus() == 0
            && owners.any(|owner| owner.controller && for_good.contains(&owner.kind.as_str()))
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

    /// Returns the claims that it mounts; of an ephemeral volume the claim is
    /// called POD-VOLUME (Kubernetes v1.36, `ephemeral.VolumeClaimName`).
    pub fn claims(&self) -> impl Iterator<Item = String> {
        self.spec.volumes.iter().filter_map(|volume| {
            let named = volume.persistent_volume_claim.as_ref();
            let made = volume.ephemeral.as_ref();
            let made = made.map(|_| format!("{}-{}", self.metadata.name, volume.name));
            named.map(|claim| claim.claim_name.clone()).or(made)
        })
    }

    /// Returns what a container is to be, by its name.
    pub fn template(&self, name: &str) -> Option<&TemplateContainer> {
        self.spec.all().find(|container| container.name == name)
    }

    /// Returns whether a container that ends is started again, by its own policy
    /// or that of the pod, which is `Always` unless it says otherwise.
    pub fn starts_again(&self, container: &str) -> bool {
        let own = self.template(container);
        let own = own.map_or("", |own| own.restart_policy.as_str());
        let policy = if own.is_empty() {
            &self.spec.restart_policy
        } else {
            own
        };
        !self.has_ended() && policy != "Never"
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

    /// Returns the condition of a pod that was taken off its node (core/v1).
    pub fn disruption_target(&self) -> Option<&Condition> {
        holds(&self.status.conditions, "DisruptionTarget")
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

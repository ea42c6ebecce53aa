//! A pod, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::object::{Condition, Metadata, TemplateContainer, condition, holds};
use crate::plan::facts::FlavorToleration;
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

/// What is wrong with a pod, as kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// An image cannot be had (kubelet `images.Err…`).
    ImagePull,
    /// A container cannot be made of what the pod names: a Secret or ConfigMap
    /// or a key of it is missing (kubelet `CreateContainerConfigError`).
    Config,
    /// A container cannot be started: its command is not there, for instance.
    Start,
    /// A container that runs before the others fails.
    Init,
    /// A container had more memory than its limit.
    OutOfMemory,
    /// A container ends again and again.
    CrashLoop,
    /// A container failed.
    Failed,
    /// The pod was taken off its node: a drain, pressure, preemption.
    Disrupted,
    /// No node takes it.
    Unschedulable,
}

impl TroubleKind {
    /// Returns the word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImagePull => "imagePull",
            Self::Config => "containerConfig",
            Self::Start => "containerStart",
            Self::Init => "initContainer",
            Self::OutOfMemory => "outOfMemory",
            Self::CrashLoop => "crashLoop",
            Self::Failed => "failed",
            Self::Disrupted => "disrupted",
            Self::Unschedulable => "unschedulable",
        }
    }
}

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind it is.
    pub kind: TroubleKind,
    /// The pod.
    pub pod: String,
    /// Its container, if one of them is the matter.
    pub container: Option<String>,
    /// Kubernetes' word: `ImagePullBackOff`, `OOMKilled`.
    pub reason: String,
    /// Kubernetes' words; may be empty.
    pub message: String,
    /// Exit code of the container, if it has ended.
    pub exit_code: Option<i64>,
}

impl Trouble {
    /// Returns it without the pod, which is told beside.
    pub fn in_its_pod(&self) -> String {
        self.to_string()
            .replacen(&format!(" in pod {}", self.pod), "", 1)
    }
}

impl fmt::Display for Trouble {
    /// `ImagePullBackOff in pod x: Back-off pulling image "y"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            pod,
            message,
            ..
        } = self;
        match (self.kind, self.exit_code) {
            (TroubleKind::Failed | TroubleKind::Init, Some(code)) => {
                write!(f, "exit code {code} in pod {pod}")?;
            }
            _ => write!(f, "{reason} in pod {pod}")?,
        }
        if let Some(container) = &self.container
            && self.kind == TroubleKind::Init
        {
            write!(f, ", init container {container}")?;
        }
        match message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
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

    /// Returns its GPUs.
    pub fn gpus(&self) -> i64 {
        let containers = self.spec.containers.iter();
        containers.map(|container| container.resources.gpus()).sum()
    }

    /// Returns what is set aside for it on its node, by resource. Containers
    /// that run before the others need what is largest of theirs.
    pub fn requests(&self) -> BTreeMap<String, Quantity> {
        let mut total = BTreeMap::<String, Quantity>::new();
        for container in &self.spec.containers {
            for (resource, amount) in &container.resources.requests {
                let sum = total.entry(resource.clone()).or_default();
                *sum = *sum + *amount;
            }
        }
        for container in &self.spec.init_containers {
            for (resource, amount) in &container.resources.requests {
                let most = total.entry(resource.clone()).or_default();
                *most = (*most).max(*amount);
            }
        }
        total
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
        let failing = self.status.init_container_statuses.iter().find_map(|init| {
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

    /// Returns the exit code and the end of the first of its containers that
    /// failed.
    pub fn first_failure(&self) -> Option<(&ContainerStatus, &Terminated)> {
        let status = &self.status;
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .filter_map(|container| Some((container, container.state.terminated.as_ref()?)))
            .filter(|(_, ended)| ended.exit_code != 0)
            .min_by_key(|(_, ended)| ended.finished_at)
    }

    /// Returns what is wrong with it now. What went wrong before and has
    /// healed is no trouble.
    pub fn trouble(&self) -> Option<Trouble> {
        let trouble =
            |kind, container: Option<&ContainerStatus>, reason: &str, message: &str, code| {
                Some(Trouble {
                    kind,
                    pod: self.metadata.name.clone(),
                    container: container.map(|container| container.name.clone()),
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                    exit_code: code,
                })
            };
        let status = &self.status;
        if let Some(disruption) = holds(&status.conditions, "DisruptionTarget")
            && status.phase != "Succeeded"
        {
            return trouble(
                TroubleKind::Disrupted,
                None,
                &disruption.reason,
                &disruption.message,
                None,
            );
        }
        for init in &status.init_container_statuses {
            if let Some(waiting) = &init.state.waiting
                && let Some(kind) = TroubleKind::of_waiting(&waiting.reason)
            {
                let kind = match kind {
                    TroubleKind::CrashLoop => TroubleKind::Init,
                    other => other,
                };
                let code = init.last_exit_code();
                return trouble(kind, Some(init), &waiting.reason, &waiting.message, code);
            }
            if let Some(ended) = init
                .state
                .terminated
                .as_ref()
                .filter(|ended| ended.exit_code != 0)
            {
                let code = Some(ended.exit_code);
                return trouble(
                    TroubleKind::Init,
                    Some(init),
                    &ended.reason,
                    &ended.message,
                    code,
                );
            }
        }
        // Of several, the first to fail says most: the others fail for want of it.
        if let Some((container, ended)) = self.first_failure() {
            let kind = match ended.reason.as_str() {
                "OOMKilled" => TroubleKind::OutOfMemory,
                "ContainerCannotRun" | "StartError" => TroubleKind::Start,
                _ => TroubleKind::Failed,
            };
            let code = Some(ended.exit_code);
            return trouble(kind, Some(container), &ended.reason, &ended.message, code);
        }
        for container in &status.container_statuses {
            if let Some(waiting) = &container.state.waiting
                && let Some(kind) = TroubleKind::of_waiting(&waiting.reason)
            {
                let last = container.last_state.terminated.as_ref();
                let code = container.last_exit_code();
                return match last {
                    Some(ended)
                        if kind == TroubleKind::CrashLoop && ended.reason == "OOMKilled" =>
                    {
                        let kind = TroubleKind::OutOfMemory;
                        trouble(kind, Some(container), &ended.reason, &ended.message, code)
                    }
                    _ => trouble(
                        kind,
                        Some(container),
                        &waiting.reason,
                        &waiting.message,
                        code,
                    ),
                };
            }
        }
        if status.phase == "Failed" {
            let kind = match status.reason.as_str() {
                // Kubelet's and the scheduler's words (v1.36).
                "Evicted" | "Preempting" | "NodeShutdown" | "Terminated" | "NodeLost"
                | "NodeAffinity" => TroubleKind::Disrupted,
                _ => TroubleKind::Failed,
            };
            let reason = match status.reason.as_str() {
                "" => "Failed",
                reason => reason,
            };
            return trouble(kind, None, reason, &status.message, None);
        }
        let unscheduled = condition(&status.conditions, "PodScheduled")
            .filter(|scheduled| scheduled.status == "False" && scheduled.reason == "Unschedulable");
        if let Some(unscheduled) = unscheduled {
            let kind = TroubleKind::Unschedulable;
            return trouble(kind, None, &unscheduled.reason, &unscheduled.message, None);
        }
        None
    }
}

impl ContainerStatus {
    fn last_exit_code(&self) -> Option<i64> {
        let last = self.last_state.terminated.as_ref()?;
        Some(last.exit_code)
    }
}

impl TroubleKind {
    /// Returns what a waiting container's reason means (kubelet v1.36,
    /// `pkg/kubelet/images/types.go` and `kuberuntime_container.go`); nothing
    /// for reasons that pass by themselves.
    fn of_waiting(reason: &str) -> Option<Self> {
        Some(match reason {
            "ImagePullBackOff"
            | "ErrImagePull"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "RegistryUnavailable"
            | "SignatureValidationFailed"
            | "ImageInspectError" => Self::ImagePull,
            "CreateContainerConfigError" => Self::Config,
            "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError" => Self::Start,
            "CrashLoopBackOff" => Self::CrashLoop,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    fn trouble(status: Value) -> Option<(TroubleKind, String)> {
        let trouble = pod(status).trouble()?;
        Some((trouble.kind, trouble.to_string()))
    }

    #[test]
    fn healthy_pods_have_none() {
        for status in [
            json!({"phase": "Pending"}),
            json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}),
            json!({"phase": "Running", "containerStatuses": [{
                "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }]}),
            json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}),
        ] {
            assert_eq!(trouble(status), None);
        }
    }

    #[test]
    fn each_trouble_is_told_by_its_kind() {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "why"}});
        let ended =
            |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        for (status, kind, words) in [
            (
                json!({"containerStatuses": [{"name": "c", "state": waiting("ImagePullBackOff")}]}),
                TroubleKind::ImagePull,
                "ImagePullBackOff in pod p: why",
            ),
            (
                json!({"containerStatuses": [{"name": "c", "state": waiting("CreateContainerConfigError")}]}),
                TroubleKind::Config,
                "CreateContainerConfigError in pod p: why",
            ),
            (
                json!({"containerStatuses": [{"name": "c", "state": waiting("CrashLoopBackOff"), "lastState": ended(1, "Error")}]}),
                TroubleKind::CrashLoop,
                "CrashLoopBackOff in pod p: why",
            ),
            (
                json!({"containerStatuses": [{"name": "c", "state": waiting("CrashLoopBackOff"), "lastState": ended(137, "OOMKilled")}]}),
                TroubleKind::OutOfMemory,
                "OOMKilled in pod p",
            ),
            (
                json!({"initContainerStatuses": [{"name": "i", "state": waiting("CrashLoopBackOff"), "lastState": ended(3, "Error")}]}),
                TroubleKind::Init,
                "exit code 3 in pod p, init container i: why",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": ended(42, "Error")}]}),
                TroubleKind::Failed,
                "exit code 42 in pod p",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": ended(137, "OOMKilled")}]}),
                TroubleKind::OutOfMemory,
                "OOMKilled in pod p",
            ),
            (
                json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
                TroubleKind::Disrupted,
                "Evicted in pod p: low on memory",
            ),
            (
                json!({"phase": "Pending", "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"},
                ]}),
                TroubleKind::Unschedulable,
                "Unschedulable in pod p: 0/3 nodes",
            ),
        ] {
            assert_eq!(trouble(status), Some((kind, words.to_owned())));
        }
    }

    #[test]
    fn the_first_container_to_fail_counts() {
        let end = |code: i64, at: &str| json!({"terminated": {"exitCode": code, "finishedAt": at}});
        let pod = pod(json!({"phase": "Failed", "containerStatuses": [
            {"name": "late", "state": end(143, "2026-01-01T00:00:02Z")},
            {"name": "first", "state": end(7, "2026-01-01T00:00:01Z")},
            {"name": "fine", "state": end(0, "2026-01-01T00:00:00Z")},
        ]}));
        let (container, ended) = pod.first_failure().unwrap();
        assert_eq!((container.name.as_str(), ended.exit_code), ("first", 7));
    }
}

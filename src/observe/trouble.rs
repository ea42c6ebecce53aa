//! Finds what is wrong with a pod.

use std::fmt;

use crate::api::condition::{condition, holds};
use crate::api::pod::{ContainerStatus, Pod, Terminated};

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

    /// Returns it as trouble of this container.
    fn in_container(mut self, container: &ContainerStatus, exit_code: Option<i64>) -> Self {
        self.container = Some(container.name.clone());
        self.exit_code = exit_code;
        self
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
        // How sidecars ended does not count then.
        if self.status.phase == "Succeeded" {
            return None;
        }
        let (init, containers) = self.in_turn();
        self.disruption()
            .or_else(|| init.into_iter().find_map(|init| self.init_trouble(init)))
            .or_else(|| self.container_failure())
            .or_else(|| {
                let mut containers = containers.into_iter();
                containers.find_map(|container| self.waiting_trouble(container))
            })
            .or_else(|| self.failure())
            .or_else(|| self.no_node())
    }

    fn disruption(&self) -> Option<Trouble> {
        let told = holds(&self.status.conditions, "DisruptionTarget")?;
        Some(self.told(TroubleKind::Disrupted, &told.reason, &told.message))
    }

    /// Returns what is wrong with a container that runs before the others.
    fn init_trouble(&self, init: &ContainerStatus) -> Option<Trouble> {
        if let Some(waiting) = &init.state.waiting
            && let Some(kind) = TroubleKind::of_waiting(&waiting.reason)
        {
            let kind = match kind {
                TroubleKind::CrashLoop => TroubleKind::Init,
                other => other,
            };
            let told = self.told(kind, &waiting.reason, &waiting.message);
            return Some(told.in_container(init, init.last_exit_code()));
        }
        let ended = init.state.terminated.as_ref();
        let ended = ended.filter(|ended| ended.exit_code != 0)?;
        let told = self.told(TroubleKind::Init, &ended.reason, &ended.message);
        Some(told.in_container(init, Some(ended.exit_code)))
    }

    /// Returns which container failed. Of several, the first to fail says
    /// most: the others fail for want of it.
    fn container_failure(&self) -> Option<Trouble> {
        let (container, ended) = self.first_failure()?;
        let kind = match ended.reason.as_str() {
            "OOMKilled" => TroubleKind::OutOfMemory,
            "ContainerCannotRun" | "StartError" => TroubleKind::Start,
            _ => TroubleKind::Failed,
        };
        let told = self.told(kind, &ended.reason, &ended.message);
        Some(told.in_container(container, Some(ended.exit_code)))
    }

    /// Returns what a container waits for, unless that passes by itself.
    fn waiting_trouble(&self, container: &ContainerStatus) -> Option<Trouble> {
        let waiting = container.state.waiting.as_ref()?;
        let kind = TroubleKind::of_waiting(&waiting.reason)?;
        let told = match &container.last_state.terminated {
            Some(ended) if kind == TroubleKind::CrashLoop && ended.reason == "OOMKilled" => {
                self.told(TroubleKind::OutOfMemory, &ended.reason, &ended.message)
            }
            _ => self.told(kind, &waiting.reason, &waiting.message),
        };
        Some(told.in_container(container, container.last_exit_code()))
    }

    /// Returns why the pod failed as a whole.
    fn failure(&self) -> Option<Trouble> {
        let status = &self.status;
        if status.phase != "Failed" {
            return None;
        }
        let (kind, reason) = match status.reason.as_str() {
            // Kubelet's and the scheduler's words (v1.36).
            reason @ ("Evicted" | "Preempting" | "NodeShutdown" | "Terminated" | "NodeLost"
            | "NodeAffinity") => (TroubleKind::Disrupted, reason),
            "" => (TroubleKind::Failed, "Failed"),
            reason => (TroubleKind::Failed, reason),
        };
        Some(self.told(kind, reason, &status.message))
    }

    /// Returns why no node takes the pod.
    fn no_node(&self) -> Option<Trouble> {
        let scheduled = condition(&self.status.conditions, "PodScheduled")?;
        let is_unschedulable = scheduled.status == "False" && scheduled.reason == "Unschedulable";
        is_unschedulable.then(|| {
            let kind = TroubleKind::Unschedulable;
            self.told(kind, &scheduled.reason, &scheduled.message)
        })
    }

    /// Returns trouble of the pod in Kubernetes' words.
    fn told(&self, kind: TroubleKind, reason: &str, message: &str) -> Trouble {
        Trouble {
            kind,
            pod: self.metadata.name.clone(),
            container: None,
            reason: reason.to_owned(),
            message: message.to_owned(),
            exit_code: None,
        }
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
    fn sidecars_are_no_init_containers() {
        let pod = |phase: &str, main: Value, sidecar: Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "p"},
                "spec": {"initContainers": [{"name": "mesh", "restartPolicy": "Always"}]},
                "status": {
                    "phase": phase,
                    "containerStatuses": [{"name": "main", "state": main}],
                    "initContainerStatuses": [{"name": "mesh", "state": sidecar}],
                },
            }))
            .unwrap()
        };
        let ended = |code: i64, at: &str| json!({"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}});
        let (first, then) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z");
        let well = pod("Succeeded", ended(0, first), ended(143, then));
        assert_eq!(well.trouble(), None);
        assert_eq!(well.state(), "Error");
        let failed = pod("Failed", ended(42, first), ended(137, then));
        let words = failed.trouble().unwrap().to_string();
        assert_eq!(words, "exit code 42 in pod p");
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let crashes = pod("Running", json!({"running": {}}), waiting);
        assert_eq!(crashes.trouble().unwrap().kind, TroubleKind::CrashLoop);
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

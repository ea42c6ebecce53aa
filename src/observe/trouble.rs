//! What is wrong with a pod.

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
        // How sidecars ended does not count then.
        if status.phase == "Succeeded" {
            return None;
        }
        if let Some(disruption) = holds(&status.conditions, "DisruptionTarget") {
            return trouble(
                TroubleKind::Disrupted,
                None,
                &disruption.reason,
                &disruption.message,
                None,
            );
        }
        let (init, containers) = self.in_turn();
        for init in init {
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
        for container in containers {
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

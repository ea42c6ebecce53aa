//! Reads what the kubelet and the container runtime say about a pod's containers
//! (kubelet v1.36; containerd v2, CRI-O, runc).

use super::output::{self, Mistake};

/// What a waiting container's reason means (`pkg/kubelet/images/types.go` and
/// `kuberuntime_container.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The image's name is invalid, or it may never be pulled.
    ImageName,
    /// The image cannot be pulled.
    ImagePull,
    /// What the container names is missing: a Secret, a ConfigMap, a key.
    Config,
    /// The container cannot be started.
    Start,
    /// It has ended, and is started again after a while.
    BackOff,
}

impl Waiting {
    /// Reads a reason; nothing for those that pass by themselves.
    pub fn read(reason: &str) -> Option<Self> {
        Some(match reason {
            "InvalidImageName" | "ErrImageNeverPull" => Self::ImageName,
            "ImagePullBackOff"
            | "ErrImagePull"
            | "RegistryUnavailable"
            | "SignatureValidationFailed"
            | "ImageInspectError" => Self::ImagePull,
            "CreateContainerConfigError" => Self::Config,
            "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError" => Self::Start,
            "CrashLoopBackOff" => Self::BackOff,
            _ => return None,
        })
    }
}

/// How a container ended, as `reason` of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It never began: containerd's and Docker's words.
    NotStarted,
    /// It had more memory than its limit.
    OutOfMemory,
    /// By itself, or by a signal.
    Ended,
}

impl End {
    /// Reads a reason.
    pub fn read(reason: &str) -> Self {
        match reason {
            "StartError" | "ContainerCannotRun" => Self::NotStarted,
            "OOMKilled" => Self::OutOfMemory,
            _ => Self::Ended,
        }
    }
}

/// What an event about a pod that has a node and no containers yet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUp {
    /// A volume cannot be mounted.
    Volume,
    /// Its network and the like, which its containers share, cannot be made.
    Sandbox,
    /// That has been done.
    Done,
}

impl SetUp {
    /// Reads the reason of an event; nothing for others.
    pub fn read(reason: &str) -> Option<Self> {
        Some(match reason {
            "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Self::Volume,
            "FailedCreatePodSandBox" | "NetworkNotReady" => Self::Sandbox,
            "Pulling" | "Pulled" | "Created" | "Started" => Self::Done,
            _ => return None,
        })
    }
}

/// Reason of events of probes that fail.
pub const UNHEALTHY: &str = "Unhealthy";
/// Condition of a pod whose network and volumes are there (since v1.29).
pub const IS_SET_UP: &str = "PodReadyToStartContainers";

/// Returns the status that an HTTP probe was answered with: `Startup probe failed:
/// HTTP probe failed with statuscode: 500`.
pub fn probe_status(message: &str) -> Option<u16> {
    let (_, status) = message.split_once("statuscode: ")?;
    status.split(' ').next()?.parse().ok()
}

/// Returns whether a pod that failed for this reason was taken off its node
/// (kubelet's and the scheduler's words).
pub fn was_taken_off(reason: &str) -> bool {
    matches!(
        reason,
        "Evicted" | "Preempting" | "NodeShutdown" | "Terminated" | "NodeLost" | "NodeAffinity"
    )
}

/// Returns what the reason of a pod's condition `DisruptionTarget` says of it
/// (k8s.io/api v1.36 `PodReason…`; Kueue v0.19).
pub fn disruption(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "PreemptionByScheduler" => "preempted by a pod of higher priority",
        "DeletionByTaintManager" => "evicted from a node with a taint",
        "EvictionByEvictionAPI" => "evicted from its node",
        "DeletionByPodGC" => "deleted because its node is gone",
        "TerminationByKubelet" => "terminated by its node",
        _ => return None,
    })
}

/// Returns the end of nested errors of the kubelet, the runtime and runc: what
/// went wrong, without who passed it on.
pub fn innermost(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut said = line;
    for passed_on in [
        "unable to start container process: ",
        "error during container init: ",
        "Failed to create pod sandbox: ",
        "desc = ",
    ] {
        said = said.rsplit_once(passed_on).map_or(said, |(_, inner)| inner);
    }
    output::without_ids(said.trim_end_matches(": unknown"))
}

/// Returns whether the program that cannot be started is `sh`, which is not there.
pub fn lacks_shell(message: &str) -> bool {
    start_failure(message) == "sh is not in the image"
}

/// Returns what is wrong with a program that cannot be started.
pub fn start_failure(message: &str) -> String {
    let said = innermost(message);
    let program = said
        .split_once("exec: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(program, _)| program);
    let lower = said.to_lowercase();
    match (program, Mistake::read(&said)) {
        (_, Some(Mistake::Architecture)) => {
            "the program is for a different architecture".to_owned()
        }
        (Some(program), _)
            if ["not found", "no such file"]
                .iter()
                .any(|it| lower.contains(it)) =>
        {
            format!("{program} is not in the image")
        }
        (Some(program), _) if lower.contains("permission denied") => {
            format!("{program} is not executable")
        }
        _ => said,
    }
}

/// A Secret or ConfigMap that is missing, or a key of it (`kubelet_pods.go`
/// `makeEnvironmentVariables`, and the volume plugins).
#[derive(Debug, PartialEq, Eq)]
pub struct Missing<'a> {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    pub name: &'a str,
    /// The key that it lacks; `None` if there is nothing of that name.
    pub key: Option<&'a str>,
}

impl<'a> Missing<'a> {
    /// Reads a message; nothing if it says something else.
    pub fn read(message: &'a str) -> Option<Self> {
        for (kind, lower) in [("Secret", "secret"), ("ConfigMap", "configmap")] {
            // couldn't find key k in Secret ns/s
            if let Some((_, rest)) = message.split_once("couldn't find key ")
                && let Some((key, rest)) = rest.split_once(&format!(" in {kind} "))
            {
                let name = rest.split([' ', ',']).next()?;
                let name = name.rsplit('/').next()?;
                return Some(Self {
                    kind,
                    name,
                    key: Some(key),
                });
            }
            // secret "s" not found
            if let Some((_, rest)) = message.split_once(&format!("{lower} \""))
                && let Some((name, _)) = rest.split_once("\" not found")
            {
                return Some(Self {
                    kind,
                    name,
                    key: None,
                });
            }
            // references non-existent secret key: k
            if let Some((before, key)) =
                message.split_once(&format!("references non-existent {lower} key: "))
            {
                let name = before
                    .split_once("volume \"")
                    .and_then(|(_, rest)| rest.split('"').next())
                    .unwrap_or("of the volume");
                let key = key.split([' ', ',']).next()?;
                return Some(Self {
                    kind,
                    name,
                    key: Some(key),
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_read_from_the_kubelets_words() {
        let missing = |kind, name, key| Some(Missing { kind, name, key });
        for (message, expected) in [
            (
                "couldn't find key token in Secret ml/hf",
                missing("Secret", "hf", Some("token")),
            ),
            (
                "couldn't find key a.yaml in ConfigMap ml/settings",
                missing("ConfigMap", "settings", Some("a.yaml")),
            ),
            ("secret \"hf\" not found", missing("Secret", "hf", None)),
            (
                "configmap \"settings\" not found",
                missing("ConfigMap", "settings", None),
            ),
            (
                "MountVolume.SetUp failed for volume \"key\" : secret \"hf\" not found",
                missing("Secret", "hf", None),
            ),
            (
                "MountVolume.SetUp failed for volume \"key\" : references non-existent secret key: id",
                missing("Secret", "key", Some("id")),
            ),
            (
                "container has runAsNonRoot and image will run as root",
                None,
            ),
        ] {
            assert_eq!(Missing::read(message), expected, "{message}");
        }
    }

    #[test]
    fn nested_errors_end_in_what_went_wrong() {
        let runc = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";
        for (message, words) in [
            (
                format!("{runc}error during container init: exec: \"nosuchprog\": executable file not found in $PATH"),
                "nosuchprog is not in the image",
            ),
            (
                format!("{runc}exec: \"nosuchprog\": executable file not found in $PATH: unknown"),
                "nosuchprog is not in the image",
            ),
            (
                format!("{runc}exec: \"/data/run\": stat /data/run: no such file or directory"),
                "/data/run is not in the image",
            ),
            (
                format!("{runc}exec: \"./run\": permission denied"),
                "./run is not executable",
            ),
            (
                format!("{runc}exec /bin/arm: exec format error"),
                "the program is for a different architecture",
            ),
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \"nohandler\" is configured".to_owned(),
                "failed to get sandbox runtime: no runtime for \"nohandler\" is configured",
            ),
        ] {
            assert_eq!(start_failure(&message), words, "{message}");
        }
    }
}

//! Finds what is wrong with the pods of a workload, alike ones taken together.

use k8s_openapi::jiff::Timestamp;

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::{image, node};
use crate::api::condition::condition;
use crate::api::pod::{ContainerStatus, Pod};
use crate::api::pod_template::TemplateContainer;
use crate::observe::trouble::{Trouble, TroubleKind};
use crate::quantity::Quantity;

/// Different troubles that are told of at most: the first ones say most.
const MOST: usize = 3;

/// Returns what is wrong with the pods now.
pub(in crate::observe) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let pods: Vec<&Pod> = evidence
        .snapshot
        .pods()
        .iter()
        .filter(|pod| !pod.is_terminating())
        .collect();
    let mut groups: Vec<(Trouble, Vec<&Pod>)> = Vec::new();
    for pod in &pods {
        let Some(trouble) = pod.trouble() else {
            continue;
        };
        let alike = groups.iter_mut().find(|(known, pods)| {
            let same_place = known.container == trouble.container
                // The head and the workers of Ray have one image.
                || trouble.kind == TroubleKind::ImagePull
                    && image_of(pods[0], known) == image_of(pod, &trouble);
            known.kind == trouble.kind && same_place && known.exit_code == trouble.exit_code
        });
        match alike {
            Some((_, pods)) => pods.push(pod),
            None => groups.push((trouble, vec![pod])),
        }
    }
    // What took a pod off is no trouble of the ones that replace it.
    if groups.len() > 1 {
        groups.retain(|(trouble, _)| trouble.kind != TroubleKind::Disrupted);
    }
    let mut findings: Vec<Finding> = groups
        .iter()
        .take(MOST)
        .filter_map(|(trouble, ill)| {
            let finding = finding(evidence, trouble, ill.first()?);
            let finding = match trouble.kind {
                TroubleKind::Unschedulable => {
                    let is_queued = evidence.snapshot.workload.queue().is_some();
                    partly_placed(finding, &pods, ill, is_queued)
                }
                _ => finding,
            };
            Some(shows_where(finding, trouble, pods.len(), ill.len()))
        })
        .collect();
    if findings.is_empty() {
        findings.extend(held_up(evidence, &pods));
    }
    if findings.is_empty() {
        findings.extend(not_ready(evidence, &pods));
    }
    findings
}

fn shows_where(finding: Finding, trouble: &Trouble, all: usize, ill: usize) -> Finding {
    match (all, ill) {
        (1, _) => finding.shows(format!("pod: {}", trouble.pod)),
        (all, 1) => finding.shows(format!("pod: {}, one of {all}", trouble.pod)),
        (all, ill) => finding.shows(format!(
            "pods: {ill} of {all}, the first is {}",
            trouble.pod
        )),
    }
}

/// Says that a gang is incomplete, which is why all of it waits.
fn partly_placed(finding: Finding, pods: &[&Pod], unplaced: &[&Pod], is_queued: bool) -> Finding {
    let placed = pods.iter().filter(|pod| pod.node().is_some()).count();
    if placed == 0 || unplaced.is_empty() {
        return finding;
    }
    let Finding {
        cause: why,
        summary,
        evidence,
        remedies,
    } = finding;
    let whole = Finding {
        cause: Cause::GangPartlyPlaced,
        summary: format!(
            "{placed} of {} pods have a node, and {} find none",
            pods.len(),
            unplaced.len()
        ),
        evidence: Vec::new(),
        remedies,
    };
    let whole = whole.shows(summary).shows(format!("cause: {}", why.name()));
    let whole = Finding {
        evidence: whole.evidence.into_iter().chain(evidence).collect(),
        ..whole
    };
    match is_queued {
        true => whole.nobody("unless all start in time, Kueue takes it off and queues it again"),
        false => whole,
    }
}

/// Returns what a container is to be, by its name.
fn template<'a>(pod: &'a Pod, name: &str) -> Option<&'a TemplateContainer> {
    let mut all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    all.find(|container| container.name == name)
}

/// Returns the image of the container that has trouble, if the pod tells.
fn image_of<'a>(pod: &'a Pod, trouble: &Trouble) -> &'a str {
    let name = trouble.container.as_deref().unwrap_or_default();
    template(pod, name).map_or("", |container| container.image.as_str())
}

fn finding(evidence: &Evidence, trouble: &Trouble, pod: &Pod) -> Finding {
    let status = trouble.container.as_deref();
    let status = status.and_then(|name| pod.container_status(name));
    let name = trouble.container.as_deref().unwrap_or_default();
    let namespace = evidence.namespace();
    let logs = |previous: bool| {
        let workload = evidence.snapshot.workload.display_name();
        let previous = if previous { " --previous" } else { "" };
        Some(format!("kaiwo logs {workload} -n {namespace}{previous}"))
    };
    let code = trouble
        .exit_code
        .map_or(String::new(), |code| code.to_string());
    match trouble.kind {
        TroubleKind::ImagePull => image::finding(evidence, trouble, image_of(pod, trouble)),
        TroubleKind::Config => configuration(evidence, &trouble.message),
        TroubleKind::Start => Finding::new(
            Cause::ContainerStart,
            format!("container {name} cannot be started"),
        )
        .shows(&trouble.message)
        .you("look at its command: is the program in the image, and executable?"),
        TroubleKind::Init => with_last_words(
            Finding::new(
                Cause::InitContainer,
                format!(
                    "init container {name} fails with {}, so the others do not start",
                    exit(&code)
                ),
            ),
            evidence,
        )
        .remedy(
            Who::You,
            "read what it says",
            Some(format!(
                "kubectl -n {namespace} logs {} -c {name}",
                trouble.pod
            )),
        ),
        TroubleKind::OutOfMemory => out_of_memory(pod, name, status),
        TroubleKind::CrashLoop => {
            let restarts = status.map_or(0, |status| status.restart_count);
            let finding = Finding::new(
                Cause::CrashLoop,
                format!("container {name} ends again and again: {}", exit(&code)),
            )
            .shows(format!("started again {restarts} times"));
            with_last_words(finding, evidence).remedy(Who::You, "read what it says", logs(true))
        }
        TroubleKind::Failed if trouble.container.is_some() => {
            let finding = Finding::new(
                Cause::ExitCode,
                format!("container {name} ended with {}", exit(&code)),
            )
            .shows(meaning(trouble.exit_code))
            .shows(&trouble.message);
            with_last_words(finding, evidence).remedy(Who::You, "read what it says", logs(false))
        }
        TroubleKind::Failed => {
            Finding::new(Cause::Failed, format!("the pod failed: {}", trouble.reason))
                .shows(&trouble.message)
        }
        TroubleKind::Disrupted => Finding::new(
            Cause::Disrupted,
            format!("its pod was taken off the node: {}", trouble.reason),
        )
        .shows(&trouble.message)
        .nobody("its controller makes another pod, where retries are left")
        .you("give it retries: --retries N"),
        TroubleKind::Unschedulable => node::finding(evidence, pod, &trouble.message),
    }
}

fn exit(code: &str) -> String {
    match code {
        "" => "an error".to_owned(),
        code => format!("exit code {code}"),
    }
}

/// Returns what an exit code says by convention (bash(1); 128 and a signal).
fn meaning(code: Option<i64>) -> &'static str {
    match code {
        Some(126) => "126: the command is there, but cannot be executed",
        Some(127) => "127: the command was not found",
        Some(134) => "134: it aborted itself (SIGABRT)",
        Some(137) => "137: it was killed (SIGKILL)",
        Some(139) => "139: it used memory that is not its own (SIGSEGV)",
        Some(143) => "143: it was told to end (SIGTERM)",
        _ => "",
    }
}

fn with_last_words(finding: Finding, evidence: &Evidence) -> Finding {
    evidence
        .last_words
        .iter()
        .fold(finding, |finding, line| finding.shows(format!("| {line}")))
}

fn out_of_memory(pod: &Pod, name: &str, status: Option<&ContainerStatus>) -> Finding {
    let spec = template(pod, name);
    let limit = spec
        .and_then(|spec| spec.resources.limits.get("memory"))
        .copied();
    let gpus = spec.map_or(0, |spec| spec.resources.gpus());
    let summary = match limit {
        Some(limit) => format!("container {name} needed more memory than its limit of {limit}"),
        None => format!("container {name} was killed: its node had no memory left"),
    };
    let mut finding = Finding::new(Cause::OutOfMemory, summary);
    if let Some(restarts) = status.map(|status| status.restart_count).filter(|n| *n > 0) {
        finding = finding.shows(format!("started again {restarts} times"));
    }
    let more = limit.map(|limit| {
        let gib = Quantity::gib(1).whole();
        let each = (limit.whole() * 2 / gpus.max(1) + gib - 1) / gib;
        Quantity::gib(each.max(1))
    });
    match (gpus, more) {
        (1.., Some(more)) => {
            finding.resubmit(format!("with --memory-per-gpu {more}, or let it use less"))
        }
        (_, Some(more)) => finding.you(format!(
            "give it more, say {more}: `kaiwo template eject` makes a template with its own limits"
        )),
        (_, None) => {
            finding.you("let it use less, or set a memory limit so that its node is chosen by it")
        }
    }
}

/// Says which Secret, ConfigMap or key is missing (kubelet v1.36,
/// `kubelet_pods.go` `makeEnvironmentVariables`, and the volume plugins).
fn configuration(evidence: &Evidence, message: &str) -> Finding {
    let namespace = evidence.namespace();
    let Some(missing) = Missing::read(message) else {
        return Finding::new(
            Cause::ContainerStart,
            "a container cannot be made as the pod wants it",
        )
        .shows(message)
        .you("look at what the pod names: variables, security context");
    };
    let Missing { kind, name, key } = missing;
    let lower = kind.to_lowercase();
    match key {
        Some(key) => Finding::new(
            Cause::ConfigurationMissing,
            format!("{kind} {name} in namespace {namespace} has no key {key}"),
        )
        .remedy(
            Who::You,
            "add the key; then the pods start by themselves",
            Some(format!("kubectl -n {namespace} edit {lower} {name}")),
        )
        .resubmit("with another key"),
        None => Finding::new(
            Cause::ConfigurationMissing,
            format!("there is no {kind} {name} in namespace {namespace}"),
        )
        .remedy(
            Who::You,
            "make it; then the pods start by themselves",
            Some(match kind {
                "Secret" => format!(
                    "kubectl -n {namespace} create secret generic {name} --from-literal KEY=VALUE"
                ),
                _ => format!(
                    "kubectl -n {namespace} create configmap {name} --from-literal KEY=VALUE"
                ),
            }),
        ),
    }
}

/// A Secret or ConfigMap that is missing, or a key of it.
#[derive(Debug, PartialEq, Eq)]
struct Missing<'a> {
    kind: &'static str,
    name: &'a str,
    key: Option<&'a str>,
}

impl<'a> Missing<'a> {
    fn read(message: &'a str) -> Option<Self> {
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

/// Returns since when a pod is as it is: an event before that is not about it.
fn scheduled(pod: &Pod) -> Option<Timestamp> {
    condition(&pod.status.conditions, "PodScheduled")
        .and_then(|scheduled| scheduled.last_transition_time)
        .or(pod.metadata.creation_timestamp)
}

/// Says what holds up pods that have a node and no containers yet: of that,
/// only events tell.
fn held_up(evidence: &Evidence, pods: &[&Pod]) -> Option<Finding> {
    pods.iter()
        .filter(|pod| pod.status.phase == "Pending" && pod.node().is_some())
        .find_map(|pod| {
            let since = scheduled(pod);
            let event = evidence
                .events_about(&pod.metadata.uid)
                .filter(|event| event.last() >= since)
                .find(|event| event.is_warning())?;
            let message = event.message.as_str();
            match event.reason.as_str() {
                "FailedMount" if Missing::read(message).is_some() => {
                    Some(configuration(evidence, message))
                }
                "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Some(
                    Finding::new(
                        Cause::VolumeMount,
                        format!("a volume of pod {} cannot be mounted", pod.metadata.name),
                    )
                    .admin("looks at the storage behind it")
                    .nobody("it is tried again"),
                ),
                "FailedCreatePodSandBox" => Some(
                    Finding::new(
                        Cause::ContainerStart,
                        format!("the node cannot set up pod {}", pod.metadata.name),
                    )
                    .admin("looks at the node's network and container runtime"),
                ),
                _ => None,
            }
            .map(|finding| finding.shows(format!("{}: {message}", event.reason)))
        })
}

/// Says that pods run and do not answer their readiness probe.
fn not_ready(evidence: &Evidence, pods: &[&Pod]) -> Option<Finding> {
    let unready: Vec<&&Pod> = pods
        .iter()
        .filter(|pod| pod.status.phase == "Running" && !pod.is_ready())
        .collect();
    let pod = unready.first()?;
    let since = pod.status.start_time.or_else(|| scheduled(pod));
    let told = evidence
        .events_about(&pod.metadata.uid)
        .filter(|event| event.last() >= since)
        .find(|event| event.reason == "Unhealthy")
        .map_or("", |event| event.message.as_str());
    let seconds = since.map_or(0, |since| evidence.now.as_second() - since.as_second());
    Some(
        Finding::new(
            Cause::NotReady,
            format!(
                "{} of {} pods run and are not ready",
                unready.len(),
                pods.len()
            ),
        )
        .shows(format!("pod {} runs for {seconds} s", pod.metadata.name))
        .shows(told)
        .nobody("loading a large model takes its time")
        .remedy(
            Who::You,
            "read what it says",
            Some(format!(
                "kaiwo logs {} -n {}",
                evidence.snapshot.workload.display_name(),
                evidence.namespace()
            )),
        ),
    )
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
}

//! Finds what is wrong with the pods of a workload, alike ones taken together.

use super::evidence::{Evidence, is_started_again};
use super::finding::{Anew, Cause, Finding, Who};
use super::{image, node, node_loss};
use crate::api::pod::Pod;
use crate::api::pod_template::TemplateContainer;
use crate::observe::kind::tasks;
use crate::observe::trouble::{Trouble, TroubleKind, started_again};
use crate::observe::upstream::kubelet::{self, Missing};
use crate::observe::upstream::output::{self, Mistake};
use crate::quantity::Quantity;
use crate::suggestion::kubectl;

/// Different troubles that are told of at most: the first ones say most.
const MOST: usize = 3;

/// Returns what is wrong with the pods now.
pub(in crate::observe) fn in_trouble(evidence: &Evidence) -> Vec<Finding> {
    let pods = present(evidence);
    let mut groups: Vec<(Trouble, Vec<&Pod>)> = Vec::new();
    for pod in &pods {
        let Some(trouble) = pod.trouble(&evidence.snapshot.known()) else {
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
    groups
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
        .collect()
}

/// Returns the pods that are not on their way out.
fn present(evidence: &Evidence) -> Vec<&Pod> {
    let pods = evidence.snapshot.pods().iter();
    pods.filter(|pod| !pod.is_terminating()).collect()
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
        summary: format!("only {placed} of {} pods have a node", pods.len()),
        evidence: Vec::new(),
        remedies,
    };
    let whole = whole.shows(summary).shows(format!("cause: {}", why.name()));
    let whole = Finding {
        evidence: whole.evidence.into_iter().chain(evidence).collect(),
        ..whole
    };
    match is_queued {
        true => whole.nobody("if they do not all start in time, Kueue evicts it and requeues it"),
        false => whole,
    }
}

/// Returns the image of the container that has trouble, if the pod tells.
fn image_of<'a>(pod: &'a Pod, trouble: &Trouble) -> &'a str {
    let name = trouble.container.as_deref().unwrap_or_default();
    pod.template(name)
        .map_or("", |container| container.image.as_str())
}

fn finding(evidence: &Evidence, trouble: &Trouble, pod: &Pod) -> Finding {
    let name = trouble.container.as_deref().unwrap_or_default();
    match trouble.kind {
        TroubleKind::ImagePull => image::finding(evidence, trouble, image_of(pod, trouble)),
        TroubleKind::Config => configuration(evidence, &trouble.detail),
        TroubleKind::Mount => Finding::new(
            Cause::VolumeMount,
            format!("a volume of pod {} cannot be mounted", trouble.pod),
        )
        .shows(told(trouble))
        .admin("check the storage behind it")
        .nobody("the mount is retried automatically"),
        TroubleKind::Sandbox => Finding::new(
            Cause::ContainerStart,
            format!("the node cannot set up pod {}", trouble.pod),
        )
        .shows(told(trouble))
        .admin("check the node's network and container runtime"),
        TroubleKind::Start => cannot_start(pod, trouble, name),
        TroubleKind::OutOfMemory => out_of_memory(pod, name, trouble),
        TroubleKind::Failed if trouble.container.is_none() => {
            Finding::new(Cause::Failed, format!("the pod failed: {}", trouble.reason))
                .shows(&trouble.message)
        }
        TroubleKind::Init | TroubleKind::CrashLoop | TroubleKind::Failed => {
            ended(evidence, trouble, pod)
        }
        TroubleKind::Disrupted => Finding::new(
            Cause::Disrupted,
            format!(
                "its pod was evicted from the node: {}",
                kubelet::disruption(&trouble.reason).unwrap_or(&trouble.reason)
            ),
        )
        .shows(&trouble.message)
        .nobody("its controller creates another pod if retries are left")
        .you("allow retries: --retries N"),
        TroubleKind::NodeLost => node_loss::finding(evidence, pod, &trouble.message),
        TroubleKind::Unschedulable => node::finding(evidence, pod, &trouble.detail),
    }
}

/// Says how a container ended, or ends again and again, and what it printed.
fn ended(evidence: &Evidence, trouble: &Trouble, pod: &Pod) -> Finding {
    let name = trouble.container.as_deref().unwrap_or_default();
    let code = trouble.exit_code;
    let code = code.map_or("an error".to_owned(), |code| format!("exit code {code}"));
    let (cause, summary, flags) = match trouble.kind {
        TroubleKind::Init => (
            Cause::InitContainer,
            format!("init container {name} fails with {code}, so the others do not start"),
            vec!["-c", name],
        ),
        TroubleKind::CrashLoop => (
            Cause::CrashLoop,
            format!("container {name} keeps exiting with {code}"),
            match is_started_again(pod, name) {
                true => vec!["--previous"],
                false => Vec::new(),
            },
        ),
        _ => (
            Cause::ExitCode,
            format!("container {name} ended with {code}"),
            Vec::new(),
        ),
    };
    // What the kubelet ends because of its probe ends by a signal.
    let probe = match (trouble.kind, trouble.exit_code) {
        (TroubleKind::CrashLoop, Some(137 | 143)) => unhealthy(evidence, pod),
        _ => "",
    };
    let finding = Finding::new(cause, summary)
        .shows(restarts(trouble))
        .shows(rules(trouble.exit_code))
        .shows(&trouble.message)
        .shows(probe);
    let workload = &evidence.snapshot.workload;
    let task = tasks::task_of(workload, pod).map(|task| task.to_string());
    let flags = match &task {
        Some(task) => vec!["--index", task],
        None => flags,
    };
    with_last_words(finding, &evidence.last_words).remedy(
        Who::You,
        "read its logs",
        workload.command("logs {} -n {}").args(flags),
    )
}

/// Returns what an exit code says by convention (bash(1); 128 and a signal).
fn rules(code: Option<i64>) -> &'static str {
    match code {
        Some(126) => "126: the command exists but cannot be executed",
        Some(127) => "127: the command was not found, or what its first line (#!) names",
        Some(134) => "134: aborted (SIGABRT)",
        Some(137) => "137: killed (SIGKILL)",
        Some(139) => "139: segmentation fault (SIGSEGV)",
        Some(143) => "143: terminated (SIGTERM)",
        _ => "",
    }
}

/// Says how often a container was started again.
fn restarts(trouble: &Trouble) -> String {
    match trouble.restarts {
        0 => String::new(),
        restarts => started_again(restarts),
    }
}

/// Returns the words of an event.
fn told(trouble: &Trouble) -> String {
    format!("{}: {}", trouble.reason, trouble.message)
}

fn cannot_start(pod: &Pod, trouble: &Trouble, container: &str) -> Finding {
    let summary = format!("container {container} cannot be started");
    let finding = Finding::new(Cause::ContainerStart, summary).shows(&trouble.message);
    let finding = match trouble.detail == trouble.message {
        true => finding,
        false => finding.shows(output::without_ids(&trouble.detail)),
    };
    let template = pod.template(container);
    let after_copy = template.and_then(TemplateContainer::command_after_copy);
    match (Mistake::read(&trouble.detail), after_copy) {
        (Some(mistake), _) => with_mistake(finding, mistake),
        (None, Some(command)) if kubelet::lacks_shell(&trouble.detail) => {
            without_shell(finding, command)
        }
        (None, _) => finding.you("check its command: is the program in the image and executable?"),
    }
}

/// Says that the image has no shell to copy the uploads with.
fn without_shell(finding: Finding, command: &[String]) -> Finding {
    let finding = finding.shows("sh and cp copy the uploads into the working directory");
    match command.first().is_some_and(|program| program == "sh") {
        true => finding.resubmit(
            Anew::With,
            "an image that has sh, which the entrypoint also needs",
        ),
        false => finding.resubmit(Anew::With, "--read-only-workdir, which copies nothing"),
    }
}

/// Shows what a program printed last, and what mistake it tells of.
pub(super) fn with_last_words(finding: Finding, lines: &[String]) -> Finding {
    let finding = lines
        .iter()
        .fold(finding, |finding, line| finding.shows(format!("| {line}")));
    let mistake = lines.iter().find_map(|line| Mistake::read(line));
    match mistake {
        Some(mistake) => with_mistake(finding, mistake),
        None => finding,
    }
}

fn with_mistake(finding: Finding, mistake: Mistake) -> Finding {
    match mistake {
        Mistake::ReadOnly => finding.you("write to /scratch ($KAIWO_SCRATCH) instead"),
        Mistake::Architecture => finding
            .shows("the program is for a different architecture than its node")
            .you("build it, or its image, for the node's architecture"),
    }
}

fn out_of_memory(pod: &Pod, name: &str, trouble: &Trouble) -> Finding {
    let spec = pod.template(name);
    let limit = spec
        .and_then(|spec| spec.resources.limits.get("memory"))
        .copied();
    let gpus = spec.map_or(0, |spec| spec.resources.gpus());
    let summary = match limit {
        Some(limit) => format!("container {name} needed more memory than its limit of {limit}"),
        None => format!("container {name} was killed: its node ran out of memory"),
    };
    let finding = Finding::new(Cause::OutOfMemory, summary).shows(restarts(trouble));
    let more = limit.map(|limit| {
        let gib = Quantity::gib(1).whole();
        let each = (limit.whole() * 2 / gpus.max(1) + gib - 1) / gib;
        Quantity::gib(each.max(1))
    });
    match (gpus, more) {
        (1.., Some(more)) => finding.resubmit(
            Anew::With,
            format!("--memory-per-gpu {more}, or reduce its memory use"),
        ),
        (_, Some(more)) => finding.you(format!(
            "raise its limit, for example to {more}, in your own template (kaiwo template eject KIND)"
        )),
        (_, None) => {
            finding.you("reduce its memory use, or set a memory limit so that it is placed on a node with enough")
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
            "a container cannot be created as the pod specifies it",
        )
        .shows(message)
        .you("check the pod's variables and security context");
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
            "add the key; the pods then start automatically",
            kubectl("-n {} edit {} {}", &[namespace, &lower, name]),
        )
        .resubmit(Anew::With, "another key"),
        None => Finding::new(
            Cause::ConfigurationMissing,
            format!("{kind} {name} does not exist in namespace {namespace}"),
        )
        .remedy(
            Who::You,
            "create it; the pods then start automatically",
            Some(match kind {
                "Secret" => kubectl(
                    "-n {} create secret generic {} --from-literal {KEY}={VALUE}",
                    &[namespace, name],
                ),
                _ => kubectl(
                    "-n {} create configmap {} --from-literal {KEY}={VALUE}",
                    &[namespace, name],
                ),
            }),
        ),
    }
}

/// Returns what the failing probe of a pod said last.
fn unhealthy<'a>(evidence: &'a Evidence, pod: &'a Pod) -> &'a str {
    let known = evidence.snapshot.known();
    let about = known.events_about(&pod.metadata.uid);
    let told = about
        .filter(|event| event.reason == kubelet::UNHEALTHY)
        .filter(|event| event.last() >= pod.metadata.creation_timestamp);
    let last = told.max_by_key(|event| event.last());
    last.map_or("", |event| event.message.as_str())
}

/// Says that pods run and do not answer their readiness probe.
pub(super) fn not_ready(evidence: &Evidence) -> Option<Finding> {
    let pods = present(evidence);
    let unready: Vec<&&Pod> = pods
        .iter()
        .filter(|pod| pod.status.phase == "Running" && !pod.is_ready())
        .collect();
    let pod = unready.first()?;
    let containers = pod.status.container_statuses.iter();
    let running = containers.filter(|container| !container.ready);
    let since = running.filter_map(|container| container.state.running.as_ref()?.started_at);
    let seconds = since
        .max()
        .map_or(0, |since| evidence.now.as_second() - since.as_second());
    let told = unhealthy(evidence, pod);
    let (unready, all) = (unready.len(), pods.len());
    let summary = format!("{unready} of {all} pods are running but not ready");
    let finding = Finding::new(Cause::NotReady, summary)
        .shows(format!(
            "pod {} has been running for {seconds} s",
            pod.name()
        ))
        .shows(told);
    // An answer that is no connection and no "not yet" does not become another.
    let finding = match kubelet::probe_status(told) {
        Some(status) if status != 503 => finding.you(format!(
            "check why it answers HTTP {status}, which does not mean that it is still loading"
        )),
        _ => finding.nobody("loading a large model takes time"),
    };
    Some(finding.remedy(
        Who::You,
        "read its logs",
        evidence.snapshot.workload.command("logs {} -n {}"),
    ))
}

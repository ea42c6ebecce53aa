//! Finds what is wrong with a pod: by what its containers do now and did before,
//! and by the events about it where only they tell.
//!
//! A container that fails again and again runs in between. Its trouble stays
//! meanwhile, so that it is told alike at every moment of a turn.

mod lost_node;

use std::fmt;

use k8s_openapi::jiff::Timestamp;

use super::snapshot::WorkloadContext;
use super::upstream::kubelet::{self, End, Missing, SetUp, Waiting};
use super::upstream::registry::{self, PullFailure};
use super::upstream::{output, scheduler};
use crate::api::condition::{condition, holds};
use crate::api::pod::{ContainerStatus, Pod, Terminated};
use crate::names::counted;

/// Seconds for which a container that nothing probes has to run at least and at
/// most before it counts as well again. The kubelet forgets that one has failed
/// after ten minutes, too (v1.36, `MaxContainerBackOff` twice).
const PROVEN: (i64, i64) = (10, 600);
/// A container that was started again so often and is ready may be in a loop
/// that gets as far as that.
const OFTEN: i64 = 3;

/// What is wrong with a pod, as kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// An image cannot be had (kubelet `images.Err…`).
    ImagePull,
    /// A container cannot be made of what the pod names: a Secret or ConfigMap
    /// or a key of it is missing (kubelet `CreateContainerConfigError`).
    Config,
    /// A volume cannot be mounted.
    Mount,
    /// What its containers share cannot be made: network, runtime.
    Sandbox,
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
    /// The pod's node does not answer.
    NodeLost,
    /// No node takes it.
    Unschedulable,
}

impl TroubleKind {
    /// Returns the word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImagePull => "imagePull",
            Self::Config => "containerConfig",
            Self::Mount => "volumeMount",
            Self::Sandbox => "podSandbox",
            Self::Start => "containerStart",
            Self::Init => "initContainer",
            Self::OutOfMemory => "outOfMemory",
            Self::CrashLoop => "crashLoop",
            Self::Failed => "failed",
            Self::Disrupted => "disrupted",
            Self::NodeLost => "nodeLost",
            Self::Unschedulable => "unschedulable",
        }
    }
}

/// Where a container is that is started again whenever it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has ended, and is about to be started again.
    Down,
    /// It runs.
    Up,
    /// It runs and is ready.
    Ready,
}

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub pod: String,
    /// Its container, if one of them is the matter.
    pub container: Option<String>,
    /// Kubernetes' word: `ImagePullBackOff`, `OOMKilled`; the same one in all
    /// states that a container goes through for one cause.
    pub reason: String,
    /// What it means, shortly; may be empty.
    pub message: String,
    /// The words of whoever noticed it, in full; may be empty.
    pub detail: String,
    /// Exit code of the container, if it has ended.
    pub exit_code: Option<i64>,
    /// How often the container was started again.
    pub restarts: i64,
    /// Where it is meanwhile.
    pub turn: Turn,
}

impl Trouble {
    /// Returns it without the pod, which is told beside.
    pub fn in_its_pod(&self) -> String {
        let words = self.to_string();
        let begins = ["was", "is"].map(|verb| format!("pod {} {verb} ", self.pod));
        let words = begins
            .iter()
            .find_map(|begin| words.strip_prefix(begin))
            .unwrap_or(&words);
        words.replacen(&format!(" in pod {}", self.pod), "", 1)
    }

    /// Returns it as trouble of this container.
    fn in_container(mut self, container: &ContainerStatus, exit_code: Option<i64>) -> Self {
        self.container = Some(container.name.clone());
        self.exit_code = exit_code;
        self.restarts = container.restart_count;
        self.turn = match container.state.running {
            Some(_) if container.ready => Turn::Ready,
            Some(_) => Turn::Up,
            None => Turn::Down,
        };
        self
    }

    /// Returns it with a short message for the one in full.
    fn shortly(mut self, message: String) -> Self {
        self.message = message;
        self
    }
}

/// Returns the words without how often a container was started again, which is
/// no news each time.
pub fn without_restarts(words: &str) -> String {
    const BEGIN: &str = ", restarted ";
    let Some((before, rest)) = words.split_once(BEGIN) else {
        return words.to_owned();
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix(" times").or(rest.strip_prefix(" time"));
    format!("{before}{}", rest.unwrap_or_default())
}

/// `started again 3 times`
pub(in crate::observe) fn started_again(restarts: i64) -> String {
    format!("restarted {}", counted(restarts, "time"))
}

impl fmt::Display for Trouble {
    /// `ImagePullBackOff in pod x: the registry has no image y`, `exit code 5,
    /// started again 3 times in pod x`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TroubleKind::{CrashLoop, Disrupted, Failed, Init, NodeLost, OutOfMemory};
        let Self {
            reason,
            pod,
            message,
            ..
        } = self;
        if self.kind == Disrupted
            && let Some(words) = kubelet::disruption(reason)
        {
            return write!(f, "pod {pod} was {words}");
        }
        if self.kind == NodeLost {
            return write!(f, "pod {pod} is on node {message}, which is not responding");
        }
        match (self.kind, self.exit_code) {
            (Failed | Init | CrashLoop, Some(code)) => write!(f, "exit code {code}")?,
            _ => write!(f, "{reason}")?,
        }
        if self.restarts > 0 && matches!(self.kind, Failed | Init | CrashLoop | OutOfMemory) {
            write!(f, ", {}", started_again(self.restarts))?;
        }
        write!(f, " in pod {pod}")?;
        if let Some(container) = &self.container
            && self.kind == Init
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

    /// Returns what is wrong with it. What went wrong before and has healed is no
    /// trouble.
    pub fn trouble(&self, known: &WorkloadContext) -> Option<Trouble> {
        // How sidecars ended does not count then.
        if self.status.phase == "Succeeded" {
            return None;
        }
        let (init, containers) = self.in_turn();
        self.on_lost_node()
            .or_else(|| self.disruption())
            .or_else(|| init.into_iter().find_map(|it| self.init_trouble(it, known)))
            .or_else(|| self.container_failure())
            .or_else(|| {
                let mut containers = containers.into_iter();
                containers.find_map(|container| self.container_trouble(container, known))
            })
            .or_else(|| self.failure())
            .or_else(|| self.no_node())
            .or_else(|| self.held_up(known))
    }

    fn disruption(&self) -> Option<Trouble> {
        let told = self.disruption_target()?;
        Some(self.told(TroubleKind::Disrupted, &told.reason, &told.message))
    }

    /// Returns what is wrong with a container that runs before the others.
    fn init_trouble(&self, init: &ContainerStatus, known: &WorkloadContext) -> Option<Trouble> {
        let trouble = self.container_trouble(init, known);
        let trouble = trouble.or_else(|| {
            let ended = init.state.terminated.as_ref();
            let ended = ended.filter(|ended| ended.exit_code != 0)?;
            Some(self.ended(init, ended))
        })?;
        Some(match trouble.kind {
            TroubleKind::CrashLoop | TroubleKind::Failed => Trouble {
                kind: TroubleKind::Init,
                ..trouble
            },
            _ => trouble,
        })
    }

    /// Returns which container failed for good. Of several, the first to fail
    /// says most: the others fail for want of it.
    fn container_failure(&self) -> Option<Trouble> {
        let (container, ended) = self.first_failure()?;
        (!self.starts_again(&container.name)).then(|| self.ended(container, ended))
    }

    /// Returns what is wrong with a container that has not failed for good.
    fn container_trouble(
        &self,
        container: &ContainerStatus,
        known: &WorkloadContext,
    ) -> Option<Trouble> {
        let waiting = container.state.waiting.as_ref();
        let reason = waiting.map_or("", |waiting| waiting.reason.as_str());
        match Waiting::read(reason) {
            Some(Waiting::BackOff) => {
                let ended = container.last_state.terminated.as_ref();
                return Some(match ended.map(|ended| self.ended(container, ended)) {
                    Some(trouble) if trouble.kind == TroubleKind::Failed => Trouble {
                        kind: TroubleKind::CrashLoop,
                        ..trouble
                    },
                    Some(trouble) => trouble,
                    None => self
                        .told(TroubleKind::CrashLoop, reason, "")
                        .in_container(container, None),
                });
            }
            Some(kind) => return Some(self.waiting(container, kind, known)),
            None => {}
        }
        if !self.starts_again(&container.name) {
            return None;
        }
        let is_init = self.in_turn().0.iter().any(|it| it.name == container.name);
        let may_end = is_init || self.spec.restart_policy == "OnFailure";
        let has_failed = |ended: &&Terminated| ended.exit_code != 0 || !may_end;
        if let Some(ended) = &container.state.terminated {
            let failed = Some(ended).filter(has_failed);
            return failed.map(|ended| self.ended(container, ended));
        }
        let before = container.last_state.terminated.as_ref();
        let before = before.filter(has_failed)?;
        let is_well = container.restart_count == 0 || self.has_healed(container, known.now);
        (!is_well).then(|| self.ended(container, before))
    }

    /// Returns whether a container that was started again is well by now: its
    /// readiness probe says so, or it has run for longer than it did before.
    fn has_healed(&self, container: &ContainerStatus, now: Timestamp) -> bool {
        if !container.ready {
            return false;
        }
        let template = self.template(&container.name);
        let is_probed = template.is_some_and(|template| template.readiness_probe.is_some());
        if is_probed && container.restart_count < OFTEN {
            return true;
        }
        let running = container.state.running.as_ref();
        let Some(since) = running.and_then(|running| running.started_at) else {
            return true;
        };
        let before = container.last_state.terminated.as_ref();
        let before = before
            .and_then(|ended| Some(ended.finished_at?.as_second() - ended.started_at?.as_second()));
        let (least, most) = PROVEN;
        let proven = (before.unwrap_or_default() * 2).clamp(least, most);
        now.as_second() - since.as_second() >= proven
    }

    /// Returns what a container waits for that does not pass by itself.
    fn waiting(
        &self,
        container: &ContainerStatus,
        kind: Waiting,
        known: &WorkloadContext,
    ) -> Trouble {
        let waiting = container.state.waiting.clone().unwrap_or_default();
        let (reason, message) = (waiting.reason.as_str(), waiting.message.as_str());
        let trouble = match kind {
            Waiting::ImageName | Waiting::ImagePull => {
                self.pull_trouble(container, reason, message, known)
            }
            Waiting::Config => self.told(TroubleKind::Config, reason, message),
            Waiting::Start | Waiting::BackOff => {
                let words = kubelet::start_failure(message);
                self.told(TroubleKind::Start, reason, message)
                    .shortly(words)
            }
        };
        let last = container.last_state.terminated.as_ref();
        trouble.in_container(container, last.map(|ended| ended.exit_code))
    }

    fn pull_trouble(
        &self,
        container: &ContainerStatus,
        reason: &str,
        message: &str,
        known: &WorkloadContext,
    ) -> Trouble {
        let told = known
            .events_about(&self.metadata.uid)
            .filter(|event| event.reason == "Failed" && event.message.contains("pull image"))
            .map(|event| event.message.as_str());
        let message = match registry::says_why(message) {
            true => message,
            false => told.last().unwrap_or(message),
        };
        let template = self.template(&container.name);
        let image = template.map_or(container.image.as_str(), |template| &template.image);
        let image = match image {
            "" => registry::quoted(message).unwrap_or("of the container"),
            image => image,
        };
        let failure = PullFailure::read(reason, message, image);
        let reason = match reason {
            "ErrImagePull" => "ImagePullBackOff",
            reason => reason,
        };
        self.told(TroubleKind::ImagePull, reason, message)
            .shortly(failure.words(image, message))
    }

    /// Returns the trouble of a container that ended like this.
    fn ended(&self, container: &ContainerStatus, ended: &Terminated) -> Trouble {
        let trouble = match End::read(&ended.reason) {
            End::OutOfMemory => self.told(TroubleKind::OutOfMemory, &ended.reason, &ended.message),
            End::NotStarted => self
                .told(TroubleKind::Start, "RunContainerError", &ended.message)
                .shortly(kubelet::start_failure(&ended.message)),
            End::Ended => {
                let kind = match self.starts_again(&container.name) {
                    true => TroubleKind::CrashLoop,
                    false => TroubleKind::Failed,
                };
                self.told(kind, &ended.reason, &ended.message)
                    .shortly(output::gist(&ended.message))
            }
        };
        trouble.in_container(container, Some(ended.exit_code))
    }

    /// Returns why the pod failed as a whole.
    fn failure(&self) -> Option<Trouble> {
        let status = &self.status;
        if status.phase != "Failed" {
            return None;
        }
        let (kind, reason) = match status.reason.as_str() {
            "" => (TroubleKind::Failed, "Failed"),
            reason if kubelet::was_taken_off(reason) => (TroubleKind::Disrupted, reason),
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
            let words = scheduler::without_preemption(&scheduled.message);
            self.told(kind, &scheduled.reason, &scheduled.message)
                .shortly(words.to_owned())
        })
    }

    /// Returns what holds up a pod that has a node and no containers yet: of
    /// that, only events tell, and only those that nothing has overtaken.
    fn held_up(&self, known: &WorkloadContext) -> Option<Trouble> {
        let conditions = &self.status.conditions;
        if self.status.phase != "Pending"
            || self.node().is_none()
            || holds(conditions, kubelet::IS_SET_UP).is_some()
        {
            return None;
        }
        let since = condition(conditions, "PodScheduled")
            .and_then(|scheduled| scheduled.last_transition_time)
            .or(self.metadata.creation_timestamp);
        let told = known
            .events_about(&self.metadata.uid)
            .filter(|event| event.last() >= since)
            .filter_map(|event| Some((event, SetUp::read(&event.reason)?)));
        let (event, set_up) = told.max_by_key(|(event, it)| (event.last(), *it == SetUp::Done))?;
        let message = event.message.as_str();
        let words = kubelet::innermost(message);
        Some(match set_up {
            SetUp::Done => return None,
            SetUp::Volume if Missing::read(message).is_some() => self
                .told(TroubleKind::Config, &event.reason, message)
                .shortly(words),
            SetUp::Volume => self
                .told(TroubleKind::Mount, &event.reason, message)
                .shortly(words),
            SetUp::Sandbox => self
                .told(TroubleKind::Sandbox, &event.reason, message)
                .shortly(words),
        })
    }

    /// Returns trouble of the pod in Kubernetes' words.
    fn told(&self, kind: TroubleKind, reason: &str, message: &str) -> Trouble {
        Trouble {
            kind,
            pod: self.metadata.name.clone(),
            container: None,
            reason: reason.to_owned(),
            message: output::gist(message),
            detail: message.to_owned(),
            exit_code: None,
            restarts: 0,
            turn: Turn::Down,
        }
    }
}

#[cfg(test)]
mod tests;

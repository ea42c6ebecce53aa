//! Decides when waiting for a workload ends, and how: reached, failed, beyond
//! hope, or out of time.
//!
//! Whoever waits shows what it sees, and says how long it has been waiting; a
//! judgment needs nothing else.

pub mod session;
mod settling;

use core::time::Duration;

use super::kind::{is_ignored, refused, rules};
use super::snapshot::Snapshot;
use super::status::{Standing, Status};
use super::trouble::{Trouble, TroubleKind, Turn};
use super::upstream::kubelet::Waiting;
use super::upstream::{output, scheduler};
use crate::api::condition::{condition, holds};
use crate::api::event::{self, Event};
use crate::api::kueue_workload::QueueState;
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::kind::{Goal, WorkloadKind};

use settling::Settling;

/// How long to wait at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Option<Duration>,
    /// In the queue, and until nodes take the pods; counted again when the workload comes
    /// back to it.
    pub queue: Option<Duration>,
}

/// Which limit was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedLimit {
    /// [`Limits::total`].
    Total(Duration),
    /// [`Limits::queue`].
    Queue(Duration),
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitVerdict {
    /// Wait on, and judge again after so long even if nothing changes.
    GoOn(Option<Duration>),
    /// It is there.
    Reached,
    /// It has failed.
    Failed {
        /// Exit code of the container that failed first, if one did.
        container_exit_code: Option<u8>,
        /// Why.
        reason: String,
    },
    /// It will not get there unless somebody mends it.
    Hopeless {
        /// Exit code of the container that ends again and again, if one does.
        container_exit_code: Option<u8>,
        /// Why.
        reason: String,
    },
    /// A limit has passed.
    TimedOut(PassedLimit),
}

/// Something that does not heal by itself, and how long it is given all the
/// same: what looks broken for a moment often only comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocker {
    /// The image's name is invalid, or it may never be pulled.
    ImageName,
    /// The image cannot be pulled.
    ImagePull,
    /// A Secret or ConfigMap is missing.
    Config,
    /// A container cannot be started.
    Start,
    /// A container ends again and again, and its pod is never ready in between.
    CrashLoop,
    /// What a pod's containers share cannot be made.
    Sandbox,
    /// A volume cannot be mounted. One that another node still has is given up
    /// by it after six minutes.
    Mount,
    /// The API server refuses pods.
    Refused,
    /// A claim is missing.
    Claim,
    /// No node has the labels that the pod asks for.
    NoSuchNode,
    /// No node could take the pod, however empty: taints, claims of another
    /// zone, more than any node has. Nodes that come back can mend it.
    NoNode,
    /// Nodes are being made for the pod.
    NodesToCome,
    /// A node that may take the pod is drained, or does not answer: it comes back
    /// when it has been upgraded or started again.
    NodesAway,
    /// The pod's node does not answer, and is given so many seconds.
    NodeLost(u64),
    /// No controller looks at it.
    Ignored,
    /// Kueue has given it up.
    Deactivated,
    /// A service says that it has failed.
    Service,
}

/// How often a container is started again before it can be beyond hope. With the
/// grace of [`Blocker::CrashLoop`] that leaves those alone that only wait for
/// something else by failing: the kubelet starts a container again at once and
/// then after 10, 20, 40 and 80 s (v1.36), the fifth time two and a half minutes
/// after the first end, and that one may yet become ready.
const RESTARTS: i64 = 3;

/// Seconds in which a pod that was deleted from a node that does not answer is
/// replaced.
const REPLACING: u64 = 60;

impl Blocker {
    /// Returns how long it is given.
    fn grace(self) -> Duration {
        Duration::from_secs(match self {
            Self::ImageName | Self::Deactivated => 0,
            Self::ImagePull | Self::Config | Self::Claim | Self::Service => 30,
            Self::Start | Self::NoSuchNode | Self::Refused => 60,
            Self::Sandbox => 120,
            Self::CrashLoop => 180,
            Self::NoNode | Self::Ignored => 300,
            Self::Mount => 600,
            Self::NodeLost(seconds) => seconds,
            Self::NodesToCome | Self::NodesAway => 1_200,
        })
    }
}

/// A blocker that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Impasse {
    blocker: Blocker,
    /// Whose it is; empty where others of its kind do not restart it.
    pod: String,
    reason: String,
    container_exit_code: Option<u8>,
    /// Whether this is a moment to give up. A container that runs again, after
    /// however many failures, may this time become ready.
    is_down: bool,
}

impl Impasse {
    fn new(blocker: Blocker, reason: impl Into<String>) -> Self {
        Self {
            blocker,
            pod: String::new(),
            reason: reason.into(),
            container_exit_code: None,
            is_down: true,
        }
    }

    /// Returns what keeps a pod from ever running, or from running on.
    fn of_pod(pod: &Pod, snapshot: &Snapshot) -> Option<Self> {
        let trouble = pod.trouble(&snapshot.known())?;
        let starts_again = trouble
            .container
            .as_ref()
            .is_some_and(|container| pod.starts_again(container));
        let blocker = match trouble.kind {
            TroubleKind::ImagePull
                if Waiting::read(&trouble.reason) == Some(Waiting::ImageName) =>
            {
                Blocker::ImageName
            }
            TroubleKind::ImagePull => Blocker::ImagePull,
            TroubleKind::Config => Blocker::Config,
            TroubleKind::Mount => Blocker::Mount,
            TroubleKind::Sandbox => Blocker::Sandbox,
            // What is not started again is its owner's to give up.
            TroubleKind::Start if trouble.exit_code.is_none() || starts_again => Blocker::Start,
            TroubleKind::CrashLoop | TroubleKind::Init | TroubleKind::OutOfMemory
                if starts_again && trouble.turn != Turn::Ready =>
            {
                return Some(Self::of_crashes(&trouble));
            }
            TroubleKind::NodeLost => return Self::of_lost_node(pod, snapshot, trouble.to_string()),
            TroubleKind::Unschedulable => {
                let events = snapshot.events();
                of_scheduling(&trouble.detail, &pod.metadata.uid, events)?
            }
            _ => return None,
        };
        let code = exit_code(trouble.exit_code).filter(|_| blocker == Blocker::Start);
        Some(Self {
            container_exit_code: code,
            ..Self::new(blocker, trouble.to_string())
        })
    }

    /// Returns that the node of a pod does not answer. What replaces pods does so as
    /// soon as they are deleted; a Job waits for their end, which nobody brings about.
    fn of_lost_node(pod: &Pod, snapshot: &Snapshot, reason: String) -> Option<Self> {
        let is_replaced = snapshot.workload.kind != WorkloadKind::Job;
        let replacing = if is_replaced { REPLACING } else { 0 };
        let seconds = pod.stays_for()?.as_secs() + replacing;
        Some(Self::new(Blocker::NodeLost(seconds), reason))
    }

    fn of_crashes(trouble: &Trouble) -> Self {
        Self {
            pod: trouble.pod.clone(),
            container_exit_code: exit_code(trouble.exit_code),
            is_down: trouble.turn == Turn::Down && trouble.restarts >= RESTARTS,
            ..Self::new(Blocker::CrashLoop, trouble.to_string())
        }
    }

    /// Returns whether it is the one that is known already.
    fn is(&self, known: &Self) -> bool {
        self.blocker == known.blocker && self.pod == known.pod
    }
}

/// Returns what keeps a pod of this UID from every node, by the words of the
/// scheduler.
fn of_scheduling(message: &str, pod: &str, events: &[Event]) -> Option<Blocker> {
    use scheduler::Useless;
    if scheduler::missing_claim(message).is_some() {
        return Some(Blocker::Claim);
    }
    let useless = Useless::read(message)?;
    Some(match useless {
        _ if event::nodes_to_come(pod, events) => Blocker::NodesToCome,
        Useless::NoneSuch => Blocker::NoSuchNode,
        Useless::NoneFits => Blocker::NoNode,
        Useless::Away => Blocker::NodesAway,
    })
}

fn exit_code(code: Option<i64>) -> Option<u8> {
    u8::try_from(code?).ok().filter(|code| *code > 0)
}

/// Waits for one workload: remembers since when things are as they are.
#[derive(Debug)]
pub struct WaitTracker {
    goal: Goal,
    limits: Limits,
    queued_since: Option<Duration>,
    impasses: Vec<(Impasse, Duration)>,
    settling: Settling,
}

impl WaitTracker {
    /// Begins to wait.
    pub fn new(goal: Goal, limits: Limits) -> Self {
        Self {
            goal,
            limits,
            queued_since: None,
            impasses: Vec::new(),
            settling: Settling::default(),
        }
    }

    /// Judges what is seen after `elapsed`.
    pub fn judge(&mut self, snapshot: &Snapshot, elapsed: Duration) -> WaitVerdict {
        let standing = snapshot.standing();
        let workload = &snapshot.workload;
        if standing.status == Status::Failed && workload.kind.is_batch() {
            return WaitVerdict::Failed {
                container_exit_code: container_exit_code(snapshot),
                reason: standing.reason,
            };
        }
        if self.is_reached(workload, &standing) {
            if self.goal != Goal::Ready || self.settling.is_over(workload, elapsed) {
                return WaitVerdict::Reached;
            }
        } else {
            self.settling.interrupt(workload);
        }
        match standing.status.is_waiting() || waits_for_nodes(snapshot, &standing) {
            true => _ = self.queued_since.get_or_insert(elapsed),
            false => self.queued_since = None,
        }
        if let Some(impasse) = self.hopeless(snapshot, &standing, elapsed) {
            return WaitVerdict::Hopeless {
                container_exit_code: impasse.container_exit_code,
                reason: impasse.reason,
            };
        }
        self.overdue(elapsed)
    }

    /// Judges without seeing anything: the limits hold all the same.
    pub fn overdue(&self, elapsed: Duration) -> WaitVerdict {
        if let Some(total) = self.limits.total.filter(|total| elapsed >= *total) {
            return WaitVerdict::TimedOut(PassedLimit::Total(total));
        }
        if let (Some(queue), Some(since)) = (self.limits.queue, self.queued_since)
            && elapsed >= since + queue
        {
            return WaitVerdict::TimedOut(PassedLimit::Queue(queue));
        }
        let total = self.limits.total;
        let queue = self
            .queued_since
            .and_then(|since| Some(since + self.limits.queue?));
        let impasses = self
            .impasses
            .iter()
            .map(|(impasse, since)| *since + impasse.blocker.grace())
            // Past that, what changes is awaited.
            .filter(|at| *at > elapsed);
        let settled = self.settling.ends_at();
        let next = total
            .into_iter()
            .chain(queue)
            .chain(impasses)
            .chain(settled)
            .min();
        WaitVerdict::GoOn(next.map(|at| at.saturating_sub(elapsed)))
    }

    fn is_reached(&self, workload: &Workload, standing: &Standing) -> bool {
        if workload.metadata.deletion_timestamp.is_some() {
            return standing.status == Status::Succeeded;
        }
        match (self.goal, standing.status) {
            (_, Status::Succeeded) => true,
            (Goal::Done, _) => false,
            (Goal::Running, Status::Running | Status::Ready | Status::Degraded) => true,
            (Goal::Ready, Status::Running) => true,
            (Goal::Ready, Status::Ready) => {
                rules(workload).is_rolled_out() && is_observed(workload)
            }
            _ => false,
        }
    }

    /// Returns what has been past hope for long enough.
    fn hopeless(
        &mut self,
        snapshot: &Snapshot,
        standing: &Standing,
        elapsed: Duration,
    ) -> Option<Impasse> {
        let present = impasses(snapshot, standing);
        self.impasses
            .retain(|(known, _)| present.iter().any(|impasse| impasse.is(known)));
        let mut found = None;
        for impasse in present {
            let known = self.impasses.iter().find(|(known, _)| impasse.is(known));
            let since = known.map_or(elapsed, |(_, since)| *since);
            if known.is_none() {
                self.impasses.push((impasse.clone(), elapsed));
            }
            if impasse.is_down && elapsed >= since + impasse.blocker.grace() {
                found = found.or(Some(impasse));
            }
        }
        found
    }
}

/// Returns everything about a workload that does not heal by itself.
fn impasses(snapshot: &Snapshot, standing: &Standing) -> Vec<Impasse> {
    let workload = &snapshot.workload;
    let known = snapshot.known();
    let mut found = Vec::new();
    for queued in snapshot.queued() {
        // Who stops a workload by hand will let it go on by hand.
        let given_up = holds(&queued.status.conditions, "Evicted")
            .filter(|evicted| evicted.reason.starts_with("DeactivatedDueTo"));
        if queued.state() == QueueState::Inactive
            && let Some(evicted) = given_up
        {
            let reason = format!(
                "Kueue has given up on it: {}",
                output::gist(evicted.words())
            );
            found.push(Impasse::new(Blocker::Deactivated, reason));
        }
    }
    // KAITO makes nodes for its pods, in its own time.
    let nodes_are_made = workload.kind.is_kaito();
    let pods = snapshot.pods().iter();
    let of_pods = pods
        .filter(|pod| !pod.is_terminating() && !pod.has_ended())
        .filter_map(|pod| Impasse::of_pod(pod, snapshot))
        .filter(|impasse| {
            let of_nodes = matches!(
                impasse.blocker,
                Blocker::NoSuchNode | Blocker::NoNode | Blocker::NodesAway
            );
            !(of_nodes && nodes_are_made)
        });
    found.extend(of_pods);
    found.extend(held(snapshot));
    if matches!(standing.status, Status::Starting | Status::Degraded)
        && let Some(refused) = refused(workload, &known)
    {
        found.push(Impasse::new(Blocker::Refused, refused));
    }
    if standing.status == Status::Starting && is_ignored(workload, &known) {
        found.push(Impasse::new(Blocker::Ignored, standing.reason.clone()));
    }
    if standing.status == Status::Failed && is_observed(workload) {
        found.push(Impasse::new(Blocker::Service, standing.reason.clone()));
    }
    if is_observed(workload)
        && let Some(reason) = rules(workload).hangs(standing)
    {
        found.push(Impasse::new(Blocker::Service, reason));
    }
    found
}

/// Returns whether it was admitted, and no node takes a pod of it yet: to whoever waits,
/// that is the queue as well.
fn waits_for_nodes(snapshot: &Snapshot, standing: &Standing) -> bool {
    let pods = snapshot.pods().iter();
    let mut present = pods.filter(|pod| !pod.is_terminating() && !pod.has_ended());
    standing.status == Status::Starting
        && present.any(|pod| {
            let scheduled = condition(&pod.status.conditions, "PodScheduled");
            scheduled.is_some_and(|scheduled| scheduled.status == "False")
        })
}

/// Returns that a pod of a Job was deleted, and that its node does not answer.
fn held(snapshot: &Snapshot) -> Option<Impasse> {
    let pods = snapshot.pods();
    let is_job = snapshot.workload.kind == WorkloadKind::Job;
    let mut held = pods.iter().filter(|_| is_job);
    let (pod, words) = held.find_map(|pod| Some((pod, pod.held()?)))?;
    Impasse::of_lost_node(pod, snapshot, words)
}

/// Returns whether a service's status is about its present specification.
fn is_observed(workload: &Workload) -> bool {
    let observed = rules(workload).observed_generation();
    observed.is_none_or(|observed| observed >= workload.metadata.generation)
}

/// Returns the exit code of the container that made a workload fail.
pub fn container_exit_code(snapshot: &Snapshot) -> Option<u8> {
    exit_code(rules(&snapshot.workload).exit_code(snapshot.pods()))
}

#[cfg(test)]
mod tests;

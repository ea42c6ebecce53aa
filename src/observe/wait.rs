//! Decides when waiting for a workload ends, and how: reached, failed, beyond
//! hope, or out of time.
//!
//! Whoever waits shows what it sees, and says how long it has been waiting; a
//! judgment needs nothing else.

mod settling;

use core::time::Duration;

use super::kind::meaning;
use super::snapshot::Snapshot;
use super::status::{Standing, Status};
use super::trouble::TroubleKind;
use crate::api::condition::holds;
use crate::api::event::{self, Event};
use crate::api::kueue_workload::QueueState;
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::kind::Goal;

use settling::Settling;

/// How long to wait at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Option<Duration>,
    /// In the queue; counted anew when the workload comes back to it.
    pub queue: Option<Duration>,
}

/// Which limit was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::total`].
    Total(Duration),
    /// [`Limits::queue`].
    Queue(Duration),
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
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
        /// Why.
        reason: String,
    },
    /// A limit has passed.
    TimedOut(Limit),
}

/// Something that does not heal by itself, and how long it is given all the
/// same: what looks broken for a moment often only comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocker {
    /// The image's name is none, or it may not be pulled at all.
    ImageName,
    /// The image cannot be pulled.
    ImagePull,
    /// A Secret or ConfigMap is missing.
    Config,
    /// A container cannot be started.
    Start,
    /// A claim is missing.
    Claim,
    /// No node has the labels that the pod asks for.
    NoSuchNode,
    /// No node could take the pod, however empty: taints, claims of another
    /// zone, more than any node has. Nodes that come back can mend it.
    NoNode,
    /// Nodes are being made for the pod.
    NodesToCome,
    /// Kueue has given it up.
    Deactivated,
    /// A service says that it has failed.
    Service,
}

impl Blocker {
    /// Returns how long it is given.
    fn grace(self) -> Duration {
        Duration::from_secs(match self {
            Self::ImageName | Self::Deactivated => 0,
            Self::ImagePull | Self::Config | Self::Claim | Self::Service => 30,
            Self::Start | Self::NoSuchNode => 60,
            Self::NoNode => 300,
            Self::NodesToCome => 1_200,
        })
    }

    /// Returns what keeps a pod from ever running.
    fn of_pod(pod: &Pod, events: &[Event]) -> Option<(Self, String)> {
        let trouble = pod.trouble()?;
        let impasse = match trouble.kind {
            TroubleKind::ImagePull
                if matches!(
                    trouble.reason.as_str(),
                    "InvalidImageName" | "ErrImageNeverPull"
                ) =>
            {
                Self::ImageName
            }
            TroubleKind::ImagePull => Self::ImagePull,
            TroubleKind::Config => Self::Config,
            // One that has ended is tried again by what owns the pod, or not.
            TroubleKind::Start if trouble.exit_code.is_none() => Self::Start,
            TroubleKind::Unschedulable => Self::of_scheduling(&trouble.message)?,
            _ => return None,
        };
        let nodes_come = matches!(impasse, Self::NoSuchNode | Self::NoNode)
            && event::nodes_to_come(&pod.metadata.uid, events);
        let impasse = if nodes_come {
            Self::NodesToCome
        } else {
            impasse
        };
        Some((impasse, trouble.to_string()))
    }

    /// Returns what the scheduler's words mean (kube-scheduler v1.36,
    /// `framework.FitError`): `0/11 nodes are available: 11 node(s) didn't
    /// match Pod's node affinity/selector. preemption: 0/11 nodes are
    /// available: 11 Preemption is not helpful for scheduling.`
    fn of_scheduling(message: &str) -> Option<Self> {
        if message.contains("persistentvolumeclaim \"") && message.contains("\" not found") {
            return Some(Self::Claim);
        }
        let (fit, preemption) = message.split_once("preemption: ")?;
        let all: u64 = fit.strip_prefix("0/")?.split_once(' ')?.0.parse().ok()?;
        let (_, reasons) = fit.split_once("nodes are available: ")?;
        // An emptier node would not help on any of them.
        let useless = format!("{all} Preemption is not helpful");
        if all > 0 && !preemption.contains(&useless) {
            return None;
        }
        let by_labels = format!("{all} node(s) didn't match Pod's node affinity/selector");
        match reasons.starts_with(&by_labels) {
            true => Some(Self::NoSuchNode),
            false => Some(Self::NoNode),
        }
    }
}

/// Waits for one workload: remembers since when things are as they are.
#[derive(Debug)]
pub struct WaitTracker {
    goal: Goal,
    limits: Limits,
    queued_since: Option<Duration>,
    impasses: Vec<(Blocker, Duration)>,
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

    /// Judges what is seen after `elapsed`. `events` are those around the pods
    /// that do not run, as far as they are known.
    pub fn judge(&mut self, snapshot: &Snapshot, events: &[Event], elapsed: Duration) -> Verdict {
        let standing = snapshot.standing();
        let workload = &snapshot.workload;
        if standing.status == Status::Failed && workload.kind.is_batch() {
            return Verdict::Failed {
                container_exit_code: container_exit_code(snapshot),
                reason: standing.reason,
            };
        }
        if self.is_reached(workload, &standing) {
            if self.goal != Goal::Ready || self.settling.is_over(workload, elapsed) {
                return Verdict::Reached;
            }
        } else {
            self.settling.interrupt(workload);
        }
        match standing.status.is_waiting() {
            true => _ = self.queued_since.get_or_insert(elapsed),
            false => self.queued_since = None,
        }
        if let Some(reason) = self.hopeless(snapshot, &standing, events, elapsed) {
            return Verdict::Hopeless { reason };
        }
        self.overdue(elapsed)
    }

    /// Judges without seeing anything: the limits hold all the same.
    pub fn overdue(&self, elapsed: Duration) -> Verdict {
        if let Some(total) = self.limits.total.filter(|total| elapsed >= *total) {
            return Verdict::TimedOut(Limit::Total(total));
        }
        if let (Some(queue), Some(since)) = (self.limits.queue, self.queued_since)
            && elapsed >= since + queue
        {
            return Verdict::TimedOut(Limit::Queue(queue));
        }
        let total = self.limits.total;
        let queue = self
            .queued_since
            .and_then(|since| Some(since + self.limits.queue?));
        let impasses = self
            .impasses
            .iter()
            .map(|(impasse, since)| *since + impasse.grace());
        let settled = self.settling.ends_at();
        let next = total
            .into_iter()
            .chain(queue)
            .chain(impasses)
            .chain(settled)
            .min();
        Verdict::GoOn(next.map(|at| at.saturating_sub(elapsed)))
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
                meaning(workload).is_rolled_out() && is_observed(workload)
            }
            _ => false,
        }
    }

    /// Returns what has been past hope for long enough.
    fn hopeless(
        &mut self,
        snapshot: &Snapshot,
        standing: &Standing,
        events: &[Event],
        elapsed: Duration,
    ) -> Option<String> {
        let present = impasses(snapshot, standing, events);
        self.impasses
            .retain(|(known, _)| present.iter().any(|(impasse, _)| impasse == known));
        let mut found = None;
        for (impasse, reason) in present {
            let known = self.impasses.iter().find(|(known, _)| *known == impasse);
            let since = match known {
                Some((_, since)) => *since,
                None => {
                    self.impasses.push((impasse, elapsed));
                    elapsed
                }
            };
            if elapsed >= since + impasse.grace() {
                found = found.or(Some(reason));
            }
        }
        found
    }
}

/// Returns everything about a workload that does not heal by itself.
fn impasses(snapshot: &Snapshot, standing: &Standing, events: &[Event]) -> Vec<(Blocker, String)> {
    let workload = &snapshot.workload;
    let mut found = Vec::new();
    for queued in snapshot.queued() {
        // Who stops a workload by hand will let it go on by hand.
        let given_up = holds(&queued.status.conditions, "Evicted")
            .filter(|evicted| evicted.reason.starts_with("DeactivatedDueTo"));
        if queued.state() == QueueState::Inactive
            && let Some(evicted) = given_up
        {
            let reason = format!("Kueue has given it up: {}", evicted.words());
            found.push((Blocker::Deactivated, reason));
        }
    }
    // KAITO makes nodes for its pods, in its own time.
    let nodes_are_made = workload.kind.is_kaito();
    let pods = snapshot.pods().iter();
    let of_pods = pods
        .filter(|pod| !pod.is_terminating() && !pod.has_ended())
        .filter_map(|pod| Blocker::of_pod(pod, events))
        .filter(|(impasse, _)| {
            let of_nodes = matches!(impasse, Blocker::NoSuchNode | Blocker::NoNode);
            !(of_nodes && nodes_are_made)
        });
    found.extend(of_pods);
    if standing.status == Status::Failed && is_observed(workload) {
        found.push((Blocker::Service, standing.reason.clone()));
    }
    if is_observed(workload)
        && let Some(reason) = meaning(workload).hangs(standing)
    {
        found.push((Blocker::Service, reason));
    }
    found
}

/// Returns whether a service's status is about its present specification.
fn is_observed(workload: &Workload) -> bool {
    let observed = meaning(workload).observed_generation();
    observed.is_none_or(|observed| observed >= workload.metadata.generation)
}

/// Returns the exit code of the container that made a workload fail.
pub fn container_exit_code(snapshot: &Snapshot) -> Option<u8> {
    let code = meaning(&snapshot.workload).exit_code(snapshot.pods())?;
    u8::try_from(code).ok().filter(|code| *code > 0)
}

#[cfg(test)]
mod tests;

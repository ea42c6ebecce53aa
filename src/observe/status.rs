//! How a workload stands, in one vocabulary for all kinds.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::trouble::TroubleKind;
use crate::api::condition::{Condition, condition, holds};
use crate::api::job::{JobSpec, JobStatus};
use crate::api::kaito::WorkspaceStatus;
use crate::api::kueue_workload::{QueueState, QueuedWorkload};
use crate::api::pod::Pod;
use crate::api::ray::{RayJobStatus, RayServiceCluster, RayServiceStatus};
use crate::api::workload::{Details, Workload};

macro_rules! vocabulary {
    ($( $(#[$meta:meta])* $status:ident, )*) => {
        /// How a workload stands. The rules that lead to each word are in
        /// [`standing`], each with the field of the API it follows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Status {
            $( $(#[$meta])* $status, )*
        }

        impl Status {
            /// All of them, in the order of a workload's life.
            pub const ALL: &[Self] = &[$( Self::$status, )*];

            /// Returns the word for people and programs.
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$status => stringify!($status), )*
                }
            }
        }
    };
}

vocabulary! {
    /// It waits in a queue.
    Pending,
    /// Kueue has let it in, and nothing of it exists yet.
    Admitted,
    /// Its pods are on their way.
    Starting,
    /// It runs, and will end.
    Running,
    /// It serves, or waits for its schedule.
    Ready,
    /// It serves less than it should.
    Degraded,
    /// It ended well.
    Succeeded,
    /// It ended badly, or cannot begin.
    Failed,
    /// Somebody stopped it.
    Suspended,
    /// It made room for another workload and waits again.
    Preempted,
}

impl Status {
    /// Returns whether it stays as it is.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Returns whether it waits for a queue to let it in.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Preempted)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied();
        known
            .clone()
            .find(|status| status.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let names: Vec<String> = known.map(|status| status.name().to_lowercase()).collect();
                format!("expected one of {}", names.join(", "))
            })
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How a workload stands, and why, on one line; the reason may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The word for it.
    pub status: Status,
    /// Why, as shortly as it can be said.
    pub reason: String,
}

impl Standing {
    fn new(status: Status, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

/// Returns how a workload stands. `queued` and `pods` are what is known of it
/// in Kueue and on nodes; with less known, the answer is less precise, never
/// another one that is wrong.
pub fn standing(workload: &Workload, queued: &[QueuedWorkload], pods: &[Pod]) -> Standing {
    let mut standing = match &workload.details {
        Details::Job(spec, status) => job(workload, spec, status, queued, pods),
        Details::CronJob(spec, status) => match (spec.suspend, status.active.len()) {
            (true, _) => Standing::new(Status::Suspended, "starts no Jobs"),
            (false, 0) => Standing::new(Status::Ready, format!("runs at {}", spec.schedule)),
            (false, 1) => Standing::new(Status::Running, "1 Job"),
            (false, jobs) => Standing::new(Status::Running, format!("{jobs} Jobs")),
        },
        Details::RayJob(spec, status) => ray_job(workload, spec.suspend, status, queued, pods),
        Details::Deployment(..) => deployment(workload, queued, pods),
        Details::RayService(spec, status) => {
            let suspended = spec.ray_cluster_config.suspend;
            ray_service(workload, suspended, status, queued, pods)
        }
        Details::Workspace(_, status) => workspace(status, pods),
        Details::InferenceSet(spec, status) => {
            inference_set(spec.replicas.unwrap_or(1), status.ready_replicas)
        }
    };
    if workload.metadata.deletion_timestamp.is_some() {
        standing.reason = "is being deleted".to_owned();
    }
    standing
}

/// What is suspended waits for Kueue, or for whoever suspended it.
fn suspended(workload: &Workload, queued: &[QueuedWorkload]) -> Standing {
    let Some(queued) = farthest(queued) else {
        return match workload.queue() {
            Some(_) => Standing::new(Status::Pending, ""),
            None => Standing::new(Status::Suspended, "`suspend` is set, and it is in no queue"),
        };
    };
    let reason = queued.reason();
    match queued.state() {
        QueueState::Pending | QueueState::Reserved => Standing::new(Status::Pending, reason),
        QueueState::Evicted => Standing::new(Status::Pending, format!("evicted: {reason}")),
        QueueState::Preempted => Standing::new(Status::Preempted, reason),
        QueueState::Inactive => Standing::new(Status::Suspended, reason),
        QueueState::Admitted | QueueState::Finished => Standing::new(Status::Admitted, ""),
    }
}

/// Returns the one of several that has farthest to go: where pods are queued
/// each by itself, it tells how the whole stands.
pub fn farthest(queued: &[QueuedWorkload]) -> Option<&QueuedWorkload> {
    queued.iter().min_by_key(|queued| rank(queued.state()))
}

fn rank(state: QueueState) -> u8 {
    match state {
        QueueState::Inactive => 0,
        QueueState::Preempted => 1,
        QueueState::Evicted => 2,
        QueueState::Pending => 3,
        QueueState::Reserved => 4,
        QueueState::Admitted => 5,
        QueueState::Finished => 6,
    }
}

/// Conditions and counts of batch/v1 (Kubernetes v1.36).
fn job(
    workload: &Workload,
    spec: &JobSpec,
    status: &JobStatus,
    queued: &[QueuedWorkload],
    pods: &[Pod],
) -> Standing {
    let conditions = &status.conditions;
    if holds(conditions, "Complete").is_some() {
        return Standing::new(Status::Succeeded, "");
    }
    // `FailureTarget` comes first, `Failed` once all pods have ended.
    if let Some(failed) = holds(conditions, "Failed") {
        let reason = pods
            .iter()
            .filter_map(Pod::trouble)
            .find(|trouble| trouble.kind != TroubleKind::Disrupted)
            .map_or_else(|| failed.words().to_owned(), |trouble| trouble.to_string());
        return Standing::new(Status::Failed, reason);
    }
    if spec.suspend {
        return suspended(workload, queued);
    }
    let wanted = spec.pods() - status.succeeded.min(spec.pods() - 1).max(0);
    if status.ready >= wanted {
        return Standing::new(Status::Running, troubles(pods));
    }
    starting(pods, status.ready, wanted)
}

/// Pods are on their way: why they are not there yet.
fn starting(pods: &[Pod], ready: i64, wanted: i64) -> Standing {
    let reason = match troubles(pods) {
        trouble if !trouble.is_empty() => trouble,
        _ => format!("{ready} of {wanted} pods ready"),
    };
    Standing::new(Status::Starting, reason)
}

/// Returns what is wrong with the first pod that has something.
fn troubles(pods: &[Pod]) -> String {
    let mut troubles = pods
        .iter()
        .filter(|pod| !pod.is_terminating())
        .filter_map(Pod::trouble);
    troubles
        .next()
        .map_or_else(String::new, |trouble| trouble.to_string())
}

/// `JobDeploymentStatus` of KubeRay v1.6, which is what the operator does, and
/// `JobStatus`, which is what Ray says.
fn ray_job(
    workload: &Workload,
    is_suspended: bool,
    status: &RayJobStatus,
    queued: &[QueuedWorkload],
    pods: &[Pod],
) -> Standing {
    let failed = || {
        let words = [&status.message, &status.reason, &status.job_status];
        let words = words.into_iter().find(|words| !words.is_empty());
        Standing::new(Status::Failed, first_line(words.map_or("", |words| words)))
    };
    match (
        status.job_deployment_status.as_str(),
        status.job_status.as_str(),
    ) {
        ("Complete", "SUCCEEDED") => Standing::new(Status::Succeeded, ""),
        // Ray has stopped it or it failed; since v1.2 the latter is `Failed`.
        ("Complete" | "Failed" | "ValidationFailed", _) => failed(),
        ("Suspended" | "Suspending", _) => suspended(workload, queued),
        _ if is_suspended => suspended(workload, queued),
        ("Running", "RUNNING") => Standing::new(Status::Running, troubles(pods)),
        ("Running", "SUCCEEDED" | "FAILED" | "STOPPED") => {
            Standing::new(Status::Running, "is ending")
        }
        ("Retrying", _) => Standing::new(Status::Starting, "tries again"),
        _ => {
            let ready = pods.iter().filter(|pod| pod.is_ready()).count();
            match (troubles(pods), pods.len()) {
                (trouble, _) if !trouble.is_empty() => Standing::new(Status::Starting, trouble),
                (_, 0) => Standing::new(Status::Starting, ""),
                (_, all) => Standing::new(Status::Starting, format!("{ready} of {all} pods ready")),
            }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Counts and conditions of apps/v1 (Kubernetes v1.36).
fn deployment(workload: &Workload, queued: &[QueuedWorkload], pods: &[Pod]) -> Standing {
    let Details::Deployment(spec, status) = &workload.details else {
        return Standing::new(Status::Starting, "");
    };
    let wanted = spec.replicas.unwrap_or(1);
    if wanted == 0 {
        return Standing::new(Status::Suspended, "scaled to 0");
    }
    if status.observed_generation < workload.metadata.generation {
        return Standing::new(Status::Starting, "");
    }
    let available = status.available_replicas;
    let stuck = condition(&status.conditions, "Progressing")
        .filter(|progressing| progressing.status == "False");
    let reason = || match (troubles(pods), stuck) {
        (trouble, _) if !trouble.is_empty() => trouble,
        (_, Some(stuck)) => stuck.words().to_owned(),
        _ => format!("{available} of {wanted} pods ready"),
    };
    if available >= wanted {
        let rolling = status.updated_replicas < wanted || status.replicas > wanted;
        return match (rolling, troubles(pods)) {
            (true, trouble) if trouble.is_empty() => Standing::new(
                Status::Ready,
                format!(
                    "rolling out: {} of {wanted} updated",
                    status.updated_replicas
                ),
            ),
            (true, trouble) => Standing::new(Status::Ready, format!("rollout hangs: {trouble}")),
            (false, _) => Standing::new(Status::Ready, ""),
        };
    }
    if available > 0 {
        return Standing::new(Status::Degraded, reason());
    }
    let waits = queued
        .iter()
        .any(|queued| !matches!(queued.state(), QueueState::Admitted | QueueState::Finished));
    if waits {
        return suspended(workload, queued);
    }
    match stuck {
        Some(_) => Standing::new(Status::Failed, reason()),
        None => Standing::new(Status::Starting, reason()),
    }
}

/// Conditions of KubeRay v1.6 (`RayServiceConditionType`), and what Ray Serve
/// says of its applications.
fn ray_service(
    workload: &Workload,
    is_suspended: bool,
    status: &RayServiceStatus,
    queued: &[QueuedWorkload],
    pods: &[Pod],
) -> Standing {
    if holds(&status.conditions, "Ready").is_some() {
        return serving(status, pods);
    }
    let clusters = [
        &status.active_service_status,
        &status.pending_service_status,
    ];
    let unwell = clusters.into_iter().find_map(RayServiceCluster::unwell);
    match unwell {
        _ if is_suspended => suspended(workload, queued),
        Some(words) => Standing::new(Status::Failed, words),
        None => {
            let waits = queued
                .iter()
                .any(|queued| rank(queued.state()) < rank(QueueState::Admitted));
            if waits {
                return suspended(workload, queued);
            }
            let reason = match troubles(pods) {
                trouble if !trouble.is_empty() => trouble,
                _ => condition(&status.conditions, "Ready")
                    .map_or(String::new(), |ready| first_line(ready.words()).to_owned()),
            };
            Standing::new(Status::Starting, reason)
        }
    }
}

/// A RayService that answers. During an upgrade the cluster that serves goes on
/// until the applications of the next one are up.
fn serving(status: &RayServiceStatus, pods: &[Pod]) -> Standing {
    let active = &status.active_service_status;
    if let Some(words) = active.unwell() {
        return Standing::new(Status::Degraded, words);
    }
    let Some(upcoming) = status.upcoming() else {
        let unfinished = active.unfinished();
        return Standing::new(Status::Ready, unfinished.unwrap_or_default());
    };
    let hangs = upcoming
        .unwell()
        .unwrap_or_else(|| troubles(&upcoming.own_pods(pods)));
    let reason = match hangs.as_str() {
        "" => "rolling out a new cluster".to_owned(),
        words => format!("rollout hangs: {words}"),
    };
    Standing::new(Status::Ready, reason)
}

/// Counts of an InferenceSet (KAITO v0.12): each replica is a Workspace, which
/// tells more.
fn inference_set(wanted: i64, ready: i64) -> Standing {
    let status = match ready {
        _ if ready >= wanted => return Standing::new(Status::Ready, ""),
        0 => Status::Starting,
        _ => Status::Degraded,
    };
    Standing::new(status, format!("{ready} of {wanted} replicas ready"))
}

/// Conditions of a Workspace on its way, in the order in which they come true,
/// under their names of KAITO v0.1 to v0.12.
pub const WORKSPACE_STEPS: [&str; 7] = [
    "MachineReady",
    "NodeClaimReady",
    "NodesReady",
    "ModelMirrorReady",
    "ResourceReady",
    "InferenceReady",
    "JobStarted",
];

/// Conditions of KAITO v0.12 (`api/v1beta1/condition_types.go`), under their
/// names of v0.1 to v0.12. Its word `Ready` is not enough: a pod that crashes
/// again and again is behind some of them (KAITO issues 931 and 1493).
fn workspace(status: &WorkspaceStatus, pods: &[Pod]) -> Standing {
    let conditions = &status.conditions;
    let of = |kind: &str| condition(conditions, kind);
    let succeeded = of("WorkspaceSucceeded").or_else(|| of("WorkspaceReady"));
    let trouble = troubles(pods);
    if succeeded.is_some_and(|succeeded| succeeded.holds()) || status.state == "Succeeded" {
        // A tuning Workspace has this condition, and ends.
        let tunes = of("JobStarted").is_some();
        return match (tunes, trouble) {
            (true, _) => Standing::new(Status::Succeeded, ""),
            (false, trouble) if trouble.is_empty() => Standing::new(Status::Ready, ""),
            (false, trouble) => Standing::new(Status::Degraded, trouble),
        };
    }
    if !trouble.is_empty() {
        return Standing::new(Status::Starting, trouble);
    }
    if let Some(failed) = succeeded.filter(|succeeded| {
        matches!(
            succeeded.reason.as_str(),
            "workspaceFailed" | "BenchmarkFailed"
        )
    }) {
        return Standing::new(Status::Failed, failed.words());
    }
    if status.state == "Failed" {
        return Standing::new(Status::Failed, "");
    }
    if holds(conditions, "JobStarted").is_some() {
        return Standing::new(Status::Running, "");
    }
    let mut steps = WORKSPACE_STEPS.into_iter().filter_map(of);
    let missing = steps.find(|condition| !condition.holds());
    let reason = missing.map_or(String::new(), |missing| {
        format!("{}: {}", missing.kind, missing.words())
    });
    Standing::new(Status::Starting, reason)
}

/// Returns how far a Workspace is: its nodes, what runs on them, and the whole,
/// as `True` or `False`; empty before KAITO has said it. The last two are called
/// otherwise for a Workspace that tunes, and before v0.3.1.
pub fn workspace_progress(conditions: &[Condition]) -> [&str; 3] {
    [
        &["ResourceReady"][..],
        &["InferenceReady", "JobStarted"],
        &["WorkspaceSucceeded", "WorkspaceReady"],
    ]
    .map(|names| {
        let known = names.iter().find_map(|name| condition(conditions, name));
        known.map_or("", |condition| condition.status.as_str())
    })
}

#[cfg(test)]
mod tests;

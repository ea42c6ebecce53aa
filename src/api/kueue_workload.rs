//! Kueue's side of a workload: whether it was admitted, and if not, why.

mod amounts;
mod pod_set;
mod queued_object;
mod without_pods;

pub use pod_set::{PodSetMetadata, PodSetTemplate, TopologyRequest, WorkloadPodSet};
pub use queued_object::{POD_GROUP, QueuedObject};
pub use without_pods::WithoutPods;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::condition::{Condition, condition, holds};
use super::keys::USERNAME_LABEL;
use super::metadata::Metadata;
use crate::quantity::Quantity;

/// `kueue.x-k8s.io` Workload; `v1beta1` and `v1beta2` agree in these fields.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct KueueWorkload {
    /// Name, labels and so on.
    pub metadata: Metadata,
    /// What it asks for.
    pub spec: QueuedSpec,
    /// How it fares.
    pub status: QueuedStatus,
}

/// `spec` of a Workload.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueuedSpec {
    /// The LocalQueue.
    pub queue_name: String,
    /// Whether it may be admitted; yes unless it says otherwise.
    pub active: Option<bool>,
    /// The higher, the earlier.
    pub priority: i64,
    /// Whose priority that is (v1beta2).
    pub priority_class_ref: Option<PriorityClassRef>,
    /// Name of the class whose priority that is (v1beta1).
    pub priority_class_name: String,
    /// Sets of equal pods.
    pub pod_sets: Vec<WorkloadPodSet>,
}

/// `priorityClassRef` of a Workload.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PriorityClassRef {
    /// Name of the class.
    pub name: String,
}

impl QueuedSpec {
    /// Returns the class that its priority comes from, if it has one.
    pub fn priority_class(&self) -> Option<&str> {
        let referred = self.priority_class_ref.as_ref().map(|it| it.name.as_str());
        referred
            .or(Some(&self.priority_class_name))
            .filter(|name| !name.is_empty())
    }
}

impl QueuedSpec {
    /// Returns who submitted it, as kaiwo labels its pods.
    pub fn user(&self) -> Option<&str> {
        let mut sets = self.pod_sets.iter();
        sets.find_map(|set| set.template.metadata.labels.get(USERNAME_LABEL))
            .map(String::as_str)
            .filter(|user| !user.is_empty())
    }
}

/// `status` of a Workload.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueuedStatus {
    pub conditions: Vec<Condition>,
    /// What quota it has.
    pub admission: Option<Admission>,
    /// What each set of pods asks for, while it waits.
    pub resource_requests: Vec<PodSetRequest>,
    /// Checks that have to pass besides quota.
    pub admission_checks: Vec<AdmissionCheckState>,
    /// When it may be admitted again after an eviction.
    pub requeue_state: Option<RequeueState>,
    /// The cluster that MultiKueue sent it to.
    pub cluster_name: Option<String>,
    /// Seconds that it was admitted for before it was admitted last.
    pub accumulated_past_execution_time_seconds: Option<i64>,
    /// Pods that have ended before the others, whose quota was given back.
    pub reclaimable_pods: Vec<ReclaimablePods>,
    /// How often what has happened to it.
    pub scheduling_stats: SchedulingStats,
}

/// Entry of `reclaimablePods`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReclaimablePods {
    /// Name of their set.
    pub name: String,
    /// Pods.
    pub count: i64,
}

/// `schedulingStats` of a Workload (from v0.14 on).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SchedulingStats {
    /// How often it was taken off, for each reason.
    pub evictions: Vec<EvictionCount>,
}

/// Entry of `schedulingStats.evictions`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EvictionCount {
    /// The reason of condition `Evicted`.
    pub reason: String,
    /// How often.
    pub count: i64,
}

/// Quota that was given to a Workload.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Admission {
    /// Whose.
    pub cluster_queue: String,
    pub pod_set_assignments: Vec<PodSetAssignment>,
}

/// Quota of a set of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSetAssignment {
    /// Name of the set.
    pub name: String,
    /// Pods.
    pub count: i64,
    /// Flavor by resource.
    pub flavors: BTreeMap<String, String>,
    /// Amount by resource, of all pods together.
    pub resource_usage: BTreeMap<String, Quantity>,
}

/// What a set of pods asks for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodSetRequest {
    /// Name of the set.
    pub name: String,
    /// Amount by resource, of all pods together.
    pub resources: BTreeMap<String, Quantity>,
}

/// State of an admission check.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AdmissionCheckState {
    /// Name of the check.
    pub name: String,
    /// `Pending`, `Ready`, `Retry` or `Rejected`.
    pub state: String,
    /// Words for people.
    pub message: String,
}

/// What happens after an eviction.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequeueState {
    /// How often it was put back.
    pub count: i64,
    /// Not before.
    pub requeue_at: Option<Timestamp>,
}

/// Where a Workload is on its way through Kueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// It waits for quota.
    Pending,
    /// It has quota and waits for admission checks.
    Reserved,
    /// It may run.
    Admitted,
    /// It had to make room for another one and waits again.
    Preempted,
    /// It was taken off for another reason and waits again.
    Evicted,
    /// It is not considered until somebody sets `spec.active`.
    Inactive,
    /// It has ended.
    Finished,
}

impl KueueWorkload {
    /// Returns where it is (conditions of Kueue v0.19,
    /// `apis/kueue/v1beta2/workload_types.go`).
    pub fn state(&self) -> QueueState {
        let conditions = &self.status.conditions;
        let evicted = holds(conditions, "Evicted");
        if holds(conditions, "Finished").is_some() {
            QueueState::Finished
        } else if self.spec.active == Some(false) {
            QueueState::Inactive
        } else if let Some(evicted) = evicted {
            // It stays until it is admitted anew.
            match evicted.reason.as_str() {
                "Preempted" => QueueState::Preempted,
                _ => QueueState::Evicted,
            }
        } else if holds(conditions, "Admitted").is_some() {
            QueueState::Admitted
        } else if holds(conditions, "QuotaReserved").is_some() {
            QueueState::Reserved
        } else {
            QueueState::Pending
        }
    }

    /// Returns Kueue's words for why it is not admitted, without what repeats
    /// in all of them.
    pub fn reason(&self) -> String {
        let conditions = &self.status.conditions;
        let words = |kind: &str| condition(conditions, kind).map_or("", Condition::words);
        let text = match self.state() {
            QueueState::Reserved => {
                let waiting = self
                    .status
                    .admission_checks
                    .iter()
                    .find(|check| check.state != "Ready");
                return match waiting {
                    Some(check) if check.message.is_empty() => {
                        format!("waiting for admission check {}", check.name)
                    }
                    Some(check) => format!(
                        "waiting for admission check {}: {}",
                        check.name, check.message
                    ),
                    None => "quota reserved, waiting for admission".to_owned(),
                };
            }
            QueueState::Preempted | QueueState::Evicted => words("Evicted"),
            QueueState::Inactive => match words("Evicted") {
                "" => "deactivated",
                words => words,
            },
            _ => words("QuotaReserved"),
        };
        without_pod_set(text.trim()).to_owned()
    }

    /// Returns whether it waits for pods to be placed close together, as far as its
    /// conditions and its pods tell.
    pub fn asks_for_topology(&self) -> bool {
        let reserved = condition(&self.status.conditions, "QuotaReserved");
        let level = |set: &WorkloadPodSet| {
            set.topology_request
                .as_ref()
                .and_then(|it| it.level())
                .is_some()
        };
        reserved.is_some_and(|reserved| reserved.message.contains("topology \""))
            || self.spec.pod_sets.iter().any(level)
    }

    /// Returns how many seconds its pods may take to start, where their probes
    /// say that.
    pub fn startup_seconds(&self) -> Option<i64> {
        let sets = self.spec.pod_sets.iter();
        sets.filter_map(|set| set.template.spec.startup_seconds())
            .max()
    }

    /// Returns who submitted it, as kaiwo labels its pods.
    pub fn user(&self) -> Option<&str> {
        self.spec.user()
    }

    /// Returns the object that it stands for.
    pub fn subject(&self) -> QueuedObject {
        QueuedObject::of_workload(&self.metadata)
    }

    /// Returns `kind/name` of the object that it stands for, as users write it.
    pub fn display_name(&self) -> String {
        let QueuedObject { kind, name, .. } = self.subject();
        format!("{}/{name}", kind.to_lowercase())
    }

    /// Returns whom it stands for: kind and name.
    pub fn owner(&self) -> Option<(&str, &str)> {
        let owners = &self.metadata.owner_references;
        let owner = owners
            .iter()
            .find(|owner| owner.controller)
            .or_else(|| owners.first())?;
        Some((&owner.kind, &owner.name))
    }
}

/// Leaves out which set of pods could not be placed: most workloads have one.
fn without_pod_set(text: &str) -> &str {
    text.strip_prefix("couldn't assign flavors to pod set ")
        .and_then(|rest| rest.split_once(": "))
        .map_or(text, |(_, why)| why)
}

/// The answer of Kueue's visibility API for one pending Workload.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PendingWorkload {
    /// Name and owner of the Workload.
    pub metadata: Metadata,
    /// The higher, the earlier.
    pub priority: i64,
    /// The LocalQueue it is in.
    pub local_queue_name: String,
    /// How many of its ClusterQueue come before it.
    pub position_in_cluster_queue: i64,
    /// How many of its LocalQueue come before it.
    pub position_in_local_queue: i64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn queued(active: bool, conditions: Value) -> KueueWorkload {
        serde_json::from_value(json!({
            "metadata": {"name": "w"},
            "spec": {"active": active},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn the_present_wins_over_the_past() {
        let is = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason});
        for (conditions, state) in [
            (json!([]), QueueState::Pending),
            (
                json!([is("QuotaReserved", "False", "Pending")]),
                QueueState::Pending,
            ),
            (
                json!([is("QuotaReserved", "True", "")]),
                QueueState::Reserved,
            ),
            (
                json!([is("QuotaReserved", "True", ""), is("Admitted", "True", "")]),
                QueueState::Admitted,
            ),
            (
                json!([
                    is("QuotaReserved", "False", "Pending"),
                    is("Evicted", "True", "Preempted"),
                    is("Preempted", "True", "InClusterQueue"),
                ]),
                QueueState::Preempted,
            ),
            (
                json!([
                    is("Evicted", "False", "QuotaReserved"),
                    is("Admitted", "True", "")
                ]),
                QueueState::Admitted,
            ),
            (
                json!([is("Evicted", "True", "PodsReadyTimeout")]),
                QueueState::Evicted,
            ),
            (
                json!([is("Admitted", "True", ""), is("Finished", "True", "")]),
                QueueState::Finished,
            ),
        ] {
            assert_eq!(queued(true, conditions).state(), state);
        }
        assert_eq!(queued(false, json!([])).state(), QueueState::Inactive);
    }
}

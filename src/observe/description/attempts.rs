//! How often a workload was started, and what ended it: Kueue counts that (from v0.14
//! on). How long each attempt was only the events of its Job tell, which Kubernetes
//! forgets after an hour; of all of them together, Kueue knows for how long they were
//! admitted.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::api::event::Event;
use crate::api::kueue_workload::QueueState;
use crate::kind::WorkloadKind;
use crate::observe::snapshot::Snapshot;
use crate::observe::upstream::kueue::{Eviction, eviction};

/// The attempts of a job that was evicted.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Attempts, with the present one.
    pub count: i64,
    /// What ended those before, and how often.
    pub evictions: Vec<EvictionLine>,
    /// Seconds for which those before were admitted, together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_seconds: Option<i64>,
    /// Pods of those before, as far as events tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<EndedPod>,
}

/// What ended an attempt.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvictionLine {
    /// Kueue's word.
    pub reason: String,
    /// How often.
    pub count: i64,
}

/// A pod that was deleted with its attempt.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedPod {
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its deletion began.
    pub deleted_at: Timestamp,
}

impl Attempts {
    /// Returns the attempts of a job, if it was ever evicted.
    pub fn new(snapshot: &Snapshot, events: &[Event]) -> Option<Self> {
        let queued = match snapshot.queued() {
            [queued] if snapshot.workload.kind.is_batch() => queued,
            _ => return None,
        };
        let evictions = queued.status.scheduling_stats.evictions.iter();
        let evictions: Vec<EvictionLine> = evictions
            .map(|eviction| EvictionLine {
                reason: eviction.reason.clone(),
                count: eviction.count,
            })
            .collect();
        let ended: i64 = evictions.iter().map(|eviction| eviction.count).sum();
        let has_present = matches!(queued.state(), QueueState::Admitted | QueueState::Finished);
        (ended > 0).then(|| Self {
            count: ended + i64::from(has_present),
            evictions,
            earlier_seconds: queued.status.accumulated_past_execution_time_seconds,
            pods: match snapshot.workload.kind {
                WorkloadKind::Job => pods(events),
                _ => Vec::new(),
            },
        })
    }
}

impl EvictionLine {
    /// Says it in words: `preempted 2 times`.
    pub fn words(&self) -> String {
        let what = match eviction(&self.reason, "") {
            Eviction::Preempted => "preempted",
            Eviction::PodsReadyTimeout => "evicted because its pods were not ready in time",
            Eviction::AdmissionCheck => "evicted by an admission check",
            Eviction::QueueStopped => "evicted from a stopped queue",
            Eviction::NodeFailure => "evicted after a node failed",
            Eviction::Deactivated(_) => "deactivated",
            Eviction::Other => "evicted",
        };
        match self.count {
            1 => format!("{what} once"),
            count => format!("{what} {count} times"),
        }
    }
}

/// Returns the pods that a Job has deleted (Kubernetes v1.36, `controller_utils.go`).
fn pods(events: &[Event]) -> Vec<EndedPod> {
    let about = |reason: &str, form: &str| {
        let of_reason = events
            .iter()
            .filter(|event| event.involved_object.kind == "Job" && event.reason == reason);
        let named = of_reason.filter_map(|event| {
            let name = event.message.strip_prefix(form)?;
            Some((name.trim().to_owned(), event.last()?))
        });
        named.collect::<Vec<_>>()
    };
    let created = about("SuccessfulCreate", "Created pod: ");
    let deleted = about("SuccessfulDelete", "Deleted pod: ").into_iter();
    let mut pods: Vec<EndedPod> = deleted
        .filter_map(|(name, deleted_at)| {
            let (_, created_at) = created.iter().find(|(of, _)| *of == name)?;
            Some(EndedPod {
                name,
                created_at: *created_at,
                deleted_at,
            })
        })
        .collect();
    pods.sort_by_key(|pod| pod.created_at);
    pods
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_tell_how_long_a_pod_was_there() {
        let event = |reason: &str, message: &str, at: &str| -> Event {
            serde_json::from_value(json!({
                "reason": reason, "message": message, "lastTimestamp": at,
                "involvedObject": {"kind": "Job", "name": "train"},
            }))
            .unwrap()
        };
        let events = [
            event(
                "SuccessfulCreate",
                "Created pod: train-b",
                "2026-01-01T00:01:00Z",
            ),
            event(
                "SuccessfulDelete",
                "Deleted pod: train-b",
                "2026-01-01T00:02:00Z",
            ),
            event(
                "SuccessfulCreate",
                "Created pod: train-a",
                "2026-01-01T00:00:00Z",
            ),
            event(
                "SuccessfulDelete",
                "Deleted pod: train-a",
                "2026-01-01T00:00:14Z",
            ),
            event(
                "SuccessfulCreate",
                "Created pod: train-c",
                "2026-01-01T00:03:00Z",
            ),
            // Of an attempt whose beginning is forgotten.
            event(
                "SuccessfulDelete",
                "Deleted pod: train-0",
                "2026-01-01T00:00:00Z",
            ),
        ];
        let seconds: Vec<(String, i64)> = pods(&events)
            .into_iter()
            .map(|pod| {
                (
                    pod.name,
                    pod.deleted_at.as_second() - pod.created_at.as_second(),
                )
            })
            .collect();
        assert_eq!(seconds, [("train-a".into(), 14), ("train-b".into(), 60)]);
    }

    #[test]
    fn evictions_are_counted_in_words() {
        let words = |reason: &str, count| {
            let reason = reason.to_owned();
            EvictionLine { reason, count }.words()
        };
        assert_eq!(words("Preempted", 2), "preempted 2 times");
        assert_eq!(words("NodeFailures", 1), "evicted after a node failed once");
        assert_eq!(words("New", 1), "evicted once");
    }
}

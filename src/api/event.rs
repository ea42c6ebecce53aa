//! Events that Kubernetes records about an object.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::metadata::{Metadata, ObjectName};

/// `v1` Event.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// Name and so on of the Event itself.
    pub metadata: Metadata,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
    /// What it is about.
    pub involved_object: ObjectName,
    /// How often it happened; 0 where a series counts.
    pub count: i64,
    /// When it happened last, in the older form.
    pub last_timestamp: Option<Timestamp>,
    /// When it happened first, in the newer form.
    pub event_time: Option<Timestamp>,
    /// How it went on, in the newer form.
    pub series: Option<EventSeries>,
}

/// Repetitions of an event.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSeries {
    /// How often.
    pub count: i64,
    /// When last.
    pub last_observed_time: Option<Timestamp>,
}

impl Event {
    /// Returns whether it tells of something unwelcome.
    pub fn is_warning(&self) -> bool {
        self.kind == "Warning"
    }

    /// Returns when it happened last.
    pub fn last(&self) -> Option<Timestamp> {
        self.series
            .as_ref()
            .and_then(|series| series.last_observed_time)
            .or(self.last_timestamp)
            .or(self.event_time)
            .or(self.metadata.creation_timestamp)
    }

    /// Returns how often it happened.
    pub fn times(&self) -> i64 {
        let series = self.series.as_ref().map_or(0, |series| series.count);
        series.max(self.count).max(1)
    }
}

/// Returns whether a container's image is being pulled for the pod of this
/// UID (kubelet v1.36, `events.PullingImage`).
pub fn is_pulling(pod: &str, events: &[Event]) -> bool {
    let last = |reason: &str| {
        let of_pod = events
            .iter()
            .filter(|event| event.involved_object.uid == pod && event.reason == reason);
        of_pod.filter_map(Event::last).max()
    };
    last("Pulling").is_some_and(|began| last("Pulled").is_none_or(|ended| ended < began))
}

/// Returns whether nodes are being made for the pod of this UID: by the
/// cluster autoscaler (v1.34, `TriggeredScaleUp`) or Karpenter (v1.8,
/// `Nominated`).
pub fn nodes_to_come(pod: &str, events: &[Event]) -> bool {
    events.iter().any(|event| {
        event.involved_object.uid == pod
            && matches!(event.reason.as_str(), "TriggeredScaleUp" | "Nominated")
    })
}

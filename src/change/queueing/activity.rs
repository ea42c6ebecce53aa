//! Pauses and resumes a workload: `spec.active` of Kueue's Workload.
//!
//! A Job's own `suspend` is no way to do that: Kueue v0.19 undoes it at once. What is
//! paused leaves the queue, and comes back to its old place because its age is kept.

use serde_json::json;

use super::{QueuedSubject, QueueingDecision, patch};

/// Decides what makes a workload `active`, or not, in this version of Kueue's API. Its
/// conditions do not tell: `Evicted` stays until it is admitted again.
pub fn set(subject: &QueuedSubject, active: bool, kueue: &str) -> QueueingDecision {
    let queued = subject.queued;
    if queued.spec.active.unwrap_or(true) == active {
        return QueueingDecision::Unchanged;
    }
    let metadata = &queued.metadata;
    let content = json!({"metadata": {"uid": metadata.uid}, "spec": {"active": active}});
    patch(kueue, "Workload", metadata, content)
}

//! Tells for which workload another one had to make room.

use super::upstream::kueue::{self, Preemptor};
use crate::api::condition::{Condition, holds};
use crate::api::kueue_workload::KueueWorkload;

/// Returns what Kueue says of the Workload that took this one's quota.
pub fn preemptor(queued: &KueueWorkload) -> Option<Preemptor> {
    let conditions = &queued.status.conditions;
    let evicted = holds(conditions, "Evicted").filter(|it| it.reason == "Preempted")?;
    let words = holds(conditions, "Preempted").map_or(evicted.words(), Condition::words);
    kueue::preemptor(words)
}

/// Returns the one among `others` that took this one's quota.
pub fn among<'a>(queued: &KueueWorkload, others: &'a [KueueWorkload]) -> Option<&'a KueueWorkload> {
    let Preemptor { uid, job_uid, .. } = preemptor(queued)?;
    others.iter().find(|other| {
        let mut owners = other.metadata.owner_references.iter();
        other.metadata.uid == uid || owners.any(|owner| owner.uid == job_uid)
    })
}

/// Returns its name: `job/x`, and where it is if that is another namespace.
pub fn by(queued: &KueueWorkload, others: &[KueueWorkload]) -> Option<String> {
    let other = &among(queued, others)?.metadata;
    let owner = other.owner_references.iter().find(|owner| owner.controller);
    let name = match owner.or(other.owner_references.first()) {
        Some(owner) => format!("{}/{}", owner.kind.to_lowercase(), owner.name),
        None => format!("workload/{}", other.name),
    };
    Some(match other.namespace == queued.metadata.namespace {
        true => name,
        false => format!("{name} in namespace {}", other.namespace),
    })
}

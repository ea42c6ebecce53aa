//! Finds what a queue has no quota for, where Kueue does not say it.

use super::evidence::Evidence;
use super::quota_contention::cluster_queue;
use super::unqueued::PATIENCE;
use crate::api::kueue_workload::KueueWorkload;
use crate::plan::kueue::queue::reserved_resources;
use crate::quantity::Quantity;

/// Returns a resource that a Workload asks for and its queue has no quota for.
///
/// With the gate `UnadmittedWorkloadsObservability` Kueue v0.19 cannot write the
/// condition that would say so (its reason is empty, which the API server does not
/// take), and the Workload stays without one for ever. One that was made a moment
/// ago has none yet.
pub(super) fn uncovered(evidence: &Evidence, own: &KueueWorkload) -> Option<String> {
    if age(evidence, own)? < PATIENCE {
        return None;
    }
    let covered = covered(evidence, own)?;
    let counts = |resource: &str| {
        let configuration = evidence.kueue.as_ref();
        configuration.is_none_or(|configuration| configuration.counts(resource))
    };
    let requests = own.requests().into_iter();
    requests
        .filter(|(_, amount)| *amount > Quantity::default())
        .map(|(resource, _)| resource)
        .find(|resource| !covered.contains(resource) && counts(resource))
}

/// Returns the resources that the queue has quota for: those of the ClusterQueue,
/// or those that the LocalQueue counts, to whoever may not read the former.
pub(super) fn covered(evidence: &Evidence, own: &KueueWorkload) -> Option<Vec<String>> {
    if let Some(queue) = cluster_queue(evidence, own) {
        let groups = queue.spec.resource_groups.iter();
        let covered = groups.flat_map(|group| group.covered_resources.iter().cloned());
        return Some(covered.collect());
    }
    let locals = evidence.fact(|facts| Some(&facts.local_queues))?;
    let mut locals = locals.iter();
    let local = locals.find(|local| local.metadata.name == own.spec.queue_name)?;
    // One that leads nowhere counts nothing.
    Some(reserved_resources(local)).filter(|counted| !counted.is_empty())
}

/// Returns since how many seconds there is a Workload.
pub(super) fn age(evidence: &Evidence, own: &KueueWorkload) -> Option<i64> {
    let created = own.metadata.creation_timestamp?;
    Some(evidence.now.as_second() - created.as_second())
}

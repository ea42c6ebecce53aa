//! Decides what around a workload is worth asking for, before it is judged: Ray
//! clusters and events where something is on its way, or missing.

use super::kind::{are_missing, rules, standing};
use super::snapshot::WorkloadContext;
use super::status::Status;
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::workload::Workload;

/// Pods on their way whose events are asked for at most: the first ones say what
/// all would.
const PODS: usize = 3;

/// What is worth asking for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotReads {
    /// Names of the Ray clusters that are to make pods.
    pub clusters: Vec<String>,
    /// UIDs of the objects whose events tell.
    pub events_about: Vec<String>,
}

impl SnapshotReads {
    /// Returns what to ask for, of a workload of which this much is known.
    pub fn new(workload: &Workload, parts: &[Metadata], known: &WorkloadContext) -> Self {
        let mut reads = Self::default();
        let standing = standing(workload, known);
        let is_well = matches!(standing.status, Status::Running | Status::Ready)
            && (standing.reason.is_empty() || workload.is_array());
        let is_over = match standing.status {
            Status::Succeeded => true,
            Status::Failed => workload.kind.is_batch(),
            status => status.is_waiting(),
        };
        if is_well || is_over || workload.metadata.deletion_timestamp.is_some() {
            return reads;
        }
        let rules = rules(workload);
        let about = &mut reads.events_about;
        let on_their_way = known.pods.iter().filter(|pod| is_on_its_way(pod));
        about.extend(on_their_way.take(PODS).map(|pod| pod.metadata.uid.clone()));
        if are_missing(rules.wanted_pods(), known.pods) {
            about.push(workload.metadata.uid.clone());
            about.extend(parts.iter().take(PODS).map(|part| part.uid.clone()));
            let names = rules.cluster_names().into_iter();
            reads.clusters = names.map(str::to_owned).collect();
        }
        about.retain(|uid| !uid.is_empty());
        reads
    }
}

fn is_on_its_way(pod: &Pod) -> bool {
    !pod.is_ready() && !pod.has_ended() && !pod.is_terminating()
}

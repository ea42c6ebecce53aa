//! Says where a workload goes.

use crate::cluster::Cluster;
use crate::plan::request::WorkloadRequest;

/// Returns the line that says in which cluster, namespace and queue.
pub(super) fn target_line(
    cluster: &Cluster,
    request: &WorkloadRequest,
    queue: Option<&str>,
) -> String {
    format!(
        "→ context {}, namespace {}{}",
        cluster.context(),
        request.namespace,
        queue_words(queue)
    )
}

pub(super) fn queue_words(queue: Option<&str>) -> String {
    queue.map_or_else(String::new, |queue| format!(", queue {queue}"))
}

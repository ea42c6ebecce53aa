//! Reads who waits in a queue.

use serde::Deserialize;

use crate::api::kueue_workload::{KueueWorkload, PendingWorkload};
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::observe::snapshot::{Places, Position};

#[derive(Deserialize)]
struct PendingSummary {
    #[serde(default)]
    items: Vec<PendingWorkload>,
}

/// Reads who waits in a LocalQueue, first come first; nothing where the
/// visibility API is not served or may not be read.
pub async fn pending(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    local_queue: &str,
) -> Option<Vec<PendingWorkload>> {
    let queue = format!("namespaces/{namespace}/localqueues/{local_queue}");
    pending_in(cluster, served, &queue).await
}

/// Reads who waits for a ClusterQueue, first come first; nothing where that
/// may not be read.
pub async fn pending_in_cluster_queue(
    cluster: &Cluster,
    served: &Served,
    cluster_queue: &str,
) -> Option<Vec<PendingWorkload>> {
    pending_in(cluster, served, &format!("clusterqueues/{cluster_queue}")).await
}

async fn pending_in(
    cluster: &Cluster,
    served: &Served,
    queue: &str,
) -> Option<Vec<PendingWorkload>> {
    let version = served.visibility.as_deref()?;
    let path = format!("/apis/{version}/{queue}/pendingworkloads?limit=10000");
    // An aggregated API may be down while everything else is well.
    let summary: PendingSummary = cluster.get_at_once(&path).await.ok()?;
    Some(summary.items)
}

pub(super) async fn position(
    cluster: &Cluster,
    served: &Served,
    queued: &KueueWorkload,
) -> Option<Position> {
    let metadata = &queued.metadata;
    let queue = &queued.spec.queue_name;
    let pending = pending(cluster, served, &metadata.namespace, queue).await?;
    Places::new(&pending).first_of("", [metadata.name.as_str()])
}

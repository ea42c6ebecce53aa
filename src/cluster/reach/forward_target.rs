//! Keeps connections going to a pod of a workload that is there at the moment.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::logs;
use crate::cluster::client::backoff::{Backoff, is_transient};
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::snapshot;
use crate::cluster::read::watch::ChangeWatcher;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::pod_selection::Single;

/// Longest time without a look at the workload.
const LOOK: Duration = Duration::from_secs(15);

/// Where connections lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// Name and UID of the pod; `None` while there is none.
    pub pod: Option<(String, String)>,
    /// UIDs of the pods that run.
    pub running: HashSet<String>,
    /// Why there is no pod.
    pub why_not: String,
}

impl Destination {
    fn from_snapshot(snapshot: &Snapshot, single: &Single, before: &Self) -> Self {
        let running = snapshot.pods().iter().filter(|pod| pod.runs());
        let running: HashSet<String> = running.map(|pod| pod.metadata.uid.clone()).collect();
        // As long as a pod is good, there is no reason to take another.
        let same = before.pod.clone().filter(|(_, uid)| running.contains(uid));
        let chosen = snapshot
            .running(single)
            .map(|pod| (pod.metadata.name.clone(), pod.metadata.uid.clone()));
        let (pod, why_not) = match (same, chosen) {
            (Some(same), _) => (Some(same), String::new()),
            (None, Ok(chosen)) => (Some(chosen), String::new()),
            (None, Err(error)) => (None, error.to_string()),
        };
        Self {
            pod,
            running,
            why_not,
        }
    }
}

/// Keeps `destination` up to date until the workload has ended or is gone, and
/// returns how it stood last; nothing if it is gone.
///
/// # Errors
/// [`ClusterError`] if the pods may not be listed. While the cluster cannot be
/// asked, the destination stays.
pub async fn keep_forwarding(
    cluster: &Cluster,
    served: &Served,
    first: Snapshot,
    single: &Single,
    destination: &watch::Sender<Destination>,
) -> Result<Option<Snapshot>, ClusterError> {
    let changed = Notify::new();
    let mut pulse = ChangeWatcher::new(cluster, &changed);
    let patience = Backoff::new();
    let workload = first.workload.clone();
    let mut present = first;
    loop {
        logs::readable(cluster, &present).await?;
        snapshot::watch(&mut pulse, served, &present);
        destination.send_if_modified(|destination| {
            let now = Destination::from_snapshot(&present, single, destination);
            let is_new = *destination != now;
            *destination = now;
            is_new
        });
        if logs::is_over(&present) {
            return Ok(Some(present));
        }
        pulse.next(LOOK).await;
        present = loop {
            match snapshot::read_snapshot_again(cluster, served, &workload).await {
                Ok(Some(present)) => break present,
                Ok(None) => return Ok(None),
                Err(error) if is_transient(&error) => patience.wait().await,
                Err(error) => return Err(error),
            }
        };
        patience.restore();
    }
}

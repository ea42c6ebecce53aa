//! Keeps connections going to a pod of a workload that is there at the moment.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;

use super::logs::{self, LogError};
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::snapshot::{Seen, SnapshotStream};
use crate::cluster::read::watch::Outage;
use crate::observe::Snapshot;
use crate::observe::pod_selection::Single;

/// Longest time without a look at the workload.
const LOOK: Duration = Duration::from_secs(15);

/// Where connections lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardTarget {
    /// Name and UID of the pod; `None` while there is none.
    pub pod: Option<(String, String)>,
    /// UIDs of the pods whose connections go on: also of those that are being
    /// deleted, until they have ended.
    pub alive: HashSet<String>,
    /// Whether one of the pods so far was ready.
    was_ready: bool,
    /// Why there is no pod.
    pub why_not: String,
}

impl ForwardTarget {
    fn from_snapshot(snapshot: &Snapshot, single: &Single, before: &Self) -> Self {
        let pods = snapshot.pods().iter();
        let alive = pods.clone().filter(|pod| pod.status.phase == "Running");
        let alive = alive.map(|pod| pod.metadata.uid.clone()).collect();
        let running: Vec<&Pod> = pods.filter(|pod| pod.runs()).collect();
        let none_is_ready = !running.iter().any(|pod| pod.is_ready());
        // As long as a pod is as good, there is no reason to take another.
        let is_as_good = |pod: &&Pod| before.is_to(pod) && (pod.is_ready() || none_is_ready);
        let same = running.into_iter().find(is_as_good);
        let chosen = match same.map_or_else(|| snapshot.running(single), Ok) {
            // What takes the place of one that was ready is waited for.
            Ok(pod) if before.was_ready && !pod.is_ready() && !before.is_to(pod) => {
                Err(format!("pod {} is not ready yet", pod.name()))
            }
            chosen => chosen.map_err(|error| error.to_string()),
        };
        let is_ready = chosen.as_ref().is_ok_and(|pod| pod.is_ready());
        let pod = chosen.as_ref().ok().map(|pod| &pod.metadata);
        Self {
            pod: pod.map(|Metadata { name, uid, .. }| (name.clone(), uid.clone())),
            was_ready: before.was_ready || is_ready,
            alive,
            why_not: chosen.err().unwrap_or_default(),
        }
    }

    /// Leads to a pod, whatever else the workload has.
    pub fn of_pod(pod: &Pod) -> Self {
        let Metadata { name, uid, .. } = &pod.metadata;
        Self {
            pod: Some((name.clone(), uid.clone())),
            alive: [uid.clone()].into(),
            ..Self::default()
        }
    }

    fn is_to(&self, pod: &Pod) -> bool {
        let uid = self.pod.as_ref().map(|(_, uid)| uid);
        uid == Some(&pod.metadata.uid)
    }
}

/// Keeps `destination` up to date until the workload has ended or is gone, and
/// returns how it stood last; nothing if it is gone. While the cluster cannot
/// be asked, the destination stays; `tell` says so.
///
/// # Errors
/// [`LogError`] if the pods may not be listed, or the cluster stays away.
pub async fn keep_forwarding(
    cluster: &Cluster,
    served: &Served,
    first: Snapshot,
    single: &Single,
    destination: &watch::Sender<ForwardTarget>,
    tell: impl Fn(&Outage),
) -> Result<Option<Snapshot>, LogError> {
    let mut stream = SnapshotStream::beginning_with(cluster, served, first);
    loop {
        let present = match stream.next(LOOK, async |_, _| Ok(())).await? {
            Seen::Now(present, ()) => present,
            Seen::Gone => return Ok(None),
            Seen::Outage(outage) => {
                tell(&outage);
                continue;
            }
        };
        logs::readable(cluster, &present).await?;
        destination.send_if_modified(|destination| {
            let now = ForwardTarget::from_snapshot(&present, single, destination);
            let is_new = *destination != now;
            *destination = now;
            is_new
        });
        if logs::is_over(&present) {
            return Ok(Some(*present));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Readable;
    use crate::api::workload::Workload;
    use crate::kind::WorkloadKind;

    fn pod(uid: &str, ready: bool, metadata: Value) -> Value {
        let mut pod = json!({
            "metadata": {"name": format!("x-{uid}"), "uid": uid},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        });
        for (key, value) in metadata.as_object().unwrap() {
            pod["metadata"][key] = value.clone();
        }
        pod
    }

    fn snapshot(pods: Vec<Pod>) -> Snapshot {
        let object = json!({"metadata": {"name": "x"}});
        Snapshot::new(
            Workload::read(WorkloadKind::Deployment, "apps/v1", &object).unwrap(),
            Readable::Known(pods),
            Default::default(),
        )
    }

    fn destination(pods: Vec<Value>, before: &str) -> ForwardTarget {
        let pods = pods
            .into_iter()
            .map(|pod| serde_json::from_value(pod).unwrap());
        let before = ForwardTarget {
            pod: Some((format!("x-{before}"), before.to_owned())),
            ..ForwardTarget::default()
        };
        ForwardTarget::from_snapshot(&snapshot(pods.collect()), &Single::Main, &before)
    }

    fn leads_to(pods: Vec<Value>, before: &str) -> Option<String> {
        destination(pods, before).pod.map(|(_, uid)| uid)
    }

    #[test]
    fn a_pod_that_ends_keeps_its_connections_and_gets_no_new_ones() {
        let ends = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let during = destination(
            vec![pod("a", true, ends.clone()), pod("b", true, json!({}))],
            "a",
        );
        assert_eq!(during.pod, Some(("x-b".to_owned(), "b".to_owned())));
        assert!(during.alive.contains("a") && during.alive.contains("b"));
        let mut ended = pod("a", false, ends);
        ended["status"]["phase"] = json!("Failed");
        let after = destination(vec![ended, pod("b", true, json!({}))], "b");
        assert!(!after.alive.contains("a"));
    }

    #[test]
    fn a_pod_is_kept_as_long_as_none_is_better() {
        let new = || json!({"creationTimestamp": "2026-01-01T00:00:00Z"});
        let ready = |uid: &str| pod(uid, true, new());
        let loads = |uid: &str| pod(uid, false, new());
        assert_eq!(
            leads_to(vec![ready("a"), ready("b")], "b").as_deref(),
            Some("b")
        );
        assert_eq!(
            leads_to(vec![loads("a"), loads("b")], "b").as_deref(),
            Some("b")
        );
        assert_eq!(
            leads_to(vec![loads("a"), ready("b")], "a").as_deref(),
            Some("b")
        );
        assert_eq!(leads_to(vec![], "a"), None);
    }

    /// A server that has just been started does not listen yet.
    #[test]
    fn what_takes_the_place_of_a_ready_pod_is_waited_for() {
        let next = |pods: Vec<Value>, before: &ForwardTarget| {
            let pods = pods
                .into_iter()
                .map(|pod| serde_json::from_value(pod).unwrap());
            ForwardTarget::from_snapshot(&snapshot(pods.collect()), &Single::Main, before)
        };
        let uid = |destination: &ForwardTarget| destination.pod.clone().map(|(_, uid)| uid);
        let new = || json!({"creationTimestamp": "2026-01-01T00:00:00Z"});
        // Who looks for what is wrong with a server reaches it as it is.
        let first = next(vec![pod("a", false, new())], &ForwardTarget::default());
        assert_eq!(uid(&first).as_deref(), Some("a"));
        let ready = next(vec![pod("a", true, new())], &first);
        let gone = next(vec![], &ready);
        let loads = next(vec![pod("b", false, new())], &gone);
        assert_eq!(uid(&loads), None);
        assert_eq!(loads.why_not, "pod x-b is not ready yet");
        let serves = next(vec![pod("b", true, new())], &loads);
        assert_eq!(uid(&serves).as_deref(), Some("b"));
    }
}

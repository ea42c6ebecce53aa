//! A workload as a listing shows it, and what has to be known for that beside
//! its own object.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;

use super::kind::{rules, standing};
use super::log::progress::{LogPlace, Progress, log_place};
use super::snapshot::{Position, WorkloadContext, cluster_name};
use super::status::{Standing, Status};
use crate::api::workload::Workload;

/// A row of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub workload: Workload,
    /// How it stands.
    pub standing: Standing,
    /// Where it is in the queue, while it waits.
    pub position: Option<Position>,
    /// The ClusterQueue behind its LocalQueue, if that is asked for.
    pub cluster_queue: Option<String>,
    /// The nodes that its pods are on, if they are asked for.
    pub nodes: Vec<String>,
    /// The cluster that MultiKueue sent it to, as far as that was read.
    pub cluster: Option<String>,
    /// The log in which it tells how far it is, if its pods were read.
    pub log: Option<LogPlace>,
    /// How far it is, if that is asked for.
    pub progress: Option<Progress>,
}

/// What has to be read for a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowReads {
    /// Kueue's Workloads, and the place in the queue.
    pub queued: bool,
    pub pods: bool,
}

impl RowReads {
    /// Returns what the object of a workload leaves open at `now`. What has
    /// succeeded, runs or is in no queue needs nothing. `nodes` asks where it runs.
    pub fn for_workload(workload: &Workload, nodes: bool, now: Timestamp) -> Self {
        let known = WorkloadContext {
            now,
            ..WorkloadContext::default()
        };
        let Standing { status, reason } = standing(workload, &known);
        let is_recurring = workload.kind.descriptor().is_recurring;
        let rules = rules(workload);
        let pods = match status {
            // Its own status tells how many have failed.
            Status::Failed if workload.is_array() => false,
            Status::Running if workload.is_array() => nodes,
            Status::Starting | Status::Degraded => true,
            // A rollout may hang, which the pods of the next version tell.
            Status::Ready if workload.kind.keeps_versions() && !reason.is_empty() => true,
            Status::Ready if rules.is_new(&known) => true,
            // It is ending, or some of its pods have failed.
            Status::Running if !is_recurring && !reason.is_empty() => true,
            status if rules.pods_tell(status) => true,
            Status::Running | Status::Ready => nodes && !is_recurring,
            _ => false,
        };
        let may_wait = match workload.kind {
            // Its Jobs do.
            kind if kind.descriptor().is_recurring => false,
            // Suspended while it waits.
            kind if kind.is_batch() => status == Status::Pending,
            _ => matches!(status, Status::Pending | Status::Starting),
        };
        // It may run in another cluster.
        let runs = matches!(
            status,
            Status::Starting | Status::Running | Status::Admitted
        );
        let may_be_away = nodes && runs && workload.kind.is_batch() && !is_recurring;
        Self {
            queued: (may_wait || may_be_away) && workload.queue().is_some(),
            pods,
        }
    }
}

impl Listed {
    /// Makes a row of what is known.
    pub fn new(workload: Workload, known: &WorkloadContext) -> Self {
        let standing = standing(&workload, known);
        let mut nodes: Vec<String> = known
            .pods
            .iter()
            .filter(|pod| !pod.has_ended())
            .filter_map(|pod| pod.node().map(str::to_owned))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        Self {
            log: log_place(&workload, standing.status, known.pods),
            workload,
            standing,
            position: None,
            cluster_queue: None,
            nodes,
            cluster: cluster_name(known.queued).map(str::to_owned),
            progress: None,
        }
    }

    /// Returns whether it looks the same as `other`, but for its age.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.standing == other.standing
            && self.position.map(|position| position.place)
                == other.position.map(|position| position.place)
            && self.workload.gpus() == other.workload.gpus()
            && self.nodes == other.nodes
            && self.cluster == other.cluster
            && self.progress == other.progress
    }
}

/// Returns the rows of `now` that were not there before or looked otherwise,
/// and, as such, those that are gone.
pub fn changes(before: &[Listed], now: &[Listed]) -> Vec<Listed> {
    let by_uid = |rows: &'_ [Listed]| -> HashMap<String, usize> {
        let uids = rows.iter().map(|row| row.workload.metadata.uid.clone());
        uids.zip(0..).collect()
    };
    let (was, is) = (by_uid(before), by_uid(now));
    let uid = |row: &Listed| row.workload.metadata.uid.clone();
    let changed = now.iter().filter(|row| {
        let before = was.get(&uid(row)).map(|index| &before[*index]);
        before.is_none_or(|before| !before.looks_like(row))
    });
    let gone = before.iter().filter(|row| !is.contains_key(&uid(row)));
    let gone = gone.cloned().map(|mut row| {
        row.position = None;
        row.standing.reason = "is gone".to_owned();
        row
    });
    changed.cloned().chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::pod::Pod;
    use crate::kind::WorkloadKind;

    fn needs(kind: WorkloadKind, queue: &str, spec: Value, status: Value) -> (bool, bool) {
        let object = json!({
            "metadata": {"name": "x", "labels": {"kueue.x-k8s.io/queue-name": queue}},
            "spec": spec, "status": status,
        });
        let workload = Workload::read(kind, kind.api_version(), &object).unwrap();
        let needs = RowReads::for_workload(&workload, false, Timestamp::UNIX_EPOCH);
        (needs.queued, needs.pods)
    }

    #[test]
    fn only_what_waits_or_starts_costs_requests() {
        use WorkloadKind::{CronJob, Deployment, Job, RayJob};
        let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
        let suspended = json!({"suspend": true});
        for (kind, queue, spec, status, expected) in [
            (Job, "q", suspended.clone(), json!({}), (true, false)),
            (Job, "", suspended.clone(), json!({}), (false, false)),
            (Job, "q", suspended.clone(), complete, (false, false)),
            (Job, "q", json!({}), json!({"ready": 1}), (false, false)),
            (Job, "q", json!({}), json!({}), (false, true)),
            // Which container failed, and how, only its pods tell.
            (Job, "q", json!({}), failed.clone(), (false, true)),
            (
                Job,
                "q",
                json!({"backoffLimit": 2}),
                json!({"ready": 1, "failed": 1}),
                (false, true),
            ),
            (RayJob, "q", suspended, json!({}), (true, false)),
            (CronJob, "q", json!({}), json!({}), (false, false)),
            (Deployment, "q", json!({}), json!({}), (true, true)),
            (Deployment, "", json!({}), json!({}), (false, true)),
            (
                Deployment,
                "q",
                json!({}),
                json!({"availableReplicas": 1, "updatedReplicas": 1, "replicas": 1}),
                (false, false),
            ),
            (
                Deployment,
                "",
                json!({}),
                json!({"availableReplicas": 1, "updatedReplicas": 1, "replicas": 2}),
                (false, true),
            ),
        ] {
            assert_eq!(needs(kind, queue, spec, status), expected, "{kind:?}");
        }
    }

    #[test]
    fn what_looks_the_same_is_no_change() {
        let row = |name: &str, status: Value| {
            let job = json!({"metadata": {"name": name, "uid": name}, "status": status});
            let job = Workload::read(WorkloadKind::Job, "batch/v1", &job).unwrap();
            Listed::new(job, &WorkloadContext::default())
        };
        let before = [
            row("same", json!({"ready": 1})),
            row("starts", json!({})),
            row("goes", json!({"ready": 1})),
        ];
        let now = [
            row("comes", json!({})),
            row(
                "same",
                json!({"ready": 1, "startTime": "2026-01-01T00:00:00Z"}),
            ),
            row("starts", json!({"ready": 1})),
        ];
        let seen: Vec<(String, String)> = changes(&before, &now)
            .into_iter()
            .map(|row| (row.workload.metadata.name, row.standing.reason))
            .collect();
        let expected = [
            ("comes", "0 of 1 pods ready"),
            ("starts", ""),
            ("goes", "is gone"),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        );
    }

    #[test]
    fn nodes_are_those_of_pods_that_have_not_ended() {
        let kind = WorkloadKind::Job;
        let job = Workload::read(kind, "batch/v1", &json!({"metadata": {"name": "x"}})).unwrap();
        let pods: Vec<Pod> = serde_json::from_value(json!([
            {"metadata": {}, "spec": {"nodeName": "b"}, "status": {"phase": "Running"}},
            {"metadata": {}, "spec": {"nodeName": "a"}, "status": {"phase": "Running"}},
            {"metadata": {}, "spec": {"nodeName": "b"}, "status": {"phase": "Pending"}},
            {"metadata": {}, "spec": {"nodeName": "c"}, "status": {"phase": "Failed"}},
            {"metadata": {}},
        ]))
        .unwrap();
        let known = WorkloadContext {
            pods: &pods,
            ..WorkloadContext::default()
        };
        assert_eq!(Listed::new(job, &known).nodes, ["a", "b"]);
    }
}

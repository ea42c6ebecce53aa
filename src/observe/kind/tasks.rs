//! What is known of the tasks of an array: how many are done, which failed, with which
//! parameters and exit codes.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::pod::Pod;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::api::workload::{Details, Workload};
use crate::observe::snapshot::{Snapshot, WorkloadContext};
use crate::plan::request::array::record::ArrayRecord;

/// Failed tasks whose numbers a line has.
const NAMED: usize = 10;

/// Returns what is written on an array of kaiwo's about its tasks.
pub fn record(workload: &Workload) -> Option<ArrayRecord> {
    ArrayRecord::read(&workload.metadata.annotations.array)
}

/// Returns the specification and status of an array.
pub fn job(workload: &Workload) -> Option<(&JobSpec, &JobStatus)> {
    match &workload.details {
        Details::Job(spec, status) if spec.is_array() => Some((spec, status)),
        _ => None,
    }
}

/// Returns the number of the task that a pod of an array runs.
pub fn task_of(workload: &Workload, pod: &Pod) -> Option<i64> {
    job(workload)?;
    let index = i64::try_from(pod.index()?).ok()?;
    let record = record(workload);
    let task = record.and_then(|record| record.tasks.at(index));
    Some(task.unwrap_or(index))
}

/// Returns `37/100, 2 failed`.
pub fn progress(spec: &JobSpec, status: &JobStatus) -> String {
    let (done, all) = (status.completed_indexes.count(), spec.tasks());
    match status.failed_indexes.count() {
        0 => format!("{done}/{all}"),
        failed => format!("{done}/{all}, {failed} failed"),
    }
}

/// Returns the numbers of the first tasks that failed, such as `3, 7, …`.
pub fn failed_numbers(workload: &Workload, status: &JobStatus) -> String {
    let record = record(workload);
    let number = |index: i64| {
        record
            .as_ref()
            .and_then(|it| it.tasks.at(index))
            .unwrap_or(index)
    };
    let failed = status.failed_indexes.iter().take(NAMED);
    let mut words: Vec<String> = failed.map(|index| number(index).to_string()).collect();
    if status.failed_indexes.count() > NAMED as i64 {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// The last pod of a task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPod {
    pub name: String,
    /// Exit code of its container, if it began.
    pub exit_code: Option<i64>,
    /// What went wrong.
    pub reason: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

impl FailedPod {
    /// Keeps what is told of a pod.
    pub fn new(pod: &Pod, now: Timestamp) -> Self {
        let known = WorkloadContext {
            now,
            ..WorkloadContext::default()
        };
        Self {
            name: pod.name().to_owned(),
            exit_code: pod.first_failure().map(|(_, ended)| ended.exit_code),
            reason: pod.trouble(&known).map(|trouble| trouble.in_its_pod()),
            created_at: pod.metadata.creation_timestamp,
        }
    }
}

/// What was read of an array beside its Job.
#[derive(Debug, Default)]
pub struct ArrayDetails {
    /// Pods that failed, by index.
    pub failed: BTreeMap<i64, FailedPod>,
    /// Whether pods may be read.
    pub may_read: bool,
    /// The table of parameters.
    pub rows: Option<String>,
}

/// The tasks of an array.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tasks {
    /// How many there are.
    pub count: i64,
    /// How many succeeded.
    pub succeeded: i64,
    /// How many failed.
    pub failed: i64,
    /// How many run now.
    pub active: i64,
    /// How many may run at once, now that it is admitted or if it is.
    pub slots: i64,
    /// How many were asked for, if the queue admitted it with fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_slots: Option<i64>,
    /// Whether its slots can be changed while it runs.
    pub grows: bool,
    pub failed_tasks: Vec<FailedTask>,
}

/// A task that failed.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedTask {
    /// Its number.
    pub task: i64,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Exit code of its container, if its pod still tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What went wrong, if its pod still tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its last pod; nothing once that is gone, or where pods may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

impl Tasks {
    /// Describes the tasks of an array.
    pub fn new(snapshot: &Snapshot, details: &ArrayDetails) -> Option<Self> {
        let workload = &snapshot.workload;
        let (spec, status) = job(workload)?;
        let grows = spec.grows();
        let (slots, requested) = match grows {
            // Kueue writes the slots of others into the Job.
            false => {
                let sets = snapshot.queued().iter().flat_map(|it| &it.spec.pod_sets);
                (spec.pods(), sets.map(|set| set.count).max())
            }
            true => {
                let running = running_slice(snapshot.queued());
                let slots = running.and_then(KueueWorkload::admitted_pods);
                (
                    slots.map_or(spec.pods(), |slots| slots.min(spec.pods())),
                    Some(spec.pods()),
                )
            }
        };
        Some(Self {
            count: spec.tasks(),
            succeeded: status.completed_indexes.count(),
            failed: status.failed_indexes.count(),
            active: status.active.min(slots),
            slots,
            requested_slots: requested.filter(|requested| *requested > slots),
            grows,
            failed_tasks: failed_tasks(workload, status, details),
        })
    }
}

/// Returns the Workload with which an array that grows runs: each of its sizes has one of
/// its own, and the next can be waiting beside it.
pub fn running_slice(queued: &[KueueWorkload]) -> Option<&KueueWorkload> {
    let mut all = queued.iter();
    all.find(|it| it.metadata.annotations.elastic == "true" && it.state() == QueueState::Admitted)
}

fn failed_tasks(
    workload: &Workload,
    status: &JobStatus,
    details: &ArrayDetails,
) -> Vec<FailedTask> {
    let record = record(workload);
    let task = |index: i64| {
        let record = record.as_ref();
        let task = record
            .and_then(|record| record.tasks.at(index))
            .unwrap_or(index);
        let parameters = record.map(|it| it.parameters(task, details.rows.as_deref()));
        let pod = details.failed.get(&index);
        FailedTask {
            task,
            parameters: parameters.unwrap_or_default(),
            exit_code: pod.and_then(|pod| pod.exit_code),
            reason: pod.and_then(|pod| pod.reason.clone()),
            pod: pod.map(|pod| pod.name.clone()),
        }
    };
    status.failed_indexes.iter().map(task).collect()
}

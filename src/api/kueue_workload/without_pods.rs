//! A Workload of which little is kept, for listings of thousands.

use serde::Deserialize;

use super::{
    AdmissionCheckState, KueueWorkload, QueuedSpec, QueuedStatus, RequeueState, SchedulingStats,
};
use crate::api::condition::Condition;
use crate::api::metadata::Metadata;

/// A Workload without what it asks for and was given, which is most of it: pods come with
/// their templates, and these with whatever is in them.
#[derive(Debug, Deserialize)]
#[serde(from = "WithoutPodsRead")]
pub struct WithoutPods(pub KueueWorkload);

#[derive(Default, Deserialize)]
#[serde(default)]
struct WithoutPodsRead {
    metadata: Metadata,
    spec: SpecWithoutPods,
    status: StatusWithoutPods,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecWithoutPods {
    queue_name: String,
    active: Option<bool>,
    priority: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusWithoutPods {
    conditions: Vec<Condition>,
    admission_checks: Vec<AdmissionCheckState>,
    requeue_state: Option<RequeueState>,
    cluster_name: Option<String>,
    accumulated_past_execution_time_seconds: Option<i64>,
    scheduling_stats: SchedulingStats,
}

impl From<WithoutPodsRead> for WithoutPods {
    fn from(read: WithoutPodsRead) -> Self {
        let WithoutPodsRead {
            metadata,
            spec,
            status,
        } = read;
        Self(KueueWorkload {
            metadata,
            spec: QueuedSpec {
                queue_name: spec.queue_name,
                active: spec.active,
                priority: spec.priority,
                ..QueuedSpec::default()
            },
            status: QueuedStatus {
                conditions: status.conditions,
                admission_checks: status.admission_checks,
                requeue_state: status.requeue_state,
                cluster_name: status.cluster_name,
                accumulated_past_execution_time_seconds: status
                    .accumulated_past_execution_time_seconds,
                scheduling_stats: status.scheduling_stats,
                ..QueuedStatus::default()
            },
        })
    }
}

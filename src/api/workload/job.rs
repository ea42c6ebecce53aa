//! Jobs and CronJobs.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::indexes::Indexes;
use super::pod_failure_policy::PodFailurePolicy;
use crate::api::condition::Condition;
use crate::api::keys::ELASTIC_GATE;
use crate::api::metadata::ObjectName;
use crate::api::pod_template::PodTemplate;

/// `spec` of a Job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// Whether it may have no pods.
    pub suspend: bool,
    /// Pods at once; 1 unless it says otherwise.
    pub parallelism: Option<i64>,
    /// Pods that have to succeed; 1 unless it says otherwise.
    pub completions: Option<i64>,
    /// Whether its pods are numbered: `Indexed`.
    pub completion_mode: String,
    /// Indexes that may fail before the others are given up.
    pub max_failed_indexes: Option<i64>,
    /// Pods that may fail before it does; the API server says 6 by itself.
    pub backoff_limit: Option<i64>,
    /// Likewise for each index, which then counts alone.
    pub backoff_limit_per_index: Option<i64>,
    /// Seconds that it may be active; without end unless it says otherwise.
    pub active_deadline_seconds: Option<i64>,
    /// Which failures of a pod are its own.
    pub pod_failure_policy: PodFailurePolicy,
    /// Its pods.
    pub template: PodTemplate,
}

impl JobSpec {
    /// Returns whether it is an array: each of its indexes fails by itself.
    pub fn is_array(&self) -> bool {
        self.completion_mode == "Indexed" && self.backoff_limit_per_index.is_some()
    }

    /// Returns whether Kueue lets its parallelism change while it runs: it then holds its
    /// pods back one by one. The annotation that asks for it does not tell, because Kueue
    /// ignores it where the feature is switched off.
    pub fn grows(&self) -> bool {
        let mut gates = self.template.spec.scheduling_gates.iter();
        gates.any(|gate| gate.name == ELASTIC_GATE)
    }

    /// Returns how many tasks an array has.
    pub fn tasks(&self) -> i64 {
        self.completions.or(self.parallelism).unwrap_or(1)
    }

    /// Returns how many pods run at once when none has ended.
    pub fn pods(&self) -> i64 {
        let parallelism = self.parallelism.unwrap_or(1);
        self.completions
            .map_or(parallelism, |completions| completions.min(parallelism))
    }

    /// Returns how many pods run at once when so many have succeeded.
    pub fn at_once(&self, succeeded: i64) -> i64 {
        let parallelism = self.parallelism.unwrap_or(1);
        let left = self.completions.map(|completions| completions - succeeded);
        left.map_or(parallelism, |left| left.min(parallelism))
            .max(1)
    }

    pub(super) fn gpus(&self) -> i64 {
        self.pods() * self.template.gpus()
    }
}

/// `status` of a Job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// Pods that have not ended.
    pub active: i64,
    /// Those of them that are ready.
    pub ready: i64,
    /// Pods that succeeded.
    pub succeeded: i64,
    /// Pods that failed.
    pub failed: i64,
    /// Pods that have ended and are in neither count yet.
    pub uncounted_terminated_pods: UncountedPods,
    /// Indexes that succeeded: `0-6,8`.
    pub completed_indexes: Indexes,
    /// Indexes that failed for good.
    pub failed_indexes: Indexes,
    /// When it was started, or resumed.
    pub start_time: Option<Timestamp>,
    /// When it succeeded.
    pub completion_time: Option<Timestamp>,
    pub conditions: Vec<Condition>,
}

/// `uncountedTerminatedPods` of a Job: UIDs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UncountedPods {
    /// Of those that succeeded.
    pub succeeded: Vec<String>,
    /// Of those that failed.
    pub failed: Vec<String>,
}

/// `spec` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// When it starts Jobs.
    pub schedule: String,
    /// In which time zone; the cluster's where none is said.
    pub time_zone: String,
    /// Whether it starts none.
    pub suspend: bool,
    pub job_template: JobTemplate,
}

/// `spec.jobTemplate` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobTemplate {
    /// `spec` of its Jobs.
    pub spec: JobSpec,
}

/// `status` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobStatus {
    /// Jobs that have not ended.
    pub active: Vec<ObjectName>,
    /// When it started the last one.
    pub last_schedule_time: Option<Timestamp>,
    /// When one succeeded last.
    pub last_successful_time: Option<Timestamp>,
}

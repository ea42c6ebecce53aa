//! What a workload has used so far: when it waited and ran, over all attempts, and
//! its GPU time. Kueue's Workload tells it for as long as it exists; a Job tells
//! only its last attempt.

mod gpu_time;
mod ledger;
pub mod metrics;
mod total;

pub use gpu_time::{Bound, GpuTime, Period};
pub use ledger::Ledger;
pub use total::{By, Total, totals};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::kind::queued::outcome;
use super::kind::{rules, standing};
use super::snapshot::WorkloadContext;
use super::status::{Standing, Status};
use crate::api::condition::holds;
use crate::api::keys::JOB_UID_LABEL;
use crate::api::kueue_workload::{KueueWorkload, QueuedObject};
use crate::api::workload::{Details, Workload};

/// Reasons of `Finished` when another Workload of the same object took over, with another
/// number of pods (Kueue v0.19, `WorkloadSliceReplaced`, `WorkloadFinishedReasonOutOfSync`).
const REPLACED: [&str; 2] = ["WorkloadSliceReplaced", "OutOfSync"];

/// Where an account comes from.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Kueue's Workloads, which record all attempts.
    Workloads,
    /// Jobs and RayJobs, which record the last attempt.
    Jobs,
    /// Prometheus, by the metrics of GPU exporters.
    Prometheus,
}

impl Source {
    /// Returns the word for it in a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Workloads => "Workloads",
            Self::Jobs => "Jobs",
            Self::Prometheus => "Prometheus",
        }
    }
}

/// What a workload has used.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its kind, as in manifests.
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// Who submitted it.
    pub user: Option<String>,
    /// The LocalQueue it was in.
    pub queue: Option<String>,
    /// How it ended; nothing while it has not.
    pub outcome: Option<Standing>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Seconds in which it was not admitted.
    pub waited: Option<i64>,
    /// Seconds for which it was admitted, over all attempts; of a Job, of the last.
    pub ran: Option<i64>,
    /// How often it was started.
    pub attempts: i64,
    /// GPUs that it held last.
    pub gpus: i64,
    /// Exit code of the container that failed first, or 0; nothing if unknown.
    pub exit_code: Option<i64>,
    /// Whether a pod of it tells the exit code.
    asks_pods: bool,
    /// GPU time in the period.
    pub gpu_time: GpuTime,
    pub ran_in_period: bool,
    /// What tells all this.
    pub source: Source,
    /// UID of what it stands for.
    uid: String,
    /// Name of Kueue's Workload.
    workload: String,
    /// Whether another Workload of the same object took over.
    is_replaced: bool,
    admitted_at: Option<Timestamp>,
}

/// When a workload held how many GPUs.
struct Attempts {
    created: Option<Timestamp>,
    /// Seconds of those before the last one.
    past: i64,
    /// Begin and end of the last one.
    last: Option<(Timestamp, Timestamp)>,
}

impl Account {
    /// Reads it from Kueue's Workload.
    fn of_queued(queued: &KueueWorkload, period: Period) -> Self {
        let status = &queued.status;
        let conditions = &status.conditions;
        let turned = |kind: &str| holds(conditions, kind)?.last_transition_time;
        let finished = holds(conditions, "Finished");
        let ended_at = finished.and_then(|finished| finished.last_transition_time);
        let admitted_at = turned("Admitted");
        let created = queued.metadata.creation_timestamp;
        let attempts = Attempts {
            created,
            past: status.accumulated_past_execution_time_seconds.unwrap_or(0),
            last: admitted_at.map(|begin| (begin, ended_at.unwrap_or(period.to))),
        };
        let last = attempts.last;
        let ran = attempts.past + last.map_or(0, |(begin, end)| between(begin, end));
        let waited = created.map(|created| {
            let until = admitted_at.or(ended_at).unwrap_or(period.to);
            (between(created, until) - attempts.past).max(0)
        });
        let (gpu_time, ran_in_period) = gpu_time(queued, &attempts, period);
        let evictions = status.scheduling_stats.evictions.iter();
        let QueuedObject { kind, name, .. } = queued.subject();
        let outcome = finished.map(outcome);
        let failed = outcome.as_ref().map(|it| it.status) == Some(Status::Failed);
        Self {
            kind,
            namespace: queued.metadata.namespace.clone(),
            name,
            user: queued.user().map(str::to_owned),
            queue: Some(queued.spec.queue_name.clone()).filter(|queue| !queue.is_empty()),
            exit_code: outcome.as_ref().filter(|_| !failed).map(|_| 0),
            asks_pods: failed,
            outcome,
            created_at: created,
            ended_at,
            waited,
            ran: Some(ran),
            attempts: evictions.map(|it| it.count).sum::<i64>() + 1,
            gpus: queued.gpus(),
            gpu_time,
            ran_in_period,
            source: Source::Workloads,
            uid: queued
                .metadata
                .label(JOB_UID_LABEL)
                .unwrap_or_default()
                .to_owned(),
            workload: queued.metadata.name.clone(),
            is_replaced: finished
                .is_some_and(|finished| REPLACED.contains(&finished.reason.as_str())),
            admitted_at,
        }
    }

    /// Reads it from a Job or RayJob, which knows only its last attempt.
    fn of_job(job: &Workload, period: Period) -> Self {
        let known = WorkloadContext {
            now: period.to,
            ..WorkloadContext::default()
        };
        let rules = rules(job);
        let standing = standing(job, &known);
        let ended_at = rules.ended_at().filter(|_| standing.status.is_final());
        let begun = rules.running_since().filter(|_| !is_suspended(job));
        let last = begun.map(|begin| (begin, ended_at.unwrap_or(period.to)));
        let is_queued = job.queue().is_some();
        let is_elastic = matches!(&job.details, Details::Job(spec, _) if spec.grows());
        let bound = match (is_queued, is_elastic) {
            (_, true) => Bound::About,
            (true, false) => Bound::AtLeast,
            (false, false) => Bound::Exact,
        };
        let gpus = job.gpus().unwrap_or(0);
        let seconds = last.map_or(0, |(begin, end)| period.overlap(begin, end));
        let created = job.metadata.creation_timestamp;
        let (exit_code, asks_pods) = exit_code(job, standing.status);
        Self {
            kind: job.kind.name().to_owned(),
            namespace: job.metadata.namespace.clone(),
            name: job.metadata.name.clone(),
            user: job.user().map(str::to_owned),
            queue: job.queue().map(str::to_owned),
            outcome: Some(standing).filter(|standing| standing.status.is_final()),
            created_at: created,
            ended_at,
            waited: created
                .zip(begun)
                .map(|(created, begun)| between(created, begun)),
            ran: last.map(|(begin, end)| between(begin, end)),
            attempts: 1,
            gpus,
            exit_code,
            asks_pods,
            gpu_time: GpuTime::new(gpus, seconds, bound),
            ran_in_period: seconds > 0,
            source: Source::Jobs,
            uid: job.metadata.uid.clone(),
            workload: String::new(),
            is_replaced: false,
            admitted_at: begun,
        }
    }

    /// Adds what the Job knows beside Kueue's Workload of it: how it ended.
    fn add(&mut self, job: Self) {
        if job.outcome.is_some() {
            self.outcome = job.outcome;
            self.exit_code = job.exit_code;
            self.asks_pods = job.asks_pods;
            self.ended_at = self.ended_at.or(job.ended_at);
        }
        self.user = self.user.take().or(job.user);
    }

    /// Returns how exact waiting and running are: those of a queued Job are of its
    /// last attempt only.
    pub fn bound(&self) -> Bound {
        match (self.source, &self.queue) {
            (Source::Jobs, Some(_)) => Bound::AtLeast,
            _ => Bound::Exact,
        }
    }
}

/// Returns GPU time in the period, and whether there is any time in it.
fn gpu_time(queued: &KueueWorkload, attempts: &Attempts, period: Period) -> (GpuTime, bool) {
    let reclaimed = queued.status.reclaimable_pods.iter();
    let has_reclaimed = reclaimed.map(|pods| pods.count).sum::<i64>() > 0;
    let admitted = queued.admitted_gpus().max(queued.gpus());
    let has_shrunk = queued.gpus() < admitted;
    // When these pods ended nothing records.
    let bound = match has_reclaimed || has_shrunk {
        true => Bound::AtMost,
        false => Bound::Exact,
    };
    let seconds = attempts
        .last
        .map_or(0, |(begin, end)| period.overlap(begin, end));
    let last = GpuTime::new(admitted, seconds, bound);
    // With how many of its pods an earlier attempt ran, nothing records either.
    let sets = &queued.spec.pod_sets;
    let is_partial = sets.iter().any(|set| set.min_count.is_some());
    let gpus = match is_partial {
        true => queued.least_gpus(),
        false => queued.gpus(),
    };
    let (least, is_all) = period.least(attempts.past, attempts.created);
    let bound = match is_all && !(is_partial && least > 0) {
        true => Bound::Exact,
        false => Bound::AtLeast,
    };
    let past = GpuTime::new(gpus, least, bound);
    (last.and(past), seconds > 0 || least > 0)
}

fn between(begin: Timestamp, end: Timestamp) -> i64 {
    (end.as_second() - begin.as_second()).max(0)
}

fn is_suspended(job: &Workload) -> bool {
    match &job.details {
        Details::Job(spec, _) => spec.suspend,
        Details::RayJob(spec, _) => spec.suspend,
        _ => false,
    }
}

/// Returns the exit code where the object tells, and whether its pods would.
fn exit_code(job: &Workload, status: Status) -> (Option<i64>, bool) {
    match status {
        Status::Succeeded => (Some(0), false),
        Status::Failed => {
            let told = rules(job).exit_code(&[]);
            // A Job that ran out of its time has none.
            let is_late = match &job.details {
                Details::Job(_, status) => holds(&status.conditions, "Failed")
                    .is_some_and(|failed| failed.reason == "DeadlineExceeded"),
                _ => false,
            };
            (told, told.is_none() && !is_late)
        }
        _ => (None, false),
    }
}

#[cfg(test)]
mod tests;

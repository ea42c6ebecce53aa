//! The status of an array: an Indexed Job each of whose indexes fails by itself
//! (batch/v1, Kubernetes v1.36).

use super::{ENDING, Pod, Standing, Status, Workload, WorkloadContext, doom, holds, is_taken_off};
use super::{own_failure, refused, suspended, trouble_of};
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::observe::kind::tasks::{failed_numbers, progress};
use crate::observe::why::lifecycle;

/// Reason of the conditions of a Job that ran for longer than it may.
const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// Reason of the conditions of an array of which more indexes failed than may.
const TOO_MANY: &str = "MaxFailedIndexesExceeded";

/// Returns its status, with how many of its tasks are done.
pub(super) fn standing(
    (workload, spec, status): (&Workload, &JobSpec, &JobStatus),
    known: &WorkloadContext,
) -> Standing {
    let conditions = &status.conditions;
    if holds(conditions, "Complete").is_some() {
        return Standing::new(Status::Succeeded, "");
    }
    let progress = progress(spec, status);
    let is_begun = !status.completed_indexes.is_empty() || !status.failed_indexes.is_empty();
    if let Some(failed) = holds(conditions, "Failed").or(holds(conditions, "FailureTarget")) {
        let numbers = match failed_numbers(workload, status) {
            numbers if numbers.is_empty() => String::new(),
            numbers => format!(" ({numbers})"),
        };
        let why = match failed.reason.as_str() {
            DEADLINE_EXCEEDED => format!("; {}", lifecycle::PAST_DEADLINE),
            TOO_MANY => {
                let most = spec.max_failed_indexes.unwrap_or_default();
                format!("; at most {most} may fail")
            }
            _ => String::new(),
        };
        let words = format!("{progress}{numbers}{why}");
        return match holds(conditions, "Failed") {
            Some(_) => Standing::new(Status::Failed, words),
            None => Standing::new(Status::Running, format!("{ENDING}: {words}")),
        };
    }
    if spec.suspend || is_taken_off(known) {
        let waits = suspended(workload, known);
        // What is done stays done when it is evicted.
        return match is_begun {
            true if waits.reason.is_empty() => Standing::new(waits.status, progress),
            true => Standing::new(waits.status, format!("{progress}; {}", waits.reason)),
            false => waits,
        };
    }
    if holds(conditions, "SuccessCriteriaMet").is_some() {
        return Standing::new(Status::Running, ENDING);
    }
    if let Some(doom) = doom::of_job(spec, status, known) {
        return Standing::new(Status::Running, format!("{ENDING}: {progress}; {doom}"));
    }
    let alive = known.pods.iter().filter(|pod| !pod.has_ended());
    let trouble = trouble_of(alive, known);
    let runs = known.pods.iter().any(|pod| pod.is_ready());
    if is_begun || runs || status.ready > 0 {
        let words = match trouble {
            Some(trouble) if !runs && status.ready == 0 => format!("{progress}; {trouble}"),
            _ => progress,
        };
        return Standing::new(Status::Running, words);
    }
    let words = trouble
        .or_else(|| refused(workload, known))
        .unwrap_or_else(|| format!("0 of {} pods ready", spec.pods()));
    Standing::new(Status::Starting, words)
}

/// Returns the exit code with which all tasks ended that failed, each in its last pod. Of
/// many tasks only the first pods are read, and nobody can tell.
pub(super) fn exit_code(status: &JobStatus, pods: &[Pod]) -> Option<i64> {
    let failed = holds(&status.conditions, "Failed")?;
    if failed.reason == DEADLINE_EXCEEDED {
        return None;
    }
    let mut codes = status.failed_indexes.iter().map(|index| {
        let own = pods.iter().filter(|pod| {
            let its_index = pod.index().and_then(|index| i64::try_from(index).ok());
            its_index == Some(index)
        });
        let last = own.max_by_key(|pod| pod.metadata.creation_timestamp)?;
        Some(own_failure(last)?.1)
    });
    let first = codes.next()??;
    codes.all(|code| code == Some(first)).then_some(first)
}

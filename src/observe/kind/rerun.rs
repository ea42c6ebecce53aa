//! Finds the tasks of an array to run again.

use super::standing;
use super::tasks::{job, record};
use crate::api::workload::Workload;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::observe::snapshot::WorkloadContext;
use crate::plan::Refusal;
use crate::plan::request::array::Array;

/// Returns the array with the tasks that did not succeed in an earlier run of it; nothing
/// if all did.
///
/// # Errors
/// [`Refusal`] if that is not known yet, or the earlier run is of another array.
pub fn unsuccessful(workload: &Workload, array: Array) -> Result<Option<Array>, Refusal> {
    let name = workload.display_name();
    let wrong = |why: String| Refusal::new(why).about(name.clone());
    let (Some((spec, status)), Some(record)) = (job(workload), record(workload)) else {
        return Err(wrong(format!("{name} is not an array created by kaiwo"))
            .hint("choose the array with --name"));
    };
    let standing = standing(workload, &WorkloadContext::default());
    if !standing.status.is_final() {
        return Err(wrong(format!(
            "{name} has not ended, and more of its tasks may fail"
        ))
        .hint(workload.command("wait {} -n {}").to("wait for it")));
    }
    if !record.has_parameters_of(&array.record(None)) {
        return Err(wrong(format!(
            "the parameters differ from those of {name}: its tasks would get other ones"
        ))
        .hint(format!("repeat the --sweep and --sweep-file of {name}"))
        .hint(
            workload
                .command("status {} -n {}")
                .to("show the tasks that failed"),
        ));
    }
    let Some(tasks) = record.tasks.only(unfinished(spec, status)) else {
        return Ok(None);
    };
    let slots = array.slots.min(tasks.count());
    Ok(Some(Array {
        slots,
        at_least: array.at_least.min(slots),
        tasks,
        ..array
    }))
}

/// Returns the indexes that did not succeed: they failed, or never ran.
fn unfinished(spec: &JobSpec, status: &JobStatus) -> impl Iterator<Item = i64> {
    (0..spec.tasks()).filter(|index| !status.completed_indexes.contains(*index))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::keys;
    use crate::kind::WorkloadKind;
    use crate::plan::request::array::ArrayFlags;

    fn array(tasks: &str) -> Array {
        let flags = ArrayFlags {
            tasks: Some(tasks.parse().unwrap()),
            slots: Some(4),
            ..ArrayFlags::default()
        };
        Array::new(flags).unwrap()
    }

    fn run(status: Value) -> Result<Option<Array>, String> {
        let array = array("10-15");
        let record = serde_json::to_string(&array.record(None)).unwrap();
        let object = json!({
            "metadata": {"name": "a", "namespace": "ml", "uid": "u",
                         "annotations": {keys::ARRAY_ANNOTATION: record}},
            "spec": {"completionMode": "Indexed", "completions": 6, "parallelism": 4,
                     "backoffLimitPerIndex": 0},
            "status": status,
        });
        let workload = Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap();
        unsuccessful(&workload, array).map_err(|refusal| refusal.message)
    }

    fn ended(kind: &str, completed: &str) -> Value {
        json!({"conditions": [{"type": kind, "status": "True"}], "completedIndexes": completed})
    }

    #[test]
    fn what_failed_or_never_ran_runs_again_with_its_number() {
        let again = run(ended("Failed", "0-2,4")).unwrap().unwrap();
        assert_eq!(again.tasks.to_string(), "13,15");
        assert_eq!(again.slots, 2);
        assert_eq!(run(ended("Complete", "0-5")), Ok(None));
    }

    #[test]
    fn what_runs_is_not_run_again() {
        let refused = run(json!({"active": 4, "startTime": "2026-01-01T00:00:00Z"}));
        assert!(refused.unwrap_err().contains("has not ended"));
    }
}

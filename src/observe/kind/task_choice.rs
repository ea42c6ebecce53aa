//! Decides which task of an array a command is about.

use super::tasks::{job, record};
use crate::api::workload::Workload;
use crate::plan::Refusal;

/// Returns what Kubernetes counts a task of an array as.
///
/// # Errors
/// [`Refusal`] if it has none of this number.
pub fn index_of(workload: &Workload, task: i64) -> Result<i64, Refusal> {
    let record = record(workload);
    let index = match &record {
        Some(record) => record.tasks.index_of(task),
        None => Some(task)
            .filter(|task| job(workload).is_some_and(|(spec, _)| (0..spec.tasks()).contains(task))),
    };
    index.ok_or_else(|| {
        let name = workload.display_name();
        let refusal = Refusal::new(format!("{name} has no task {task}")).about(name);
        match record {
            Some(record) => refusal.hint(format!("its tasks: {}", record.tasks)),
            None => refusal,
        }
    })
}

/// Returns the index in the name of an array's pod, `NAME-INDEX-xxxxx`, or in its short one.
pub fn index_in(workload: &Workload, pod: &str) -> Option<i64> {
    let prefix = format!("{}-", workload.metadata.name);
    let short = pod.strip_prefix(&prefix).unwrap_or(pod);
    short.split('-').next()?.parse().ok()
}

/// Refuses to show the logs of all tasks at once, and says how one is chosen.
pub fn unchosen(workload: &Workload) -> Refusal {
    let name = workload.display_name();
    let tasks = job(workload).map_or(0, |(spec, _)| spec.tasks());
    let first = record(workload).and_then(|record| record.tasks.at(0));
    let first = first.unwrap_or_default().to_string();
    let refusal = Refusal::new(format!(
        "{name} is an array of {tasks} tasks, each with a log of its own"
    ))
    .about(name.clone());
    let refusal = refusal.hint(
        workload
            .command("logs {} -n {}")
            .args(["--index".to_owned(), first])
            .to("show the log of one task"),
    );
    match workload.has_failed_tasks() {
        true => refusal.hint(
            workload
                .command("logs {} -n {} --failed")
                .to("show the tasks that failed"),
        ),
        false => refusal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::keys;
    use crate::kind::WorkloadKind;
    use crate::plan::request::array::{Array, ArrayFlags};
    use crate::suggestion::Suggestion;

    fn array(has_record: bool) -> Workload {
        let flags = ArrayFlags {
            tasks: Some("10-12".parse().unwrap()),
            ..ArrayFlags::default()
        };
        let record = Array::new(flags).unwrap().record(None);
        let mut object = json!({
            "metadata": {"name": "sweep", "namespace": "ml"},
            "spec": {"completionMode": "Indexed", "completions": 3, "backoffLimitPerIndex": 0},
            "status": {"failedIndexes": "1"},
        });
        if has_record {
            let record = serde_json::to_string(&record).unwrap();
            object["metadata"]["annotations"] = json!({keys::ARRAY_ANNOTATION: record});
        }
        Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap()
    }

    #[test]
    fn a_task_is_counted_by_its_number_or_by_its_index() {
        assert_eq!(index_of(&array(true), 11), Ok(1));
        assert_eq!(index_of(&array(false), 1), Ok(1));
        for (array, task) in [(array(true), 1), (array(false), 3), (array(false), -1)] {
            let refusal = index_of(&array, task).unwrap_err();
            assert_eq!(refusal.message, format!("job/sweep has no task {task}"));
        }
    }

    #[test]
    fn the_index_is_in_the_pods_name() {
        let array = array(true);
        for (pod, index) in [
            ("sweep-2-x7x7x", Some(2)),
            ("2-x7x7x", Some(2)),
            ("x", None),
        ] {
            assert_eq!(index_in(&array, pod), index, "{pod}");
        }
    }

    #[test]
    fn who_chooses_no_task_is_told_of_its_first_and_of_those_that_failed() {
        let refusal = unchosen(&array(true));
        let hints: Vec<String> = refusal.hints.iter().map(Suggestion::plain).collect();
        let hints = hints.join("\n");
        assert!(
            hints.contains("kaiwo logs job/sweep -n ml --index 10"),
            "{hints}"
        );
        assert!(
            hints.contains("kaiwo logs job/sweep -n ml --failed"),
            "{hints}"
        );
    }
}

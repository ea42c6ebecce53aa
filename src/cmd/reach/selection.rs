//! Finds the pods of a workload among which a command chooses one: of an array, which can
//! have thousands, those of one task.

use crate::api::workload::Workload;
use crate::cluster::read::snapshot;
use crate::cmd::target::Reached;
use crate::error::CommandError;
use crate::observe::Snapshot;
use crate::observe::kind::tasks::{job, record};
use crate::observe::pod_selection::Single;
use crate::plan::Refusal;

/// Returns what `--pod`, `--worker` and `--head` choose.
pub(super) fn single(pod: Option<&str>, worker: Option<usize>, head: bool) -> Single {
    match (pod, worker) {
        (Some(pod), _) => Single::Pod(pod.to_owned()),
        (None, Some(worker)) => Single::Worker(worker),
        (None, None) if head => Single::Head,
        (None, None) => Single::Main,
    }
}

/// Reads a workload for a command about one pod. Of an array, `--worker` is the number of a
/// task, and becomes the index that Kubernetes gives it.
///
/// # Errors
/// [`CommandError`] if the array has no such task, or the cluster cannot be asked.
pub(super) async fn snapshot_for(
    place: &Reached,
    workload: Workload,
    single: &mut Single,
) -> Result<Snapshot, CommandError> {
    let index = match single {
        _ if !workload.is_array() => None,
        Single::Worker(task) => {
            let task = i64::try_from(*task).unwrap_or(i64::MAX);
            let index = index_of(&workload, task)?;
            *single = Single::Worker(usize::try_from(index).unwrap_or_default());
            Some(index)
        }
        Single::Pod(name) => index_in(&workload, name),
        Single::Main | Single::Head => None,
    };
    let Reached {
        cluster, served, ..
    } = place;
    Ok(snapshot::read_of_index(cluster, served, workload, index).await?)
}

/// Returns what Kubernetes counts a task of an array as.
///
/// # Errors
/// [`Refusal`] if it has none of this number.
pub(super) fn index_of(workload: &Workload, task: i64) -> Result<i64, Refusal> {
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
fn index_in(workload: &Workload, pod: &str) -> Option<i64> {
    let prefix = format!("{}-", workload.metadata.name);
    let short = pod.strip_prefix(&prefix).unwrap_or(pod);
    short.split('-').next()?.parse().ok()
}

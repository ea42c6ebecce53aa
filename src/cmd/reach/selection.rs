//! Finds the pods of a workload among which a command chooses one: of an array, which can
//! have thousands, those of one task.

use crate::api::workload::Workload;
use crate::cluster::read::snapshot;
use crate::cmd::target::Reached;
use crate::error::CommandError;
use crate::observe::Snapshot;
use crate::observe::kind::task_choice::{index_in, index_of};
use crate::observe::pod_selection::Single;

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

//! What a submission does for an array beside what it does for any workload: it finds the
//! tasks to run again, and warns of what Kueue does when some fail.

use serde_json::Value;

use super::Mode;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::Cluster;
use crate::cluster::read::kueue::queues;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::names::counted;
use crate::observe::kind::rerun;
use crate::plan::readiness;
use crate::plan::request::WorkloadRequest;
use crate::plan::{Plan, name};
use crate::request::array_run::no_earlier_run;
use crate::ui::Ui;

/// Most runs of one array: `NAME`, `NAME-2` and so on.
const MOST_RUNS: usize = 100;

/// Returns the request with the tasks that are to run; nothing if none is.
///
/// # Errors
/// [`CommandError`] if those that failed are not known.
pub(super) async fn to_run(
    cluster: &Cluster,
    mut request: WorkloadRequest,
    mode: &Mode<'_>,
) -> Result<Option<WorkloadRequest>, CommandError> {
    let Some(array) = request.array.take_if(|array| array.only_failed) else {
        return Ok(Some(request));
    };
    let first = request.name.clone();
    let mut last = None;
    let mut free = first.clone();
    for run in 2..MOST_RUNS {
        match read(cluster, &request.namespace, &free).await? {
            Some(found) => last = Some(found),
            None => break,
        }
        // What is replaced has the one name.
        if mode.replace {
            break;
        }
        free = format!("{first}-{run}");
    }
    let Some(last) = last else {
        return Err(no_earlier_run(&request).into());
    };
    let Some(array) = rerun::unsuccessful(&last, array)? else {
        let name = last.display_name();
        mode.ui.status(format!(
            "→ all tasks of {name} succeeded: nothing to run again"
        ));
        return Ok(None);
    };
    let (count, name) = (array.tasks.count(), last.display_name());
    mode.ui.status(format!(
        "→ {} of {name} did not succeed: {}",
        counted(count, "task"),
        array.tasks
    ));
    if !mode.replace {
        name::check_chosen(&free, WorkloadKind::Job.longest_name(count), " for a Job")?;
        request.name = free;
    }
    request.array = Some(array);
    Ok(Some(request))
}

async fn read(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<Workload>, CommandError> {
    let resource = Resource::known("batch/v1", "Job");
    let found = cluster.find::<Value>(&resource, namespace, name).await?;
    let read = |object: &Value| {
        let (kind, version) = (WorkloadKind::Job, WorkloadKind::Job.api_version());
        Workload::read_as(kind, version, object, cluster.reading())
    };
    let workload = found.as_ref().map(read).transpose();
    workload.map_err(|error| {
        CommandError::new(
            ErrorClass::Unclassified,
            format!("cannot read job/{name}: {error}"),
        )
    })
}

/// Warns where failed tasks can have Kueue evict those that run.
///
/// # Errors
/// [`CommandError`] if the cluster cannot be asked.
pub(super) async fn warn_of_readiness(
    cluster: &Cluster,
    plan: &Plan,
    ui: Ui,
) -> Result<(), CommandError> {
    let (Some(array), Some(slots)) = (&plan.request.array, plan.most_slots()) else {
        return Ok(());
    };
    if plan.local_queue.is_none() || !array.is_exposed(slots) {
        return Ok(());
    }
    // What may not be read is what Kueue does by default.
    let configuration = queues::configuration(cluster).await?.unwrap_or_default();
    let warning = configuration
        .readiness()
        .and_then(|window| readiness::array_warning(array, slots, window));
    if let Some(warning) = warning {
        ui.warn(warning);
    }
    Ok(())
}

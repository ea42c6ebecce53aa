//! What a submission does for an array beside what it does for any workload: it finds the
//! tasks to run again, and warns of what Kueue does when some fail.

use serde_json::Value;

use super::Mode;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::cluster::Cluster;
use crate::cluster::read::kueue::queues;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::kind::standing;
use crate::observe::kind::tasks::{job, record};
use crate::observe::snapshot::WorkloadContext;
use crate::plan::readiness;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::array::Array;
use crate::plan::{Plan, Refusal, name};
use crate::request::is_on;
use crate::settings::{DryRun, Merged};
use crate::suggestion::kaiwo;
use crate::ui::Ui;

/// Most runs of one array: `NAME`, `NAME-2` and so on.
const MOST_RUNS: usize = 100;

/// Checks what the other settings say of an array.
///
/// # Errors
/// [`Refusal`] for what excludes each other.
pub(super) fn check(
    request: &WorkloadRequest,
    settings: &Merged,
    mode: &Mode<'_>,
) -> Result<(), CommandError> {
    let Some(array) = &request.array else {
        return Ok(());
    };
    let is_live = mode.dry_run == DryRun::None;
    if is_live && is_on(&settings.follow) {
        return Err(Refusal::new(format!(
            "--follow shows one log, and {} tasks have a log each",
            array.tasks.count()
        ))
        .hint("use --wait instead, and then kaiwo logs with --index or --failed")
        .into());
    }
    if !array.only_failed {
        return Ok(());
    }
    if mode.dry_run == DryRun::Client {
        return Err(Refusal::new(
            "--only-failed reads from the cluster which tasks failed, but a client dry run contacts none",
        )
        .hint("use --dry-run=server")
        .into());
    }
    if is_on(&settings.generate_name) {
        return Err(Refusal::new(
            "--only-failed and --generate-name exclude each other: the array that failed is found by its name",
        )
        .hint("remove --generate-name: the tasks that failed run as NAME-2, NAME-3 and so on")
        .into());
    }
    Ok(())
}

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
        return Err(no_array(&request));
    };
    let Some(array) = failed(&last, array, &request)? else {
        let name = last.display_name();
        mode.ui.status(format!(
            "→ all tasks of {name} succeeded: nothing to run again"
        ));
        return Ok(None);
    };
    let (count, name) = (array.tasks.count(), last.display_name());
    let noun = if count == 1 { "task" } else { "tasks" };
    mode.ui.status(format!(
        "→ {count} {noun} of {name} did not succeed: {}",
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

fn no_array(request: &WorkloadRequest) -> CommandError {
    let name = request.display_name();
    Refusal::new(format!(
        "{name} does not exist in namespace {}, so no task of it has failed",
        request.namespace
    ))
    .about(name)
    .hint(kaiwo("list -n {}", &[&request.namespace]).to("list workloads"))
    .hint("without --only-failed all tasks run")
    .into()
}

/// Returns the array with the tasks that did not succeed in an earlier run of it; nothing
/// if all did.
fn failed(
    workload: &Workload,
    array: Array,
    request: &WorkloadRequest,
) -> Result<Option<Array>, Refusal> {
    let name = workload.display_name();
    let wrong = |why: String| Refusal::new(why).about(name.clone());
    let about = |form| kaiwo(form, &[&name, &request.namespace]);
    let (Some((spec, status)), Some(record)) = (job(workload), record(workload)) else {
        return Err(wrong(format!("{name} is not an array of kaiwo's"))
            .hint("choose the array with --name"));
    };
    if !standing(workload, &WorkloadContext::default())
        .status
        .is_final()
    {
        return Err(wrong(format!(
            "{name} has not ended, and more of its tasks may fail"
        ))
        .hint(about("wait {} -n {}").to("wait for it")));
    }
    if !record.has_parameters_of(&array.record(None)) {
        return Err(wrong(format!(
            "the parameters are not those of {name}, whose tasks would get other ones"
        ))
        .hint("repeat --sweep and --sweep-file as they were")
        .hint(about("status {} -n {}").to("show those that failed")));
    }
    let Some(tasks) = record.tasks.only(unfinished(spec, status)) else {
        return Ok(None);
    };
    let count = tasks.count();
    let slots = array.slots.min(count);
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

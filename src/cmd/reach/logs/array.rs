//! `kaiwo logs` of an array, each of whose tasks has a log of its own.

use std::cell::Cell;

use k8s_openapi::jiff::Timestamp;

use super::{Shown, follow, show};
use crate::api::Readable;
use crate::api::pod::Pod;
use crate::cli::LogsArgs;
use crate::cluster::reach::logs::readable;
use crate::cluster::read::snapshot;
use crate::cluster::read::snapshot::array::{details, failed_pods};
use crate::cmd::target::FoundWorkload;
use crate::error::{CommandError, ErrorClass};
use crate::observe::Snapshot;
use crate::observe::kind::task_choice::{index_of, unchosen};
use crate::observe::kind::tasks::{FailedPod, job, record};
use crate::ui::Ui;

/// Shows the logs of tasks, of which one or those that failed are chosen.
///
/// # Errors
/// [`CommandError`] if none is chosen, there is none of that number, or they may not be
/// read.
pub(super) async fn run(
    target: &FoundWorkload,
    args: &LogsArgs,
    shown: &Shown,
    ui: Ui,
) -> Result<(), CommandError> {
    match args.index {
        Some(task) => of_task(target, task, args.follow, shown, ui).await,
        None if args.failed => of_failed(target, shown, ui).await,
        None => Err(unchosen(&target.found.workload).into()),
    }
}

/// Refuses the choice of a task of what has none.
pub(super) fn refuse(target: &FoundWorkload, flag: &str) -> CommandError {
    let workload = &target.found.workload;
    let name = workload.display_name();
    CommandError::new(
        ErrorClass::Refused,
        format!("{flag} chooses tasks of an array, which {name} is not"),
    )
    .hint(workload.command("logs {} -n {}").to("show its log"))
}

async fn of_task(
    target: &FoundWorkload,
    task: i64,
    follows: bool,
    shown: &Shown,
    ui: Ui,
) -> Result<(), CommandError> {
    let workload = &target.found.workload;
    let index = index_of(workload, task)?;
    let place = &target.place;
    let read =
        snapshot::read_of_index(&place.cluster, &place.served, workload.clone(), Some(index));
    let snapshot = read.await?;
    match follows {
        true => {
            let mut shown = shown.clone();
            // It ends with the pod, not with the array.
            let newest = snapshot
                .pods()
                .iter()
                .max_by_key(|pod| pod.metadata.creation_timestamp);
            shown.choice.pod = newest.map(|pod| pod.name().to_owned());
            follow(place, snapshot, &shown, &Cell::default(), ui).await
        }
        false => show(place, &snapshot, &target.found.object, shown, ui).await,
    }
}

/// Shows the logs of the tasks that failed, one after another.
async fn of_failed(target: &FoundWorkload, shown: &Shown, ui: Ui) -> Result<(), CommandError> {
    let (place, workload) = (&target.place, &target.found.workload);
    let name = workload.display_name();
    if !workload.has_failed_tasks() {
        ui.status(format!("→ no task of {name} has failed"));
        return Ok(());
    }
    let now = Timestamp::now();
    let base = Snapshot::new(workload.clone(), Readable::Known(Vec::new()), now);
    let mut failed: Vec<Pod> = Vec::new();
    let read = failed_pods(&place.cluster, workload, |mut pod| {
        // Of a page of pods little is needed.
        pod.spec.volumes = Vec::new();
        failed.push(pod);
    });
    match read.await {
        Err(error) if error.is_forbidden() => {
            let unknown = Snapshot {
                pods: Readable::Forbidden,
                ..base.clone()
            };
            readable(&place.cluster, &unknown).await?;
        }
        read => read?,
    }
    failed.sort_by_key(|pod| (pod.index(), pod.metadata.creation_timestamp));
    let told = details(&place.cluster, workload).await?;
    let rows = told.and_then(|told| told.rows);
    let record = record(workload);
    let indexes = job(workload).map(|(_, status)| status.failed_indexes.clone());
    let indexes = indexes.unwrap_or_default();
    let mut gone = indexes.count();
    let mut last = None;
    for pod in failed {
        let index = pod.index().and_then(|index| i64::try_from(index).ok());
        let Some(index) = index.filter(|index| indexes.contains(*index)) else {
            continue;
        };
        if last.replace(index) != Some(index) {
            gone -= 1;
        }
        let record = record.as_ref();
        let task = record
            .and_then(|record| record.tasks.at(index))
            .unwrap_or(index);
        let parameters = record.map(|it| it.parameters(task, rows.as_deref()));
        let parameters = parameters.unwrap_or_default();
        let parameters = parameters
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
        let code = FailedPod::new(&pod, now).exit_code;
        let code = code.map(|code| format!("exit code {code}"));
        let words: Vec<String> = parameters.chain(code).collect();
        ui.status(format!("→ task {task}: {}", words.join(", ")));
        let of_task = Snapshot {
            pods: Readable::Known(vec![pod]),
            index: Some(index),
            ..base.clone()
        };
        show(place, &of_task, &target.found.object, shown, ui).await?;
    }
    if gone > 0 {
        ui.warn(format!(
            "the pods of {gone} failed tasks are gone, and so are their logs"
        ));
    }
    Ok(())
}

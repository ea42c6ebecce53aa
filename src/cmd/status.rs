//! `kaiwo status`.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::api::pod::Pod;
use crate::cli::{StatusArgs, StatusFormat};
use crate::cluster::read::prometheus::PrometheusError;
use crate::cluster::read::watch::ChangeWatcher;
use crate::cluster::read::{prometheus, snapshot, workload_details};
use crate::error::{CommandError, ErrorClass};
use crate::observe::description::Description;
use crate::observe::{Snapshot, Status};
use crate::settings::OutputFormat;
use crate::ui::live::Live;
use crate::ui::report::{self, API_VERSION};
use crate::ui::{Ui, status};
use crate::yaml;

use super::help::cannot_write;
use super::target::{self, FoundWorkload, Reached};
use super::{block_on, command_line, top};

/// Ages are drawn anew, and things looked up again, this often.
const TICK: Duration = Duration::from_secs(5);

/// A workload in full, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    description: &'a Description,
}

/// Shows one workload. `output` is what the variable asks for, unless a flag
/// does.
pub fn run(args: &StatusArgs, ui: Ui, output: Option<OutputFormat>) -> Result<u8, CommandError> {
    let result = block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        if args.watch {
            watch(&target.place, snapshot, args, ui).await?;
            return Ok(0);
        }
        let about = describe(&target.place, &snapshot, args, ui).await?;
        let report = StatusReport {
            api_version: API_VERSION,
            kind: "WorkloadStatus",
            description: &about,
        };
        let text = match StatusFormat::chosen(args.output, output) {
            Some(StatusFormat::Json) => report::json(&report),
            // Plain data always serialises.
            Some(StatusFormat::Yaml) => {
                yaml::to_string(&serde_json::to_value(&report).unwrap_or_default())
            }
            None => status::text(&about, Timestamp::now(), ui),
        };
        ui.data(&text).map_err(cannot_write)?;
        Ok(match args.exit_status {
            true => exit_code(about.status),
            false => 0,
        })
    });
    target::connected(result, &args.named.connection)
}

/// What `--exit-status` says of a status.
fn exit_code(status: Status) -> u8 {
    match status {
        Status::Running | Status::Ready | Status::Succeeded => 0,
        Status::Failed => ErrorClass::Unclassified.exit_code(),
        Status::Pending
        | Status::Admitted
        | Status::Starting
        | Status::Degraded
        | Status::Suspended
        | Status::Preempted => ErrorClass::NotReady.exit_code(),
    }
}

async fn describe(
    place: &Reached,
    snapshot: &Snapshot,
    args: &StatusArgs,
    ui: Ui,
) -> Result<Description, CommandError> {
    let Reached {
        cluster, served, ..
    } = place;
    let mut surroundings = workload_details::read(cluster, served, snapshot).await?;
    let holds_gpus = |pod: &Pod| pod.gpus() > 0 && pod.node().is_some() && !pod.has_ended();
    if snapshot.pods().iter().any(holds_gpus) {
        let choice = top::choice(args.prometheus.as_deref())?;
        let namespace = &snapshot.workload.metadata.namespace;
        match prometheus::usage(cluster, choice.as_ref(), namespace).await {
            Ok(usage) => surroundings.usage = usage,
            // Once is enough.
            Err(_) if args.watch => {}
            // Most users may not look, and many clusters have none: that is not
            // worth a line below every status.
            Err(error @ (PrometheusError::NotAllowed | PrometheusError::NotFound)) => {
                ui.detail(format!("what its GPUs do is not known: {error}"));
            }
            Err(error) => ui.status(format!("what its GPUs do is not known: {error}")),
        }
    }
    let mut about = Description::new(snapshot, surroundings);
    for command in &mut about.next {
        *command = command_line::with_connection(command, &args.named.connection);
    }
    Ok(about)
}

/// Draws the workload until it is gone; in a pipe, once for each change.
async fn watch(
    place: &Reached,
    mut last: Snapshot,
    args: &StatusArgs,
    ui: Ui,
) -> Result<(), CommandError> {
    let changed = Notify::new();
    let mut pulse = ChangeWatcher::new(&place.cluster, &changed);
    snapshot::watch(&mut pulse, &place.served, &last);
    let is_drawn = ui.data_height().is_some();
    let mut live = Live::default();
    let mut told = None;
    loop {
        let about = describe(place, &last, args, ui).await?;
        let text = status::text(&about, Timestamp::now(), ui);
        let goes_on = match is_drawn {
            true => live.draw(&text, ui),
            false if told.as_ref() == Some(&about) => Ok(true),
            false => ui.stream(&format!("{text}\n")),
        };
        if !goes_on.map_err(cannot_write)? {
            return Ok(());
        }
        told = Some(about);
        pulse.next(TICK).await;
        match snapshot::read_snapshot_again(&place.cluster, &place.served, &last.workload).await? {
            Some(now) => last = now,
            None => {
                ui.status(format!("{} is gone", last.workload.display_name()));
                return Ok(());
            }
        }
    }
}

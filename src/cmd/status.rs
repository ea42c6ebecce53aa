//! `kaiwo status`.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::api::pod::Pod;
use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::cluster::read::prometheus::PrometheusError;
use crate::cluster::read::snapshot::{Seen, SnapshotStream};
use crate::cluster::read::watch::Outage;
use crate::cluster::read::{prometheus, workload_details};
use crate::error::{CommandError, ErrorClass};
use crate::observe::description::{Description, WorkloadDetails};
use crate::observe::{Snapshot, Status};
use crate::settings::Format;
use crate::ui::live::LiveView;
use crate::ui::report::{API_VERSION, words};
use crate::ui::{Ui, status};

use super::help::cannot_write;
use super::target::{FoundWorkload, Reached};
use super::{block_on, top};

/// Ages are drawn anew, and things looked up again, this often.
const TICK: Duration = Duration::from_secs(5);

/// A workload in full, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    description: &'a Description,
    /// Commands that go on from here.
    next: Vec<String>,
    /// The words of each.
    commands: Vec<Vec<String>>,
}

/// Shows one workload. `output` is what the variable asks for, unless a flag
/// does.
pub fn run(args: &StatusArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        if args.watch {
            watch(&target.place, snapshot, args, ui).await?;
            return Ok(0);
        }
        let Reached {
            cluster, served, ..
        } = &target.place;
        let surroundings = workload_details::read(cluster, served, &snapshot).await?;
        let about = describe(&target.place, &snapshot, surroundings, args, ui).await?;
        let connection = ui.connection();
        let report = StatusReport {
            api_version: API_VERSION,
            kind: "WorkloadStatus",
            description: &about,
            next: about
                .next
                .iter()
                .map(|next| next.line(connection))
                .collect(),
            commands: words(&about.next, connection),
        };
        ui.show(&report, args.output.or(output), || {
            status::text(&about, Timestamp::now(), ui)
        })
        .map_err(cannot_write)?;
        Ok(match args.exit_status {
            true => exit_code(about.status),
            false => 0,
        })
    })
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
    mut surroundings: WorkloadDetails,
    args: &StatusArgs,
    ui: Ui,
) -> Result<Description, CommandError> {
    let holds_gpus = |pod: &Pod| pod.gpus() > 0 && pod.node().is_some() && !pod.has_ended();
    if snapshot.pods().iter().any(holds_gpus) {
        let choice = top::choice(args.prometheus.as_deref())?;
        let namespace = &snapshot.workload.metadata.namespace;
        match prometheus::usage(&place.cluster, choice.as_ref(), namespace).await {
            Ok(usage) => surroundings.usage = usage,
            // Once is enough.
            Err(_) if args.watch => {}
            // Most users may not look, and many clusters have none: that is not
            // worth a line below every status.
            Err(error @ (PrometheusError::NotAllowed | PrometheusError::NotFound)) => {
                ui.detail(format!("GPU utilization is unknown: {error}"));
            }
            Err(error) => ui.status(format!("GPU utilization is unknown: {error}")),
        }
    }
    Ok(Description::new(snapshot, surroundings))
}

/// Draws the workload until it is gone; in a pipe, once for each change.
async fn watch(
    place: &Reached,
    first: Snapshot,
    args: &StatusArgs,
    ui: Ui,
) -> Result<(), CommandError> {
    let name = first.workload.display_name();
    let mut stream = SnapshotStream::beginning_with(&place.cluster, &place.served, first);
    let mut live = LiveView::new(ui);
    let mut about: Option<Description> = None;
    loop {
        let surroundings = async |cluster: &Cluster, snapshot: &Snapshot| {
            workload_details::read(cluster, &place.served, snapshot).await
        };
        let mut is_new = live.is_drawn();
        match stream.next(TICK, surroundings).await? {
            Seen::Now(snapshot, surroundings) => {
                let now = describe(place, &snapshot, surroundings, args, ui).await?;
                is_new |= about.as_ref() != Some(&now);
                about = Some(now);
            }
            Seen::Gone => {
                ui.status(format!("→ {name} was deleted"));
                return Ok(());
            }
            Seen::Outage(outage) => live.note(&outage, outage == Outage::Ends),
        }
        if let Some(about) = about.as_ref().filter(|_| is_new) {
            let mut text = status::text(about, Timestamp::now(), ui);
            if !live.is_drawn() {
                text.push('\n');
            }
            if !live.draw(&text).map_err(cannot_write)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(StatusReport<'static> => "WorkloadStatus");

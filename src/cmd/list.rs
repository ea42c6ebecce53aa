//! `kaiwo list`.

use k8s_openapi::jiff::Timestamp;

use crate::cli::ListArgs;
use crate::cluster::existing;
use crate::cluster::pages::{Pages, Selection};
use crate::error::CommandError;
use crate::k8s::{APP_MANAGED_BY_LABEL, MANAGER};
use crate::observe::{Workload, status};
use crate::plan::name::WorkloadKind;
use crate::ui::table::{Cell, Column};
use crate::ui::{Ui, span};

use super::block_on;
use super::help::cannot_write;
use super::target::{self, Place};

const COLUMNS: [Column; 7] = [
    Column::words("NAME"),
    Column::words("KIND"),
    Column::words("STATUS"),
    Column::words("QUEUE"),
    Column::numbers("GPUS"),
    Column::sentences("REASON"),
    Column::words("AGE"),
];

/// Lists workloads.
pub fn run(args: &ListArgs, ui: Ui) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_deref())?,
    };
    let result = block_on(async {
        let place = Place::reach(&args.connection, namespace, ui).await?;
        list(&place, ui).await
    });
    target::connected(result, &args.connection)
}

async fn list(place: &Place, ui: Ui) -> Result<(), CommandError> {
    let now = Timestamp::now();
    let mut table = ui.table(&COLUMNS);
    let made_here = Selection::labels(format!("{APP_MANAGED_BY_LABEL}={MANAGER}"));
    for kind in WorkloadKind::ALL {
        let Some(version) = place.served.version(kind) else {
            continue;
        };
        let resource = existing::resource(kind, version);
        let mut pages = Pages::new(&place.cluster, &resource, &place.namespace, &made_here);
        while let Some(page) = pages.next_workloads(kind, version).await? {
            let rows: Vec<Vec<Cell>> = page
                .iter()
                .filter(|workload| workload.metadata.owner_references.is_empty())
                .map(|workload| row(workload, now))
                .collect();
            if !rows.is_empty() && !ui.stream(&table.lines(&rows)).map_err(cannot_write)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn row(workload: &Workload, now: Timestamp) -> Vec<Cell> {
    let standing = status::standing(workload, &[], &[]);
    let metadata = &workload.metadata;
    let age = metadata
        .creation_timestamp
        .map_or(0, |created| now.as_second() - created.as_second());
    vec![
        metadata.name.as_str().into(),
        workload.kind.name().into(),
        standing.status.name().into(),
        workload.queue().unwrap_or_default().into(),
        workload
            .gpus()
            .map(|gpus| gpus.to_string())
            .unwrap_or_default()
            .into(),
        standing.reason.into(),
        span::human(age).into(),
    ]
}

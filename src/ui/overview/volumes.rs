//! Claims, as a table and for programs.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::observe::storage::volumes::ClaimLine;
use crate::ui::Ui;
use crate::ui::report::API_VERSION;
use crate::ui::span;
use crate::ui::table::{Cell, Column, Tone};

/// Claims for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: &'a [ClaimLine],
}

impl<'a> VolumeReport<'a> {
    /// Reports claims.
    pub fn new(items: &'a [ClaimLine]) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "VolumeList",
            items,
        }
    }

    /// Returns their names, as `kubectl -o name` writes them.
    pub fn names(&self) -> String {
        let names = self.items.iter();
        names
            .map(|claim| format!("persistentvolumeclaim/{}\n", claim.name))
            .collect()
    }

    /// Returns them for people; `wide` has more columns.
    pub fn text(&self, namespaces: bool, wide: bool, now: Timestamp, ui: Ui) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        let mut columns = Vec::new();
        columns.extend(namespaces.then_some(Column::words("NAMESPACE")));
        columns.extend([
            Column::words("NAME"),
            Column::words("STATUS"),
            Column::numbers("SIZE"),
            Column::words("CLASS").goes(3),
            Column::words("MODES").goes(4),
            Column::words("WORKLOAD").goes(1),
            Column::sentences("MOUNTED BY"),
            Column::words("AGE").goes(2),
        ]);
        columns.extend(wide.then_some(Column::words("VOLUME")));
        let rows = self.items.iter().map(|claim| {
            let mut cells: Vec<Cell> = Vec::new();
            if namespaces {
                cells.push(claim.namespace.as_str().into());
            }
            let tone = match claim.phase.as_str() {
                "Bound" => Tone::Good,
                "Pending" | "Terminating" => Tone::Busy,
                _ => Tone::Bad,
            };
            let size = claim.size.as_ref().map(ToString::to_string);
            let pods = claim.mounted_by.as_deref().unwrap_or_default();
            let age = claim
                .created_at
                .map(|created| span::human(now.as_second() - created.as_second()));
            cells.extend([
                claim.name.as_str().into(),
                Cell::new(claim.phase.as_str(), tone),
                size.unwrap_or_default().into(),
                claim.storage_class.as_deref().unwrap_or_default().into(),
                claim.modes().into(),
                claim.workload.as_deref().unwrap_or_default().into(),
                pods.join(", ").into(),
                age.unwrap_or_default().into(),
            ]);
            if wide {
                cells.push(claim.volume.as_str().into());
            }
            cells
        });
        let mut table = ui.table(&columns);
        table.lines(&rows.collect::<Vec<_>>())
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(VolumeReport<'static> => "VolumeList");

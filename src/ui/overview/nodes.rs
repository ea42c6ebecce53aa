//! Nodes, as a table and for programs.

use serde::Serialize;

use crate::observe::nodes::{Amount, NodeLine};
use crate::ui::Ui;
use crate::ui::report::API_VERSION;
use crate::ui::table::{Cell, Column, Tone};

/// Nodes for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    api_version: &'static str,
    kind: &'static str,
    nodes: Vec<NodeLine>,
}

impl NodeReport {
    /// Reports nodes.
    pub fn new(nodes: Vec<NodeLine>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "NodeList",
            nodes,
        }
    }

    /// Returns it for people; with `holders`, below each who holds its GPUs.
    pub fn text(&self, holders: bool, ui: Ui) -> String {
        if self.nodes.is_empty() {
            return String::new();
        }
        let columns = [
            Column::words("NODE"),
            Column::words("MACHINE").goes(5),
            Column::words("RESOURCE").goes(4),
            Column::numbers("GPUS"),
            Column::numbers("FREE"),
            Column::numbers("CPU FREE").goes(2),
            Column::numbers("MEMORY FREE").goes(3),
            Column::sentences("BLOCKED BY").goes(1),
        ];
        let rows: Vec<Vec<Cell>> = self.nodes.iter().map(cells).collect();
        let mut text = ui.table(&columns).lines(&rows);
        if holders {
            let held = self.nodes.iter().flat_map(|node| &node.holders);
            let rows: Vec<Vec<Cell>> = held
                .map(|one| vec![one.pod.as_str().into(), one.gpus.to_string().into()])
                .collect();
            if !rows.is_empty() {
                text += "\n";
                let columns = [Column::words("HELD BY"), Column::numbers("GPUS")];
                text += &ui.table(&columns).lines(&rows);
            }
        }
        text
    }
}

fn cells(node: &NodeLine) -> Vec<Cell> {
    let free = |amount: &Amount| {
        let free = amount.free.map(|free| free.shown(&amount.resource));
        free.unwrap_or_default()
    };
    let gpus = node.gpus.as_ref();
    let tone = match gpus.and_then(|gpus| gpus.free) {
        Some(free) if free.whole() == 0 => Tone::Busy,
        Some(_) => Tone::Good,
        None => Tone::Plain,
    };
    vec![
        node.name.as_str().into(),
        node.machine.as_deref().unwrap_or_default().into(),
        gpus.map_or("", |gpus| gpus.resource.as_str()).into(),
        gpus.map_or(String::new(), |gpus| gpus.total.whole().to_string())
            .into(),
        Cell::new(gpus.map_or(String::new(), free), tone),
        free(&node.cpu).into(),
        free(&node.memory).into(),
        node.closed.join(", ").into(),
    ]
}

#[cfg(test)]
crate::schema::testing::report_schemas!(NodeReport => "NodeList");

//! Workloads as a table, and for programs: page by page, as they come.

use std::io;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::document::ItemList;
use super::table::{Cell, Column, Table, Tone};
use super::{Ui, span};
use crate::kind::WorkloadKind;
use crate::observe::log::progress::Progress;
use crate::observe::snapshot::Position;
use crate::observe::{Listed, Status, kind};
use crate::settings::Format;

/// Cells of a bar that shows how far a job is.
pub(super) const BAR: usize = 10;

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The form that was asked for; a table, if none was.
    pub format: Option<Format>,
    /// Whether a table says which namespace.
    pub namespaces: bool,
    /// Whether a table says how far jobs are.
    pub progress: bool,
    /// Whether a table has KAITO's columns: it lists nothing but Workspaces.
    pub kaito: bool,
}

impl Form {
    /// Returns whether it shows nodes and ClusterQueues.
    pub fn is_full(self) -> bool {
        self.is_wide() || self.is_document()
    }

    fn is_wide(self) -> bool {
        self.format == Some(Format::Wide)
    }

    /// Returns whether its rows stand in columns.
    pub fn is_table(self) -> bool {
        self.format.is_none() || self.is_wide()
    }

    /// Returns whether programs read it.
    pub fn is_document(self) -> bool {
        self.format.is_some_and(Format::is_document)
    }

    /// Writes a part of a listing, and returns whether anybody still reads it.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn write(self, ui: Ui, text: &str) -> io::Result<bool> {
        match self.is_table() {
            true => ui.pages(text),
            false => ui.stream(text),
        }
    }
}

/// A listing that is being written.
#[derive(Debug)]
pub struct ListWriter {
    form: Form,
    table: Table,
    /// Cells of a bar; none in a pipe.
    bar: usize,
    items: ItemList,
    rows: usize,
}

/// A workload for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    api_version: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    nodes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'a Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

/// What the parts that a listing writes are together.
#[cfg(test)]
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WorkloadList<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item<'a>>,
}

impl<'a> Item<'a> {
    fn new(row: &'a Listed) -> Self {
        let workload = &row.workload;
        let metadata = &workload.metadata;
        Self {
            api_version: workload.object_version(),
            kind: workload.kind_name(),
            namespace: &metadata.namespace,
            name: workload.name(),
            status: row.standing.status,
            reason: &row.standing.reason,
            queue: workload.queue(),
            cluster_queue: row.cluster_queue.as_deref(),
            position: row.position,
            gpus: workload.gpus(),
            user: workload.user(),
            version: workload.version(),
            nodes: &row.nodes,
            cluster: row.cluster.as_deref(),
            progress: row.progress.as_ref(),
            created_at: metadata.creation_timestamp.map(|time| time.to_string()),
        }
    }
}

/// Returns how a status looks.
pub fn tone(status: Status) -> Tone {
    match status {
        Status::Running | Status::Ready => Tone::Good,
        Status::Pending | Status::Admitted | Status::Starting | Status::Preempted => Tone::Busy,
        Status::Failed | Status::Degraded => Tone::Bad,
        Status::Succeeded | Status::Suspended => Tone::Faint,
    }
}

impl ListWriter {
    /// Begins a listing in this form.
    pub fn new(form: Form, ui: Ui) -> Self {
        let columns = match form.is_table() {
            true => columns(form),
            false => Vec::new(),
        };
        Self {
            form,
            table: ui.table(&columns),
            bar: ui.data_width().map_or(0, |_| BAR),
            items: ItemList::new(form.format),
            rows: 0,
        }
    }

    /// Returns how many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Says that no rows follow the next ones.
    pub fn is_all(&mut self) {
        self.table.is_all();
    }

    /// Returns the text of the next rows.
    pub fn page(&mut self, rows: &[Listed], now: Timestamp) -> String {
        let mut text = String::new();
        if rows.is_empty() {
            return text;
        }
        let form = self.form;
        if form.is_table() {
            let cells: Vec<Vec<Cell>> = rows
                .iter()
                .map(|row| cells(row, now, form, self.bar))
                .collect();
            text = self.table.lines(&cells);
        } else if form.is_document() {
            for row in rows {
                text += &self.items.item(&Item::new(row));
            }
        } else {
            for row in rows {
                text += &row.workload.qualified_name();
                text.push('\n');
            }
        }
        self.rows += rows.len();
        text
    }

    /// Returns what stands before the first row.
    pub fn head(&self) -> String {
        self.items.head("WorkloadList")
    }

    /// Returns what stands after the last row.
    pub fn tail(&self) -> &'static str {
        self.items.tail()
    }
}

fn columns(form: Form) -> Vec<Column> {
    let mut columns = Vec::new();
    columns.extend(form.namespaces.then_some(Column::words("NAMESPACE")));
    columns.extend([
        Column::words("NAME"),
        Column::words("KIND")
            .goes(3)
            .with_room_for(WorkloadKind::ALL.map(WorkloadKind::name)),
        Column::words("STATUS").with_room_for(Status::ALL.iter().map(|status| status.name())),
    ]);
    columns.extend(form.progress.then_some(Column::words("PROGRESS")));
    columns.extend([
        Column::words("QUEUE").goes(6),
        Column::numbers("POS").goes(2),
        Column::numbers("GPUS").goes(4),
        Column::words("USER").goes(7),
        Column::sentences("REASON").goes(5),
        Column::words("AGE").goes(1),
    ]);
    if form.kaito {
        // As `kubectl get workspace` calls them.
        columns.extend(
            [
                "INSTANCE",
                "RESOURCEREADY",
                "INFERENCEREADY",
                "WORKSPACEREADY",
            ]
            .map(Column::words),
        );
    }
    if form.is_wide() {
        columns.extend(["CLUSTERQUEUE", "VERSION", "NODES", "CLUSTER"].map(Column::words));
    }
    columns
}

fn cells(row: &Listed, now: Timestamp, form: Form, bar: usize) -> Vec<Cell> {
    let workload = &row.workload;
    let metadata = &workload.metadata;
    let age = metadata
        .creation_timestamp
        .map_or_else(String::new, |created| {
            span::human(now.as_second() - created.as_second())
        });
    let number = |number: Option<i64>| number.map_or_else(String::new, |it| it.to_string());
    let status = row.standing.status;
    let mut cells: Vec<Cell> = Vec::with_capacity(16);
    if form.namespaces {
        cells.push(metadata.namespace.as_str().into());
    }
    cells.extend([
        workload.name().into(),
        workload.kind_name().into(),
        Cell::new(status.name(), tone(status)),
    ]);
    if form.progress {
        let progress = row.progress.as_ref();
        let text = progress.map_or_else(String::new, |progress| progress.text(bar));
        cells.push(text.into());
    }
    cells.extend([
        workload.queue().unwrap_or_default().into(),
        number(row.position.map(|position| position.place)).into(),
        number(workload.gpus()).into(),
        workload.user().unwrap_or_default().into(),
        row.standing.reason.as_str().into(),
        age.into(),
    ]);
    if form.kaito {
        let progress = kind::workspace_progress(workload.conditions());
        cells.push(workload.machine().unwrap_or_default().into());
        cells.extend(progress.map(Cell::from));
    }
    if form.is_wide() {
        cells.extend([
            row.cluster_queue.as_deref().unwrap_or_default().into(),
            workload.version().unwrap_or_default().into(),
            row.nodes.join(",").into(),
            row.cluster.as_deref().unwrap_or_default().into(),
        ]);
    }
    cells
}

#[cfg(test)]
crate::schema::testing::report_schemas!(WorkloadList<'static> => "WorkloadList");

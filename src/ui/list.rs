//! Workloads as a table, and for programs: page by page, as they come.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::report::API_VERSION;
use super::table::{Cell, Column, Table, Tone};
use super::{Ui, span};
use crate::kind::WorkloadKind;
use crate::observe::snapshot::Position;
use crate::observe::{Listed, Status, kind};
use crate::yaml;

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Table {
        /// Whether it says which namespace.
        namespaces: bool,
        /// Whether it has more columns.
        wide: bool,
        /// Whether it has KAITO's columns: it lists nothing but Workspaces.
        kaito: bool,
    },
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// Names, one to a line.
    Name,
}

impl Form {
    /// Returns whether it shows nodes and ClusterQueues.
    pub fn is_full(self) -> bool {
        !matches!(self, Self::Table { wide: false, .. } | Self::Name)
    }

    /// Returns whether its rows stand in columns.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table { .. })
    }

    /// Returns whether programs read it.
    pub fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }
}

/// A listing that is being written.
#[derive(Debug)]
pub struct Listing {
    form: Form,
    table: Table,
    rows: usize,
}

/// A workload for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    api_version: &'a str,
    kind: WorkloadKind,
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
    created_at: Option<String>,
}

impl<'a> Item<'a> {
    fn new(row: &'a Listed) -> Self {
        let workload = &row.workload;
        let metadata = &workload.metadata;
        Self {
            api_version: &workload.api_version,
            kind: workload.kind,
            namespace: &metadata.namespace,
            name: &metadata.name,
            status: row.standing.status,
            reason: &row.standing.reason,
            queue: workload.queue(),
            cluster_queue: row.cluster_queue.as_deref(),
            position: row.position,
            gpus: workload.gpus(),
            user: workload.user(),
            version: workload.version(),
            nodes: &row.nodes,
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

impl Listing {
    /// Begins a listing in this form.
    pub fn new(form: Form, ui: Ui) -> Self {
        let columns = match form {
            Form::Table {
                namespaces,
                wide,
                kaito,
            } => columns(namespaces, wide, kaito),
            _ => Vec::new(),
        };
        Self {
            form,
            table: ui.table(&columns),
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
        match self.form {
            Form::Table {
                namespaces,
                wide,
                kaito,
            } => {
                let cells: Vec<Vec<Cell>> = rows
                    .iter()
                    .map(|row| cells(row, now, namespaces, wide, kaito))
                    .collect();
                text = self.table.lines(&cells);
            }
            Form::Name => {
                for row in rows {
                    text += &row.workload.qualified_name();
                    text.push('\n');
                }
            }
            Form::Json => {
                for (index, row) in rows.iter().enumerate() {
                    text += match self.rows + index {
                        0 => "",
                        _ => ",",
                    };
                    let item = serde_json::to_string_pretty(&Item::new(row));
                    // Plain data always serialises.
                    indented(&mut text, "\n    ", &item.unwrap_or_default());
                }
            }
            Form::Yaml => {
                for row in rows {
                    let item = serde_json::to_value(Item::new(row)).unwrap_or_default();
                    let item = yaml::to_string(&item);
                    for (index, line) in item.lines().enumerate() {
                        text += match (index, line) {
                            (0, _) => "- ",
                            (_, "") => "",
                            _ => "  ",
                        };
                        text += line;
                        text.push('\n');
                    }
                }
            }
        }
        self.rows += rows.len();
        text
    }

    /// Returns what stands before the first row.
    pub fn head(&self) -> String {
        match self.form {
            Form::Json => format!(
                "{{\n  \"apiVersion\": \"{API_VERSION}\",\n  \"kind\": \"WorkloadList\",\n  \"items\": ["
            ),
            Form::Yaml => format!("apiVersion: {API_VERSION}\nkind: WorkloadList\nitems:\n"),
            _ => String::new(),
        }
    }

    /// Returns what stands after the last row.
    pub fn tail(&self) -> String {
        match (self.form, self.rows) {
            (Form::Json, 0) => "]\n}\n".to_owned(),
            (Form::Json, _) => "\n  ]\n}\n".to_owned(),
            // Below `items:`, as the value of it.
            (Form::Yaml, 0) => "  []\n".to_owned(),
            _ => String::new(),
        }
    }
}

fn indented(text: &mut String, before: &str, lines: &str) {
    for line in lines.lines() {
        *text += before;
        *text += line;
    }
}

fn columns(namespaces: bool, wide: bool, kaito: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    columns.extend(namespaces.then_some(Column::words("NAMESPACE")));
    columns.extend([
        Column::words("NAME"),
        Column::words("KIND").with_room_for(WorkloadKind::ALL.map(WorkloadKind::name)),
        Column::words("STATUS").with_room_for(Status::ALL.iter().map(|status| status.name())),
        Column::words("QUEUE"),
        Column::numbers("POS"),
        Column::numbers("GPUS"),
        Column::words("USER"),
        Column::sentences("REASON"),
        Column::words("AGE"),
    ]);
    if kaito {
        // As `kubectl get workspace` calls them.
        columns.extend(["RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY"].map(Column::words));
    }
    if wide {
        columns.extend(["CLUSTERQUEUE", "VERSION", "NODES"].map(Column::words));
    }
    columns
}

fn cells(row: &Listed, now: Timestamp, namespaces: bool, wide: bool, kaito: bool) -> Vec<Cell> {
    let workload = &row.workload;
    let metadata = &workload.metadata;
    let age = metadata
        .creation_timestamp
        .map_or_else(String::new, |created| {
            span::human(now.as_second() - created.as_second())
        });
    let number = |number: Option<i64>| number.map_or_else(String::new, |it| it.to_string());
    let status = row.standing.status;
    let mut cells: Vec<Cell> = Vec::with_capacity(15);
    if namespaces {
        cells.push(metadata.namespace.as_str().into());
    }
    cells.extend([
        metadata.name.as_str().into(),
        workload.kind.name().into(),
        Cell::new(status.name(), tone(status)),
        workload.queue().unwrap_or_default().into(),
        number(row.position.map(|position| position.place)).into(),
        number(workload.gpus()).into(),
        workload.user().unwrap_or_default().into(),
        row.standing.reason.as_str().into(),
        age.into(),
    ]);
    if kaito {
        let progress = kind::workspace_progress(workload.conditions());
        cells.extend(progress.map(Cell::from));
    }
    if wide {
        cells.extend([
            row.cluster_queue.as_deref().unwrap_or_default().into(),
            workload.version().unwrap_or_default().into(),
            row.nodes.join(",").into(),
        ]);
    }
    cells
}

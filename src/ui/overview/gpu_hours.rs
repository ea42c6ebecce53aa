//! GPU-hours, as a table, as CSV and for programs.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::observe::account::{Bound, By, Period, Source, Total};
use crate::ui::Ui;
use crate::ui::csv::csv;
use crate::ui::report::API_VERSION;
use crate::ui::table::{Cell, Column, Tone};

/// GPU-hours for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    api_version: &'static str,
    kind: &'static str,
    since: Timestamp,
    until: Timestamp,
    by: By,
    items: Vec<Total>,
    total: Total,
    /// Part of the period for which Prometheus has metrics, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
}

/// Titles of the columns of CSV.
const TITLES: [&str; 7] = [
    "by",
    "namespace",
    "name",
    "gpuHours",
    "bound",
    "workloads",
    "sources",
];

impl UsageReport {
    /// Reports totals.
    pub fn new(by: By, period: Period, items: Vec<Total>, coverage: Option<f64>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "Usage",
            since: period.from,
            until: period.to,
            by,
            total: Total::of_all(&items),
            items,
            coverage: coverage.map(|part| (part * 1000.0).round() / 1000.0),
        }
    }

    /// Returns it as CSV, without the sum.
    pub fn csv(&self) -> String {
        let rows = self.items.iter().map(|total| {
            let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let hours = serde_json::to_value(total.gpu_time).unwrap_or_default();
            let bound = serde_json::to_value(total.bound).unwrap_or_default();
            let count = total.workloads.map(|count| count.to_string());
            vec![
                self.by.word().to_owned(),
                total.namespace.clone().unwrap_or_default(),
                total.name.clone().unwrap_or_default(),
                hours.to_string(),
                word(bound),
                count.unwrap_or_default(),
                sources(total, "+"),
            ]
        });
        csv(&TITLES, rows)
    }

    /// Returns it for people.
    pub fn text(&self, ui: Ui) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        let mut items = self.items.iter();
        let namespaces = items.any(|total| total.namespace.is_some());
        let mut columns = Vec::new();
        columns.extend(namespaces.then_some(Column::words("NAMESPACE")));
        columns.push(Column::words(match self.by {
            By::User => "USER",
            By::Queue => "QUEUE",
            By::Namespace => "NAMESPACE",
        }));
        columns.push(Column::numbers("GPU-HOURS"));
        let counted = self.total.workloads.is_some();
        columns.extend(counted.then_some(Column::numbers("WORKLOADS")));
        columns.push(Column::words("FROM"));
        let row = |total: &Total, name: &str, tone: Tone| {
            let mut cells: Vec<Cell> = Vec::with_capacity(5);
            let namespace = total.namespace.as_deref().unwrap_or_default();
            cells.extend(namespaces.then(|| Cell::new(namespace, tone)));
            cells.push(Cell::new(name, tone));
            cells.push(Cell::new(total.gpu_time.text(), tone));
            let count = total.workloads.unwrap_or(0).to_string();
            cells.extend(counted.then(|| Cell::new(count, tone)));
            cells.push(Cell::new(sources(total, ", "), tone));
            cells
        };
        let items = self.items.iter();
        let mut rows: Vec<Vec<Cell>> = items
            .map(|total| {
                let name = total.name.as_deref().unwrap_or("(none)");
                row(total, name, Tone::Plain)
            })
            .collect();
        if self.items.len() > 1 {
            let name = if namespaces { "" } else { "total" };
            let mut cells = row(&self.total, name, Tone::Faint);
            if namespaces {
                cells[0] = Cell::new("total", Tone::Faint);
            }
            rows.push(cells);
        }
        let mut table = ui.table(&columns);
        table.is_all();
        table.lines(&rows)
    }

    /// Returns whether nothing ran.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns what the marks in the table mean.
    pub fn legend(&self) -> Vec<&'static str> {
        let has = |bound: Bound| self.items.iter().any(|total| total.bound == bound);
        let words = |source: Source| self.total.sources.contains(&source);
        let mut legend = Vec::new();
        if has(Bound::AtLeast) && words(Source::Jobs) {
            legend.push("≥ at least: of a Job without a Workload, only the last attempt is known");
        } else if has(Bound::AtLeast) {
            legend.push("≥ at least: earlier attempts may have had more GPUs, or more time");
        }
        if has(Bound::AtMost) {
            legend.push("≤ at most: pods that ended early are counted until their workload ended");
        }
        if has(Bound::About) && words(Source::Prometheus) {
            legend.push("≈ about: measured in steps of minutes");
        } else if has(Bound::About) {
            legend.push("≈ about: some count too little, some too much");
        }
        legend
    }
}

fn sources(total: &Total, between: &str) -> String {
    let words = total.sources.iter().map(|source| source.word());
    words.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
crate::schema::testing::report_schemas!(UsageReport => "Usage");

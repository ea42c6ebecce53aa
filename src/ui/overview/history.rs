//! What has ended, as a table, as CSV and for programs.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::observe::Status;
use crate::observe::account::{Account, Bound, GpuTime, Period, Source};
use crate::ui::Ui;
use crate::ui::csv::csv;
use crate::ui::list::tone;
use crate::ui::report::API_VERSION;
use crate::ui::span;
use crate::ui::table::{Cell, Column};

/// What has ended, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    since: Timestamp,
    until: Timestamp,
    items: Vec<Item<'a>>,
}

/// A workload that has ended.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ran_seconds: Option<i64>,
    attempts: i64,
    gpus: i64,
    #[serde(rename = "gpuHours")]
    gpu_time: GpuTime,
    /// Of what it ran and of its GPU-hours.
    bound: Bound,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    source: Source,
    #[serde(skip)]
    time_bound: Bound,
}

/// Titles of the columns of CSV, which are the fields of JSON.
const TITLES: [&str; 17] = [
    "kind",
    "namespace",
    "name",
    "status",
    "reason",
    "user",
    "queue",
    "createdAt",
    "endedAt",
    "waitedSeconds",
    "ranSeconds",
    "attempts",
    "gpus",
    "gpuHours",
    "bound",
    "exitCode",
    "source",
];

impl<'a> Item<'a> {
    fn new(account: &'a Account) -> Option<Self> {
        let outcome = account.outcome.as_ref()?;
        Some(Self {
            kind: &account.kind,
            namespace: &account.namespace,
            name: &account.name,
            status: outcome.status,
            reason: &outcome.reason,
            user: account.user.as_deref(),
            queue: account.queue.as_deref(),
            created_at: account.created_at,
            ended_at: account.ended_at,
            waited_seconds: account.waited,
            ran_seconds: account.ran,
            attempts: account.attempts,
            gpus: account.gpus,
            gpu_time: account.gpu_time,
            bound: account.bound().and(account.gpu_time.bound),
            exit_code: account.exit_code,
            source: account.source,
            time_bound: account.bound(),
        })
    }

    fn fields(&self) -> Vec<String> {
        // The words of programs are those of JSON.
        let value = serde_json::to_value(self).unwrap_or_default();
        let text = |title: &&str| match &value[*title] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        TITLES.iter().map(text).collect()
    }

    fn cells(&self, namespaces: bool, now: Timestamp) -> Vec<Cell> {
        let span = |mark: &str, seconds: Option<i64>| {
            seconds.map_or_else(String::new, |it| format!("{mark}{}", span::human(it)))
        };
        let (waited, ran) = match self.time_bound {
            Bound::Exact => ("", ""),
            // Attempts that are not known ran in the time that it seems to have waited.
            _ => (Bound::AtMost.mark(), Bound::AtLeast.mark()),
        };
        let ended = self.ended_at.map_or_else(String::new, |end| {
            span::human(now.as_second() - end.as_second()) + " ago"
        });
        let code = self.exit_code.map_or_else(String::new, |it| it.to_string());
        let mut cells: Vec<Cell> = Vec::with_capacity(13);
        if namespaces {
            cells.push(self.namespace.into());
        }
        cells.extend([
            self.name.into(),
            self.kind.into(),
            Cell::new(self.status.name(), tone(self.status)),
            ended.into(),
            span(waited, self.waited_seconds).into(),
            span(ran, self.ran_seconds).into(),
            self.attempts.to_string().into(),
            self.gpus.to_string().into(),
            code.into(),
            self.user.unwrap_or_default().into(),
            self.queue.unwrap_or_default().into(),
            self.reason.into(),
        ]);
        cells
    }
}

impl<'a> HistoryReport<'a> {
    /// Reports those of the accounts that have ended.
    pub fn new(accounts: &'a [Account], period: Period) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "History",
            since: period.from,
            until: period.to,
            items: accounts.iter().filter_map(Item::new).collect(),
        }
    }

    /// Returns it as CSV.
    pub fn csv(&self) -> String {
        csv(&TITLES, self.items.iter().map(Item::fields))
    }

    /// Returns it for people.
    pub fn text(&self, namespaces: bool, ui: Ui) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        let mut columns = Vec::new();
        columns.extend(namespaces.then_some(Column::words("NAMESPACE")));
        columns.extend([
            Column::words("NAME"),
            Column::words("KIND").goes(3),
            Column::words("STATUS"),
            Column::words("ENDED"),
            Column::numbers("WAITED").goes(2),
            Column::numbers("RAN"),
            Column::numbers("TRIES").goes(4),
            Column::numbers("GPUS").goes(1),
            Column::numbers("EXIT"),
            Column::words("USER").goes(6),
            Column::words("QUEUE").goes(7),
            Column::sentences("REASON").goes(5),
        ]);
        let rows = self.items.iter();
        let rows: Vec<_> = rows
            .map(|item| item.cells(namespaces, self.until))
            .collect();
        let mut table = ui.table(&columns);
        table.is_all();
        table.lines(&rows)
    }

    /// Returns whether some are marked because only their last attempt is known.
    pub fn is_partial(&self) -> bool {
        let mut items = self.items.iter();
        items.any(|item| item.time_bound != Bound::Exact)
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(HistoryReport<'static> => "History");

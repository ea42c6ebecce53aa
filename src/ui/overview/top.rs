//! Shows what GPUs do, pod by pod.

use serde::Serialize;

use crate::observe::gpu_metrics::PodUsage;
use crate::ui::Ui;
use crate::ui::report::API_VERSION;
use crate::ui::table::{Cell, Column, Tone};

/// What GPUs do, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'a str,
    pods: Vec<Line>,
}

/// A pod with GPUs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The workload it belongs to.
    pub workload: String,
    /// Its name.
    #[serde(rename = "name")]
    pub pod: String,
    /// Where it runs.
    pub node: String,
    /// GPUs that it has.
    pub gpus: i64,
    /// What they do, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<PodUsage>,
}

impl<'a> TopReport<'a> {
    /// Reports pods.
    pub fn new(namespace: &'a str, pods: Vec<Line>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "GpuUse",
            namespace,
            pods,
        }
    }

    /// Returns it for people.
    pub fn text(&self, ui: Ui) -> String {
        if self.pods.is_empty() {
            return String::new();
        }
        let columns = [
            Column::words("WORKLOAD"),
            Column::words("POD"),
            Column::words("NODE"),
            Column::numbers("GPUS"),
            Column::numbers("UTIL"),
            Column::numbers("10M"),
            Column::numbers("MEMORY"),
            Column::words("IDLE"),
        ];
        let rows = self.pods.iter().map(|pod| {
            let idle = pod.usage.as_ref().is_some_and(|usage| usage.idle);
            let [now, mean, memory] = cells(pod.usage.as_ref());
            vec![
                Cell::from(pod.workload.as_str()),
                pod.pod.as_str().into(),
                pod.node.as_str().into(),
                pod.gpus.to_string().into(),
                now,
                mean,
                memory,
                Cell::new(if idle { "idle" } else { "" }, Tone::Bad),
            ]
        });
        ui.table(&columns).lines(&rows.collect::<Vec<_>>())
    }
}

/// Returns what the GPUs of a pod do: now, over ten minutes, and their memory.
pub fn cells(usage: Option<&PodUsage>) -> [Cell; 3] {
    let Some(usage) = usage else {
        return ["", "", ""].map(Cell::from);
    };
    let percent = |percent: f64| format!("{percent:.0}%");
    let memory = match usage.memory_size {
        0 => String::new(),
        size => format!(
            "{} of {}",
            crate::ui::bytes(usage.memory_used),
            crate::ui::bytes(size)
        ),
    };
    let tone = match usage.idle {
        true => Tone::Bad,
        false => Tone::Plain,
    };
    [
        Cell::new(percent(usage.utilization), tone),
        Cell::new(
            usage.over_ten_minutes.map_or_else(String::new, percent),
            tone,
        ),
        memory.into(),
    ]
}

#[cfg(test)]
crate::schema::testing::report_schemas!(TopReport<'static> => "GpuUse");

//! What is told about a submission, to people and to programs.

use serde::Serialize;

use crate::error::CommandError;
use crate::plan::Plan;
use crate::plan::quantity::Quantity;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::DryRun;

/// Version of the JSON that kaiwo writes.
pub const API_VERSION: &str = "kaiwo/v1";

/// Returns the line that says what will run and when.
pub fn forecast(plan: &Plan) -> String {
    let request = &plan.request;
    let layout = plan.layout;
    let mut parts = Vec::new();
    match &plan.gpu_resource {
        Some(resource) => {
            let unit = if layout.total() == 1 { "GPU" } else { "GPUs" };
            parts.push(format!("{} {unit} = {layout} {resource}", layout.total()));
        }
        None => {
            let pods = if layout.replicas == 1 {
                String::new()
            } else {
                format!("{} pods of ", layout.replicas)
            };
            parts.push(format!(
                "no GPUs, {pods}{} CPU and {}",
                plan.worker.cpu, plan.worker.memory
            ));
        }
    }
    if !plan.node_selector.is_empty() {
        let labels: Vec<String> = plan
            .node_selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        parts.push(format!("on nodes with {}", labels.join(", ")));
    }
    if let Some(forecast) = &plan.forecast {
        let what = if plan.gpu_resource.is_some() {
            ""
        } else {
            " CPU"
        };
        parts.push(format!(
            "{} of {}{what} free",
            forecast.free, forecast.nominal
        ));
        parts.push(waiting(
            forecast.starts_now(),
            forecast.ahead,
            forecast.demand - forecast.free,
        ));
    }
    format!(
        "{} {}: {}",
        request.kind.name(),
        request.name,
        parts.join(" · ")
    )
}

fn waiting(now: bool, ahead: i64, lacking: Quantity) -> String {
    if now {
        return "starts now".to_owned();
    }
    let mut parts = Vec::new();
    if ahead > 0 {
        parts.push(format!("{ahead} ahead"));
    }
    if lacking > Quantity::default() {
        parts.push(format!("needs {lacking} more"));
    }
    parts.join(", ")
}

/// How a submission ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The workload was created.
    Created,
    /// It was there already, the same.
    Unchanged,
    /// Another one of its name was deleted first.
    Replaced,
    /// Nothing was created: a dry run.
    DryRun,
}

/// Returns the lines that say how a submission ended and what to do next.
pub fn created(outcome: Outcome, plan: &Plan, manifests: &ManifestSet) -> Vec<String> {
    let workload = manifests.workload.display_name();
    let namespace = &plan.request.namespace;
    let verb = match outcome {
        Outcome::Created => "created",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
        Outcome::DryRun => "dry run",
    };
    let mut made = Vec::new();
    if outcome != Outcome::Unchanged {
        if let Some(namespace) = &manifests.namespace {
            made.push(namespace.display_name());
        }
        if let Some(queue) = &manifests.local_queue {
            made.push(queue.display_name());
        }
        match manifests.uploads.len() {
            0 => {}
            1 => made.push("1 upload".to_owned()),
            count => made.push(format!("{count} uploads")),
        }
    }
    let with = if made.is_empty() {
        String::new()
    } else {
        format!(", with {}", made.join(", "))
    };
    vec![
        format!("{workload} {verb}{with}"),
        format!("  follow it: kubectl -n {namespace} get {workload} --watch"),
        format!("  remove it: kubectl -n {namespace} delete {workload}"),
    ]
}

/// The report of a submission for programs (`-o json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    /// How it ended.
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<DryRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    namespace: &'a str,
    queue: &'a str,
    workload: ObjectName<'a>,
    gpus: Gpus<'a>,
    /// Everything that belongs to the submission, in order of creation.
    objects: Vec<&'a Manifest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectName<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gpus<'a> {
    total: i64,
    replicas: i64,
    per_replica: i64,
    resource: Option<&'a str>,
}

impl<'a> SubmitReport<'a> {
    /// Reports how the submission of `plan` ended.
    pub fn new(
        outcome: Outcome,
        dry_run: DryRun,
        context: Option<&'a str>,
        plan: &'a Plan,
        manifests: &'a ManifestSet,
    ) -> Self {
        let workload = &manifests.workload;
        Self {
            api_version: API_VERSION,
            kind: "SubmitReport",
            outcome,
            dry_run: (dry_run != DryRun::None).then_some(dry_run),
            context,
            namespace: &plan.request.namespace,
            queue: &plan.local_queue,
            workload: ObjectName {
                api_version: workload.api_version(),
                kind: workload.kind(),
                name: workload.name(),
            },
            gpus: Gpus {
                total: plan.layout.total(),
                replicas: plan.layout.replicas,
                per_replica: plan.layout.gpus_per_replica,
                resource: plan.gpu_resource.as_deref(),
            },
            objects: manifests.iter().collect(),
        }
    }
}

/// An error for programs (`-o json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    api_version: &'static str,
    kind: &'static str,
    /// Exit code.
    code: u8,
    /// Word for the code.
    class: &'static str,
    message: String,
    causes: Vec<String>,
    /// What mends it, best first, a line each.
    hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
}

impl ErrorReport {
    /// Reports `error`.
    pub fn new(error: &CommandError) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "Error",
            code: error.class.exit_code(),
            class: error.class.name(),
            message: error.error.to_string(),
            causes: error.causes(),
            hint: error.hints.join("\n"),
            object: error.object.clone(),
        }
    }
}

/// Returns `value` as JSON for stdout.
pub fn json<T: Serialize>(value: &T) -> String {
    // Plain data always serialises.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

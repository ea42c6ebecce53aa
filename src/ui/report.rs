//! Reports a submission, to people and to programs.

use serde::Serialize;

use crate::api::vendor::is_gpu_resource;
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::plan::kueue::forecast::{Forecast, Lack};
use crate::plan::request::WorkloadRequest;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::DryRun;

/// Version of the JSON that kaiwo writes.
pub const API_VERSION: &str = "kaiwo/v1";

/// Returns the line that says what will run and when.
pub fn forecast(plan: &Plan) -> String {
    let request = &plan.request;
    let mut parts = vec![model_or_resources(plan)];
    parts.extend(replicas(plan));
    parts.extend(nodes(plan));
    if let Some(schedule) = &request.schedule {
        parts.push(format!("at {}", schedule.as_str()));
    }
    if let Some(forecast) = &plan.forecast {
        parts.extend(quota(plan, forecast));
        if request.schedule.is_none() {
            parts.push(waiting(forecast));
        }
    }
    format!(
        "{} {}: {}",
        request.kind.name(),
        request.name,
        parts.join(" · ")
    )
}

fn model_or_resources(plan: &Plan) -> String {
    let (serving, layout) = (&plan.request.serving, plan.layout);
    if let Some(model) = &serving.model {
        return match &serving.kaito.tuning {
            Some(tuning) => format!("tunes {model} by {}", tuning.method),
            None => format!("model {model}"),
        };
    }
    if let Some(resource) = &plan.gpu_resource {
        let total = layout.total();
        let unit = if total == 1 { "GPU" } else { "GPUs" };
        let most = serving.autoscale.map_or("", |_| "up to ");
        return format!("{most}{total} {unit} = {layout} {resource}");
    }
    let pods = match (layout.replicas, serving.autoscale) {
        // Their number comes after it.
        (_, Some(_)) => "pods of ".to_owned(),
        (1, None) => String::new(),
        (count, None) => format!("{count} pods of "),
    };
    let worker = plan.worker;
    format!("no GPUs, {pods}{} CPU and {}", worker.cpu, worker.memory)
}

/// Returns how many there are of what can be there several times.
fn replicas(plan: &Plan) -> Vec<String> {
    let (kind, count) = (plan.request.kind, plan.layout.replicas);
    let scaled = plan.request.serving.autoscale.map(|scale| {
        let pods = if kind.is_ray() { "workers" } else { "pods" };
        format!("{} to {} {pods}", scale.min, scale.max)
    });
    let served = (kind == WorkloadKind::InferenceSet).then(|| {
        let unit = if count == 1 { "replica" } else { "replicas" };
        format!("{count} {unit}")
    });
    scaled.into_iter().chain(served).collect()
}

/// Returns which nodes it takes.
fn nodes(plan: &Plan) -> Vec<String> {
    let instance_type = plan.request.serving.instance_type.as_ref();
    let instance_type = instance_type.map(|instance| format!("on {instance}"));
    let selector = &plan.node_selector;
    let labels = (!selector.is_empty()).then(|| {
        let labels = selector.iter().map(|(key, value)| format!("{key}={value}"));
        let labels: Vec<String> = labels.collect();
        format!("on nodes with {}", labels.join(", "))
    });
    instance_type.into_iter().chain(labels).collect()
}

/// Returns what is free of the quota, and what is borrowed.
fn quota(plan: &Plan, forecast: &Forecast) -> Vec<String> {
    let what = plan.gpu_resource.as_ref().map_or(" CPU", |_| "");
    let free = format!("{} of {}{what} free", forecast.free, forecast.nominal);
    let loan = forecast
        .loan
        .as_ref()
        .map(|loan| format!("borrows {}{what} from cohort {}", loan.amount, loan.cohort));
    std::iter::once(free).chain(loan).collect()
}

fn waiting(forecast: &Forecast) -> String {
    if forecast.starts_now() {
        return "starts now".to_owned();
    }
    let mut parts = Vec::new();
    if let Some(obstacle) = &forecast.obstacle {
        parts.push(format!("waits, because {obstacle}"));
    }
    if forecast.ahead > 0 {
        parts.push(format!("{} ahead", forecast.ahead));
    }
    if let Some(Lack {
        resource,
        amount,
        may_borrow,
    }) = &forecast.lacking
    {
        let from = if *may_borrow {
            ", which the cohort may lend"
        } else {
            ""
        };
        // GPUs are what the line is about; anything else has to be named.
        let what = if is_gpu_resource(resource) {
            String::new()
        } else {
            format!(" {resource}")
        };
        parts.push(format!("needs {amount} more{what}{from}"));
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
    /// It was there already, and was changed in place.
    Updated,
    /// Nothing was created: a dry run.
    DryRun,
}

/// What a submission was about, as far as it is known: a workload that is
/// there already need not be plannable any more.
#[derive(Debug, Clone, Copy)]
pub struct SubmissionReport<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it was a rehearsal.
    pub dry_run: DryRun,
    /// Context of the cluster, if one was asked.
    pub context: Option<&'a str>,
    /// What was asked for.
    pub request: &'a WorkloadRequest,
    /// What it became.
    pub planned: Option<(&'a Plan, &'a ManifestSet)>,
    /// What is printed as data, in order of creation.
    pub objects: &'a [&'a Manifest],
    /// Whether programs are shown more of them than their names.
    pub show_manifests: bool,
}

impl SubmissionReport<'_> {
    /// Returns the lines that say how it ended and what to do next.
    pub fn lines(&self) -> Vec<String> {
        let request = self.request;
        let workload = request.display_name();
        let verb = match self.outcome {
            Outcome::Created => "created",
            Outcome::Unchanged => "unchanged",
            Outcome::Replaced => "replaced",
            Outcome::Updated => "updated",
            Outcome::DryRun => "dry run",
        };
        let made = match self.planned {
            Some((_, manifests)) if self.outcome != Outcome::Unchanged => companions(manifests),
            _ => String::new(),
        };
        let namespace = &request.namespace;
        vec![
            format!("{workload} {verb}{made}"),
            format!("  follow it: kaiwo status {workload} -n {namespace}"),
            format!("  remove it: kaiwo delete {workload} -n {namespace}"),
        ]
    }

    /// Returns the report for programs (`-o json`).
    pub fn json(&self) -> String {
        json(&self.report())
    }

    /// Returns the report on one line, because others follow it.
    pub fn json_line(&self) -> String {
        json_line(&self.report())
    }

    fn report(&self) -> SubmitReport<'_> {
        let request = self.request;
        let plan = self.planned.map(|(plan, _)| plan);
        SubmitReport {
            api_version: API_VERSION,
            kind: "SubmitReport",
            outcome: self.outcome,
            dry_run: (self.dry_run != DryRun::None).then_some(self.dry_run),
            context: self.context,
            namespace: &request.namespace,
            queue: plan
                .map_or(&request.queue, |plan| &plan.local_queue)
                .as_deref(),
            workload: ObjectName {
                api_version: plan.map_or(request.kind.api_version(), |plan| &plan.api_version),
                kind: request.kind.name(),
                name: &request.name,
            },
            gpus: plan.map(|plan| Gpus {
                total: plan.layout.total(),
                replicas: plan.layout.replicas,
                per_replica: plan.layout.gpus_per_replica,
                resource: plan.gpu_resource.as_deref(),
            }),
            objects: self
                .objects
                .iter()
                .map(|object| WorkloadIdentity::from_manifest(object))
                .collect(),
            manifests: self.show_manifests.then_some(self.objects),
        }
    }
}

/// Returns the words for what was made besides the workload.
fn companions(manifests: &ManifestSet) -> String {
    let made: Vec<String> = manifests
        .namespace
        .iter()
        .chain(&manifests.local_queue)
        .chain(&manifests.kept_claim)
        .chain(&manifests.companions)
        .map(Manifest::display_name)
        .chain(match manifests.uploads.len() {
            0 => None,
            1 => Some("1 upload".to_owned()),
            count => Some(format!("{count} uploads")),
        })
        .collect();
    if made.is_empty() {
        String::new()
    } else {
        format!(", with {}", made.join(", "))
    }
}

/// What was or would be changed, for programs (`-o json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport<'a, T> {
    /// Version of this JSON.
    pub api_version: &'static str,
    /// `DiffReport`, or `RollbackReport` once it is done.
    pub kind: &'static str,
    /// Context of the cluster.
    pub context: &'a str,
    /// Namespace of the workload.
    pub namespace: &'a str,
    /// What changes, place by place.
    pub changes: &'a [T],
}

/// The report of a submission for programs (`-o json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubmitReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<DryRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    workload: ObjectName<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<Gpus<'a>>,
    /// Everything that belongs to the submission, in order of creation.
    objects: Vec<WorkloadIdentity<'a>>,
    /// The same in full. They hold the values of variables and whole files,
    /// which do not belong into every log.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<&'a [&'a Manifest]>,
}

/// What an object is known by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadIdentity<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    /// Empty if it belongs to the whole cluster.
    namespace: &'a str,
}

impl<'a> WorkloadIdentity<'a> {
    fn from_manifest(object: &'a Manifest) -> Self {
        Self {
            api_version: object.api_version(),
            kind: object.kind(),
            name: object.name(),
            namespace: object.namespace(),
        }
    }
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

/// An error for programs (`-o json`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    api_version: &'static str,
    kind: &'static str,
    /// Exit code.
    code: u8,
    /// Word for the code.
    class: &'static str,
    /// Of a workload that failed, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    container_exit_code: Option<u8>,
    message: String,
    causes: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: Vec<String>,
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
            code: error.exit_code(),
            class: error.class.name(),
            container_exit_code: error.container_exit_code(),
            message: error.error.to_string(),
            causes: error.causes(),
            notes: error.notes.clone(),
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

/// Returns `value` as JSON for stdout, on one line: where several documents
/// follow one another, a line is one.
pub fn json_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

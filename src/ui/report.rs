//! Reports a submission, to people and to programs.

mod forecast;

pub use forecast::{forecast, sizes};

use serde::Serialize;
use serde_json::Value;

use crate::error::CommandError;
use crate::names::counted;
use crate::plan::Plan;
use crate::plan::gang::{GangShortfall, Short};
use crate::plan::request::WorkloadRequest;
use crate::plan::sizes::PodSize;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::DryRun;
use crate::suggestion::{Command, Connection, Suggestion, kaiwo, kubectl};

/// Version of the JSON that kaiwo writes.
pub const API_VERSION: &str = "kaiwo/v1";

/// How a submission ended.
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// What the API server has warned of.
    pub warnings: &'a [String],
    /// What is printed as data, in order of creation.
    pub objects: &'a [&'a Manifest],
    /// Whether programs are shown more of them than their names.
    pub show_manifests: bool,
}

impl SubmissionReport<'_> {
    /// Says how it ended.
    pub fn headline(&self) -> String {
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
            Some((plan, manifests)) if self.outcome != Outcome::Unchanged => {
                companions(plan, manifests)
            }
            _ => String::new(),
        };
        format!("{workload} {verb}{made}")
    }

    /// Returns what to do next.
    pub fn next(&self) -> Vec<Suggestion> {
        let request = self.request;
        // Someone stays with it to its end.
        if request.session.is_some() {
            return Vec::new();
        }
        let workload = request.display_name();
        let about = |form| kaiwo(form, &[&workload, &request.namespace]);
        let wants_address = request.serving.public || request.serving.ingress.is_some();
        let address = (wants_address && self.outcome == Outcome::Created)
            .then(|| about("endpoint {} -n {}").to("check later for its address"));
        let rest = [
            about("status {} -n {}").to("check its status"),
            about("delete {} -n {}").to("remove it"),
        ];
        address.into_iter().chain(rest).collect()
    }

    /// Returns the report for programs.
    pub fn report(&self) -> impl Serialize {
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
            gpus: plan.map(|plan| {
                let (total, resource, _) = forecast::gpus(plan);
                Gpus {
                    total,
                    replicas: plan.layout.replicas,
                    per_replica: plan.layout.gpus_per_replica,
                    resource,
                }
            }),
            sizes: plan.and_then(Sizes::new),
            misfit: plan
                .and_then(|plan| plan.misfit.as_ref())
                .map(ShortOfNodes::new),
            objects: self
                .objects
                .iter()
                .map(|object| WorkloadIdentity::from_manifest(object))
                .collect(),
            warnings: self.warnings,
            manifests: self.show_manifests.then(|| {
                let shown = self.objects.iter().filter(|object| !object.is_secret());
                shown.map(|object| object.value()).collect()
            }),
        }
    }
}

/// Returns what makes a Secret that is not printed, for who applies what is.
pub fn unprinted(secret: &Manifest) -> Suggestion {
    let keys = secret.value()["data"].as_object();
    let keys = keys.into_iter().flat_map(|data| data.keys());
    let form = "-n {} create secret generic {}";
    let command = kubectl(form, &[secret.namespace(), secret.name()]);
    keys.fold(command, |command, key| {
        command.raw(format!("--from-literal={key}=\"${key}\""))
    })
    .to(format!(
        "create {} yourself (it is not printed)",
        secret.display_name()
    ))
}

/// Returns that the storage which is kept is that of an earlier workload, if it is.
pub fn kept_storage(plan: &Plan) -> Option<String> {
    let claim = plan.request.kept_claim().filter(|_| plan.kept_is_there)?;
    Some(format!(
        "/scratch is the existing claim {claim}, with its data"
    ))
}

/// Returns that it runs in another cluster, and what it takes there, if it does.
pub fn other_cluster(plan: &Plan) -> Option<String> {
    let files = plan.packed.as_ref().map(|packed| {
        let size = super::bytes(packed.compressed_size());
        format!(", with its files ({size} compressed)")
    });
    let files = files.unwrap_or_default();
    plan.is_sent_away
        .then(|| format!("it runs in another cluster (MultiKueue){files}"))
}

/// Returns the words for what was made besides the workload.
fn companions(plan: &Plan, manifests: &ManifestSet) -> String {
    let uploads = manifests.uploads.iter();
    let uploads = uploads.filter(|upload| !upload.is_secret()).count();
    let made: Vec<String> = manifests
        .namespace
        .iter()
        .chain(&manifests.local_queue)
        .chain(
            manifests
                .kept_claim
                .as_ref()
                .filter(|_| !plan.kept_is_there),
        )
        .chain(manifests.uploads.iter().filter(|upload| upload.is_secret()))
        .chain(&manifests.companions)
        .map(Manifest::display_name)
        .chain((uploads > 0).then(|| counted(uploads, "upload")))
        .collect();
    if made.is_empty() {
        String::new()
    } else {
        format!(", with {}", made.join(", "))
    }
}

/// What was or would be changed, for programs (`-o json`).
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// What the API server has warned of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The report of a submission for programs (`-o json`).
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// How large its pods are.
    #[serde(skip_serializing_if = "Option::is_none")]
    sizes: Option<Sizes>,
    /// Why today's nodes do not hold all of its pods at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    misfit: Option<ShortOfNodes<'a>>,
    /// Everything that belongs to the submission, in order of creation.
    objects: Vec<WorkloadIdentity<'a>>,
    /// What the API server has warned of.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    /// The same in full. They hold the values of variables and whole files,
    /// which do not belong into every log.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<Vec<&'a Value>>,
}

/// What an object is known by.
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectName<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gpus<'a> {
    total: i64,
    replicas: i64,
    per_replica: i64,
    resource: Option<&'a str>,
}

/// The sizes of pods, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sizes {
    worker: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Size>,
    /// Flags that state what was chosen for this cluster instead of the usual.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adapted: Vec<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    cpu: String,
    memory: String,
    shared_memory: String,
}

impl Size {
    fn new(size: &PodSize, shared_memory: impl ToString) -> Self {
        let requests = size.resources();
        Self {
            cpu: requests.cpu.to_string(),
            memory: requests.memory.to_string(),
            shared_memory: shared_memory.to_string(),
        }
    }
}

impl Sizes {
    /// Nothing where the pods have other sizes: those of a template, or KAITO's.
    fn new(plan: &Plan) -> Option<Self> {
        let sizes = &plan.sizes;
        plan.has_sizes().then(|| Self {
            worker: Size::new(&sizes.worker, sizes.shared_memory()),
            head: plan
                .request
                .kind
                .is_ray()
                .then(|| Size::new(&sizes.head, sizes.head.memory.total().half())),
            adapted: plan.adapted_sizes(),
        })
    }
}

/// What nodes lack for all pods at once, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShortOfNodes<'a> {
    message: String,
    /// What is requested, and what there is.
    short: &'a [Short],
    /// Pods that are to run at once, and those of them for which there is room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placed: Option<i64>,
    /// Flags with which they would fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<String>,
}

impl<'a> ShortOfNodes<'a> {
    fn new(misfit: &'a GangShortfall) -> Self {
        let (short, pods, placed): (&[Short], _, _) = match misfit {
            GangShortfall::NoNodes => (&[], None, None),
            GangShortfall::TooLarge { short, .. } => (short, None, None),
            GangShortfall::TooMany {
                short,
                pods,
                placed,
                ..
            } => (std::slice::from_ref(short), Some(*pods), Some(*placed)),
        };
        Self {
            message: misfit.to_string(),
            short,
            pods,
            placed,
            flags: misfit.flags(),
        }
    }
}

/// An error for programs (`-o json`).
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// The words of the commands among that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
}

impl ErrorReport {
    /// Reports `error`.
    pub fn new(error: &CommandError, connection: &Connection) -> Self {
        let hints = error.hints.iter();
        let texts: Vec<String> = hints.map(|hint| hint.text(connection)).collect();
        let commands = error.hints.iter().filter_map(Suggestion::command);
        Self {
            api_version: API_VERSION,
            kind: "Error",
            code: error.exit_code(),
            class: error.class.name(),
            container_exit_code: error.container_exit_code(),
            message: error.error.to_string(),
            causes: error.causes(),
            notes: error.notes.clone(),
            hint: texts.join("\n"),
            commands: words(commands, connection),
            object: error.object.clone(),
        }
    }
}

/// Returns the words of commands that need no shell and no word of the user's.
pub fn words<'a>(
    commands: impl IntoIterator<Item = &'a Command>,
    connection: &Connection,
) -> Vec<Vec<String>> {
    let commands = commands.into_iter();
    commands.filter_map(|it| it.words(connection)).collect()
}

#[cfg(test)]
crate::schema::testing::report_schemas!(SubmitReport<'static> => "SubmitReport", ErrorReport => "Error");

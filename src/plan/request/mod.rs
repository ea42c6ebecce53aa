//! The request for one submission, after all sources of settings and the
//! workload directory were read.

pub mod autoscale;
pub mod claim;
pub mod ingress;
pub mod min_available;
pub mod pod;
pub mod preload;
pub mod service_settings;
pub mod toleration;

use serde::Serialize;

use super::Refusal;
use super::gpu::GpuRequest;
use crate::kind::WorkloadKind;
use crate::workload::entrypoint::Script;
use crate::workload::environment::Environment;
use crate::workload::template_values::{CustomConfig, CustomTemplate};
use crate::workload::upload::Upload;
use pod::{PodSettings, Seconds};
use service_settings::Serving;

/// What the containers run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Run {
    /// The image's own entrypoint.
    Image,
    /// A script among the uploads.
    Script(Script),
    /// A command, word by word.
    Command(Vec<String>),
}

/// A submission as the user asked for it. Its serialised form is what the
/// digest is made of: two submissions with equal digests are the same, on
/// whatever cluster and by whatever version of kaiwo's templates. Fields that
/// came later are left out while they say nothing, so that an upgrade of kaiwo
/// does not make every running workload another one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRequest {
    /// Kind of the workload.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// LocalQueue or ClusterQueue, as the user named it; `None` starts at once,
    /// past every queue.
    pub queue: Option<String>,
    /// Who submits.
    pub user: String,
    /// Directory or image, for the label.
    pub app: String,
    /// Version, for the label.
    pub version: Option<String>,
    /// Image, if the user named one.
    pub image: Option<String>,
    /// What the containers run.
    pub run: Run,
    /// Variables and secrets.
    pub environment: Environment,
    /// Files that appear in the containers.
    pub upload: Upload,
    /// GPUs.
    pub gpus: GpuRequest,
    /// GPUs of a node, if the user said it.
    pub gpus_per_node: Option<i64>,
    /// Extended resource, if the user said it.
    pub gpu_resource: Option<String>,
    /// Node label with the GPU count, if the user said it.
    pub gpu_node_label_key: Option<String>,
    /// Version of Ray, if the user said it.
    pub ray_version: Option<String>,
    /// Settings of the pods.
    #[serde(skip_serializing_if = "is_default")]
    pub pods: PodSettings,
    /// WorkloadPriorityClass of Kueue.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class: Option<String>,
    /// When a CronJob starts its Jobs.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: Option<Schedule>,
    /// When it ends, is tried again and is deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub lifetime: Lifetime,
    /// How it is reached, and what it serves.
    #[serde(skip_serializing_if = "is_default")]
    pub serving: Serving,
    /// Template of the user's own.
    #[serde(skip_serializing_if = "is_default")]
    pub template: Option<CustomTemplate>,
    /// Values for it.
    #[serde(skip_serializing_if = "is_default")]
    pub custom: CustomConfig,
    /// Whether a missing namespace is made.
    #[serde(skip)]
    pub create_namespace: bool,
    /// Whether to queue what cannot be admitted.
    #[serde(skip)]
    pub force: bool,
    /// Whether an update may stop the only pod before the next one starts.
    #[serde(skip)]
    pub allow_downtime: bool,
}

/// When a CronJob starts its Jobs: five fields of cron, in the time zone of the
/// cluster's controller manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule(String);

impl Schedule {
    /// Takes what has the form of a schedule; whether the numbers make sense,
    /// the API server knows.
    ///
    /// # Errors
    /// [`Refusal`] for anything else.
    pub fn new(text: &str) -> Result<Self, Refusal> {
        const NAMED: [&str; 7] = [
            "@yearly",
            "@annually",
            "@monthly",
            "@weekly",
            "@daily",
            "@midnight",
            "@hourly",
        ];
        let field = |field: &str| {
            field
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "*/,-?#".contains(c))
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        if NAMED.contains(&text) || (fields.len() == 5 && fields.iter().all(|f| field(f))) {
            return Ok(Self(fields.join(" ")));
        }
        Err(
            Refusal::new("--schedule: this is not a schedule: minute, hour, day, month, weekday")
                .hint(
                    "try --schedule \"0 3 * * *\" for every day at 3, or @hourly, @daily, @weekly",
                ),
        )
    }

    /// Returns the schedule as a CronJob takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(in crate::plan) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When a workload ends, is tried again and is deleted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifetime {
    /// How often it is tried again after a failure.
    pub retries: i64,
    /// Time after its end at which it is deleted; never if absent.
    pub ttl: Option<Seconds>,
    /// Time after its start at which it is ended; never if absent.
    pub max_runtime: Option<Seconds>,
}

impl Lifetime {
    /// Checks what the kind cannot do, and what makes no sense.
    ///
    /// # Errors
    /// [`Refusal`] with what can be done instead.
    pub fn check(&self, kind: WorkloadKind) -> Result<(), Refusal> {
        if self.retries < 0 || self.retries > i64::from(i32::MAX) {
            return Err(
                Refusal::new(format!("--retries {} cannot be counted", self.retries))
                    .hint("try --retries 0"),
            );
        }
        if self.max_runtime == Some(Seconds(0)) {
            return Err(
                Refusal::new("--max-runtime 0 would end the workload before it starts")
                    .hint("try --max-runtime 1h"),
            );
        }
        if kind == WorkloadKind::RayJob && self.ttl.is_some() {
            // KubeRay v1.6: the TTL keeps the workers on their GPUs until it
            // has passed, and never deletes the RayJob.
            return Err(Refusal::new(
                "--ttl cannot delete a RayJob: KubeRay only delays giving its GPUs back",
            )
            .hint("leave --ttl away, and delete the RayJob when its logs are read"));
        }
        Ok(())
    }
}

impl WorkloadRequest {
    /// Returns the digest over everything that makes this submission what it
    /// is.
    pub fn digest(&self) -> String {
        // A serialisation of plain data cannot fail.
        crate::digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Returns `kind/name` of the workload.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }
}

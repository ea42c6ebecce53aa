//! The request for one submission, after all sources of settings and the
//! workload directory were read.

pub mod array;
pub mod autoscale;
pub mod claim;
pub mod ingress;
pub mod min_available;
pub mod pod;
pub mod port;
pub mod preload;
pub mod schedule;
pub mod service_settings;
pub mod session;
pub mod sizes;
pub mod toleration;
pub mod topology;
pub mod upload_limit;

use serde::Serialize;

use super::Refusal;
use super::gpu::GpuRequest;
use crate::kind::WorkloadKind;
use crate::time::Seconds;
use crate::workload::entrypoint::Script;
use crate::workload::environment::Environment;
use crate::workload::template_values::{CustomConfig, CustomTemplate};
use crate::workload::upload::Upload;
use array::Array;
use pod::PodSettings;
use schedule::Schedule;
use service_settings::Serving;
use session::Session;

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
    pub name: String,
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
    /// Time zone of the schedule; the cluster's if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub time_zone: Option<String>,
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
    /// How someone is attached to it; nothing if no one is.
    #[serde(skip_serializing_if = "is_default")]
    pub session: Option<Session>,
    /// Its tasks; nothing if it is no array.
    #[serde(skip_serializing_if = "is_default")]
    pub array: Option<Array>,
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
            return Err(Refusal::new(format!(
                "invalid --retries {}: must be between 0 and 2147483647",
                self.retries
            ))
            .hint("try --retries 0"));
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
                "--ttl is not supported for RayJobs: KubeRay would keep their GPUs until then",
            )
            .hint("remove --ttl, and delete the RayJob when you have read its logs"));
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

    /// Returns whether the container copies the uploads into its working directory. It
    /// needs a command of its own for that; KubeRay gives Ray one.
    pub fn copies_uploads(&self) -> bool {
        !self.upload.is_empty() && !self.pods.read_only_workdir && self.has_command()
    }

    /// Returns whether the container has a command that kaiwo or KubeRay gives it.
    pub fn has_command(&self) -> bool {
        self.kind.is_ray() || (self.run != Run::Image && !self.gives_arguments())
    }

    /// Returns whether its words are arguments of the image's own command: no program is
    /// called `-x`. A template of the user's own that knows of no arguments is given
    /// them where it knows a command.
    pub fn gives_arguments(&self) -> bool {
        let Run::Command(words) = &self.run else {
            return false;
        };
        let template = self.template.as_ref().map(|template| &template.text);
        let knows_none = template.is_some_and(|text| {
            text.contains("Workload.Command") && !text.contains("Workload.Args")
        });
        words.first().is_some_and(|word| word.starts_with('-')) && !knows_none
    }

    /// Returns whether a claim is mounted where images keep the models they have
    /// downloaded, so that `HF_HOME` stays theirs: at or above `~/.cache/huggingface`
    /// or its hub, whosever home, or at `/data`, where Text Generation Inference and
    /// Text Embeddings Inference set it.
    pub fn keeps_model_cache(&self) -> bool {
        let image = self.image.as_deref().unwrap_or_default();
        let is_of_inference = image.contains("text-generation-inference")
            || image.contains("text-embeddings-inference");
        self.pods.volumes.iter().any(|mount| {
            let parts: Vec<&str> = mount.path.trim_matches('/').split('/').collect();
            match parts[..] {
                ["root"] | ["home"] | ["home", _] => true,
                ["data"] => is_of_inference,
                ref parts => parts.contains(&".cache") || parts.contains(&"huggingface"),
            }
        })
    }

    /// Returns the name of the claim that stays when the workload is deleted, if it keeps
    /// one.
    pub fn kept_claim(&self) -> Option<String> {
        let is_kept = self.serving.keep_storage && self.pods.storage.is_some();
        is_kept.then(|| format!("{}-scratch", self.name))
    }

    /// Returns `kind/name` of the workload.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }
}

//! The context that templates see. The names are those of the original kaiwo's
//! Go context, so that a template ports by dropping dots and verbs; what is new
//! follows the same style.

mod derivation;

use std::collections::BTreeMap;

use serde::Serialize;

use super::environment::EnvVarContext;
use super::mount_paths::WORKLOAD_DIRECTORY;
use super::preload::PreloadContext;
use crate::kind::WorkloadKind;
use crate::plan::sizes::PodResources;
use crate::quantity::Quantity;
use crate::workload::template_values::CustomConfig;

/// Where the files of a service appear: below a directory on Python's path, so
/// that they are the module `app`.
const SERVICE_DIRECTORY: &str = "/workload/app";

/// Where the Service that KAITO makes sends its requests (v0.1 to v0.12).
const KAITO_PORT: u16 = 5000;

/// Returns where the files of a workload appear.
pub fn directory(kind: WorkloadKind) -> &'static str {
    match kind.is_batch() {
        true => WORKLOAD_DIRECTORY,
        false => SERVICE_DIRECTORY,
    }
}

/// The whole context of a template.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateContext<'a> {
    /// Names, labels, image, variables, volumes.
    pub meta: Meta,
    /// GPUs and what pods request.
    pub scheduling: Scheduling,
    /// What runs.
    pub workload: WorkloadContext,
    /// The queue.
    pub workload_meta: WorkloadMeta,
    /// What the user gave with `--custom-config` and `--set`.
    pub custom: &'a CustomConfig,
}

/// Names, labels, image, variables, volumes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Meta {
    /// Name of the workload.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Image of the containers.
    pub image: String,
    /// Version, or nothing.
    pub version: Option<String>,
    /// Who submits.
    pub user: String,
    /// Labels of every object.
    pub labels: BTreeMap<String, String>,
    /// Labels of the pods: the same, but what KubeRay says itself.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of the workload: the user's and kaiwo's.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the working pods: the user's, the files that travel with them, and
    /// where they are placed.
    pub pod_annotations: BTreeMap<String, String>,
    /// Annotations of Ray heads and submitters: the same, but for where the working
    /// pods are placed.
    pub head_annotations: BTreeMap<String, String>,
    /// First of [`Meta::image_pull_secrets`], or nothing: the original
    /// kaiwo's name for it.
    pub image_pull_secret: Option<String>,
    /// Secrets for pulling the image.
    pub image_pull_secrets: Vec<String>,
    /// Service account of the pods, or nothing.
    pub service_account: Option<String>,
    /// Variables: the user's, then kaiwo's.
    pub env_vars: Vec<EnvVarContext>,
    /// Those of them that every container has, also one that does not run what
    /// the user wrote.
    pub common_env_vars: Vec<EnvVarContext>,
    /// Secrets mounted as files.
    pub secret_volumes: Vec<SecretVolume>,
    /// Claims to mount.
    pub volumes: Vec<VolumeContext>,
    /// ConfigMaps with the uploaded files.
    pub uploads: Vec<UploadContext>,
    /// Directory of the uploads, or nothing without uploads.
    pub working_dir: Option<&'static str>,
    /// Directory that the container's own command copies there, or nothing where the
    /// uploads are mounted in the working directory, read-only.
    pub uploads_dir: Option<&'static str>,
    /// Whether some files are larger than a ConfigMap, so that the files are in `files`
    /// of that directory and its `join.sh` completes them.
    pub uploads_in_pieces: bool,
    /// Whether the files are an archive in the annotation `kaiwo-cli/files` of the pods,
    /// because the workload goes to another cluster and ConfigMaps do not.
    pub uploads_packed: bool,
}

/// A Secret's key, mounted as a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretVolume {
    /// Name of the volume.
    pub name: String,
    /// Name of the Secret.
    pub secret_name: String,
    /// Key in it.
    pub key: String,
    /// File name in the volume.
    pub sub_path: String,
    /// Path in the container.
    pub mount_path: String,
}

/// A claim to mount.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeContext {
    /// Name of the volume.
    pub name: String,
    /// Name of the PersistentVolumeClaim.
    pub claim: String,
    /// Path in the container.
    pub mount_path: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A claim for the scratch directory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StorageContext {
    /// Its size.
    pub quantity: Quantity,
    /// Its StorageClass, or nothing for the default.
    pub storage_class_name: Option<String>,
    /// Name of the claim, or nothing where each pod has its own.
    pub claim: Option<String>,
    /// Group of the files on the claim, to which the pods of a job belong.
    pub group: Option<i64>,
    /// Whether the container counts on the claim how often it was started.
    pub counts_attempts: bool,
}

/// A taint that the pods tolerate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TolerationContext {
    /// Key of the taint.
    pub key: String,
    /// Its value, or nothing for any.
    pub value: Option<String>,
    /// Its effect, or nothing for any.
    pub effect: Option<String>,
}

/// A ConfigMap with uploaded files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadContext {
    /// Name of the ConfigMap.
    pub name: String,
    /// Its files.
    pub items: Vec<UploadItem>,
}

/// An uploaded file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadItem {
    /// Key in the ConfigMap.
    pub key: String,
    /// Path below the working directory.
    pub path: String,
    /// Mode of the file.
    pub mode: u32,
}

/// GPUs and what pods request.
#[derive(Debug, Serialize)]
pub struct Scheduling {
    /// GPUs of all pods.
    #[serde(rename = "TotalRequestedGPUs")]
    pub total_requested_gpus: i64,
    /// Pods.
    #[serde(rename = "CalculatedReplicas")]
    pub calculated_replicas: i64,
    /// GPUs of each pod.
    #[serde(rename = "CalculatedGPUsPerReplica")]
    pub calculated_gpus_per_replica: i64,
    /// Extended resource of the GPUs, or nothing without GPUs.
    #[serde(rename = "GPUResource")]
    pub gpu_resource: Option<String>,
    /// Labels that the working pods' nodes must have.
    #[serde(rename = "NodeSelector")]
    pub node_selector: BTreeMap<String, String>,
    /// Virtual machines that KAITO makes, or nothing.
    #[serde(rename = "InstanceType")]
    pub instance_type: Option<String>,
    /// Least of the replicas that are scaled, or nothing where their number is
    /// fixed; [`Scheduling::calculated_replicas`] is the most.
    #[serde(rename = "MinReplicas")]
    pub min_replicas: Option<i64>,
    /// Percentage of their CPUs that the pods of a Deployment are to use, or
    /// nothing.
    #[serde(rename = "TargetCPU")]
    pub target_cpu: Option<i64>,
    /// Metrics by which the pods of a Deployment are scaled.
    #[serde(rename = "TargetMetrics")]
    pub target_metrics: Vec<MetricContext>,
    /// Pods that evictions have to leave, as a number or a percentage; or
    /// nothing.
    #[serde(rename = "MinAvailable")]
    pub min_available: Option<serde_json::Value>,
    /// Labels by which KAITO chooses or makes nodes; empty for other kinds.
    #[serde(rename = "LabelSelector")]
    pub label_selector: BTreeMap<String, String>,
    /// Labels that the nodes of pods without GPUs must have.
    #[serde(rename = "HeadNodeSelector")]
    pub head_node_selector: BTreeMap<String, String>,
    /// Taints that the working pods tolerate.
    #[serde(rename = "Tolerations")]
    pub tolerations: Vec<TolerationContext>,
    /// Taints that pods without GPUs tolerate.
    #[serde(rename = "HeadTolerations")]
    pub head_tolerations: Vec<TolerationContext>,
    /// Pods beyond the replicas while a Deployment is updated.
    #[serde(rename = "MaxSurge")]
    pub max_surge: i64,
    /// Replicas that need not be there meanwhile.
    #[serde(rename = "MaxUnavailable")]
    pub max_unavailable: i64,
    /// Claim for the scratch directory, or nothing for an emptyDir.
    #[serde(rename = "Storage")]
    pub storage: Option<StorageContext>,
    /// How often a failed workload is tried again.
    #[serde(rename = "Retries")]
    pub retries: i64,
    /// When a CronJob starts its Jobs, or nothing.
    #[serde(rename = "Schedule")]
    pub schedule: Option<String>,
    /// Time zone of the schedule, or nothing for the cluster's.
    #[serde(rename = "TimeZone")]
    pub time_zone: Option<String>,
    /// Seconds after its end at which it is deleted, or nothing.
    #[serde(rename = "TTLSeconds")]
    pub ttl_seconds: Option<i64>,
    /// Seconds from the signal to end until it is killed, or nothing for the default.
    #[serde(rename = "GraceSeconds")]
    pub grace_seconds: Option<i64>,
    /// Seconds after its start at which it is ended, or nothing.
    #[serde(rename = "MaxRuntimeSeconds")]
    pub max_runtime_seconds: Option<i64>,
    /// Whether a Job's pods are numbered and find one another by name.
    #[serde(rename = "Indexed")]
    pub indexed: bool,
    /// The tasks of an array, or nothing.
    #[serde(rename = "Array")]
    pub array: Option<ArrayContext>,
    /// Resources of a working pod.
    #[serde(rename = "Worker")]
    pub worker: ResourcesContext,
    /// Resources of a Ray head.
    #[serde(rename = "Head")]
    pub head: ResourcesContext,
    /// Resources of KubeRay's submitter pod.
    #[serde(rename = "Submitter")]
    pub submitter: ResourcesContext,
}

/// The tasks of an array.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ArrayContext {
    /// How many they are.
    pub completions: i64,
    /// How many run at once.
    pub parallelism: i64,
    /// How many may fail before the rest is given up, or nothing.
    pub max_failed_indexes: Option<i64>,
    /// Commands of a shell that set the number and the parameters of a task, and put
    /// these into its arguments, the words of the command.
    pub script: String,
    /// ConfigMap with the table of parameters, or nothing.
    pub rows: Option<String>,
    /// Where it is mounted.
    pub directory: &'static str,
}

/// A metric, and its average over the pods.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricContext {
    /// Its name.
    pub name: String,
    /// What each pod is to have on the average.
    pub value: Quantity,
}

/// Resources of one pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcesContext {
    /// CPUs.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
    /// Shared memory, as part of the memory: half of it unless `--shm` states it.
    pub shared_memory: Quantity,
}

impl From<PodResources> for ResourcesContext {
    fn from(PodResources { cpu, memory }: PodResources) -> Self {
        Self {
            cpu,
            memory,
            shared_memory: memory.half(),
        }
    }
}

/// What runs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkloadContext {
    /// Whether it is a job, which ends.
    pub is_job: bool,
    /// The command as one line of shell, for Ray; nothing without one.
    pub entrypoint: Option<String>,
    /// The command word by word; empty for the image's own.
    pub command: Vec<String>,
    /// Arguments of the image's own command; empty for its own arguments.
    pub args: Vec<String>,
    /// Version of Ray, or nothing.
    pub ray_version: Option<String>,
    /// Group and version of the workload's kind.
    #[serde(rename = "APIVersion")]
    pub api_version: String,
    /// Configuration of Ray Serve, or nothing.
    pub serveconfig: Option<String>,
    /// Port that the containers of a service listen on, or nothing.
    pub port: Option<u16>,
    /// Port of its Service, or nothing.
    pub service_port: Option<u16>,
    /// Path of its probes, or nothing.
    pub health_path: Option<String>,
    /// What is downloaded before it starts, or nothing.
    pub preload: Option<PreloadContext>,
    /// How someone is attached to it, or nothing.
    pub session: Option<SessionContext>,
    /// Whether a load balancer makes it public.
    pub public: bool,
    /// Host under which an Ingress leads to it, or nothing.
    pub ingress: Option<IngressContext>,
}

/// How someone is attached to a command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionContext {
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is piped to kaiwo.
    pub piped: bool,
    /// Seconds in which someone must attach.
    pub patience_seconds: i64,
    /// Whether it is also ended when no one is attached for that long later.
    pub ends_idle: bool,
}

/// A host of an Ingress.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IngressContext {
    /// The host.
    pub host: String,
    /// The IngressClass, or nothing for the default.
    pub class: Option<String>,
    /// Secret with its certificate, or nothing without TLS.
    #[serde(rename = "TLSSecret")]
    pub tls_secret: Option<String>,
}

/// The queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkloadMeta {
    /// LocalQueue of the workload, or nothing.
    pub queue: Option<String>,
    /// WorkloadPriorityClass, or nothing.
    pub priority_class: Option<String>,
    /// Model of KAITO's catalogue, or nothing.
    pub model: Option<String>,
    /// Secret with the token of the Hugging Face hub, or nothing.
    pub model_access_secret: Option<String>,
    /// ConfigMap with the file that configures what KAITO runs, or nothing.
    pub config: Option<String>,
    /// Adapters that are served with the model.
    pub adapters: Vec<AdapterContext>,
    /// What the model is tuned with, or nothing if it is served.
    pub tuning: Option<TuningContext>,
}

/// An adapter of a model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AdapterContext {
    /// Its name.
    pub name: String,
    /// Image with its weights, or nothing.
    pub image: Option<String>,
    /// Claim with its weights, or nothing.
    pub claim: Option<String>,
    /// How much of it is applied, as a text; or nothing.
    pub strength: Option<String>,
}

/// What a model is tuned with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TuningContext {
    /// `lora` or `qlora`.
    pub method: String,
    /// URLs of the data.
    #[serde(rename = "InputURLs")]
    pub input_urls: Vec<String>,
    /// Image with the data, or nothing.
    pub input_image: Option<String>,
    /// Claim with the data, or nothing.
    pub input_claim: Option<String>,
    /// Image that the adapter becomes, or nothing.
    pub output_image: Option<String>,
    /// Secret with which that is pushed, or nothing.
    pub push_secret: Option<String>,
    /// Claim that the adapter is written to, or nothing.
    pub output_claim: Option<String>,
}

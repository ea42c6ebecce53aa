//! GPUs, placement, sizes and times, as templates see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::workload::command;
use crate::api::keys;
use crate::plan::Plan;
use crate::plan::kaito;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::toleration::{self, Toleration};
use crate::plan::resources::RAY_SUBMITTER;
use crate::plan::sizes::PodResources;
use crate::quantity::Quantity;
use crate::render::array::script;
use crate::render::environment::literal;
use crate::render::support;

/// Group of the files on a claim that is kept, as of those that are loaded: usual users
/// of images are in it, and Kubernetes adds the others.
const STORAGE_GROUP: i64 = 1000;

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

impl Scheduling {
    pub(super) fn new(plan: &Plan) -> Self {
        let request = &plan.request;
        let (pods, serving, lifetime) = (&request.pods, &request.serving, &request.lifetime);
        Self {
            total_requested_gpus: plan.layout.total(),
            calculated_replicas: plan.layout.replicas,
            calculated_gpus_per_replica: plan.layout.gpus_per_replica,
            gpu_resource: plan.gpu_resource.clone(),
            node_selector: node_selector(plan),
            instance_type: serving.instance_type.clone(),
            min_replicas: serving.autoscale.map(|scale| scale.min),
            target_cpu: serving.target_cpu,
            target_metrics: target_metrics(serving),
            min_available: serving.min_available.map(MinAvailable::to_json),
            label_selector: label_selector(request),
            head_node_selector: pods.node_selector.clone(),
            tolerations: worker_tolerations(plan),
            head_tolerations: tolerations(&pods.tolerations),
            max_surge: plan.rollout.max_surge,
            max_unavailable: plan.rollout.max_unavailable,
            storage: storage(request),
            retries: lifetime.retries,
            schedule: request
                .schedule
                .as_ref()
                .map(|schedule| schedule.as_str().to_owned()),
            time_zone: request.time_zone.clone(),
            ttl_seconds: lifetime.ttl.map(|ttl| ttl.0),
            grace_seconds: pods.grace.map(|grace| grace.0),
            max_runtime_seconds: lifetime.max_runtime.map(|most| most.0),
            indexed: plan.indexed(),
            array: array(plan),
            worker: ResourcesContext {
                shared_memory: plan.sizes.shared_memory(),
                ..plan.sizes.worker.resources().into()
            },
            head: plan.sizes.head.resources().into(),
            submitter: RAY_SUBMITTER.into(),
        }
    }
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
    pub name: String,
    /// What each pod is to have on the average.
    pub value: Quantity,
}

/// Resources of one pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcesContext {
    pub cpu: Quantity,
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

/// Returns the claim for the scratch directory, if there is one.
fn storage(request: &WorkloadRequest) -> Option<StorageContext> {
    let storage = request.pods.storage.as_ref()?;
    let claim = request.kept_claim();
    let is_of_job = claim.is_some() && request.kind.is_batch();
    Some(StorageContext {
        quantity: storage.size,
        storage_class_name: storage.class.clone(),
        group: is_of_job.then_some(STORAGE_GROUP),
        counts_attempts: is_of_job && !request.pods.read_only_workdir && request.has_command(),
        claim,
    })
}

/// Returns the labels of the working pods' nodes: the user's and the plan's.
fn node_selector(plan: &Plan) -> BTreeMap<String, String> {
    // KAITO itself keeps the pods to the nodes it has chosen.
    if plan.request.kind.is_kaito() {
        return BTreeMap::new();
    }
    let mut labels = plan.request.pods.node_selector.clone();
    labels.extend(plan.node_selector.clone());
    labels
}

/// Returns the taints that the working pods tolerate: what the user says, and
/// those of nodes with such GPUs.
fn worker_tolerations(plan: &Plan) -> Vec<TolerationContext> {
    let resource = plan.gpu_resource.as_deref();
    let of_gpus = resource.map(toleration::of_gpus).unwrap_or_default();
    tolerations(plan.request.pods.tolerations.iter().chain(&of_gpus))
}

fn target_metrics(serving: &Serving) -> Vec<MetricContext> {
    let metrics = serving.target_metrics.iter();
    metrics
        .map(|target| MetricContext {
            name: target.name.clone(),
            value: target.value,
        })
        .collect()
}

fn array(plan: &Plan) -> Option<ArrayContext> {
    let array = plan.request.array.as_ref()?;
    Some(ArrayContext {
        completions: array.tasks.count(),
        parallelism: array.slots,
        max_failed_indexes: array.max_failed,
        script: literal(&script(array, &command(&plan.request))),
        rows: support::rows_name(plan),
        directory: keys::ARRAY_DIRECTORY,
    })
}

fn label_selector(request: &WorkloadRequest) -> BTreeMap<String, String> {
    match request.kind.is_kaito() {
        true if request.pods.node_selector.is_empty() => kaito::default_selector(&request.name),
        true => request.pods.node_selector.clone(),
        false => BTreeMap::new(),
    }
}

fn tolerations<'a>(
    tolerations: impl IntoIterator<Item = &'a Toleration>,
) -> Vec<TolerationContext> {
    tolerations
        .into_iter()
        .map(|toleration| TolerationContext {
            key: toleration.key.clone(),
            value: toleration.value.clone(),
            effect: toleration.effect.clone(),
        })
        .collect()
}

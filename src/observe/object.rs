//! Views of the six kinds of workload.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::k8s::{self, Resource};
use crate::plan::name::WorkloadKind;
use crate::plan::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// `metadata` of any object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Identity, which a later object of the same name does not have.
    pub uid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Counts changes of the specification.
    pub generation: i64,
    /// When it was created.
    pub creation_timestamp: Option<Timestamp>,
    /// When it was deleted, while it still is there.
    pub deletion_timestamp: Option<Timestamp>,
    /// What it belongs to.
    pub owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// Returns the value of a label, if it says anything.
    pub fn label(&self, key: &str) -> Option<&str> {
        let value = self.labels.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns whether the object was made by kaiwo.
    pub fn is_kaiwos(&self) -> bool {
        self.label(k8s::APP_MANAGED_BY_LABEL) == Some(k8s::MANAGER)
    }
}

/// Entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OwnerReference {
    /// Kind of the owner.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Whether it manages the object.
    pub controller: bool,
}

/// Entry of `status.conditions`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
    /// When the status changed last.
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// Returns whether it holds.
    pub fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Returns the words for people, or the one for programs if there are none.
    pub fn words(&self) -> &str {
        match self.message.as_str() {
            "" => &self.reason,
            message => message,
        }
    }
}

/// Returns the condition of this type.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Returns the condition of this type if it holds.
pub fn holds<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    condition(conditions, kind).filter(|condition| condition.holds())
}

/// A workload of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Group and version it was read in.
    pub api_version: String,
    /// Name, labels and so on.
    pub metadata: Metadata,
    /// What its kind has.
    pub details: Details,
}

/// What each kind has.
#[derive(Debug, Clone, PartialEq)]
pub enum Details {
    /// `batch/v1` Job.
    Job(JobSpec, JobStatus),
    /// `batch/v1` CronJob.
    CronJob(CronJobSpec, CronJobStatus),
    /// `ray.io/v1` RayJob.
    RayJob(RayJobSpec, RayJobStatus),
    /// `apps/v1` Deployment.
    Deployment(DeploymentSpec, DeploymentStatus),
    /// `ray.io/v1` RayService.
    RayService(RayServiceSpec, RayServiceStatus),
    /// `kaito.sh` Workspace, which has no `spec`.
    Workspace(WorkspaceResource, WorkspaceStatus),
    /// `kaito.sh` InferenceSet.
    InferenceSet(InferenceSetSpec, InferenceSetStatus),
}

/// An object of which `spec` and `status` are looked at.
#[derive(Debug, Clone, Deserialize)]
struct View<S, T> {
    metadata: Metadata,
    // A Workspace calls its own `resource`.
    #[serde(default, alias = "resource")]
    spec: S,
    #[serde(default)]
    status: T,
}

/// Makes a [`Workload`] of the view of its kind.
trait IntoWorkload {
    /// Returns the workload, read in this version of its API.
    fn into_workload(self, kind: WorkloadKind, api_version: &str) -> Workload;
}

/// A page of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Page<T> {
    /// What is told about the listing.
    #[serde(default)]
    pub metadata: PageMetadata,
    /// Its objects.
    pub items: Vec<T>,
}

/// `metadata` of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageMetadata {
    /// Where the next page begins; empty on the last one.
    #[serde(rename = "continue", default)]
    pub next: String,
}

macro_rules! views {
    ($( $kind:ident: $spec:ty, $status:ty; )*) => { $(
        impl IntoWorkload for View<$spec, $status> {
            fn into_workload(self, kind: WorkloadKind, api_version: &str) -> Workload {
                Workload {
                    kind,
                    api_version: api_version.to_owned(),
                    metadata: self.metadata,
                    details: Details::$kind(self.spec, self.status),
                }
            }
        }
    )*

        impl Workload {
            /// Reads an object of `kind`.
            ///
            /// # Errors
            /// If it is not of that kind's form.
            pub fn read(kind: WorkloadKind, api_version: &str, object: &Value) -> serde_json::Result<Self> {
                match kind {
                    $( WorkloadKind::$kind => View::<$spec, $status>::deserialize(object)
                        .map(|view| view.into_workload(kind, api_version)), )*
                }
            }

            /// Reads a page of a listing of `kind`, and where the next begins.
            ///
            /// # Errors
            /// If it is not of that form.
            pub fn read_page(
                kind: WorkloadKind,
                api_version: &str,
                text: &str,
            ) -> serde_json::Result<(Vec<Self>, String)> {
                match kind {
                    $( WorkloadKind::$kind => {
                        let page: Page<View<$spec, $status>> = serde_json::from_str(text)?;
                        let items = page.items.into_iter();
                        let workloads = items.map(|view| view.into_workload(kind, api_version));
                        Ok((workloads.collect(), page.metadata.next))
                    } )*
                }
            }
        }
    };
}

views! {
    Job: JobSpec, JobStatus;
    CronJob: CronJobSpec, CronJobStatus;
    RayJob: RayJobSpec, RayJobStatus;
    Deployment: DeploymentSpec, DeploymentStatus;
    RayService: RayServiceSpec, RayServiceStatus;
    Workspace: WorkspaceResource, WorkspaceStatus;
    InferenceSet: InferenceSetSpec, InferenceSetStatus;
}

impl Workload {
    /// Returns `kind/name`, as users write it.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind.name().to_lowercase(), self.metadata.name)
    }

    /// Returns how kubectl names it under `-o name`.
    pub fn qualified_name(&self) -> String {
        let resource = Resource::known(&self.api_version, self.kind.name());
        resource.qualified_name(&self.metadata.name)
    }

    /// Returns the LocalQueue that it is in.
    pub fn queue(&self) -> Option<&str> {
        self.metadata.label(k8s::QUEUE_NAME_LABEL)
    }

    /// Returns who submitted it.
    pub fn user(&self) -> Option<&str> {
        self.metadata.label(k8s::USERNAME_LABEL)
    }

    /// Returns the version that its user gave it.
    pub fn version(&self) -> Option<&str> {
        self.metadata.label(k8s::APP_VERSION_LABEL)
    }

    /// Returns the GPUs of all its pods together; of a CronJob, those of one
    /// Job. `None` where the object does not tell: a Workspace's nodes decide.
    pub fn gpus(&self) -> Option<i64> {
        Some(match &self.details {
            Details::Job(spec, _) => spec.gpus(),
            Details::CronJob(spec, _) => spec.job_template.spec.gpus(),
            Details::RayJob(spec, _) => spec.ray_cluster_spec.gpus(),
            Details::RayService(spec, _) => spec.ray_cluster_config.gpus(),
            Details::Deployment(spec, _) => spec.replicas.unwrap_or(1) * spec.template.gpus(),
            Details::Workspace(..) | Details::InferenceSet(..) => return None,
        })
    }

    /// Returns its groups of pods: how many, and of which template. None of a
    /// Workspace, whose pods KAITO decides about.
    pub fn pod_groups(&self) -> Vec<(i64, &PodTemplate)> {
        match &self.details {
            Details::Job(spec, _) => vec![(spec.pods(), &spec.template)],
            Details::CronJob(spec, _) => {
                let spec = &spec.job_template.spec;
                vec![(spec.pods(), &spec.template)]
            }
            Details::RayJob(spec, _) => spec.ray_cluster_spec.groups(),
            Details::RayService(spec, _) => spec.ray_cluster_config.groups(),
            Details::Deployment(spec, _) => {
                vec![(spec.replicas.unwrap_or(1), &spec.template)]
            }
            Details::Workspace(..) | Details::InferenceSet(..) => Vec::new(),
        }
    }

    /// Returns its conditions.
    pub fn conditions(&self) -> &[Condition] {
        match &self.details {
            Details::Job(_, status) => &status.conditions,
            Details::Deployment(_, status) => &status.conditions,
            Details::RayService(_, status) => &status.conditions,
            Details::Workspace(_, status) => &status.conditions,
            Details::InferenceSet(_, status) => &status.conditions,
            Details::CronJob(..) | Details::RayJob(..) => &[],
        }
    }
}

/// `spec` of a Job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobSpec {
    /// Whether it may have no pods.
    pub suspend: bool,
    /// Pods at once; 1 unless it says otherwise.
    pub parallelism: Option<i64>,
    /// Pods that have to succeed; 1 unless it says otherwise.
    pub completions: Option<i64>,
    /// Its pods.
    pub template: PodTemplate,
}

impl JobSpec {
    /// Returns how many pods run at once when none has ended.
    pub fn pods(&self) -> i64 {
        let parallelism = self.parallelism.unwrap_or(1);
        self.completions
            .map_or(parallelism, |completions| completions.min(parallelism))
    }

    fn gpus(&self) -> i64 {
        self.pods() * self.template.gpus()
    }
}

/// `status` of a Job.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// Pods that have not ended.
    pub active: i64,
    /// Those of them that are ready.
    pub ready: i64,
    /// Pods that succeeded.
    pub succeeded: i64,
    /// Pods that failed.
    pub failed: i64,
    /// When it was started, or resumed.
    pub start_time: Option<Timestamp>,
    /// When it succeeded.
    pub completion_time: Option<Timestamp>,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// `spec` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// When it starts Jobs.
    pub schedule: String,
    /// Whether it starts none.
    pub suspend: bool,
    /// Its Jobs.
    pub job_template: JobTemplate,
}

/// `spec.jobTemplate` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobTemplate {
    /// `spec` of its Jobs.
    pub spec: JobSpec,
}

/// `status` of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobStatus {
    /// Jobs that have not ended.
    pub active: Vec<ObjectName>,
    /// When it started the last one.
    pub last_schedule_time: Option<Timestamp>,
    /// When one succeeded last.
    pub last_successful_time: Option<Timestamp>,
}

/// Reference to an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ObjectName {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
}

/// `spec` of a RayJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayJobSpec {
    /// Whether it may have no cluster.
    pub suspend: bool,
    /// Its cluster.
    pub ray_cluster_spec: RayClusterSpec,
}

/// `status` of a RayJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayJobStatus {
    /// What the operator does (KubeRay `JobDeploymentStatus`).
    pub job_deployment_status: String,
    /// What Ray says (Ray `JobStatus`).
    pub job_status: String,
    /// Word for programs about a failure.
    pub reason: String,
    /// Words for people; of a failed driver, its last words and exit code.
    pub message: String,
    /// The cluster that was made for it.
    pub ray_cluster_name: String,
    /// Address of the cluster's dashboard.
    #[serde(rename = "dashboardURL")]
    pub dashboard_url: String,
    /// When it was started.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
}

/// `spec` of a Ray cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayClusterSpec {
    /// Whether it may have no pods.
    pub suspend: bool,
    /// The head.
    pub head_group_spec: RayGroup,
    /// The workers.
    pub worker_group_specs: Vec<RayGroup>,
}

impl RayClusterSpec {
    fn groups(&self) -> Vec<(i64, &PodTemplate)> {
        let workers = self.worker_group_specs.iter();
        let workers = workers.map(|group| (group.replicas.unwrap_or(1), &group.template));
        std::iter::once((1, &self.head_group_spec.template))
            .chain(workers)
            .collect()
    }

    fn gpus(&self) -> i64 {
        let workers = self.worker_group_specs.iter().map(RayGroup::gpus);
        self.head_group_spec.template.gpus() + workers.sum::<i64>()
    }
}

/// A group of a Ray cluster's pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RayGroup {
    /// Workers; a head is alone.
    pub replicas: Option<i64>,
    /// Its pods.
    pub template: PodTemplate,
}

impl RayGroup {
    fn gpus(&self) -> i64 {
        self.replicas.unwrap_or(1) * self.template.gpus()
    }
}

/// `spec` of a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayServiceSpec {
    /// Its cluster.
    pub ray_cluster_config: RayClusterSpec,
}

/// `status` of a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayServiceStatus {
    /// The `metadata.generation` that the rest is about.
    pub observed_generation: i64,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Pods that serve.
    pub num_serve_endpoints: i64,
    /// The cluster that serves.
    pub active_service_status: RayServiceCluster,
    /// The cluster that will, during an upgrade.
    pub pending_service_status: RayServiceCluster,
}

/// One of the clusters of a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayServiceCluster {
    /// Its name.
    pub ray_cluster_name: String,
    /// Applications of Ray Serve by name.
    pub application_statuses: BTreeMap<String, ServeApplication>,
}

/// An application of Ray Serve, as KubeRay reports it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServeApplication {
    /// Ray Serve's `ApplicationStatus`.
    pub status: String,
    /// What is wrong.
    pub message: String,
    /// Its deployments by name.
    #[serde(rename = "serveDeploymentStatuses")]
    pub deployments: BTreeMap<String, ServeDeployment>,
}

/// A deployment of Ray Serve.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServeDeployment {
    /// Ray Serve's `DeploymentStatus`.
    pub status: String,
    /// What is wrong.
    pub message: String,
}

/// `spec` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeploymentSpec {
    /// Which pods are its own.
    pub selector: Selector,
    /// Pods; 1 unless it says otherwise.
    pub replicas: Option<i64>,
    /// Its pods.
    pub template: PodTemplate,
}

/// `spec.selector` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that have to match.
    pub match_labels: BTreeMap<String, String>,
}

/// `status` of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// The `metadata.generation` that the rest is about.
    pub observed_generation: i64,
    /// Pods.
    pub replicas: i64,
    /// Pods of the newest template.
    pub updated_replicas: i64,
    /// Pods that are ready.
    pub ready_replicas: i64,
    /// Pods that have been ready for long enough.
    pub available_replicas: i64,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// `resource` of a Workspace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceResource {
    /// Nodes.
    pub count: Option<i64>,
    /// Virtual machines that KAITO makes.
    pub instance_type: String,
}

/// `status` of a Workspace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceStatus {
    /// Nodes it runs on.
    pub worker_nodes: Vec<String>,
    /// KAITO's word for it all, since v0.9.
    pub state: String,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// `spec` of an InferenceSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct InferenceSetSpec {
    /// Workspaces; 1 unless it says otherwise.
    pub replicas: Option<i64>,
}

/// `status` of an InferenceSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceSetStatus {
    /// Workspaces that are ready.
    pub ready_replicas: i64,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// Template of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Their `spec`.
    pub spec: PodTemplateSpec,
}

/// `spec` of a template of pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodTemplateSpec {
    /// Containers.
    pub containers: Vec<TemplateContainer>,
}

/// A container of a template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TemplateContainer {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// What it asks for.
    pub resources: Resources,
    /// Ports that it names.
    pub ports: Vec<ContainerPort>,
}

/// A port of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name; may be empty.
    pub name: String,
    /// Number.
    pub container_port: i64,
}

/// `resources` of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What it may have at most; of GPUs, what it has.
    pub limits: BTreeMap<String, Quantity>,
    /// What is set aside for it.
    pub requests: BTreeMap<String, Quantity>,
}

impl PodTemplate {
    /// Returns the GPUs of one pod.
    pub fn gpus(&self) -> i64 {
        self.spec
            .containers
            .iter()
            .map(|container| container.resources.gpus())
            .sum()
    }
}

impl Resources {
    /// Returns the GPUs among them. The API server takes extended resources
    /// only with limits equal to requests, and fills in the latter.
    pub fn gpus(&self) -> i64 {
        self.limits
            .iter()
            .filter(|(resource, _)| is_gpu_resource(resource))
            .map(|(_, count)| count.whole())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gpus(kind: WorkloadKind, object: Value) -> Option<i64> {
        Workload::read(kind, kind.api_version(), &object)
            .unwrap()
            .gpus()
    }

    #[test]
    fn gpus_are_those_of_all_pods() {
        let pod = |gpus: i64| {
            json!({"spec": {"containers": [
                {"name": "a", "resources": {"limits": {"amd.com/gpu": gpus.to_string(), "cpu": "4"}}},
                {"name": "b"},
            ]}})
        };
        let job = json!({"parallelism": 2, "completions": 2, "template": pod(8)});
        let object = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
        assert_eq!(gpus(WorkloadKind::Job, object(job.clone())), Some(16));
        assert_eq!(
            gpus(
                WorkloadKind::CronJob,
                object(json!({"jobTemplate": {"spec": job}}))
            ),
            Some(16)
        );
        let cluster = json!({
            "headGroupSpec": {"template": pod(0)},
            "workerGroupSpecs": [{"replicas": 2, "template": pod(8)}, {"template": pod(4)}],
        });
        assert_eq!(
            gpus(
                WorkloadKind::RayJob,
                object(json!({"rayClusterSpec": cluster}))
            ),
            Some(20)
        );
        assert_eq!(
            gpus(
                WorkloadKind::Deployment,
                object(json!({"replicas": 3, "template": pod(1)}))
            ),
            Some(3)
        );
        let workspace = json!({"metadata": {}, "resource": {"count": 2, "instanceType": "A"}});
        let workspace =
            Workload::read(WorkloadKind::Workspace, "kaito.sh/v1beta1", &workspace).unwrap();
        assert_eq!(workspace.gpus(), None);
        assert!(
            matches!(workspace.details, Details::Workspace(resource, _) if resource.count == Some(2))
        );
    }
}

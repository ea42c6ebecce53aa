//! Views of workloads, with the fields of each kind that are looked at.

pub mod commands;
pub mod deployment;
pub mod indexes;
pub mod job;
pub mod kaito;
pub mod pod_failure_policy;
pub mod protobuf;
pub mod ray;

use serde::Deserialize;
use serde_json::Value;

use super::condition::Condition;
use super::keys;
use super::kueue_workload::{KueueWorkload, QueuedObject, QueuedSpec, QueuedStatus};
use super::metadata::Metadata;
use super::pod_template::PodTemplate;
use super::resource::Resource;
use super::{Encoded, Page, Reading};
use crate::kind::WorkloadKind;
use deployment::{DeploymentSpec, DeploymentStatus};
use job::{CronJobSpec, CronJobStatus, JobSpec, JobStatus};
use kaito::{InferenceSetSpec, InferenceSetStatus, WorkspaceResource, WorkspaceStatus};
use ray::{RayJobSpec, RayJobStatus, RayServiceSpec, RayServiceStatus};

/// A workload of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub kind: WorkloadKind,
    /// Group and version it was read in.
    pub api_version: String,
    /// Name, labels and so on.
    pub metadata: Metadata,
    /// Model that KAITO serves or tunes, by the name of its preset.
    pub model: Option<String>,
    /// What its kind has.
    pub details: Details,
    /// Of what is read by Kueue's Workload: the object that this stands for.
    pub stands_for: Option<QueuedObject>,
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
    /// `kueue.x-k8s.io` Workload of anything else.
    Queued(QueuedSpec, QueuedStatus),
}

/// An object of which `spec` and `status` are looked at.
#[derive(Debug, Clone, Deserialize)]
struct View<S, T> {
    metadata: Metadata,
    // A Workspace calls its own `resource`.
    #[serde(default, alias = "resource")]
    spec: S,
    // Of a Workspace.
    #[serde(default)]
    inference: Option<Use>,
    #[serde(default)]
    tuning: Option<Use>,
    #[serde(default)]
    status: T,
}

/// What a Workspace does with a model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Use {
    preset: Preset,
}

/// A model of KAITO's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Preset {
    name: String,
}

impl Use {
    fn model(self) -> Option<String> {
        Some(self.preset.name).filter(|name| !name.is_empty())
    }
}

/// Makes a [`Workload`] of the view of its kind.
trait IntoWorkload {
    /// Returns the workload, read in this version of its API.
    fn into_workload(self, kind: WorkloadKind, api_version: &str) -> Workload;
}

macro_rules! views {
    ($( $kind:ident: $spec:ty, $status:ty; )*) => { $(
        impl IntoWorkload for View<$spec, $status> {
            fn into_workload(self, kind: WorkloadKind, api_version: &str) -> Workload {
                let queued = kind == WorkloadKind::Queued;
                Workload {
                    kind,
                    api_version: api_version.to_owned(),
                    stands_for: queued.then(|| QueuedObject::of_workload(&self.metadata)),
                    metadata: self.metadata,
                    model: self.inference.or(self.tuning).and_then(Use::model),
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
            pub fn read(
                kind: WorkloadKind,
                api_version: &str,
                object: &Value,
            ) -> serde_json::Result<Self> {
                Self::read_as(kind, api_version, object, Reading::Strict)
            }

            /// Reads an object of `kind`, whatever of it is not as it should be.
            ///
            /// # Errors
            /// As [`Workload::read`].
            pub fn read_as(
                kind: WorkloadKind,
                api_version: &str,
                object: &Value,
                reading: Reading,
            ) -> serde_json::Result<Self> {
                match kind {
                    $( WorkloadKind::$kind => reading.of_value::<View<$spec, $status>>(object)
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
                page: &Encoded,
                reading: Reading,
            ) -> serde_json::Result<(Vec<Self>, String)> {
                let message = protobuf::list_of(kind).unwrap_or_default();
                match kind {
                    $( WorkloadKind::$kind => {
                        let page: Page<View<$spec, $status>> = page.parse(reading, message)?;
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
    Queued: QueuedSpec, QueuedStatus;
}

/// Returns how kubectl names an object whose kind kaiwo need not know.
fn qualified(api_version: &str, kind: &str, name: &str) -> String {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let dot = if group.is_empty() { "" } else { "." };
    format!("{}{dot}{group}/{name}", kind.to_lowercase())
}

impl Workload {
    /// Returns whether it is an array, whose pods can be thousands.
    pub fn is_array(&self) -> bool {
        matches!(&self.details, Details::Job(spec, _) if spec.is_array())
    }

    /// Returns whether tasks of an array have failed for good.
    pub fn has_failed_tasks(&self) -> bool {
        matches!(&self.details, Details::Job(_, status) if !status.failed_indexes.is_empty())
    }

    /// Returns whether pods of a Job have failed.
    pub fn has_failed_pods(&self) -> bool {
        matches!(&self.details, Details::Job(_, status) if status.failed > 0)
    }

    /// Returns its kind, as in manifests: that of the object it stands for.
    pub fn kind_name(&self) -> &str {
        let stands_for = self.stands_for.as_ref();
        stands_for.map_or_else(|| self.kind.name(), |object| &object.kind)
    }

    /// Returns the name that people know it by.
    pub fn name(&self) -> &str {
        let stands_for = self.stands_for.as_ref();
        stands_for.map_or(&self.metadata.name, |object| &object.name)
    }

    /// Returns group and version of the object that people know.
    pub fn object_version(&self) -> &str {
        let stands_for = self.stands_for.as_ref();
        stands_for.map_or(&self.api_version, |object| &object.api_version)
    }

    /// Returns Kueue's Workload, of what is read by it.
    pub fn queued(&self) -> Option<KueueWorkload> {
        match &self.details {
            Details::Queued(spec, status) => Some(KueueWorkload {
                metadata: self.metadata.clone(),
                spec: spec.clone(),
                status: status.clone(),
            }),
            _ => None,
        }
    }

    /// Returns `kind/name`, as users write it.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind_name().to_lowercase(), self.name())
    }

    /// Returns how kubectl names it under `-o name`.
    pub fn qualified_name(&self) -> String {
        if let Some(QueuedObject {
            api_version,
            kind,
            name,
            ..
        }) = &self.stands_for
        {
            return qualified(api_version, kind, name);
        }
        let resource = Resource::known(&self.api_version, self.kind.name());
        resource.qualified_name(&self.metadata.name)
    }

    /// Returns how kubectl finds what exists of it under a name: of a group of pods that
    /// is Kueue's Workload.
    pub fn object_name(&self) -> String {
        let Some(object) = &self.stands_for else {
            return self.display_name();
        };
        match object.whole() {
            Some(owner) => qualified(&owner.api_version, &owner.kind, &owner.name),
            None => qualified(&self.api_version, self.kind.name(), &self.metadata.name),
        }
    }

    /// Returns the virtual machines that KAITO makes for it.
    pub fn machine(&self) -> Option<&str> {
        match &self.details {
            Details::Workspace(resource, _) => Some(resource.instance_type.as_str()),
            _ => None,
        }
        .filter(|machine| !machine.is_empty())
    }

    /// Returns the LocalQueue that it is in.
    pub fn queue(&self) -> Option<&str> {
        if let Details::Queued(spec, _) = &self.details {
            return Some(spec.queue_name.as_str()).filter(|queue| !queue.is_empty());
        }
        self.metadata.label(keys::QUEUE_NAME_LABEL)
    }

    /// Returns who submitted it.
    pub fn user(&self) -> Option<&str> {
        if let Details::Queued(spec, _) = &self.details {
            return spec.user();
        }
        self.metadata.label(keys::USERNAME_LABEL)
    }

    /// Returns the version that its user gave it.
    pub fn version(&self) -> Option<&str> {
        self.metadata.label(keys::APP_VERSION_LABEL)
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
            Details::Queued(..) => self.queued()?.gpus(),
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
            Details::Workspace(..) | Details::InferenceSet(..) | Details::Queued(..) => Vec::new(),
        }
    }

    /// Returns whether its pods mount the ConfigMap of this name, where their
    /// templates tell: those of a Workspace are KAITO's.
    pub fn mounts(&self, config_map: &str) -> bool {
        let groups = self.pod_groups();
        let mut volumes = groups
            .iter()
            .flat_map(|(_, template)| &template.spec.volumes);
        groups.is_empty()
            || volumes.any(|volume| {
                let mut sources = volume.projected.sources.iter();
                volume.config_map.name == config_map
                    || sources.any(|source| source.config_map.name == config_map)
            })
    }

    /// Returns its conditions.
    pub fn conditions(&self) -> &[Condition] {
        match &self.details {
            Details::Job(_, status) => &status.conditions,
            Details::Deployment(_, status) => &status.conditions,
            Details::RayService(_, status) => &status.conditions,
            Details::Workspace(_, status) => &status.conditions,
            Details::InferenceSet(_, status) => &status.conditions,
            Details::Queued(_, status) => &status.conditions,
            Details::CronJob(..) | Details::RayJob(..) => &[],
        }
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

    #[test]
    fn what_pods_mount_is_told_by_their_template() {
        let object = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
        let mounting = json!({"spec": {"volumes": [
            {"name": "a", "projected": {"sources": [{"configMap": {"name": "x-1"}}, {"secret": {}}]}},
            {"name": "b", "configMap": {"name": "x-2"}}, {"name": "c", "emptyDir": {}},
        ]}});
        let mounting = Workload::read(
            WorkloadKind::Deployment,
            "apps/v1",
            &object(json!({"template": mounting})),
        )
        .unwrap();
        let known = ["x-1", "x-2", "x-3"].map(|name| mounting.mounts(name));
        assert_eq!(known, [true, true, false]);
        let workspace = json!({"metadata": {}});
        let kind = WorkloadKind::Workspace;
        let workspace = Workload::read(kind, kind.api_version(), &workspace).unwrap();
        assert!(workspace.mounts("x-1"), "KAITO writes its pods");
    }

    #[test]
    fn a_workspace_has_a_model_and_a_machine() {
        let object = serde_json::json!({
            "metadata": {"name": "falcon"},
            "resource": {"instanceType": "Standard_NC12s_v3"},
            "inference": {"preset": {"name": "falcon-7b"}},
        });
        let kind = WorkloadKind::Workspace;
        let workload = Workload::read(kind, "kaito.sh/v1beta1", &object).unwrap();
        assert_eq!(workload.model.as_deref(), Some("falcon-7b"));
        assert_eq!(workload.machine(), Some("Standard_NC12s_v3"));
    }

    #[test]
    fn only_what_is_kept_can_be_gone_back_to() {
        let way_back = |kind: WorkloadKind, previous: &str| {
            let annotations = json!({keys::PREVIOUS_ANNOTATION: previous, "other": "x"});
            let object =
                json!({"metadata": {"name": "x", "namespace": "ml", "annotations": annotations}});
            let workload = Workload::read(kind, kind.api_version(), &object).unwrap();
            workload.way_back()
        };
        let back = way_back(WorkloadKind::Deployment, "x-1").unwrap();
        assert_eq!(back, "kaiwo serve --rollback deployment/x -n ml");
        assert_eq!(way_back(WorkloadKind::Deployment, ""), None);
        assert_eq!(way_back(WorkloadKind::Job, "x-1"), None);
    }
}

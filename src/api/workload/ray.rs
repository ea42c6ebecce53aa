//! RayJobs, RayServices and their clusters.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::api::condition::Condition;
use crate::api::metadata::Metadata;
use crate::api::pod_template::PodTemplate;

/// `spec` of a RayJob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayJobSpec {
    /// Whether it may have no cluster.
    pub suspend: bool,
    /// How often it is tried again.
    pub backoff_limit: i64,
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
    /// How often it has failed.
    pub failed: i64,
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
    pub head_group_spec: RayGroup,
    pub worker_group_specs: Vec<RayGroup>,
}

impl RayClusterSpec {
    pub(super) fn groups(&self) -> Vec<(i64, &PodTemplate)> {
        let workers = self.worker_group_specs.iter();
        let workers = workers.map(|group| (group.replicas.unwrap_or(1), &group.template));
        std::iter::once((1, &self.head_group_spec.template))
            .chain(workers)
            .collect()
    }

    /// Returns how many pods it has: the head and its workers.
    pub fn pods(&self) -> i64 {
        let workers = self.worker_group_specs.iter();
        1 + workers
            .map(|group| group.replicas.unwrap_or(1))
            .sum::<i64>()
    }

    pub(super) fn gpus(&self) -> i64 {
        let workers = self.worker_group_specs.iter().map(RayGroup::gpus);
        self.head_group_spec.template.gpus() + workers.sum::<i64>()
    }
}

/// A RayCluster, as KubeRay makes one for a RayJob or a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RayCluster {
    /// Name, UID and so on.
    pub metadata: Metadata,
    /// What it is.
    pub status: RayClusterStatus,
}

/// `status` of a RayCluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RayClusterStatus {
    pub conditions: Vec<Condition>,
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
    pub(super) fn gpus(&self) -> i64 {
        self.replicas.unwrap_or(1) * self.template.gpus()
    }
}

/// `spec` of a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayServiceSpec {
    pub ray_cluster_config: RayClusterSpec,
}

/// `status` of a RayService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RayServiceStatus {
    /// The `metadata.generation` that the rest is about.
    pub observed_generation: i64,
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
    pub deployments: BTreeMap<String, ServeDeploymentStatus>,
}

/// A deployment of Ray Serve.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServeDeploymentStatus {
    /// Ray Serve's `DeploymentStatus`.
    pub status: String,
    /// What is wrong.
    pub message: String,
}

//! Reads which applications Ray Serve runs for a RayService.

use serde::Serialize;

use crate::api::workload::{Details, Workload};

/// An application of Ray Serve.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub name: String,
    /// The Ray cluster it is on.
    pub cluster: String,
    /// Ray Serve's word.
    pub status: String,
    /// What is wrong; may be empty.
    pub message: String,
    pub deployments: Vec<ServeDeployment>,
}

/// A deployment of Ray Serve.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServeDeployment {
    pub name: String,
    /// Ray Serve's word.
    pub status: String,
    /// What is wrong; may be empty.
    pub message: String,
}

/// Returns the applications of both clusters that an upgrade has.
pub(super) fn all(workload: &Workload) -> Vec<Application> {
    let Details::RayService(_, status) = &workload.details else {
        return Vec::new();
    };
    let clusters = [
        &status.active_service_status,
        &status.pending_service_status,
    ];
    let applications = clusters.into_iter().flat_map(|cluster| {
        let applications = cluster.application_statuses.iter();
        applications.map(|(name, application)| Application {
            name: name.clone(),
            cluster: cluster.ray_cluster_name.clone(),
            status: application.status.clone(),
            message: application.message.clone(),
            deployments: application
                .deployments
                .iter()
                .map(|(name, deployment)| ServeDeployment {
                    name: name.clone(),
                    status: deployment.status.clone(),
                    message: deployment.message.clone(),
                })
                .collect(),
        })
    });
    applications.collect()
}

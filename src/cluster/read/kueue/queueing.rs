//! Reads what changing a place in the queues takes: the queues, the priority classes,
//! and who holds quota.

use super::super::api_versions::Served;
use super::super::{evidence, facts};
use crate::api::Readable;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::queue::WorkloadPriorityClass;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::plan::PlanReads;
use crate::plan::facts::ClusterFacts;

/// Reads the queues around a namespace, with cohorts and AdmissionChecks.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn queues(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<ClusterFacts, ClusterError> {
    let more = PlanReads {
        admission_checks: served.kueue.is_some(),
        ..PlanReads::default()
    };
    facts::around(cluster, served, namespace, false, more).await
}

/// Reads the priority classes of Kueue.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn priority_classes(
    cluster: &Cluster,
    kueue: &str,
) -> Result<Readable<Vec<WorkloadPriorityClass>>, ClusterError> {
    let resource = Resource::known(kueue, "WorkloadPriorityClass");
    readable(cluster.list(&resource, "", "").await)
}

/// Reads who holds quota, in all namespaces where that is allowed, else in this one,
/// and whether it is.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn admitted(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<(Vec<KueueWorkload>, bool), ClusterError> {
    let (mut found, is_all) = evidence::neighbours(cluster, served, namespace).await?;
    found.retain(|one| matches!(one.state(), QueueState::Admitted | QueueState::Reserved));
    Ok((found, is_all))
}

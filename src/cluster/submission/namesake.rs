//! Reads what may keep a workload from having its name (`plan::namesake`).

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{GONE_DEADLINE, POLL, Submission, SubmissionError, failed};
use crate::api::Readable;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;
use crate::plan::namesake::{Claimant, Namesake};

/// Reads objects that a workload could meet, all at once. What may not be read,
/// and kinds that are not served, are left out.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn read(
    cluster: &Cluster,
    namespace: &str,
    workload: &Claimant<'_>,
) -> Result<Vec<Namesake>, ClusterError> {
    let rivals = workload.rivals().map(|kind| {
        let resource = Resource::known(kind.api_version(), kind.name());
        (resource, workload.name.to_owned())
    });
    let mut asked = places(workload);
    for rival in rivals {
        if !asked.contains(&rival) {
            asked.push(rival);
        }
    }
    all(cluster, namespace, &asked).await
}

fn places(workload: &Claimant<'_>) -> Vec<(Resource, String)> {
    let made = workload.made().iter().map(|made| {
        let name = format!("{}{}", workload.name, made.suffix);
        (Resource::known(made.api_version, made.kind), name)
    });
    made.collect()
}

impl Submission<'_> {
    /// Waits until what an operator has made for an earlier workload of this
    /// name is gone: it would take that for its own. What may not be read is not
    /// waited for.
    ///
    /// # Errors
    /// [`SubmissionError::StillThere`] after a deadline.
    pub async fn wait_until_made_gone(&self) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let deadline = Instant::now() + GONE_DEADLINE;
        let claimant = Claimant {
            kind: self.kind,
            name: workload.name(),
            tunes: !workload.value()["tuning"].is_null(),
        };
        loop {
            let found = all(self.cluster, workload.namespace(), &places(&claimant)).await;
            let found = found.map_err(|source| failed("list what belongs to", workload, source))?;
            let Some(left) = found.iter().find(|found| claimant.owns(found)) else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(SubmissionError::StillThere {
                    object: left.display_name(),
                    namespace: workload.namespace().to_owned(),
                });
            }
            sleep(POLL).await;
        }
    }
}

async fn all(
    cluster: &Cluster,
    namespace: &str,
    asked: &[(Resource, String)],
) -> Result<Vec<Namesake>, ClusterError> {
    let answers = asked
        .iter()
        .map(|(resource, name)| find(cluster, resource, namespace, name));
    let found: Result<Vec<_>, _> = join_all(answers).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Reads the Workspace of this name, where `version` is served and the usual one
/// is not.
///
/// # Errors
/// As [`read`].
pub async fn older_workspace(
    cluster: &Cluster,
    namespace: &str,
    workload: &Claimant<'_>,
    version: &str,
) -> Result<Option<Namesake>, ClusterError> {
    let kind = WorkloadKind::Workspace;
    if !workload.rivals().any(|rival| rival == kind) {
        return Ok(None);
    }
    let resource = Resource::known(version, kind.name());
    find(cluster, &resource, namespace, workload.name).await
}

async fn find(
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<Option<Namesake>, ClusterError> {
    let found: Option<Namesake> = match cluster.find(resource, namespace, name).await {
        Err(ClusterError::NotServed { .. }) => None,
        found => match readable(found)? {
            Readable::Known(found) => found,
            Readable::Forbidden => None,
        },
    };
    Ok(found.map(|found| Namesake {
        kind: resource.kind.clone(),
        ..found
    }))
}

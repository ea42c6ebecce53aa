//! Reads the queues of a cluster, and what Kueue is told to do with them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::api_versions::Served;
use crate::api::Readable;
use crate::api::keys::JOB_UID_LABEL;
use crate::api::kueue_configuration::KueueConfiguration;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::observe::kind::pod_labels::AT_ONCE;
use crate::observe::preemption;
use crate::observe::quota::Queues;
use crate::suggestion::Suggestion;

/// Why there are no queues to tell of.
#[derive(Debug, thiserror::Error)]
pub enum QueuesError {
    /// Kueue is not installed.
    #[error("the cluster has no queues: Kueue is not installed")]
    NoKueue,
    /// The cluster cannot be asked, or the user may read no queue at all.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for QueuesError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoKueue => ErrorClass::Refused,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NoKueue => {
                vec!["ask an admin to install Kueue: https://kueue.sigs.k8s.io".into()]
            }
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NoKueue => None,
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Reads all ClusterQueues and the LocalQueues of a namespace, of all if it is
/// empty. Who may read one sort only is told of that.
///
/// # Errors
/// [`QueuesError`] if neither may be read.
pub async fn read(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<Queues, QueuesError> {
    let Some(kueue) = &served.kueue else {
        return Err(QueuesError::NoKueue);
    };
    let (cluster_queue, local_queue) = (
        Resource::known(kueue, "ClusterQueue"),
        Resource::known(kueue, "LocalQueue"),
    );
    let (queues, local) = tokio::join!(
        cluster.list(&cluster_queue, "", ""),
        cluster.list(&local_queue, namespace, ""),
    );
    match (readable(queues)?, local) {
        (Readable::Known(queues), local) => {
            let local = readable(local)?;
            let local = local.known().map_or(&[][..], Vec::as_slice);
            Ok(Queues::new(&queues, local))
        }
        (Readable::Forbidden, local) => Ok(Queues::new(&[], &local?)),
    }
}

/// Where Kueue keeps its configuration, as its manifests and chart have it.
const KUEUE_NAMESPACE: &str = "kueue-system";
const KUEUE_CONFIGURATION: &str = "kueue-manager-config";
/// The key of that ConfigMap.
const KUEUE_CONFIGURATION_KEY: &str = "controller_manager_config.yaml";

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Reads what Kueue is told to do; nothing where that cannot be read or is kept
/// elsewhere.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn configuration(cluster: &Cluster) -> Result<Option<KueueConfiguration>, ClusterError> {
    let resource = Resource::known("v1", "ConfigMap");
    let found = cluster
        .find::<ConfigMap>(&resource, KUEUE_NAMESPACE, KUEUE_CONFIGURATION)
        .await;
    let Readable::Known(Some(found)) = readable(found)? else {
        return Ok(None);
    };
    let text = found.data.get(KUEUE_CONFIGURATION_KEY);
    Ok(text.and_then(|text| parse_configuration(text)))
}

/// Reads Kueue's configuration; nothing if that cannot be read.
pub fn parse_configuration(text: &str) -> Option<KueueConfiguration> {
    let path = Path::new(KUEUE_CONFIGURATION_KEY);
    let documents = crate::yaml::parse_documents(path, text).ok()?;
    KueueConfiguration::deserialize(documents.first()?).ok()
}

/// Reads the Workloads of Kueue's that took the quota of these, wherever they may
/// be read: in all namespaces, else in those of these.
pub(in crate::cluster::read) async fn preemptors(
    cluster: &Cluster,
    served: &Served,
    queued: &[KueueWorkload],
) -> Result<Vec<KueueWorkload>, ClusterError> {
    let Some(kueue) = &served.kueue else {
        return Ok(Vec::new());
    };
    let told = queued.iter().filter_map(|queued| {
        let preemptor = preemption::preemptor(queued)?;
        Some((preemptor.job_uid, queued.metadata.namespace.as_str()))
    });
    let (mut uids, mut namespaces): (Vec<String>, Vec<&str>) = told.unzip();
    uids.sort_unstable();
    uids.dedup();
    uids.truncate(AT_ONCE);
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    let resource = Resource::known(kueue, "Workload");
    let selector = format!("{JOB_UID_LABEL} in ({})", uids.join(","));
    let everywhere = cluster.list(&resource, "", &selector).await;
    if let Readable::Known(found) = readable(everywhere)? {
        return Ok(found);
    }
    let mut found = Vec::new();
    for namespace in namespaces {
        let there = cluster.list(&resource, namespace, &selector).await;
        if let Readable::Known(there) = readable(there)? {
            found.extend(there);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kueues_configuration_is_read() {
        let text = "apiVersion: config.kueue.x-k8s.io/v1beta2\nkind: Configuration\nintegrations:\n  frameworks:\n  - batch/job\nmanagedJobsNamespaceSelector:\n  matchLabels: {team: ml}\n";
        let read = parse_configuration(text).unwrap();
        assert_eq!(read.integrations.frameworks, ["batch/job"]);
        let labels = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        let selector = read.managed_jobs_namespace_selector.unwrap();
        assert!(selector.matches(&labels));
        assert_eq!(parse_configuration(": ["), None);
    }
}

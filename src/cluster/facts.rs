//! Reads what a plan needs to know, all at once. What the user may not read
//! is left unknown; only a failed connection is an error.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::existing::{self, Existing};
use super::request::readable;
use super::{Cluster, ClusterError};
use crate::k8s::{KUEUE_GROUP, RAY_GROUP, Resource};
use crate::plan::Needs;
use crate::plan::facts::{
    ClusterFacts, ClusterQueue, LocalQueue, Named, Namespace, Readable, ResourceFlavor,
};
use crate::plan::name::{KAITO_VERSIONS, WorkloadKind};
use crate::plan::request::WorkloadRequest;

/// Versions of Kueue's API that kaiwo reads and writes, best first.
pub(super) const KUEUE_VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// Version of KubeRay's API that kaiwo writes.
pub(super) const RAY_VERSION: &str = "v1";

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

impl Groups {
    fn serves_version(&self, api_version: &str) -> bool {
        api_version
            .split_once('/')
            .is_some_and(|(group, version)| self.serves(group, version))
    }

    fn serves(&self, group: &str, version: &str) -> bool {
        self.groups
            .iter()
            .filter(|served| served.name == group)
            .any(|served| {
                served
                    .versions
                    .iter()
                    .any(|served| served.version == version)
            })
    }
}

/// Facts for a submission, and the workload of that name if there is one.
#[derive(Debug)]
pub struct Gathered {
    /// What the plan builds on.
    pub facts: ClusterFacts,
    /// The workload that has the name already.
    pub existing: Option<Existing>,
}

/// Reads the facts for submitting `request`.
///
/// All requests leave at once, on connections of their own, so they take as
/// long as the slowest one.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked at all.
pub async fn gather(
    cluster: &Cluster,
    request: &WorkloadRequest,
) -> Result<Gathered, ClusterError> {
    let WorkloadRequest {
        kind,
        namespace,
        name,
        ..
    } = request;
    let with_classes = request.priority_class.is_some();
    // The newest version is asked for before it is known to be served: on a
    // cluster that lacks it, one more round of requests finds out.
    let usual = existing::resource(*kind, kind.api_version());
    let newest = format!("{KUEUE_GROUP}/{}", KUEUE_VERSIONS[0]);
    let (groups, found, existing, queues) = tokio::join!(
        cluster.get::<Groups>("/apis"),
        find_namespace(cluster, namespace),
        Existing::find(cluster, &usual, namespace, name),
        Queues::read(cluster, &newest, namespace, with_classes),
    );
    let groups = groups?;
    let kueue = KUEUE_VERSIONS
        .iter()
        .find(|version| groups.serves(KUEUE_GROUP, version))
        .map(|version| format!("{KUEUE_GROUP}/{version}"));
    let queues = match &kueue {
        None => Queues::none(),
        Some(served) if *served == newest => queues?,
        Some(served) => Queues::read(cluster, served, namespace, with_classes).await?,
    };
    let kaito = KAITO_VERSIONS
        .into_iter()
        .find(|version| groups.serves_version(version));
    let existing = match (kind, kaito) {
        // As with Kueue: an older KAITO costs one more request.
        (WorkloadKind::Workspace, Some(version)) if version != kind.api_version() => {
            let served = existing::resource(*kind, version);
            Existing::find(cluster, &served, namespace, name).await
        }
        _ => existing,
    };
    let existing = match readable(existing)? {
        Readable::Known(existing) => existing,
        // A user who may not read workloads may still create them; the
        // API server then tells of one that exists.
        Readable::Forbidden => None,
    };
    Ok(Gathered {
        facts: ClusterFacts {
            ray: groups.serves(RAY_GROUP, RAY_VERSION),
            kaito: kaito.map(str::to_owned),
            kueue,
            namespace: found?,
            local_queues: queues.local,
            cluster_queues: queues.cluster,
            flavors: queues.flavors,
            priority_classes: queues.priority_classes,
            nodes: None,
            cohorts: None,
            admission_checks: None,
        },
        existing,
    })
}

/// Reads what [`gather`] leaves out because few plans need it.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn complete(
    cluster: &Cluster,
    facts: &mut ClusterFacts,
    needs: Needs,
) -> Result<(), ClusterError> {
    let kueue = facts.kueue.clone().unwrap_or_default();
    let (nodes, cohorts, checks) = tokio::join!(
        list_if(needs.nodes, cluster, "v1", "Node"),
        list_if(needs.cohorts, cluster, &kueue, "Cohort"),
        list_if(needs.admission_checks, cluster, &kueue, "AdmissionCheck"),
    );
    facts.nodes = nodes?;
    facts.cohorts = cohorts?;
    facts.admission_checks = checks?;
    Ok(())
}

async fn list_if<T: DeserializeOwned>(
    needed: bool,
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
) -> Result<Option<Readable<Vec<T>>>, ClusterError> {
    if !needed {
        return Ok(None);
    }
    match cluster
        .list(&Resource::known(api_version, kind), "", "")
        .await
    {
        // An older Kueue serves Cohorts in another version, or none.
        Err(error) if error.is_not_found() => Ok(None),
        listed => readable(listed).map(Some),
    }
}

async fn find_namespace(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Readable<Option<Namespace>>, ClusterError> {
    readable(
        cluster
            .find(&Resource::known("v1", "Namespace"), "", namespace)
            .await,
    )
}

async fn priority_classes(
    cluster: &Cluster,
    api_version: &str,
) -> Result<Readable<Vec<String>>, ClusterError> {
    let listed = cluster
        .list::<Named>(
            &Resource::known(api_version, "WorkloadPriorityClass"),
            "",
            "",
        )
        .await;
    Ok(match readable(listed)? {
        Readable::Known(classes) => Readable::Known(
            classes
                .into_iter()
                .map(|class| class.metadata.name)
                .collect(),
        ),
        Readable::Forbidden => Readable::Forbidden,
    })
}

struct Queues {
    local: Readable<Vec<LocalQueue>>,
    cluster: Readable<Vec<ClusterQueue>>,
    flavors: Readable<Vec<ResourceFlavor>>,
    priority_classes: Option<Readable<Vec<String>>>,
}

impl Queues {
    async fn read(
        cluster: &Cluster,
        api_version: &str,
        namespace: &str,
        with_classes: bool,
    ) -> Result<Self, ClusterError> {
        let (local_queue, cluster_queue, flavor) = (
            Resource::known(api_version, "LocalQueue"),
            Resource::known(api_version, "ClusterQueue"),
            Resource::known(api_version, "ResourceFlavor"),
        );
        let (local, queues, flavors, classes) = tokio::join!(
            cluster.list(&local_queue, namespace, ""),
            cluster.list(&cluster_queue, "", ""),
            cluster.list(&flavor, "", ""),
            async {
                match with_classes {
                    true => Some(priority_classes(cluster, api_version).await),
                    false => None,
                }
            },
        );
        Ok(Self {
            local: readable(local)?,
            cluster: readable(queues)?,
            flavors: readable(flavors)?,
            priority_classes: classes.transpose()?,
        })
    }

    fn none() -> Self {
        Self {
            local: Readable::Known(Vec::new()),
            cluster: Readable::Known(Vec::new()),
            flavors: Readable::Known(Vec::new()),
            priority_classes: None,
        }
    }
}

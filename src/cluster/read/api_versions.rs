//! Asks which of the APIs that kaiwo speaks a cluster serves.

use futures_util::future::join_all;
use serde::Deserialize;

use crate::api::resource::{KUEUE_GROUP, KUEUE_VERSIONS};
use crate::cluster::client::discovery::ApiResources;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::{Operator, WorkloadKind};

/// Group of Kueue's visibility API, which tells positions.
const VISIBILITY_GROUP: &str = "visibility.kueue.x-k8s.io";

/// Groups and versions that are served, and which kinds of workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `kueue.x-k8s.io/<version>`, the best that kaiwo knows; `None` where
    /// Kueue is not installed.
    pub kueue: Option<String>,
    /// `visibility.kueue.x-k8s.io/<version>`, likewise.
    pub visibility: Option<String>,
    /// The best version of each kind that is served.
    kinds: Vec<(WorkloadKind, &'static str)>,
}

/// The groups that are served, which one request tells.
#[derive(Deserialize)]
pub(in crate::cluster) struct Groups {
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
    /// Asks the API server, which every user may.
    pub(in crate::cluster) async fn read(cluster: &Cluster) -> Result<Self, ClusterError> {
        cluster.get("/apis").await
    }

    /// See [`Served::kueue`].
    pub(in crate::cluster) fn kueue(&self) -> Option<String> {
        self.best(KUEUE_GROUP, &KUEUE_VERSIONS)
    }

    /// Returns the best version of a kind that kaiwo knows and whose group and
    /// version are served.
    pub(in crate::cluster) fn version(&self, kind: WorkloadKind) -> Option<&'static str> {
        let kind = kind.descriptor();
        let mut versions = kind.api_versions.iter().copied();
        versions.find(|version| {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            kind.operator == Operator::Kubernetes || self.serves(group, version)
        })
    }

    /// Returns all of them, each with its versions.
    pub(in crate::cluster) fn all(self) -> Vec<(String, Vec<String>)> {
        let versions = |group: Vec<GroupVersion>| group.into_iter().map(|it| it.version);
        let groups = self.groups.into_iter();
        groups
            .map(|group| (group.name, versions(group.versions).collect()))
            .collect()
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

    fn best(&self, group: &str, versions: &[&str]) -> Option<String> {
        let version = versions
            .iter()
            .find(|version| self.serves(group, version))?;
        Some(format!("{group}/{version}"))
    }
}

impl Served {
    /// Asks the API server, which every user may: once, and once more for kinds
    /// that their group may lack.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn read(cluster: &Cluster) -> Result<Self, ClusterError> {
        Self::among(cluster, &Groups::read(cluster).await?).await
    }

    /// Finds out what is served of groups that were read.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(in crate::cluster) async fn among(
        cluster: &Cluster,
        groups: &Groups,
    ) -> Result<Self, ClusterError> {
        let mut kinds = Vec::new();
        for kind in WorkloadKind::ALL {
            let version = match groups.version(kind) {
                Some(_) if kind.descriptor().is_feature_gated => best(cluster, kind).await?,
                version => version,
            };
            kinds.extend(version.map(|version| (kind, version)));
        }
        Ok(Self {
            kueue: groups.kueue(),
            visibility: groups.best(VISIBILITY_GROUP, &KUEUE_VERSIONS),
            kinds,
        })
    }

    /// Returns the version in which workloads of a kind are read; `None` if
    /// the cluster does not serve the kind.
    pub fn version(&self, kind: WorkloadKind) -> Option<&'static str> {
        if kind == WorkloadKind::Queued {
            let mut versions = kind.descriptor().api_versions.iter().copied();
            return versions.find(|version| self.kueue.as_deref() == Some(*version));
        }
        let known = self.kinds.iter().find(|(known, _)| *known == kind);
        known.map(|(_, version)| *version)
    }
}

/// Returns the best version that serves a kind, where its group may lack it.
async fn best(cluster: &Cluster, kind: WorkloadKind) -> Result<Option<&'static str>, ClusterError> {
    let versions = kind.descriptor().api_versions;
    let asked = join_all(versions.iter().map(|version| kinds(cluster, version)));
    for (version, served) in versions.iter().zip(asked.await) {
        if served?.iter().any(|served| served == kind.name()) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Returns the kinds of one group and version; none where that is not served.
pub(super) async fn kinds(
    cluster: &Cluster,
    api_version: &str,
) -> Result<Vec<String>, ClusterError> {
    let path = format!("/apis/{api_version}");
    match cluster.get::<ApiResources>(&path).await {
        Ok(listed) => Ok(listed.kinds().collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

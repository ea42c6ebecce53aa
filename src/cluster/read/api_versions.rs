//! Which of the APIs that kaiwo speaks a cluster serves.

use futures_util::future::join_all;
use serde::Deserialize;

use crate::api::resource::{KUEUE_GROUP, RAY_GROUP};
use crate::cluster::client::discovery::ApiResources;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::{KAITO_VERSIONS, WorkloadKind};

/// Versions of Kueue's API that kaiwo reads and writes, best first.
pub const KUEUE_VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// Version of KubeRay's API that kaiwo writes.
const RAY_VERSION: &str = "v1";
/// Group of Kueue's visibility API, which tells positions.
const VISIBILITY_GROUP: &str = "visibility.kueue.x-k8s.io";

/// Groups and versions that are served, and in which of KAITO's versions
/// InferenceSets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `kueue.x-k8s.io/<version>`, the best that kaiwo knows; `None` where
    /// Kueue is not installed.
    pub kueue: Option<String>,
    /// `visibility.kueue.x-k8s.io/<version>`, likewise.
    pub visibility: Option<String>,
    /// Whether KubeRay's `ray.io/v1` is.
    pub ray: bool,
    /// `kaito.sh/<version>`, likewise.
    pub kaito: Option<&'static str>,
    /// The version that has InferenceSets, which not every KAITO has.
    inference_set: Option<&'static str>,
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

    /// See [`Served::ray`].
    pub(in crate::cluster) fn ray(&self) -> bool {
        self.serves(RAY_GROUP, RAY_VERSION)
    }

    /// See [`Served::kaito`].
    pub(in crate::cluster) fn kaito(&self) -> Option<&'static str> {
        KAITO_VERSIONS.into_iter().find(|version| {
            version
                .split_once('/')
                .is_some_and(|(group, version)| self.serves(group, version))
        })
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
    /// Asks the API server, which every user may: once, and where KAITO is
    /// served once more, for InferenceSets.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn read(cluster: &Cluster) -> Result<Self, ClusterError> {
        let groups = Groups::read(cluster).await?;
        let kaito = groups.kaito();
        Ok(Self {
            kueue: groups.kueue(),
            visibility: groups.best(VISIBILITY_GROUP, &KUEUE_VERSIONS),
            ray: groups.ray(),
            kaito,
            inference_set: match kaito {
                Some(_) => inference_set(cluster).await?,
                None => None,
            },
        })
    }

    /// Returns the version in which workloads of a kind are read; `None` if
    /// the cluster does not serve the kind.
    pub fn version(&self, kind: WorkloadKind) -> Option<&'static str> {
        match kind {
            WorkloadKind::Workspace => self.kaito,
            WorkloadKind::InferenceSet => self.inference_set,
            kind if kind.is_ray() => self.ray.then_some(kind.api_version()),
            kind => Some(kind.api_version()),
        }
    }
}

/// Returns the best version that serves InferenceSets.
async fn inference_set(cluster: &Cluster) -> Result<Option<&'static str>, ClusterError> {
    let kind = WorkloadKind::InferenceSet.name();
    let asked = KAITO_VERSIONS.map(async |version| {
        match cluster
            .get::<ApiResources>(&format!("/apis/{version}"))
            .await
        {
            Ok(served) => Ok(served.kinds().any(|served| served == kind)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    });
    for (version, served) in KAITO_VERSIONS.into_iter().zip(join_all(asked).await) {
        if served? {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

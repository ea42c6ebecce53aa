//! Which of the APIs that kaiwo speaks a cluster serves.

use futures_util::future::join_all;
use serde::Deserialize;

use super::discovery::ApiResources;
use super::{Cluster, ClusterError};
use crate::k8s::{KUEUE_GROUP, RAY_GROUP};
use crate::plan::name::{KAITO_VERSIONS, WorkloadKind};

/// Versions of Kueue's API that kaiwo reads and writes, best first.
pub const KUEUE_VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// Version of KubeRay's API that kaiwo writes.
const RAY_VERSION: &str = "v1";
/// Group of Kueue's visibility API, which tells positions.
const VISIBILITY_GROUP: &str = "visibility.kueue.x-k8s.io";

/// Groups and versions that are served.
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
    /// The version that has InferenceSets, which not every KAITO has; `None`
    /// before [`Served::with_inference_sets`] has looked.
    pub inference_set: Option<&'static str>,
}

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
    /// Asks the API server, which every user may.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn read(cluster: &Cluster) -> Result<Self, ClusterError> {
        let groups: Groups = cluster.get("/apis").await?;
        Ok(Self {
            kueue: groups.best(KUEUE_GROUP, &KUEUE_VERSIONS),
            visibility: groups.best(VISIBILITY_GROUP, &KUEUE_VERSIONS),
            ray: groups.serves(RAY_GROUP, RAY_VERSION),
            inference_set: None,
            kaito: KAITO_VERSIONS.into_iter().find(|version| {
                version
                    .split_once('/')
                    .is_some_and(|(group, version)| groups.serves(group, version))
            }),
        })
    }

    /// Looks for InferenceSets where KAITO is served.
    pub async fn with_inference_sets(self, cluster: &Cluster) -> Self {
        if self.kaito.is_none() {
            return self;
        }
        let listed = join_all(KAITO_VERSIONS.map(async |version| {
            let served: ApiResources = cluster.get(&format!("/apis/{version}")).await.ok()?;
            let kind = WorkloadKind::InferenceSet.name();
            served
                .kinds()
                .any(|served| served == kind)
                .then_some(version)
        }));
        Self {
            inference_set: listed.await.into_iter().flatten().next(),
            ..self
        }
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

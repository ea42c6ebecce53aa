//! Asks the API server which kinds it serves, and where.

use serde::Deserialize;

use crate::{Cluster, ClusterError};

/// The answer of `/apis/GROUP/VERSION`.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiResources {
    resources: Vec<ApiResource>,
}

impl ApiResources {
    /// Returns the kinds, without their subresources.
    pub fn kinds(self) -> impl Iterator<Item = String> {
        let served = self.resources.into_iter();
        served
            .filter(|served| !served.name.contains('/'))
            .map(|served| served.kind)
    }
}

/// A kind and where it is served.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiResource {
    /// Plural, as in paths.
    pub name: String,
    /// Kind, as in manifests.
    pub kind: String,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

impl Cluster {
    /// Finds out where a kind is served; `None` if it is not.
    ///
    /// # Errors
    /// Any [`ClusterError`] but "not found".
    pub async fn served_kind(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<ApiResource>, ClusterError> {
        let root = match api_version.contains('/') {
            true => "apis",
            false => "api",
        };
        let served: ApiResources = match self.get(&format!("/{root}/{api_version}")).await {
            Ok(served) => served,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut served = served.resources.into_iter();
        // A subresource, `jobs/status`, has its parent's kind.
        Ok(served.find(|served| served.kind == kind && !served.name.contains('/')))
    }
}

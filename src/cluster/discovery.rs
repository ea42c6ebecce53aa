//! Asks the API server where it serves kinds that kaiwo does not know: those
//! that templates bring along.

use super::{Cluster, ClusterError};
use crate::api::resource::Resource;
use crate::error::{Classified, ErrorClass};
use crate::render::manifest::{Manifest, ManifestSet};
use crate::suggestion::{Suggestion, kubectl};

/// A kind that cannot be submitted here.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The cluster does not serve it.
    #[error("the cluster does not serve {} of {}, but the template creates {}", manifest.kind(), manifest.api_version(), manifest.display_name())]
    NotServed {
        /// The object.
        manifest: Box<Manifest>,
    },
    /// Its objects belong to no namespace.
    #[error("{} is not namespaced, and cannot be part of a workload", manifest.display_name())]
    ClusterWide {
        /// The object.
        manifest: Box<Manifest>,
    },
    /// The cluster cannot be asked.
    #[error("cannot determine the API path of {object}")]
    Failed {
        /// `kind/name` of the object.
        object: String,
        /// Why not.
        source: ClusterError,
    },
}

impl Classified for DiscoveryError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotServed { .. } | Self::ClusterWide { .. } => ErrorClass::Refused,
            Self::Failed { source, .. } => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NotServed { .. } => {
                vec![kubectl("api-resources", &[]).to("list what the cluster serves")]
            }
            Self::ClusterWide { .. } => {
                vec!["remove it from the template, and ask an admin to create it".into()]
            }
            Self::Failed { source, .. } => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NotServed { manifest } | Self::ClusterWide { manifest } => {
                Some(manifest.display_name())
            }
            Self::Failed { object, .. } => Some(object.clone()),
        }
    }
}

/// Finds out where the objects are served whose kinds kaiwo does not know.
/// Sends nothing if it knows them all.
///
/// # Errors
/// [`DiscoveryError`] for the first object that cannot be submitted.
pub async fn resolve(cluster: &Cluster, manifests: &mut ManifestSet) -> Result<(), DiscoveryError> {
    for manifest in &mut manifests.companions {
        if manifest.resource().is_some() {
            continue;
        }
        let resource = find(cluster, manifest).await?;
        if !resource.namespaced {
            return Err(DiscoveryError::ClusterWide {
                manifest: Box::new(manifest.clone()),
            });
        }
        manifest.set_resource(resource);
    }
    Ok(())
}

async fn find(cluster: &Cluster, manifest: &Manifest) -> Result<Resource, DiscoveryError> {
    let not_served = || DiscoveryError::NotServed {
        manifest: Box::new(manifest.clone()),
    };
    let version = manifest.api_version();
    let served = cluster.served_kind(version, manifest.kind()).await;
    match served {
        Ok(Some(served)) => Ok(Resource {
            api_version: version.to_owned(),
            kind: served.kind,
            plural: served.name,
            namespaced: served.namespaced,
        }),
        Ok(None) => Err(not_served()),
        Err(source) => Err(DiscoveryError::Failed {
            object: manifest.display_name(),
            source,
        }),
    }
}

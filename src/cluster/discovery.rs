//! Asks the API server where it serves kinds that kaiwo does not know: those
//! that templates bring along.

use super::{Cluster, ClusterError};
use crate::api::resource::Resource;
use crate::error::{Classified, ErrorClass};
use crate::render::manifest::{Manifest, ManifestSet};

/// A kind that cannot be submitted here.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The cluster does not serve it.
    #[error("the cluster serves no {} of {}, and the template makes {}", manifest.kind(), manifest.api_version(), manifest.display_name())]
    NotServed {
        /// The object.
        manifest: Box<Manifest>,
    },
    /// Its objects belong to no namespace.
    #[error("{} belongs to no namespace, and cannot go with a workload", manifest.display_name())]
    ClusterWide {
        /// The object.
        manifest: Box<Manifest>,
    },
    /// The cluster cannot be asked.
    #[error("cannot find out where {object} is served")]
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

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotServed { .. } => {
                vec!["see what is served with: kubectl api-resources".to_owned()]
            }
            Self::ClusterWide { .. } => {
                vec!["leave it out of the template; an admin makes it".to_owned()]
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

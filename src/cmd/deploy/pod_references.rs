//! Looks for what pods name before anything is created.

use crate::cluster::Cluster;
use crate::cluster::pod_references::references;
use crate::error::CommandError;
use crate::plan::pod_reference;
use crate::plan::request::WorkloadRequest;
use crate::render;
use crate::render::manifest::ManifestSet;

use super::Mode;

impl Mode<'_> {
    /// Checks that what its pods name is there.
    pub(super) async fn check_references(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        manifests: &ManifestSet,
    ) -> Result<(), CommandError> {
        let namespace = &request.namespace;
        let named = render::pod_references::references(manifests);
        let seen = references(cluster, namespace, named).await?;
        for warning in pod_reference::check(&seen, namespace, request.force)? {
            self.ui.warn(warning);
        }
        Ok(())
    }
}

//! Looks for what pods name before anything is created, where they run in this cluster.

use crate::cluster::Cluster;
use crate::cluster::pod_references::references;
use crate::error::CommandError;
use crate::plan::{Plan, pod_reference};
use crate::render;
use crate::render::manifest::ManifestSet;

use super::Mode;

impl Mode<'_> {
    /// Checks that what its pods name is there.
    pub(super) async fn check_references(
        &self,
        cluster: &Cluster,
        plan: &Plan,
        manifests: &ManifestSet,
    ) -> Result<(), CommandError> {
        let request = &plan.request;
        let namespace = &request.namespace;
        let named = render::pod_references::references(manifests);
        if plan.is_sent_away {
            let warning = pod_reference::elsewhere(&named, namespace);
            warning.iter().for_each(|warning| self.ui.warn(warning));
            return Ok(());
        }
        let seen = references(cluster, namespace, named).await?;
        for warning in pod_reference::check(&seen, namespace, request.force)? {
            self.ui.warn(warning);
        }
        Ok(())
    }
}

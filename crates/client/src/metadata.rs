//! Reads objects without their content: a Secret's values never travel, and neither do
//! megabytes of uploads.

use serde::de::DeserializeOwned;

use super::request::{ServedKind, percent_encoded};
use crate::{Cluster, ClusterError};
use kaiwo_base::answer::Page;

/// Leaves everything but the metadata of an object at the server.
const ONE: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Does so for a list.
const LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Cluster {
    /// Reads the metadata of one object; `None` if it does not exist.
    ///
    /// # Errors
    /// Any [`ClusterError`] but "not found".
    pub async fn find_metadata<T: DeserializeOwned>(
        &self,
        resource: &impl ServedKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ClusterError> {
        match self
            .get_as(&resource.object_path(namespace, name), ONE)
            .await
        {
            Err(error) if error.is_not_found() => Ok(None),
            found => found.map(Some),
        }
    }

    /// Reads the metadata of all objects of a kind that `selector` selects.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list_metadata<T: DeserializeOwned>(
        &self,
        resource: &impl ServedKind,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ClusterError> {
        let path = resource.collection_path(namespace);
        let path = format!("{path}?labelSelector={}", percent_encoded(selector));
        self.metadata_page(&path).await.map(|page| page.items)
    }

    /// Reads the metadata of a page of objects.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn metadata_page<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Page<T>, ClusterError> {
        self.get_as(path, LIST).await
    }
}

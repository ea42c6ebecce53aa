//! Listings, page by page, so that memory does not grow with the cluster.

use serde::de::DeserializeOwned;

use super::request::percent_encoded;
use super::{Cluster, ClusterError};
use crate::k8s::Resource;
use crate::observe::Workload;
use crate::observe::object::Page;
use crate::plan::name::WorkloadKind;

/// Objects of one page.
const PAGE: usize = 500;

/// What a listing is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Label selector, empty for all.
    pub labels: String,
    /// Field selector, empty for all.
    pub fields: String,
}

impl Selection {
    /// Selects by labels.
    pub fn labels(selector: impl Into<String>) -> Self {
        Self {
            labels: selector.into(),
            fields: String::new(),
        }
    }

    /// Selects by fields.
    pub fn fields(selector: impl Into<String>) -> Self {
        Self {
            labels: String::new(),
            fields: selector.into(),
        }
    }

    /// Returns it as parameters of a path that has some already.
    pub fn parameters(&self) -> String {
        let mut text = String::new();
        for (name, selector) in [
            ("labelSelector", &self.labels),
            ("fieldSelector", &self.fields),
        ] {
            if !selector.is_empty() {
                text += &format!("&{name}={}", percent_encoded(selector));
            }
        }
        text
    }
}

/// A listing that is read page by page.
#[derive(Debug)]
pub struct Pages<'a> {
    cluster: &'a Cluster,
    path: String,
    /// Where the next page begins, empty for the first; `None` after the last.
    next: Option<String>,
}

impl<'a> Pages<'a> {
    /// Begins a listing in a namespace, in all of them if it is empty.
    pub fn new(
        cluster: &'a Cluster,
        resource: &Resource,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        let path = resource.collection_path(namespace);
        Self {
            cluster,
            path: format!("{path}?limit={PAGE}{}", selection.parameters()),
            next: Some(String::new()),
        }
    }

    /// Reads the next page; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>, ClusterError> {
        self.turn(|text| {
            let page: Page<T> = serde_json::from_str(text)?;
            Ok((page.items, page.metadata.next))
        })
        .await
    }

    /// Reads the next page of a listing of workloads of `kind`, which is served
    /// in `api_version`; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn next_workloads(
        &mut self,
        kind: WorkloadKind,
        api_version: &str,
    ) -> Result<Option<Vec<Workload>>, ClusterError> {
        self.turn(|text| Workload::read_page(kind, api_version, text))
            .await
    }

    async fn turn<T>(
        &mut self,
        read: impl FnOnce(&str) -> serde_json::Result<(T, String)>,
    ) -> Result<Option<T>, ClusterError> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let text = match self.text(&next).await {
            // The listing took so long that its beginning is forgotten; the
            // answer says where it can go on with what is there now
            // (apiserver `handleExpiredListError`).
            Err(ClusterError::Api(status)) if status.code == 410 => {
                let metadata = status.metadata.as_ref();
                let next = metadata.and_then(|metadata| metadata.continue_.clone());
                match next.filter(|next| !next.is_empty()) {
                    Some(next) => self.text(&next).await?,
                    None => return Err(ClusterError::Api(status)),
                }
            }
            text => text?,
        };
        let (items, next) = read(&text).map_err(|error| ClusterError::Answer {
            request: format!("GET {}", self.path),
            source: kube::Error::SerdeError(error),
        })?;
        self.next = Some(next).filter(|next| !next.is_empty());
        Ok(Some(items))
    }

    async fn text(&self, next: &str) -> Result<String, ClusterError> {
        match next {
            "" => self.cluster.get_text(&self.path).await,
            next => {
                let path = format!("{}&continue={}", self.path, percent_encoded(next));
                self.cluster.get_text(&path).await
            }
        }
    }
}

impl Cluster {
    /// Reads all objects of a kind. `selector` is a label selector, empty for
    /// all.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ClusterError> {
        self.list_selected(resource, namespace, &Selection::labels(selector))
            .await
    }

    /// Reads all objects of a kind that are selected.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list_selected<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: &str,
        selection: &Selection,
    ) -> Result<Vec<T>, ClusterError> {
        let mut pages = Pages::new(self, resource, namespace, selection);
        let mut items = Vec::new();
        while let Some(page) = pages.next().await? {
            items.extend(page);
        }
        Ok(items)
    }
}

//! Single requests, each with a deadline.
//!
//! They are built by hand because kube's `PostParams` cannot ask for strict
//! field validation.

use std::time::Instant;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, ClusterError};
use crate::k8s::{self, Resource};
use crate::plan::facts::Readable;
use crate::render::manifest::Manifest;

/// Objects of one page of a listing.
const PAGE: usize = 500;

/// Whether a write is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It is.
    Real,
    /// The API server goes through everything but storing it.
    DryRun,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue", default)]
    next: String,
}

impl Cluster {
    /// Reads the JSON at `path`.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        self.send(Method::GET, path, None).await
    }

    /// Reads one object; `None` if there is none.
    ///
    /// # Errors
    /// Any [`ClusterError`] but "not found".
    pub async fn find<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ClusterError> {
        match self.get(&resource.object_path(namespace, name)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of a kind, page by page. `selector` is a label
    /// selector, empty for all.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ClusterError> {
        let mut path = format!("{}?limit={PAGE}", resource.collection_path(namespace));
        if !selector.is_empty() {
            path += &format!("&labelSelector={}", percent_encoded(selector));
        }
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let page: Page<T> = match next.as_str() {
                "" => self.get(&path).await?,
                token => {
                    self.get(&format!("{path}&continue={}", percent_encoded(token)))
                        .await?
                }
            };
            items.extend(page.items);
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(items);
            }
        }
    }

    /// Creates an object, strictly: an unknown field is an error.
    ///
    /// # Errors
    /// Any [`ClusterError`]; "already exists" among them.
    pub async fn create(&self, manifest: &Manifest, write: Write) -> Result<Value, ClusterError> {
        let resource = resource_of(manifest);
        let dry_run = match write {
            Write::Real => "",
            Write::DryRun => "&dryRun=All",
        };
        let path = format!(
            "{}?fieldManager={}&fieldValidation=Strict{dry_run}",
            resource.collection_path(manifest.namespace()),
            k8s::MANAGER
        );
        self.send(
            Method::POST,
            &path,
            Some(("application/json", manifest.to_json())),
        )
        .await
    }

    /// Merges `patch` into an object.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn patch(&self, manifest: &Manifest, patch: &Value) -> Result<Value, ClusterError> {
        let path = format!(
            "{}?fieldManager={}",
            resource_of(manifest).object_path(manifest.namespace(), manifest.name()),
            k8s::MANAGER
        );
        let body = patch.to_string().into_bytes();
        self.send(
            Method::PATCH,
            &path,
            Some(("application/merge-patch+json", body)),
        )
        .await
    }

    /// Deletes the object with this UID, and in the background what it owns.
    /// Gone already is as good.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if another object has the name now.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterError> {
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        });
        let path = resource.object_path(namespace, name);
        let body = options.to_string().into_bytes();
        match self
            .send::<Value>(Method::DELETE, &path, Some(("application/json", body)))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<T, ClusterError> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let mut builder = http::Request::builder().method(method).uri(path);
        let body = match body {
            Some((content_type, body)) => {
                builder = builder.header(http::header::CONTENT_TYPE, content_type);
                body
            }
            None => Vec::new(),
        };
        let request = builder.body(body).map_err(|error| {
            ClusterError::from_client(kube::Error::HttpError(error), &self.server, &what)
        })?;
        let start = Instant::now();
        let answer =
            tokio::time::timeout(self.request_timeout, self.client.request::<T>(request)).await;
        let result = match answer {
            Ok(answer) => {
                answer.map_err(|error| ClusterError::from_client(error, &self.server, &what))
            }
            Err(_) => Err(ClusterError::Slow {
                server: self.server.clone(),
                seconds: self.request_timeout.as_secs(),
                request: what.clone(),
            }),
        };
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error
                .code()
                .map_or_else(|| "failed".to_owned(), |code| code.to_string()),
        };
        tracing::info!("{what} {outcome} {} ms", start.elapsed().as_millis());
        result
    }
}

/// Makes "may not be read" an answer instead of an error.
///
/// # Errors
/// Every other error.
pub fn readable<T>(result: Result<T, ClusterError>) -> Result<Readable<T>, ClusterError> {
    match result {
        Ok(value) => Ok(Readable::Known(value)),
        Err(error) if error.is_forbidden() => Ok(Readable::Forbidden),
        Err(error) => Err(error),
    }
}

/// Every manifest is of a kind that kaiwo knows, or was resolved by
/// `discovery` before anything is sent.
pub(super) fn resource_of(manifest: &Manifest) -> &Resource {
    manifest
        .resource()
        .unwrap_or_else(|| unreachable!("{} is not resolved", manifest.display_name()))
}

pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte.into())
            }
            byte => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

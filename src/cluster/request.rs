//! Single requests, each with a deadline.
//!
//! They are built by hand because kube's `PostParams` cannot ask for strict
//! field validation.

use std::time::{Duration, Instant};

use futures_util::AsyncBufRead;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use kube::Client;
use kube::client::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::session::Pass;
use super::{Cluster, ClusterError};
use crate::k8s::{self, Resource};
use crate::plan::facts::Readable;
use crate::render::manifest::Manifest;

/// Whether a write is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It is.
    Real,
    /// The API server goes through everything but storing it.
    DryRun,
}

impl Write {
    fn parameter(self) -> &'static str {
        match self {
            Self::Real => "",
            Self::DryRun => "&dryRun=All",
        }
    }
}

/// A request before it has credentials.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Form of the answer; JSON if nothing is said.
    pub(super) accept: Option<&'static str>,
    /// Its type and its bytes.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// Most time until the answer begins; the usual one if nothing is said.
    pub(super) patience: Option<Duration>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: None,
            body: None,
            patience: None,
        }
    }
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

    /// Creates an object, strictly: an unknown field is an error.
    ///
    /// # Errors
    /// Any [`ClusterError`]; "already exists" among them.
    pub async fn create(&self, manifest: &Manifest, write: Write) -> Result<Value, ClusterError> {
        let resource = resource_of(manifest);
        let path = format!(
            "{}?fieldManager={}&fieldValidation=Strict{}",
            resource.collection_path(manifest.namespace()),
            k8s::MANAGER,
            write.parameter(),
        );
        self.send(
            Method::POST,
            &path,
            Some(("application/json", manifest.to_json())),
        )
        .await
    }

    /// Puts `object`, which holds the resourceVersion it was read with, in the
    /// place of the one there is, strictly.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if it was changed in between.
    pub async fn replace(
        &self,
        manifest: &Manifest,
        object: &Value,
        write: Write,
    ) -> Result<Value, ClusterError> {
        let path = format!(
            "{}?fieldManager={}&fieldValidation=Strict{}",
            resource_of(manifest).object_path(manifest.namespace(), manifest.name()),
            k8s::MANAGER,
            write.parameter(),
        );
        let body = object.to_string().into_bytes();
        self.send(Method::PUT, &path, Some(("application/json", body)))
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
        let outgoing = Outgoing {
            method,
            body,
            ..Outgoing::get(path)
        };
        self.deliver(&outgoing).await
    }

    /// Reads what is at `path` in a form of its own.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(super) async fn get_as<T: DeserializeOwned>(
        &self,
        path: &str,
        accept: &'static str,
    ) -> Result<T, ClusterError> {
        let outgoing = Outgoing {
            accept: Some(accept),
            ..Outgoing::get(path)
        };
        self.deliver(&outgoing).await
    }

    /// Reads what is at `path` as it comes.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(super) async fn get_text(&self, path: &str) -> Result<String, ClusterError> {
        let ask = async |client: Client, request| client.request_text(request).await;
        self.exchange(&Outgoing::get(path), ask).await
    }

    /// Opens what is at `path` and goes on: a log, a watch. The deadline is for
    /// the beginning of the answer.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn open(&self, path: &str) -> Result<impl AsyncBufRead + use<>, ClusterError> {
        let ask = async |client: Client, request| client.request_stream(request).await;
        self.exchange(&Outgoing::get(path), ask).await
    }

    /// Opens a connection over which channels run in both directions: a command
    /// in a container, a port of a pod.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(super) async fn upgrade(&self, path: &str) -> Result<Connection, ClusterError> {
        let ask = async |client: Client, request| client.connect(request).await;
        self.exchange(&Outgoing::get(path), ask).await
    }

    async fn deliver<T: DeserializeOwned>(
        &self,
        outgoing: &Outgoing<'_>,
    ) -> Result<T, ClusterError> {
        let ask = async |client: Client, request| client.request::<T>(request).await;
        self.exchange(outgoing, ask).await
    }

    /// Sends a request and has `ask` take the answer.
    pub(super) async fn exchange<A>(
        &self,
        outgoing: &Outgoing<'_>,
        ask: impl AsyncFn(Client, http::Request<Vec<u8>>) -> kube::Result<A>,
    ) -> Result<A, ClusterError> {
        let Outgoing { method, path, .. } = outgoing;
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let start = Instant::now();
        let mut pass = self.session.pass().await?;
        let mut result = self.try_once(&pass, outgoing, &what, &ask).await;
        // A refusal for want of authentication changes nothing, so that even
        // a write may be sent again.
        if let Err(ClusterError::Api(status)) = &result
            && status.code == 401
            && let Some(renewed) = self.session.after_refusal(&pass).await?
        {
            tracing::info!("{what} 401, again with new credentials");
            pass = renewed;
            result = self.try_once(&pass, outgoing, &what, &ask).await;
        }
        if let Err(ClusterError::Api(status)) = &result
            && status.code == 401
        {
            result = Err(self.session.unauthenticated(status));
        }
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error
                .code()
                .map_or_else(|| "failed".to_owned(), |code| code.to_string()),
        };
        tracing::info!("{what} {outcome} {} ms", start.elapsed().as_millis());
        result
    }

    async fn try_once<A>(
        &self,
        pass: &Pass,
        outgoing: &Outgoing<'_>,
        what: &str,
        ask: &impl AsyncFn(Client, http::Request<Vec<u8>>) -> kube::Result<A>,
    ) -> Result<A, ClusterError> {
        let mut builder = http::Request::builder()
            .method(&outgoing.method)
            .uri(outgoing.path);
        if let Some(headers) = builder.headers_mut() {
            headers.clone_from(self.session.headers());
            if let Some(value) = pass.authorization() {
                headers.insert(AUTHORIZATION, value.clone());
            }
            if let Some(accept) = outgoing.accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            if let Some((content_type, _)) = outgoing.body {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
        }
        let body = outgoing.body.as_ref().map(|(_, body)| body.clone());
        let wrong = |error| ClusterError::from_client(error, &self.server, what);
        let request = builder
            .body(body.unwrap_or_default())
            .map_err(|error| wrong(kube::Error::HttpError(error)))?;
        let answer = ask(pass.client.clone(), request);
        let patience = outgoing.patience.unwrap_or(self.request_timeout);
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.map_err(wrong),
            Err(_) => Err(ClusterError::Slow {
                server: self.server.clone(),
                seconds: patience.as_secs(),
                request: what.to_owned(),
            }),
        }
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

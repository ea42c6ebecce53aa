//! Single requests, each with a deadline.
//!
//! They are built by hand because kube's `PostParams` cannot ask for strict
//! field validation.

use futures_util::{AsyncBufRead, TryStreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::exchange::{self, Outgoing, Repeat};
use crate::{Cluster, ClusterError};
use kaiwo_base::answer::Readable;

/// Where the API server serves objects of a kind.
pub trait Served {
    /// Returns the kind, as in manifests.
    fn kind(&self) -> &str;

    /// Returns the path of the collection, in `namespace` where the kind has
    /// one; in all of them if it is empty.
    fn collection_path(&self, namespace: &str) -> String;

    /// Returns the path of one object.
    fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }
}

/// An object to be written.
pub trait Object {
    /// Who writes it: the field manager of the request.
    const MANAGER: &'static str;

    /// Returns where it is served.
    fn served(&self) -> &impl Served;

    /// Returns its namespace; empty if it has none.
    fn namespace(&self) -> &str;

    /// Returns its name.
    fn name(&self) -> &str;

    /// Returns all of it.
    fn to_json(&self) -> Vec<u8>;
}

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

    /// What is written twice is not what is written once: it exists already,
    /// or has another resourceVersion.
    fn repeat(self) -> Repeat {
        match self {
            Self::Real => Repeat::Unseen,
            Self::DryRun => Repeat::Unanswered,
        }
    }
}

impl Cluster {
    /// Reads the JSON at `path`.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        self.deliver(&Outgoing::get(path)).await
    }

    /// Reads the JSON at `path`, or finds out at once that it is not to be had.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn get_at_once<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        self.deliver(&Outgoing::get_once(path)).await
    }

    /// Reads one object; `None` if there is none.
    ///
    /// # Errors
    /// Any [`ClusterError`] but "not found"; [`ClusterError::NotServed`] where
    /// nothing can be found, because the API server does not know the kind.
    pub async fn find<T: DeserializeOwned>(
        &self,
        resource: &impl Served,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ClusterError> {
        match self.get(&resource.object_path(namespace, name)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_no_resource() => Err(ClusterError::NotServed {
                kind: resource.kind().to_owned(),
            }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object, strictly: an unknown field is an error.
    ///
    /// # Errors
    /// Any [`ClusterError`]; "already exists" among them.
    pub async fn create<O: Object>(&self, object: &O, write: Write) -> Result<Value, ClusterError> {
        let path = format!(
            "{}?fieldManager={}&fieldValidation=Strict{}",
            object.served().collection_path(object.namespace()),
            O::MANAGER,
            write.parameter(),
        );
        let body = ("application/json", object.to_json());
        self.send(Method::POST, &path, body, write.repeat()).await
    }

    /// Puts `content`, which holds the resourceVersion it was read with, in the
    /// place of the one there is, strictly.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if it was changed in between.
    pub async fn replace<O: Object>(
        &self,
        object: &O,
        content: &Value,
        write: Write,
    ) -> Result<Value, ClusterError> {
        let path = format!(
            "{}?fieldManager={}&fieldValidation=Strict{}",
            path_of(object),
            O::MANAGER,
            write.parameter(),
        );
        let body = ("application/json", content.to_string().into_bytes());
        self.send(Method::PUT, &path, body, write.repeat()).await
    }

    /// Merges `patch` into an object.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn patch<O: Object>(&self, object: &O, patch: &Value) -> Result<Value, ClusterError> {
        let path = format!("{}?fieldManager={}", path_of(object), O::MANAGER);
        let body = (
            "application/merge-patch+json",
            patch.to_string().into_bytes(),
        );
        self.send(Method::PATCH, &path, body, Repeat::Unanswered)
            .await
    }

    /// Deletes the object with this UID, and in the background what it owns.
    /// Gone already is as good.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if another object has the name now.
    pub async fn delete(
        &self,
        resource: &impl Served,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterError> {
        self.delete_as_read(resource, namespace, name, (uid, None))
            .await
    }

    /// Deletes the object with this UID, if it has still this version, too.
    ///
    /// # Errors
    /// As [`Cluster::delete`]; a conflict also if it was changed.
    pub async fn delete_as_read(
        &self,
        resource: &impl Served,
        namespace: &str,
        name: &str,
        (uid, version): (&str, Option<&str>),
    ) -> Result<(), ClusterError> {
        let mut preconditions = json!({"uid": uid});
        if let Some(version) = version {
            preconditions["resourceVersion"] = Value::from(version);
        }
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        });
        let path = resource.object_path(namespace, name);
        let body = ("application/json", options.to_string().into_bytes());
        let deleted: Result<Value, _> = self
            .send(Method::DELETE, &path, body, Repeat::Unanswered)
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: (&'static str, Vec<u8>),
        repeat: Repeat,
    ) -> Result<T, ClusterError> {
        let outgoing = Outgoing {
            method,
            body: Some(body),
            repeat,
            ..Outgoing::get(path)
        };
        self.deliver(&outgoing).await
    }

    /// Reads what is at `path` in a form of its own.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn get_as<T: DeserializeOwned>(
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
    pub async fn get_text(&self, path: &str) -> Result<String, ClusterError> {
        let ask = async |client: Client, request| {
            let bytes = exchange::read(&client, request).await?;
            String::from_utf8(bytes.into()).map_err(kube::Error::FromUtf8)
        };
        self.exchange(&Outgoing::get(path), ask).await
    }

    /// Opens what is at `path` and goes on: a log, a watch. The deadline is for
    /// the beginning of the answer. Whoever follows knows what to do when it
    /// breaks off, and does the same when it does not begin.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn open(&self, path: &str) -> Result<impl AsyncBufRead + use<>, ClusterError> {
        let ask = async |client: Client, request| {
            let answer = exchange::answered(&client, request).await?;
            let bytes = answer.into_body().into_data_stream();
            Ok(bytes.map_err(std::io::Error::other).into_async_read())
        };
        self.exchange(&Outgoing::get_once(path), ask).await
    }

    /// Opens a connection over which channels run in both directions: a command
    /// in a container, a port of a pod.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(crate) async fn upgrade(&self, path: &str) -> Result<Connection, ClusterError> {
        let ask = async |client: Client, request| client.connect(request).await;
        self.exchange(&Outgoing::get_once(path), ask).await
    }

    async fn deliver<T: DeserializeOwned>(
        &self,
        outgoing: &Outgoing<'_>,
    ) -> Result<T, ClusterError> {
        let ask = async |client: Client, request| {
            let bytes = exchange::read(&client, request).await?;
            serde_json::from_slice(&bytes).map_err(kube::Error::SerdeError)
        };
        self.exchange(outgoing, ask).await
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

fn path_of(object: &impl Object) -> String {
    let served = object.served();
    served.object_path(object.namespace(), object.name())
}

/// Writes a text so that it can stand in a path or in a parameter.
pub fn percent_encoded(text: &str) -> String {
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

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

use super::answer;
use super::exchange::{Outgoing, Repeat};
use crate::{Cluster, ClusterError};
use kaiwo_base::answer::{Page, Readable};
use kaiwo_base::protobuf::Encoded;

/// Where the API server serves objects of a kind.
pub trait ServedKind {
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
    fn served(&self) -> &impl ServedKind;

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
        resource: &impl ServedKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ClusterError> {
        let path = resource.object_path(namespace, name);
        match self.get::<Value>(&path).await {
            Ok(object) => self.named(resource, name, &path, &object).map(Some),
            Err(error) if error.is_no_resource() => Err(ClusterError::NotServed {
                kind: resource.kind().to_owned(),
            }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an answer for the object that was asked for. One that is about something
    /// else, from whatever answers in the API server's place, says nothing about it.
    fn named<T: DeserializeOwned>(
        &self,
        resource: &impl ServedKind,
        name: &str,
        path: &str,
        answer: &Value,
    ) -> Result<T, ClusterError> {
        let is_it = match answer["kind"].as_str() {
            Some(kind) => kind == resource.kind() && answer["metadata"]["name"] == name,
            None => answer.is_object(),
        };
        if !is_it {
            return Err(misplaced("GET", path, answer));
        }
        let text = answer.to_string();
        let read = self.reading.parse(text.as_bytes());
        read.map_err(|error| ClusterError::Answer {
            request: format!("GET {path}"),
            source: kube::Error::SerdeError(error),
        })
    }

    /// Posts a question that changes nothing, such as a review of the user's own
    /// rights, and returns the answer.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &Value,
    ) -> Result<T, ClusterError> {
        let body = ("application/json", question.to_string().into_bytes());
        self.send(Method::POST, path, body, Repeat::Unanswered)
            .await
    }

    /// Creates an object, strictly: an unknown field is an error.
    ///
    /// # Errors
    /// Any [`ClusterError`]; "already exists" among them.
    pub async fn create<O: Object>(&self, object: &O, write: Write) -> Result<Value, ClusterError> {
        let place = object.served().collection_path(object.namespace());
        let path = strict::<O>(&place, write);
        let body = ("application/json", object.to_json());
        let created = self.send(Method::POST, &path, body, write.repeat()).await?;
        about(object, "POST", created)
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
        let path = strict::<O>(&path_of(object), write);
        let body = ("application/json", content.to_string().into_bytes());
        let replaced = self.send(Method::PUT, &path, body, write.repeat()).await?;
        about(object, "PUT", replaced)
    }

    /// Merges `patch` into an object, strictly. Its metadata may hold the UID and the
    /// resourceVersion that the object is to have.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if it has others.
    pub async fn patch<O: Object>(
        &self,
        object: &O,
        patch: &Value,
        write: Write,
    ) -> Result<Value, ClusterError> {
        let path = strict::<O>(&path_of(object), write);
        let body = (
            "application/merge-patch+json",
            patch.to_string().into_bytes(),
        );
        let patched = self.send(Method::PATCH, &path, body, Repeat::Unanswered);
        about(object, "PATCH", patched.await?)
    }

    /// Deletes the object with this UID, and in the background what it owns.
    /// Gone already is as good.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if another object has the name now.
    pub async fn delete(
        &self,
        resource: &impl ServedKind,
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
        resource: &impl ServedKind,
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
            // It says that it is done, or what is going.
            Ok(answer) if answer["kind"] == "Status" || answer["metadata"]["name"] == name => {
                Ok(())
            }
            Ok(answer) => Err(misplaced(
                "DELETE",
                &resource.object_path(namespace, name),
                &answer,
            )),
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
            let bytes = answer::read(&client, request, &self.warnings).await?;
            String::from_utf8(bytes).map_err(kube::Error::FromUtf8)
        };
        self.exchange(&Outgoing::get(path), ask).await
    }

    /// Reads what is at `path` as it comes: JSON, or what `accept` asks for.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(crate) async fn get_encoded(
        &self,
        path: &str,
        accept: Option<&'static str>,
    ) -> Result<Encoded, ClusterError> {
        let ask = async |client: Client, request| {
            answer::read_encoded(&client, request, &self.warnings).await
        };
        let outgoing = Outgoing {
            accept,
            ..Outgoing::get(path)
        };
        self.exchange(&outgoing, ask).await
    }

    /// Reads a page of a listing at `path`, each object once it has come.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub(crate) async fn get_page<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Page<T>, ClusterError> {
        let reading = self.reading();
        let ask = async |client: Client, request| {
            answer::read_page(&client, request, &self.warnings, reading).await
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
            let answer = answer::answered(&client, request).await?;
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
            let bytes = answer::read(&client, request, &self.warnings).await?;
            self.reading.parse(&bytes).map_err(kube::Error::SerdeError)
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

/// Returns an answer if it is the object that was written.
fn about<O: Object>(object: &O, method: &str, answer: Value) -> Result<Value, ClusterError> {
    let kind = answer["kind"].as_str();
    let is_kind = kind.is_none_or(|kind| kind == object.served().kind());
    if is_kind && answer["metadata"]["name"] == object.name() {
        return Ok(answer);
    }
    Err(misplaced(method, &path_of(object), &answer))
}

/// Makes an error of an answer that is about something else.
fn misplaced(method: &str, path: &str, answer: &Value) -> ClusterError {
    let words = format!(
        "it is about {} {:?}",
        answer["kind"]
            .as_str()
            .unwrap_or("an unknown kind of object"),
        answer["metadata"]["name"].as_str().unwrap_or_default()
    );
    ClusterError::unexpected(format!("{method} {path}"), words)
}

/// Returns the path of a write in which an unknown field is an error.
fn strict<O: Object>(path: &str, write: Write) -> String {
    format!(
        "{path}?fieldManager={}&fieldValidation=Strict{}",
        O::MANAGER,
        write.parameter()
    )
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

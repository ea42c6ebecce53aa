//! The transaction that creates a submission: uploads and queue, then the
//! workload, then ownership. Either all of it is there afterwards, or none of
//! what this run made, or the error lists what is left.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};

use super::existing::{self, Existing, Relation};
use super::request::{Write, resource_of};
use super::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::k8s;
use crate::plan::name::WorkloadKind;
use crate::render::manifest::{Manifest, ManifestSet};

/// Longest wait for an object to go.
const GONE_DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two looks at an object that is going.
const POLL: Duration = Duration::from_millis(250);

/// How a submission ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// This run created the workload.
    Created,
    /// Another run has, from the same request.
    Unchanged,
}

/// A submission that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// Another workload has the name.
    #[error("{object} exists already and {}", if *.finished { "has run to its end" } else { "differs" })]
    Exists {
        /// `kind/name` of the workload.
        object: String,
        /// Whether it is the same submission, which has ended.
        finished: bool,
    },
    /// An object could not be made. What this run had made is gone again.
    #[error("cannot create {object}; nothing of this submission is left")]
    Failed {
        /// `kind/name` of the object.
        object: String,
        /// Why not.
        source: ClusterError,
    },
    /// An object has the name and is not kaiwo's, or points elsewhere.
    #[error("{object} exists already, and is not what this workload needs")]
    Occupied {
        /// `kind/name` of the object.
        object: String,
        /// Its namespace.
        namespace: String,
    },
    /// What was to go is still there.
    #[error("{object} is still being deleted after {} s", GONE_DEADLINE.as_secs())]
    StillThere {
        /// `kind/name` of the object.
        object: String,
        /// Its namespace.
        namespace: String,
    },
    /// The user interrupted. What this run had made is gone again.
    #[error("interrupted; nothing of this submission is left")]
    Interrupted,
    /// Something failed, and so did clearing up.
    #[error("{reason}, and what was made could not be removed: {}", left.join(", "))]
    Partial {
        /// What failed first.
        reason: String,
        /// `kind/name` of what is left.
        left: Vec<String>,
        /// Its namespace.
        namespace: String,
        /// Why it could not be removed.
        source: ClusterError,
    },
}

impl Classified for SubmissionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } | Self::Occupied { .. } => ErrorClass::Conflict,
            Self::Failed { source, .. } => source.class(),
            Self::StillThere { .. } => ErrorClass::TimedOut,
            Self::Interrupted => ErrorClass::Interrupted,
            Self::Partial { .. } => ErrorClass::Partial,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } | Self::Interrupted => Vec::new(),
            Self::Failed { source, .. } => source.hints(),
            Self::Occupied { object, namespace } => {
                vec![format!(
                    "see it with: kubectl -n {namespace} get {object} -o yaml"
                )]
            }
            Self::StillThere { object, namespace } => {
                vec![format!(
                    "see what holds it: kubectl -n {namespace} get {object} -o jsonpath='{{.metadata.finalizers}}'"
                )]
            }
            Self::Partial {
                left, namespace, ..
            } => {
                vec![format!(
                    "remove it with: kubectl -n {namespace} delete {}",
                    left.join(" ")
                )]
            }
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Exists { object, .. }
            | Self::Failed { object, .. }
            | Self::Occupied { object, .. }
            | Self::StillThere { object, .. } => Some(object.clone()),
            Self::Interrupted => None,
            Self::Partial { left, .. } => left.first().cloned(),
        }
    }
}

/// One run of a submission.
#[derive(Debug)]
pub struct Submission<'a> {
    cluster: &'a Cluster,
    kind: WorkloadKind,
    manifests: &'a ManifestSet,
    digest: &'a str,
    /// What this run has begun to create. An entry is made before its request
    /// leaves, so that a lost reply loses nothing.
    attempted: RefCell<Vec<&'a Manifest>>,
}

impl<'a> Submission<'a> {
    /// Prepares the creation of `manifests`, which were made for `digest`.
    pub fn new(
        cluster: &'a Cluster,
        kind: WorkloadKind,
        manifests: &'a ManifestSet,
        digest: &'a str,
    ) -> Self {
        Self {
            cluster,
            kind,
            manifests,
            digest,
            attempted: RefCell::new(Vec::new()),
        }
    }

    /// Makes the namespace, which stays whatever happens afterwards: kaiwo
    /// never deletes one.
    ///
    /// # Errors
    /// [`SubmissionError::Failed`].
    pub async fn create_namespace(&self) -> Result<(), SubmissionError> {
        let Some(namespace) = &self.manifests.namespace else {
            return Ok(());
        };
        match self.cluster.create(namespace, Write::Real).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(source) => Err(SubmissionError::Failed {
                object: namespace.display_name(),
                source,
            }),
        }
    }

    /// Deletes the workload that has the name, and waits until it and its
    /// uploads are gone, so that nothing of the new one is taken for theirs.
    ///
    /// # Errors
    /// [`SubmissionError`] if it cannot be deleted or does not go.
    pub async fn remove(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        self.cluster
            .delete(
                &existing::resource(self.kind),
                workload.namespace(),
                workload.name(),
                old.uid(),
            )
            .await
            .map_err(|source| self.failed(workload, source))?;
        self.wait_until_gone(old).await
    }

    /// Waits until a workload that is being deleted, and its uploads, are
    /// gone.
    ///
    /// # Errors
    /// [`SubmissionError::StillThere`] after a deadline.
    pub async fn wait_until_gone(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let is_old = |object: &Value| uid_of(object) == Some(old.uid());
        self.wait(workload, is_old).await?;
        for owned in self.manifests.owned() {
            self.wait(owned, |object| owners(object).any(|uid| uid == old.uid()))
                .await?;
        }
        Ok(())
    }

    /// Creates everything, unless `interrupt` comes first.
    ///
    /// # Errors
    /// [`SubmissionError`]; what this run had made is removed, or listed.
    pub async fn run(
        &self,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Submitted, SubmissionError> {
        let result = tokio::select! {
            result = self.create() => result,
            () = interrupt => Err(SubmissionError::Interrupted),
        };
        match result {
            Ok(submitted) => Ok(submitted),
            Err(error) => Err(self.undo(error).await),
        }
    }

    async fn create(&self) -> Result<Submitted, SubmissionError> {
        let before = self
            .manifests
            .local_queue
            .iter()
            .chain(self.manifests.owned());
        try_join_all(before.map(|manifest| self.create_companion(manifest))).await?;

        let workload = &self.manifests.workload;
        self.attempted.borrow_mut().push(workload);
        let (uid, submitted) = match self.cluster.create(workload, Write::Real).await {
            Ok(created) => (
                uid_of(&created).unwrap_or_default().to_owned(),
                Submitted::Created,
            ),
            Err(error) if error.is_already_exists() => (self.twin().await?, Submitted::Unchanged),
            Err(source) => return Err(self.failed(workload, source)),
        };
        let patch = self.ownership(&uid);
        try_join_all(self.manifests.owned().map(|owned| {
            let patch = &patch;
            async move {
                self.cluster
                    .patch(owned, patch)
                    .await
                    .map_err(|source| self.failed(owned, source))
            }
        }))
        .await?;
        Ok(submitted)
    }

    /// Creates what the workload needs before it starts. What exists already
    /// is used if it is the same.
    async fn create_companion(&self, manifest: &'a Manifest) -> Result<(), SubmissionError> {
        self.attempted.borrow_mut().push(manifest);
        // Twice: what the first attempt finds may be on its way out.
        for _ in 0..2 {
            match self.cluster.create(manifest, Write::Real).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_already_exists() => {}
                Err(source) => return Err(self.failed(manifest, source)),
            }
            let found: Option<Value> = self
                .cluster
                .find(
                    &resource_of(manifest),
                    manifest.namespace(),
                    manifest.name(),
                )
                .await
                .map_err(|source| self.failed(manifest, source))?;
            let Some(found) = found else { continue };
            if !same_content(manifest, &found) || self.belongs_to_another_kind(&found) {
                return Err(SubmissionError::Occupied {
                    object: manifest.display_name(),
                    namespace: manifest.namespace().to_owned(),
                });
            }
            if !self.is_leftover(&found).await? {
                return Ok(());
            }
            // It belongs to a workload that is gone, and would follow it.
            let uid = uid_of(&found).unwrap_or_default();
            self.cluster
                .delete(
                    &resource_of(manifest),
                    manifest.namespace(),
                    manifest.name(),
                    uid,
                )
                .await
                .map_err(|source| self.failed(manifest, source))?;
            self.wait(manifest, |object| uid_of(object) == Some(uid))
                .await?;
        }
        Err(SubmissionError::StillThere {
            object: manifest.display_name(),
            namespace: manifest.namespace().to_owned(),
        })
    }

    /// Returns whether an object belongs to a workload other than the one
    /// that has the name now.
    async fn is_leftover(&self, found: &Value) -> Result<bool, SubmissionError> {
        if found.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(true);
        }
        if owners(found).next().is_none() {
            return Ok(false);
        }
        let current = self.find_workload().await?;
        let alive = current.is_some_and(|workload| owners(found).any(|uid| uid == workload.uid()));
        Ok(!alive)
    }

    /// Returns whether something other than a workload of this kind owns the
    /// object, which is then none of our business.
    fn belongs_to_another_kind(&self, found: &Value) -> bool {
        let owners = found
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array);
        owners
            .into_iter()
            .flatten()
            .any(|owner| owner["kind"] != self.kind.name())
    }

    /// Returns the UID of the workload that another run has just created, if
    /// that run was of the same request.
    async fn twin(&self) -> Result<String, SubmissionError> {
        let exists = |finished| SubmissionError::Exists {
            object: self.manifests.workload.display_name(),
            finished,
        };
        match self.find_workload().await? {
            Some(workload) => match workload.relation(self.digest) {
                Relation::Same => Ok(workload.uid().to_owned()),
                Relation::Finished => Err(exists(true)),
                Relation::Different | Relation::Terminating => Err(exists(false)),
            },
            None => Err(exists(true)),
        }
    }

    async fn find_workload(&self) -> Result<Option<Existing>, SubmissionError> {
        let workload = &self.manifests.workload;
        Existing::find(
            self.cluster,
            self.kind,
            workload.namespace(),
            workload.name(),
        )
        .await
        .map_err(|source| self.failed(workload, source))
    }

    /// Returns the patch that makes the workload own an object. Without
    /// `blockOwnerDeletion`, which would need a right on the workload's
    /// finalizers that users rarely have.
    fn ownership(&self, uid: &str) -> Value {
        let workload = &self.manifests.workload;
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": workload.api_version(),
            "kind": workload.kind(),
            "name": workload.name(),
            "uid": uid,
        }]}})
    }

    /// Removes what this run has made, recognised by the submission's
    /// identity, and returns what is to be told.
    async fn undo(&self, error: SubmissionError) -> SubmissionError {
        let attempted: Vec<&Manifest> = self.attempted.borrow().iter().rev().copied().collect();
        let removals = join_all(attempted.iter().map(|manifest| self.remove_own(manifest))).await;
        let mut left = Vec::new();
        let mut cause = None;
        for (manifest, removal) in attempted.iter().zip(removals) {
            if let Err(error) = removal {
                left.push(manifest.display_name());
                cause.get_or_insert(error);
            }
        }
        match cause {
            None => error,
            Some(source) => SubmissionError::Partial {
                reason: reason(&error),
                left,
                namespace: self.manifests.workload.namespace().to_owned(),
                source,
            },
        }
    }

    async fn remove_own(&self, manifest: &Manifest) -> Result<(), ClusterError> {
        let resource = resource_of(manifest);
        let found: Option<Value> = self
            .cluster
            .find(&resource, manifest.namespace(), manifest.name())
            .await?;
        let Some(found) = found else { return Ok(()) };
        let own = manifest.annotation(k8s::SUBMISSION_ANNOTATION);
        if own.is_none() || annotation_of(&found, k8s::SUBMISSION_ANNOTATION) != own {
            return Ok(());
        }
        let uid = uid_of(&found).unwrap_or_default();
        match self
            .cluster
            .delete(&resource, manifest.namespace(), manifest.name(), uid)
            .await
        {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until the object of this name is none that `is_old` knows.
    async fn wait(
        &self,
        manifest: &Manifest,
        is_old: impl Fn(&Value) -> bool,
    ) -> Result<(), SubmissionError> {
        let deadline = tokio::time::Instant::now() + GONE_DEADLINE;
        loop {
            let found: Option<Value> = self
                .cluster
                .find(
                    &resource_of(manifest),
                    manifest.namespace(),
                    manifest.name(),
                )
                .await
                .map_err(|source| self.failed(manifest, source))?;
            if !found.is_some_and(|object| is_old(&object)) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(SubmissionError::StillThere {
                    object: manifest.display_name(),
                    namespace: manifest.namespace().to_owned(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn failed(&self, manifest: &Manifest, source: ClusterError) -> SubmissionError {
        SubmissionError::Failed {
            object: manifest.display_name(),
            source,
        }
    }
}

/// Returns what failed first, without the promise that nothing is left.
fn reason(error: &SubmissionError) -> String {
    match error {
        SubmissionError::Failed { object, source } => format!("cannot create {object} ({source})"),
        SubmissionError::Interrupted => "interrupted".to_owned(),
        other => other.to_string(),
    }
}

/// Returns whether the object in the cluster can stand in for the one that
/// was to be created.
fn same_content(manifest: &Manifest, found: &Value) -> bool {
    let same = |field: &str| manifest.value().get(field) == found.get(field);
    match manifest.kind() {
        "LocalQueue" => {
            manifest.value().pointer("/spec/clusterQueue") == found.pointer("/spec/clusterQueue")
        }
        "ConfigMap" => same("data") && same("binaryData"),
        _ => {
            annotation_of(found, k8s::DIGEST_ANNOTATION)
                == manifest.annotation(k8s::DIGEST_ANNOTATION)
        }
    }
}

fn uid_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str()
}

fn annotation_of<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|owner| owner.get("uid")?.as_str())
}

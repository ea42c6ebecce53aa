//! The transaction that creates a submission: queue, uploads and workload, then
//! ownership. Either all of it is there afterwards, or none of
//! what this run made, or the error says what is left (see `cleanup`).

mod cleanup;
mod companion;
pub mod comparison;
pub mod deletion;
pub mod denied;
mod error;
pub mod kept_claim;
pub mod leftover;
pub mod namesake;
pub mod preflight;
mod prune;
mod reconcile;
mod secrets;
pub mod versions;

pub use error::{GONE_DEADLINE, SubmissionError};

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::client::request::Write;
use super::objects::{in_turns, resource_of};
use super::{Cluster, ClusterError};
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::existing::Existing;
use crate::change::metadata::{annotation_of, owners, uid_of};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::action::Relation;
use crate::render::manifest::{Manifest, ManifestSet};
use cleanup::{Attempt, Fate};
use error::{failed, occupied, still_there};
use reconcile::Before;

/// How often an object is sent of which nobody knows whether it is there.
const TRIES: u32 = 4;
/// Attempts at a write that others get ahead of, because controllers write to the
/// object, too, or that is not answered.
pub(in crate::cluster) const ATTEMPTS: usize = 5;
/// Pause between two looks at an object that is going.
pub(in crate::cluster) const POLL: Duration = Duration::from_millis(250);

/// How a submission ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// This run created the workload.
    Created,
    /// Another run has, from the same request.
    Unchanged,
}

/// How far this run has changed the workload that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum ChangeProgress {
    /// The request was sent.
    Sent,
    /// The API server has answered that it is changed.
    Done,
}

impl ChangeProgress {
    fn words(self) -> &'static str {
        match self {
            Self::Sent => "may have been changed",
            Self::Done => "was changed",
        }
    }
}

/// What a change has done to an object other than the workload: its `kind/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) enum Done {
    Changed(String),
    MayBeChanged(String),
    Removed(String),
    MayBeRemoved(String),
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(name) => write!(f, "{name} was changed"),
            Self::MayBeChanged(name) => write!(f, "{name} may have been changed"),
            Self::Removed(name) => write!(f, "{name} was removed"),
            Self::MayBeRemoved(name) => write!(f, "{name} may have been removed"),
        }
    }
}

/// One run of a submission.
#[derive(Debug)]
pub struct Submission<'a> {
    pub(in crate::cluster) cluster: &'a Cluster,
    pub(in crate::cluster) manifests: &'a ManifestSet,
    pub(in crate::cluster) kind: WorkloadKind,
    digest: &'a str,
    /// An entry is made before its request leaves, so that a lost reply loses
    /// nothing.
    pub(in crate::cluster) attempts: RefCell<Vec<Attempt<'a>>>,
    /// `kind/name` of what was made and is removed again.
    pub(in crate::cluster) removed: RefCell<Vec<String>>,
    /// `kind/name` of what was deleted to make room.
    pub(in crate::cluster) deleted: RefCell<Option<String>>,
    /// What an update has done to the workload, in words.
    pub(in crate::cluster) changed: Cell<Option<ChangeProgress>>,
    /// What a change has done, or may have, to other objects.
    pub(in crate::cluster) done: RefCell<Vec<Done>>,
    /// What was changed before the workload, as it was.
    pub(in crate::cluster) before: RefCell<Vec<Before<'a>>>,
    /// The run that made the workload what is to be changed.
    pub(in crate::cluster) replaced_run: RefCell<Option<String>>,
    /// What is to be told besides.
    pub(in crate::cluster) warnings: RefCell<Vec<String>>,
    /// The API server's time, by what this run has made last.
    pub(in crate::cluster) now: Cell<Option<Timestamp>>,
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
            manifests,
            kind,
            digest,
            attempts: RefCell::default(),
            removed: RefCell::default(),
            deleted: RefCell::default(),
            changed: Cell::default(),
            done: RefCell::default(),
            before: RefCell::default(),
            replaced_run: RefCell::default(),
            warnings: RefCell::default(),
            now: Cell::default(),
        }
    }

    /// Returns what is to be told, although it ended well.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Carries out `steps`, unless `interrupt` comes first. If they fail, what
    /// they made is cleared up, unless `haste` ends that, and the error says how
    /// that went.
    ///
    /// # Errors
    /// The steps' own, or that of `interrupt`.
    pub async fn carry_out<T>(
        &self,
        steps: impl Future<Output = Result<T, CommandError>>,
        interrupt: impl Future<Output = CommandError>,
        haste: impl Future<Output = ()>,
    ) -> Result<T, CommandError> {
        let result = tokio::select! {
            result = steps => result,
            error = interrupt => Err(error),
        };
        let mut error = match result {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        tokio::select! {
            biased;
            () = self.clear_up(&mut error) => return Err(error),
            () = haste => {}
        }
        self.leave_behind(&mut error);
        Err(error)
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
        match self.create_surely(namespace).await.0 {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(source) => Err(failed("create", namespace, source)),
        }
    }

    /// Deletes the workload that has the name, and waits until it, its pods
    /// and its uploads are gone, so that nothing of the new one meets them.
    ///
    /// # Errors
    /// [`SubmissionError`] if it cannot be deleted or does not go.
    pub async fn remove(&self, old: &Existing) -> Result<(), SubmissionError> {
        self.check_room(old).await?;
        let workload = &self.manifests.workload;
        self.cluster
            .delete(
                resource_of(workload),
                workload.namespace(),
                workload.name(),
                old.uid(),
            )
            .await
            .map_err(|source| match source.is_conflict() {
                true => self.overtaken(&Value::Null),
                false => failed("delete", workload, source),
            })?;
        *self.deleted.borrow_mut() = Some(workload.display_name());
        self.wait_until_gone(old).await
    }

    /// Waits until a workload that is being deleted, its pods and its uploads
    /// are gone.
    ///
    /// # Errors
    /// [`SubmissionError::StillThere`] after a deadline.
    pub async fn wait_until_gone(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        self.wait(workload, |object| uid_of(object) == Some(old.uid()))
            .await?;
        let is_of_old = |object: &Value| owners(object).any(|uid| uid == old.uid());
        let owned = self.manifests.owned();
        let gone = in_turns(owned.map(|owned| self.wait(owned, is_of_old))).await;
        gone.into_iter().collect::<Result<(), _>>()?;
        self.wait_until_made_gone().await?;
        self.wait_until_pods_gone(old).await
    }

    /// Waits for the pods of an old Job: they would answer to the host names
    /// of the new ones', and hold GPUs that the new ones need. Who may not
    /// list pods does without.
    async fn wait_until_pods_gone(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let Some(pods) = Resource::find("v1", "Pod").filter(|_| self.kind == WorkloadKind::Job)
        else {
            return Ok(());
        };
        let selector = format!("{}={}", crate::api::keys::CONTROLLER_UID_LABEL, old.uid());
        let deadline = Instant::now() + GONE_DEADLINE;
        loop {
            let left = match self
                .cluster
                .list::<Value>(&pods, workload.namespace(), &selector)
                .await
            {
                Ok(left) => left,
                Err(error) if error.is_forbidden() => return Ok(()),
                Err(source) => return Err(failed("list the pods of", workload, source)),
            };
            if left.is_empty() {
                return Ok(());
            }
            self.pause(deadline, workload).await?;
        }
    }

    /// Creates everything but the namespace: the workload and what it needs,
    /// then the owners.
    ///
    /// What is queued leaves side by side with its uploads, because Kueue
    /// suspends every workload that it manages, which the rehearsal has shown of
    /// this one: no pod looks for an upload before it is there. A service
    /// leaves after them.
    ///
    /// # Errors
    /// [`SubmissionError`] for the first object that could not be made.
    pub async fn create(&self) -> Result<Submitted, SubmissionError> {
        let workload = &self.manifests.workload;
        let set = self.manifests;
        let owned = set.uploads.iter().chain(&set.companions);
        let needed = set.shared().chain(owned.clone());
        let needed = in_turns(needed.map(async |manifest| {
            let made = self.create_companion(manifest).await?;
            Ok(json!({"metadata": made["metadata"]}))
        }));
        // All of them are awaited even if one fails: a request that is
        // dropped under way may still be carried out.
        let (needed, created) = match self.kind.is_batch() {
            true => {
                let (needed, created) = tokio::join!(needed, self.attempt(workload));
                (needed.into_iter().collect(), created)
            }
            false => {
                // Its pods start at once, and look for their uploads.
                let needed: Result<Vec<Value>, SubmissionError> =
                    needed.await.into_iter().collect();
                (Ok(needed?), self.attempt(workload).await)
            }
        };
        let (uid, submitted) = match created {
            Ok(created) => (
                uid_of(&created).unwrap_or_default().to_owned(),
                Submitted::Created,
            ),
            Err(error) if error.is_already_exists() => (self.twin().await?, Submitted::Unchanged),
            Err(source) => return Err(failed("create", workload, source)),
        };
        let made = needed?.into_iter().skip(set.shared().count());
        let owned = owned.zip(made);
        let owned = in_turns(owned.map(|(owned, made)| self.own(owned, made, &uid)));
        let (owned, ()) = tokio::join!(owned, self.keep_records(&uid));
        owned.into_iter().collect::<Result<(), _>>()?;
        Ok(submitted)
    }

    /// Records the version that was created. Without that it serves as well.
    async fn keep_records(&self, uid: &str) {
        for record in &self.manifests.records {
            let mut record = record.clone();
            record.set_owner(&self.manifests.workload.as_owner(uid));
            let Err(error) = self.create_surely(&record).await.0 else {
                continue;
            };
            if secrets::is_of_record(&record) && error.is_forbidden() {
                self.tell_unkept(&record, &error);
            } else if !error.is_already_exists() {
                let words = format!("this version cannot be kept for a rollback: {error}");
                self.warnings.borrow_mut().push(words);
            }
        }
    }

    /// Creates one object, and keeps account of it.
    pub(in crate::cluster) async fn attempt(
        &self,
        manifest: &'a Manifest,
    ) -> Result<Value, ClusterError> {
        let index = self.attempts.borrow().len();
        self.attempts.borrow_mut().push(Attempt {
            manifest,
            fate: Fate::Open,
        });
        let (result, fate) = self.create_surely(manifest).await;
        let made = result.as_ref().ok().and_then(|created| {
            let made = created.pointer("/metadata/creationTimestamp")?;
            made.as_str()?.parse().ok()
        });
        self.now.set(made.or(self.now.get()));
        self.attempts.borrow_mut()[index].fate = fate;
        result
    }

    /// Creates one object; where no answer comes, finds out whether it is there.
    pub(in crate::cluster) async fn create_surely(
        &self,
        manifest: &Manifest,
    ) -> (Result<Value, ClusterError>, Fate) {
        let create = || self.cluster.create(manifest, Write::Real);
        let own = async || self.find_own(manifest).await.ok().flatten();
        let mut fate = Fate::Unmade;
        for attempt in 1.. {
            let error = match create().await {
                Ok(created) => return (Ok(created), Fate::Made),
                Err(error) => error,
            };
            if error.is_open() {
                fate = Fate::Open;
            }
            let again = error.is_unanswered() && attempt < TRIES;
            if again {
                tracing::info!(
                    "{}: {error}; checking whether it was created",
                    manifest.display_name()
                );
                sleep(POLL).await;
            }
            // It may have come in between: it exists, or takes what a quota has
            // left.
            let asks = error.is_unanswered() || fate == Fate::Open && !error.is_open();
            if asks
                && error.unconnected().is_none()
                && let Some(found) = own().await
            {
                return (Ok(found), Fate::Made);
            }
            if !again {
                return (Err(error), fate);
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Reads an object, if this run made it.
    pub(in crate::cluster) async fn find_own(
        &self,
        manifest: &Manifest,
    ) -> Result<Option<Value>, ClusterError> {
        let own = manifest.annotation(keys::SUBMISSION_ANNOTATION);
        let (namespace, name) = (manifest.namespace(), manifest.name());
        let found: Option<Value> = self
            .cluster
            .find(resource_of(manifest), namespace, name)
            .await?;
        Ok(found.filter(|found| {
            own.is_some() && annotation_of(found, keys::SUBMISSION_ANNOTATION) == own
        }))
    }

    /// Returns the UID of the workload that another run has just created, if
    /// that run was of the same request.
    async fn twin(&self) -> Result<String, SubmissionError> {
        let relation = match self.find_workload().await? {
            Some(workload) => match workload.relation(self.digest) {
                Relation::Same => return Ok(workload.uid().to_owned()),
                relation => relation,
            },
            None => Relation::Terminating,
        };
        Err(SubmissionError::Exists {
            object: self.manifests.workload.display_name(),
            relation,
        })
    }

    pub(in crate::cluster) async fn find_workload(
        &self,
    ) -> Result<Option<Existing>, SubmissionError> {
        let workload = &self.manifests.workload;
        self.cluster
            .find::<Existing>(resource_of(workload), workload.namespace(), workload.name())
            .await
            .map_err(|source| failed("read", workload, source))
    }

    pub(in crate::cluster) async fn find(
        &self,
        manifest: &Manifest,
    ) -> Result<Option<Value>, SubmissionError> {
        self.cluster
            .find(resource_of(manifest), manifest.namespace(), manifest.name())
            .await
            .map_err(|source| failed("read", manifest, source))
    }

    /// Waits until the object of this name is none that `is_old` knows.
    pub(in crate::cluster) async fn wait(
        &self,
        manifest: &Manifest,
        is_old: impl Fn(&Value) -> bool,
    ) -> Result<(), SubmissionError> {
        let deadline = Instant::now() + GONE_DEADLINE;
        let (namespace, name) = (manifest.namespace(), manifest.name());
        let find = async || {
            let found = self
                .cluster
                .find_metadata::<Value>(resource_of(manifest), namespace, name);
            found
                .await
                .map_err(|source| failed("read", manifest, source))
        };
        while find().await?.is_some_and(|object| is_old(&object)) {
            self.pause(deadline, manifest).await?;
        }
        Ok(())
    }

    async fn pause(&self, deadline: Instant, manifest: &Manifest) -> Result<(), SubmissionError> {
        if Instant::now() > deadline {
            return Err(still_there(manifest));
        }
        sleep(POLL).await;
        Ok(())
    }
}

//! Makes what is there what is wanted, in an order from which whoever comes next can
//! go on, or go back.
//!
//! The PUT of the workload decides which version is served. What only adds comes
//! before it, what stands around the pods after it. A companion is written only with
//! the resourceVersion of a reading after which the workload was seen to be of this
//! version; whoever changes the workload writes every companion, so that no late write
//! of whoever lost can follow.

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::comparison::{ComparedObject, Comparison};
use super::prune::{Removal, Stale};
use super::{ATTEMPTS, ChangeProgress, Done, POLL, Submission, SubmissionError, failed};
use crate::api::keys;
use crate::change::companions::COMPANIONS;
use crate::change::existing::Existing;
use crate::change::in_place::{self, merged_object};
use crate::change::metadata::{annotation_of, uid_of};
use crate::cluster::ClusterError;
use crate::cluster::client::request::Write;
use crate::cluster::objects::resource_of;
use crate::render::manifest::Manifest;

/// What was changed before the workload was, and how it was before.
#[derive(Debug)]
pub(in crate::cluster) struct Before<'a> {
    manifest: Option<&'a Manifest>,
    object: Value,
}

impl<'a> Submission<'a> {
    /// Makes everything what `comparison` says.
    ///
    /// # Errors
    /// [`SubmissionError`] for the first object that could not be made or changed.
    pub async fn converge(
        &self,
        comparison: &Comparison<'a>,
        old: &Existing,
        versions: &[String],
    ) -> Result<(), SubmissionError> {
        *self.replaced_run.borrow_mut() = run_of(old.object()).map(str::to_owned);
        self.add(comparison, old).await?;
        let (around, read): (Vec<_>, Vec<_>) = comparison
            .companions
            .iter()
            .partition(|item| is_around(item.manifest));
        let changes_workload = comparison.changes_workload();
        if !changes_workload {
            self.still_of_this_version(old).await?;
        }
        for item in read {
            if changes_workload || item.differs() {
                self.settle(item, old, !changes_workload).await?;
            }
        }
        if changes_workload {
            self.change_workload(comparison, old).await?;
        }
        let end = self
            .finish(around, &comparison.stale, changes_workload, old, versions)
            .await;
        if matches!(
            end,
            Err(SubmissionError::Overtaken { .. } | SubmissionError::Vanished { .. })
        ) {
            // It belongs to no version that anybody serves.
            return end;
        }
        self.attempts.take();
        end
    }

    /// Makes what only adds.
    async fn add(
        &self,
        comparison: &Comparison<'a>,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let missing = comparison
            .additions
            .iter()
            .filter(|item| item.live.is_none());
        let missing = missing.map(|item| self.make_addition(item.manifest));
        for made in join_all(missing).await {
            made?;
        }
        let orphans = comparison.additions.iter().filter(|item| item.is_unmarked);
        let orphans = orphans.filter_map(|item| Some((item.manifest, item.live.as_ref()?)));
        let owned = orphans.map(|(manifest, live)| self.own(manifest, live.clone(), old.uid()));
        join_all(owned).await.into_iter().collect()
    }

    /// Changes the workload, and before it what would work against that. What was made
    /// for it stays once it is changed, or may be.
    async fn change_workload(
        &self,
        comparison: &Comparison<'a>,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let is_fixed = !self.manifests.workload.value()["spec"]["replicas"].is_null();
        let mut scalers = comparison.stale.clone();
        scalers.retain(|stale| is_fixed && stale.is_autoscaler());
        for _ in 0..ATTEMPTS {
            let mut written_to = false;
            for scaler in scalers {
                let removal = self.remove_stale(&scaler, true).await?;
                written_to |= removal == Removal::WrittenTo;
                if removal == Removal::Removed {
                    self.before.borrow_mut().push(Before {
                        manifest: None,
                        object: scaler.object,
                    });
                }
            }
            if !written_to {
                break;
            }
            scalers = self.stale_companions(old, &comparison.stale).await?;
            scalers.retain(Stale::is_autoscaler);
        }
        let attempts = self.attempts.take();
        self.changed.set(Some(ChangeProgress::Sent));
        let replaced = self.replace(comparison, old).await;
        let is_open = matches!(replaced, Err(SubmissionError::Unsure { .. }));
        self.changed
            .set(replaced.is_ok().then_some(ChangeProgress::Done));
        match replaced {
            Err(error) if !is_open => {
                *self.attempts.borrow_mut() = attempts;
                Err(error)
            }
            replaced => {
                self.before.take();
                replaced
            }
        }
    }

    /// Puts the new specification into the object there is.
    async fn replace(
        &self,
        comparison: &Comparison<'a>,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let read = comparison.workload.live.as_ref();
        let mut live = read.unwrap_or_else(|| old.object()).clone();
        // Whether one of the requests may have been carried out.
        let mut open = false;
        let unsure = |open: bool, action: &'static str, source: ClusterError| match open {
            true => SubmissionError::Unsure {
                object: workload.display_name(),
                namespace: workload.namespace().to_owned(),
                source,
            },
            false => failed(action, workload, source),
        };
        for attempt in 1.. {
            let body = merged_object(workload, &live);
            let error = match self.cluster.replace(workload, &body, Write::Real).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            open |= error.is_open();
            let is_gone = error.is_not_found();
            let again = error.is_conflict() || error.is_unanswered() || error.is_open() || is_gone;
            if !again || attempt == ATTEMPTS {
                return Err(unsure(open, "change", error));
            }
            sleep(POLL).await;
            let (namespace, name) = (workload.namespace(), workload.name());
            let found = self.cluster.find(resource_of(workload), namespace, name);
            let found: Option<Value> = found.await.map_err(|error| unsure(open, "read", error))?;
            let Some(found) = found.filter(|found| uid_of(found) == Some(old.uid())) else {
                return Err(self.vanished());
            };
            if self.is_mine(&found) {
                return Ok(());
            }
            // Another run has changed it, of whatever it was asked to serve.
            if run_of(&found) != run_of(old.object()) && digest_of(&found) != Some(self.digest) {
                return Err(self.overtaken(&found));
            }
            live = found;
        }
        unreachable!("the last attempt returns")
    }

    /// Does what comes after the workload: what stands around its pods, and what it
    /// does without.
    async fn finish(
        &self,
        around: Vec<&ComparedObject<'a>>,
        seen: &[Stale],
        changes_workload: bool,
        old: &Existing,
        versions: &[String],
    ) -> Result<(), SubmissionError> {
        for item in around {
            if changes_workload || item.differs() {
                self.settle(item, old, true).await?;
            }
        }
        if !self.kind.updates_in_place() {
            return Ok(());
        }
        let mut kept = Vec::new();
        for _ in 0..ATTEMPTS {
            let stale = self.stale_companions(old, seen).await?;
            if stale.is_empty() {
                kept.clear();
                break;
            }
            self.still_of_this_version(old).await?;
            kept = self.remove_all(stale, true).await?;
            if kept.is_empty() {
                break;
            }
        }
        for one in &kept {
            self.warn_of_kept(one, "others write to it at the same time");
        }
        let superfluous = self.superfluous(old, versions).await?;
        let found = self.still_of_this_version(old).await?;
        self.remove_all(superfluous, false).await?;
        // What scaled it may have had the last word before it went.
        let wanted = &self.manifests.workload.value()["spec"]["replicas"];
        if changes_workload && !wanted.is_null() && found.object()["spec"]["replicas"] != *wanted {
            let body = merged_object(&self.manifests.workload, found.object());
            let workload = &self.manifests.workload;
            let replaced = self.cluster.replace(workload, &body, Write::Real).await;
            if let Err(source) = replaced
                && !source.is_conflict()
            {
                return Err(failed("change", workload, source));
            }
        }
        // Somebody who did not know of them yet may have taken them for superfluous.
        for manifest in self.manifests.uploads.iter().chain(&self.manifests.records) {
            let found = self.find_addition(manifest);
            if changes_workload && found.await?.known().is_some_and(Option::is_none) {
                self.make_addition(manifest).await?;
            }
        }
        Ok(())
    }

    /// Makes one companion what it is to be. `is_last`: the workload is of this version
    /// already, or stays as it is.
    async fn settle(
        &self,
        item: &ComparedObject<'a>,
        old: &Existing,
        is_last: bool,
    ) -> Result<(), SubmissionError> {
        let manifest = item.manifest;
        let name = manifest.display_name();
        let mut live = item.live.clone();
        let mut open = false;
        for attempt in 1.. {
            let written = match &live {
                None => self.attempt(manifest).await.map(|_| None),
                Some(found) if !self.is_own(found, old) => return Err(super::occupied(manifest)),
                Some(found) => match in_place::patch(found, &merged_object(manifest, found)) {
                    Some(patch) => {
                        let patched = self.cluster.patch(manifest, &patch, Write::Real).await;
                        patched.map(|after| Some((found.clone(), after)))
                    }
                    None => return Ok(()),
                },
            };
            let error = match written {
                Ok(written) => {
                    self.told(item, written, is_last);
                    return Ok(());
                }
                Err(error) => error,
            };
            open |= error.is_open();
            let again = error.is_conflict()
                || error.is_already_exists()
                || error.is_not_found()
                || error.is_unanswered();
            if !again || attempt == ATTEMPTS {
                if open && live.is_some() {
                    self.tell(Done::MayBeChanged(name));
                }
                return Err(failed("change", manifest, error));
            }
            sleep(POLL).await;
            live = self.find(manifest).await?;
            if let Some(found) = &live
                && self.is_mine(found)
            {
                self.told(item, Some((Value::Null, found.clone())), is_last);
                return Ok(());
            }
            if is_last {
                self.still_of_this_version(old).await?;
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Notes that a companion was changed or made.
    fn told(&self, item: &ComparedObject<'a>, written: Option<(Value, Value)>, is_last: bool) {
        let name = item.manifest.display_name();
        let Some((before, after)) = written else {
            return;
        };
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        if version(&before) == version(&after) {
            return;
        }
        if !item.changes.is_empty() {
            self.tell(Done::Changed(name));
        }
        if !is_last && !before.is_null() {
            self.before.borrow_mut().push(Before {
                manifest: Some(item.manifest),
                object: before,
            });
        }
    }

    pub(in crate::cluster) fn tell(&self, done: Done) {
        self.done.borrow_mut().push(done);
    }

    /// Returns whether this run has written an object.
    fn is_mine(&self, found: &Value) -> bool {
        let own = self
            .manifests
            .workload
            .annotation(keys::SUBMISSION_ANNOTATION);
        own.is_some() && run_of(found) == own
    }

    /// Reads the workload, which is still there.
    pub(in crate::cluster) async fn still_there(
        &self,
        old: &Existing,
    ) -> Result<Existing, SubmissionError> {
        let found = self.find_workload().await?;
        let found = found.filter(|found| found.uid() == old.uid());
        found.ok_or_else(|| self.vanished())
    }

    /// Reads the workload, which is still of the version that this run serves.
    async fn still_of_this_version(&self, old: &Existing) -> Result<Existing, SubmissionError> {
        let found = self.still_there(old).await?;
        match digest_of(found.object()) == Some(self.digest) {
            true => Ok(found),
            false => Err(self.overtaken(found.object())),
        }
    }

    fn vanished(&self) -> SubmissionError {
        SubmissionError::Vanished {
            object: self.manifests.workload.display_name(),
        }
    }

    pub(in crate::cluster) fn overtaken(&self, found: &Value) -> SubmissionError {
        let user = &found["metadata"]["labels"][keys::USERNAME_LABEL];
        SubmissionError::Overtaken {
            object: self.manifests.workload.display_name(),
            namespace: self.manifests.workload.namespace().to_owned(),
            user: user.as_str().map(str::to_owned),
        }
    }

    /// Puts back what was changed before the workload's own change was refused, unless
    /// another run has changed the workload meanwhile. Returns the names of what is as
    /// it was.
    pub(in crate::cluster) async fn put_back(&self) -> Vec<String> {
        let mut names = Vec::new();
        let before = self.before.take();
        if before.is_empty() || !self.is_as_it_was().await {
            return names;
        }
        for Before { manifest, object } in before {
            let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let name = format!("{kind}/{name}");
            if self.put_one_back(manifest, &object).await.is_some() {
                let undone = [Done::Changed(name.clone()), Done::Removed(name.clone())];
                self.done.borrow_mut().retain(|done| !undone.contains(done));
                names.push(name);
            }
        }
        names
    }

    /// Returns whether the workload is still what it was before this run.
    async fn is_as_it_was(&self) -> bool {
        let Ok(Some(now)) = self.find_workload().await else {
            return false;
        };
        run_of(now.object()) == self.replaced_run.borrow().as_deref()
    }

    async fn put_one_back(&self, manifest: Option<&Manifest>, object: &Value) -> Option<()> {
        let Some(manifest) = manifest else {
            let mut again = object.clone();
            let metadata = again["metadata"].as_object_mut()?;
            for given in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
            ] {
                metadata.remove(given);
            }
            again.as_object_mut()?.remove("status");
            let again = Manifest::new(again).ok()?;
            let made = self.create_surely(&again).await.0.ok()?;
            // Whoever serves another version since then does not know of it.
            if self.is_as_it_was().await {
                return Some(());
            }
            let uid = uid_of(&made)?;
            let gone =
                self.cluster
                    .delete(resource_of(&again), again.namespace(), again.name(), uid);
            gone.await.ok()?;
            return None;
        };
        let now = self.find(manifest).await.ok()??;
        if !self.is_mine(&now) {
            return None;
        }
        let patch = in_place::patch(&now, &as_before(object, &now))?;
        let patched = self.cluster.patch(manifest, &patch, Write::Real).await;
        patched.ok().map(|_| ())
    }
}

/// Returns an object as it was, with the metadata that the API server has given it
/// since.
fn as_before(object: &Value, now: &Value) -> Value {
    let mut before = object.clone();
    for given in ["resourceVersion", "generation", "managedFields"] {
        before["metadata"][given] = now["metadata"][given].clone();
    }
    before
}

/// Returns whether an object stands around the pods, which do not read it.
fn is_around(manifest: &Manifest) -> bool {
    COMPANIONS.iter().any(|(_, kind)| *kind == manifest.kind())
}

fn run_of(object: &Value) -> Option<&str> {
    annotation_of(object, keys::SUBMISSION_ANNOTATION)
}

fn digest_of(object: &Value) -> Option<&str> {
    annotation_of(object, keys::DIGEST_ANNOTATION)
}

//! Cleans up after a submission that failed: what this run made is removed, and
//! the error says exactly how far that went.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::{ChangeProgress, POLL, Submission};
use crate::change::metadata::uid_of;
use crate::cluster::ClusterError;
use crate::cluster::objects::resource_of;
use crate::error::{CommandError, ErrorClass};
use crate::render::manifest::Manifest;
use crate::suggestion::{kaiwo, kubectl};

/// How long an object is looked for whose creation was not answered: the
/// request may still be on its way.
const SETTLING: Duration = Duration::from_secs(5);

/// An object that this run has begun to create.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster) struct Attempt<'a> {
    pub(in crate::cluster) manifest: &'a Manifest,
    pub(in crate::cluster) fate: Fate,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum Fate {
    /// Nobody knows: it may be there, or still appear.
    Open,
    /// It was made.
    Made,
    /// It was not: the API server said no, or was not reached.
    Unmade,
}

/// What became of an object that was to be removed.
enum Cleared {
    /// It is not there, or not this run's.
    Gone,
    /// It was not seen, but its creation was never answered.
    MayAppear,
    /// It could not be removed.
    Left(ClusterError),
}

impl Submission<'_> {
    /// Removes what this run has made, recognised by the submission's
    /// identity, and adds to `error` what is to be known about that.
    pub(in crate::cluster) async fn clear_up(&self, error: &mut CommandError) {
        let namespace = self.manifests.workload.namespace();
        let is_changed = self.changed.get() == Some(ChangeProgress::Done);
        if is_changed && error.class == ErrorClass::Interrupted {
            // It belongs to the version that is served now.
            self.attempts.take();
        }
        let attempts = self.last_attempts();
        let back = self.put_back().await;
        let cleared = join_all(attempts.iter().map(|attempt| self.clear(attempt))).await;

        let (mut may_appear, mut left) = (Vec::new(), Vec::new());
        for (attempt, cleared) in attempts.iter().zip(cleared) {
            let name = attempt.manifest.display_name();
            match cleared {
                Cleared::Gone => {}
                Cleared::MayAppear => may_appear.push(name),
                Cleared::Left(cause) => {
                    error.notes.push(format!("cannot remove {name}: {cause}"));
                    left.push(name);
                }
            }
        }
        let removed = self.removed.borrow();
        if !removed.is_empty() {
            let names = removed.join(", ");
            error.notes.push(format!("removed: {names}"));
        }
        if !back.is_empty() {
            let names = back.join(", ");
            error.notes.push(format!("restored: {names}"));
        }
        let done = self.done.borrow();
        if let Some(deleted) = self.deleted.borrow().as_ref() {
            error.notes.push(format!(
                "the previous {deleted} was deleted, and its replacement was not created"
            ));
        } else if !attempts.is_empty()
            && left.is_empty()
            && may_appear.is_empty()
            && done.is_empty()
            && self.changed.get().is_none()
        {
            error
                .notes
                .push("nothing of this submission is left".to_owned());
        }
        if let Some(changed) = self
            .changed
            .get()
            .filter(|_| error.class != ErrorClass::Conflict)
        {
            let workload = self.manifests.workload.display_name();
            error.notes.push(format!("{workload} {}", changed.words()));
            error.hints.push(
                kaiwo("status {} -n {}", &[&workload, namespace]).to("check its current state"),
            );
        }
        let is_overtaken = error.class == ErrorClass::Conflict;
        if !done.is_empty() {
            let done: Vec<String> = done.iter().map(ToString::to_string).collect();
            let mut words = done.join(", ");
            if !is_overtaken {
                words += "; run the same command again to continue";
            }
            error.notes.push(words);
        }
        if let Some(made) = self
            .manifests
            .namespace
            .as_ref()
            .filter(|_| !attempts.is_empty())
        {
            error
                .notes
                .push(format!("{} was created and is kept", made.display_name()));
        }
        tell_remains(error, namespace, &may_appear, &left);
    }

    /// Adds to `error` what may be left, because clearing up was ended.
    pub(in crate::cluster) fn leave_behind(&self, error: &mut CommandError) {
        let removed = self.removed.borrow();
        let attempts = self.last_attempts();
        let names = attempts
            .iter()
            .filter(|attempt| attempt.fate != Fate::Unmade)
            .map(|attempt| attempt.manifest.display_name())
            .filter(|name| !removed.contains(name));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return;
        }
        error.notes.push(format!(
            "cleanup was interrupted, so these may be left: {}",
            names.join(" ")
        ));
        let namespace = self.manifests.workload.namespace();
        let remove = kubectl("-n {} delete --ignore-not-found", &[namespace]).args(names);
        error.hints.push(remove.to("remove it with"));
    }

    /// Returns the last attempt at each object, the last object first.
    fn last_attempts(&self) -> Vec<Attempt<'_>> {
        let mut attempts: Vec<Attempt> = self.attempts.borrow().clone();
        attempts.reverse();
        attempts.dedup_by_key(|attempt| attempt.manifest.display_name());
        attempts
    }

    async fn clear(&self, attempt: &Attempt<'_>) -> Cleared {
        let Attempt { manifest, fate } = *attempt;
        let until = match fate {
            Fate::Unmade => return Cleared::Gone,
            Fate::Made => Instant::now(),
            Fate::Open => Instant::now() + SETTLING,
        };
        loop {
            match self.find_own(manifest).await {
                Ok(Some(found)) => match self.remove_found(manifest, &found).await {
                    Ok(()) => {
                        self.removed.borrow_mut().push(manifest.display_name());
                        return Cleared::Gone;
                    }
                    Err(cause) => return Cleared::Left(cause),
                },
                Err(cause) if fate == Fate::Made => return Cleared::Left(cause),
                Err(_) => return Cleared::MayAppear,
                Ok(None) if Instant::now() < until => tokio::time::sleep(POLL).await,
                Ok(None) if fate == Fate::Made => return Cleared::Gone,
                Ok(None) => return Cleared::MayAppear,
            }
        }
    }

    /// Removes an object that this run made.
    async fn remove_found(&self, manifest: &Manifest, found: &Value) -> Result<(), ClusterError> {
        let uid = uid_of(found).unwrap_or_default();
        let (resource, namespace) = (resource_of(manifest), manifest.namespace());
        let deleted = self
            .cluster
            .delete(resource, namespace, manifest.name(), uid)
            .await;
        match deleted {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Adds to `error` what is left or may yet appear, and how to remove it.
fn tell_remains(error: &mut CommandError, namespace: &str, may_appear: &[String], left: &[String]) {
    let remove = |names: &[String]| kubectl("-n {} delete", &[namespace]).args(names);
    if !may_appear.is_empty() {
        error.notes.push(format!(
            "{} may still appear: the request was sent but not answered",
            may_appear.join(" ")
        ));
        error
            .hints
            .push(remove(may_appear).to("if so, remove it with"));
    }
    if !left.is_empty() {
        error.class = ErrorClass::Partial;
        error
            .hints
            .insert(0, remove(left).to("remove what is left"));
    }
}

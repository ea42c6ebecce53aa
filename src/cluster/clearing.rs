//! Clearing up after a submission that failed: what this run made is removed,
//! and the error says exactly how far that went.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::ClusterError;
use super::companion::uid_of;
use super::request::resource_of;
use super::submission::{Attempt, POLL, Submission};
use crate::error::{CommandError, ErrorClass};
use crate::render::manifest::Manifest;

/// How long an object is looked for whose creation was not answered: the
/// request may still be on its way.
const SETTLING: Duration = Duration::from_secs(5);

/// What became of an object that was to be removed.
enum Cleared {
    /// It is not there, or not this run's.
    Gone,
    /// It was not there, but its creation was never answered.
    MayAppear,
    /// It could not be removed.
    Left(ClusterError),
}

impl Submission<'_> {
    /// Removes what this run has made, recognised by the submission's
    /// identity, and adds to `error` what is to be known about that.
    pub(super) async fn clear_up(&self, mut error: CommandError) -> CommandError {
        let namespace = self.manifests.workload.namespace();
        let mut attempts: Vec<Attempt> = self.attempts.borrow().clone();
        attempts.reverse();
        attempts.dedup_by_key(|attempt| attempt.manifest.display_name());
        let cleared = join_all(attempts.iter().map(|attempt| self.clear(attempt))).await;

        let (mut may_appear, mut left) = (Vec::new(), Vec::new());
        for (attempt, cleared) in attempts.iter().zip(cleared) {
            let name = attempt.manifest.display_name();
            match cleared {
                Cleared::Gone => {}
                Cleared::MayAppear => may_appear.push(name),
                Cleared::Left(cause) => {
                    error
                        .notes
                        .push(format!("{name} could not be removed: {cause}"));
                    left.push(name);
                }
            }
        }
        let done = self.done.borrow();
        if let Some(deleted) = self.deleted.borrow().as_ref() {
            error.notes.push(format!(
                "the {deleted} that had the name is deleted, its replacement was not made"
            ));
        } else if !attempts.is_empty()
            && left.is_empty()
            && may_appear.is_empty()
            && done.is_empty()
        {
            error
                .notes
                .push("nothing of this submission is left".to_owned());
        }
        if !done.is_empty() {
            let done = done.join(", ");
            error
                .notes
                .push(format!("{done}; the same command goes on from there"));
        }
        if let Some(made) = self
            .manifests
            .namespace
            .as_ref()
            .filter(|_| !attempts.is_empty())
        {
            error
                .notes
                .push(format!("{} was made, and stays", made.display_name()));
        }
        if !may_appear.is_empty() {
            let names = may_appear.join(" ");
            error.notes.push(format!(
                "{names} may still appear: the request was sent and not answered"
            ));
            error.hints.push(format!(
                "if so, remove it with: kubectl -n {namespace} delete {names}"
            ));
        }
        if !left.is_empty() {
            error.class = ErrorClass::Partial;
            error.hints.insert(
                0,
                format!(
                    "remove what is left: kubectl -n {namespace} delete {}",
                    left.join(" ")
                ),
            );
        }
        error
    }

    async fn clear(&self, attempt: &Attempt<'_>) -> Cleared {
        let until = Instant::now()
            + if attempt.answered {
                Duration::ZERO
            } else {
                SETTLING
            };
        loop {
            match self.remove_own(attempt.manifest).await {
                Err(cause) => return Cleared::Left(cause),
                Ok(true) => return Cleared::Gone,
                Ok(false) if Instant::now() < until => tokio::time::sleep(POLL).await,
                Ok(false) if attempt.answered => return Cleared::Gone,
                Ok(false) => return Cleared::MayAppear,
            }
        }
    }

    /// Removes an object if this run made it; returns whether it was there.
    async fn remove_own(&self, manifest: &Manifest) -> Result<bool, ClusterError> {
        let Some(found) = self.find_own(manifest).await? else {
            return Ok(false);
        };
        let uid = uid_of(&found).unwrap_or_default();
        match self
            .cluster
            .delete(
                resource_of(manifest),
                manifest.namespace(),
                manifest.name(),
                uid,
            )
            .await
        {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(true),
        }
    }
}

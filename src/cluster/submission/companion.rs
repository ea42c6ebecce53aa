//! Makes what goes with a workload: uploads, its queue, and the objects of a
//! template. It is made with the workload, belongs to it, and what is left of an
//! earlier one is told apart from what is in use.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::leftover::Leftover;
use super::{ATTEMPTS, POLL, Submission, SubmissionError, failed, occupied, still_there};
use crate::change::content::same_content;
use crate::change::existing::Existing;
use crate::change::metadata::{owners, uid_of};
use crate::cluster::client::request::Write;
use crate::cluster::objects::resource_of;
use crate::render::manifest::Manifest;

impl<'a> Submission<'a> {
    /// Creates what the workload needs before it starts. What exists already
    /// is used if it is the same.
    pub(in crate::cluster) async fn create_companion(
        &self,
        manifest: &'a Manifest,
    ) -> Result<Value, SubmissionError> {
        let mut is_there = false;
        // Twice: what the first attempt finds may be on its way out.
        for _ in 0..2 {
            match self.attempt(manifest).await {
                Ok(made) => return Ok(made),
                Err(error) if error.is_already_exists() => {}
                Err(source) => return Err(failed("create", manifest, source)),
            }
            let found = self.find(manifest).await?;
            is_there = found.is_some();
            let Some(found) = found else {
                continue;
            };
            if !self.is_usable(manifest, &found) {
                self.make_room(manifest, &found).await?;
                continue;
            }
            if !self.is_leftover(&found).await? {
                return Ok(found);
            }
            // It belongs to a workload that is gone, and would follow it.
            let uid = uid_of(&found).unwrap_or_default();
            self.cluster
                .delete(
                    resource_of(manifest),
                    manifest.namespace(),
                    manifest.name(),
                    uid,
                )
                .await
                .map_err(|source| failed("delete", manifest, source))?;
            self.wait(manifest, |object| uid_of(object) == Some(uid))
                .await?;
        }
        // Or it exists whenever it is created, and does not when it is read.
        Err(match is_there {
            true => still_there(manifest),
            false => SubmissionError::Vanished {
                object: manifest.display_name(),
            },
        })
    }

    /// Checks, before a workload is deleted to make room, that nothing else is
    /// in the way of what goes with the new one. What the old one owns goes
    /// with it.
    ///
    /// # Errors
    /// [`SubmissionError::Occupied`] for the first object that is.
    pub(in crate::cluster) async fn check_room(
        &self,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let companions = self.manifests.companions.iter();
        let needed = companions.chain(&self.manifests.kept_claim);
        let found = join_all(needed.clone().map(|manifest| self.find(manifest))).await;
        for (manifest, found) in needed.zip(found) {
            if let Some(found) = found?
                && !owners(&found).any(|uid| uid == old.uid())
                && !self.is_usable(manifest, &found)
                && Leftover::new(resource_of(manifest), &found).is_none()
            {
                return Err(occupied(manifest));
            }
        }
        Ok(())
    }

    /// Returns whether what has the name of an object can stand in for it.
    fn is_usable(&self, manifest: &Manifest, found: &Value) -> bool {
        same_content(manifest, found) && !self.belongs_to_another_kind(found)
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

    /// Makes the workload own what it needs. Somebody may have taken that for
    /// left over, since nothing owned it: then it is made again.
    pub(in crate::cluster) async fn own(
        &self,
        owned: &'a Manifest,
        mut found: Value,
        uid: &str,
    ) -> Result<(), SubmissionError> {
        for attempt in 1.. {
            match self.give_owner(owned, &found, uid).await {
                Err(SubmissionError::Failed { source, .. })
                    if attempt < ATTEMPTS && (source.is_conflict() || source.is_not_found()) =>
                {
                    // Who got ahead may be about to write once more.
                    sleep(POLL).await;
                    found = match self.find(owned).await? {
                        Some(found) => found,
                        None => self.create_companion(owned).await?,
                    };
                    if owners(&found).any(|owner| owner == uid) {
                        return Ok(());
                    }
                }
                given => return given,
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Makes the workload own an object that was found. Without
    /// `blockOwnerDeletion`, which would need a right on the workload's finalizers that
    /// users rarely have.
    pub(in crate::cluster) async fn give_owner(
        &self,
        owned: &Manifest,
        found: &Value,
        uid: &str,
    ) -> Result<(), SubmissionError> {
        let owner = self.manifests.workload.as_owner(uid);
        let metadata = &found["metadata"];
        let patch = json!({"metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": [owner],
        }});
        match self.cluster.patch(owned, &patch, Write::Real).await {
            Ok(_) => Ok(()),
            Err(source) => Err(failed("give an owner to", owned, source)),
        }
    }
}

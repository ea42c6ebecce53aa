//! Brings a service that is there up to date, in place: its pods are replaced
//! by the controller, in the order that keeps it answering.

use futures_util::future::join_all;
use serde_json::Value;

use super::error::occupied;
use super::{Submission, SubmissionError, failed};
use crate::api::keys;
use crate::change::existing::Existing;
use crate::change::in_place::{companion_patch, merged_object};
use crate::change::metadata::{owners, uid_of};
use crate::cluster::ClusterError;
use crate::cluster::client::request::Write;
use crate::cluster::objects::resource_of;
use crate::render::manifest::Manifest;

/// Attempts at an update that others get ahead of, because controllers write
/// to the object, too, or that is not answered.
const ATTEMPTS: usize = 5;

impl<'a> Submission<'a> {
    /// Makes the workload what the manifests say, with the uploads it now
    /// needs, and removes those that nothing refers to any more.
    ///
    /// # Errors
    /// [`SubmissionError`] for the first object that could not be made or
    /// changed.
    pub async fn update(&self, old: &Existing) -> Result<(), SubmissionError> {
        let set = self.manifests;
        let first = set.shared().chain(&set.uploads).chain(&set.previous);
        for made in join_all(first.map(|manifest| self.create_companion(manifest))).await {
            made?;
        }
        for companion in &set.companions {
            self.apply_companion(companion, old).await?;
        }
        self.remove_stale_autoscaler(old).await?;
        // From here on the workload may refer to what this run has made, even
        // if no answer says so.
        let attempts = self.attempts.take();
        self.changed.set(Some("may be changed"));
        if let Err(error) = self.replace(old).await {
            self.changed.set(None);
            if !matches!(error, SubmissionError::Unsure { .. }) {
                *self.attempts.borrow_mut() = attempts;
            }
            return Err(error);
        }
        self.changed.set(Some("is changed"));
        for owned in join_all(set.owned().map(|owned| self.give_owner(owned, old.uid()))).await {
            owned?;
        }
        self.remove_stale(old).await
    }

    /// Creates what goes with the workload, or changes it.
    async fn apply_companion(
        &self,
        companion: &'a Manifest,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let Some(found) = self.find(companion).await? else {
            return self.create_companion(companion).await;
        };
        let label = |key: &str| found["metadata"]["labels"][key].as_str();
        let own = owners(&found).any(|uid| uid == old.uid())
            || (owners(&found).next().is_none()
                && label(keys::APP_MANAGED_BY_LABEL) == Some(keys::MANAGER)
                && label(keys::APP_INSTANCE_LABEL) == Some(self.manifests.workload.name()));
        if !own {
            return Err(occupied(companion));
        }
        let patch = companion_patch(companion, &found);
        let patched = self.cluster.patch(companion, &patch).await;
        let patched = patched.map_err(|source| failed("change", companion, source))?;
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        if version(&patched) != version(&found) {
            let words = format!("{} is changed", companion.display_name());
            self.done.borrow_mut().push(words);
        }
        Ok(())
    }

    /// Puts the new specification into the object there is.
    async fn replace(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let mut live = old.object().clone();
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
            let body = merged_object(workload, live);
            match self.cluster.replace(workload, &body, Write::Real).await {
                Ok(_) => break,
                Err(error) => {
                    open |= error.is_open();
                    // If it was made all the same, another makes no difference.
                    let again = error.is_conflict() || error.is_unanswered();
                    if !again || attempt == ATTEMPTS {
                        return Err(unsure(open, "change", error));
                    }
                }
            }
            let (namespace, name) = (workload.namespace(), workload.name());
            let found: Result<Option<Value>, _> = self
                .cluster
                .find(resource_of(workload), namespace, name)
                .await;
            live = match found.map_err(|error| unsure(open, "read", error))? {
                Some(found) if uid_of(&found) == Some(old.uid()) => found,
                // It went while it was looked at; the next run makes it anew.
                _ => {
                    return Err(SubmissionError::Vanished {
                        object: workload.display_name(),
                    });
                }
            };
        }
        Ok(())
    }
}

//! Lists what serving again would change, object by object.

use serde::Serialize;

use super::{Submission, SubmissionError};
use crate::change::comparison::{self, Change};
use crate::change::existing::Existing;
use crate::change::in_place;
use crate::render::manifest::Manifest;

/// One thing that becomes different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `kind/name` of the object.
    pub object: String,
    /// The place in it; nothing if it is the whole object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What happens there: `1 → 2`, `added`, `removed`, `changed`.
    pub change: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {path}: {}", self.object, self.change),
            None => write!(f, "{}: {}", self.object, self.change),
        }
    }
}

impl Submission<'_> {
    /// Returns what [`Submission::update`] would change, or what would be made
    /// where nothing is there yet.
    ///
    /// # Errors
    /// [`SubmissionError`] if the cluster cannot be asked.
    pub async fn differences(
        &self,
        old: Option<&Existing>,
    ) -> Result<Vec<Difference>, SubmissionError> {
        let set = self.manifests;
        let whole = |object: String, change: &str| Difference {
            object,
            path: None,
            change: change.to_owned(),
        };
        let mut found = Vec::new();
        for manifest in set.namespace.iter().chain(set.shared()).chain(&set.uploads) {
            if self.find(manifest).await?.is_none() {
                found.push(whole(manifest.display_name(), "added"));
            }
        }
        for manifest in &set.companions {
            match self.find(manifest).await? {
                None => found.push(whole(manifest.display_name(), "added")),
                Some(live) => found.extend(within(
                    manifest,
                    comparison::between(&manifest.value()["spec"], &live["spec"], "spec"),
                )),
            }
        }
        let Some(old) = old else {
            found.push(whole(set.workload.display_name(), "added"));
            return Ok(found);
        };
        found.extend(within(
            &set.workload,
            in_place::changes(&set.workload, old.object()),
        ));
        for stale in self.stale_companions(old).await? {
            let kind = stale.resource.kind.to_lowercase();
            found.push(whole(format!("{kind}/{}", stale.name), "removed"));
        }
        Ok(found)
    }
}

fn within(manifest: &Manifest, changes: Vec<Change>) -> impl Iterator<Item = Difference> + use<'_> {
    changes.into_iter().map(|change| Difference {
        object: manifest.display_name(),
        path: Some(change.path),
        change: change.what,
    })
}

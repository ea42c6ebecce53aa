//! Errors of a submission.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::error::{Classified, ErrorClass};
use crate::plan::action::Relation;
use crate::render::manifest::Manifest;
use crate::suggestion::{Suggestion, kaiwo, kubectl};

/// Longest wait for an object to go.
pub const GONE_DEADLINE: Duration = Duration::from_secs(120);

/// A submission that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// Another workload has the name.
    #[error("{object} already exists and {}", relation.words())]
    Exists {
        /// `kind/name` of the workload.
        object: String,
        /// How it differs.
        relation: Relation,
    },
    /// A request about an object failed.
    #[error("cannot {action} {object}")]
    Failed {
        /// What was tried: `create`, `delete`.
        action: &'static str,
        /// `kind/name` of the object.
        object: String,
        /// Why not.
        source: ClusterError,
    },
    /// An object has the name and is not kaiwo's, or points elsewhere.
    #[error("{object} already exists and is not what this workload needs")]
    Occupied {
        /// `kind/name` of the object.
        object: String,
        namespace: String,
    },
    /// What has the name is part of something else.
    #[error("{object} already exists and belongs to {owner}")]
    Owned {
        /// `kind/name` of the workload.
        object: String,
        /// `kind/name` of what made it.
        owner: String,
    },
    /// What was to go is still there.
    #[error("{object} is still being deleted after {} s", GONE_DEADLINE.as_secs())]
    StillThere {
        /// `kind/name` of the object.
        object: String,
        namespace: String,
    },
    /// Nobody knows what became of a change.
    #[error("cannot determine whether {object} was changed")]
    Unsure {
        /// `kind/name` of the object.
        object: String,
        namespace: String,
        /// What came instead of an answer.
        source: ClusterError,
    },
    /// Somebody else has changed it in between.
    #[error("{object} was changed by {} in the meantime", user.as_deref().unwrap_or("someone else"))]
    Overtaken {
        /// `kind/name` of the workload.
        object: String,
        namespace: String,
        /// Who serves it now, if it says so.
        user: Option<String>,
    },
    /// Somebody deleted it in between.
    #[error("{object} was deleted before it could be changed")]
    Vanished {
        /// `kind/name` of the workload.
        object: String,
    },
}

impl Classified for SubmissionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. }
            | Self::Occupied { .. }
            | Self::Owned { .. }
            | Self::Overtaken { .. }
            | Self::Vanished { .. } => ErrorClass::Conflict,
            Self::Failed { source, .. } | Self::Unsure { source, .. } => source.class(),
            Self::StillThere { .. } => ErrorClass::TimedOut,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Exists { .. } | Self::Owned { .. } => Vec::new(),
            Self::Vanished { .. } => {
                vec!["run the same command again to create it".into()]
            }
            Self::Failed { source, .. } => source.hints(),
            Self::Overtaken {
                object, namespace, ..
            } => vec![
                kaiwo("status {} -n {}", &[object, namespace]).to("check its current state"),
                "run the same command again to replace it".into(),
            ],
            Self::Unsure {
                object,
                namespace,
                source,
            } => {
                let mut hints = vec![
                    kaiwo("status {} -n {}", &[object, namespace]).to("check its current state"),
                ];
                hints.extend(source.hints());
                hints
            }
            Self::Occupied { object, namespace } => {
                let kept = object.strip_prefix("persistentvolumeclaim/");
                let workload = kept.and_then(|name| name.strip_suffix("-scratch"));
                let deletes = workload.map(|workload| {
                    kaiwo("delete {} --with-storage -n {}", &[workload, namespace])
                        .to("use the size and StorageClass that it has, or delete it with its data")
                });
                let show = kubectl("-n {} get {} -o yaml", &[namespace, object]).to("show it");
                deletes.into_iter().chain([show]).collect()
            }
            Self::StillThere { object, namespace } => vec![
                kubectl(
                    "-n {} get {} -o jsonpath={}",
                    &[namespace, object, "{.metadata.finalizers}"],
                )
                .to("show its finalizers"),
            ],
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Exists { object, .. }
            | Self::Failed { object, .. }
            | Self::Occupied { object, .. }
            | Self::Owned { object, .. }
            | Self::Unsure { object, .. }
            | Self::Overtaken { object, .. }
            | Self::Vanished { object }
            | Self::StillThere { object, .. } => Some(object.clone()),
        }
    }
}

pub(in crate::cluster) fn failed(
    action: &'static str,
    manifest: &Manifest,
    source: ClusterError,
) -> SubmissionError {
    SubmissionError::Failed {
        action,
        object: manifest.display_name(),
        source,
    }
}

pub(in crate::cluster) fn still_there(manifest: &Manifest) -> SubmissionError {
    SubmissionError::StillThere {
        object: manifest.display_name(),
        namespace: manifest.namespace().to_owned(),
    }
}

pub(in crate::cluster) fn occupied(manifest: &Manifest) -> SubmissionError {
    SubmissionError::Occupied {
        object: manifest.display_name(),
        namespace: manifest.namespace().to_owned(),
    }
}

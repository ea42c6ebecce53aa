//! Errors of a submission.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::error::{Classified, ErrorClass};
use crate::plan::action::Relation;
use crate::render::manifest::Manifest;

/// Longest wait for an object to go.
pub const GONE_DEADLINE: Duration = Duration::from_secs(120);

/// A submission that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// Another workload has the name.
    #[error("{object} exists already and {}", relation.words())]
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
    #[error("{object} exists already, and is not what this workload needs")]
    Occupied {
        /// `kind/name` of the object.
        object: String,
        /// Its namespace.
        namespace: String,
    },
    /// What has the name is part of something else.
    #[error("{object} exists already and belongs to {owner}")]
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
        /// Its namespace.
        namespace: String,
    },
    /// Nobody knows what became of a change.
    #[error("cannot tell whether {object} was changed")]
    Unsure {
        /// `kind/name` of the object.
        object: String,
        /// Its namespace.
        namespace: String,
        /// What came instead of an answer.
        source: ClusterError,
    },
    /// Somebody deleted it in between.
    #[error("{object} was deleted while it was to be changed")]
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
            | Self::Vanished { .. } => ErrorClass::Conflict,
            Self::Failed { source, .. } | Self::Unsure { source, .. } => source.class(),
            Self::StillThere { .. } => ErrorClass::TimedOut,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } | Self::Owned { .. } => Vec::new(),
            Self::Vanished { .. } => {
                vec!["run the same command again: it makes it anew".to_owned()]
            }
            Self::Failed { source, .. } => source.hints(),
            Self::Unsure {
                object,
                namespace,
                source,
            } => {
                let mut hints = vec![format!(
                    "see what it is now with: kaiwo status {object} -n {namespace}"
                )];
                hints.extend(source.hints());
                hints
            }
            Self::Occupied { object, namespace } => {
                vec![format!(
                    "see it with: kubectl -n {namespace} get {object} -o yaml"
                )]
            }
            Self::StillThere { object, namespace } => vec![format!(
                "see what holds it: kubectl -n {namespace} get {object} -o jsonpath='{{.metadata.finalizers}}'"
            )],
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Exists { object, .. }
            | Self::Failed { object, .. }
            | Self::Occupied { object, .. }
            | Self::Owned { object, .. }
            | Self::Unsure { object, .. }
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

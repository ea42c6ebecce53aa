//! Which workload is followed, and that its track was lost.

use crate::api::workload::Workload;
use crate::cluster::ClusterError;
use crate::error::{Classified, ErrorClass};
use crate::kind::WorkloadKind;
use crate::suggestion::{Command, Suggestion, kaiwo};

/// Why nobody can tell any more what became of something, most of the time.
pub const UNANSWERED: &str = "the cluster does not answer";

/// Which workload is followed.
#[derive(Debug, Clone)]
pub struct FollowedWorkload {
    pub kind: WorkloadKind,
    /// Where it is.
    pub namespace: String,
    pub name: String,
    /// Its identity; if it is not known yet, whoever has the name first.
    pub uid: Option<String>,
    /// The task of an array that is meant, if it is one only.
    pub index: Option<i64>,
    /// What people call it: `kind/name`.
    pub called: String,
    /// What deletes it.
    pub deletion: Command,
}

impl FollowedWorkload {
    /// Follows whichever workload has the name first.
    pub fn named(kind: WorkloadKind, namespace: &str, name: &str) -> Self {
        let called = format!("{}/{name}", kind.word());
        Self {
            deletion: kaiwo("delete {} -n {}", &[&called, namespace]),
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: None,
            index: None,
            called,
        }
    }

    /// Follows this workload, and no other of its name.
    pub fn of_workload(workload: &Workload) -> Self {
        Self {
            kind: workload.kind,
            namespace: workload.metadata.namespace.clone(),
            name: workload.metadata.name.clone(),
            uid: Some(workload.metadata.uid.clone()),
            index: None,
            called: workload.display_name(),
            deletion: workload.deletion(),
        }
    }

    /// Returns `kind/name`.
    pub fn display_name(&self) -> String {
        self.called.clone()
    }

    /// Returns the error of those who wait for something of it that can no
    /// longer be told.
    pub fn lost(&self, why: &str, source: Option<ClusterError>) -> LostTrack {
        LostTrack {
            subject: self.display_name(),
            namespace: self.namespace.clone(),
            why: why.to_owned(),
            source: source.map(Box::new),
        }
    }
}

/// What became of a workload cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("lost track of {subject}: {why}")]
pub struct LostTrack {
    subject: String,
    namespace: String,
    why: String,
    source: Option<Box<ClusterError>>,
}

impl LostTrack {
    /// The error of those who follow all workloads of a namespace, empty for
    /// all of them.
    pub fn of_all(namespace: &str, source: ClusterError) -> Self {
        Self {
            subject: "the workloads".to_owned(),
            namespace: namespace.to_owned(),
            why: UNANSWERED.to_owned(),
            source: Some(Box::new(source)),
        }
    }
}

impl Classified for LostTrack {
    fn class(&self) -> ErrorClass {
        ErrorClass::LostTrack
    }

    fn hints(&self) -> Vec<Suggestion> {
        let list = match self.namespace.as_str() {
            "" => kaiwo("list -A", &[]),
            namespace => kaiwo("list -n {}", &[namespace]),
        };
        vec![list.to("list workloads")]
    }

    fn object(&self) -> Option<String> {
        let is_one = self.subject.contains('/');
        is_one.then(|| self.subject.clone())
    }
}

//! A workload that has the wanted name already.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Cluster, ClusterError};
use crate::k8s::{self, Resource};
use crate::plan::name::WorkloadKind;

/// A workload in the cluster, as far as a new one of its name is concerned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Existing {
    metadata: ExistingMetadata,
    #[serde(default)]
    status: ExistingStatus,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExistingMetadata {
    uid: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExistingStatus {
    conditions: Vec<Condition>,
    job_deployment_status: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// How an existing workload relates to the one that is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same submission, not finished.
    Same,
    /// The same submission, which has run already.
    Finished,
    /// Another submission, or not one of kaiwo's.
    Different,
    /// On its way out.
    Terminating,
}

impl Existing {
    /// Reads the workload of this name; `None` if there is none.
    ///
    /// # Errors
    /// Any [`ClusterError`] but "not found".
    pub async fn find(
        cluster: &Cluster,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Self>, ClusterError> {
        cluster.find(&resource(kind), namespace, name).await
    }

    /// Returns its UID.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// Compares it with a submission by digest.
    pub fn relation(&self, digest: &str) -> Relation {
        let same = self
            .metadata
            .annotations
            .get(k8s::DIGEST_ANNOTATION)
            .is_some_and(|own| own == digest);
        if self.metadata.deletion_timestamp.is_some() {
            Relation::Terminating
        } else if !same {
            Relation::Different
        } else if self.finished() {
            Relation::Finished
        } else {
            Relation::Same
        }
    }

    /// Returns whether it has ended: a Job's condition Complete or Failed
    /// (batch/v1), a RayJob's jobDeploymentStatus (KubeRay v1.6).
    fn finished(&self) -> bool {
        let ended = |condition: &Condition| {
            condition.status == "True" && matches!(condition.kind.as_str(), "Complete" | "Failed")
        };
        self.status.conditions.iter().any(ended)
            || matches!(
                self.status.job_deployment_status.as_str(),
                "Complete" | "Failed" | "ValidationFailed"
            )
    }
}

/// Returns where workloads of a kind are served.
pub fn resource(kind: WorkloadKind) -> Resource {
    Resource::of(kind.api_version(), kind.name())
        .unwrap_or_else(|| unreachable!("{} has a path", kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn existing(extra: serde_json::Value, status: serde_json::Value) -> Existing {
        let mut metadata = json!({"uid": "u", "annotations": {k8s::DIGEST_ANNOTATION: "d"}});
        metadata
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
    }

    #[test]
    fn the_digest_and_the_status_decide() {
        assert_eq!(existing(json!({}), json!({})).relation("d"), Relation::Same);
        assert_eq!(
            existing(json!({}), json!({})).relation("e"),
            Relation::Different
        );
        assert_eq!(
            existing(json!({"annotations": {}}), json!({})).relation("d"),
            Relation::Different
        );
        let gone = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(
            existing(gone, json!({})).relation("d"),
            Relation::Terminating
        );
        for status in [
            json!({"conditions": [{"type": "Complete", "status": "True"}]}),
            json!({"conditions": [{"type": "Suspended", "status": "False"}, {"type": "Failed", "status": "True"}]}),
            json!({"jobDeploymentStatus": "Complete"}),
        ] {
            assert_eq!(
                existing(json!({}), status).relation("d"),
                Relation::Finished
            );
        }
        let running = json!({"conditions": [{"type": "Complete", "status": "False"}], "jobDeploymentStatus": "Running"});
        assert_eq!(existing(json!({}), running).relation("d"), Relation::Same);
    }
}

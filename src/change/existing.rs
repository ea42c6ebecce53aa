//! A workload that has the wanted name already.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::condition::{Condition, holds};
use crate::api::keys;
use crate::api::resource::Resource;
use crate::kind::WorkloadKind;
use crate::plan::action::Relation;
use crate::plan::facts::RunningDeployment;
use crate::plan::namesake::NameOwner;
use crate::render::manifest::Manifest;
use crate::secrecy::Confidential;

/// A workload in the cluster, as far as a new one of its name is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    view: View,
    object: Confidential<Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct View {
    metadata: ExistingMetadata,
    #[serde(default)]
    status: ExistingStatus,
}

impl<'de> Deserialize<'de> for Existing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        let view = View::deserialize(&object).map_err(serde::de::Error::custom)?;
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let object = Confidential::new(object);
        Ok(Self { view, object })
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExistingMetadata {
    uid: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    owner_references: Vec<NameOwner>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExistingStatus {
    conditions: Vec<Condition>,
    job_deployment_status: String,
    state: String,
}

impl Existing {
    /// Returns its UID.
    pub fn uid(&self) -> &str {
        &self.view.metadata.uid
    }

    /// Returns the object as it was read.
    pub fn object(&self) -> &Value {
        self.object.expose()
    }

    /// Returns who submitted it, and since when it is there.
    pub fn origin(&self) -> Option<(&str, &str)> {
        let metadata = &self.object()["metadata"];
        let user = metadata["labels"][keys::USERNAME_LABEL].as_str()?;
        Some((
            user,
            metadata["creationTimestamp"].as_str().unwrap_or_default(),
        ))
    }

    /// Returns the LocalQueue that it is in.
    pub fn queue(&self) -> Option<&str> {
        self.object()["metadata"]["labels"][keys::QUEUE_NAME_LABEL].as_str()
    }

    /// Returns whether Kueue sends it, or the Jobs that it starts, to another cluster
    /// (MultiKueue).
    pub fn is_sent_away(&self) -> bool {
        let pods = "/spec/jobTemplate/spec/template/metadata/annotations";
        let files = self.object().pointer(pods);
        self.object()["spec"]["managedBy"] == keys::MULTIKUEUE_CONTROLLER
            || files.is_some_and(|pods| pods.get(keys::FILES_ANNOTATION).is_some())
    }

    /// Returns what made it, and would make it again.
    pub fn controller(&self) -> Option<&NameOwner> {
        let mut owners = self.view.metadata.owner_references.iter();
        owners.find(|owner| owner.controller)
    }

    /// Returns the object as one of `kind`.
    pub fn manifest(&self, kind: WorkloadKind) -> Manifest {
        let mut object = self.object().clone();
        object["apiVersion"] = Value::from(kind.api_version());
        object["kind"] = Value::from(kind.name());
        // What the API server serves has a name.
        Manifest::new(object).unwrap_or_else(|missing| unreachable!("{missing} is missing"))
    }

    /// Returns what a Deployment is doing.
    pub fn running(&self) -> Option<RunningDeployment> {
        if self.object()["kind"] != "Deployment" {
            return None;
        }
        Some(RunningDeployment {
            replicas: self.object()["spec"]["replicas"].as_i64().unwrap_or(1),
            available: self.object()["status"]["availableReplicas"]
                .as_i64()
                .unwrap_or(0),
        })
    }

    /// Compares it with a submission by digest.
    pub fn relation(&self, digest: &str) -> Relation {
        let metadata = &self.view.metadata;
        match metadata.annotations.get(keys::DIGEST_ANNOTATION) {
            _ if metadata.deletion_timestamp.is_some() => Relation::Terminating,
            None => Relation::Foreign,
            Some(own) if own != digest => Relation::Different,
            Some(_) if self.finished() => Relation::Finished,
            Some(_) => Relation::Same,
        }
    }

    /// Returns whether it has ended: a Job's condition Complete or Failed
    /// (batch/v1), a RayJob's jobDeploymentStatus (KubeRay v1.6), the state of a
    /// Workspace that tunes (KAITO v0.9; before, only success is told for certain).
    fn finished(&self) -> bool {
        let status = &self.view.status;
        let is = |kind: &str| holds(&status.conditions, kind).is_some();
        if !self.object()["tuning"].is_null() {
            return matches!(status.state.as_str(), "Succeeded" | "Failed")
                || is("WorkspaceSucceeded");
        }
        is("Complete")
            || is("Failed")
            || matches!(
                status.job_deployment_status.as_str(),
                "Complete" | "Failed" | "ValidationFailed"
            )
    }
}

/// Returns where workloads of a kind are served in this version of its API.
pub fn resource(kind: WorkloadKind, api_version: &str) -> Resource {
    Resource::known(api_version, kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn existing(extra: Value, status: Value) -> Existing {
        let mut metadata = json!({"uid": "u", "annotations": {keys::DIGEST_ANNOTATION: "d"}});
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
            Relation::Foreign
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
        let tuning = |status: Value| {
            let mut existing = existing(json!({}), status);
            existing.object.expose_mut()["tuning"] = json!({"method": "lora"});
            existing.relation("d")
        };
        for status in [
            json!({"state": "Succeeded"}),
            json!({"state": "Failed"}),
            json!({"conditions": [{"type": "WorkspaceSucceeded", "status": "True"}]}),
        ] {
            assert_eq!(tuning(status.clone()), Relation::Finished);
            // Of a Workspace that serves, the same says that it is ready.
            assert_eq!(existing(json!({}), status).relation("d"), Relation::Same);
        }
        assert_eq!(tuning(json!({"state": "Running"})), Relation::Same);
        let running = json!({"conditions": [{"type": "Complete", "status": "False"}], "jobDeploymentStatus": "Running"});
        assert_eq!(existing(json!({}), running).relation("d"), Relation::Same);
    }
}

//! The metadata that objects of every kind have.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::keys;

/// `metadata` of any object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    pub namespace: String,
    /// Identity, which a later object of the same name does not have.
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    /// Annotations, of which few matter.
    pub annotations: Annotations,
    /// Counts changes of the specification.
    pub generation: i64,
    /// When it was created.
    pub creation_timestamp: Option<Timestamp>,
    /// When it was deleted, while it still is there.
    pub deletion_timestamp: Option<Timestamp>,
    /// What it belongs to.
    pub owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// Returns the value of a label, if it says anything.
    pub fn label(&self, key: &str) -> Option<&str> {
        let value = self.labels.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns whether the object was made by kaiwo.
    pub fn is_kaiwos(&self) -> bool {
        self.label(keys::APP_MANAGED_BY_LABEL) == Some(keys::MANAGER)
    }
}

/// `metadata.annotations`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// Where the version before this one is kept ([`keys::PREVIOUS_ANNOTATION`]);
    /// empty if none is.
    #[serde(rename = "kaiwo-cli/previous")]
    pub previous: String,
    /// Where all versions are kept, in the order in which they were served
    /// ([`keys::VERSIONS_ANNOTATION`]).
    #[serde(rename = "kaiwo-cli/versions")]
    pub versions: String,
    /// The tasks of an array ([`keys::ARRAY_ANNOTATION`]).
    #[serde(rename = "kaiwo-cli/array")]
    pub array: String,
    /// Digest of the request ([`keys::DIGEST_ANNOTATION`]).
    #[serde(rename = "kaiwo-cli/digest")]
    pub digest: String,
    /// Of a pod: the Workload that Kueue admitted it with (Kueue
    /// `constants.WorkloadAnnotation`).
    #[serde(rename = "kueue.x-k8s.io/workload")]
    pub workload: String,
    /// Of a Workload that stands for several pods of their own: `true` (Kueue
    /// `podconstants.IsGroupWorkloadAnnotationKey`).
    #[serde(rename = "kueue.x-k8s.io/is-group-workload")]
    pub is_group: String,
    /// Of a Workload that is one of several of its owner: which, from 0 (Kueue
    /// `constants.ComponentWorkloadIndexAnnotation`).
    #[serde(rename = "kueue.x-k8s.io/component-workload-index")]
    pub component: String,
    /// Of a Job whose number of pods may change while it runs: `true`
    /// ([`keys::ELASTIC_ANNOTATION`]).
    #[serde(rename = "kueue.x-k8s.io/elastic-job")]
    pub elastic: String,
}

/// Entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Whether it manages the object.
    pub controller: bool,
}

/// Reference to an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ObjectName {
    pub kind: String,
    pub name: String,
    /// Identity.
    pub uid: String,
}

/// `v1` Namespace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Namespace {
    /// Name and labels.
    pub metadata: Metadata,
}

/// Any object, of which only the name matters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Named {
    /// Name and labels.
    pub metadata: Metadata,
}

//! What objects of every kind have.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::k8s;

/// `metadata` of any object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Identity, which a later object of the same name does not have.
    pub uid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations, of which only kaiwo's own matter.
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
        self.label(k8s::APP_MANAGED_BY_LABEL) == Some(k8s::MANAGER)
    }
}

/// `metadata.annotations`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// Where the version before this one is kept ([`k8s::PREVIOUS_ANNOTATION`]);
    /// empty if none is.
    #[serde(rename = "kaiwo-cli/previous")]
    pub previous: String,
}

/// Entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OwnerReference {
    /// Kind of the owner.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Whether it manages the object.
    pub controller: bool,
}

/// Entry of `status.conditions`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
    /// When the status changed last.
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// Returns whether it holds.
    pub fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Returns the words for people, or the one for programs if there are none.
    pub fn words(&self) -> &str {
        match self.message.as_str() {
            "" => &self.reason,
            message => message,
        }
    }
}

/// Returns the condition of this type.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Returns the condition of this type if it holds.
pub fn holds<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    condition(conditions, kind).filter(|condition| condition.holds())
}

/// Reference to an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ObjectName {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
}

//! Claims to storage, as far as they say which pods may mount them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::metadata::Metadata;
use super::pod_template::Resources;
use crate::quantity::Quantity;

/// `v1` PersistentVolumeClaim.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// Name.
    pub metadata: Metadata,
    /// What it claims.
    pub spec: ClaimSpec,
    /// What it has.
    pub status: ClaimStatus,
}

/// `spec` of a claim.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSpec {
    /// `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany`, `ReadWriteOncePod`.
    pub access_modes: Vec<String>,
    /// StorageClass; the cluster's default if absent.
    pub storage_class_name: Option<String>,
    /// What it asks for.
    pub resources: Resources,
    /// The volume that it is bound to; empty until then.
    pub volume_name: String,
}

/// `status` of a claim.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClaimStatus {
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// What it has got.
    pub capacity: BTreeMap<String, Quantity>,
}

/// How many may mount a claim at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    OnePod,
    /// The pods of one node.
    OneNode,
    /// Any.
    Many,
}

impl Sharing {
    /// Returns the access mode with which a claim can be written by so many.
    pub fn access_mode(self) -> &'static str {
        match self {
            Self::OnePod => "ReadWriteOncePod",
            Self::OneNode => "ReadWriteOnce",
            Self::Many => "ReadWriteMany",
        }
    }
}

impl Claim {
    /// Returns its size: what it has got, else what it asks for.
    pub fn size(&self) -> Option<&Quantity> {
        let requests = &self.spec.resources.requests;
        let own = self.status.capacity.get("storage");
        own.or_else(|| requests.get("storage"))
    }

    /// Returns how many may mount it at a time; the mode that allows most counts.
    pub fn sharing(&self) -> Sharing {
        let modes = &self.spec.access_modes;
        let has = |mode: &str| modes.iter().any(|one| one == mode);
        if has("ReadWriteMany") || has("ReadOnlyMany") || modes.is_empty() {
            Sharing::Many
        } else if has("ReadWriteOnce") {
            Sharing::OneNode
        } else {
            Sharing::OnePod
        }
    }
}

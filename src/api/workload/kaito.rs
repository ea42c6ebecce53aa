//! KAITO's Workspaces and InferenceSets.

use serde::Deserialize;

use crate::api::condition::Condition;

/// `resource` of a Workspace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceResource {
    /// Nodes.
    pub count: Option<i64>,
    /// Virtual machines that KAITO makes.
    pub instance_type: String,
}

/// `status` of a Workspace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceStatus {
    /// Nodes it runs on.
    pub worker_nodes: Vec<String>,
    /// KAITO's word for it all, since v0.9.
    pub state: String,
    pub conditions: Vec<Condition>,
}

/// `spec` of an InferenceSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct InferenceSetSpec {
    /// Workspaces; 1 unless it says otherwise.
    pub replicas: Option<i64>,
}

impl InferenceSetSpec {
    /// Returns how many Workspaces it asks for.
    pub fn wanted(&self) -> i64 {
        self.replicas.unwrap_or(1)
    }
}

/// `status` of an InferenceSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceSetStatus {
    /// Workspaces that are ready.
    pub ready_replicas: i64,
    pub conditions: Vec<Condition>,
}

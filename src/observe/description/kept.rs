//! What is kept of a workload: its files, and the versions of a service.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

/// A version of a service.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedVersion {
    /// What it is called, for `kaiwo serve --rollback NAME --to VERSION`.
    pub version: String,
    /// Whether it is what is served now.
    pub present: bool,
    /// Images of its containers, where its record tells.
    pub images: Vec<String>,
    /// When it was first served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
}

/// What was uploaded.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uploads {
    /// ConfigMaps.
    pub count: usize,
    pub bytes: u64,
}

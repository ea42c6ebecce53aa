//! Sizes of pods, as far as they are stated.

use serde::Serialize;

use super::is_default;
use crate::quantity::Quantity;

/// What is stated of the sizes of pods, besides what comes with each GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// CPUs of each worker pod.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: Option<Quantity>,
    /// Memory of each worker pod.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<Quantity>,
    /// Size of `/dev/shm` in a pod that works.
    #[serde(skip_serializing_if = "is_default")]
    pub shm: Option<Quantity>,
    /// CPUs of a Ray head.
    #[serde(skip_serializing_if = "is_default")]
    pub head_cpus: Option<Quantity>,
    /// Memory of a Ray head.
    #[serde(skip_serializing_if = "is_default")]
    pub head_memory: Option<Quantity>,
}

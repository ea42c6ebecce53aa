//! What one submission asks for, after all sources of settings and the
//! workload directory were read.

use serde::Serialize;

use super::gpu::GpuRequest;
use super::name::WorkloadKind;
use crate::workload::entrypoint::Script;
use crate::workload::env_file::Environment;
use crate::workload::upload::Upload;

/// What the containers run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Run {
    /// The image's own entrypoint.
    Image,
    /// A script among the uploads.
    Script(Script),
    /// A command, word by word.
    Command(Vec<String>),
}

/// A submission as the user asked for it. Its serialised form is what the
/// digest is made of: two submissions with equal digests are the same, on
/// whatever cluster and by whatever version of kaiwo's templates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRequest {
    /// Kind of the workload.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// LocalQueue or ClusterQueue, as the user named it.
    pub queue: String,
    /// Who submits.
    pub user: String,
    /// Directory or image, for the label.
    pub app: String,
    /// Version, for the label.
    pub version: Option<String>,
    /// Image, if the user named one.
    pub image: Option<String>,
    /// What the containers run.
    pub run: Run,
    /// Variables and secrets.
    pub environment: Environment,
    /// Files that appear in the containers.
    pub upload: Upload,
    /// GPUs.
    pub gpus: GpuRequest,
    /// GPUs of a node, if the user said it.
    pub gpus_per_node: Option<i64>,
    /// Extended resource, if the user said it.
    pub gpu_resource: Option<String>,
    /// Node label with the GPU count, if the user said it.
    pub gpu_node_label_key: Option<String>,
    /// Version of Ray, if the user said it.
    pub ray_version: Option<String>,
    /// Whether a missing namespace is made.
    #[serde(skip)]
    pub create_namespace: bool,
    /// Whether to queue what cannot be admitted.
    #[serde(skip)]
    pub force: bool,
}

impl WorkloadRequest {
    /// Returns the digest over everything that makes this submission what it
    /// is.
    pub fn digest(&self) -> String {
        // A serialisation of plain data cannot fail.
        crate::digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }
}

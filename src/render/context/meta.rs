//! Names, labels, image, variables and files, as templates see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::directory;
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::plan::request::claim::ClaimMount;
use crate::plan::request::pod::PodSettings;
use crate::plan::request::topology::TopologyWish;
use crate::render::environment::{EnvVarContext, is_common};
use crate::render::support;
use crate::workload::upload::UploadPart;

/// Names, labels, image, variables, volumes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Meta {
    /// Name of the workload.
    pub name: String,
    pub namespace: String,
    /// Image of the containers.
    pub image: String,
    /// Version, or nothing.
    pub version: Option<String>,
    /// Who submits.
    pub user: String,
    /// Labels of every object.
    pub labels: BTreeMap<String, String>,
    /// Labels of the pods: the same, but what KubeRay says itself.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of the workload: the user's and kaiwo's.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the working pods: the user's, the files that travel with them, and
    /// where they are placed.
    pub pod_annotations: BTreeMap<String, String>,
    /// Annotations of Ray heads and submitters: the same, but for where the working
    /// pods are placed.
    pub head_annotations: BTreeMap<String, String>,
    /// First of [`Meta::image_pull_secrets`], or nothing: the original
    /// kaiwo's name for it.
    pub image_pull_secret: Option<String>,
    /// Secrets for pulling the image.
    pub image_pull_secrets: Vec<String>,
    /// Service account of the pods, or nothing.
    pub service_account: Option<String>,
    /// Variables: the user's, then kaiwo's.
    pub env_vars: Vec<EnvVarContext>,
    /// Those of them that every container has, also one that does not run what
    /// the user wrote.
    pub common_env_vars: Vec<EnvVarContext>,
    /// Secrets mounted as files.
    pub secret_volumes: Vec<SecretVolume>,
    /// Claims to mount.
    pub volumes: Vec<VolumeContext>,
    /// ConfigMaps with the uploaded files.
    pub uploads: Vec<UploadContext>,
    /// Directory of the uploads, or nothing without uploads.
    pub working_dir: Option<&'static str>,
    /// Directory that the container's own command copies there, or nothing where the
    /// uploads are mounted in the working directory, read-only.
    pub uploads_dir: Option<&'static str>,
    /// Whether some files are larger than a ConfigMap, so that the files are in `files`
    /// of that directory and its `join.sh` completes them.
    pub uploads_in_pieces: bool,
    /// Whether the files are an archive in the annotation `kaiwo-cli/files` of the pods,
    /// because the workload goes to another cluster and ConfigMaps do not.
    pub uploads_packed: bool,
}

impl Meta {
    pub(super) fn new(
        plan: &Plan,
        parts: &[UploadPart<'_>],
        submission: Option<&str>,
        variables: Vec<EnvVarContext>,
    ) -> Self {
        let request = &plan.request;
        let pods = &request.pods;
        let mut annotations = pods.annotations.clone();
        annotations.extend(support::kaito_annotations(plan));
        annotations.extend(support::own_annotations(plan, submission));
        annotations.extend(support::session_annotations(plan));
        annotations.extend(support::array_annotations(plan));
        let secrets = pods.image_pull_secrets.iter().map(|name| name.0.clone());
        let image_pull_secrets: Vec<String> = secrets.collect();
        Self {
            name: request.name.clone(),
            namespace: request.namespace.clone(),
            image: plan.image.clone(),
            version: request.version.clone(),
            user: request.user.clone(),
            labels: support::labels(plan),
            pod_labels: support::pod_labels(plan),
            annotations,
            pod_annotations: pod_annotations(plan),
            head_annotations: head_annotations(plan),
            image_pull_secret: image_pull_secrets.first().cloned(),
            image_pull_secrets,
            service_account: pods.service_account.clone(),
            common_env_vars: variables
                .iter()
                .filter(|variable| is_common(variable))
                .cloned()
                .collect(),
            env_vars: variables,
            secret_volumes: secret_volumes(plan),
            volumes: volumes(pods),
            uploads: uploads(plan, parts),
            working_dir: (!request.upload.is_empty()).then(|| directory(request.kind)),
            uploads_dir: request.copies_uploads().then_some(keys::UPLOADS_DIRECTORY),
            uploads_in_pieces: plan.packed.is_none() && !request.upload.in_pieces().is_empty(),
            uploads_packed: plan.packed.is_some(),
        }
    }
}

/// A Secret's key, mounted as a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretVolume {
    /// Name of the volume.
    pub name: String,
    pub secret_name: String,
    pub key: String,
    /// File name in the volume.
    pub sub_path: String,
    /// Path in the container.
    pub mount_path: String,
}

/// A claim to mount.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeContext {
    /// Name of the volume.
    pub name: String,
    /// Name of the PersistentVolumeClaim.
    pub claim: String,
    /// Path in the container.
    pub mount_path: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A ConfigMap with uploaded files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadContext {
    /// Name of the ConfigMap.
    pub name: String,
    /// Its files.
    pub items: Vec<UploadItem>,
}

/// An uploaded file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadItem {
    /// Key in the ConfigMap.
    pub key: String,
    /// Path below the working directory.
    pub path: String,
    /// Mode of the file.
    pub mode: u32,
}

/// Returns the annotations of the pods; of an InferenceSet those of the
/// Workspaces that KAITO makes, which it reads there.
fn pod_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let mut annotations = plan.request.pods.annotations.clone();
    if let Some(level) = &plan.topology {
        let key = TopologyWish::annotation(level.required);
        annotations.insert(key.to_owned(), level.label.clone());
    }
    if plan.request.kind == WorkloadKind::InferenceSet {
        annotations.extend(support::kaito_annotations(plan));
    }
    if let Some(packed) = &plan.packed {
        annotations.insert(keys::FILES_ANNOTATION.to_owned(), packed.text().to_owned());
    }
    annotations
}

/// Returns the annotations of pods beside the working ones: Kueue would place these in a
/// domain of their own.
fn head_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let mut annotations = pod_annotations(plan);
    annotations.retain(|key, _| !keys::TOPOLOGY_ANNOTATIONS.contains(&key.as_str()));
    annotations
}

fn volumes(pods: &PodSettings) -> Vec<VolumeContext> {
    // A claim that is mounted twice is one volume to Kubernetes only if it
    // has one name, so every mount gets a volume of its own.
    let volume = |(index, mount): (usize, &ClaimMount)| VolumeContext {
        name: format!("volume-{index}"),
        claim: mount.claim.clone(),
        mount_path: mount.path.clone(),
        read_only: mount.read_only,
    };
    pods.volumes.iter().enumerate().map(volume).collect()
}

fn secret_volumes(plan: &Plan) -> Vec<SecretVolume> {
    plan.request
        .environment
        .mounts
        .iter()
        .enumerate()
        .map(|(index, mount)| SecretVolume {
            name: format!("secret-{index}"),
            secret_name: mount.secret.clone(),
            key: mount.key.clone(),
            sub_path: mount.path.rsplit('/').next().unwrap_or_default().to_owned(),
            mount_path: mount.path.clone(),
        })
        .collect()
}

fn uploads(plan: &Plan, parts: &[UploadPart<'_>]) -> Vec<UploadContext> {
    parts
        .iter()
        .map(|part| UploadContext {
            name: support::upload_name(plan, &part.digest),
            items: part
                .entries
                .iter()
                .map(|entry| UploadItem {
                    key: entry.key.clone(),
                    path: entry.path.clone().into_owned(),
                    mode: entry.mode,
                })
                .collect(),
        })
        .collect()
}

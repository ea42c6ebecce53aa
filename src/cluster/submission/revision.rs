//! Records the version that an update replaces, so that a rollback can return to
//! it. A ConfigMap holds the objects as they were, for what makes the pods of a
//! service (ReplicaSets, the clusters of Ray) knows nothing of its Service, of
//! what scales it, or of Ray Serve's applications.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::Readable;
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::companions::COMPANIONS;
use crate::change::existing::Existing;
use crate::change::metadata::{annotation_of, owners};
use crate::change::version::{essence, uploads};
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::digest;
use crate::error::{Classified, ErrorClass};
use crate::render::manifest::{Manifest, ManifestSet};

/// Key in the ConfigMap.
const KEY: &str = "objects.json";
/// Most bytes of a version that is kept: a ConfigMap takes 1 MiB.
const LARGEST: usize = 1_000_000;

/// A version that cannot be returned to.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The workload does not say where it is.
    #[error("no previous version of {object} is kept: it was not changed since it was made")]
    None {
        /// `kind/name` of the workload.
        object: String,
    },
    /// Part of it is gone.
    #[error("the previous version of {object} is not there any more: configmap/{missing} is gone")]
    Gone {
        /// `kind/name` of the workload.
        object: String,
        /// Name of the ConfigMap.
        missing: String,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for RevisionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::None { .. } | Self::Gone { .. } => ErrorClass::Refused,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::None { .. } | Self::Gone { .. } => {
                vec!["serve what it shall be: kaiwo serve -p DIR".to_owned()]
            }
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::None { object } | Self::Gone { object, .. } => Some(object.clone()),
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Adds to an update the version it takes the place of. One that is too large
/// for a ConfigMap is not kept, which the workload then says.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn keep_revision(
    cluster: &Cluster,
    old: &Existing,
    manifests: &mut ManifestSet,
    submission: &str,
) -> Result<(), ClusterError> {
    let workload = &manifests.workload;
    let mut objects = Vec::new();
    for (api_version, kind) in COMPANIONS {
        let resource = Resource::known(api_version, kind);
        let selector = format!("{}={}", keys::APP_INSTANCE_LABEL, workload.name());
        let listed = cluster
            .list::<Value>(&resource, workload.namespace(), &selector)
            .await;
        let listed = match listed {
            Err(error) if error.is_not_found() => continue,
            listed => readable(listed)?,
        };
        let Readable::Known(found) = listed else {
            continue;
        };
        let own = found.iter().filter(|object| {
            owners(object).any(|uid| uid == old.uid())
                && annotation_of(object, keys::DIGEST_ANNOTATION).is_some()
        });
        objects.extend(own.map(|object| essence(api_version, kind, object)));
    }
    let mut own = essence(workload.api_version(), workload.kind(), old.object());
    let is_scaled = objects
        .iter()
        .any(|object| object["kind"] == "HorizontalPodAutoscaler");
    if is_scaled && let Some(spec) = own["spec"].as_object_mut() {
        spec.remove("replicas");
    }
    objects.push(own);
    let text = json!(objects).to_string();
    let name = format!("{}-{}", workload.name(), digest::short(text.as_bytes(), 10));
    let kept = text.len() <= LARGEST;
    let said = if kept { name.as_str() } else { "" };
    manifests.workload.annotate(&BTreeMap::from([(
        keys::PREVIOUS_ANNOTATION.to_owned(),
        said.to_owned(),
    )]));
    if !kept {
        return Ok(());
    }
    let mut labels = old.object()["metadata"]["labels"].clone();
    labels[keys::APP_COMPONENT_LABEL] = json!("revision");
    labels[keys::APP_INSTANCE_LABEL] = json!(manifests.workload.name());
    labels[keys::APP_MANAGED_BY_LABEL] = json!(keys::MANAGER);
    manifests.previous = Manifest::new(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": manifests.workload.namespace(),
            "labels": labels,
            "annotations": {
                keys::DIGEST_ANNOTATION: annotation_of(old.object(), keys::DIGEST_ANNOTATION),
                keys::SUBMISSION_ANNOTATION: submission,
                keys::KIND_ANNOTATION: manifests.workload.kind(),
            },
        },
        "immutable": true,
        "data": {KEY: text},
    }))
    .ok();
    Ok(())
}

/// Returns the objects of the version before the present one.
///
/// # Errors
/// [`RevisionError`] if there is none, or part of it is gone.
pub async fn previous(cluster: &Cluster, present: &Manifest) -> Result<ManifestSet, RevisionError> {
    let object = present.display_name();
    let name = present
        .annotation(keys::PREVIOUS_ANNOTATION)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| RevisionError::None {
            object: object.clone(),
        })?;
    let gone = |missing: &str| RevisionError::Gone {
        object: object.clone(),
        missing: missing.to_owned(),
    };
    let maps = Resource::known("v1", "ConfigMap");
    let find = |name: String| {
        let maps = maps.clone();
        async move {
            cluster
                .find::<Value>(&maps, present.namespace(), &name)
                .await
        }
    };
    let map = find(name.to_owned()).await?.ok_or_else(|| gone(name))?;
    let text = map["data"][KEY].as_str().unwrap_or_default();
    let objects: Vec<Value> = serde_json::from_str(text).map_err(|_| gone(name))?;
    let mut companions: Vec<Manifest> = objects
        .into_iter()
        .filter_map(|object| Manifest::new(object).ok())
        .collect();
    let own = companions
        .iter()
        .position(|manifest| manifest.is_about(present))
        .ok_or_else(|| gone(name))?;
    let workload = companions.remove(own);
    for upload in uploads(workload.value(), present.name()) {
        if find(upload.clone()).await?.is_none() {
            return Err(gone(&upload));
        }
    }
    Ok(ManifestSet {
        namespace: None,
        local_queue: None,
        kept_claim: None,
        uploads: Vec::new(),
        companions,
        previous: None,
        workload,
    })
}

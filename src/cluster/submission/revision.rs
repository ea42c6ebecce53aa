//! The version that an update takes the place of: written down before, so that a
//! rollback can return to it. A ConfigMap holds the objects as they were, for
//! what makes the pods of a service (ReplicaSets, the clusters of Ray) knows
//! nothing of its Service, of what scales it, or of Ray Serve's applications.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::companion_kinds::COMPANIONS;
use super::existing::Existing;
use super::metadata::{annotation_of, owners};
use crate::api::Readable;
use crate::api::keys;
use crate::api::resource::Resource;
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
pub async fn keep(
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

/// Returns the names of the ConfigMaps with files of the workload that pods of
/// `object` mount.
fn uploads(object: &Value, workload: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![object];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(fields) => {
                let name = fields
                    .get("configMap")
                    .and_then(|map| map.get("name"))
                    .and_then(Value::as_str)
                    .filter(|name| name.starts_with(&format!("{workload}-")));
                found.extend(name.map(str::to_owned));
                rest.extend(fields.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Annotations that say something of one moment, and not of a version.
const PASSING: [&str; 3] = [
    keys::PREVIOUS_ANNOTATION,
    keys::SUBMISSION_ANNOTATION,
    "deployment.kubernetes.io/revision",
];
/// Fields of a Service that the cluster gives out.
const GIVEN: [&str; 5] = [
    "clusterIP",
    "clusterIPs",
    "healthCheckNodePort",
    "ipFamilies",
    "ipFamilyPolicy",
];

/// Returns an object without what the cluster has put there. Whether Kueue holds
/// the cluster of a RayService back is no part of a version.
fn essence(api_version: &str, kind: &str, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut annotations: Map<String, Value> = metadata["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    annotations.retain(|key, _| !PASSING.contains(&key.as_str()));
    let mut spec = object["spec"].clone();
    let cluster = spec.get_mut("rayClusterConfig");
    if let Some(cluster) = cluster.and_then(Value::as_object_mut) {
        cluster.remove("suspend");
    }
    if kind == "Service"
        && let Some(fields) = spec.as_object_mut()
    {
        let headless = fields.get("clusterIP") == Some(&json!("None"));
        fields.retain(|field, _| !GIVEN.contains(&field.as_str()));
        if headless {
            fields.insert("clusterIP".to_owned(), json!("None"));
        }
        let ports = fields.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
    }
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata["labels"],
            "annotations": annotations,
        },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_was_written_and_not_where_it_was() {
        let service = json!({
            "metadata": {"name": "a", "namespace": "ml", "uid": "u", "labels": {"x": "y"}, "resourceVersion": "7",
                         "annotations": {keys::DIGEST_ANNOTATION: "d", keys::SUBMISSION_ANNOTATION: "s"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                     "ports": [{"port": 80, "nodePort": 30000}]},
            "status": {"loadBalancer": {}},
        });
        assert_eq!(
            essence("v1", "Service", &service),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "a", "namespace": "ml", "labels": {"x": "y"},
                             "annotations": {keys::DIGEST_ANNOTATION: "d"}},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            })
        );
    }

    #[test]
    fn a_version_was_not_held_back_by_a_queue() {
        let cluster = json!({"suspend": true, "rayVersion": "2.46.0"});
        let service = json!({"metadata": {"name": "a"}, "spec": {"rayClusterConfig": cluster}});
        assert_eq!(
            essence("ray.io/v1", "RayService", &service)["spec"],
            json!({"rayClusterConfig": {"rayVersion": "2.46.0"}})
        );
        let deployment = json!({"metadata": {"name": "a"}, "spec": {"replicas": 1}});
        assert_eq!(
            essence("apps/v1", "Deployment", &deployment)["spec"],
            json!({"replicas": 1})
        );
    }

    #[test]
    fn uploads_of_a_version_are_found() {
        let source = |name: &str| json!({"configMap": {"name": name}});
        let pod = json!({"volumes": [{"projected": {"sources": [source("chat-1"), source("chat-2")]}},
                                     source("chat-1"), source("certificates")]});
        assert_eq!(uploads(&json!({"spec": pod}), "chat"), ["chat-1", "chat-2"]);
    }
}

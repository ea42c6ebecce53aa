//! Tells whether what is there can stand in for what was to be created.

use serde_json::Value;

use super::metadata::annotation_of;
use crate::api::keys;
use crate::render::manifest::Manifest;

/// Size of a claim.
const SIZE: &str = "/spec/resources/requests/storage";

/// Returns whether the object in the cluster can stand in for the one that
/// was to be created.
pub fn same_content(manifest: &Manifest, found: &Value) -> bool {
    let same = |field: &str| manifest.value().get(field) == found.get(field);
    let component = &manifest.value()["metadata"]["labels"][keys::APP_COMPONENT_LABEL];
    match manifest.kind() {
        "LocalQueue" => {
            manifest.value().pointer("/spec/clusterQueue") == found.pointer("/spec/clusterQueue")
        }
        "ConfigMap" => same("data") && same("binaryData"),
        // Named by its content; not the record of a version.
        "Secret" if component == "upload" => same("data"),
        // The next workload of the name finds what the last has left.
        "PersistentVolumeClaim" if manifest.annotation(keys::DIGEST_ANNOTATION).is_none() => {
            let of_kaiwo = |key| {
                found["metadata"]["labels"][key] == manifest.value()["metadata"]["labels"][key]
            };
            let class = &manifest.value()["spec"]["storageClassName"];
            [keys::APP_MANAGED_BY_LABEL, keys::APP_INSTANCE_LABEL]
                .into_iter()
                .all(of_kaiwo)
                && manifest.value().pointer(SIZE) == found.pointer(SIZE)
                && (class.is_null() || *class == found["spec"]["storageClassName"])
        }
        _ => {
            annotation_of(found, keys::DIGEST_ANNOTATION)
                == manifest.annotation(keys::DIGEST_ANNOTATION)
        }
    }
}

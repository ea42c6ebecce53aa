//! Looks for the objects that pods name. Of Secrets no value is read: which keys an
//! object has stands in its metadata, as far as its writers left their marks there
//! (`managedFields`, Kubernetes v1.18 and later).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::api::Readable;
use crate::api::metadata::Named;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::plan::pod_reference::{Keys, Reference, SeenObject};

/// An object by its metadata.
#[derive(Deserialize)]
struct Marked {
    #[serde(default)]
    metadata: Marks,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Marks {
    managed_fields: Vec<Writer>,
}

/// Who has written which fields.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Writer {
    fields_v1: BTreeMap<String, Value>,
}

impl Marks {
    /// Returns the keys under `data`; `None` if nobody left a mark.
    fn keys(&self) -> Keys {
        let fields = self.managed_fields.iter().flat_map(|one| &one.fields_v1);
        let data = fields.filter(|(field, _)| {
            matches!(field.as_str(), "f:data" | "f:stringData" | "f:binaryData")
        });
        let keys: BTreeSet<String> = data
            .filter_map(|(_, keys)| keys.as_object())
            .flat_map(|keys| keys.keys())
            .filter_map(|key| key.strip_prefix("f:").map(str::to_owned))
            .collect();
        (!keys.is_empty()).then_some(keys)
    }
}

/// Looks for what is named in `namespace`.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn references(
    cluster: &Cluster,
    namespace: &str,
    references: BTreeSet<Reference>,
) -> Result<Vec<(Reference, SeenObject)>, ClusterError> {
    let objects: BTreeSet<(&'static str, String)> = references
        .iter()
        .map(|reference| (reference.kind, reference.name.clone()))
        .collect();
    let found = join_all(objects.into_iter().map(async |(kind, name)| {
        let wanted = references
            .iter()
            .filter(|one| one.kind == kind && one.name == name);
        let keys: Vec<&str> = wanted.filter_map(|one| one.key.as_deref()).collect();
        let seen = look(cluster, namespace, kind, &name, &keys).await?;
        Ok::<_, ClusterError>(((kind, name), seen))
    }))
    .await;
    let found: BTreeMap<_, _> = found.into_iter().collect::<Result<_, _>>()?;
    let seen = references.into_iter().filter_map(|reference| {
        let seen = found.get(&(reference.kind, reference.name.clone()))?;
        Some((reference, seen.clone()))
    });
    Ok(seen.collect())
}

async fn look(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    name: &str,
    wanted: &[&str],
) -> Result<SeenObject, ClusterError> {
    let resource = Resource::known("v1", kind);
    let found = cluster
        .find_metadata::<Marked>(&resource, namespace, name)
        .await;
    let object = match readable(found)? {
        Readable::Forbidden => Readable::Forbidden,
        Readable::Known(None) => Readable::Known(None),
        Readable::Known(Some(marked)) => {
            let mut keys = marked.metadata.keys();
            let has_all = |keys: &BTreeSet<String>| wanted.iter().all(|key| keys.contains(*key));
            // Marks can be incomplete; the object itself cannot.
            if !wanted.is_empty() && !keys.as_ref().is_some_and(has_all) {
                keys = keys_of(cluster, &resource.object_path(namespace, name)).await?;
            }
            Readable::Known(Some(keys))
        }
    };
    let others = match object {
        Readable::Known(None) => others(cluster, &resource, namespace).await,
        _ => Vec::new(),
    };
    Ok(SeenObject { object, others })
}

/// Reads the keys of an object; its values are passed over.
async fn keys_of(cluster: &Cluster, path: &str) -> Result<Keys, ClusterError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Content {
        #[serde(default)]
        data: BTreeMap<String, IgnoredAny>,
        #[serde(default)]
        binary_data: BTreeMap<String, IgnoredAny>,
    }
    let content = readable(cluster.get::<Content>(path).await)?;
    Ok(content.known().map(|content| {
        let keys = content.data.keys().chain(content.binary_data.keys());
        keys.cloned().collect()
    }))
}

/// Returns the names of others of the kind, as far as they may be listed.
async fn others(cluster: &Cluster, resource: &Resource, namespace: &str) -> Vec<String> {
    let path = format!("{}?limit=500", resource.collection_path(namespace));
    let listed = cluster.metadata_page::<Named>(&path).await;
    let names = listed.map(|list| {
        list.items
            .into_iter()
            .map(|one| one.metadata.name)
            .collect()
    });
    names.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_stand_in_the_metadata() {
        let marked: Marked = serde_json::from_value(json!({"metadata": {"name": "hf", "managedFields": [
            {"manager": "kubectl-create", "fieldsV1": {"f:data": {".": {}, "f:token": {}}, "f:type": {}}},
            {"manager": "edit", "fieldsV1": {"f:data": {"f:other": {}}}},
        ]}}))
        .unwrap();
        let keys = marked.metadata.keys().unwrap();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["other", "token"]);
        let bare: Marked = serde_json::from_value(json!({"metadata": {"name": "hf"}})).unwrap();
        assert_eq!(bare.metadata.keys(), None);
    }
}

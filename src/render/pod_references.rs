//! Finds which objects the pods of manifests name and cannot start without, whoever
//! wrote them: a flag, a file, or a user's own template.

use std::collections::BTreeSet;

use serde_json::Value;

use super::manifest::ManifestSet;
use crate::plan::pod_reference::Reference;

/// The account that every namespace has.
const DEFAULT_ACCOUNT: &str = "default";

/// Returns what the pods name that the manifests do not make themselves.
pub fn references(manifests: &ManifestSet) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    for manifest in manifests.iter() {
        look(manifest.value(), &mut found);
    }
    let is_made = |reference: &Reference| {
        let mut made = manifests.iter();
        made.any(|made| made.kind() == reference.kind && made.name() == reference.name)
    };
    found.retain(|reference| !is_made(reference));
    found
}

/// Looks for the specifications of pods, wherever a kind has them.
fn look(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::Object(fields) => {
            if fields.get("containers").is_some_and(Value::is_array) {
                of_pod(value, found);
            }
            fields.values().for_each(|field| look(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| look(item, found)),
        _ => {}
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

fn of_pod(spec: &Value, found: &mut BTreeSet<Reference>) {
    let mut add = |kind, name: &Value, key: Option<&Value>, source: &Value, can_be_missing| {
        let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
            return;
        };
        if source["optional"] != true {
            found.insert(Reference {
                kind,
                name: name.to_owned(),
                key: key.and_then(Value::as_str).map(str::to_owned),
                can_be_missing,
            });
        }
    };
    for container in list(&spec["containers"]).chain(list(&spec["initContainers"])) {
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            for (kind, source) in [
                ("Secret", &from["secretKeyRef"]),
                ("ConfigMap", &from["configMapKeyRef"]),
            ] {
                add(kind, &source["name"], Some(&source["key"]), source, false);
            }
        }
        for from in list(&container["envFrom"]) {
            for (kind, source) in [
                ("Secret", &from["secretRef"]),
                ("ConfigMap", &from["configMapRef"]),
            ] {
                add(kind, &source["name"], None, source, false);
            }
        }
    }
    let volumes = list(&spec["volumes"]);
    for volume in volumes.clone() {
        let claim = &volume["persistentVolumeClaim"];
        add(
            "PersistentVolumeClaim",
            &claim["claimName"],
            None,
            claim,
            false,
        );
    }
    let plain = volumes.clone().map(|volume| {
        let secret = &volume["secret"];
        (secret, &secret["secretName"], &volume["configMap"])
    });
    let projected = volumes.flat_map(|volume| list(&volume["projected"]["sources"]));
    let projected = projected.map(|source| {
        let secret = &source["secret"];
        (secret, &secret["name"], &source["configMap"])
    });
    for (secret, secret_name, config_map) in plain.chain(projected) {
        for (kind, source, name) in [
            ("Secret", secret, secret_name),
            ("ConfigMap", config_map, &config_map["name"]),
        ] {
            add(kind, name, None, source, false);
            for item in list(&source["items"]) {
                add(kind, name, Some(&item["key"]), source, false);
            }
        }
    }
    for secret in list(&spec["imagePullSecrets"]) {
        add("Secret", &secret["name"], None, secret, true);
    }
    let account = &spec["serviceAccountName"];
    if account != DEFAULT_ACCOUNT {
        add("ServiceAccount", account, None, account, false);
    }
}

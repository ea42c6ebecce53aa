//! Reduces the objects of a service to what makes up a version of it, without
//! what the cluster has put there.

use serde_json::{Map, Value, json};

use crate::api::keys;

/// Returns the names of the ConfigMaps with files of the workload that pods of
/// `object` mount.
pub fn uploads(object: &Value, workload: &str) -> Vec<String> {
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
pub fn essence(api_version: &str, kind: &str, object: &Value) -> Value {
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

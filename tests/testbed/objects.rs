//! What tests look for among the objects of a namespace.

use serde_json::Value;

use super::cluster::Testbed;
use crate::common::checkout;

pub fn example(name: &str) -> String {
    checkout("workloads")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// Returns the nodes that hold pods with GPUs.
pub fn gpu_pods(testbed: &Testbed, resource: &str) -> Vec<(String, String)> {
    let mut pods: Vec<(String, String)> = testbed
        .list("Pod")
        .iter()
        .filter_map(|pod| {
            let gpus = pod
                .pointer("/spec/containers/0/resources/limits")?
                .get(resource)?
                .as_str()?;
            Some((
                pod["spec"]["nodeName"].as_str()?.to_owned(),
                gpus.to_owned(),
            ))
        })
        .collect();
    pods.sort();
    pods
}

pub fn is_upload(map: &Value) -> bool {
    map["metadata"]["labels"]["app.kubernetes.io/component"] == "upload"
}

pub fn uploads(testbed: &Testbed) -> Vec<String> {
    testbed
        .list("ConfigMap")
        .iter()
        .filter(|map| is_upload(map))
        .map(|map| map["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Checks that a submission has left nothing in the namespace, apart from
/// what the test itself has made there.
#[track_caller]
pub fn nothing_was_made(testbed: &Testbed) {
    for kind in ["Job", "CronJob", "RayJob", "Service", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0], "{kind}");
    }
    assert_eq!(
        testbed.find("LocalQueue", &testbed.name),
        None,
        "a LocalQueue for the ClusterQueue"
    );
    assert_eq!(uploads(testbed), [] as [String; 0]);
}

/// Returns all that somebody may write of an object but its controllers, and
/// when kaiwo has last written which fields.
pub fn as_written(mut object: Value) -> Value {
    let content = object.as_object_mut().unwrap();
    // Controllers write the status, and with it the version, whenever they
    // like.
    content.remove("status");
    let metadata = content["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    let fields = metadata["managedFields"].as_array_mut().unwrap();
    fields.retain(|entry| entry["manager"] == "kaiwo");
    assert!(!fields.is_empty(), "kaiwo writes under its own name");
    object
}

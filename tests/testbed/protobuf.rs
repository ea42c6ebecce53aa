//! What the API server writes in protobuf, beside its JSON.

use kaiwo::api::protobuf::{FieldType, Message};
use kaiwo::api::workload::Workload;
use kaiwo::api::workload::protobuf::list_of;
use kaiwo::api::{Encoded, Reading};
use kaiwo::kind::WorkloadKind;
use serde_json::{Value, json};

use super::cluster::Testbed;

/// Returns a Job whose `spec` sets every field that kaiwo looks at. No controller takes
/// it up, and nobody deletes the namespace, which owns it.
fn job(testbed: &Testbed, name: &str) -> Value {
    let owner = testbed.find("Namespace", &testbed.name).unwrap();
    let amounts = json!({"cpu": "1", "memory": "1Gi", "amd.com/gpu": "8"});
    let config_map = json!({"name": "uploads"});
    let probe = json!({
        "initialDelaySeconds": 5, "periodSeconds": 7, "failureThreshold": 9,
        "httpGet": {"path": "/health", "port": 80},
    });
    let container = json!({
        "name": "main", "image": "x.io/y", "command": ["sh", "-c", "true"],
        "ports": [{"name": "http", "containerPort": 80}],
        "resources": {"limits": amounts, "requests": amounts},
        "volumeMounts": [{"name": "one", "mountPath": "/one", "readOnly": true, "subPath": "x"}],
        "readinessProbe": probe, "startupProbe": probe,
        "lifecycle": {"postStart": {"exec": {"command": ["true"]}}},
    });
    let mut sidecar = container.clone();
    sidecar["name"] = "sidecar".into();
    sidecar["restartPolicy"] = "Always".into();
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "labels": {"a": "b", "empty": ""},
            "annotations": {
                "kaiwo-cli/previous": "p", "kaiwo-cli/versions": "v", "kaiwo-cli/array": "a",
                "kaiwo-cli/digest": "d", "kueue.x-k8s.io/workload": "w",
                "kueue.x-k8s.io/is-group-workload": "true",
                "kueue.x-k8s.io/component-workload-index": "0",
                "kueue.x-k8s.io/elastic-job": "true",
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Namespace", "name": testbed.name,
                "uid": owner["metadata"]["uid"], "controller": true,
            }],
            "finalizers": ["kaiwo.dev/test"],
        },
        "spec": {
            "managedBy": "kaiwo.dev/test", "suspend": true, "parallelism": 3, "completions": 30,
            "completionMode": "Indexed", "maxFailedIndexes": 4, "backoffLimitPerIndex": 2,
            "activeDeadlineSeconds": 86400,
            "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {
                    "containerName": "main", "operator": "In", "values": [42, 43],
                }},
                {"action": "Ignore", "onPodConditions": [
                    {"type": "DisruptionTarget", "status": "True"},
                ]},
            ]},
            "template": {"spec": {
                "restartPolicy": "Never", "nodeSelector": {"n": "m"}, "overhead": {"cpu": "10m"},
                "runtimeClassName": testbed.name,
                "schedulingGates": [{"name": "kaiwo.dev/gate"}],
                "tolerations": [{
                    "key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 60,
                }],
                "containers": [container], "initContainers": [sidecar],
                "volumes": [
                    {"name": "one", "configMap": config_map},
                    {"name": "two", "projected": {"sources": [{"configMap": config_map}]}},
                ],
            }},
        },
    })
}

/// Adds the paths of fields that no object has, or has nothing in.
fn add_empty(objects: &[&Value], message: Message, path: &str, empty: &mut Vec<String>) {
    for (_, name, form) in message {
        let place = format!("{path}.{name}");
        let values = objects.iter().map(|object| &object[name]);
        let mut inner: Vec<&Value> = values.collect();
        let form = match form {
            FieldType::List(item) => {
                let lists = inner.iter().filter_map(|value| value.as_array());
                inner = lists.flatten().collect();
                item
            }
            other => other,
        };
        match form {
            FieldType::Inline(message) => add_empty(objects, message, path, empty),
            FieldType::Object(message) if !message.is_empty() => {
                add_empty(&inner, message, &place, empty);
            }
            _ => {
                let nothing = [json!(null), json!(0), json!(false), json!(""), json!([])];
                if inner.iter().all(|value| nothing.contains(value)) {
                    empty.push(place);
                }
            }
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn jobs_in_protobuf_are_those_in_json() {
    let testbed = Testbed::with_namespace("protobuf");
    testbed.apply(json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": testbed.name}, "handler": "none",
        "overhead": {"podFixed": {"cpu": "10m"}},
    }));
    for name in ["runs", "ended", "fresh"] {
        testbed.create(job(&testbed, name));
    }
    let begun = "2026-01-02T03:04:05Z";
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "R", "message": "M",
            "lastProbeTime": begun, "lastTransitionTime": begun,
        })
    };
    testbed.merge("Job", "runs", &json!({"spec": {"suspend": false}}));
    testbed.merge_status(
        "Job",
        "runs",
        &json!({
            "startTime": begun, "active": 3, "ready": 2, "succeeded": 8, "failed": 1,
            "completedIndexes": "0-6,8", "failedIndexes": "7",
            "uncountedTerminatedPods": {"succeeded": ["s"], "failed": ["f"]},
            "conditions": [condition("FailureTarget")],
        }),
    );
    testbed.merge("Job", "ended", &json!({"spec": {"suspend": false}}));
    testbed.merge_status(
        "Job",
        "ended",
        &json!({
            "startTime": begun, "completionTime": "2026-01-02T04:04:05Z", "succeeded": 30,
            "completedIndexes": "0-29",
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        }),
    );
    // Deleted, and kept by its finalizer.
    testbed.delete("Job", "ended");

    let path = format!("/apis/batch/v1/namespaces/{}/jobs", testbed.name);
    let json = testbed.bytes(&path, "application/json");
    let json = Encoded::Json(String::from_utf8(json).unwrap());
    let protobuf = Encoded::Protobuf(testbed.bytes(&path, "application/vnd.kubernetes.protobuf"));
    let read = |page: &Encoded| {
        let kind = WorkloadKind::Job;
        Workload::read_page(kind, "batch/v1", page, Reading::Strict).unwrap()
    };
    // Each is pages of text.
    let (workloads, next) = read(&protobuf);
    let (expected, _) = read(&json);
    for (workload, expected) in workloads.iter().zip(&expected) {
        assert!(workload == expected, "{}", workload.name());
    }
    assert_eq!((workloads.len(), next.as_str()), (3, ""));

    let message = list_of(WorkloadKind::Job).unwrap();
    let raw: Value = protobuf.parse(Reading::Strict, message).unwrap();
    let mut empty = Vec::new();
    add_empty(&[&raw], message, "", &mut empty);
    // There is one page, and the policy of a sidecar is read.
    let policy = ".items.spec.template.spec.containers.restartPolicy";
    assert_eq!(empty, [".metadata.continue", policy]);
    for name in ["runs", "ended", "fresh"] {
        testbed.merge("Job", name, &json!({"metadata": {"finalizers": null}}));
    }
    testbed.delete("RuntimeClass", &testbed.name);
}

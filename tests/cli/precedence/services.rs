//! The settings that only services have.

use super::*;

fn served<'a>(documents: &'a [Value], pointer: &str) -> &'a Value {
    let service = documents
        .iter()
        .find(|d| d["kind"] == "Deployment" || d["kind"] == "Workspace")
        .expect("a service");
    service.pointer(pointer).unwrap_or(&Value::Null)
}

/// Returns a field of what goes with a service.
fn made<'a>(documents: &'a [Value], kind: &str, pointer: &str) -> &'a Value {
    let object = documents.iter().find(|document| document["kind"] == kind);
    object
        .and_then(|object| object.pointer(pointer))
        .unwrap_or(&Value::Null)
}

/// What only services have.
pub(super) const OF_SERVICES: [Setting; 13] = [
    Setting {
        flag: "--kaito",
        variable: "KAIWO_KAITO",
        key: "kaito",
        values: ["true", "false"],
        pair: None,
        extra: &["--node-selector=pool=llm"],
        shows: |d, v| (served(d, "/kind") == "Workspace") == (v == "true"),
    },
    Setting {
        flag: "--instance-type",
        variable: "KAIWO_INSTANCE_TYPE",
        key: "instanceType",
        values: ["Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4"],
        pair: None,
        extra: &["--kaito"],
        shows: |d, v| served(d, "/resource/instanceType") == v,
    },
    Setting {
        flag: "--port",
        variable: "KAIWO_PORT",
        key: "port",
        values: ["8000", "8001"],
        pair: None,
        extra: &[],
        shows: |d, v| {
            let port = "/spec/template/spec/containers/0/ports/0/containerPort";
            *served(d, port) == v.parse::<i64>().unwrap()
        },
    },
    Setting {
        flag: "--health-path",
        variable: "KAIWO_HEALTH_PATH",
        key: "healthPath",
        values: ["/health", "/ready"],
        pair: None,
        extra: &["--port=8000"],
        shows: |d, v| {
            served(
                d,
                "/spec/template/spec/containers/0/readinessProbe/httpGet/path",
            ) == v
        },
    },
    Setting {
        flag: "--public",
        variable: "KAIWO_PUBLIC",
        key: "public",
        values: ["true", "false"],
        pair: None,
        extra: &["--port=8000"],
        shows: |d, v| (made(d, "Service", "/spec/type") == "LoadBalancer") == (v == "true"),
    },
    Setting {
        flag: "--ingress",
        variable: "KAIWO_INGRESS",
        key: "ingress",
        values: ["a.example.org", "b.example.org"],
        pair: None,
        extra: &["--port=8000"],
        shows: |d, v| made(d, "Ingress", "/spec/rules/0/host") == v,
    },
    Setting {
        flag: "--autoscale",
        variable: "KAIWO_AUTOSCALE",
        key: "autoscale",
        values: ["1-5", "1-6"],
        pair: None,
        extra: &["--target-cpu=70"],
        shows: |d, v| {
            let most = made(d, "HorizontalPodAutoscaler", "/spec/maxReplicas");
            v.ends_with(&most.to_string())
        },
    },
    Setting {
        flag: "--target-cpu",
        variable: "KAIWO_TARGET_CPU",
        key: "targetCpu",
        values: ["70", "80"],
        pair: None,
        extra: &["--autoscale=1-5"],
        shows: |d, v| {
            let target = "/spec/metrics/0/resource/target/averageUtilization";
            *made(d, "HorizontalPodAutoscaler", target) == v.parse::<i64>().unwrap()
        },
    },
    Setting {
        flag: "--target-metric",
        variable: "KAIWO_TARGET_METRIC",
        key: "targetMetric",
        values: ["queue=1", "backlog=1"],
        pair: None,
        extra: &["--autoscale=1-5"],
        shows: |d, v| {
            let name = made(
                d,
                "HorizontalPodAutoscaler",
                "/spec/metrics/0/pods/metric/name",
            );
            v.strip_suffix("=1") == name.as_str()
        },
    },
    Setting {
        flag: "--min-available",
        variable: "KAIWO_MIN_AVAILABLE",
        key: "minAvailable",
        values: ["1", "50%"],
        pair: None,
        extra: &["--replicas=2"],
        shows: |d, v| {
            let least = made(d, "PodDisruptionBudget", "/spec/minAvailable");
            least.to_string().trim_matches('"') == v
        },
    },
    Setting {
        flag: "--preload",
        variable: "KAIWO_PRELOAD",
        key: "preload",
        values: ["hf://org/a:/models", "hf://org/b:/models"],
        pair: None,
        extra: &[],
        shows: |d, v| {
            let url = served(d, "/spec/template/spec/initContainers/0/command/4");
            v.strip_suffix(":/models") == url.as_str()
        },
    },
    Setting {
        flag: "--preload-image",
        variable: "KAIWO_PRELOAD_IMAGE",
        key: "preloadImage",
        values: ["loader:1", "loader:2"],
        pair: None,
        extra: &["--preload=hf://org/a:/models"],
        shows: |d, v| served(d, "/spec/template/spec/initContainers/0/image") == v,
    },
    Setting {
        flag: "--keep-storage",
        variable: "KAIWO_KEEP_STORAGE",
        key: "keepStorage",
        values: ["true", "false"],
        pair: None,
        extra: &["--storage=1Gi"],
        shows: |d, v| made(d, "PersistentVolumeClaim", "/kind").is_string() == (v == "true"),
    },
];

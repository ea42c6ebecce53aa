//! The objects a testbed begins with: upstream's manifests, fitted to a control plane without a network, and nodes.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Options;
use super::build::components;
use super::ports::Ports;

/// The custom resources of Kueue whose versions Kueue itself converts.
const CONVERTED: [&str; 5] = [
    "clusterqueues",
    "cohorts",
    "localqueues",
    "multikueueclusters",
    "workloads",
];
/// Where Kueue's webhooks must not stand in the way of the control plane itself.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kueue-system", "kuberay-system"];
/// The prefix Kueue's own installation gives to its cluster-wide objects.
const KUEUE_PREFIX: &str = "kueue-";

/// First images of pods that do not get ready by themselves.
const NOT_READY: [&str; 6] = [
    "testbed/pull-fails",
    "testbed/pull-denied",
    "testbed/config-error",
    "testbed/never-ready",
    "testbed/crash-turns",
    "testbed/start-fails",
];
/// First images of pods that do not complete, even when a Job owns them.
const NOT_COMPLETE: [&str; 6] = [
    "testbed/forever",
    "testbed/exit-N",
    "testbed/oom",
    "testbed/crash-loop",
    "testbed/crash-turns",
    "testbed/never-ready",
];
/// The first container's image without its tag, and N for a number at its end, as KWOK's stages look things up.
const FIRST_IMAGE: &str = r#".spec.containers[0].image | split(":") | .[0] | sub("[0-9]+$"; "N")"#;
/// The same of the first init container, if there is one.
const FIRST_INIT_IMAGE: &str = r#"(.spec.initContainers // [])[0].image // "" | split(":") | .[0]"#;

pub fn namespaces() -> Vec<Value> {
    ["kueue-system", "kuberay-system"]
        .map(
            |name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        )
        .into()
}

/// Has Kueue, at its address here, convert between the versions of its custom resources.
pub fn convert_by_webhook(crds: &mut [Value], ports: Ports, ca_bundle: &str) {
    for crd in crds {
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap_or_default();
        if CONVERTED.contains(&plural) {
            crd["spec"]["conversion"] = json!({
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": {
                        "url": format!("https://127.0.0.1:{}/convert", ports.webhooks),
                        "caBundle": ca_bundle,
                    },
                    "conversionReviewVersions": ["v1"],
                },
            });
        }
    }
}

/// Names Kueue's roles as an installed Kueue does.
pub fn kueue_roles(roles: &mut [Value]) {
    roles.iter_mut().for_each(prefix_name);
}

/// Points Kueue's webhooks to where it listens and leaves the system's namespaces out.
pub fn kueue_webhooks(configurations: &mut [Value], ports: Ports, ca_bundle: &str) {
    for configuration in configurations {
        prefix_name(configuration);
        for webhook in configuration["webhooks"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            let path = webhook["clientConfig"]["service"]["path"]
                .as_str()
                .unwrap_or_default();
            webhook["clientConfig"] = json!({
                "url": format!("https://127.0.0.1:{}{path}", ports.webhooks),
                "caBundle": ca_bundle,
            });
            let name = webhook["name"].as_str().unwrap_or_default();
            if ["pod", "deployment", "statefulset"]
                .iter()
                .any(|kind| name.get(1..).is_some_and(|n| n.starts_with(kind)))
            {
                webhook["namespaceSelector"] = json!({ "matchExpressions": [{
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": SYSTEM_NAMESPACES,
                }] });
            }
        }
    }
}

fn prefix_name(object: &mut Value) {
    if let Some(name) = object["metadata"]["name"].as_str() {
        object["metadata"]["name"] = format!("{KUEUE_PREFIX}{name}").into();
    }
}

/// Returns what makes Kueue's visibility API part of the cluster's.
pub fn visibility(ports: Ports) -> Vec<Value> {
    // No pod backs the service, so its name leads the API server to its own loopback.
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "kueue-visibility-server", "namespace": "kueue-system" },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": ports.visibility }] },
    });
    let api = |version: &str| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": format!("{version}.visibility.kueue.x-k8s.io") },
            "spec": {
                "group": "visibility.kueue.x-k8s.io",
                "version": version,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": {
                    "name": "kueue-visibility-server",
                    "namespace": "kueue-system",
                    "port": ports.visibility,
                },
            },
        })
    };
    vec![service, api("v1beta1"), api("v1beta2")]
}

/// The APIs of the metrics stand-in: version, group.
pub const METRICS: [(&str, &str); 2] = [
    ("v1beta1", "metrics.k8s.io"),
    ("v1beta2", "custom.metrics.k8s.io"),
];

/// Returns what makes the stand-in's metrics part of the cluster's API, as the manifests of a metrics server and of an
/// adapter do.
pub fn metrics(ports: Ports, ca_bundle: &str) -> Vec<Value> {
    let (name, namespace) = ("testbed-metrics", "kube-system");
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": ports.metrics }] },
    });
    let api = |(version, group): (&str, &str)| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": format!("{version}.{group}") },
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": ca_bundle,
                "service": { "name": name, "namespace": namespace, "port": ports.metrics },
            },
        })
    };
    std::iter::once(service).chain(METRICS.map(api)).collect()
}

/// What a kubelet says of a pod that has succeeded, and KWOK does not.
const COMPLETED: &str = r#"
conditions:
{{ range (list "Initialized" "ContainersReady" "Ready") }}
- type: {{ . | Quote }}
  status: {{ if eq . "Initialized" }}"True"{{ else }}"False"{{ end }}
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:"#;

/// Makes KWOK's stages step aside where a pod's image asks for another fate, gives Jobs' pods their time, and removes a
/// deleted pod only once it has ended.
pub fn stages(upstream: &mut [Value], own: &[Value], job_seconds: f64) -> Vec<Value> {
    let only_if = |stage: &mut Value, key: &str, operator: &str, values: &[&str]| {
        if let Some(expressions) = stage["spec"]["selector"]["matchExpressions"].as_array_mut() {
            expressions.push(json!({ "key": key, "operator": operator, "values": values }));
        }
    };
    for stage in upstream.iter_mut() {
        match stage["metadata"]["name"].as_str() {
            Some("pod-ready") => {
                only_if(stage, FIRST_IMAGE, "NotIn", &NOT_READY);
                only_if(stage, FIRST_INIT_IMAGE, "NotIn", &["testbed/init-fails"]);
                let ready = "  ready: true\n";
                amend(stage, ready, &format!("{ready}  started: true\n"));
            }
            Some("pod-complete") => {
                only_if(stage, FIRST_IMAGE, "NotIn", &NOT_COMPLETE);
                stage["spec"]["delay"] =
                    json!({ "durationMilliseconds": (job_seconds * 1000.0) as u64 });
                amend(stage, "containerStatuses:", COMPLETED);
            }
            Some("pod-delete") => only_if(stage, ".status.phase", "In", &["Succeeded", "Failed"]),
            _ => {}
        }
    }
    upstream.iter().chain(own).cloned().collect()
}

/// Returns the stages in a folder.
pub fn own_stages(folder: &Path) -> Result<Vec<Value>> {
    let mut stages = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?
    {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        stages.extend(
            components::parse_yaml(&text)
                .with_context(|| format!("failed to read {}", path.display()))?,
        );
    }
    Ok(stages)
}

/// Changes the first of such words in what a stage writes.
fn amend(stage: &mut Value, words: &str, into: &str) {
    let template = &mut stage["spec"]["next"]["statusTemplate"];
    if let Some(text) = template.as_str() {
        *template = text.replacen(words, into, 1).into();
    }
}

/// Returns what lets port-forward reach servers that answer for every pod.
pub fn forwards(ports: &[u16]) -> Value {
    let forward =
        |port: &u16| json!({ "ports": [port], "target": { "address": "127.0.0.1", "port": port } });
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterPortForward",
        "metadata": { "name": "testbed" },
        "spec": { "forwards": ports.iter().map(forward).collect::<Vec<_>>() },
    })
}

/// Returns the nodes, with what their drivers and device plugins would say of them.
pub fn nodes(options: &Options) -> Vec<Value> {
    let amd = |gpus: u32| {
        let labels = json!({
            "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
            "beta.amd.com/gpu.family.AI": gpus.to_string(),
        });
        (labels, json!({ "amd.com/gpu": gpus.to_string() }))
    };
    let nvidia = |gpus: u32| {
        let labels = json!({
            "nvidia.com/gpu.count": gpus.to_string(),
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        });
        (labels, json!({ "nvidia.com/gpu": gpus.to_string() }))
    };
    let mut nodes = Vec::new();
    for (prefix, count, (labels, gpus)) in [
        ("amd", options.amd_nodes, amd(8)),
        ("nvidia", options.nvidia_nodes, nvidia(8)),
        ("amd-small", options.small_nodes, amd(4)),
        ("cpu", options.cpu_nodes, (json!({}), json!({}))),
    ] {
        for number in 0..count {
            nodes.push(node(&format!("{prefix}-{number}"), &labels, &gpus));
        }
    }
    nodes
}

fn node(name: &str, labels: &Value, gpus: &Value) -> Value {
    let mut labels = labels.clone();
    labels["kubernetes.io/arch"] = "amd64".into();
    labels["kubernetes.io/hostname"] = name.into();
    labels["kubernetes.io/os"] = "linux".into();
    labels["type"] = "kwok".into();
    let mut resources = gpus.clone();
    resources["cpu"] = "128".into();
    resources["ephemeral-storage"] = "4Ti".into();
    resources["memory"] = "2048Gi".into();
    resources["pods"] = "500".into();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": labels, "annotations": { "kwok.x-k8s.io/node": "fake" } },
        "status": { "allocatable": resources, "capacity": resources },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_move_to_loopback_and_pods_of_the_system_are_left_alone() {
        let mut hooks = vec![json!({
            "metadata": { "name": "mutating-webhook-configuration" },
            "webhooks": [
                { "name": "mjob.kb.io", "clientConfig": { "service": { "path": "/mutate-batch-v1-job" } } },
                { "name": "mpod.kb.io", "clientConfig": { "service": { "path": "/mutate--v1-pod" } } },
            ],
        })];
        kueue_webhooks(&mut hooks, Ports::NAMESPACED, "Q0E=");
        assert_eq!(
            hooks[0]["metadata"]["name"],
            "kueue-mutating-webhook-configuration"
        );
        let [job, pod] = [&hooks[0]["webhooks"][0], &hooks[0]["webhooks"][1]];
        assert_eq!(
            job["clientConfig"]["url"],
            "https://127.0.0.1:9443/mutate-batch-v1-job"
        );
        assert!(job["clientConfig"].get("service").is_none());
        assert!(job.get("namespaceSelector").is_none());
        assert_eq!(
            pod["namespaceSelector"]["matchExpressions"][0]["operator"],
            "NotIn"
        );
    }

    #[test]
    fn stages_make_room_for_other_fates() {
        let stage = |name: &str| json!({ "metadata": { "name": name }, "spec": { "selector": { "matchExpressions": [] } } });
        let mut upstream = [
            stage("pod-ready"),
            stage("pod-complete"),
            stage("pod-delete"),
        ];
        let stages = stages(&mut upstream, &[stage("own")], 1.5);
        assert_eq!(stages.len(), 4);
        assert_eq!(
            stages[0]["spec"]["selector"]["matchExpressions"][0]["values"],
            json!(NOT_READY)
        );
        assert_eq!(stages[1]["spec"]["delay"]["durationMilliseconds"], 1500);
        assert_eq!(
            stages[2]["spec"]["selector"]["matchExpressions"][0]["key"],
            ".status.phase"
        );
    }

    #[test]
    fn nodes_of_both_vendors() {
        let nodes = nodes(&Options::default());
        let find = |name: &str| {
            nodes
                .iter()
                .find(|node| node["metadata"]["name"] == name)
                .unwrap()
        };
        assert_eq!(nodes.len(), 11);
        assert_eq!(find("amd-3")["status"]["capacity"]["amd.com/gpu"], "8");
        assert_eq!(
            find("amd-small-1")["metadata"]["labels"]["beta.amd.com/gpu.family.AI"],
            "4"
        );
        assert_eq!(
            find("nvidia-0")["metadata"]["labels"]["nvidia.com/gpu.count"],
            "8"
        );
        assert!(
            find("cpu-0")["status"]["capacity"]
                .get("amd.com/gpu")
                .is_none()
        );
    }
}

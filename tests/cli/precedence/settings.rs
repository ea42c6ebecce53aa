//! The settings, and how to see which of two values holds.

use super::*;

pub(super) fn job(documents: &[Value]) -> &Value {
    documents
        .iter()
        .find(|d| d["kind"] == "Job" || d["kind"] == "RayJob")
        .expect("a workload")
}

fn pod(documents: &[Value]) -> &Value {
    &job(documents)["spec"]["template"]["spec"]
}

fn limits(documents: &[Value]) -> &Value {
    &pod(documents)["containers"][0]["resources"]["limits"]
}

fn head(documents: &[Value]) -> &Value {
    let template = &job(documents)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"];
    &template["spec"]["containers"][0]["resources"]["limits"]
}

fn claims(documents: &[Value]) -> Vec<&str> {
    let volumes = pod(documents)["volumes"].as_array().unwrap();
    let claim = |volume: &'_ Value| volume.pointer("/persistentVolumeClaim/claimName").is_some();
    let claims = volumes.iter().filter(|volume| claim(volume));
    claims
        .map(|volume| {
            volume["persistentVolumeClaim"]["claimName"]
                .as_str()
                .unwrap()
        })
        .collect()
}

fn volume<'a>(documents: &'a [Value], name: &str) -> &'a Value {
    let volumes = pod(documents)["volumes"].as_array().unwrap();
    volumes
        .iter()
        .find(|volume| volume["name"] == name)
        .unwrap()
}

fn secret_of(documents: &[Value], name: &str) -> String {
    let variables = pod(documents)["containers"][0]["env"].as_array().unwrap();
    let found = variables.iter().find(|v| v["name"] == name).unwrap();
    found["valueFrom"]["secretKeyRef"]["name"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(super) fn variable(documents: &[Value], name: &str) -> String {
    let variables = pod(documents)["containers"][0]["env"].as_array().unwrap();
    variables.iter().find(|v| v["name"] == name).unwrap()["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A template whose Job says which template it is and what it was given.
pub(super) fn template(name: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {{{{ Meta.Name }}}}}}\nspec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: {name}\n        image: x\n        \
         env: [{{name: GIVEN, value: {{{{ Custom.given | default(value=\"none\") }}}}}}]\n"
    )
}

pub(super) const SETTINGS: [Setting; 45] = [
    Setting {
        flag: "--template",
        variable: "KAIWO_TEMPLATE",
        key: "template",
        values: ["t-a", "t-b"],
        pair: None,
        extra: &[],
        shows: |d, v| pod(d)["containers"][0]["name"] == v,
    },
    Setting {
        flag: "--custom-config",
        variable: "KAIWO_CUSTOM_CONFIG",
        key: "customConfig",
        values: ["c-a", "c-b"],
        pair: None,
        extra: &["--template=t-a"],
        shows: |d, v| variable(d, "GIVEN") == v,
    },
    Setting {
        flag: "--set",
        variable: "KAIWO_SET",
        key: "set",
        values: ["x", "y"],
        pair: Some("given"),
        extra: &["--template=t-a"],
        shows: |d, v| variable(d, "GIVEN") == v,
    },
    Setting {
        flag: "--image",
        variable: "KAIWO_IMAGE",
        key: "image",
        values: ["one:1", "two:2"],
        pair: None,
        extra: &[],
        shows: |d, v| pod(d)["containers"][0]["image"] == v,
    },
    Setting {
        flag: "--namespace",
        variable: "KAIWO_NAMESPACE",
        key: "namespace",
        values: ["ns-a", "ns-b"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["metadata"]["namespace"] == v,
    },
    Setting {
        flag: "--queue",
        variable: "KAIWO_QUEUE",
        key: "queue",
        values: ["q-a", "q-b"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == v,
    },
    Setting {
        flag: "--name",
        variable: "KAIWO_NAME",
        key: "name",
        values: ["n-a", "n-b"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["metadata"]["name"] == v,
    },
    Setting {
        flag: "--version",
        variable: "KAIWO_VERSION",
        key: "version",
        values: ["1", "2"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["app.kubernetes.io/version"] == v,
    },
    Setting {
        flag: "--gpus",
        variable: "KAIWO_GPUS",
        key: "gpus",
        values: ["2", "4"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS") == v,
    },
    Setting {
        flag: "--replicas",
        variable: "KAIWO_REPLICAS",
        key: "replicas",
        values: ["2", "3"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "NUM_REPLICAS") == v,
    },
    Setting {
        flag: "--replicas",
        variable: "KAIWO_REPLICAS",
        key: "requestedReplicas",
        values: ["2", "3"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "NUM_REPLICAS") == v,
    },
    Setting {
        flag: "--gpus-per-replica",
        variable: "KAIWO_GPUS_PER_REPLICA",
        key: "gpusPerReplica",
        values: ["2", "3"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
    },
    Setting {
        flag: "--gpus-per-replica",
        variable: "KAIWO_GPUS_PER_REPLICA",
        key: "requestedGPUsPerReplica",
        values: ["2", "3"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
    },
    Setting {
        flag: "--gpu-resource",
        variable: "KAIWO_GPU_RESOURCE",
        key: "gpuResource",
        values: ["nvidia.com/gpu", "amd.com/gpu"],
        pair: None,
        extra: &["-g", "1"],
        shows: |d, v| limits(d)[v] == 1,
    },
    Setting {
        flag: "--ray",
        variable: "KAIWO_RAY",
        key: "ray",
        values: ["true", "false"],
        pair: None,
        extra: &[],
        shows: |d, v| (job(d)["kind"] == "RayJob") == (v == "true"),
    },
    Setting {
        flag: "--env-file",
        variable: "KAIWO_ENV_FILE",
        key: "envFile",
        values: ["env-a", "env-b"],
        pair: None,
        extra: &[],
        shows: |d, v| variable(d, "FROM") == v,
    },
    Setting {
        flag: "--generate-name",
        variable: "KAIWO_GENERATE_NAME",
        key: "generateName",
        values: ["true", "false"],
        pair: None,
        extra: &[],
        shows: |d, v| (job(d)["metadata"]["name"] == "alice-w") == (v == "false"),
    },
    Setting {
        flag: "--ray-version",
        variable: "KAIWO_RAY_VERSION",
        key: "rayVersion",
        values: ["2.9.0", "2.46.0"],
        pair: None,
        extra: &["--ray"],
        shows: |d, v| job(d)["spec"]["rayClusterSpec"]["rayVersion"] == v,
    },
    Setting {
        flag: "--gpus-per-node",
        variable: "KAIWO_GPUS_PER_NODE",
        key: "gpusPerNode",
        values: ["8", "4"],
        pair: None,
        extra: &["-g", "16"],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
    },
    Setting {
        flag: "--priority-class",
        variable: "KAIWO_PRIORITY_CLASS",
        key: "priorityClass",
        values: ["high", "low"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == v,
    },
    Setting {
        flag: "--cpus-per-gpu",
        variable: "KAIWO_CPUS_PER_GPU",
        key: "cpusPerGpu",
        values: ["2", "3"],
        pair: None,
        extra: &["-g", "1"],
        shows: |d, v| limits(d)["cpu"] == v,
    },
    Setting {
        flag: "--memory-per-gpu",
        variable: "KAIWO_MEMORY_PER_GPU",
        key: "memoryPerGpu",
        values: ["2Gi", "3Gi"],
        pair: None,
        extra: &["-g", "1"],
        shows: |d, v| limits(d)["memory"] == v,
    },
    Setting {
        flag: "--cpus",
        variable: "KAIWO_CPUS",
        key: "cpus",
        values: ["2", "500m"],
        pair: None,
        extra: &["-g", "1"],
        shows: |d, v| limits(d)["cpu"] == v,
    },
    Setting {
        flag: "--memory",
        variable: "KAIWO_MEMORY",
        key: "memory",
        values: ["2Gi", "3Gi"],
        pair: None,
        extra: &[],
        shows: |d, v| limits(d)["memory"] == v,
    },
    Setting {
        flag: "--shm",
        variable: "KAIWO_SHM",
        key: "shm",
        values: ["1Gi", "3Gi"],
        pair: None,
        extra: &[],
        shows: |d, v| volume(d, "shm")["emptyDir"]["sizeLimit"] == v,
    },
    Setting {
        flag: "--head-cpus",
        variable: "KAIWO_HEAD_CPUS",
        key: "headCpus",
        values: ["1", "3"],
        pair: None,
        extra: &["--ray"],
        shows: |d, v| head(d)["cpu"] == v,
    },
    Setting {
        flag: "--head-memory",
        variable: "KAIWO_HEAD_MEMORY",
        key: "headMemory",
        values: ["2Gi", "3Gi"],
        pair: None,
        extra: &["--ray"],
        shows: |d, v| head(d)["memory"] == v,
    },
    Setting {
        flag: "--volume",
        variable: "KAIWO_VOLUME",
        key: "volume",
        values: ["a:/a", "b:/b:ro"],
        pair: None,
        extra: &[],
        shows: |d, v| claims(d) == [v.split(':').next().unwrap()],
    },
    Setting {
        flag: "--storage",
        variable: "KAIWO_STORAGE",
        key: "storage",
        values: ["1Gi", "2Gi"],
        pair: None,
        extra: &[],
        shows: |d, v| {
            volume(d, "scratch")["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]
                ["storage"]
                == v
        },
    },
    Setting {
        flag: "--toleration",
        variable: "KAIWO_TOLERATION",
        key: "toleration",
        values: ["a", "b"],
        pair: None,
        extra: &[],
        shows: |d, v| {
            pod(d)["tolerations"] == serde_json::json!([{"key": v, "operator": "Exists"}])
        },
    },
    Setting {
        flag: "--service-account",
        variable: "KAIWO_SERVICE_ACCOUNT",
        key: "serviceAccount",
        values: ["a", "b"],
        pair: None,
        extra: &[],
        shows: |d, v| pod(d)["serviceAccountName"] == v,
    },
    Setting {
        flag: "--image-pull-secret",
        variable: "KAIWO_IMAGE_PULL_SECRET",
        key: "imagePullSecret",
        values: ["a", "b"],
        pair: None,
        extra: &[],
        shows: |d, v| pod(d)["imagePullSecrets"] == serde_json::json!([{"name": v}]),
    },
    Setting {
        flag: "--retries",
        variable: "KAIWO_RETRIES",
        key: "retries",
        values: ["1", "2"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["spec"]["backoffLimit"] == v.parse::<i64>().unwrap(),
    },
    Setting {
        flag: "--ttl",
        variable: "KAIWO_TTL",
        key: "ttl",
        values: ["60", "90"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["spec"]["ttlSecondsAfterFinished"] == v.parse::<i64>().unwrap(),
    },
    Setting {
        flag: "--max-runtime",
        variable: "KAIWO_MAX_RUNTIME",
        key: "maxRuntime",
        values: ["60", "90"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["spec"]["activeDeadlineSeconds"] == v.parse::<i64>().unwrap(),
    },
    Setting {
        flag: "--array",
        variable: "KAIWO_ARRAY",
        key: "array",
        values: ["0-2", "3,7,9,11"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["spec"]["completions"] == if v == "0-2" { 3 } else { 4 },
    },
    Setting {
        flag: "--sweep",
        variable: "KAIWO_SWEEP",
        key: "sweep",
        values: ["a=1,2,3", "a=1..4"],
        pair: None,
        extra: &[],
        shows: |d, v| job(d)["spec"]["completions"] == if v == "a=1,2,3" { 3 } else { 4 },
    },
    Setting {
        flag: "--slots",
        variable: "KAIWO_SLOTS",
        key: "slots",
        values: ["2", "3"],
        pair: None,
        extra: &["--array", "0-9"],
        shows: |d, v| job(d)["spec"]["parallelism"] == v.parse::<i64>().unwrap(),
    },
    Setting {
        flag: "--grace",
        variable: "KAIWO_GRACE",
        key: "grace",
        values: ["60", "90"],
        pair: None,
        extra: &[],
        shows: |d, v| pod(d)["terminationGracePeriodSeconds"] == v.parse::<i64>().unwrap(),
    },
    Setting {
        flag: "--read-only-workdir",
        variable: "KAIWO_READ_ONLY_WORKDIR",
        key: "readOnlyWorkdir",
        values: ["true", "false"],
        pair: None,
        extra: &[],
        shows: |d, v| {
            let command = &pod(d)["containers"][0]["command"];
            (*command == serde_json::json!(["sh", "/workload/entrypoint"])) == (v == "true")
        },
    },
    Setting {
        flag: "--env",
        variable: "KAIWO_ENV",
        key: "env",
        values: ["one", "two"],
        pair: Some("MINE"),
        extra: &[],
        shows: |d, v| variable(d, "MINE") == v,
    },
    Setting {
        flag: "--secret",
        variable: "KAIWO_SECRET",
        key: "secret",
        values: ["one/k", "two/k"],
        pair: Some("MINE"),
        extra: &[],
        shows: |d, v| secret_of(d, "MINE") == v.split('/').next().unwrap(),
    },
    Setting {
        flag: "--node-selector",
        variable: "KAIWO_NODE_SELECTOR",
        key: "nodeSelector",
        values: ["one", "two"],
        pair: Some("pool"),
        extra: &[],
        shows: |d, v| pod(d)["nodeSelector"]["pool"] == v,
    },
    Setting {
        flag: "--label",
        variable: "KAIWO_LABEL",
        key: "label",
        values: ["one", "two"],
        pair: Some("team"),
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["team"] == v,
    },
    Setting {
        flag: "--annotation",
        variable: "KAIWO_ANNOTATION",
        key: "annotation",
        values: ["one", "two"],
        pair: Some("note"),
        extra: &[],
        shows: |d, v| job(d)["metadata"]["annotations"]["note"] == v,
    },
];

//! Flag > variable > `kaiwoconfig` > user's file, pair by pair, for every
//! setting: a file never changes what was typed.

use serde_json::Value;

use crate::common::Sandbox;

/// Where a value can be given, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Flag,
    Variable,
    Project,
    User,
}

const SOURCES: [Source; 4] = [
    Source::Flag,
    Source::Variable,
    Source::Project,
    Source::User,
];

/// A setting: its flag, variable and key; two values that differ; and how to
/// see in the output which one holds.
struct Setting {
    flag: &'static str,
    variable: &'static str,
    key: &'static str,
    values: [&'static str; 2],
    /// Name under which the value is given, for settings of pairs.
    pair: Option<&'static str>,
    /// What else has to be typed for the setting to show.
    extra: &'static [&'static str],
    shows: fn(&[Value], &str) -> bool,
}

fn job(documents: &[Value]) -> &Value {
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

fn variable(documents: &[Value], name: &str) -> String {
    let variables = pod(documents)["containers"][0]["env"].as_array().unwrap();
    variables.iter().find(|v| v["name"] == name).unwrap()["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A template whose Job says which template it is and what it was given.
fn template(name: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {{{{ Meta.Name }}}}}}\nspec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: {name}\n        image: x\n        \
         env: [{{name: GIVEN, value: {{{{ Custom.given | default(value=\"none\") }}}}}}]\n"
    )
}

const SETTINGS: [Setting; 45] = [
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
const OF_SERVICES: [Setting; 13] = [
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

/// Says `value` in `source` of a fresh sandbox.
fn say(
    sandbox: Sandbox,
    typed: &mut Vec<String>,
    setting: &Setting,
    source: Source,
    value: &str,
) -> Sandbox {
    let line = match setting.pair {
        Some(name) => format!("{}: {{{name}: {value}}}\n", setting.key),
        None => format!("{}: {value}\n", setting.key),
    };
    let value = match setting.pair {
        Some(name) => format!("{name}={value}"),
        None => value.to_owned(),
    };
    match source {
        Source::Flag => {
            typed.push(format!("{}={value}", setting.flag));
            sandbox
        }
        Source::Variable => sandbox.set(setting.variable, &value),
        Source::Project => {
            sandbox.write("w/kaiwoconfig", line);
            sandbox
        }
        Source::User => {
            sandbox.write(".config/kaiwo/config.yaml", line);
            sandbox
        }
    }
}

#[test]
fn the_higher_of_two_sources_wins() {
    try_all_pairs("submit", &SETTINGS);
}

#[test]
fn the_higher_of_two_sources_wins_of_a_service_too() {
    try_all_pairs("serve", &OF_SERVICES);
}

/// Gives each setting in every two sources to `command`.
fn try_all_pairs(command: &str, settings: &[Setting]) {
    for setting in settings {
        for (rank, high) in SOURCES.into_iter().enumerate() {
            for low in &SOURCES[rank + 1..] {
                for (wins, loses) in [
                    (setting.values[0], setting.values[1]),
                    (setting.values[1], setting.values[0]),
                ] {
                    let mut typed = vec![command.to_owned(), "-d".to_owned()];
                    let mut sandbox = Sandbox::new();
                    sandbox.write("w/entrypoint", "echo\n");
                    for name in ["env-a", "env-b"] {
                        sandbox.write(
                            name,
                            format!("envVars:\n  - name: FROM\n    value: {name}\n"),
                        );
                    }
                    for name in ["t-a", "t-b"] {
                        sandbox.write(name, template(name));
                    }
                    for name in ["c-a", "c-b"] {
                        sandbox.write(name, format!("given: {name}\n"));
                    }
                    sandbox = say(sandbox, &mut typed, setting, high, wins);
                    sandbox = say(sandbox, &mut typed, setting, *low, loses);
                    let arguments: Vec<&str> = typed
                        .iter()
                        .map(String::as_str)
                        .chain(setting.extra.iter().copied())
                        .chain(["-p", "w"])
                        .collect();
                    let outcome = sandbox.kaiwo(&arguments).exits(0);
                    assert!(
                        (setting.shows)(&outcome.documents(), wins),
                        "{} from {high:?} lost to {low:?}:\n{}",
                        setting.key,
                        outcome.stdout
                    );
                }
            }
        }
    }
}

#[test]
fn a_file_cannot_turn_a_dry_run_into_a_submission() {
    for file in ["w/kaiwoconfig", ".config/kaiwo/config.yaml"] {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        sandbox.write(file, "dryRun: none\ngpus: 0\n");
        let outcome = sandbox
            .kaiwo(&["submit", "-p", "w", "-g", "16", "-d"])
            .exits(0);
        assert!(outcome.stderr.contains("16 GPUs"), "{}", outcome.stderr);
        // Without the flag the file is believed: a submission, which finds no cluster.
        let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-g", "16"]).exits(3);
        let _ = outcome.says("no usable kubeconfig");
    }
}

#[test]
fn the_upload_limit_follows_the_same_order() {
    let sandbox = Sandbox::new().set("KAIWO_UPLOAD_LIMIT", "1k");
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/data", vec![b'x'; 2_000]);
    sandbox.write("w/kaiwoconfig", "uploadLimit: 1Mi\n");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d"])
        .exits(3)
        .says("--upload-limit");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "--upload-limit", "3k"])
        .exits(0);
}

#[test]
fn the_output_format_follows_the_same_order() {
    let sandbox = Sandbox::new()
        .set("KAIWO_OUTPUT", "name")
        .set("KAIWO_DRY_RUN", "client");
    let outcome = sandbox.kaiwo(&["submit", "-i", "image"]).exits(0);
    assert!(
        outcome.stdout.starts_with("job.batch/"),
        "{}",
        outcome.stdout
    );
    let outcome = sandbox
        .kaiwo(&["submit", "-i", "image", "-o", "json"])
        .exits(0);
    assert!(outcome.stdout.starts_with('{'), "{}", outcome.stdout);
}

#[test]
fn paths_in_a_file_resolve_against_the_file_first() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/kaiwoconfig", "envFile: variables\n");
    sandbox.write(
        "w/variables",
        "envVars:\n  - name: FROM\n    value: beside\n",
    );
    sandbox.write(
        "variables",
        "envVars:\n  - name: FROM\n    value: working directory\n",
    );
    let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    assert_eq!(variable(&outcome.documents(), "FROM"), "beside");
    // Variables of a workload are no upload, wherever they lie.
    assert!(!outcome.stdout.contains("0001-"), "{}", outcome.stdout);
}

/// A model has no directory, so no file beside one either.
#[test]
fn the_model_follows_the_same_order() {
    let model = |sandbox: &Sandbox, typed: &[&str]| {
        let common = ["serve", "-d", "--instance-type", "Standard_NC24ads_A100_v4"];
        let outcome = sandbox.kaiwo(&[&common, typed].concat()).exits(0);
        outcome.document("Workspace")["inference"]["preset"]["name"].clone()
    };
    let sandbox = Sandbox::new();
    sandbox.write(".config/kaiwo/config.yaml", "model: phi-4\n");
    assert_eq!(model(&sandbox, &[]), "phi-4");
    let sandbox = sandbox.set("KAIWO_MODEL", "phi-4-mini-instruct");
    assert_eq!(model(&sandbox, &[]), "phi-4-mini-instruct");
    assert_eq!(model(&sandbox, &["-m", "phi-4"]), "phi-4");
}

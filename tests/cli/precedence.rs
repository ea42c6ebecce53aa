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

fn variable(documents: &[Value], name: &str) -> String {
    let variables = pod(documents)["containers"][0]["env"].as_array().unwrap();
    variables.iter().find(|v| v["name"] == name).unwrap()["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

const SETTINGS: [Setting; 16] = [
    Setting {
        flag: "--image",
        variable: "KAIWO_IMAGE",
        key: "image",
        values: ["one:1", "two:2"],
        extra: &[],
        shows: |d, v| pod(d)["containers"][0]["image"] == v,
    },
    Setting {
        flag: "--namespace",
        variable: "KAIWO_NAMESPACE",
        key: "namespace",
        values: ["ns-a", "ns-b"],
        extra: &[],
        shows: |d, v| job(d)["metadata"]["namespace"] == v,
    },
    Setting {
        flag: "--queue",
        variable: "KAIWO_QUEUE",
        key: "queue",
        values: ["q-a", "q-b"],
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == v,
    },
    Setting {
        flag: "--name",
        variable: "KAIWO_NAME",
        key: "name",
        values: ["n-a", "n-b"],
        extra: &[],
        shows: |d, v| job(d)["metadata"]["name"] == v,
    },
    Setting {
        flag: "--version",
        variable: "KAIWO_VERSION",
        key: "version",
        values: ["1", "2"],
        extra: &[],
        shows: |d, v| job(d)["metadata"]["labels"]["app.kubernetes.io/version"] == v,
    },
    Setting {
        flag: "--gpus",
        variable: "KAIWO_GPUS",
        key: "gpus",
        values: ["2", "4"],
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS") == v,
    },
    Setting {
        flag: "--replicas",
        variable: "KAIWO_REPLICAS",
        key: "replicas",
        values: ["2", "3"],
        extra: &[],
        shows: |d, v| variable(d, "NUM_REPLICAS") == v,
    },
    Setting {
        flag: "--replicas",
        variable: "KAIWO_REPLICAS",
        key: "requestedReplicas",
        values: ["2", "3"],
        extra: &[],
        shows: |d, v| variable(d, "NUM_REPLICAS") == v,
    },
    Setting {
        flag: "--gpus-per-replica",
        variable: "KAIWO_GPUS_PER_REPLICA",
        key: "gpusPerReplica",
        values: ["2", "3"],
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
    },
    Setting {
        flag: "--gpus-per-replica",
        variable: "KAIWO_GPUS_PER_REPLICA",
        key: "requestedGPUsPerReplica",
        values: ["2", "3"],
        extra: &[],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
    },
    Setting {
        flag: "--gpu-resource",
        variable: "KAIWO_GPU_RESOURCE",
        key: "gpuResource",
        values: ["nvidia.com/gpu", "amd.com/gpu"],
        extra: &["-g", "1"],
        shows: |d, v| limits(d)[v] == 1,
    },
    Setting {
        flag: "--ray",
        variable: "KAIWO_RAY",
        key: "ray",
        values: ["true", "false"],
        extra: &[],
        shows: |d, v| (job(d)["kind"] == "RayJob") == (v == "true"),
    },
    Setting {
        flag: "--env-file",
        variable: "KAIWO_ENV_FILE",
        key: "envFile",
        values: ["env-a", "env-b"],
        extra: &[],
        shows: |d, v| variable(d, "FROM") == v,
    },
    Setting {
        flag: "--generate-name",
        variable: "KAIWO_GENERATE_NAME",
        key: "generateName",
        values: ["true", "false"],
        extra: &[],
        shows: |d, v| (job(d)["metadata"]["name"] == "alice-w") == (v == "false"),
    },
    Setting {
        flag: "--ray-version",
        variable: "KAIWO_RAY_VERSION",
        key: "rayVersion",
        values: ["2.9.0", "2.46.0"],
        extra: &["--ray"],
        shows: |d, v| job(d)["spec"]["rayClusterSpec"]["rayVersion"] == v,
    },
    Setting {
        flag: "--gpus-per-node",
        variable: "KAIWO_GPUS_PER_NODE",
        key: "gpusPerNode",
        values: ["8", "4"],
        extra: &["-g", "16"],
        shows: |d, v| variable(d, "NUM_GPUS_PER_REPLICA") == v,
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
    let line = format!("{}: {value}\n", setting.key);
    match source {
        Source::Flag => {
            typed.push(format!("{}={value}", setting.flag));
            sandbox
        }
        Source::Variable => sandbox.set(setting.variable, value),
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
    for setting in &SETTINGS {
        for (rank, high) in SOURCES.into_iter().enumerate() {
            for low in &SOURCES[rank + 1..] {
                for (wins, loses) in [
                    (setting.values[0], setting.values[1]),
                    (setting.values[1], setting.values[0]),
                ] {
                    let mut typed = vec![
                        "submit".to_owned(),
                        "-p".to_owned(),
                        "w".to_owned(),
                        "-d".to_owned(),
                    ];
                    let mut sandbox = Sandbox::new();
                    sandbox.write("w/entrypoint", "echo\n");
                    for name in ["env-a", "env-b"] {
                        sandbox.write(
                            name,
                            format!("envVars:\n  - name: FROM\n    value: {name}\n"),
                        );
                    }
                    sandbox = say(sandbox, &mut typed, setting, high, wins);
                    sandbox = say(sandbox, &mut typed, setting, *low, loses);
                    let arguments: Vec<&str> = typed
                        .iter()
                        .map(String::as_str)
                        .chain(setting.extra.iter().copied())
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
        let _ = sandbox.kaiwo(&["submit", "-p", "w", "-g", "16"]).exits(7);
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
        outcome.stdout.starts_with("localqueue."),
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

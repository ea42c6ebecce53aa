//! The manifests of every example, for AMD and NVIDIA, as snapshots.
//! `INSTA_UPDATE=always cargo test golden` accepts new ones; read the diff.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Outcome, Sandbox};
use crate::examples::{examples, words};

#[test]
fn manifests_of_every_example() {
    for example in examples() {
        for (name, arguments) in example.dry_runs() {
            let outcome = Sandbox::new().kaiwo(&words(&arguments)).exits(0);
            check_pods(&outcome, &unbuffered());
            insta::assert_snapshot!(name, outcome.stdout);
        }
    }
}

/// The settings of pods, whatever makes them.
const POD_SETTINGS: [&str; 18] = [
    "--image=registry/image:1",
    "--version=v2",
    "--env=PLAIN=a b",
    "--env=FROM_HERE",
    "--secret=HF_TOKEN=hf-token/token",
    "--volume=data:/data:ro",
    "--volume=models:/models",
    "--storage=100Gi,fast",
    "--node-selector=pool=gpu",
    "--toleration=gpu=yes:NoSchedule",
    "--toleration=spot",
    "--service-account=trainer",
    "--image-pull-secret=registry",
    "--label=team=ml",
    "--annotation=example.com/ticket=ML-7",
    "--cpus-per-gpu=2",
    "--memory-per-gpu=16Gi",
    "--dry-run",
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().set("FROM_HERE", "local");
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write("w/train.py", "pass\n");
    sandbox.write(
        "w/serveconfig",
        "applications: [{name: own, import_path: serving:deployment}]\n",
    );
    sandbox
}

/// Every setting of `kaiwo submit`, in every kind.
#[test]
fn submitted_with_every_setting() {
    let settings = [
        &["submit", "-p", "w"][..],
        &POD_SETTINGS,
        &["--priority-class=high", "--retries=3", "--max-runtime=12h"],
    ]
    .concat();
    for (name, arguments) in [
        ("all-job", &["-g", "8", "--ttl=1h"][..]),
        ("all-indexed-job", &["-g", "16"]),
        ("all-rayjob", &["-g", "16", "--ray", "--ray-version=2.46.0"]),
        (
            "all-cronjob",
            &["-g", "16", "--schedule=0 3 * * *", "--ttl=2d"],
        ),
    ] {
        let outcome = sandbox().kaiwo(&[&settings, arguments].concat()).exits(0);
        check_pods(&outcome, &unbuffered());
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

/// Every setting of `kaiwo serve`, in every kind.
#[test]
fn served_with_every_setting() {
    let queued = ["--queue=serving", "--priority-class=high"];
    for (name, more) in [
        (
            "all-deployment",
            [
                &[
                    "-g",
                    "16",
                    "--port=8000",
                    "--health-path=/health",
                    "--public",
                    "--ingress=chat.example.org,nginx",
                    "--autoscale=1-2",
                    "--target-cpu=70",
                    "--target-metric=queue_length=10",
                    "--min-available=50%",
                    "--preload=hf://org/model:/models/chat",
                    "--preload=s3://bucket/weights/:/weights",
                ],
                &queued[..],
            ]
            .concat(),
        ),
        (
            "all-rayservice",
            [
                &[
                    "-g",
                    "16",
                    "--ray",
                    "--ray-version=2.46.0",
                    "--preload=hf://org/model@v1:/scratch/chat",
                    "--preload-image=registry/loader:1",
                ],
                &queued[..],
            ]
            .concat(),
        ),
        (
            "all-workspace",
            vec![
                "-g",
                "16",
                "--kaito",
                "--instance-type=Standard_ND96isr_H100_v5",
                "--health-path=/health",
            ],
        ),
    ] {
        let arguments = [&["serve", "-p", "w"][..], &POD_SETTINGS, &more].concat();
        let outcome = sandbox().kaiwo(&arguments).exits(0);
        check_pods(&outcome, &unbuffered());
        insta::assert_snapshot!(name, outcome.stdout);
    }
    let preset = [
        "serve",
        "-m=phi-4",
        "--version=v2",
        "--label=team=ml",
        "--annotation=example.com/ticket=ML-7",
        "--node-selector=pool=llm",
        "--node-selector=zone=a",
        "--dry-run",
    ];
    insta::assert_snapshot!("all-preset", sandbox().kaiwo(&preset).exits(0).stdout);
}

/// The variable that containers have where the user says nothing of it.
fn unbuffered() -> Value {
    json!({"name": "PYTHONUNBUFFERED", "value": "1"})
}

/// Checks what every pod and every container of a manifest has, and returns the
/// kinds that hold pods, each with the containers they run.
fn check_pods(outcome: &Outcome, variable: &Value) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for document in outcome.documents() {
        for pod in pods(&document) {
            assert_eq!(pod["enableServiceLinks"], false, "{document:#}");
            for list in ["initContainers", "containers"] {
                for container in pod[list].as_array().into_iter().flatten() {
                    let variables = container["env"].as_array();
                    let found: Vec<&Value> = variables
                        .into_iter()
                        .flatten()
                        .filter(|found| found["name"] == "PYTHONUNBUFFERED")
                        .collect();
                    assert_eq!(found, [variable], "{container:#}");
                    let (kind, name) = (&document["kind"], &container["name"]);
                    seen.insert(format!("{kind} {name}").replace('"', ""));
                }
            }
        }
    }
    seen
}

/// Returns the pod specs within a document.
fn pods(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) if fields.contains_key("containers") => vec![value],
        Value::Object(fields) => fields.values().flat_map(pods).collect(),
        Value::Array(items) => items.iter().flat_map(pods).collect(),
        _ => Vec::new(),
    }
}

/// In every kind, whatever the user says of it, and wherever.
#[test]
fn every_pod_has_what_all_pods_have() {
    let submit = ["submit", "-p", "w", "-i", "image", "-d"];
    let serve = ["serve", "-p", "w", "-i", "image", "-d"];
    let preload = "--preload=hf://org/model:/models";
    let kinds: [Vec<&str>; 7] = [
        [&submit[..], &["-g", "1"]].concat(),
        [&submit[..], &["-g", "16"]].concat(),
        [&submit[..], &["-g", "16", "--schedule=@daily"]].concat(),
        [&submit[..], &["-g", "16", "--ray"]].concat(),
        [&serve[..], &["-g", "1", preload]].concat(),
        [&serve[..], &["-g", "16", "--ray", preload]].concat(),
        [&serve[..], &["--kaito", "--node-selector=a=b"]].concat(),
    ];
    for (extra, file, variable) in [
        (None, None, unbuffered()),
        (
            Some("--env=PYTHONUNBUFFERED="),
            None,
            json!({"name": "PYTHONUNBUFFERED", "value": ""}),
        ),
        (
            Some("--secret=PYTHONUNBUFFERED=settings/python"),
            None,
            json!({
                "name": "PYTHONUNBUFFERED",
                "valueFrom": {"secretKeyRef": {"name": "settings", "key": "python"}},
            }),
        ),
        (
            None,
            Some("envVars: [{name: PYTHONUNBUFFERED, value: x}]\n"),
            json!({"name": "PYTHONUNBUFFERED", "value": "x"}),
        ),
    ] {
        let sandbox = sandbox();
        if let Some(file) = file {
            sandbox.write("w/env", file);
        }
        let mut seen = BTreeSet::new();
        for arguments in &kinds {
            let arguments = [arguments, extra.as_slice()].concat();
            let outcome = sandbox.kaiwo(&arguments).exits(0);
            seen.extend(check_pods(&outcome, &variable));
        }
        assert_eq!(
            seen.iter().map(String::as_str).collect::<Vec<_>>(),
            [
                "CronJob workload",
                "Deployment preload-0",
                "Deployment workload",
                "Job workload",
                "RayJob ray-head",
                "RayJob ray-job-submitter",
                "RayJob ray-worker",
                "RayService preload-0",
                "RayService ray-head",
                "RayService ray-worker",
                "Workspace workload",
            ]
        );
    }
}

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
const POD_SETTINGS: [&str; 19] = [
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
    "--grace=5m",
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

/// Storage that is kept: one pod, several, those of Ray, and a command without uploads.
#[test]
fn kept_storage() {
    let kept = [
        "submit",
        "--storage=100Gi,fast",
        "--keep-storage",
        "--dry-run",
    ];
    let directory = ["-p=w", "--image=registry/image:1"];
    let image = ["--image=registry/image:1", "--", "train", "--resume"];
    for (name, what, more) in [
        ("kept-job", &directory[..], &["-g=1"][..]),
        ("kept-indexed-job", &directory, &["-g=16"]),
        ("kept-rayjob", &directory, &["-g=1", "--ray"]),
        (
            "kept-cronjob",
            &directory,
            &["-g=1", "--schedule=0 3 * * *"],
        ),
        ("kept-command", &image, &["--name=train"]),
    ] {
        let arguments = [&kept[..], more, what].concat();
        let outcome = sandbox().kaiwo(&arguments).exits(0);
        check_pods(&outcome, &unbuffered());
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

/// Pods that are sized as a whole, and not by their GPUs.
#[test]
fn sized_as_a_whole() {
    let settings = [
        "submit",
        "-p=w",
        "--image=registry/image:1",
        "--cpus=6",
        "--memory=24Gi",
        "--shm=1Gi",
        "--dry-run",
    ];
    let head = ["--ray", "--head-cpus=1", "--head-memory=3Gi"];
    for (name, arguments) in [("sized-job", &["-g=2"][..]), ("sized-rayjob", &head)] {
        let arguments = [&settings[..], arguments].concat();
        let outcome = sandbox().kaiwo(&arguments).exits(0);
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

/// What `kaiwo run` attaches to.
#[test]
fn run_with_someone_attached() {
    let fixed = ["run", "-i=registry/image:1", "--name=x", "--dry-run"];
    for (name, arguments) in [
        ("run-terminal", &["-g=1", "-it"][..]),
        (
            "run-piped",
            &["-p=w", "--max-runtime=1h", "--", "sort", "-r"],
        ),
        ("run-script", &["w/train.py", "--idle=30m", "--", "--lr=3"]),
    ] {
        // What follows -- comes last.
        let end = arguments.iter().position(|word| *word == "--");
        let (own, command) = arguments.split_at(end.unwrap_or(arguments.len()));
        let outcome = sandbox()
            .kaiwo(&[&fixed[..], own, command].concat())
            .exits(0);
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

/// Checks that a document has these fields, and among others these items.
fn has(document: &Value, wanted: &Value, path: &str) {
    match (document, wanted) {
        (Value::Object(found), Value::Object(fields)) => {
            for (name, value) in fields {
                let below = found.get(name).unwrap_or(&Value::Null);
                has(below, value, &format!("{path}.{name}"));
            }
        }
        (Value::Array(found), Value::Array(items)) if items.iter().all(Value::is_object) => {
            for item in items {
                let name = &item["name"];
                let same = |it: &&Value| name.is_null() || it["name"] == *name;
                let below = found.iter().find(same).unwrap_or(&Value::Null);
                has(below, item, &format!("{path}[{name}]"));
            }
        }
        _ => assert_eq!(document, wanted, "{path}"),
    }
}

/// An inference server, its Service, its autoscaler and a training Job as a guide to
/// AI on Kubernetes writes them, given as flags.
#[test]
fn manifests_of_a_guide_are_flags() {
    let sandbox = Sandbox::new();
    let served = sandbox.kaiwo(&[
        "serve",
        "-i=ghcr.io/huggingface/text-generation-inference:latest",
        "--name=llm-inference",
        "-g=5",
        "--gpus-per-node=1",
        "--gpu-resource=nvidia.com/gpu",
        "--env=MODEL_ID=mistralai/Mistral-7B-Instruct",
        "--port=80:3000",
        "--autoscale=1-5",
        "--target-cpu=70",
        "--dry-run",
    ]);
    let served = served.exits(0);
    let pod = json!({"containers": [{
        "image": "ghcr.io/huggingface/text-generation-inference:latest",
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "env": [{"name": "MODEL_ID", "value": "mistralai/Mistral-7B-Instruct"}],
        "ports": [{"containerPort": 3000}],
    }]});
    let deployment = served.document("Deployment");
    has(
        &deployment,
        &json!({
            "apiVersion": "apps/v1",
            "metadata": {"name": "llm-inference"},
            "spec": {"template": {"spec": pod}},
        }),
        "Deployment",
    );
    // Its number is the autoscaler's, from one on.
    assert_eq!(deployment["spec"].get("replicas"), None);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    has(
        labels,
        &deployment["spec"]["selector"]["matchLabels"],
        "labels",
    );

    let service = served.document("Service");
    let port = &service["spec"]["ports"][0];
    assert_eq!(port["port"], 80);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(port["targetPort"], container["ports"][0]["name"]);
    has(labels, &service["spec"]["selector"], "labels");

    has(
        &served.document("HorizontalPodAutoscaler"),
        &json!({
            "apiVersion": "autoscaling/v2",
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm-inference"},
                "minReplicas": 1,
                "maxReplicas": 5,
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70},
                }}],
            },
        }),
        "HorizontalPodAutoscaler",
    );

    let trained = sandbox.kaiwo(&[
        "submit",
        "-i=pytorch/pytorch:latest",
        "--name=ml-training",
        "-g=1",
        "--gpu-resource=nvidia.com/gpu",
        "--dry-run",
        "--",
        "python",
        "train.py",
    ]);
    has(
        &trained.exits(0).document("Job"),
        &json!({
            "apiVersion": "batch/v1",
            "metadata": {"name": "ml-training"},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "image": "pytorch/pytorch:latest",
                    "command": ["python", "train.py"],
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                }],
            }}},
        }),
        "Job",
    );
}

/// A certificate, and what is loaded before a job runs.
#[test]
fn an_ingress_has_its_certificate_and_a_job_its_model() {
    let sandbox = Sandbox::new();
    let serve = ["serve", "-i=x", "-g=0", "--port=3000", "--dry-run"];
    let tls = |host: &str| {
        let ingress = format!("--ingress={host}");
        let outcome = sandbox.kaiwo(&[&serve[..], &[&ingress]].concat()).exits(0);
        outcome.document("Ingress")["spec"].clone()
    };
    let spec = tls("chat.example.org,nginx,chat-tls");
    assert_eq!(spec["ingressClassName"], "nginx");
    let expected = json!([{"hosts": ["chat.example.org"], "secretName": "chat-tls"}]);
    assert_eq!(spec["tls"], expected);
    let spec = tls("chat.example.org,,chat-tls");
    assert_eq!(
        (spec.get("ingressClassName"), &spec["tls"]),
        (None, &expected)
    );
    assert_eq!(tls("chat.example.org,nginx").get("tls"), None);

    for (more, pointer) in [
        (&[][..], "/spec/template/spec"),
        (
            &["--schedule=@daily"],
            "/spec/jobTemplate/spec/template/spec",
        ),
        (
            &["--ray", "-p=w"],
            "/spec/rayClusterSpec/workerGroupSpecs/0/template/spec",
        ),
    ] {
        sandbox.write("w/entrypoint", "python train.py\n");
        let submit = [
            "submit",
            "-i=x",
            "-g=1",
            "--preload=hf://org/model:/models",
            "-d",
        ];
        let outcome = sandbox.kaiwo(&[&submit[..], more].concat()).exits(0);
        let documents = outcome.documents();
        let pod = documents
            .iter()
            .find_map(|document| document.pointer(pointer))
            .unwrap();
        let command = pod["initContainers"][0]["command"].as_array().unwrap();
        assert!(command.contains(&json!("hf://org/model")), "{pod:#}");
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        assert!(
            mounts.iter().any(|mount| mount["mountPath"] == "/models"),
            "{pod:#}"
        );
    }
}

//! The manifests of every example, for AMD and NVIDIA, as snapshots.
//! `INSTA_UPDATE=always cargo test golden` accepts new ones; read the diff.

use crate::common::Sandbox;
use crate::examples::{examples, words};

#[test]
fn manifests_of_every_example() {
    for example in examples() {
        for (name, arguments) in example.dry_runs() {
            let outcome = Sandbox::new().kaiwo(&words(&arguments)).exits(0);
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

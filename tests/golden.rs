//! The manifests of every example, for AMD and NVIDIA, as snapshots.
//! `INSTA_UPDATE=always cargo test golden` accepts new ones; read the diff.

use crate::common::Sandbox;
use crate::examples::{VENDORS, submitted, words};

#[test]
fn manifests_of_every_example() {
    for example in submitted() {
        for vendor in VENDORS {
            let outcome = Sandbox::new()
                .kaiwo(&words(&example.dry_run(vendor)))
                .exits(0);
            insta::assert_snapshot!(format!("{}-{vendor}", example.name), outcome.stdout);
        }
    }
}

/// Every setting of the pods, in every kind.
#[test]
fn manifests_with_every_setting() {
    let sandbox = Sandbox::new().set("FROM_HERE", "local");
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write("w/train.py", "pass\n");
    let settings = [
        "submit",
        "-p",
        "w",
        "-d",
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
        "--priority-class=high",
        "--service-account=trainer",
        "--image-pull-secret=registry",
        "--label=team=ml",
        "--annotation=example.com/ticket=ML-7",
        "--cpus-per-gpu=2",
        "--memory-per-gpu=16Gi",
        "--retries=3",
        "--max-runtime=12h",
    ];
    for (name, arguments) in [
        ("all-job", &["-g", "8", "--ttl=1h"][..]),
        ("all-indexed-job", &["-g", "16"]),
        ("all-rayjob", &["-g", "16", "--ray", "--ray-version=2.46.0"]),
        (
            "all-cronjob",
            &["-g", "16", "--schedule=0 3 * * *", "--ttl=2d"],
        ),
    ] {
        let outcome = sandbox.kaiwo(&[&settings, arguments].concat()).exits(0);
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

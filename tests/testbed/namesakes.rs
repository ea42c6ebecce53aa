//! Workloads of two kinds and one name, and what KubeRay makes of them.

use serde_json::json;

use super::cluster::{Flavor, Testbed};
use super::{kaito, serve};

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_job_and_a_rayjob_do_not_share_a_name() {
    let testbed = Testbed::with_queue("namesakes", Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    let job = |name: &str, more: &[&str]| {
        let common = ["-i", "testbed/forever", "-g", "1", "--name", name];
        testbed.submit(&[&common, more, &["--", "sh", "-c", "exit"]].concat())
    };
    _ = job("train", &[]).exits(0);
    for more in [&["--ray"][..], &["--ray", "--replace", "--force"]] {
        _ = job("train", more)
            .exits(5)
            .says("job/train already exists and conflicts with rayjob/train: KubeRay creates a Job")
            .says("--name train-2 -- sh -c exit  # submits under that name");
    }
    assert_eq!(testbed.find("RayJob", "train"), None);
    // The way out is one.
    _ = job("train-2", &["--ray"])
        .exits(0)
        .says("rayjob/train-2 created");

    // Whether KubeRay has made its Job yet or not.
    let refused = || {
        for more in [&[][..], &["--replace", "--force"], &["--dry-run=server"]] {
            let outcome = job("train-2", more)
                .exits(5)
                .says("rayjob/train-2 already exists and conflicts with job/train-2");
            assert!(!outcome.stderr.contains("deletes it"), "{}", outcome.stderr);
        }
    };
    refused();
    if super::lacks("pod-addresses") {
        return;
    }
    let submitter = testbed.wait("KubeRay to submit it", || testbed.find("Job", "train-2"));
    assert_eq!(
        submitter["metadata"]["ownerReferences"][0]["kind"],
        "RayJob"
    );
    refused();
    _ = testbed
        .sandbox
        .kaiwo(&["delete", "job/train-2", "-y", "-n", &testbed.name])
        .exits(3)
        .says("job/train-2 belongs to rayjob/train-2");
    let driver = testbed.wait("the pod that submits it", || {
        let pods = testbed.list("Pod");
        let name = |pod: &serde_json::Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        let mut drivers = pods.iter().map(name).filter(|name| {
            name.starts_with("train-2-") && !name.contains("-head") && !name.contains("-worker")
        });
        drivers.next()
    });
    testbed.wait("its status to show that pod", || {
        let arguments = [
            "status",
            "rayjob/train-2",
            "-n",
            &testbed.name,
            "-o",
            "json",
        ];
        let status = testbed.sandbox.kaiwo(&arguments).exits(0);
        status.stdout.contains(&driver).then_some(())
    });
    // One after the other, they may have it.
    _ = testbed
        .sandbox
        .kaiwo(&["delete", "train-2", "-y", "-n", &testbed.name])
        .exits(0);
    _ = job("train-2", &[]).exits(0).says("job/train-2 created");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_deployment_and_a_workspace_do_not_share_a_name() {
    let testbed = Testbed::with_namespace("namesakes-kaito");
    kaito::install(&testbed);
    let node = [
        "--node-selector",
        "kubernetes.io/hostname=cpu-0",
        "--name",
        "llm",
    ];
    let workspace = || serve::serve(&testbed, &[&["-m", "phi-4"], &node[..]].concat());
    let deployment = || {
        let arguments = ["-i", "testbed/forever", "-g", "0", "--name", "llm"];
        serve::serve(&testbed, &arguments)
    };
    _ = workspace().exits(0);
    _ = deployment()
        .exits(5)
        .says("workspace/llm already exists and conflicts with deployment/llm: KAITO creates");
    _ = testbed
        .sandbox
        .kaiwo(&["delete", "llm", "-y", "-n", &testbed.name])
        .exits(0);
    _ = deployment().exits(0);
    _ = workspace()
        .exits(5)
        .says("deployment/llm already exists and conflicts with workspace/llm: KAITO creates");
}

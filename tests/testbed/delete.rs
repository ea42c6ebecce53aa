//! `kaiwo delete`: what was made for a workload goes with it, and nothing else.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use super::objects::{example, uploads};
use super::rights::bind;

fn names(testbed: &Testbed, kind: &str) -> Vec<String> {
    let name = |object: Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = testbed.list(kind).into_iter().map(name).collect();
    names.retain(|name| name != "kube-root-ca.crt");
    names
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_was_made_for_it_goes_and_nothing_else() {
    let testbed = Testbed::with_queue("delete", Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    bind(&testbed, &["kueue-batch-user-role", "edit"]);
    let path = example("hello");
    let submit = |arguments: &[&str]| {
        let _ = testbed
            .submit(&[&["-p", &path, "-i", "testbed/forever"], arguments].concat())
            .exits(0);
    };
    submit(&["-g", "16", "--name", "wide", "--label", "team=a"]);
    submit(&["-g", "1", "--name", "ray", "--ray"]);
    submit(&["-g", "1", "--name", "nightly", "--schedule", "0 3 * * *"]);
    let serve = [
        "serve",
        "-n",
        &testbed.name,
        "-i",
        "testbed/forever",
        "--replicas",
        "2",
        "--gpus-per-replica",
        "1",
        "--gpus-per-node",
        "8",
        "--gpu-resource",
        "amd.com/gpu",
        "--name",
        "web",
        "--port",
        "8000",
        "--min-available",
        "1",
    ];
    let _ = testbed.sandbox.kaiwo(&serve).exits(0);
    // Somebody else's, with labels like ours.
    let labels =
        json!({"app.kubernetes.io/instance": "wide", "app.kubernetes.io/managed-by": "kaiwo"});
    testbed.create(json!({"apiVersion": "v1", "kind": "ConfigMap",
                          "metadata": {"name": "mine", "labels": labels}}));
    testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "foreign"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}],
        }}},
    }));
    let _ = testbed
        .sandbox
        .kaiwo(&["wait", "wide", "-n", &testbed.name, "--for", "running"])
        .exits(0);
    // Who may not see pods goes by the Job, which counts them a moment later.
    testbed.wait("the Job to count its pods", || {
        (testbed.find("Job", "wide")?["status"]["ready"] == 2).then_some(())
    });
    let delete = |arguments: &[&str]| {
        let common = ["delete", "-n", &testbed.name, "--as", &testbed.name, "-y"];
        testbed.sandbox.kaiwo(&[&common, arguments].concat())
    };

    let outcome = delete(&["-l", "team=a", "--dry-run"]).exits(0);
    let outcome = outcome
        .says("job/wide: Running, 16 GPUs, of alice")
        .says("with service/wide, 1 upload");
    drop(outcome);
    assert!(testbed.find("Job", "wide").is_some());

    let _ = delete(&["-l", "team=a"]).exits(0).says("job/wide deleted");
    assert_eq!(testbed.find("Job", "wide"), None);
    let of_wide = |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "wide";
    assert!(
        !testbed.list("Pod").iter().any(of_wide),
        "its pods are gone"
    );
    testbed.wait("the uploads and the Service of wide to go", || {
        let left = [names(&testbed, "ConfigMap"), names(&testbed, "Service")].concat();
        (!left.iter().any(|name| name.starts_with("wide"))).then_some(())
    });
    assert!(names(&testbed, "ConfigMap").contains(&"mine".to_owned()));

    // What kaiwo did not make takes another word, and the others go.
    let _ = delete(&["foreign", "rayjob/ray"])
        .exits(3)
        .says("job/foreign was not created by kaiwo")
        .says("rayjob/ray deleted");
    assert_eq!(testbed.find("RayJob", "ray"), None);
    let _ = delete(&["--all"])
        .exits(0)
        .says("cronjob/nightly deleted")
        .says("deployment/web deleted");
    testbed.wait("everything of kaiwo's to be gone", || {
        let left: Vec<String> = [
            "CronJob",
            "Deployment",
            "Pod",
            "Service",
            "PodDisruptionBudget",
            "Workload",
        ]
        .into_iter()
        .flat_map(|kind| names(&testbed, kind))
        .filter(|name| !name.contains("foreign"))
        .collect();
        left.is_empty().then_some(())
    });
    assert_eq!(names(&testbed, "ConfigMap"), ["mine"]);
    assert_eq!(names(&testbed, "LocalQueue"), [testbed.name.as_str()]);
    let _ = delete(&["--all"])
        .exits(0)
        .says("kaiwo has nothing to delete");
    let _ = delete(&["job/wide"])
        .exits(3)
        .says("workload job/wide does not exist");
    let _ = delete(&["job/wide", "--ignore-not-found"]).exits(0);
    let _ = delete(&["foreign", "--force"])
        .exits(0)
        .says("job/foreign deleted");
}

/// The most that can be uploaded is admitted, and goes with its workload.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn sixty_four_mebibytes_are_admitted_and_removed() {
    let testbed = Testbed::with_queue("full", Flavor::Amd, 8);
    testbed.sandbox.write("w/entrypoint", "sleep 1\n");
    testbed
        .sandbox
        .write("w/model.bin", vec![0xff; (64 << 20) - 8]);
    let arguments = [
        "-p=w",
        "-i=testbed/forever",
        "--upload-limit=64Mi",
        "--name=full",
        "--create-namespace",
    ];
    let submit = || testbed.submit(&arguments);
    _ = submit().exits(0).says("68 uploads");
    assert_eq!(uploads(&testbed).len(), 68);
    _ = submit().exits(0).says("unchanged");
    let status = ["status", "-n", &testbed.name, "full"];
    let status = testbed.sandbox.kaiwo(&status).exits(0).stdout;
    assert!(status.contains("68 ConfigMaps, 64.0 MiB"), "{status}");
    _ = testbed
        .sandbox
        .kaiwo(&["delete", "-n", &testbed.name, "full", "-y"])
        .exits(0);
    testbed.wait("all uploads to go", || {
        uploads(&testbed).is_empty().then_some(())
    });
}

//! What `kaiwo submit` does where rights end.

use serde_json::json;

use super::{bind, bind_everywhere, roles};
use crate::testbed::cluster::{Flavor, Testbed};
use crate::testbed::objects::{example, uploads};

fn local_queue(testbed: &Testbed) {
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
        "metadata": {"name": testbed.name, "namespace": testbed.name},
        "spec": {"clusterQueue": testbed.name},
    }));
    // Its status names the resources that a batch-user learns from it.
    testbed.wait("Kueue to have seen the LocalQueue", || {
        let queue = testbed.find("LocalQueue", &testbed.name)?;
        queue["status"]["flavorsReservation"]
            .as_array()
            .filter(|flavors| !flavors.is_empty())
            .map(drop)
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_batch_user_who_may_edit_submits_to_a_queue_that_exists() {
    let testbed = Testbed::with_queue("batchuser", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    bind(&testbed, &["kueue-batch-user-role", "edit"]);
    let path = example("hello");
    let submit =
        |extra: &[&str]| testbed.submit(&[&["-p", &path, "--as", &testbed.name], extra].concat());

    let _ = submit(&["-g", "8"])
        .exits(3)
        .says("cannot determine how many GPUs a node has")
        .says("--gpus-per-node 8");
    testbed
        .sandbox
        .write(".config/kaiwo/config.yaml", "gpusPerNode: 8\n");
    // The queue is seen, its quota is not.
    let _ = submit(&["-g", "16"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu\n")
        .says("job/alice-hello created");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let _ = submit(&["-g", "16", "--replace"])
        .exits(0)
        .says("job/alice-hello replaced");

    // Another queue cannot be made.
    let refused = testbed
        .sandbox
        .kaiwo(&[
            "submit",
            "-p",
            &path,
            "-n",
            &testbed.name,
            "-q",
            "elsewhere",
            "-g",
            "8",
            "--name",
            "other",
            "--gpu-resource",
            "amd.com/gpu",
            "--as",
            &testbed.name,
        ])
        .exits(4);
    let _ = refused
        .says("you may not create it")
        .says("  clusterQueue: elsewhere")
        .says(&format!(
            "kubectl --as {0} -n {0} get localqueues",
            testbed.name
        ));
    assert_eq!(testbed.find("Job", "other"), None);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_roles_for_researchers_are_enough() {
    let testbed = Testbed::with_queue("researcher", Flavor::Amd, 32);
    testbed.namespace();
    roles(&testbed);
    bind(&testbed, &["kaiwo-submit"]);
    bind_everywhere(&testbed, "kaiwo-queues");
    let path = example("ray-gpus");
    let submit =
        |extra: &[&str]| testbed.submit(&[&["-p", &path, "--as", &testbed.name], extra].concat());

    let _ = submit(&["-g", "16", "--ray"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu · 32 of 32 free · starts now")
        .says("localqueue/");
    let _ = submit(&["-g", "16", "--ray"]).exits(0).says("unchanged");
    let _ = submit(&["-g", "16", "--name", "indexed"])
        .exits(0)
        .says("job/indexed created");
    let _ = submit(&["-g", "8", "--name", "indexed", "--replace"])
        .exits(0)
        .says("job/indexed replaced");
    let _ = submit(&["-g", "8", "--name", "nightly", "--schedule", "0 3 * * *"]).exits(0);
    let _ = submit(&["-g", "64", "--name", "large"])
        .exits(3)
        .says("can never be admitted");
    testbed.delete("CronJob", "nightly");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_right_that_is_missing_midway_leaves_nothing() {
    let testbed = Testbed::with_queue("nopatch", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    testbed.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "no-patch", "namespace": testbed.name},
        "rules": [
            {"apiGroups": ["", "batch"], "resources": ["configmaps", "jobs"], "verbs": ["get", "create", "delete"]},
            {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues"], "verbs": ["get", "list"]},
        ],
    }));
    testbed.grant(&testbed.name, "Role", "no-patch");
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "1", "--as", &testbed.name])
        .exits(4)
        .says("error: cannot give an owner to configmap/")
        .says("not allowed: ")
        .says("cannot patch resource \"configmaps\"")
        .says("note: nothing of this submission is left")
        .says("ask an admin to apply this:");
    testbed.wait("the Job to be gone", || {
        testbed.list("Job").is_empty().then_some(())
    });
    testbed.wait("the uploads to be gone", || {
        uploads(&testbed).is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_may_not_be_deleted_is_listed_with_the_command_that_removes_it() {
    let testbed = Testbed::with_queue("nodelete", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    testbed.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "no-delete", "namespace": testbed.name},
        "rules": [
            {"apiGroups": ["", "batch"], "resources": ["configmaps", "jobs"], "verbs": ["get", "create"]},
            {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues"], "verbs": ["get", "list"]},
        ],
    }));
    testbed.grant(&testbed.name, "Role", "no-delete");
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "1", "--as", &testbed.name])
        .exits(6)
        .says("cannot patch resource \"configmaps\"")
        .says(": not allowed: ")
        .says(&format!("kubectl --as {0} -n {0} delete ", testbed.name));
}

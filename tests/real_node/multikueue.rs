//! Workloads that Kueue sends to the real node of a second cluster: their files are what
//! the programs there have.

use serde_json::{Value, json};

use super::{BUSYBOX, Node, PYTHON, QUEUE, RAY, USER, images, takes_long};
use crate::testbed::cluster::Testbed;

/// A script that leaves word of every file in the second cluster, where its log is read.
const DIGESTS: &str = "[ -x 'data/a töol ☃' ] && [ ! -x \"it's \\$HOME.bin\" ] && echo modes are kept\n\
    find . -type f -exec sha256sum {} +\necho all of them\nsleep 5\n";

/// Makes the test's namespace there, and queues that lead there and to its node.
fn away(node: &Node) -> Option<Testbed> {
    let there = node.on_worker()?;
    there.namespace();
    there.local_queue("far", QUEUE, json!({}));
    let real = node.find("ClusterQueue", QUEUE).unwrap();
    let mut spec = json!({
        "namespaceSelector": {},
        "resourceGroups": real["spec"]["resourceGroups"],
    });
    let checks = json!([{"name": "testbed-worker"}]);
    spec["admissionChecksStrategy"] = json!({"admissionChecks": checks});
    node.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": node.name}, "spec": spec,
    }));
    node.local_queue("far", &node.name, json!({}));
    node.wait_for_condition("ClusterQueue", &node.name, "Active");
    Some(there)
}

fn write(node: &Node, name: &str) {
    node.sandbox.write(&format!("{name}/entrypoint"), DIGESTS);
    let noise: Vec<u8> = (0..120_000u64)
        .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8)
        .collect();
    node.sandbox.write(&format!("{name}/it's $HOME.bin"), noise);
    for number in 0..50 {
        let path = format!("{name}/many files/ünï {}/{number}.txt", number % 7);
        node.sandbox.write(&path, path.as_bytes());
    }
    node.sandbox.write(&format!("{name}/empty"), "");
    let tool = node
        .sandbox
        .write(&format!("{name}/data/a töol ☃"), "#!/bin/sh\n");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Follows the log in the second cluster as soon as there is one, and returns it.
#[track_caller]
fn log_there(there: &Testbed, name: &str) -> String {
    there.wait(&format!("the log of {name} there"), || {
        let log = there.sandbox.kaiwo(&["logs", name, "-n", &there.name]);
        log.stdout.contains("all of them\n").then_some(log.stdout)
    })
}

#[track_caller]
fn arrives(node: &Node, there: &Testbed, name: &str, word: &str, more: &[&str]) {
    write(node, name);
    let submit = [
        "submit", "-n", &node.name, "-q", "far", "-p", name, "--name", name,
    ];
    let _ = node.sandbox.kaiwo(&[&submit[..], more].concat()).exits(0);
    let log = log_there(there, &format!("{word}/{name}"));
    assert!(log.contains("modes are kept\n"), "{log}");
    let mut digests: Vec<String> = log
        .lines()
        .filter(|line| line.contains("  ./"))
        .map(str::to_owned)
        .collect();
    digests.sort();
    assert_eq!(digests, super::files::digests_of(node, name), "{name}");
    let _ = node
        .kaiwo("wait", &[&format!("{word}/{name}"), "--timeout", "10m"])
        .exits(0);
    let gone = node.kaiwo("logs", &[&format!("{word}/{name}")]).exits(3);
    let _ = gone.says("were deleted there when it ended");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn files_of_a_job_arrive_on_the_node_of_another_cluster() {
    let node = Node::new("away");
    let Some(there) = away(&node) else { return };
    for (name, image) in [("python", PYTHON), ("user", USER), ("busybox", BUSYBOX)] {
        arrives(&node, &there, name, "job", &["-i", image]);
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn files_of_a_rayjob_arrive_on_the_node_of_another_cluster() {
    if takes_long("a RayJob in a second cluster") || !images().iter().any(|it| it == "ray") {
        return;
    }
    let node = Node::new("away-ray");
    let Some(there) = away(&node) else { return };
    arrives(
        &node,
        &there,
        "ray",
        "rayjob",
        &["-i", RAY, "--ray", "-g", "1"],
    );
    // A command, without a directory, travels as well.
    let submit = [
        "submit",
        "-n",
        &node.name,
        "-q",
        "far",
        "--ray",
        "-g",
        "1",
        "-i",
        RAY,
        "--name",
        "words",
        "--",
        "sh",
        "-c",
        "echo all of them; sleep 5",
    ];
    let _ = node.sandbox.kaiwo(&submit).exits(0);
    let log = log_there(&there, "rayjob/words");
    assert!(log.contains("all of them"), "{log}");
    let status: Value = node.find("RayJob", "words").unwrap();
    assert_eq!(status["spec"]["managedBy"], "kueue.x-k8s.io/multikueue");
}

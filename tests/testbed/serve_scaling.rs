//! Deployments that a HorizontalPodAutoscaler scales. The testbed measures
//! nothing: an annotation says what the pods of a Deployment use together.

use serde_json::{Value, json};

use super::cluster::{OWN_TAINT, Testbed, condition};
use super::serve::{gone, testbed};
use super::serve_companions::{pods, replicas};
use crate::common::Outcome;

/// Serves `chat`, of one CPU, without GPUs.
fn serve(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let common = ["-p", "chat", "-i", "registry/chat:1"];
    super::serve::serve(testbed, &[&common[..], arguments].concat())
}

/// Says what the pods use together.
fn load(testbed: &Testbed, metric: &str, amount: &str) {
    testbed.merge(
        "Deployment",
        "alice-chat",
        &json!({"metadata": {"annotations": {format!("testbed.kaiwo/{metric}"): amount}}}),
    );
}

/// Waits until the autoscaler says this of a condition.
#[track_caller]
fn says(testbed: &Testbed, kind: &str, reason: &str) -> Value {
    testbed.wait(&format!("{kind} to be {reason}"), || {
        let autoscaler = testbed.find("HorizontalPodAutoscaler", "alice-chat")?;
        (condition(&autoscaler, kind)?["reason"] == reason).then_some(autoscaler)
    })
}

/// Asks kaiwo.
fn ask(testbed: &Testbed, words: &[&str]) -> Outcome {
    let place = ["alice-chat", "-n", &testbed.name];
    testbed.sandbox.kaiwo(&[words, &place].concat())
}

fn status(testbed: &Testbed) -> Value {
    let told = ask(testbed, &["status", "-o", "json"]).exits(0);
    serde_json::from_str(&told.stdout).unwrap()
}

/// Without metrics, the autoscaler still keeps to its bounds.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_bounds_of_scaling_hold() {
    let testbed = testbed("bounds");
    let serve = |bounds: &str| {
        let bounds = format!("--autoscale={bounds}");
        serve(&testbed, &["--target-cpu=70", &bounds])
    };
    let _ = serve("2-3").exits(0);
    pods(&testbed, 2);
    let scale = |replicas: i64| {
        testbed.merge(
            "Deployment",
            "alice-chat",
            &json!({"spec": {"replicas": replicas}}),
        );
    };
    scale(5);
    pods(&testbed, 3);
    scale(1);
    pods(&testbed, 2);

    // An update leaves the number alone, until the bounds say other.
    let _ = serve("1-3").exits(0);
    assert_eq!(replicas(&testbed), 2);
    let _ = serve("4-6").exits(0);
    pods(&testbed, 4);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn busy_cpus_bring_more_pods_as_far_as_the_bound() {
    let testbed = testbed("scale-cpu");
    let bounds = ["--autoscale=1-3", "--target-cpu=70"];
    let _ = serve(&testbed, &bounds).exits(0);
    pods(&testbed, 1);
    load(&testbed, "cpu", "1200m");
    pods(&testbed, 2);
    load(&testbed, "cpu", "9000m");
    pods(&testbed, 3);
    says(&testbed, "ScalingLimited", "TooManyReplicas");
    assert_eq!(replicas(&testbed), 3);

    // The number is the autoscaler's, whatever else changes.
    let _ = serve(&testbed, &bounds)
        .exits(0)
        .says("deployment/alice-chat unchanged\n");
    let _ = serve(&testbed, &[&bounds[..], &["--env", "A=b"]].concat())
        .exits(0)
        .says("deployment/alice-chat updated");
    assert_eq!(replicas(&testbed), 3);
    let _ = serve(&testbed, &["--autoscale=1-4", "--target-cpu=70"]).exits(0);
    pods(&testbed, 4);

    load(&testbed, "cpu", "100m");
    pods(&testbed, 1);

    // Without an autoscaler it has what is asked for.
    load(&testbed, "cpu", "9000m");
    pods(&testbed, 4);
    let _ = serve(&testbed, &["--replicas=2"]).exits(0);
    assert_eq!(testbed.find("HorizontalPodAutoscaler", "alice-chat"), None);
    pods(&testbed, 2);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_metric_of_the_pods_brings_more_of_them() {
    let testbed = testbed("scale-metric");
    let _ = serve(
        &testbed,
        &["--autoscale=1-4", "--target-metric=queue_length=10"],
    )
    .exits(0);
    pods(&testbed, 1);
    load(&testbed, "queue_length", "25");
    pods(&testbed, 3);
    testbed.wait("status to tell what is measured", || {
        let scaling = &status(&testbed)["scaling"];
        let measured = scaling["metrics"][0]["current"] == "8.333";
        (measured && scaling["current"] == 3).then_some(())
    });
    load(&testbed, "queue_length", "1000");
    pods(&testbed, 4);
    says(&testbed, "ScalingLimited", "TooManyReplicas");
    assert_eq!(replicas(&testbed), 4);
    assert_eq!(status(&testbed)["scaling"]["beyondMax"], true);
    load(&testbed, "queue_length", "0");
    pods(&testbed, 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

/// Nothing says what these pods use, and kaiwo says so to who may know.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_service_that_nobody_measures_says_why_it_is_not_scaled() {
    let testbed = testbed("scale-blind");
    let _ = serve(
        &testbed,
        &["--autoscale=1-2", "--target-metric=queue_length=10"],
    )
    .exits(0);
    pods(&testbed, 1);
    says(&testbed, "ScalingActive", "FailedGetPodsMetric");
    // For the same reason, its words may be others at first.
    let problem = "custom.metrics.k8s.io has no queue_length for its pods";
    let told = testbed.wait("the metric to be missing", || {
        let told = status(&testbed);
        (told["scaling"]["problem"] == problem).then_some(told)
    });
    assert_eq!(told["scaling"]["metrics"][0]["target"], "10");
    let why = ask(&testbed, &["why", "-o", "json"]).exits(0);
    let why: Value = serde_json::from_str(&why.stdout).unwrap();
    assert_eq!(why["status"], "Ready");
    assert_eq!(why["findings"][0]["cause"], "notScaled");

    super::rights::bind(&testbed, &["kueue-batch-user-role"]);
    testbed.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "deployments", "namespace": testbed.name},
        "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}],
    }));
    testbed.grant(&testbed.name, "Role", "deployments");
    for words in ["status", "why"] {
        let told = ask(&testbed, &[words, "--as", &testbed.name]).exits(0);
        assert_eq!(told.stderr, "");
        assert!(!told.stdout.contains("scaled"), "{}", told.stdout);
    }

    load(&testbed, "queue_length", "5");
    says(&testbed, "ScalingActive", "ValidMetricFound");
    let why = ask(&testbed, &["why"]).exits(0);
    assert!(!why.stdout.contains("scaled"), "{}", why.stdout);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

/// The autoscaler knows nothing of GPUs: it asks for pods that no node has room
/// for, and takes them away again.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn pods_that_find_no_gpu_wait_and_say_so() {
    let testbed = testbed("scale-gpus");
    let node = format!("{}-node", testbed.name);
    testbed.fake_node(
        &node,
        &json!({"scaling-test": testbed.name}),
        &json!({"amd.com/gpu": "2", "cpu": "64", "memory": "512Gi", "pods": "20"}),
        &json!([testbed.own_taint()]),
    );
    let selector = format!("--node-selector=scaling-test={}", testbed.name);
    let toleration = format!("--toleration={OWN_TAINT}={}", testbed.name);
    let _ = serve(
        &testbed,
        &[
            "--gpus-per-replica=1",
            "--gpu-resource=amd.com/gpu",
            &selector,
            &toleration,
            "--autoscale=1-4",
            "--target-metric=queue_length=10",
        ],
    )
    .exits(0);
    pods(&testbed, 1);
    load(&testbed, "queue_length", "500");
    testbed.wait("two of four pods to run", || {
        let about = status(&testbed);
        let pods = about["pods"].as_array()?;
        let running = pods.iter().filter(|pod| pod["ready"] == true).count();
        let told = about["status"] == "Degraded" && about["scaling"]["beyondMax"] == true;
        (told && pods.len() == 4 && running == 2).then_some(())
    });
    testbed.wait("why to name what is missing", || {
        let why = ask(&testbed, &["why"]).exits(0);
        let told = |words: &&str| why.stdout.contains(*words);
        ["Degraded", "amd.com/gpu"].iter().all(told).then_some(())
    });
    load(&testbed, "queue_length", "0");
    pods(&testbed, 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    testbed.delete("Node", &node);
}

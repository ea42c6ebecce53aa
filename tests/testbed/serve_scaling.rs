//! Deployments that a HorizontalPodAutoscaler scales. The testbed measures
//! nothing: an annotation says what the pods of a Deployment use together.

use serde_json::{Value, json};

use super::cluster::{Testbed, condition};
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
    load(&testbed, "queue_length", "1000");
    pods(&testbed, 4);
    says(&testbed, "ScalingLimited", "TooManyReplicas");
    assert_eq!(replicas(&testbed), 4);
    load(&testbed, "queue_length", "0");
    pods(&testbed, 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

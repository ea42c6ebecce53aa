//! What depends on how Kueue is set: `cargo xtask testbed up` with
//! `--kueue waitForPodsReady.recoveryTimeout=1m` and
//! `--kueue featureGates.ElasticJobsViaWorkloadSlices=false`.

use serde_json::{Value, json};

use super::arrays::{live, run_to_the_end};
use super::cluster::{Flavor, Testbed, condition, has_condition};
use crate::common::skip;

/// Returns whether a field of Kueue's configuration has a value, and says what that leaves
/// untested.
fn is_set(testbed: &Testbed, field: &str, value: &Value) -> bool {
    let map = testbed.get("/api/v1/namespaces/kueue-system/configmaps/kueue-manager-config");
    let text = map["data"]["controller_manager_config.yaml"]
        .as_str()
        .unwrap();
    let configuration: Value = serde_json::from_str(text).unwrap();
    let is_set = configuration.pointer(field) == Some(value);
    if !is_set {
        skip(&format!("Kueue has not {field} {value}"));
    }
    is_set
}

fn workload_of(testbed: &Testbed, job: &str) -> Value {
    let mut all = testbed.list("Workload").into_iter();
    let is_its = |it: &Value| it["metadata"]["ownerReferences"][0]["name"] == job;
    all.find(is_its).unwrap()
}

fn submit(testbed: &Testbed, name: &str, more: &[&str]) -> crate::common::Outcome {
    let fixed = [
        "-i",
        "testbed/forever",
        "--create-namespace",
        "--name",
        name,
    ];
    testbed.submit(&[&fixed, more, &["--", "train"]].concat())
}

/// Ends tasks with code 1.
fn fail(testbed: &Testbed, array: &str, most: usize) {
    for (_, pod) in live(testbed, array).into_iter().take(most) {
        testbed.finish_pod(&pod, 1);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test --all"]
fn an_array_that_fails_early_outlives_the_recovery_timeout_that_evicts_another() {
    let testbed = Testbed::with_queue("set-ready", Flavor::Amd, 7);
    if !is_set(&testbed, "/waitForPodsReady/recoveryTimeout", &json!("1m")) {
        return;
    }
    let _ = submit(
        &testbed,
        "sweep",
        &["-g", "1", "--sweep", "seed=1..300", "--slots", "20"],
    )
    .exits(0)
    .says("starts now with 7 of 20 slots");
    testbed.wait("seven tasks to run", || {
        (live(&testbed, "sweep").len() == 7).then_some(())
    });
    fail(&testbed, "sweep", 5);
    testbed.wait("five to have failed", || {
        let job = testbed.find("Job", "sweep")?;
        (job["status"]["failedIndexes"] == "0-4").then_some(())
    });
    // Beside it, an array whose healthy tasks are evicted: then the timeout has passed.
    let _ = submit(&testbed, "exposed", &["--array", "0-3"])
        .exits(0)
        .says("Kueue evicts the healthy ones after 1 min");
    testbed.wait("four tasks to run", || {
        let is_ready = has_condition(&workload_of(&testbed, "exposed"), "PodsReady");
        (is_ready && live(&testbed, "exposed").len() == 4).then_some(())
    });
    fail(&testbed, "exposed", 1);
    testbed.wait("the exposed array to be evicted", || {
        let workload = workload_of(&testbed, "exposed");
        let evicted = condition(&workload, "Evicted")?;
        (evicted["reason"] == "PodsReadyTimeout").then_some(())
    });
    let why = testbed
        .sandbox
        .kaiwo(&["why", "-n", &testbed.name, "exposed"])
        .exits(0);
    assert!(why.stdout.contains("recoveryTimeout"), "{}", why.stdout);

    let most = run_to_the_end(&testbed, "sweep", |_| false);
    assert_eq!(most, 7);
    let job = testbed.find("Job", "sweep").unwrap();
    assert_eq!(job["status"]["failedIndexes"], "0-4");
    assert_eq!(job["status"]["completedIndexes"], "5-299");
    let workload = workload_of(&testbed, "sweep");
    assert!(condition(&workload, "Evicted").is_none(), "{workload}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test --all"]
fn growth_that_kueue_would_ignore_is_refused_before_anything_is_created() {
    let testbed = Testbed::with_queue("set-grow", Flavor::Amd, 8);
    if !is_set(
        &testbed,
        "/featureGates/ElasticJobsViaWorkloadSlices",
        &json!(false),
    ) {
        return;
    }
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    let grows = ["--array", "0-9%2", "--grow", "-g", "1"];
    let _ = submit(&testbed, "grows", &grows)
        .exits(3)
        .says("--grow has no effect here")
        .says("help: remove --grow");
    assert!(testbed.list("Job").is_empty());

    // One that asks for it anyway keeps its slots once it runs.
    let _ = submit(&testbed, "runs", &["--array", "0-9%2", "--at-least", "all"]).exits(0);
    let annotation = json!({"metadata": {"annotations": {"kueue.x-k8s.io/elastic-job": "true"}}});
    testbed.merge("Job", "runs", &annotation);
    testbed.wait("two tasks to run", || {
        (live(&testbed, "runs").len() == 2).then_some(())
    });
    let resize = ["resize", "-n", &testbed.name, "runs", "--slots", "4"];
    let _ = testbed
        .sandbox
        .kaiwo(&resize)
        .exits(3)
        .says("Kueue did not accept its --grow");
    assert_eq!(
        testbed.find("Job", "runs").unwrap()["spec"]["parallelism"],
        2
    );
}

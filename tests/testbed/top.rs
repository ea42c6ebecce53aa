//! `kaiwo top` and GPU use in `kaiwo status`, with a Prometheus behind a
//! Service.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_idles_says_so() {
    if super::lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_queue("top", Flavor::AmdSmall, 8);
    testbed.namespace();
    let _ = testbed
        .sandbox
        .kaiwo(&[
            "serve",
            "-n",
            &testbed.name,
            "-i",
            "testbed/forever",
            "--name",
            "prom",
            "--port",
            "9090",
        ])
        .exits(0);
    for name in ["idle", "busy"] {
        let _ = testbed
            .submit(&[
                "-i",
                "testbed/forever",
                "-g",
                "1",
                "--gpus-per-node",
                "4",
                "--name",
                name,
            ])
            .exits(0);
    }
    let place = format!("{}/prom:9090", testbed.name);
    let top = ["top", "-n", &testbed.name, "--prometheus", &place];
    let report = testbed.wait("both pods to be measured", || {
        let outcome = testbed.sandbox.kaiwo(&[&top[..], &["-o", "json"]].concat());
        let report: Value = serde_json::from_str(&outcome.stdout).ok()?;
        let pods = report["pods"].as_array()?;
        let measured = pods.len() == 2 && pods.iter().all(|pod| pod["usage"].is_object());
        measured.then(|| report.clone())
    });
    let pod = |workload: &str| {
        let pods = report["pods"].as_array().unwrap();
        pods.iter().find(|pod| pod["workload"] == workload).unwrap()
    };
    assert_eq!(pod("idle")["usage"]["utilization10m"], 1.0);
    assert_eq!(pod("idle")["usage"]["idle"], true);
    assert_eq!(pod("busy")["usage"]["utilization"], 87.0);
    assert_eq!(pod("busy")["usage"]["idle"], false);
    let status = |name: &str| {
        let ask = ["status", name, "-n", &testbed.name, "--prometheus", &place];
        let patient = ["--request-timeout", "600"];
        testbed
            .sandbox
            .kaiwo(&[&ask[..], &patient].concat())
            .exits(0)
            .stdout
    };
    let idle = status("idle");
    assert!(idle.contains("its GPUs are idle: at most 1 %"), "{idle}");
    assert!(idle.contains("144.0 GiB of 192.0 GiB"), "{idle}");
    assert!(!status("busy").contains("idle"));

    // It is found by its labels as well, by those who may look.
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "prometheus-operated", "namespace": testbed.name,
            "labels": {"operated-prometheus": "true"},
        },
        "spec": {
            "selector": {"app.kubernetes.io/instance": "prom"},
            "ports": [{"name": "http-web", "port": 9090}],
        },
    }));
    testbed.wait("Prometheus to be found and asked", || {
        let outcome = testbed.sandbox.kaiwo(&["top", "idle", "-n", &testbed.name]);
        outcome.stdout.contains("idle").then_some(())
    });
    // Who may not use it sees the status all the same.
    super::rights::bind(&testbed, &["kueue-batch-user-role", "view"]);
    let ask = ["status", "idle", "-n", &testbed.name, "--as", &testbed.name];
    let told = testbed.wait("the Job to be known to run", || {
        let told = testbed.sandbox.kaiwo(&ask);
        let runs = told.code == 0 && told.stdout.contains("Status      Running");
        runs.then_some(told)
    });
    assert!(!told.stderr.contains("Prometheus"), "{}", told.stderr);
}

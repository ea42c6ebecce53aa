//! `kaiwo history` and `kaiwo usage` of what a real Kueue recorded.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, condition, has_condition};

/// Returns Kueue's Workload of a Job.
fn workload_of(testbed: &Testbed, job: &str) -> Option<Value> {
    let uid = testbed.find("Job", job)?["metadata"]["uid"].clone();
    let mut all = testbed.list("Workload").into_iter();
    all.find(|workload| workload["metadata"]["labels"]["kueue.x-k8s.io/job-uid"] == uid)
}

fn until(testbed: &Testbed, job: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    testbed.wait(&format!("{job} to be {what}"), || {
        workload_of(testbed, job).filter(|workload| is(workload))
    })
}

fn second(workload: &Value, kind: &str) -> i64 {
    let time = &condition(workload, kind).unwrap()["lastTransitionTime"];
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_second()
}

fn report(testbed: &Testbed, arguments: &[&str]) -> Value {
    let place = ["-n", testbed.name.as_str(), "-o", "json"];
    let outcome = testbed
        .sandbox
        .kaiwo(&[arguments, &place].concat())
        .exits(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn job(name: &str, image: &str, parallelism: i64, least: Option<&str>) -> Value {
    let resources = json!({"cpu": "1", "memory": "1Gi", "amd.com/gpu": "2"});
    let mut annotations = json!({});
    if let Some(least) = least {
        annotations["kueue.x-k8s.io/job-min-parallelism"] = least.into();
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "annotations": annotations,
            "labels": {"kueue.x-k8s.io/queue-name": "team"},
        },
        "spec": {
            "suspend": true, "parallelism": parallelism, "completions": parallelism, "completionMode": "Indexed",
            "template": {
                "metadata": {"labels": {"kaiwo-cli/username": "alice"}},
                "spec": {"restartPolicy": "Never", "containers": [{
                    "name": "a", "image": image, "resources": {"requests": resources, "limits": resources},
                }]},
            },
        },
    })
}

/// One that is paused twice, and one that is admitted with part of its pods.
#[test]
#[ignore = "needs the testbed"]
fn gpu_hours_are_what_kueue_has_recorded() {
    let testbed = Testbed::with_queue("past", Flavor::Amd, 4);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({}));
    let create = |mut object: Value| {
        object["metadata"]["namespace"] = json!(testbed.name);
        testbed.create(object);
    };
    create(job("paused", "testbed/forever", 1, None));
    let mut name = String::new();
    for _ in 0..2 {
        let workload = until(&testbed, "paused", "ready", |it| {
            has_condition(it, "PodsReady")
        });
        name = workload["metadata"]["name"].as_str().unwrap().to_owned();
        // Seconds may be as many as before, if it was stopped at once.
        let stops = |it: &Value| it["status"]["schedulingStats"]["evictions"][0]["count"].as_i64();
        let before = stops(&workload);
        testbed.merge("Workload", &name, &json!({"spec": {"active": false}}));
        until(&testbed, "paused", "paused", |it| {
            !has_condition(it, "Admitted") && stops(it) != before
        });
        testbed.merge("Workload", &name, &json!({"spec": {"active": true}}));
    }
    until(&testbed, "paused", "running again", |it| {
        has_condition(it, "PodsReady")
    });
    let pods = testbed.list("Pod");
    let own = pods
        .iter()
        .find(|pod| pod["status"]["phase"] == "Running")
        .unwrap();
    testbed.finish_pod(own["metadata"]["name"].as_str().unwrap(), 0);
    let ended = until(&testbed, "paused", "finished", |it| {
        has_condition(it, "Finished")
    });
    let past = ended["status"]["accumulatedPastExecutionTimeSeconds"]
        .as_i64()
        .unwrap();
    let last = second(&ended, "Finished") - second(&ended, "Admitted");
    // 8 pods of 2 GPUs want 16, and 4 are there: 2 pods.
    create(job("partial", "testbed/work", 8, Some("1")));
    let partial = until(&testbed, "partial", "finished", |it| {
        has_condition(it, "Finished")
    });
    let short = second(&partial, "Finished") - second(&partial, "Admitted");
    let history = report(&testbed, &["history"]);
    let items = history["items"].as_array().unwrap();
    let item = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    let hours = |gpu_seconds: i64| gpu_seconds as f64 / 3600.0;
    let near = |value: &Value, expected: f64| {
        assert!(
            (value.as_f64().unwrap() - expected).abs() < 0.001,
            "{value} {expected}"
        );
    };
    let paused = item("paused");
    assert_eq!(paused["ranSeconds"], past + last, "{paused}");
    assert_eq!(
        (&paused["attempts"], &paused["gpus"]),
        (&json!(3), &json!(2)),
        "{paused}"
    );
    assert_eq!(
        (&paused["bound"], &paused["exitCode"]),
        (&json!("exact"), &json!(0))
    );
    near(&paused["gpuHours"], hours(2 * (past + last)));
    let partial = item("partial");
    assert_eq!(partial["gpus"], 4, "{partial}");
    near(&partial["gpuHours"], hours(4 * short));
    let usage = report(&testbed, &["usage"]);
    near(
        &usage["items"][0]["gpuHours"],
        hours(2 * (past + last) + 4 * short),
    );
    assert_eq!(usage["items"][0]["name"], "alice");
    // As Kueue's retention does; its Job knows the last attempt.
    testbed.merge(
        "Workload",
        &name,
        &json!({"metadata": {"finalizers": null}}),
    );
    testbed.delete("Workload", &name);
    testbed.wait("the Workload to be gone", || {
        testbed.find("Workload", &name).is_none().then_some(())
    });
    let history = report(&testbed, &["history"]);
    let items = history["items"].as_array().unwrap();
    let paused = items.iter().find(|item| item["name"] == "paused").unwrap();
    assert_eq!(
        (&paused["bound"], &paused["source"]),
        (&json!("atLeast"), &json!("jobs"))
    );
    assert!(
        paused["ranSeconds"].as_i64().unwrap() <= last + 2,
        "{paused}"
    );
    // Deleting the Jobs deletes what is known of them.
    let delete = [
        "delete",
        "job/paused",
        "job/partial",
        "-n",
        &testbed.name,
        "-y",
        "--force",
    ];
    let _ = testbed.sandbox.kaiwo(&delete).exits(0);
    assert_eq!(report(&testbed, &["history"])["items"], json!([]));
}

//! What Kueue queues and kaiwo does not know by itself.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::skip;

/// Returns the items of `kaiwo list --any -o json`, by `kind/name`.
fn item(testbed: &Testbed, kind: &str, name: &str) -> Option<Value> {
    let list = ["list", "--any", "-n", &testbed.name, "-o", "json"];
    let outcome = testbed.sandbox.kaiwo(&list).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let mut items = report["items"].as_array().unwrap().iter();
    let found = items.find(|item| item["kind"] == kind && item["name"] == name);
    found.cloned()
}

fn is(testbed: &Testbed, kind: &str, name: &str, status: &str) -> Value {
    testbed.wait(&format!("{kind} {name} to be {status}"), || {
        item(testbed, kind, name).filter(|item| item["status"] == status)
    })
}

fn pod(name: &str, group: &str, queue: &str, count: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/pod-group-name": group},
            "annotations": {"kueue.x-k8s.io/pod-group-total-count": count.to_string()},
        },
        "spec": {"restartPolicy": "Never", "containers": [container("4")]},
    })
}

fn container(gpus: &str) -> Value {
    let resources = json!({"cpu": "1", "memory": "1Gi", "amd.com/gpu": gpus});
    json!({"name": "a", "image": "testbed/forever", "resources": {"requests": resources, "limits": resources}})
}

/// A Ray cluster has the quota, and a group of pods waits for it.
#[test]
#[ignore = "needs the testbed"]
fn ray_clusters_and_groups_of_pods_are_listed_explained_and_deleted() {
    let testbed = Testbed::with_queue("any", Flavor::Amd, 8);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({}));
    let name = &testbed.name;
    let group = |gpus: &str| json!({"template": {"spec": {"containers": [container(gpus)]}}});
    let mut workers = group("8");
    workers["groupName"] = "w".into();
    workers["replicas"] = 1.into();
    workers["minReplicas"] = 1.into();
    workers["maxReplicas"] = 1.into();
    workers["rayStartParams"] = json!({});
    let mut head = json!({"template": {"spec": {"containers": [{
        "name": "ray-head", "image": "testbed/forever",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }]}}});
    head["rayStartParams"] = json!({});
    testbed.create(json!({
        "apiVersion": "ray.io/v1", "kind": "RayCluster",
        "metadata": {"name": "rc", "namespace": name, "labels": {"kueue.x-k8s.io/queue-name": "team"}},
        "spec": {"suspend": true, "rayVersion": "2.46.0", "headGroupSpec": head, "workerGroupSpecs": [workers]},
    }));
    let cluster = is(&testbed, "RayCluster", "rc", "Running");
    assert_eq!(cluster["gpus"], 8, "{cluster}");
    assert_eq!(cluster["queue"], "team");
    assert_eq!(cluster["clusterQueue"], *name);
    for pod_name in ["g-0", "g-1"] {
        let mut pod = pod(pod_name, "g", "team", 2);
        pod["metadata"]["namespace"] = json!(name);
        testbed.create(pod);
    }
    let waiting = is(&testbed, "PodGroup", "g", "Pending");
    assert_eq!(waiting["gpus"], 8, "{waiting}");
    testbed.wait("a reason", || {
        let item = item(&testbed, "PodGroup", "g")?;
        let reason = item["reason"].as_str()?;
        reason.contains("amd.com/gpu").then_some(())
    });
    let why = testbed
        .sandbox
        .kaiwo(&["why", "podgroup/g", "-n", name])
        .exits(0);
    for words in ["podgroup/g", "amd.com/gpu", "rc"] {
        assert!(why.stdout.contains(words), "{words}: {}", why.stdout);
    }
    let why = testbed
        .sandbox
        .kaiwo(&["why", "raycluster/rc", "-n", name])
        .exits(0);
    assert!(why.stdout.contains("raycluster/rc"), "{}", why.stdout);
    let status = testbed
        .sandbox
        .kaiwo(&["status", "rc", "-n", name])
        .exits(0);
    for words in ["Kind        RayCluster", "1 × 8", "Pods"] {
        assert!(status.stdout.contains(words), "{words}: {}", status.stdout);
    }
    // What kaiwo did not create is deleted only if that is forced.
    let delete = ["delete", "raycluster/rc", "-n", name, "-y"];
    let _ = testbed.sandbox.kaiwo(&delete).exits(3);
    let forced = [&delete[..], &["--force"]].concat();
    let outcome = testbed.sandbox.kaiwo(&forced).exits(0);
    assert!(
        outcome.stderr.contains("raycluster/rc deleted"),
        "{outcome:?}"
    );
    assert_eq!(testbed.find("RayCluster", "rc"), None);
    is(&testbed, "PodGroup", "g", "Running");
    let workload = testbed.find("Workload", "g").unwrap();
    assert!(has_condition(&workload, "Admitted"));
    let status = testbed
        .sandbox
        .kaiwo(&["status", "g", "-n", name, "-o", "json"])
        .exits(0);
    let report: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(report["pods"].as_array().unwrap().len(), 2, "{report}");
    let delete = ["delete", "podgroup/g", "-n", name, "-y", "--force"];
    let _ = testbed.sandbox.kaiwo(&delete).exits(0);
    for pod_name in ["g-0", "g-1"] {
        assert_eq!(testbed.find("Pod", pod_name), None);
    }
}

/// Returns whether the testbed runs a controller (`up --with`), and tells if not.
fn runs(controller: &str) -> bool {
    let with = std::env::var("KAIWO_TESTBED_WITH").unwrap_or_default();
    let runs = with.split(' ').any(|name| name == controller);
    if !runs {
        skip(&format!(
            "this testbed has no {controller}: up --with {controller}"
        ));
    }
    runs
}

/// Has a queue of 8 GPUs with something that holds `held` of them.
fn occupied(test: &str, held: &str) -> Testbed {
    let testbed = Testbed::with_queue(test, Flavor::Amd, 8);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({}));
    let mut holder = pod("holder", "holders", "team", 1);
    holder["metadata"]["namespace"] = json!(testbed.name);
    holder["spec"]["containers"] = json!([container(held)]);
    testbed.create(holder);
    is(&testbed, "PodGroup", "holders", "Running");
    testbed
}

fn template(gpus: &str) -> Value {
    json!({"spec": {"restartPolicy": "Never", "containers": [container(gpus)]}})
}

/// Checks that something waits for GPUs and says so, runs when there is room, and goes
/// when it is deleted.
fn waits_runs_and_goes(testbed: &Testbed, kind: &str, name: &str, gpus: i64) {
    let waiting = testbed.wait(&format!("{kind} {name} to wait for a reason"), || {
        let item = item(testbed, kind, name)?;
        let reason = item["reason"].as_str()?;
        (item["status"] == "Pending" && reason.contains("amd.com/gpu")).then_some(item)
    });
    assert_eq!(waiting["gpus"], gpus, "{waiting}");
    let reference = format!("{}/{name}", kind.to_lowercase());
    let why = ["why", &reference, "-n", &testbed.name];
    let why = testbed.sandbox.kaiwo(&why).exits(0);
    for words in [reference.as_str(), "amd.com/gpu"] {
        assert!(why.stdout.contains(words), "{words}: {}", why.stdout);
    }
    // With their Workload: otherwise Kueue waits for a pod in the place of the deleted one.
    let free = [
        "delete",
        "podgroup/holders",
        "-n",
        &testbed.name,
        "-y",
        "--force",
    ];
    let _ = testbed.sandbox.kaiwo(&free).exits(0);
    is(testbed, kind, name, "Running");
    // Of a LeaderWorkerSet, only all groups together can be deleted.
    let whole = match kind {
        "LeaderWorkerSet" => reference.trim_end_matches("-0"),
        _ => &reference,
    };
    let delete = ["delete", whole, "-n", &testbed.name, "-y", "--force"];
    let outcome = testbed.sandbox.kaiwo(&delete).exits(0);
    assert!(outcome.stderr.contains("deleted"), "{outcome:?}");
    assert_eq!(item(testbed, kind, name), None);
}

#[test]
#[ignore = "needs the testbed"]
fn job_sets_are_listed_explained_and_deleted() {
    if !runs("jobset") {
        return;
    }
    let testbed = occupied("jobset", "4");
    let part = |name: &str, replicas: i64, pods: i64, gpus: &str| {
        json!({"name": name, "replicas": replicas, "template": {"spec": {
            "parallelism": pods, "completions": pods, "template": template(gpus),
        }}})
    };
    testbed.create(json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
        "metadata": {"name": "set1", "namespace": testbed.name, "labels": {"kueue.x-k8s.io/queue-name": "team"}},
        "spec": {"replicatedJobs": [part("driver", 1, 1, "0"), part("workers", 2, 2, "2")]},
    }));
    waits_runs_and_goes(&testbed, "JobSet", "set1", 8);
}

#[test]
#[ignore = "needs the testbed"]
fn leader_worker_sets_are_listed_explained_and_deleted() {
    if !runs("lws") {
        return;
    }
    let testbed = occupied("lws", "4");
    let mut template = template("4");
    template["spec"]
        .as_object_mut()
        .unwrap()
        .remove("restartPolicy");
    testbed.create(json!({
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
        "metadata": {"name": "lw1", "namespace": testbed.name, "labels": {"kueue.x-k8s.io/queue-name": "team"}},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }));
    waits_runs_and_goes(&testbed, "LeaderWorkerSet", "lw1-0", 8);
}

#[test]
#[ignore = "needs the testbed"]
fn train_jobs_are_listed_explained_and_deleted() {
    if !runs("trainer") {
        return;
    }
    let testbed = occupied("trainjob", "4");
    let mut template = template("4");
    template["spec"]["containers"][0]["name"] = "node".into();
    testbed.create(json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainingRuntime",
        "metadata": {"name": "plain", "namespace": testbed.name},
        "spec": {
            "mlPolicy": {"numNodes": 1},
            "template": {"spec": {"replicatedJobs": [{
                "name": "node",
                "template": {
                    "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                    "spec": {"template": template},
                },
            }]}},
        },
    }));
    testbed.create(json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
        "metadata": {"name": "tj1", "namespace": testbed.name, "labels": {"kueue.x-k8s.io/queue-name": "team"}},
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": "plain"},
            "trainer": {"numNodes": 2},
        },
    }));
    waits_runs_and_goes(&testbed, "TrainJob", "tj1", 8);
}

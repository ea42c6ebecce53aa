//! A RayService from one version to the next, and back, as KubeRay carries it
//! out: another cluster takes over when its applications are up.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::objects::uploads;
use super::rights::{bind, bind_everywhere, roles};
use super::serve::{active_cluster, gone, running, serve, serve_config, testbed};
use crate::common::Outcome;

/// A namespace for a user who has the rights of a researcher and no others.
fn researcher(test: &str) -> Testbed {
    let testbed = testbed(test);
    roles(&testbed);
    bind(&testbed, &["kaiwo-submit"]);
    bind_everywhere(&testbed, "kaiwo-queues");
    testbed.wait("the rights to count", || {
        let words = ["--dry-run=server", "-o", "name"];
        (llm(&testbed, &words).code == 0).then_some(())
    });
    testbed
}

fn run(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let place = ["-n", &testbed.name, "--as", &testbed.name];
    testbed.sandbox.kaiwo(&[arguments, &place].concat())
}

/// Serves `llm` by Ray, as the test's user.
fn llm(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let words = [
        "--ray",
        "-g",
        "1",
        "--gpus-per-node",
        "8",
        "--gpu-resource",
        "amd.com/gpu",
    ];
    let who = ["--as", &testbed.name];
    serve(
        testbed,
        &[&["-p", "llm"], &words[..], &who, arguments].concat(),
    )
}

fn rollback(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let words = ["serve", "--rollback", "rayservice/alice-llm"];
    run(testbed, &[&words, arguments].concat())
}

/// Returns the ConfigMaps that keep a version.
fn revisions(testbed: &Testbed) -> Vec<String> {
    let component = |map: &Value| map["metadata"]["labels"]["app.kubernetes.io/component"].clone();
    let maps = testbed.list("ConfigMap").into_iter();
    maps.filter(|map| component(map) == "revision")
        .map(|map| map["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Checks that the cluster that serves has pods, which come to run, with these
/// files, and that the Services lead to it.
#[track_caller]
fn serves_with(testbed: &Testbed, cluster: &str, upload: &str) {
    let pods = testbed.wait(&format!("a head and a worker of {cluster} to run"), || {
        let mut pods = testbed.list("Pod");
        pods.retain(|pod| pod["metadata"]["labels"]["ray.io/cluster"] == cluster);
        let run = pods.iter().all(|pod| pod["status"]["phase"] == "Running");
        (pods.len() == 2 && run).then_some(pods)
    });
    for pod in pods {
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let files = volumes.iter().find(|volume| volume["name"] == "workload");
        let sources = &files.unwrap()["projected"]["sources"];
        assert_eq!(sources[0]["configMap"]["name"], upload);
    }
    assert!(uploads(testbed).contains(&upload.to_owned()));
    for service in ["alice-llm-head-svc", "alice-llm-serve-svc"] {
        let service = testbed.find("Service", service).unwrap();
        assert_eq!(service["spec"]["selector"]["ray.io/cluster"], cluster);
    }
}

/// Returns the only upload that is not among `known`.
#[track_caller]
fn new_upload(testbed: &Testbed, known: &[&str]) -> String {
    let mut all = uploads(testbed);
    all.retain(|name| !known.contains(&name.as_str()));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Returns what was asked for, without what KubeRay adds to its own copy.
fn spec(service: &Value) -> Value {
    let mut spec = service["spec"].clone();
    let groups = spec["rayClusterConfig"]["workerGroupSpecs"].as_array_mut();
    for group in groups.into_iter().flatten() {
        group.as_object_mut().unwrap().remove("scaleStrategy");
    }
    quantities_as_text(&mut spec);
    spec
}

/// KubeRay writes counts as quantities, `"1"`, when it first touches the spec.
fn quantities_as_text(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Number(count) if name.ends_with("/gpu") => {
                        *value = count.to_string().into();
                    }
                    other => quantities_as_text(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quantities_as_text),
        _ => {}
    }
}

/// Returns the version that is not served.
fn other(testbed: &Testbed) -> String {
    let status = run(testbed, &["status", "alice-llm", "-o", "json"]).exits(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let versions = status["versions"].as_array().unwrap();
    let other = versions.iter().find(|version| version["present"] == false);
    other.unwrap()["version"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rayservice_returns_to_the_version_before_with_its_files() {
    if super::lacks("pod-addresses") {
        return;
    }
    let testbed = researcher("raybacks");
    let _ = llm(&testbed, &["--wait"]).exits(0);
    let first = running(&testbed, "alice-llm", "llm");
    let first_upload = new_upload(&testbed, &[]);
    serves_with(&testbed, &active_cluster(&first), &first_upload);
    let _ = rollback(&testbed, &[]).exits(3).says(
        "error: rayservice/alice-llm has no previous version: it has not changed since it was created\n",
    );

    // Another file: a second cluster, then the first goes.
    testbed.sandbox.write("llm/__init__.py", "deployment = 2\n");
    let diff = llm(&testbed, &["--diff"]).exits(0);
    assert!(
        diff.stdout
            .contains("volumes[workload].projected.sources[0].configMap.name: "),
        "{}",
        diff.stdout
    );
    assert_eq!(uploads(&testbed).len(), 1, "a look changes nothing");
    let _ = llm(&testbed, &["--wait"])
        .exits(0)
        .says("rayservice/alice-llm ready: rolling out a new cluster\n")
        .says("rayservice/alice-llm ready\n");
    let second = running(&testbed, "alice-llm", "llm");
    assert_ne!(active_cluster(&second), active_cluster(&first));
    let second_upload = new_upload(&testbed, &[&first_upload]);
    serves_with(&testbed, &active_cluster(&second), &second_upload);

    let diff = rollback(&testbed, &["--diff"]).exits(0);
    let line = format!("configMap.name: {second_upload} → {first_upload}\n");
    assert!(diff.stdout.contains(&line), "{}", diff.stdout);
    assert_eq!(revisions(&testbed).len(), 2);
    let _ = rollback(&testbed, &["--wait"])
        .exits(0)
        .says("rayservice/alice-llm rolled back to version ")
        .says(" --rollback rayservice/alice-llm --to ")
        .says("rayservice/alice-llm ready\n");
    let third = running(&testbed, "alice-llm", "llm");
    assert_eq!(spec(&third), spec(&first));
    assert_eq!(third["metadata"]["uid"], first["metadata"]["uid"]);
    serves_with(&testbed, &active_cluster(&third), &first_upload);
    let status = run(&testbed, &["status", "alice-llm"]).exits(0);
    for line in [
        "Status      Ready\n",
        "Uploads     1 ConfigMap, 15 B\n",
        "llm           RUNNING",
    ] {
        assert!(status.stdout.contains(line), "{}", status.stdout);
    }

    // It is that version: serving it again changes nothing.
    testbed.sandbox.write("llm/__init__.py", "deployment = 1\n");
    let _ = llm(&testbed, &[])
        .exits(0)
        .says("rayservice/alice-llm unchanged\n");

    // Forth, back and forth in one go: KubeRay is overtaken, and ends up right.
    for _ in 0..3 {
        let _ = rollback(&testbed, &["--to", &other(&testbed)]).exits(0);
    }
    let _ = run(&testbed, &["wait", "alice-llm"]).exits(0);
    let last = running(&testbed, "alice-llm", "llm");
    assert_eq!(spec(&last), spec(&second));
    serves_with(&testbed, &active_cluster(&last), &second_upload);
    assert_eq!(revisions(&testbed).len(), 2);

    // Without its files there is no way back.
    testbed.delete("ConfigMap", &first_upload);
    let _ = rollback(&testbed, &[]).exits(3).says(&format!(
        " of rayservice/alice-llm no longer exists: configmap/{first_upload} was deleted\n"
    ));
    testbed.delete("RayService", "alice-llm");
    gone(&testbed);
    testbed.wait("the previous version to be gone", || {
        revisions(&testbed).is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_version_whose_applications_fail_does_not_take_over() {
    if super::lacks("pod-addresses") {
        return;
    }
    let testbed = researcher("raybad");
    let config = |path: &str| serve_config("llm").replace("app:deployment", path);
    let _ = llm(&testbed, &["--wait"]).exits(0);
    let first = running(&testbed, "alice-llm", "llm");

    // The testbed's Ray fails what is called so.
    testbed.sandbox.write("llm/fails.py", "deployment = 1\n");
    testbed
        .sandbox
        .write("llm/serveconfig", config("app.fails:deployment"));
    let words =
        "rollout is stuck: application llm: ModuleNotFoundError: No module named 'app.fails'";
    let _ = llm(&testbed, &["--wait"])
        .exits(1)
        .says(&format!(
            "error: rayservice/alice-llm cannot be ready until this is fixed: {words}\n"
        ))
        .says("help: see why: kaiwo why --as ")
        .says("help: roll back to the previous version: kaiwo serve --as ");
    let hanging = testbed.find("RayService", "alice-llm").unwrap();
    assert!(has_condition(&hanging, "Ready"));
    assert_eq!(active_cluster(&hanging), active_cluster(&first));
    let status = run(&testbed, &["status", "alice-llm"]).exits(0);
    assert!(
        status
            .stdout
            .contains(&format!("Status      Ready: {words}\n")),
        "{}",
        status.stdout
    );
    let list = run(&testbed, &["list"]).exits(0);
    assert!(list.stdout.contains(words), "{}", list.stdout);
    let why = run(&testbed, &["why", "alice-llm"]).exits(0);
    let cluster = |place: &str| hanging["status"][place]["rayClusterName"].as_str().unwrap();
    for line in [
        "Application llm could not be deployed\n".to_owned(),
        "| ModuleNotFoundError: No module named 'app.fails'\n".to_owned(),
        format!(
            "on cluster {}, which should take over; {} keeps serving\n",
            cluster("pendingServiceStatus"),
            cluster("activeServiceStatus")
        ),
        format!("--rollback rayservice/alice-llm -n {}", testbed.name),
    ] {
        assert!(
            why.stdout.contains(&line),
            "{line} is not in\n{}",
            why.stdout
        );
    }
    let _ = rollback(&testbed, &["--wait"]).exits(0);
    let back = running(&testbed, "alice-llm", "llm");
    assert_eq!(spec(&back), spec(&first));

    // Nor does one without an image.
    let _ = llm(&testbed, &["-i", "testbed/pull-fails:1"]).exits(0);
    testbed.wait("both pods of the next cluster to lack their image", || {
        let pods = testbed.list("Pod");
        let lacks = |pod: &&Value| {
            pod.pointer("/status/containerStatuses/0/state/waiting/reason")
                == Some(&json!("ImagePullBackOff"))
        };
        (pods.iter().filter(lacks).count() == 2).then_some(())
    });
    let status = run(&testbed, &["status", "alice-llm"]).exits(0);
    assert!(
        status
            .stdout
            .contains("Ready: rollout is stuck: ImagePullBackOff in pod alice-llm-"),
        "{}",
        status.stdout
    );
    let list = run(&testbed, &["list"]).exits(0);
    assert!(
        list.stdout.contains("rollout is stuck: ImagePullBackOff"),
        "{}",
        list.stdout
    );
    let why = run(&testbed, &["why", "alice-llm"]).exits(0);
    let once = why
        .stdout
        .matches("has no image testbed/pull-fails:1")
        .count();
    assert_eq!(once, 1, "{}", why.stdout);
    assert!(
        why.stdout
            .contains("serve it again with the correct -i IMAGE"),
        "{}",
        why.stdout
    );
    let hanging = testbed.find("RayService", "alice-llm").unwrap();
    assert_eq!(active_cluster(&hanging), active_cluster(&back));
    let _ = rollback(&testbed, &["--wait"]).exits(0);
    running(&testbed, "alice-llm", "llm");

    // With the files there, the cluster that serves takes up the configuration
    // by itself.
    testbed
        .sandbox
        .write("llm/serveconfig", config("app:deployment"));
    let _ = llm(&testbed, &["--wait"]).exits(0);
    testbed
        .sandbox
        .write("llm/serveconfig", config("app.fails:deployment"));
    let _ = llm(&testbed, &[])
        .exits(0)
        .says("  spec.serveConfigV2: changed\n");
    let status = "/status/activeServiceStatus/applicationStatuses/llm/status";
    testbed.wait_for("RayService", "alice-llm", status, "DEPLOY_FAILED");
    let _ = run(&testbed, &["wait", "alice-llm"]).exits(1).says(
        "until this is fixed: application llm: ModuleNotFoundError: No module named 'app.fails'\n",
    );
    let _ = rollback(&testbed, &["--wait"])
        .exits(0)
        .says("  rayservice/alice-llm spec.serveConfigV2: changed\n");
    running(&testbed, "alice-llm", "llm");
    testbed.delete("RayService", "alice-llm");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queued_rayservice_goes_back_within_what_kueue_has_admitted() {
    if super::lacks("pod-addresses") {
        return;
    }
    let testbed = researcher("rayqueue");
    testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({"stopPolicy": "Hold"}));
    let queue = testbed.name.clone();
    let llm = |arguments: &[&str]| llm(&testbed, &[&["-q", &queue], arguments].concat());
    // Changed while it waits: what is kept was never admitted.
    let _ = llm(&["--force"]).exits(0);
    let suspended = testbed.wait("Kueue to hold it", || {
        let service = testbed.find("RayService", "alice-llm")?;
        (service["spec"]["rayClusterConfig"]["suspend"] == true).then_some(service)
    });
    testbed
        .sandbox
        .write("llm/serveconfig", serve_config("chat"));
    let _ = llm(&["--force"])
        .exits(0)
        .says("spec.serveConfigV2: changed\n");
    testbed.merge(
        "ClusterQueue",
        &queue,
        &json!({"spec": {"stopPolicy": "None"}}),
    );
    let second = running(&testbed, "alice-llm", "chat");
    assert_eq!(second["metadata"]["uid"], suspended["metadata"]["uid"]);
    let workloads = || testbed.list("Workload");
    let admitted = workloads();
    assert_eq!(admitted.len(), 1);

    for application in ["llm", "chat"] {
        let _ = rollback(&testbed, &["--wait", "--to", &other(&testbed)])
            .exits(0)
            .says("  rayservice/alice-llm spec.serveConfigV2: changed\n");
        let back = running(&testbed, "alice-llm", application);
        assert_eq!(active_cluster(&back), active_cluster(&second));
        assert_eq!(
            back["spec"]["rayClusterConfig"],
            second["spec"]["rayClusterConfig"]
        );
        let still = workloads();
        assert_eq!(still.len(), 1);
        assert_eq!(still[0]["metadata"]["uid"], admitted[0]["metadata"]["uid"]);
        assert!(has_condition(&still[0], "Admitted"), "{still:?}");
    }
    testbed.delete("RayService", "alice-llm");
    gone(&testbed);
}
